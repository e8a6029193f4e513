"""Fixes as JSON, a fix an object; unknown is left out."""

from collections.abc import Sequence
from typing import Any

import orjson

from geo.positions import PositionBatch
from haulcast.doors.time_fields import iso_texts
from haulcast.reports.report_fields import known_or_none

_TIMES = ("time_ms", "received_ms")
_NUMBERS = {
    "lat": "lat_deg",
    "lon": "lon_deg",
    "speed_mps": "speed_mps",
    "heading_deg": "heading_deg",
    "accuracy_m": "accuracy_m",
    "altitude_m": "altitude_m",
}


def fix_documents(
    fixes: PositionBatch, ids: Sequence[str] | None = None, *, iso: bool
) -> list[dict[str, Any]]:
    """Each fix in the words of `docs/protocol.md`, for `orjson.dumps`; with the id of its vehicle, if `ids` are given."""
    columns: dict[str, list[Any]] = {} if ids is None else {"id": list(ids)}
    for name in _TIMES:
        values = getattr(fixes, name)
        columns[name.removesuffix("_ms") if iso else name] = iso_texts(values) if iso else values.tolist()
    columns["seq"] = [None if seq < 0 else seq for seq in fixes.seq.tolist()]
    for name, column in _NUMBERS.items():
        columns[name] = known_or_none(getattr(fixes, column))
    names = tuple(columns)
    documents = [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns.values(), strict=True)
    ]
    for i, text in fixes.attributes.items():
        documents[i]["attributes"] = orjson.Fragment(text)
    return documents
