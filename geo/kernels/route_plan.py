"""Routes as linked lists of stops, with times and loads kept at each, so that a place for a stop is judged in constant time.

Stop i below the number of stops is one of the task's; after them come the start and the end of each route, the start of route k at
`ends_from(plan) + 2 * k`, its end right behind.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED

STOP = np.dtype(
    [
        *[(name, np.int32) for name in ("next", "prev", "route", "load", "place", "unused")],
        *[(name, np.float64) for name in ("ready_s", "latest_s", "open_s", "close_s", "service_s")],
    ]
)
"""A stop, in one cache line. `ready_s`: when service begins at the earliest; `latest_s`: at the latest, so that all that follow are in time.
`route`: NONE while it is in none."""

ROUTE = np.dtype(
    [
        *[(name, np.int32) for name in ("stops", "mixed", "kind", "alike")],
        ("skills", np.uint64),
        *[(name, np.float64) for name in ("cost", "fixed_cost", "cost_per_s", "drive_s", "most_drive_s")],
        *[(name, np.float64) for name in ("break_after_s", "break_s", "driven_s")],
    ]
)
"""A vehicle and its route. `stops`: how many; `mixed`: how many of its loads are not on board from the start; `kind`: which legs are its
own; `alike`: equal vehicles have the same number; `cost`: as it was last costed;
`break_after_s`, `break_s`: so much driving, then a break of so long (infinite: none); `driven_s`: since the last break, at the start."""

LOAD = np.dtype(
    [
        *[(name, np.int32) for name in ("pickup", "delivery", "only", "unused")],
        ("needs", np.uint64),
        ("left_out_cost", np.float64),
    ]
)
"""A load. `pickup` or `delivery` is NONE when it is on board from the start, or stays to the end; `only`: the one route that may take it."""

LEG = np.dtype([("time_s", np.float64), ("cost", np.float64)])
"""From one place to another: both from the same cache line."""

NONE = -1
ROUNDING_S = 1e-6
"""Sums of times in another order differ by less; no break is due to that."""


class RouteTask(NamedTuple):
    """What does not change. m loads, D dimensions of capacity, k routes, h kinds of vehicles, p places.

    Attributes:
        loads: LOAD[m].
        amounts: int64[m, D].
        capacity: int64[k, D].
        legs: LEG[h, p, p], from place to place.
        near: int32[m, r], other loads in the order of their distance from each, itself first.
        keys: float64[m, 5], by which loads are put in order: size, distance from the nearest start, width, begin and end of its windows.
    """

    loads: NDArray[np.void]
    amounts: NDArray[np.int64]
    capacity: NDArray[np.int64]
    legs: NDArray[np.void]
    near: NDArray[np.int32]
    keys: NDArray[np.float64]


class RoutePlan(NamedTuple):
    """What does. After each change of a route its times are right; what is aboard only where `is_fresh`.

    Attributes:
        stops: STOP[n + 2k].
        routes: ROUTE[k].
        at_start: int64[k, D], aboard when the route starts.
        aboard: int64[n + 2k, D], when the stop is left.
        most_before, most_after: int64[n + 2k, D], the largest `aboard` from the start to here, from here to the end.
        is_fresh: bool[k].
    """

    stops: NDArray[np.void]
    routes: NDArray[np.void]
    at_start: NDArray[np.int64]
    aboard: NDArray[np.int64]
    most_before: NDArray[np.int64]
    most_after: NDArray[np.int64]
    is_fresh: NDArray[np.bool_]


Records = Any
"""Arrays of records, whose fields a type checker does not know."""


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def ends_from(plan: RoutePlan) -> int:
    """The first stop that is a start or an end of a route."""
    return len(plan.stops) - 2 * len(plan.routes)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _carry_on(stops: Records, legs: Records, kind: int, at: int) -> None:
    """Bring `ready_s` up to date from the stop after `at` on, until nothing changes."""
    while True:
        after = stops[at].next
        if after < 0:
            return
        ready = (
            stops[at].ready_s + stops[at].service_s + legs[kind, stops[at].place, stops[after].place].time_s
        )
        ready = max(ready, stops[after].open_s)
        if ready == stops[after].ready_s:
            return
        stops[after].ready_s = ready
        at = after


@njit(cache=True, nogil=True, **UNCOUNTED)
def _carry_back(stops: Records, legs: Records, kind: int, at: int) -> None:
    """Bring `latest_s` up to date from the stop before `at` back, until nothing changes."""
    while True:
        before = stops[at].prev
        if before < 0:
            return
        travel_s = legs[kind, stops[before].place, stops[at].place].time_s
        latest = min(stops[at].latest_s - stops[before].service_s - travel_s, stops[before].close_s)
        if latest == stops[before].latest_s:
            return
        stops[before].latest_s = latest
        at = before


@njit(cache=True, nogil=True, **UNCOUNTED)
def set_times(task: RouteTask, plan: RoutePlan, route: int) -> bool:
    """All times of a route; whether all its windows hold."""
    stops, legs, kind = plan.stops, task.legs, plan.routes[route].kind
    at = ends_from(plan) + 2 * route
    drive_s, is_in_time = 0.0, True
    while stops[at].next >= 0:
        after = stops[at].next
        travel_s = legs[kind, stops[at].place, stops[after].place].time_s
        drive_s += travel_s
        stops[after].ready_s = max(stops[at].ready_s + stops[at].service_s + travel_s, stops[after].open_s)
        is_in_time = is_in_time and stops[after].ready_s <= stops[after].close_s
        at = after
    plan.routes[route].drive_s = drive_s
    while stops[at].prev >= 0:
        before = stops[at].prev
        travel_s = legs[kind, stops[before].place, stops[at].place].time_s
        stops[before].latest_s = min(
            stops[at].latest_s - stops[before].service_s - travel_s, stops[before].close_s
        )
        at = before
    return is_in_time


@njit(cache=True, nogil=True, **UNCOUNTED)
def _link(task: RouteTask, plan: RoutePlan, route: int, stop: int, before: int) -> None:
    """Put a stop right after `before`, and bring the times up to date."""
    stops, legs, kind = plan.stops, task.legs, plan.routes[route].kind
    after = stops[before].next
    stops[before].next = stop
    stops[after].prev = stop
    stops[stop].prev = before
    stops[stop].next = after
    stops[stop].route = route
    here, place, there = stops[before].place, stops[stop].place, stops[after].place
    to_s, on_s = legs[kind, here, place].time_s, legs[kind, place, there].time_s
    plan.routes[route].drive_s += to_s + on_s - legs[kind, here, there].time_s
    stops[stop].ready_s = max(stops[before].ready_s + stops[before].service_s + to_s, stops[stop].open_s)
    stops[stop].latest_s = min(stops[after].latest_s - stops[stop].service_s - on_s, stops[stop].close_s)
    _carry_on(stops, legs, kind, stop)
    _carry_back(stops, legs, kind, stop)


@njit(cache=True, nogil=True, **UNCOUNTED)
def unlink(stops: Records, stop: int) -> None:
    """Take a stop out; the times are not brought up to date."""
    before, after = stops[stop].prev, stops[stop].next
    stops[before].next = after
    stops[after].prev = before
    stops[stop].route = NONE


@njit(cache=True, nogil=True, **UNCOUNTED)
def count_load(task: RouteTask, plan: RoutePlan, route: int, load: int, sign: int) -> None:
    """Note that a load has come (1) or gone (-1)."""
    has_pickup, has_delivery = task.loads[load].pickup >= 0, task.loads[load].delivery >= 0
    if has_pickup:
        plan.routes[route].stops += sign
        plan.routes[route].mixed += sign
    else:
        for d in range(task.amounts.shape[1]):
            plan.at_start[route, d] += sign * task.amounts[load, d]
    if has_delivery:
        plan.routes[route].stops += sign
    plan.is_fresh[route] = False


@njit(cache=True, nogil=True, **UNCOUNTED)
def link_load(task: RouteTask, plan: RoutePlan, route: int, load: int, at: int, then: int) -> None:
    """Put the stops of a load into a route: its first after `at`, its delivery after `then`, or right behind when that is the same."""
    pickup, delivery = task.loads[load].pickup, task.loads[load].delivery
    if pickup >= 0 and delivery >= 0:
        _link(task, plan, route, pickup, at)
        _link(task, plan, route, delivery, pickup if then == at else then)
    else:
        _link(task, plan, route, pickup if pickup >= 0 else delivery, at)
    if plan.routes[route].stops == 0:  # its driving was that from start to end, which nobody drives
        set_times(task, plan, route)
    count_load(task, plan, route, load, 1)


@njit(cache=True, nogil=True, **UNCOUNTED)
def freshen(task: RouteTask, plan: RoutePlan, route: int) -> None:
    """Bring what is aboard up to date."""
    stops = plan.stops
    start = ends_from(plan) + 2 * route
    for d in range(task.amounts.shape[1]):
        aboard = plan.at_start[route, d]
        most = aboard
        at = start
        while True:
            load = stops[at].load
            if load >= 0:
                aboard += task.amounts[load, d] if task.loads[load].pickup == at else -task.amounts[load, d]
            plan.aboard[at, d] = aboard
            most = max(most, aboard)
            plan.most_before[at, d] = most
            if stops[at].next < 0:
                break
            at = stops[at].next
        most = aboard
        while at >= 0:
            most = max(most, plan.aboard[at, d])
            plan.most_after[at, d] = most
            at = stops[at].prev
    plan.is_fresh[route] = True


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def _next_with(stops: Records, at: int, first: int, first_at: int, second: int, second_at: int) -> int:
    """The next stop as if `first` stood after `first_at`, and `second` after `second_at`, or behind `first` when those are the same."""
    after: int = stops[at].next
    if at == first_at:
        after = first
    elif at == first:
        after = second if second_at == first_at else stops[first_at].next
    elif at == second:
        after = stops[second_at].next
    elif at == second_at:
        after = second
    return after


@njit(cache=True, nogil=True, **UNCOUNTED)
def hours_with_breaks(
    task: RouteTask, plan: RoutePlan, route: int, first: int, first_at: int, second: int, second_at: int
) -> tuple[float, float]:
    """When a route begins and ends that takes its breaks on the road, each as late as the rule allows; an infinite end: it is late somewhere.

    It begins so that it need not wait at its first stop. Waiting as long as a break counts as one. The stops `first` and `second` are
    taken as if they stood after `first_at` and `second_at` (`_next_with`); NONE, four times: the route as it is.
    """
    stops, record = plan.stops, plan.routes[route]
    start = ends_from(plan) + 2 * route
    at, driven_s, clock = start, record.driven_s, stops[start].open_s
    began = clock
    while True:
        after = _next_with(stops, at, first, first_at, second, second_at)
        if after < 0:
            return began, clock
        travel_s = task.legs[record.kind, stops[at].place, stops[after].place].time_s
        driven_s += travel_s
        breaks = math.ceil((driven_s - record.break_after_s - ROUNDING_S) / record.break_after_s)
        if breaks > 0:
            clock += breaks * record.break_s
            driven_s -= breaks * record.break_after_s
        clock += travel_s
        if at == start and stops[after].open_s > clock:
            began += stops[after].open_s - clock
            clock = stops[after].open_s
        if clock > stops[after].close_s:
            return began, np.inf
        if stops[after].open_s - clock >= record.break_s:
            driven_s = 0.0
        clock = max(clock, stops[after].open_s) + stops[after].service_s
        at = after


@njit(cache=True, nogil=True, **UNCOUNTED)
def keeps_hours(task: RouteTask, plan: RoutePlan, route: int) -> bool:
    """Whether a route keeps its driving limit and has time for its breaks."""
    record = plan.routes[route]
    if record.drive_s > record.most_drive_s:
        return False
    if record.break_after_s < np.inf:
        return bool(hours_with_breaks(task, plan, route, NONE, NONE, NONE, NONE)[1] < np.inf)
    return True


@njit(cache=True, nogil=True, **UNCOUNTED)
def cost_route(task: RouteTask, plan: RoutePlan, route: int) -> float:
    """The exact cost of a route, 0 of an empty one; noted.

    Time costs from start to end, and the legs have what driving costs in them. A route starts as late as it can without ending later;
    its duty is then the larger of driving and service, and of its earliest end less its latest start.
    """
    stops, record = plan.stops, plan.routes[route]
    cost = 0.0
    if record.stops > 0:
        start = ends_from(plan) + 2 * route
        cost, drive_s, service_s = record.fixed_cost, 0.0, 0.0
        at = start
        while stops[at].next >= 0:
            after = stops[at].next
            leg = task.legs[record.kind, stops[at].place, stops[after].place]
            cost += leg.cost
            drive_s += leg.time_s
            service_s += stops[after].service_s
            at = after
        if record.cost_per_s > 0.0:
            if record.break_after_s < np.inf:
                began, ended = hours_with_breaks(task, plan, route, NONE, NONE, NONE, NONE)
                duty_s = ended - began
            else:
                duty_s = max(drive_s + service_s, stops[at].ready_s - stops[start].latest_s)
            cost += record.cost_per_s * (duty_s - drive_s)
    record.cost = cost
    return cost


@njit(cache=True, nogil=True, **UNCOUNTED)
def copy_route(source: RoutePlan, target: RoutePlan, route: int) -> None:
    """Make a route of one plan what it is in another; stops that it no longer has are the caller's to place."""
    stops = source.stops
    at = ends_from(source) + 2 * route
    while at >= 0:
        target.stops[at] = stops[at]
        at = stops[at].next
    target.routes[route] = source.routes[route]
    for d in range(source.at_start.shape[1]):
        target.at_start[route, d] = source.at_start[route, d]
    target.is_fresh[route] = False


@njit(cache=True, nogil=True, **UNCOUNTED)
def set_route(
    task: RouteTask, plan: RoutePlan, route: int, loads: NDArray[np.int32], chain: NDArray[np.int32]
) -> None:
    """Give an empty route its stops in order, `chain`; `loads` are those that they belong to, each once."""
    stops = plan.stops
    at = ends_from(plan) + 2 * route
    end = at + 1
    for stop in chain:
        stops[at].next = stop
        stops[stop].prev = at
        stops[stop].route = route
        at = stop
    stops[at].next = end
    stops[end].prev = at
    for load in loads:
        count_load(task, plan, route, load, 1)
    set_times(task, plan, route)
    cost_route(task, plan, route)
