"""The cabspotting originals: `lat lon occupied time_s` a line, newest first, the vehicle in the file's name.

M. Piorkowski, N. Sarafijanovic-Djukic, M. Grossglauser, CRAWDAD epfl/mobility, doi 10.15783/C7J010.
"""

from typing import IO

import numpy as np

from haulcast.errors import RequestError
from haulcast.recordings.number_columns import numbers, times_ms
from haulcast.recordings.recording import Recording

_COLUMNS = ("lat", "lon", "occupied", "time_s")


def read_cab_text(lines: IO[str], stem: str, where: str) -> Recording:
    """All lines, in order. `stem` is `new_NAME`; `where` is for errors.

    Raises:
        RequestError: a line that has not four numbers.
    """
    rows = [line.split() for line in lines]
    while rows and not rows[-1]:
        rows.pop()
    for number, row in enumerate(rows, 1):
        if len(row) != len(_COLUMNS):
            raise RequestError(
                "bad_recording", f"{where}:{number}: {len(row)} fields; each line is {' '.join(_COLUMNS)}"
            )
    texts = zip(*rows, strict=True) if rows else ((),) * len(_COLUMNS)
    lat, lon, occupied, time_s = (
        numbers(column, name, where, 1) for name, column in zip(_COLUMNS, texts, strict=True)
    )
    return Recording(
        vehicles=[stem.removeprefix("new_")],
        vehicle=np.zeros(len(rows), np.int32),
        time_ms=times_ms(time_s, 1000, where, 1),
        lat_deg=lat,
        lon_deg=lon,
        attributes={"occupied": occupied == 1},
    )
