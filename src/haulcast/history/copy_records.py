"""Fixes as PostgreSQL's binary COPY wants them, made by numpy: no Python object a fix.

The format is that of https://www.postgresql.org/docs/current/sql-copy.html ("Binary Format"): a header, then each row as the
number of its fields and each field as its size in bytes and its value, big-endian, then a trailer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.positions import PositionBatch

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"
NULL_BYTES = -1

FIELDS: Mapping[str, str] = {
    "vehicle": ">i4",
    "time_ms": ">i8",
    "seq": ">i8",
    "received_ms": ">i8",
    "lat_deg": ">f8",
    "lon_deg": ">f8",
    "speed_mps": ">f8",
    "heading_deg": ">f8",
    "accuracy_m": ">f8",
    "altitude_m": ">f8",
}
"""The table's columns before `attributes`, in its order."""

_ROW = np.dtype(
    [
        ("fields", ">i2"),
        *(pair for name, kind in FIELDS.items() for pair in ((f"{name}_bytes", ">i4"), (name, kind))),
        ("attributes_bytes", ">i4"),  # the text, if there is any, follows it
    ]
)


def _empty_row() -> NDArray[np.void]:
    row = np.zeros(1, _ROW)
    row["fields"] = len(FIELDS) + 1
    row["attributes_bytes"] = NULL_BYTES
    for name, kind in FIELDS.items():
        row[f"{name}_bytes"] = np.dtype(kind).itemsize
    return row


_EMPTY_ROW = _empty_row()


def copy_records(vehicle: NDArray[np.integer[Any]], fixes: PositionBatch) -> bytes:
    """All fixes for one COPY; `vehicle` has the stored number of each fix's vehicle."""
    rows = np.repeat(_EMPTY_ROW, len(fixes))
    rows["vehicle"] = vehicle
    for name in FIELDS:
        if name != "vehicle":
            rows[name] = getattr(fixes, name)
    if not fixes.attributes:
        return HEADER + rows.tobytes() + TRAILER
    return b"".join([HEADER, *_with_attributes(rows, fixes.attributes), TRAILER])


def _with_attributes(rows: NDArray[np.void], attributes: Mapping[int, bytes]) -> list[bytes | memoryview]:
    """The rows' bytes in pieces, with each text after its row."""
    index = sorted(attributes)
    rows["attributes_bytes"][index] = [len(attributes[i]) for i in index]
    joined = memoryview(rows.tobytes())
    pieces: list[bytes | memoryview] = []
    start = 0
    for i in index:
        end = (i + 1) * _ROW.itemsize
        pieces += (joined[start:end], attributes[i])
        start = end
    return [*pieces, joined[start:]]
