"""When each vehicle is where on its route, and how much later it could be. `geo.route_times` has the definitions.

When a way's begin and its end stay each within an hour, the arrival is a straight line over the departure. The line that held last is kept for each leg, both
ways, and mostly holds still: to find it takes ten times as long as to follow it.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.travel_time import HOUR_S, Paces, arrives_s, leaves_s, pace_in, straight_m

LIVE_STOP = np.dtype(
    [
        *[(name, np.float32) for name in ("x", "y", "z", "way_m", "service_s")],
        ("pace_row", np.int32),
        *[(name, np.float64) for name in ("opens_s", "closes_s", "ready_s", "latest_s", "driven_s")],
    ]
)
"""A stop, in one cache line. `way_m`: from the stop before, as the crow flies; `ready_s`: when service begins; `latest_s`: at the latest; `driven_s`:
driving from the route's start to here."""

LIVE_VEHICLE = np.dtype(
    [
        ("skills", np.uint64),
        *[
            (name, np.float64)
            for name in ("cost_per_m", "cost_per_s", "fixed_cost", "most_drive_s", "ends_s")
        ],
        ("returns", np.int64),
    ]
)
"""A vehicle. `fixed_cost`: of any insertion; `ends_s`: by when its last stop has to be over; `returns`: 1 if nothing comes after its last stop."""

X, Y, Z, WAY = range(4)
"""Rows of `points`, float32[4, n]: the same of all stops in one piece, for those who ask nothing else of many stops."""

RADIUS, LONGEST, PER_M, FIXED = range(3, 7)
"""Rows of `balls`, float32[7, k], after X, Y and Z: a ball around all stops of a route, its longest leg, and what an insertion costs a metre and at least."""

LIVE_LEG = np.dtype(
    [(back + name, np.float64) for back in ("", "back_") for name in ("from_s", "until_s", "slope", "base_s")]
)
"""The leg to a stop: arriving at `base_s` + `slope` x departure when that is in [`from_s`, `until_s`); leaving at `back_base_s` + `back_slope` x arrival
when that is in (`back_from_s`, `back_until_s`]. All 0: not known."""

Records = Any
"""Arrays of records, whose fields a type checker does not know."""


@njit(cache=True, nogil=True, **UNCOUNTED)
def between_m(stops: Records, a: int, b: int) -> float:
    """Metres as the crow flies from one stop to another."""
    return float(straight_m(stops[a].x, stops[a].y, stops[a].z, stops[b].x, stops[b].y, stops[b].z))


@njit(cache=True, nogil=True, **UNCOUNTED)
def _find_arrival(stops: Records, legs: Records, at: int, left_s: float, paces: Paces) -> float:
    """When stop `at` is reached; keeps the line that holds around that departure."""
    begin, end = stops[at - 1].pace_row, stops[at].pace_row
    there_s = arrives_s(paces, begin, end, stops[at].way_m, left_s)
    if math.isfinite(there_s):
        hour, last = math.floor(left_s / HOUR_S), math.floor(there_s / HOUR_S)
        slope = pace_in(paces, begin, end, int(last)) / pace_in(paces, begin, end, int(hour))
        legs[at].slope, legs[at].base_s = slope, there_s - slope * left_s
        legs[at].from_s = max(hour * HOUR_S, left_s - (there_s - last * HOUR_S) / slope)
        legs[at].until_s = min((hour + 1) * HOUR_S, left_s + ((last + 1) * HOUR_S - there_s) / slope)
    return float(there_s)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _find_departure(stops: Records, legs: Records, at: int, there_s: float, paces: Paces) -> float:
    """When the stop before `at` has to be left; keeps the line that holds around that arrival."""
    begin, end = stops[at - 1].pace_row, stops[at].pace_row
    left_s = leaves_s(paces, begin, end, stops[at].way_m, there_s)
    if math.isfinite(left_s):
        hour, last = math.ceil(left_s / HOUR_S) - 1, math.ceil(there_s / HOUR_S) - 1
        slope = pace_in(paces, begin, end, int(hour)) / pace_in(paces, begin, end, int(last))
        legs[at].back_slope, legs[at].back_base_s = slope, left_s - slope * there_s
        legs[at].back_from_s = max(last * HOUR_S, there_s - (left_s - hour * HOUR_S) / slope)
        legs[at].back_until_s = min((last + 1) * HOUR_S, there_s + ((hour + 1) * HOUR_S - left_s) / slope)
    return float(left_s)


@njit(cache=True, nogil=True, **UNCOUNTED)
def time_route(stops: Records, legs: Records, first: int, end: int, paces: Paces) -> None:
    """Sets `ready_s`, `latest_s`, `driven_s` of the stops of one route, rows first to before end.

    Forward as early as can be; backward as late as can be, so that no stop is later than its window, or than it is already.
    """
    if first == end:
        return
    ready_s, driven_s = stops[first].opens_s, 0.0
    stops[first].ready_s, stops[first].driven_s = ready_s, driven_s
    left_s = ready_s + stops[first].service_s
    for at in range(first + 1, end):
        if legs[at].from_s <= left_s < legs[at].until_s:
            there_s = legs[at].base_s + legs[at].slope * left_s
        else:
            there_s = _find_arrival(stops, legs, at, left_s, paces)
        driven_s += there_s - left_s
        ready_s = max(there_s, stops[at].opens_s)
        stops[at].ready_s, stops[at].driven_s = ready_s, driven_s
        left_s = ready_s + stops[at].service_s
    latest_s = max(stops[end - 1].closes_s, ready_s)
    stops[end - 1].latest_s = latest_s
    for at in range(end - 1, first, -1):
        if legs[at].back_from_s < latest_s <= legs[at].back_until_s:
            leave_s = legs[at].back_base_s + legs[at].back_slope * latest_s
        else:
            leave_s = _find_departure(stops, legs, at, latest_s, paces)
        before = at - 1
        latest_s = min(leave_s - stops[before].service_s, max(stops[before].closes_s, stops[before].ready_s))
        stops[before].latest_s = latest_s


@njit(cache=True, nogil=True)
def eta_update(stops: Records, legs: Records, offsets: NDArray[np.int64], paces: Paces) -> None:
    """`time_route` of all routes."""
    for route in range(len(offsets) - 1):
        time_route(stops, legs, offsets[route], offsets[route + 1], paces)


@njit(cache=True, nogil=True)
def move_starts(
    stops: Records,
    legs: Records,
    points: NDArray[np.float32],
    balls: NDArray[np.float32],
    offsets: NDArray[np.int64],
    which: NDArray[np.int32],
    places: NDArray[np.float64],
    pace_row: NDArray[np.int32],
    free_s: NDArray[np.float64],
    paces: Paces,
) -> None:
    """Sets the first stops of some routes, and all that follows from it. The ball only grows: a larger one is still around all stops."""
    for i in range(len(which)):
        first, end = offsets[which[i]], offsets[which[i] + 1]
        route = which[i]
        stops[first].x, stops[first].y, stops[first].z = places[i, 0], places[i, 1], places[i, 2]
        stops[first].pace_row, stops[first].opens_s = pace_row[i], free_s[i]
        for axis in range(3):
            points[axis, first] = places[i, axis]
        away_m = _from_middle_m(balls, route, stops, first)
        balls[RADIUS, route] = max(float(balls[RADIUS, route]), away_m + 2.0)
        if first + 1 < end:
            stops[first + 1].way_m = between_m(stops, first, first + 1)
            points[WAY, first + 1] = stops[first + 1].way_m
            balls[LONGEST, route] = max(float(balls[LONGEST, route]), stops[first + 1].way_m + 2.0)
            legs[first + 1].from_s = legs[first + 1].until_s = 0.0
            legs[first + 1].back_from_s = legs[first + 1].back_until_s = 0.0
        time_route(stops, legs, first, end, paces)


@njit(cache=True, nogil=True)
def arrivals(
    stops: Records, offsets: NDArray[np.int64], paces: Paces, arrival_s: NDArray[np.float64]
) -> None:
    """Fills `arrival_s`, float64[n], from right `ready_s`."""
    for route in range(len(offsets) - 1):
        first = offsets[route]
        arrival_s[first] = stops[first].ready_s
        for at in range(first + 1, offsets[route + 1]):
            left_s = stops[at - 1].ready_s + stops[at - 1].service_s
            arrival_s[at] = arrives_s(
                paces, stops[at - 1].pace_row, stops[at].pace_row, stops[at].way_m, left_s
            )


@njit(cache=True, nogil=True, **UNCOUNTED)
def _from_middle_m(balls: NDArray[np.float32], route: int, stops: Records, at: int) -> float:
    """How far a stop is from the middle of its route's ball."""
    x, y, z = balls[X, route], balls[Y, route], balls[Z, route]
    return float(straight_m(x, y, z, stops[at].x, stops[at].y, stops[at].z))


@njit(cache=True, nogil=True, **UNCOUNTED)
def set_shape(
    stops: Records,
    points: NDArray[np.float32],
    balls: NDArray[np.float32],
    route: int,
    first: int,
    end: int,
) -> None:
    """What follows from the places of a route, rows first to before end: `way_m`, `points`, the ball, the longest leg."""
    x = y = z = longest_m = radius_m = 0.0
    for at in range(first, end):
        x += stops[at].x / (end - first)
        y += stops[at].y / (end - first)
        z += stops[at].z / (end - first)
        stops[at].way_m = between_m(stops, at - 1, at) if at > first else 0.0
        longest_m = max(longest_m, stops[at].way_m)
        points[X, at], points[Y, at], points[Z, at] = stops[at].x, stops[at].y, stops[at].z
        points[WAY, at] = stops[at].way_m
    balls[X, route], balls[Y, route], balls[Z, route] = x, y, z
    for at in range(first, end):
        radius_m = max(radius_m, _from_middle_m(balls, route, stops, at))
    balls[RADIUS, route], balls[LONGEST, route] = radius_m + 2.0, longest_m + 2.0  # they are rounded


@njit(cache=True, nogil=True)
def set_shapes(
    stops: Records,
    points: NDArray[np.float32],
    balls: NDArray[np.float32],
    offsets: NDArray[np.int64],
    change: NDArray[np.int64],
    capacity: NDArray[np.int64],
    free: NDArray[np.int64],
    most_free: NDArray[np.int64],
) -> None:
    """`set_shape` of all routes, and what is free when each stop is left."""
    for route in range(len(offsets) - 1):
        first, end = offsets[route], offsets[route + 1]
        set_shape(stops, points, balls, route, first, end)
        for d in range(change.shape[1]):
            left = capacity[route, d]
            most_free[route, d] = -(2**62)
            for at in range(first, end):
                left -= change[at, d]
                free[at, d] = left
                most_free[route, d] = max(most_free[route, d], left)
