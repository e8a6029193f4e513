"""Which fences a straight way passes through though it begins and ends outside, and from where to where.

The boxes of the fences stand in three levels of `FANOUT`, sorted so that neighbours in the arrays are neighbours on the map.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.fence_cover import Shapes, with_room
from geo.kernels.fence_crossing import crossing
from geo.kernels.geodesy import GREATEST_RADIUS_M, beyond_m, circle_fraction, short_way

FANOUT = 16
CLOSE_M = 1e-3
"""A way no deeper in a circle than this touches it."""

_NEAREST_M = 1e-2
_GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)
_PIECE_DEG = 10.0
_WORLD_DEG = 360.0


class Boxes(NamedTuple):
    """The boxes of f fences; west, south, east, north."""

    fence: NDArray[np.int32]  # [f] index in the set, by fleet
    first: NDArray[np.int64]  # [fleets + 1] first of each fleet
    boxes: NDArray[np.float64]  # [f, 4]
    groups: NDArray[np.float64]  # [f / 16, 4] hulls of 16 boxes each
    regions: NDArray[np.float64]  # [f / 256, 4] hulls of 16 groups each


@njit(cache=True, nogil=True)
def _meet(boxes: NDArray[np.float64], i: int, west: float, south: float, east: float, north: float) -> bool:
    return bool(boxes[i, 0] <= east and boxes[i, 2] >= west and boxes[i, 1] <= north and boxes[i, 3] >= south)


@njit(cache=True, nogil=True)
def _next_met(boxes: Boxes, i: int, stop: int, west: float, south: float, east: float, north: float) -> int:
    """The first place from i on, before `stop`, whose box meets a box; `stop` when there is none."""
    while i < stop:
        if i % FANOUT == 0 and not _meet(boxes.groups, i // FANOUT, west, south, east, north):
            i += FANOUT
        elif _meet(boxes.boxes, i, west, south, east, north):
            return i
        else:
            i += 1
        while (
            i % (FANOUT * FANOUT) == 0
            and i < stop
            and not _meet(boxes.regions, i // (FANOUT * FANOUT), west, south, east, north)
        ):
            i += FANOUT * FANOUT
    return stop


@njit(cache=True, nogil=True)
def _nearest(
    circle: NDArray[np.float64], x0: float, y0: float, dx: float, dy: float, a: float, b: float, way_m: float
) -> float:
    """Where between a and b a way is nearest to a circle's centre, to 1 cm of the way.

    Golden section search: Kiefer (1953), doi 10.1090/S0002-9939-1953-0055639-3.
    """
    low, high = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    at_low, at_high = beyond_m(circle, x0, y0, dx, dy, low), beyond_m(circle, x0, y0, dx, dy, high)
    while (b - a) * way_m > _NEAREST_M:
        if at_low < at_high:
            b, high, at_high = high, low, at_low
            low = b - _GOLDEN * (b - a)
            at_low = beyond_m(circle, x0, y0, dx, dy, low)
        else:
            a, low, at_low = low, high, at_high
            high = a + _GOLDEN * (b - a)
            at_high = beyond_m(circle, x0, y0, dx, dy, high)
    return 0.5 * (a + b)


@njit(cache=True, nogil=True)
def _way_bound_m(y0: float, dx: float, dy: float) -> float:
    """No less than the way's length."""
    y1 = y0 + dy
    widest = 0.0 if y0 * y1 <= 0.0 else min(abs(y0), abs(y1))
    return GREATEST_RADIUS_M * math.hypot(math.radians(dx) * math.cos(math.radians(widest)), math.radians(dy))


@njit(cache=True, nogil=True)
def _circle_pass(
    circle: NDArray[np.float64], x0: float, y0: float, dx: float, dy: float
) -> tuple[float, float]:
    """Fractions at which a way that begins and ends outside enters a circle first and leaves it last; -1, -1: it does not.

    The distance to the centre has one least value in each piece of the way that turns around the pole by no more than 10 degrees.
    """
    ends_m = beyond_m(circle, x0, y0, dx, dy, 0.0), beyond_m(circle, x0, y0, dx, dy, 1.0)
    way_m = _way_bound_m(y0, dx, dy)
    if ends_m[0] <= 0.0 or ends_m[1] <= 0.0 or ends_m[0] + ends_m[1] > way_m:
        return -1.0, -1.0
    pieces = 1 + int(abs(dx) / _PIECE_DEG)
    enter = inside = -1.0
    for piece in range(pieces):
        t = _nearest(circle, x0, y0, dx, dy, piece / pieces, (piece + 1) / pieces, way_m)
        if beyond_m(circle, x0, y0, dx, dy, t) < -CLOSE_M:
            inside = t
            if enter < 0.0:
                enter = t * circle_fraction(circle, x0, y0, t * dx, t * dy)
    if inside < 0.0:
        return -1.0, -1.0
    rest = 1.0 - inside
    leave = circle_fraction(circle, x0 + inside * dx, y0 + inside * dy, rest * dx, rest * dy)
    return enter, inside + rest * leave


@njit(cache=True, nogil=True)
def _pass_through(
    shapes: Shapes, fence: int, x0: float, y0: float, x1: float, y1: float
) -> tuple[float, float]:
    """Fractions at which a fence's boundary is met first and last; -1, -1: at less than two places."""
    if shapes.circle[fence] >= 0:
        return _circle_pass(shapes.circles[shapes.circle[fence]], x0, y0, short_way(x1 - x0), y1 - y0)
    enter = crossing(shapes, fence, x0, y0, x1, y1, False)
    if enter < 0.0:
        return -1.0, -1.0
    leave = crossing(shapes, fence, x0, y0, x1, y1, True)
    return (enter, leave) if leave > enter else (-1.0, -1.0)


@njit(cache=True, nogil=True)
def find(
    boxes: Boxes,
    shapes: Shapes,
    is_gone: NDArray[np.bool_],
    fleet_number: NDArray[np.int32],
    lat0: NDArray[np.float64],
    lon0: NDArray[np.float64],
    lat1: NDArray[np.float64],
    lon1: NDArray[np.float64],
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """int32[n, 2] way and fence, float64[n, 2] enter and leave. A way that ends inside a polygon may be among them."""
    pairs, parts = np.empty((16, 2), np.int32), np.empty((16, 2))
    n = 0
    for i in range(fleet_number.size):
        fleet, x0, y0, x1, y1 = fleet_number[i], lon0[i], lat0[i], lon1[i], lat1[i]
        if not 0 <= fleet < boxes.first.size - 1 or (x0 == x1 and y0 == y1):
            continue
        end = x0 + short_way(x1 - x0)
        west, east, south, north = min(x0, end), max(x0, end), min(y0, y1), max(y0, y1)
        for turn in (0.0, math.copysign(_WORLD_DEG, end)):
            if turn != 0.0 and abs(end) <= 180.0:
                break
            stop = boxes.first[fleet + 1]
            k = _next_met(boxes, boxes.first[fleet], stop, west - turn, south, east - turn, north)
            while k < stop:
                fence = boxes.fence[k]
                is_new = turn == 0.0 or not _meet(boxes.boxes, k, west, south, east, north)
                if is_new and not (fence < is_gone.size and is_gone[fence]):
                    enter, leave = _pass_through(shapes, fence, x0, y0, x1, y1)
                    if enter >= 0.0:
                        pairs, parts = with_room(pairs, n, 1), with_room(parts, n, 1)
                        pairs[n, 0], pairs[n, 1], parts[n, 0], parts[n, 1] = i, fence, enter, leave
                        n += 1
                k = _next_met(boxes, k + 1, stop, west - turn, south, east - turn, north)
    return pairs[:n], parts[:n]
