"""Spans of the same drivers put one after the other, and summed. `geo.span_weaving` has the definitions."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import borrowed

Floats = NDArray[np.float64]
Offsets = NDArray[np.int64]


@njit(cache=True, nogil=True)
def counts(base_offsets: Offsets, base_end_s: Floats, more_offsets: Offsets, from_s: float, first: Offsets, offsets: Offsets) -> None:  # fmt: skip
    """Fills `first`, int64[drivers], with each driver's first span of the base that is kept, and `offsets`, int64[drivers + 1]."""
    known, total = len(base_offsets) - 1, 0
    for driver in range(len(first)):
        begin, end = (base_offsets[driver], base_offsets[driver + 1]) if driver < known else (0, 0)
        while begin < end and base_end_s[begin] < from_s:
            begin += 1
        first[driver], offsets[driver] = begin, total
        total += end - begin + more_offsets[driver + 1] - more_offsets[driver]
    offsets[len(first)] = total


@njit(cache=True, nogil=True)
def weave(
    base_offsets: Offsets, first: Offsets, more_offsets: Offsets, offsets: Offsets,
    base: tuple[Floats, Floats], base_xy: tuple[Floats, Floats], more: tuple[Floats, Floats], more_xy: tuple[Floats, Floats],
    out: tuple[Floats, Floats], out_xy: tuple[Floats, Floats],
) -> None:  # fmt: skip
    """Fills the columns of `out`: begins and ends, and their places."""
    known = len(base_offsets) - 1
    of_base, of_more, made = borrowed(base), borrowed(more), borrowed(out)
    of_base_xy, of_more_xy, made_xy = borrowed(base_xy), borrowed(more_xy), borrowed(out_xy)
    for driver in range(len(first)):
        to = offsets[driver]
        for i in range(first[driver], base_offsets[driver + 1] if driver < known else first[driver]):
            for side in range(2):
                made[side][to] = of_base[side][i]
                made_xy[side][to, 0], made_xy[side][to, 1] = of_base_xy[side][i, 0], of_base_xy[side][i, 1]
            to += 1
        for i in range(more_offsets[driver], more_offsets[driver + 1]):
            for side in range(2):
                made[side][to] = of_more[side][i]
                made_xy[side][to, 0], made_xy[side][to, 1] = of_more_xy[side][i, 0], of_more_xy[side][i, 1]
            to += 1


@njit(cache=True, nogil=True)
def spent(
    offsets: Offsets, begin_s: Floats, end_s: Floats, driver: NDArray[np.int64], from_s: Floats, until_s: Floats, out: Floats
) -> None:  # fmt: skip
    """Adds to `out`, float64[n, m], the seconds of each time [from, until), float64[m], that each driver spent in its spans."""
    for i in range(len(driver)):
        first, end = offsets[driver[i]], offsets[driver[i] + 1]
        for j in range(len(from_s)):
            low, high = first, end
            while low < high:  # the first that begins at the end of the time, or after
                middle = (low + high) // 2
                if begin_s[middle] < until_s[j]:
                    low = middle + 1
                else:
                    high = middle
            k = low - 1
            while k >= first and end_s[k] > from_s[j]:
                out[i, j] += min(end_s[k], until_s[j]) - max(begin_s[k], from_s[j])
                k -= 1
