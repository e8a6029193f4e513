"""Ruin and recreate over whole plans: slack induction by string removals (Christiaens and Vanden Berghe, Transportation Science 2020).

Strings of stops are taken out of neighbouring routes, the loads are put back one by one where each costs least, now and then not quite
there ("blinks"), and the new plan is kept if it costs less, or not too much more (simulated annealing). What was published has one stop a
load; here the two stops of a pair leave and return together. An empty vehicle is always a candidate, not only when nothing else is left.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.route_places import best_pair, best_single, is_room, uniform
from geo.kernels.route_plan import (
    NONE,
    RoutePlan,
    RouteTask,
    copy_route,
    cost_route,
    count_load,
    ends_from,
    freshen,
    keeps_hours,
    link_load,
    set_times,
    unlink,
)

MEAN_REMOVED = 10.0
LONGEST_STRING = 10.0
LARGE, LARGE_REMOVED, LARGE_STRING = 0.02, 30.0, 50.0
"""How often a ruin is a large one, which can take whole long routes apart: without, a plan with a route too many may never lose it."""
SPLIT = 0.5
"""How often a string leaves some stops in its middle where they are."""
KEEP_ONE_MORE = 0.01
FORCED = 0.1
"""How often loads are put back even where leaving them out costs less: together they may be worth a vehicle that none is worth alone."""
LEAST_GAIN = 1e-7
"""What is less is rounding, and no new best plan."""
OUT, KEPT_OUT = 2, 3


class RouteSearch(NamedTuple):
    """What the search itself keeps. m loads, k routes.

    Attributes:
        random: uint64[1], the state of the random numbers, not 0.
        costs: float64[2], of the plan that is kept, of the best one.
        counts: int64[4], iterations, plans kept, loads that are out (`out`'s length), and of the plan that is kept.
        out: int32[m], loads that are in no route, of the plan in hand.
        kept_out: int32[m], of the plan that is kept.
        order: float64[m], room to put them in order.
        is_touched: bool[k], routes that are no longer as in the plan that is kept.
        is_tried: bool[k], room to try only one empty vehicle of those that are alike.
    """

    random: NDArray[np.uint64]
    costs: NDArray[np.float64]
    counts: NDArray[np.int64]
    out: NDArray[np.int32]
    kept_out: NDArray[np.int32]
    order: NDArray[np.float64]
    is_touched: NDArray[np.bool_]
    is_tried: NDArray[np.bool_]


@njit(cache=True, nogil=True, **UNCOUNTED)
def _take_load_out(task: RouteTask, plan: RoutePlan, search: RouteSearch, route: int, load: int) -> None:
    pickup, delivery = task.loads[load].pickup, task.loads[load].delivery
    if pickup >= 0:
        unlink(plan.stops, pickup)
    if delivery >= 0:
        unlink(plan.stops, delivery)
    count_load(task, plan, route, load, -1)
    search.out[search.counts[OUT]] = load
    search.counts[OUT] += 1


@njit(cache=True, nogil=True, **UNCOUNTED)
def _take_string_out(
    task: RouteTask,
    plan: RoutePlan,
    search: RouteSearch,
    route: int,
    first: int,
    length: int,
    kept_from: int,
    kept: int,
) -> None:
    """Take out the loads of the next `length` stops, but for `kept` stops from the `kept_from`th on."""
    stops, ends = plan.stops, ends_from(plan)
    at = first
    for i in range(length):
        load, after = stops[at].load, stops[at].next
        if not kept_from <= i < kept_from + kept:
            while after < ends and stops[after].load == load:
                after = stops[after].next
            _take_load_out(task, plan, search, route, load)
        at = after
        if at >= ends:
            break
    holds = set_times(task, plan, route) and keeps_hours(task, plan, route)
    if plan.routes[route].stops > 0 and not holds:  # where a detour was shorter, what is left may be late
        at = stops[ends + 2 * route].next
        while at < ends:
            _take_load_out(task, plan, search, route, stops[at].load)
            at = stops[ends + 2 * route].next
        set_times(task, plan, route)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _ruin_around(
    task: RouteTask, plan: RoutePlan, search: RouteSearch, route: int, stop: int, longest: float
) -> None:
    """Take a string out of a route that has the stop in it (equations 6 to 9, and the split string)."""
    stops, random, ends = plan.stops, search.random, ends_from(plan)
    size = plan.routes[route].stops
    length = min(int(uniform(random) * min(longest, size) + 1.0), size)
    kept = 0
    if 1 < length < size and uniform(random) < SPLIT:
        kept = 1
        while length + kept < size and uniform(random) < KEEP_ONE_MORE:
            kept += 1
    total = length + kept
    first, have = stop, 1
    back = int(uniform(random) * total)
    while have <= back and stops[first].prev < ends:
        first = stops[first].prev
        have += 1
    last = stop
    while have < total and stops[last].next < ends:
        last = stops[last].next
        have += 1
    while have < total and stops[first].prev < ends:
        first = stops[first].prev
        have += 1
    kept_from = int(uniform(random) * (length + 1)) if kept else total
    _take_string_out(task, plan, search, route, first, total, kept_from, kept)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _ruin(task: RouteTask, plan: RoutePlan, search: RouteSearch) -> None:
    """Take strings out of the routes around a load."""
    routes, random = plan.routes, search.random
    used = in_use = 0
    for route in range(len(routes)):
        used += routes[route].stops > 0
        in_use += routes[route].stops
    if used == 0:
        return
    is_large = uniform(random) < LARGE
    longest = min(LARGE_STRING if is_large else LONGEST_STRING, in_use / used)
    removed = LARGE_REMOVED if is_large else MEAN_REMOVED
    strings = int(uniform(random) * (4.0 * removed / (1.0 + longest) - 1.0) + 1.0)
    near = task.near[int(uniform(random) * len(task.loads))]
    for load in near:
        stop = task.loads[load].delivery if task.loads[load].delivery >= 0 else task.loads[load].pickup
        route = plan.stops[stop].route
        if route >= 0 and not search.is_touched[route]:
            search.is_touched[route] = True
            _ruin_around(task, plan, search, route, stop, longest)
            strings -= 1
            if strings <= 0:
                return


@njit(cache=True, nogil=True, **UNCOUNTED)
def _sort_out(task: RouteTask, search: RouteSearch) -> None:
    """Put the loads that are out in an order drawn at random: any, large, far, near, narrow, early or late first."""
    out, order, count, random = search.out, search.order, search.counts[OUT], search.random
    drawn = int(uniform(random) * 17)
    for i in range(count):
        load = out[i]
        if drawn < 4:
            order[i] = uniform(random)
        elif drawn < 8:
            order[i] = -task.keys[load, 0]
        elif drawn < 10:
            order[i] = -task.keys[load, 1]
        elif drawn < 11:
            order[i] = task.keys[load, 1]
        elif drawn < 13:
            order[i] = task.keys[load, 2]
        elif drawn < 15:
            order[i] = task.keys[load, 3]
        else:
            order[i] = -task.keys[load, 4]
    for i in range(1, count):
        key, load, j = order[i], out[i], i - 1
        while j >= 0 and order[j] > key:
            order[j + 1] = order[j]
            out[j + 1] = out[j]
            j -= 1
        order[j + 1] = key
        out[j + 1] = load


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def _may_take(task: RouteTask, plan: RoutePlan, search: RouteSearch, route: int, load: int) -> bool:
    """Whether it is worth a look: bound, skills, one empty vehicle of those alike, and room for what is aboard from the start."""
    record, wanted = plan.routes[route], task.loads[load]
    if wanted.only not in (NONE, route):
        return False
    if (wanted.needs & ~record.skills) != 0:
        return False
    if record.stops == 0 and wanted.only == NONE:
        if search.is_tried[record.alike]:
            return False
        search.is_tried[record.alike] = True
    return bool(wanted.pickup >= 0 or is_room(plan.at_start, route, task.amounts, load, task.capacity, route))


@njit(cache=True, nogil=True, **UNCOUNTED)
def _put_back(task: RouteTask, plan: RoutePlan, search: RouteSearch, load: int, limit: float) -> bool:
    """Put a load where it costs least; False: nowhere for less than the limit."""
    routes, wanted = plan.routes, task.loads[load]
    is_pair = wanted.pickup >= 0 and wanted.delivery >= 0
    best, best_route, best_at, best_then = limit, NONE, NONE, NONE
    for i in range(len(search.is_tried)):
        search.is_tried[i] = False
    for route in range(len(routes)):
        if not _may_take(task, plan, search, route, load):
            continue
        record = routes[route]
        if (wanted.pickup >= 0 or record.mixed > 0) and not plan.is_fresh[route]:
            freshen(task, plan, route)
        fixed = record.fixed_cost if record.stops == 0 else 0.0
        if is_pair:
            extra, at, then = best_pair(task, plan, route, load, best - fixed, search.random)
        else:
            extra, at = best_single(task, plan, route, load, best - fixed, search.random)
            then = at
        if at != NONE:
            best, best_route, best_at, best_then = extra + fixed, route, at, then
    if best_route == NONE:
        return False
    link_load(task, plan, best_route, load, best_at, best_then)
    search.is_touched[best_route] = True
    return True


@njit(cache=True, nogil=True, **UNCOUNTED)
def _recreate(task: RouteTask, plan: RoutePlan, search: RouteSearch) -> float:
    """Put back what is out, and return what the routes cost more than before; what finds no place stays out."""
    _sort_out(task, search)
    left, out = 0, search.out
    is_forced = uniform(search.random) < FORCED
    for i in range(search.counts[OUT]):
        load = out[i]
        limit = np.inf if is_forced else task.loads[load].left_out_cost
        if not _put_back(task, plan, search, load, limit):
            out[left] = load
            left += 1
    search.counts[OUT] = left
    change = 0.0
    for route in range(len(plan.routes)):
        if search.is_touched[route]:
            change -= plan.routes[route].cost
            change += cost_route(task, plan, route)
    return change


@njit(cache=True, nogil=True, **UNCOUNTED)
def _out_cost(task: RouteTask, search: RouteSearch) -> float:
    cost = 0.0
    for i in range(search.counts[OUT]):
        cost += task.loads[search.out[i]].left_out_cost
    return cost


@njit(cache=True, nogil=True, **UNCOUNTED)
def _copy_touched(
    task: RouteTask,
    source: RoutePlan,
    target: RoutePlan,
    search: RouteSearch,
    out: NDArray[np.int32],
    count: int,
) -> None:
    """Make a plan what the other is, where it was touched; `out` is what the source leaves out."""
    for i in range(count):
        for stop in (task.loads[out[i]].pickup, task.loads[out[i]].delivery):
            if stop >= 0:
                target.stops[stop].route = NONE
    for route in range(len(search.is_touched)):
        if search.is_touched[route]:
            copy_route(source, target, route)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _settle(task: RouteTask, plan: RoutePlan, kept: RoutePlan, search: RouteSearch, is_better: bool) -> None:
    """Keep the plan in hand, or go back to the one that is kept."""
    counts = search.counts
    if is_better:
        counts[1] += 1
        counts[KEPT_OUT] = counts[OUT]
        for i in range(counts[OUT]):
            search.kept_out[i] = search.out[i]
        _copy_touched(task, plan, kept, search, search.out, counts[OUT])
    else:
        counts[OUT] = counts[KEPT_OUT]
        for i in range(counts[OUT]):
            search.out[i] = search.kept_out[i]
        _copy_touched(task, kept, plan, search, search.out, counts[OUT])


@njit(cache=True, nogil=True, **UNCOUNTED)
def improve(
    task: RouteTask,
    plan: RoutePlan,
    kept: RoutePlan,
    search: RouteSearch,
    best: NDArray[np.int32],
    iterations: int,
    temperature: float,
) -> None:
    """Try to better a plan so many times.

    Args:
        task: what there is to do.
        plan: the plan in hand, equal to `kept`; on return too.
        kept: the plan that is kept.
        search: brought up to date.
        best: int32[n + 2k], `next` of the best plan so far.
        iterations: how many times.
        temperature: a plan that costs this much more is kept with probability 1/e.
    """
    costs = search.costs
    for _ in range(iterations):
        for i in range(len(search.is_touched)):
            search.is_touched[i] = False
        before = _out_cost(task, search)
        _ruin(task, plan, search)
        change = _recreate(task, plan, search) + _out_cost(task, search) - before
        search.counts[0] += 1
        is_better = change < -temperature * math.log(uniform(search.random) + 1e-300)
        _settle(task, plan, kept, search, is_better)
        if is_better:
            costs[0] += change
            if costs[0] < costs[1] - LEAST_GAIN:
                costs[1] = costs[0]
                for i in range(len(best)):
                    best[i] = plan.stops[i].next
