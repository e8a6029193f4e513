"""Routes with loads in them. `geo.route_growth` has the definitions."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.route_slack import with_load
from geo.kernels.route_times import WAY, Records, set_shape, time_route
from geo.kernels.travel_time import Paces


@njit(cache=True, nogil=True, **UNCOUNTED)
def _grow_free(
    free: NDArray[np.int64],
    first: int,
    end: int,
    load: int,
    amounts: NDArray[np.int64],
    pickup_after: int,
    delivery_after: int,
    grown: NDArray[np.int64],
    at: int,
    origin: NDArray[np.int64],
) -> None:
    """What is free in a route with a load in it, from row `at` of `grown` on, and where its rows come from."""
    for row in range(first, end):
        has_load = pickup_after < row - first <= delivery_after
        for d in range(len(amounts)):
            grown[at, d] = free[row, d] - (amounts[d] if has_load else 0)
        origin[at] = row
        at += 1
        if row - first == pickup_after:
            for d in range(len(amounts)):
                grown[at, d] = free[row, d] - amounts[d]
            origin[at] = ~(2 * load)
            at += 1
        if row - first == delivery_after:
            for d in range(len(amounts)):
                grown[at, d] = free[row, d]
            origin[at] = ~(2 * load + 1)
            at += 1


@njit(cache=True, nogil=True)
def grow(
    stops: Records,
    legs: Records,
    offsets: NDArray[np.int64],
    free: NDArray[np.int64],
    points: NDArray[np.float32],
    balls: NDArray[np.float32],
    which: NDArray[np.int32],
    pickup_after: NDArray[np.int32],
    delivery_after: NDArray[np.int32],
    ends: Records,
    amounts: NDArray[np.int64],
    paces: Paces,
    new_stops: Records,
    new_legs: Records,
    new_offsets: NDArray[np.int64],
    new_free: NDArray[np.int64],
    new_most_free: NDArray[np.int64],
    new_points: NDArray[np.float32],
    origin: NDArray[np.int64],
) -> None:
    """Fills what is new with the routes, each with the load that `which`, int32[routes], says, or none where it is negative. `balls` grow in place."""
    to = 0
    for route in range(len(which)):
        first, end, load = offsets[route], offsets[route + 1], which[route]
        new_offsets[route] = to
        if load < 0:
            for row in range(first, end):
                new_stops[to], new_legs[to], origin[to] = stops[row], legs[row], row
                for axis in range(WAY + 1):
                    new_points[axis, to] = points[axis, row]
                for d in range(free.shape[1]):
                    new_free[to, d] = free[row, d]
                to += 1
            continue
        until, size, i, j = to + end - first + 2, amounts[load], pickup_after[route], delivery_after[route]
        with_load(stops, first, end, ends[2 * load : 2 * load + 2], i, j, new_stops[to:until])
        _grow_free(free, first, end, load, size, i, j, new_free, to, origin)
        set_shape(new_stops, new_points, balls, route, to, until)
        time_route(new_stops, new_legs, to, until, paces)
        for d in range(free.shape[1]):
            new_most_free[route, d] = -(2**62)
            for row in range(to, until):
                new_most_free[route, d] = max(new_most_free[route, d], new_free[row, d])
        to = until
    new_offsets[len(which)] = to


@njit(cache=True, nogil=True)
def all_places(
    stops: Records,
    free: NDArray[np.int64],
    first: int,
    end: int,
    last: int,
    load: int,
    ends: Records,
    amounts: NDArray[np.int64],
    paces: Paces,
    legs: Records,
    new_stops: Records,
    new_free: NDArray[np.int64],
    origin: NDArray[np.int64],
    pairs: NDArray[np.int32],
) -> None:
    """Fills `new_stops` and `new_free` with a route with a load in it, once for each pair of places up to `last`; `legs` is room for one route."""
    length, to, place = end - first + 2, 0, 0
    for i in range(last - first + 1):
        for j in range(i, last - first + 1):
            with_load(stops, first, end, ends, i, j, new_stops[to : to + length])
            _grow_free(free, first, end, load, amounts, i, j, new_free, to, origin)
            for at in range(length):
                legs[at].from_s = legs[at].until_s = legs[at].back_from_s = legs[at].back_until_s = 0.0
            time_route(new_stops[to : to + length], legs, 0, length, paces)
            pairs[place, 0], pairs[place, 1] = i, j
            to, place = to + length, place + 1
