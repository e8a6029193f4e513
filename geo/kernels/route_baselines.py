"""Plans as people make them without a search: each load where it costs least when it comes, and whatever is nearest next."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.route_places import best_pair, best_single, is_room
from geo.kernels.route_plan import (
    NONE,
    Records,
    RoutePlan,
    RouteTask,
    count_load,
    ends_from,
    freshen,
    keeps_hours,
    link_load,
    set_times,
    unlink,
)

LOOKS = 2
"""At each route, because a look overlooks one place in a hundred on purpose (`route_places.BLINK`)."""


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def _may_take(task: RouteTask, plan: RoutePlan, route: int, load: int) -> bool:
    """Whether the vehicle is one for the load, and has room for what is aboard from the start."""
    wanted = task.loads[load]
    if wanted.only not in (NONE, route) or (wanted.needs & ~plan.routes[route].skills) != 0:
        return False
    return bool(wanted.pickup >= 0 or is_room(plan.at_start, route, task.amounts, load, task.capacity, route))


@njit(cache=True, nogil=True, **UNCOUNTED)
def _insert(task: RouteTask, plan: RoutePlan, load: int, random: NDArray[np.uint64]) -> None:
    """Put a load where it costs least; nowhere, when leaving it out costs less."""
    wanted = task.loads[load]
    is_pair = wanted.pickup >= 0 and wanted.delivery >= 0
    best, best_route, best_at, best_then = wanted.left_out_cost, NONE, NONE, NONE
    for route in range(len(plan.routes)):
        if not _may_take(task, plan, route, load):
            continue
        record = plan.routes[route]
        if (wanted.pickup >= 0 or record.mixed > 0) and not plan.is_fresh[route]:
            freshen(task, plan, route)
        fixed = record.fixed_cost if record.stops == 0 else 0.0
        for _ in range(LOOKS):
            if is_pair:
                extra, at, then = best_pair(task, plan, route, load, best - fixed, random)
            else:
                extra, at = best_single(task, plan, route, load, best - fixed, random)
                then = at
            if at != NONE:
                best, best_route, best_at, best_then = extra + fixed, route, at, then
    if best_route != NONE:
        link_load(task, plan, best_route, load, best_at, best_then)


@njit(cache=True, nogil=True, **UNCOUNTED)
def insert_in_order(
    task: RouteTask, plan: RoutePlan, order: NDArray[np.int64], random: NDArray[np.uint64]
) -> None:
    """Put some loads into a plan, one after the other, and move none afterwards.

    Args:
        task: what there is to do.
        plan: gets them.
        order: int64[c], the loads.
        random: uint64[1], not 0.
    """
    for load in order:
        _insert(task, plan, load, random)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _nearest(
    task: RouteTask,
    plan: RoutePlan,
    route: int,
    at: int,
    is_tried: NDArray[np.bool_],
    is_aboard: NDArray[np.bool_],
) -> int:
    """The stop that is soonest reached from `at`, as far as can be told at a glance: of a load that is in no route, or the delivery of what is aboard; NONE: none is left to try."""
    stops, kind = plan.stops, plan.routes[route].kind
    leaves_s = stops[at].ready_s + stops[at].service_s
    best, nearest = np.inf, NONE
    for load in range(len(task.loads)):
        wanted = task.loads[load]
        stop = wanted.pickup if wanted.pickup >= 0 and not is_aboard[load] else wanted.delivery
        if is_tried[load] or (stops[stop].route >= 0 and not is_aboard[load]):
            continue
        time_s = task.legs[kind, stops[at].place, stops[stop].place].time_s
        if time_s >= best or leaves_s + time_s > stops[stop].close_s:
            continue
        if not is_aboard[load]:
            if wanted.pickup >= 0 and not is_room(plan.aboard, at, task.amounts, load, task.capacity, route):
                continue
            if not _may_take(task, plan, route, load):
                continue
        best, nearest = time_s, stop
    return nearest


@njit(cache=True, nogil=True, **UNCOUNTED)
def _holds(task: RouteTask, plan: RoutePlan, route: int) -> bool:
    end = ends_from(plan) + 2 * route + 1
    is_in_time = set_times(task, plan, route)
    freshen(task, plan, route)
    for d in range(task.capacity.shape[1]):
        if plan.most_before[end, d] > task.capacity[route, d]:
            return False
    return bool(is_in_time and plan.routes[route].drive_s < np.inf and keeps_hours(task, plan, route))


@njit(cache=True, nogil=True, **UNCOUNTED)
def _move(stops: Records, route: int, stop: int, before: int) -> None:
    """Take a stop of a route to right behind another."""
    unlink(stops, stop)
    after = stops[before].next
    stops[before].next = stops[after].prev = stop
    stops[stop].prev, stops[stop].next, stops[stop].route = before, after, route


@njit(cache=True, nogil=True, **UNCOUNTED)
def _can_be_next(task: RouteTask, plan: RoutePlan, route: int, at: int, stop: int) -> bool:
    """Put a stop right behind `at`, with its delivery among those that are to come, in the order of their deadlines; if all limits hold."""
    stops = plan.stops
    if stops[stop].route == route:
        was_after = stops[stop].prev
        _move(stops, route, stop, at)
        if _holds(task, plan, route):
            return True
        _move(stops, route, stop, was_after)
        set_times(task, plan, route)
        return False
    load, then = stops[stop].load, at
    delivery = task.loads[load].delivery
    if delivery >= 0 and delivery != stop:
        ends = ends_from(plan)
        while stops[then].next < ends and stops[stops[then].next].close_s <= stops[delivery].close_s:
            then = stops[then].next
    link_load(task, plan, route, load, at, then)
    if _holds(task, plan, route):
        return True
    for own in (task.loads[load].pickup, delivery):
        if own >= 0:
            unlink(stops, own)
    count_load(task, plan, route, load, -1)
    set_times(task, plan, route)
    freshen(task, plan, route)
    return False


@njit(cache=True, nogil=True, **UNCOUNTED)
def _next(
    task: RouteTask,
    plan: RoutePlan,
    route: int,
    at: int,
    is_tried: NDArray[np.bool_],
    is_aboard: NDArray[np.bool_],
) -> int:
    """Where a vehicle drives from `at`: to the nearest stop that can be next, else to the first deadline of what is aboard, else to its end."""
    is_tried[:] = False
    while True:
        stop = _nearest(task, plan, route, at, is_tried, is_aboard)
        if stop == NONE:
            return int(plan.stops[at].next)
        is_tried[plan.stops[stop].load] = True
        if _can_be_next(task, plan, route, at, stop):
            return int(stop)


@njit(cache=True, nogil=True, **UNCOUNTED)
def nearest_in_turn(
    task: RouteTask, plan: RoutePlan, is_tried: NDArray[np.bool_], is_aboard: NDArray[np.bool_]
) -> None:
    """Fill an empty plan: one vehicle after the other drives to the nearest stop that it can still make, until there is none.

    Args:
        task: what there is to do.
        plan: gets it.
        is_tried: bool[m], room.
        is_aboard: bool[m], room.
    """
    ends = ends_from(plan)
    for route in range(len(plan.routes)):
        is_aboard[:] = False
        freshen(task, plan, route)
        at = ends + 2 * route
        while True:
            at = _next(task, plan, route, at, is_tried, is_aboard)
            if at >= ends:
                break
            load = plan.stops[at].load
            is_aboard[load] = task.loads[load].pickup == at and task.loads[load].delivery >= 0
