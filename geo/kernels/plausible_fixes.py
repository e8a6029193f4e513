"""Which fixes a vehicle can have been at, told in the order of time."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.track_filter import FilterLimits, is_plausible

FIX = np.dtype([("time_ms", np.int64), ("lat", np.float64), ("lon", np.float64), ("accuracy_m", np.float64)])

Fix = Any
"""One record of FIX. numba sees its fields; the type checker has no word for a record."""


@njit(cache=True, nogil=True)
def agree(one: Fix, other: Fix, limits: FilterLimits) -> bool:
    """Whether a vehicle can have been at both."""
    return is_plausible(
        one.time_ms, one.lat, one.lon, one.accuracy_m,
        other.time_ms, other.lat, other.lon, other.accuracy_m, limits,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def believe(
    before: NDArray[np.void], fixes: NDArray[np.void], limits: FilterLimits, is_believed: NDArray[np.bool_]
) -> tuple[int, int]:
    """Says which fixes, ascending in time, are believed, by the rule of the filter: a jump is borne out by the next fix or was none.

    `before` is the last one believed before them, FIX[1], or FIX[0]: then the first is believed.

    Returns where the last one is, and where the jump is that stands behind it and on which the next fix will decide; -1: nowhere.
    """
    last, held = -1, -1
    for i in range(fixes.size):
        if last >= 0:
            follows = agree(fixes[last], fixes[i], limits)
        else:
            follows = before.size == 0 or agree(before[0], fixes[i], limits)
        agrees = held >= 0 and agree(fixes[held], fixes[i], limits)
        is_believed[i] = follows or agrees
        if agrees and not follows:
            is_believed[held] = True
        if follows or agrees:
            last, held = i, -1
        else:
            held = i
    return last, held


LAST = 1
HELD = 2


@njit(cache=True, nogil=True)
def believe_fleet(
    rows: NDArray[np.int32],
    fixes: NDArray[np.void],
    stands: NDArray[np.uint8],
    last: NDArray[np.void],
    held: NDArray[np.void],
    limits: FilterLimits,
    is_believed: NDArray[np.bool_],
) -> None:
    """The rule of `believe` for fixes of many vehicles, FIX[n] of rows int32[n], in order of time; each is judged by those before it.

    By row, and changed: `last`, FIX, the last one believed, if `stands` has the bit LAST; `held`, FIX, the jump behind it, if it has HELD.
    """
    for i in range(fixes.size):
        row = rows[i]
        is_believed[i] = (
            not stands[row] & LAST
            or agree(last[row], fixes[i], limits)
            or (stands[row] & HELD and agree(held[row], fixes[i], limits))
        )
        if is_believed[i]:
            last[row] = fixes[i]
            stands[row] = LAST
        else:
            held[row] = fixes[i]
            stands[row] |= HELD
