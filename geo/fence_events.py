"""What fences have to say, as columns: who entered and left what, when and where.

A visit is one stay of a vehicle in a fence; its id is the same in everything said about it, and goes up with each new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """What happened."""

    ENTER = 0
    EXIT = 1


class Cause(IntEnum):
    """Why it happened now."""

    MOVED = 0  # a fix
    FENCE_CHANGED = 1  # an edit of the fence, or its deletion


NONE = -1
"""In a column of whole numbers: there is none, or it is not known."""


@dataclass(frozen=True, slots=True)
class FenceEvents:
    """Events as read-only columns of equal length, in the order in which they are to be told.

    | column | dtype | |
    |---|---|---|
    | row | int32 | the vehicle's |
    | handle | int32 | the fence's |
    | kind, cause | int8 | `Kind`, `Cause` |
    | visit | int64 | the same from enter to exit |
    | time_ms | int64 | of the crossing |
    | lat_deg, lon_deg | float64 | of the crossing |
    | fix_time_ms | int64 | of the fix that proved it; without one, of the vehicle's last |
    | fix | int32 | that fix's index in the input; NONE: none did |
    | entered_ms, left_ms | int64 | the visit's; left_ms is NONE while it lasts |
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
}  # the others are int32


def fence_events(**columns: Any) -> FenceEvents:
    """Events of the columns given (arrays, or one value for all); the others are NONE. `row` is an array."""
    size = len(columns["row"])
    arrays = []
    for name in COLUMNS:
        array: NDArray[Any] = np.full(size, columns.get(name, NONE), _DTYPES.get(name, np.int32))
        array.flags.writeable = False
        arrays.append(array)
    return FenceEvents(*arrays)


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
