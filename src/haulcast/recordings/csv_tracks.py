"""CSV with a header: `time_s` (or `time_ms`), `vehicle`, `lat`, `lon`, and what else it may have."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import IO

import numpy as np
from numpy.typing import NDArray

from haulcast.errors import RequestError
from haulcast.recordings.number_columns import numbers, times_ms
from haulcast.recordings.recording import OPTIONAL, Recording, concatenate

_TIMES = {"time_s": 1000, "time_ms": 1}
_KNOWN = (*_TIMES, "vehicle", "lat", "lon", "occupied", *OPTIONAL)
_ALIASES = {"ts": "time_s", "cab": "vehicle", "occ": "occupied"}
_CHUNK_ROWS = 50_000  # rows held as Python lists at once; more only makes the garbage collector walk


def read_csv_tracks(lines: IO[str], stem: str, where: str) -> Recording:
    """All rows, in order. `stem` names the vehicle where there is no such column; `where` is for errors.

    Raises:
        RequestError: a missing or unknown column, a row of another length, a number that is none.
    """
    reader = csv.reader(lines)
    header = [_ALIASES.get(name, name) for name in next(reader, [])]
    _check_header(header, where)
    place: dict[str, int] = {}
    chunks = [_recording(dict.fromkeys(header, ()), place, stem, where, 0)]
    while rows := list(islice(reader, _CHUNK_ROWS)):
        # a quoted line break would shift the lines in errors; no known file has one
        first_line = reader.line_num - len(rows) + 1
        chunks.append(_recording(_columns(header, rows, where, first_line), place, stem, where, first_line))
    return concatenate([replace(chunk, vehicles=list(place)) for chunk in chunks])


def _check_header(header: Sequence[str], where: str) -> None:
    unknown = [name for name in header if name not in _KNOWN]
    missing = [name for name in ("lat", "lon") if name not in header]
    if not any(name in header for name in _TIMES):
        missing.insert(0, "time_s or time_ms")
    if unknown or missing:
        says = [f"missing {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(unknown)}"] * bool(
            unknown
        )
        raise RequestError(
            "bad_recording", f"{where}:1: columns {'; '.join(says)}; known are {', '.join(_KNOWN)}"
        )


def _columns(
    header: Sequence[str], rows: list[list[str]], where: str, first_line: int
) -> dict[str, Sequence[str]]:
    for i, row in enumerate(rows):
        if len(row) != len(header):
            says = f"{where}:{first_line + i}: {len(row)} fields, the header has {len(header)}"
            raise RequestError("bad_recording", says)
    return dict(zip(header, zip(*rows, strict=True), strict=True))


def _recording(
    columns: dict[str, Sequence[str]], place: dict[str, int], stem: str, where: str, first_line: int
) -> Recording:
    def column(name: str) -> NDArray[np.float64]:
        return numbers(columns[name], name, where, first_line)

    time_name = next(name for name in _TIMES if name in columns)
    names = columns.get("vehicle", [stem] * len(columns["lat"]))
    vehicle = [place.setdefault(name, len(place)) for name in names]
    return Recording(
        vehicles=list(place),
        vehicle=np.array(vehicle, np.int32),
        time_ms=times_ms(column(time_name), _TIMES[time_name], where, first_line),
        lat_deg=column("lat"),
        lon_deg=column("lon"),
        optional={name: column(name) for name in OPTIONAL if name in columns},
        attributes={"occupied": column("occupied") == 1} if "occupied" in columns else {},
    )
