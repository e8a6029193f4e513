"""Inside or outside by the few ring segments near a box.

A run is a stretch of consecutive vertices of one closed ring: `first` and `last`, segments between. For a fence and a box, the runs hold at
least every segment that touches the box. The usual question, how many segments a ray from the point towards east crosses
(Shimrat 1962, doi 10.1145/368637.368653; half-open in latitude as in GEOS's RayCrossingCounter), then needs the segments that are left out. None of
them touches the box, so from the box they look like fixed curves that start and end at the runs' ends. Hang a vertical ray from each run's
end that is east of the box down to the south: now ends and rays close the curves, and what is left out adds the same constant everywhere in the box.

    inside = base xor (crossed segments) xor (ends east of the box that are north of the point), all modulo 2

`base` is found once per box, from a point whose side is known. A vertex on two listed segments would hang two rays, which cancel.
So the answer takes comparisons and the orientation test alone: it is as exact as the whole ring's.

Runs are int32[n, 2]: `first << 1 | first is east of the box`, `last << 1 | last is east of the box`.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.orientation import orientation

ON_EDGE = 2
_TOLERANCE = 3e-13  # rounding of a product of degrees: 360 * 2 * 2^-52


@njit(cache=True, nogil=True)
def run_parity(x: float, y: float, first: int, last: int, vertices: NDArray[np.float64]) -> int:
    """Parity (0 or 1) that one run adds for the point x, y; plus ON_EDGE when the point is on a segment.

    `first` and `last` are a run's two numbers, `vertices` is float64[v, 2], longitude and latitude.
    """
    i = first >> 1
    end = last >> 1
    ax = vertices[i, 0]
    ay = vertices[i, 1]
    a_north = ay > y
    parity = first & a_north
    on_edge = 0
    while i < end:
        i += 1
        bx = vertices[i, 0]
        by = vertices[i, 1]
        b_north = by > y
        if a_north != b_north:
            if ax >= x or bx >= x:
                side = orientation(ax, ay, bx, by, x, y)
                if side == 0:
                    on_edge = ON_EDGE
                elif (side > 0) == b_north:
                    parity ^= 1
        elif by == y and (bx == x or (ay == y and min(ax, bx) <= x <= max(ax, bx))):
            on_edge = ON_EDGE
        ax = bx
        ay = by
        a_north = b_north
    return int((parity ^ (last & a_north)) | on_edge)


@njit(cache=True, nogil=True)
def runs_parity(
    x: float, y: float, runs: NDArray[np.int32], start: int, stop: int, vertices: NDArray[np.float64]
) -> int:
    """Parity (0 or 1, without ON_EDGE) by runs[start:stop], to be xored with the box's base."""
    parity = 0
    for run in range(start, stop):
        parity ^= run_parity(x, y, runs[run, 0], runs[run, 1], vertices)
    return parity & 1


@njit(cache=True, nogil=True)
def ring_at(rings: NDArray[np.int32], first: int, stop: int, vertex: int) -> int:
    """Which of the rings `first` to `stop` - 1 has a vertex; `rings` is int32[r + 1], the first vertex of each."""
    while stop - first > 1:
        middle = (first + stop) // 2
        if rings[middle] <= vertex:
            first = middle
        else:
            stop = middle
    return int(first)


@njit(cache=True, nogil=True)
def segment_meets_box(ax: float, ay: float, bx: float, by: float, box: NDArray[np.float64]) -> bool:
    """False only when the segment does not touch the box (west, south, east, north)."""
    if max(ax, bx) < box[0] or min(ax, bx) > box[2] or max(ay, by) < box[1] or min(ay, by) > box[3]:
        return False
    dx = bx - ax
    dy = by - ay
    # of the box's corners, the two that are furthest to the left and to the right of the line
    left_x, right_x = (box[0], box[2]) if dy > 0.0 else (box[2], box[0])
    left_y, right_y = (box[3], box[1]) if dx > 0.0 else (box[1], box[3])
    slack = _TOLERANCE * (abs(dx) + abs(dy))
    left = dx * (left_y - ay) - dy * (left_x - ax)
    right = dx * (right_y - ay) - dy * (right_x - ax)
    return bool(left >= -slack and right <= slack)


@njit(cache=True, nogil=True)
def clip_run(
    first: int,
    last: int,
    vertices: NDArray[np.float64],
    box: NDArray[np.float64],
    runs: NDArray[np.int32],
    n: int,
) -> int:
    """Appends to `runs` at `n` the stretches of a run that meet the box; returns the new length.

    There must be room for one run more than half the segments.
    """
    open_at = -1
    for i in range(first, last):
        meets = segment_meets_box(vertices[i, 0], vertices[i, 1], vertices[i + 1, 0], vertices[i + 1, 1], box)
        if meets and open_at < 0:
            open_at = i
        if open_at >= 0 and (not meets or i + 1 == last):
            end = i + 1 if meets else i
            runs[n, 0] = open_at << 1 | (vertices[open_at, 0] > box[2])
            runs[n, 1] = end << 1 | (vertices[end, 0] > box[2])
            n += 1
            open_at = -1
    return n
