"""What every decoder of this station gives: fixes in SI units, with the protocol's own words left behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from geo.positions import PositionBatch, from_columns
from haulcast.doors.request_fields import MOST_ATTRIBUTE_LEVELS, is_nested_deeper
from haulcast.errors import RequestError

ATTRIBUTES_BYTES = 8_192
"""As much as the device protocol allows a fix."""
MEASURED = ("lat_deg", "lon_deg", "speed_mps", "heading_deg", "accuracy_m", "altitude_m")
"""The last columns of `geo.positions`, in their order."""
NO_SEQ = -1
"""These protocols count nothing: a fix is known by its vehicle and its time. See `geo.positions`."""


@dataclass(frozen=True, slots=True)
class ReportedFix:
    """One fix; NaN is unknown. Coordinates are as sent: the filter has a reason for each way they can be wrong.

    Attributes:
        time_ms: its own time; None: the protocol said none, and the time of arrival has to do.
        seq: the device's own sequence number, where it counts.
        attributes: whatever else was said, by the names of `docs/phones.md`.
    """

    time_ms: int | None
    lat_deg: float
    lon_deg: float
    speed_mps: float = nan
    heading_deg: float = nan
    accuracy_m: float = nan
    altitude_m: float = nan
    seq: int = NO_SEQ
    attributes: Mapping[str, Any] = field(default_factory=dict)


def batch_of(fixes: Sequence[ReportedFix], row: int, now_ms: int) -> PositionBatch:
    """Columns of one vehicle's fixes, in their order.

    Args:
        fixes: at least one.
        row: the vehicle's.
        now_ms: what counts as received, and as the time of a fix that says none.

    Raises:
        RequestError: the attributes of a fix are too large, or nested too deeply.
    """
    size = len(fixes)
    times = [now_ms if fix.time_ms is None else fix.time_ms for fix in fixes]
    columns: list[NDArray[Any]] = [
        np.full(size, row, np.int32),
        np.array([fix.seq for fix in fixes], np.int64),
        np.array(times, np.int64),
        np.full(size, now_ms, np.int64),
        *(np.array([getattr(fix, name) for fix in fixes], np.float64) for name in MEASURED),
    ]
    return from_columns(
        columns, {i: _as_text(fix.attributes) for i, fix in enumerate(fixes) if fix.attributes}
    )


def _as_text(attributes: Mapping[str, Any]) -> bytes:
    if is_nested_deeper(attributes):
        reason = f"what a fix says beside its position has more than {MOST_ATTRIBUTE_LEVELS} levels"
        raise RequestError("out_of_range", reason, field="attributes")
    text = orjson.dumps(attributes)
    if len(text) > ATTRIBUTES_BYTES:
        reason = f"what a fix says beside its position has {len(text)} bytes; allowed are {ATTRIBUTES_BYTES}"
        raise RequestError("out_of_range", reason, field="attributes")
    return text
