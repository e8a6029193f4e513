"""Where in a route a load costs least, of all places that keep every limit; a place is now and then overlooked on purpose ("blinks").

Each place is judged in constant time from what `geo.kernels.route_plan` keeps at the stops; only the breaks of a vehicle that has to take
some are walked through. No time gets shorter by a detour: that is taken for granted where it ends a scan, so where it is not so, a good place
may be overlooked, but no limit is broken.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.route_plan import NONE, Records, RoutePlan, RouteTask, ends_from, hours_with_breaks

BLINK = 0.01


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def uniform(random: NDArray[np.uint64]) -> float:
    """The next random number of [0, 1) (xorshift64, Marsaglia 2003)."""
    x = random[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    random[0] = x
    return float(x >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def is_room(
    most: NDArray[np.int64],
    at: int,
    amounts: NDArray[np.int64],
    load: int,
    capacity: NDArray[np.int64],
    route: int,
) -> bool:
    """Whether the load fits beside `most[at]`."""
    for d in range(amounts.shape[1]):  # noqa: SIM110  (the compiler knows no generators)
        if most[at, d] + amounts[load, d] > capacity[route, d]:
            return False
    return True


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def _keeps_breaks(
    task: RouteTask, plan: RoutePlan, route: int, first: int, first_at: int, second: int, second_at: int
) -> bool:
    """Whether the route with these stops still has time for its breaks."""
    if plan.routes[route].break_after_s == np.inf:
        return True
    return bool(hours_with_breaks(task, plan, route, first, first_at, second, second_at)[1] < np.inf)


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def best_single(
    task: RouteTask, plan: RoutePlan, route: int, load: int, limit: float, random: NDArray[np.uint64]
) -> tuple[float, int]:
    """The stop after which a load's only stop costs least, and what; NONE: none below the limit."""
    stops: Records = plan.stops
    record, is_pickup = plan.routes[route], task.loads[load].pickup >= 0
    stop = task.loads[load].pickup if is_pickup else task.loads[load].delivery
    most = plan.most_after if is_pickup else plan.most_before
    checks_room = is_pickup or record.mixed > 0
    place, open_s, close_s, service_s = (
        stops[stop].place,
        stops[stop].open_s,
        stops[stop].close_s,
        stops[stop].service_s,
    )
    legs, kind, best, best_at = task.legs, record.kind, limit, NONE
    is_empty = record.stops == 0
    spare_s = record.most_drive_s - (0.0 if is_empty else record.drive_s)
    at = ends_from(plan) + 2 * route
    while True:
        after = stops[at].next
        if after < 0:
            break
        here, there = stops[at].place, stops[after].place
        to = legs[kind, here, place]
        ready = stops[at].ready_s + stops[at].service_s + to.time_s
        if ready > close_s:
            break
        on, now = legs[kind, place, there], legs[kind, here, there]
        extra = to.cost + on.cost - (0.0 if is_empty else now.cost)
        if extra < best and max(ready, open_s) + service_s + on.time_s <= stops[after].latest_s:
            detour_s = to.time_s + on.time_s - (0.0 if is_empty else now.time_s)
            if (
                (not checks_room or is_room(most, at, task.amounts, load, task.capacity, route))
                and detour_s <= spare_s
                and uniform(random) >= BLINK
                and _keeps_breaks(task, plan, route, stop, at, NONE, NONE)
            ):
                best, best_at = extra, at
        at = after
    return best, best_at


@njit(cache=True, nogil=True, **UNCOUNTED, inline="always")
def best_pair(
    task: RouteTask, plan: RoutePlan, route: int, load: int, limit: float, random: NDArray[np.uint64]
) -> tuple[float, int, int]:
    """The stops after which pickup and delivery cost least, and what; the same stop twice: the delivery right behind the pickup."""
    stops: Records = plan.stops
    legs, record = task.legs, plan.routes[route]
    pickup, delivery, kind = task.loads[load].pickup, task.loads[load].delivery, record.kind
    first, last = stops[pickup].place, stops[delivery].place
    best, pickup_at, delivery_at = limit, NONE, NONE
    is_empty = record.stops == 0
    spare_s = record.most_drive_s - (0.0 if is_empty else record.drive_s)
    at = ends_from(plan) + 2 * route
    while stops[at].next >= 0:
        after = stops[at].next
        to, now = legs[kind, stops[at].place, first], legs[kind, stops[at].place, stops[after].place]
        ready = stops[at].ready_s + stops[at].service_s + to.time_s
        if ready > stops[pickup].close_s:
            break
        left = max(ready, stops[pickup].open_s) + stops[pickup].service_s
        # so far spent, and the delivery between `before`, at first the pickup, and `then`, instead of the leg there
        spent = to.cost - (0.0 if is_empty else now.cost)
        drive_s = to.time_s - (0.0 if is_empty else now.time_s)
        before, here, then, leg_cost, leg_s = at, first, after, 0.0, 0.0
        while spent < best and is_room(plan.aboard, before, task.amounts, load, task.capacity, route):
            there = stops[then].place
            to_last, on = legs[kind, here, last], legs[kind, last, there]
            ready = left + to_last.time_s
            if ready > stops[delivery].close_s:
                break
            extra = spent + to_last.cost + on.cost - leg_cost
            if extra < best:
                reached = max(ready, stops[delivery].open_s) + stops[delivery].service_s + on.time_s
                detour_s = drive_s + to_last.time_s + on.time_s - leg_s
                if (
                    reached <= stops[then].latest_s
                    and detour_s <= spare_s
                    and uniform(random) >= BLINK
                    and _keeps_breaks(task, plan, route, pickup, at, delivery, before)
                ):
                    best, pickup_at, delivery_at = extra, at, before
            onward = legs[kind, here, there]
            ready = left + onward.time_s
            if stops[then].next < 0 or ready > stops[then].latest_s:
                break
            left = max(ready, stops[then].open_s) + stops[then].service_s
            if before == at:
                spent += onward.cost
                drive_s += onward.time_s
            before, here, then = then, there, stops[then].next
            following = legs[kind, here, stops[then].place]
            leg_cost, leg_s = following.cost, following.time_s
        at = after
    return best, pickup_at, delivery_at
