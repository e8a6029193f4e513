"""What an insertion into each route costs at least, by straight lines alone, and the routes in the order of it.

First by the ball around a route, for all routes at once; then, for those that are left, by all of its stops. Both are in float32, and chords are shorter than ways,
so what is told is never more than what `best_in_route` finds; `_LESS` is more than all that float32 rounds off.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.insertion_detours import ROUNDING_M
from geo.kernels.route_times import FIXED, LONGEST, PER_M, RADIUS, WAY, Records, X, Y, Z

BUCKETS = 256
HEAD = 64
"""So many routes are put in order by all of their stops before the first is timed: it is the first insertions that make a good bound for the others."""

WAYS_ROWS = 2
"""Rows of `ways`, float32[WAYS_ROWS, stops]."""

_LESS = np.float32(1.0 - 1e-6)
_NOTHING, _TWO, _MARGIN_M = np.float32(0.0), np.float32(2.0), np.float32(2.0 * ROUNDING_M)

Floats32 = NDArray[np.float32]


@njit(cache=True, nogil=True, **UNCOUNTED)
def ball_bounds(balls: Floats32, load: Records, direct_m: float, least: Floats32) -> None:
    """Fills `least`, float32[k]: what no insertion into each route can cost less than.

    No stop is nearer to an end of the load than the ball is, and no leg longer than the longest. With both ends between the same two stops the way leads to the pickup,
    to the delivery, and back or nowhere, for one leg; else it leads to the pickup and back for a leg, and to the delivery and back for a leg or nowhere.
    """
    a_x, a_y, a_z = load[0].x, load[0].y, load[0].z
    b_x, b_y, b_z = load[1].x, load[1].y, load[1].z
    between = np.float32(direct_m) * _LESS
    for route in range(balls.shape[1]):
        x, y, z, longest_m = balls[X, route], balls[Y, route], balls[Z, route], balls[LONGEST, route]
        square = (x - a_x) * (x - a_x) + (y - a_y) * (y - a_y) + (z - a_z) * (z - a_z)
        pickup_m = max(_NOTHING, math.sqrt(square) * _LESS - balls[RADIUS, route])
        square = (x - b_x) * (x - b_x) + (y - b_y) * (y - b_y) + (z - b_z) * (z - b_z)
        delivery_m = max(_NOTHING, math.sqrt(square) * _LESS - balls[RADIUS, route])
        at_once_m = pickup_m + between + min(_NOTHING, delivery_m - longest_m)
        apart_m = max(_NOTHING, _TWO * pickup_m - longest_m)
        apart_m += max(_NOTHING, min(delivery_m, _TWO * delivery_m - longest_m))
        least_m = max(_NOTHING, min(at_once_m, apart_m) * _LESS - _MARGIN_M)
        least[route] = (balls[FIXED, route] + balls[PER_M, route] * least_m) * _LESS


@njit(cache=True, nogil=True, **UNCOUNTED)
def has_room(free: NDArray[np.int64], row: int, amounts: NDArray[np.int64]) -> bool:
    """Whether that much is free when a stop is left."""
    for d in range(len(amounts)):  # noqa: SIM110 - a generator would be slower, where it compiles at all
        if amounts[d] > free[row, d]:
            return False
    return True


@njit(cache=True, nogil=True, **UNCOUNTED)
def least_detour_m(
    points: Floats32,
    free: NDArray[np.int64],
    first: int,
    end: int,
    last: int,
    load: Records,
    amounts: NDArray[np.int64],
    direct_m: float,
    ways: Floats32,
) -> float:
    """By how much a route, rows first to before end, gets longer at least with a load after stops up to `last`, wherever in it.

    Both ends come between the same two stops, or each has a detour of its own; none comes after a stop that is left without room for the load.
    """
    a_x, a_y, a_z = load[0].x, load[0].y, load[0].z
    b_x, b_y, b_z = load[1].x, load[1].y, load[1].z
    begin = np.uint64(
        first
    )  # what cannot be negative is not looked at from the other end, so that this becomes vector code
    for i in range(np.uint64(end - first)):
        at = begin + i
        x, y, z = points[X, at], points[Y, at], points[Z, at]
        square = (x - a_x) * (x - a_x) + (y - a_y) * (y - a_y) + (z - a_z) * (z - a_z)
        ways[0, i] = math.sqrt(square) * _LESS
        square = (x - b_x) * (x - b_x) + (y - b_y) * (y - b_y) + (z - b_z) * (z - b_z)
        ways[1, i] = math.sqrt(square) * _LESS
    pickup_m = delivery_m = both_m = np.inf
    one = np.uint64(1)
    for i in range(np.uint64(min(last + 1, end - 1) - first)):
        after = i + one
        if not has_room(free, begin + i, amounts):
            continue
        way_m = float(points[WAY, begin + after])
        to_m, on_m = float(ways[0, i]), float(ways[1, after])
        pickup_m = min(pickup_m, to_m + float(ways[0, after]) - way_m)
        delivery_m = min(delivery_m, float(ways[1, i]) + on_m - way_m)
        both_m = min(both_m, to_m + direct_m + on_m - way_m)
    if last == end - 1 and has_room(free, last, amounts):
        pickup_m = min(pickup_m, float(ways[0, last - first]))
        delivery_m = min(delivery_m, float(ways[1, last - first]))
        both_m = min(both_m, float(ways[0, last - first]) + direct_m)
    return float(min(both_m, pickup_m + delivery_m))


@njit(cache=True, nogil=True, **UNCOUNTED)
def stops_bound(
    points: Floats32,
    offsets: NDArray[np.int64],
    vehicles: Records,
    free: NDArray[np.int64],
    route: int,
    load: Records,
    amounts: NDArray[np.int64],
    direct_m: float,
    ways: Floats32,
) -> float:
    """What no insertion into a route can cost less than, by all of its stops."""
    first, end, vehicle = offsets[route], offsets[route + 1], vehicles[route]
    detour_m = least_detour_m(
        points, free, first, end, last_place(vehicle, first, end), load, amounts, direct_m, ways
    )
    return float(vehicle.fixed_cost + vehicle.cost_per_m * max(0.0, detour_m))


@njit(cache=True, nogil=True, **UNCOUNTED)
def sharpen(
    points: Floats32,
    offsets: NDArray[np.int64],
    vehicles: Records,
    free: NDArray[np.int64],
    load: Records,
    amounts: NDArray[np.int64],
    direct_m: float,
    ways: Floats32,
    least: Floats32,
    order: NDArray[np.int32],
) -> None:
    """Puts the first `HEAD` of `order` in the order of `stops_bound`, which is their `least` from now on."""
    for i in range(min(HEAD, len(order))):
        route, at = order[i], i
        least[route] = (
            stops_bound(points, offsets, vehicles, free, route, load, amounts, direct_m, ways) * _LESS
        )
        while at > 0 and least[order[at - 1]] > least[route]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = route


@njit(cache=True, nogil=True, **UNCOUNTED)
def last_place(vehicle: Records, first: int, end: int) -> int:
    """After which stop of a route something may come at the latest."""
    return end - 2 if vehicle.returns and end - first > 1 else end - 1


@njit(cache=True, nogil=True, **UNCOUNTED)
def in_order(least: Floats32, order: NDArray[np.int32], starts: Any) -> None:
    """Fills `order` with the rows of `least`, float32[k], roughly by it: a counting sort into buckets; `starts` is int64[BUCKETS + 1]."""
    most = _NOTHING
    for i in range(len(least)):
        most = max(most, least[i])
    scale = np.float32(BUCKETS - 1) / most if most > 0.0 else _NOTHING
    starts[:] = 0
    for i in range(len(least)):
        starts[int(least[i] * scale) + 1] += 1
    for bucket in range(BUCKETS):
        starts[bucket + 1] += starts[bucket]
    for i in range(len(least)):
        bucket = int(least[i] * scale)
        order[starts[bucket]] = i
        starts[bucket] += 1
