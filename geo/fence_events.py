"""What fences, rules and routes have to say, as columns: who entered and left what, when and where, who broke which rule, and who drives as planned.

A visit is one stay of a vehicle in a fence, or near another vehicle; its id is the same in everything said about it, and goes up
with each new one. An event of a rule (`rule` is not NONE) says what the rule waited for; without one it is a fact.
An event of a route (`route` is not NONE) says how far the vehicle has come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """What happened."""

    ENTER = 0
    EXIT = 1
    DWELL = 2  # it has been inside for as long as the rule says
    CROSS = 3  # it was inside and is out again, maybe between two fixes
    OVERSPEED = 4  # inside, and faster than the rule says
    UNAUTHORISED = 5  # inside, and the rule says that it may not be
    NEAR = 6  # two vehicles have come as near to each other as the rule says
    APART = 7  # and are further apart again
    CORRECTED = 8  # a visit told before was other than told: entered_ms and left_ms hold now
    WITHDRAWN = 9  # a visit told before never was
    ARRIVED = 10  # at a stop of its route
    DEPARTED = 11  # from a stop where it had arrived
    LATE_RISK = 12  # it will be at a stop too long after the window has closed
    OFF_ROUTE = 13  # it has left the line of its route
    ON_ROUTE = 14  # and is on it again


class Cause(IntEnum):
    """Why it happened now."""

    MOVED = 0  # a fix
    FENCE_CHANGED = 1  # an edit of the fence, or its deletion
    TIMER = 2  # time has passed
    SCHEDULE = 3  # the rule's hours have begun
    RULE_CHANGED = 4  # an edit of the rule, or of what it selects
    LATE = 5  # a fix that came late
    ROUTE_CHANGED = 6  # the route has become the vehicle's active one, or was edited


NONE = -1
"""In a column of whole numbers: there is none, or it is not known."""


@dataclass(frozen=True, slots=True)
class FenceEvents:
    """Events as read-only columns of equal length, in the order in which they are to be told.

    | column | dtype | |
    |---|---|---|
    | row | int32 | the vehicle's |
    | handle | int32 | the fence's; NONE: of two vehicles |
    | kind, cause | int8 | `Kind`, `Cause` |
    | visit | int64 | the same from enter to exit |
    | time_ms | int64 | of the crossing |
    | lat_deg, lon_deg | float64 | of the crossing |
    | fix_time_ms | int64 | of the fix that proved it; without one, of the vehicle's last |
    | fix | int32 | that fix's index in the input; NONE: none did |
    | entered_ms, left_ms | int64 | the visit's; left_ms is NONE while it lasts |
    | rule | int32 | number in the rule set; NONE: a fact, of no rule |
    | other | int32 | row of the other vehicle of NEAR and APART |
    | value | float64 | speed of OVERSPEED (m/s), distance of NEAR, APART and OFF_ROUTE (m), lateness of LATE_RISK (s); NaN of the others |
    | route | int32 | number in the route set; NONE: of no route |
    | stop | int32 | which of the route's stops, from 0; NONE: of none |
    """

    row: NDArray[np.int32]
    handle: NDArray[np.int32]
    kind: NDArray[np.int8]
    cause: NDArray[np.int8]
    visit: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    fix_time_ms: NDArray[np.int64]
    fix: NDArray[np.int32]
    entered_ms: NDArray[np.int64]
    left_ms: NDArray[np.int64]
    rule: NDArray[np.int32]
    other: NDArray[np.int32]
    value: NDArray[np.float64]
    route: NDArray[np.int32]
    stop: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row)


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(FenceEvents))
_DTYPES: dict[str, type] = {
    "kind": np.int8,
    "cause": np.int8,
    "visit": np.int64,
    "time_ms": np.int64,
    "lat_deg": np.float64,
    "lon_deg": np.float64,
    "fix_time_ms": np.int64,
    "entered_ms": np.int64,
    "left_ms": np.int64,
    "value": np.float64,
}  # the others are int32


def _unknown(name: str) -> NDArray[Any]:
    array: NDArray[Any] = np.full(4096, np.nan if name == "value" else NONE, _DTYPES.get(name, np.int32))
    array.flags.writeable = False
    return array


_UNKNOWN = {name: _unknown(name) for name in COLUMNS}  # read-only, so that all may share it


def fence_events(**columns: Any) -> FenceEvents:
    """Events of the columns given (arrays, or one value for all); the others are NONE, `value` NaN. `row` is an array.

    What is read-only and of its column's type is kept, all else is copied.
    """
    size = len(columns["row"])
    return FenceEvents(*(_column(name, columns.get(name), size) for name in COLUMNS))


def _column(name: str, given: Any, size: int) -> NDArray[Any]:
    dtype = _DTYPES.get(name, np.int32)
    if given is None:
        if size <= len(_UNKNOWN[name]):
            return _UNKNOWN[name][:size]
        given = _UNKNOWN[name][0]
    if not isinstance(given, np.ndarray):
        given = np.full(size, given, dtype)
    elif given.dtype != dtype or given.flags.writeable:
        given = given.astype(dtype)
    given.flags.writeable = False
    return cast("NDArray[Any]", given)


_NOTHING = fence_events(row=())  # read-only, so that all may share it


def no_events() -> FenceEvents:
    """Of nothing that happened."""
    return _NOTHING


def join_events(parts: Sequence[FenceEvents]) -> FenceEvents:
    """All events, part after part."""
    some = [part for part in parts if len(part)]
    if not some:
        return no_events()
    if len(some) == 1:
        return some[0]
    return fence_events(**{name: np.concatenate([getattr(part, name) for part in some]) for name in COLUMNS})
