"""A better order of one vehicle's remaining stops. `geo.resequence` has the definitions.

First a descent by moving up to `LONGEST` consecutive stops elsewhere, as they are or turned around, on the travel times of the planned hours. The duration and
the time warp of a route that is put together from three parts are known from those of the parts: Vidal, Crainic, Gendreau and Prins (2013), "A hybrid
genetic algorithm with adaptive diversity management for a large class of vehicle routing problems with time-windows", equations
6 to 9, doi 10.1016/j.cor.2012.07.018. Then, with few stops, all orders are tried by branch and bound, with the travel times of the real hours.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.order_trials import LEAST_GAIN, Order, copy_order, try_all
from geo.kernels.route_times import Records, between_m
from geo.kernels.travel_time import Paces, arrives_s

LONGEST = 3
_DURATION, _WARP, _EARLIEST, _LATEST = range(4)

Segments = NDArray[np.float64]
"""float64[n, n, 4]: duration, time warp, earliest and latest begin of the stops at places i to j of an order."""
Part = tuple[float, float, float, float]


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _joined(a: Part, b: Part, travel_s: float) -> Part:
    """Equations 6 to 9: the part a, the way, the part b."""
    since_s = a[0] - a[1] + travel_s
    wait_s = max(b[2] - since_s - a[3], 0.0)
    warp_s = max(a[2] + since_s - b[3], 0.0)
    return (
        a[0] + b[0] + travel_s + wait_s,
        a[1] + b[1] + warp_s,
        max(b[2] - since_s, a[2]) - wait_s,
        min(b[3] - since_s, a[3]) + warp_s,
    )


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _part(segments: Segments, i: int, j: int) -> Part:
    return segments[i, j, 0], segments[i, j, 1], segments[i, j, 2], segments[i, j, 3]


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _alone(stops: Records, at: int, start_s: float) -> Part:
    """One stop; times count from when the vehicle is free, so that small numbers are added."""
    return stops[at].service_s, 0.0, stops[at].opens_s - start_s, stops[at].closes_s - start_s


@njit(cache=True, nogil=True, **UNCOUNTED)
def _set_segments(
    stops: Records, order: Order, time_s: NDArray[np.float64], segments: Segments, low: int, high: int
) -> None:
    """Sets those that have any of the places low to high in them, or end or begin beside one."""
    n, start_s = len(order), stops[order[0]].opens_s
    for i in range(high + 1):
        part = _alone(stops, order[i], start_s)
        if i == 0:
            part = (stops[order[0]].service_s, 0.0, 0.0, 0.0)  # it begins when the vehicle is free, not later
        begin = max(i, low)
        if begin > i:
            part = _part(segments, i, begin - 1)
        for j in range(begin, n):
            if j > i:
                part = _joined(part, _alone(stops, order[j], start_s), time_s[order[j - 1], order[j]])
            for field in range(4):
                segments[i, j, field] = part[field]


@njit(cache=True, nogil=True, **UNCOUNTED)
def _has_room(change: NDArray[np.int64], capacity: NDArray[np.int64], order: Order) -> bool:
    """Whether what is aboard never gets more than the capacity, but for what the first stop says is aboard already."""
    for d in range(change.shape[1]):
        aboard = change[order[0], d]
        for i in range(1, len(order)):
            aboard += change[order[i], d]
            if aboard > capacity[d] and change[order[i], d] > 0:
                return False
    return True


@njit(cache=True, nogil=True, **UNCOUNTED)
def _move(order: Order, i: int, length: int, after: int, turn: bool, moved: Order) -> None:
    """Writes the order with `length` stops from place i put behind place `after` to `moved`."""
    to = 0
    for at in range(len(order)):
        if not i <= at < i + length:
            moved[to] = order[at]
            to += 1
        if at == after:
            for part in range(length):
                moved[to] = order[i + length - 1 - part] if turn else order[i + part]
                to += 1


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _moved_cost(
    stops: Records,
    order: Order,
    time_s: NDArray[np.float64],
    leg_cost: NDArray[np.float64],
    segments: Segments,
    i: int,
    j: int,
    k: int,
    turn: bool,
    late_cost: float,
    time_cost: float,
    best: float,
) -> float:
    """What the whole order costs with places i to j behind place k: driving, duration, time warp; infinite once it is `best` or more.

    Neither duration nor time warp gets less by what is joined on.
    """
    n, start_s = len(order), stops[order[0]].opens_s
    head, tail = (j, i) if turn else (i, j)
    cost = leg_cost[order[k], order[head]]
    if turn:
        middle = _alone(stops, order[j], start_s)
        for at in range(j - 1, i - 1, -1):
            middle = _joined(middle, _alone(stops, order[at], start_s), time_s[order[at + 1], order[at]])
            cost += leg_cost[order[at + 1], order[at]] - leg_cost[order[at], order[at + 1]]
    else:
        middle = _part(segments, i, j)
    cost -= leg_cost[order[i - 1], order[i]]
    if j + 1 < n:
        cost += leg_cost[order[i - 1], order[j + 1]] - leg_cost[order[j], order[j + 1]]
    if k + 1 < n:
        cost += leg_cost[order[tail], order[k + 1]] - leg_cost[order[k], order[k + 1]]
    if k < i:
        whole = _joined(_part(segments, 0, k), middle, time_s[order[k], order[head]])
        if cost + time_cost * whole[0] + late_cost * whole[1] >= best:
            return np.inf
        whole = _joined(whole, _part(segments, k + 1, i - 1), time_s[order[tail], order[k + 1]])
        if j + 1 < n:
            whole = _joined(whole, _part(segments, j + 1, n - 1), time_s[order[i - 1], order[j + 1]])
    else:
        whole = _joined(
            _part(segments, 0, i - 1), _part(segments, j + 1, k), time_s[order[i - 1], order[j + 1]]
        )
        if cost + time_cost * whole[0] + late_cost * whole[1] >= best:
            return np.inf
        whole = _joined(whole, middle, time_s[order[k], order[head]])
        if k + 1 < n:
            whole = _joined(whole, _part(segments, k + 1, n - 1), time_s[order[tail], order[k + 1]])
    return float(cost + time_cost * whole[0] + late_cost * whole[1])


@njit(cache=True, nogil=True, **UNCOUNTED)
def descend(
    stops: Records,
    change: NDArray[np.int64],
    capacity: NDArray[np.int64],
    partner: NDArray[np.int32],
    frozen: int,
    last: int,
    time_s: NDArray[np.float64],
    leg_cost: NDArray[np.float64],
    late_cost: float,
    time_cost: float,
    order: Order,
    moved: Order,
    place: NDArray[np.int32],
    segments: Segments,
) -> None:
    """Betters `order` in place: the best move of each run of stops at places `frozen` to `last`, until none helps."""
    n = len(order)
    _set_segments(stops, order, time_s, segments, 0, n - 1)
    for at in range(n):
        place[order[at]] = at
    idle, i, length = 0, frozen, 1
    while idle < LONGEST * (last + 1 - frozen):
        j = i + length - 1
        if j <= last:
            low, high = frozen - 1, last  # behind which places it may come
            for at in range(i, j + 1):
                other = partner[order[at]]
                if other >= 0 and not i <= place[other] <= j:
                    if place[other] < at:
                        low = max(low, place[other])
                    else:
                        high = min(high, place[other] - 1)
            best = (
                time_cost * segments[0, n - 1, _DURATION] + late_cost * segments[0, n - 1, _WARP] - LEAST_GAIN
            )
            best_k, best_turn = -1, False
            for k in range(low, high + 1):
                if i - 1 <= k <= j:
                    continue
                for turn in range(2 if length > 1 else 1):
                    cost = _moved_cost(
                        stops,
                        order,
                        time_s,
                        leg_cost,
                        segments,
                        i,
                        j,
                        k,
                        turn == 1,
                        late_cost,
                        time_cost,
                        best,
                    )
                    if cost < best:
                        _move(order, i, length, k, turn == 1, moved)
                        if _has_room(change, capacity, moved) and _keeps_pairs(
                            partner, order, i, j, place, turn == 1
                        ):
                            best, best_k, best_turn = cost, k, turn == 1
            idle += 1
            if best_k >= 0:
                _move(order, i, length, best_k, best_turn, moved)
                copy_order(moved, order)
                for at in range(n):
                    place[order[at]] = at
                _set_segments(stops, order, time_s, segments, min(i, best_k + 1), max(j, best_k))
                idle = 0
        else:
            idle += 1
        i += 1
        if i > last:
            i, length = frozen, length % LONGEST + 1


@njit(cache=True, nogil=True, **UNCOUNTED)
def _keeps_pairs(
    partner: NDArray[np.int32], order: Order, i: int, j: int, place: NDArray[np.int32], turn: bool
) -> bool:
    """Whether no pickup comes behind its delivery by turning places i to j around."""
    if turn:
        for at in range(i, j + 1):
            other = partner[order[at]]
            if other >= 0 and i <= place[other] <= j:
                return False
    return True


@njit(cache=True, nogil=True, **UNCOUNTED)
def order_cost(
    stops: Records,
    order: Order,
    paces: Paces,
    cost_per_m: float,
    time_cost: float,
    late_cost: float,
) -> float:
    """What an order costs with the travel times of the real hours: metres, seconds to the end, seconds late at stops."""
    clock_s = stops[order[0]].opens_s + stops[order[0]].service_s
    way_m = late_s = 0.0
    for i in range(1, len(order)):
        a, b = order[i - 1], order[i]
        leg_m = between_m(stops, a, b)
        way_m += leg_m
        begins_s = max(
            arrives_s(paces, stops[a].pace_row, stops[b].pace_row, leg_m, clock_s), stops[b].opens_s
        )
        late_s += max(0.0, begins_s - stops[b].closes_s)
        clock_s = begins_s + stops[b].service_s
    return float(cost_per_m * way_m + time_cost * (clock_s - stops[order[0]].opens_s) + late_cost * late_s)


@njit(cache=True, nogil=True)
def resequence(
    stops: Records,
    change: NDArray[np.int64],
    capacity: NDArray[np.int64],
    pickup_of: NDArray[np.int32],
    frozen: int,
    last: int,
    paces: Paces,
    costs: tuple[float, float, float],
    try_all_of: int,
    order: Order,
) -> tuple[float, float]:
    """Betters `order`, int32[n], of all stops; what it cost, and costs then. `costs` are of a straight metre, a second, a second late."""
    n, dimensions = len(order), change.shape[1]
    time_s, way_m, leg_cost = np.empty((n, n)), np.empty((n, n)), np.empty((n, n))
    partner = np.full(n, -1, np.int32)
    for delivery in range(n):
        if pickup_of[delivery] >= 0:
            partner[delivery] = pickup_of[delivery]
            partner[pickup_of[delivery]] = delivery
    leave_s = stops[order[0]].opens_s
    for i in range(n):
        a = order[i]
        if i > 0:
            leave_s = max(leave_s, stops[a].opens_s)
        leave_s += stops[a].service_s
        for b in range(n):
            way_m[a, b] = between_m(stops, a, b)
            time_s[a, b] = (
                arrives_s(paces, stops[a].pace_row, stops[b].pace_row, way_m[a, b], leave_s) - leave_s
            )
            leg_cost[a, b] = costs[0] * way_m[a, b]
        if i + 1 < n:
            leave_s += time_s[a, order[i + 1]]
    before = order_cost(stops, order, paces, costs[0], costs[1], costs[2])
    tried, moved = order.copy(), np.empty(n, np.int32)
    descend(
        stops,
        change,
        capacity,
        partner,
        frozen,
        last,
        time_s,
        leg_cost,
        costs[2],
        costs[1],
        tried,
        moved,
        np.empty(n, np.int32),
        np.empty((n, n, 4)),
    )
    after = order_cost(stops, tried, paces, costs[0], costs[1], costs[2])
    if after < before - LEAST_GAIN:
        order[:] = tried
    else:
        after = before
    if last + 1 - frozen <= try_all_of:
        after = try_all(
            stops,
            change,
            capacity,
            pickup_of,
            frozen,
            last,
            paces,
            way_m,
            costs,
            after,
            order,
            tried,
            moved,
            np.empty((n, 2)),
            np.empty((n, dimensions), np.int64),
        )
    return before, after
