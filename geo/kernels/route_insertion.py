"""The cheapest places for one load in the routes of a whole fleet, exactly. `geo.route_insertion` has the definitions.

What is left out cannot be among the best: a detour is at least as long as the triangle inequality says of straight lines, and time never makes an
insertion cheaper. A route is first judged by the ball around it, then by its straight detours (`insertion_bounds`), and only what is left is timed.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.insertion_bounds import (
    BUCKETS,
    HEAD,
    WAYS_ROWS,
    ball_bounds,
    has_room,
    in_order,
    last_place,
    sharpen,
    stops_bound,
)
from geo.kernels.insertion_detours import (
    DELIVERY_DETOUR,
    LEAST_DETOUR,
    MAY,
    ROUNDING_S,
    SCRATCH_ROWS,
    TO_DELIVERY,
    TO_PICKUP,
    delivery_detours,
    pickup_places,
)
from geo.kernels.route_slack import tell_slack
from geo.kernels.route_times import Records, between_m
from geo.kernels.travel_time import Paces, arrives_s

FITS, SKILLS, CAPACITY, PICKUP_LATE, DELIVERY_LATE, STOP_LATE, DRIVING, SHIFT = range(8)
"""What keeps a load out of a route, in the order in which it is asked."""

FOUND = np.dtype(
    [
        *[(name, np.int32) for name in ("vehicle", "pickup_after", "delivery_after", "reason")],
        *[(name, np.float64) for name in ("cost", "extra_m", "extra_s", "pickup_s", "delivery_s")],
        *[(name, np.float64) for name in ("slack_s", "slack_eaten_s")],
    ]
)
"""One insertion; `geo.route_insertion.Insertion` has the fields."""

Found = Any
"""One record of FOUND."""


@njit(cache=True, nogil=True, **UNCOUNTED)
def _arrival(stops: Records, legs: Records, at: int, left_s: float, paces: Paces) -> float:
    """When a planned stop is reached from the planned one before it."""
    if legs[at].from_s <= left_s < legs[at].until_s:
        return float(legs[at].base_s + legs[at].slope * left_s)
    return float(arrives_s(paces, stops[at - 1].pace_row, stops[at].pace_row, stops[at].way_m, left_s))


@njit(cache=True, nogil=True, **UNCOUNTED)
def _finish(
    stops: Records,
    legs: Records,
    at: int,
    end: int,
    load: Records,
    way_m: float,
    clock_s: float,
    driven_s: float,
    paces: Paces,
) -> tuple[float, float]:
    """When service at the last stop ends, and driving in all, if the delivery ends service at `clock_s` and stop `at` follows after `way_m`."""
    for row in range(at, end):
        if row == at:
            there_s = arrives_s(paces, load[1].pace_row, stops[row].pace_row, way_m, clock_s)
        else:
            there_s = _arrival(stops, legs, row, clock_s, paces)
        driven_s += there_s - clock_s
        clock_s = max(there_s, stops[row].opens_s) + stops[row].service_s
    return clock_s, driven_s


@njit(cache=True, nogil=True, **UNCOUNTED)
def best_in_route(
    stops: Records,
    legs: Records,
    vehicle: Records,
    free: NDArray[np.int64],
    first: int,
    end: int,
    load: Records,
    amounts: NDArray[np.int64],
    paces: Paces,
    least_of: NDArray[np.float32],
    least_pace: float,
    bound: float,
    explains: bool,
    scratch: NDArray[np.float64],
    found: Found,
) -> bool:
    """Whether the load fits into a route for less than `bound`, and where best; else `found.reason` says what it fails for.

    Only if it `explains`, every place is looked at as far as it goes, and the reason is true.
    """
    last, fixed = last_place(vehicle, first, end), vehicle.fixed_cost
    most_m = (bound - fixed) / vehicle.cost_per_m if vehicle.cost_per_m > 0.0 else np.inf
    found.reason = CAPACITY
    places = pickup_places(stops, first, last, end, load, least_of, least_pace, most_m, explains, scratch)
    if explains:
        places = last + 1 - first
    if places == 0:
        return False
    delivery_detours(stops, first, end, load, scratch)
    direct_m = between_m(load, 0, 1)
    ends_s = stops[end - 1].ready_s + stops[end - 1].service_s
    reason, best = CAPACITY, bound
    for i in range(first, first + places):
        if (scratch[MAY, i - first] == 0.0 and not explains) or not has_room(free, i, amounts):
            continue
        reason = max(reason, PICKUP_LATE)
        left_s = stops[i].ready_s + stops[i].service_s
        to_m = scratch[TO_PICKUP, i - first]
        leg_m = stops[i + 1].way_m if i + 1 < end else 0.0
        on_m = scratch[TO_PICKUP, i + 1 - first] if i + 1 < end else 0.0
        back_m = scratch[TO_DELIVERY, i + 1 - first] if i + 1 < end else 0.0
        at_once_m = to_m + direct_m + back_m - leg_m
        apart_m = to_m + on_m - leg_m + scratch[LEAST_DETOUR, i - first]
        if fixed + vehicle.cost_per_m * max(0.0, min(at_once_m, apart_m)) >= best:
            continue
        there_s = arrives_s(paces, stops[i].pace_row, load[0].pace_row, to_m, left_s)
        if there_s > load[0].closes_s + ROUNDING_S:
            continue
        pickup_s = max(there_s, load[0].opens_s)
        driven_s = stops[i].driven_s + (there_s - left_s)
        clock_s, before_row = pickup_s + load[0].service_s, load[0].pace_row
        reason = max(reason, DELIVERY_LATE)
        for j in range(i, last + 1):
            if j > i:  # on to stop j with the load aboard
                if fixed + vehicle.cost_per_m * max(0.0, apart_m) >= best or not has_room(free, j, amounts):
                    break
                if j == i + 1:
                    arrival_s = arrives_s(paces, before_row, stops[j].pace_row, on_m, clock_s)
                else:
                    arrival_s = _arrival(stops, legs, j, clock_s, paces)
                if arrival_s > max(stops[j].closes_s, stops[j].ready_s) + ROUNDING_S:
                    reason = max(reason, STOP_LATE)
                    break
                driven_s += arrival_s - clock_s
                clock_s = max(arrival_s, stops[j].opens_s) + stops[j].service_s
                before_row = stops[j].pace_row
            to_there_m = direct_m if j == i else scratch[TO_DELIVERY, j - first]
            if clock_s + to_there_m * least_pace > load[1].closes_s + ROUNDING_S and not explains:
                break  # nor can it be there in time by way of other stops
            extra_m = at_once_m if j == i else to_m + on_m - leg_m + scratch[DELIVERY_DETOUR, j - first]
            extra_m = max(0.0, extra_m)
            cost = fixed + vehicle.cost_per_m * extra_m
            if cost >= best:
                continue
            there_s = arrives_s(paces, before_row, load[1].pace_row, to_there_m, clock_s)
            if there_s > load[1].closes_s + ROUNDING_S:
                continue
            delivery_s = max(there_s, load[1].opens_s)
            left_s = delivery_s + load[1].service_s
            on_from_m = scratch[TO_DELIVERY, j + 1 - first] if j + 1 < end else 0.0
            reason = max(reason, STOP_LATE)
            if j + 1 < end:
                next_s = arrives_s(paces, load[1].pace_row, stops[j + 1].pace_row, on_from_m, left_s)
                if next_s > stops[j + 1].latest_s + ROUNDING_S:
                    continue
            reason = max(reason, DRIVING)
            new_end_s, all_driven_s = _finish(
                stops, legs, j + 1, end, load, on_from_m, left_s, driven_s + (there_s - clock_s), paces
            )
            if all_driven_s > vehicle.most_drive_s + ROUNDING_S:
                continue
            reason = max(reason, SHIFT)
            if new_end_s > max(vehicle.ends_s, ends_s) + ROUNDING_S:
                continue
            extra_s = max(0.0, new_end_s - ends_s)
            cost += vehicle.cost_per_s * extra_s
            if cost < best:
                best = cost
                found.cost, found.extra_m, found.extra_s = cost, extra_m, extra_s
                found.pickup_after, found.delivery_after = i - first, j - first
                found.pickup_s, found.delivery_s = pickup_s, delivery_s
    found.reason = FITS if best < bound else reason
    return best < bound


@njit(cache=True, nogil=True, **UNCOUNTED)
def _may_fit(
    vehicle: Records, most_free: NDArray[np.int64], route: int, amounts: NDArray[np.int64], needs: int
) -> int:
    """FITS, or what keeps the load out of a route at first sight."""
    if (vehicle.skills & needs) != needs:
        return SKILLS
    return FITS if has_room(most_free, route, amounts) else CAPACITY


@njit(cache=True, nogil=True, **UNCOUNTED)
def _keep(best: Records, kept: int, found: Found) -> int:
    """Put an insertion among the best, by cost; how many they are then."""
    at = min(kept, len(best) - 1)
    while at > 0 and best[at - 1].cost > found.cost:
        best[at] = best[at - 1]
        at -= 1
    best[at] = found
    return min(kept + 1, len(best))


@njit(cache=True, nogil=True, **UNCOUNTED)
def _best_of_load(
    stops: Records,
    legs: Records,
    vehicles: Records,
    offsets: NDArray[np.int64],
    free: NDArray[np.int64],
    most_free: NDArray[np.int64],
    points: NDArray[np.float32],
    balls: NDArray[np.float32],
    load: Records,
    amounts: NDArray[np.int64],
    needs: int,
    paces: Paces,
    least_of: NDArray[np.float32],
    least_pace: float,
    least: NDArray[np.float32],
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    ways: NDArray[np.float32],
    scratch: NDArray[np.float64],
    found: Records,
    best: Records,
) -> int:
    """Fills `best` for one load; how many there are. What comes before it is room to work in."""
    direct_m, kept = between_m(load, 0, 1), 0
    ball_bounds(balls, load, direct_m, least)
    in_order(least, order, starts)
    sharpen(points, offsets, vehicles, free, load, amounts, direct_m, ways, least, order)
    for i in range(len(order)):
        route = order[i]
        bound = best[kept - 1].cost if kept == len(best) else np.inf
        if least[route] >= bound:
            continue  # a later one may still be cheaper: the order is rough
        if (
            i >= HEAD
            and stops_bound(points, offsets, vehicles, free, route, load, amounts, direct_m, ways) >= bound
        ):
            continue
        first, end, vehicle = offsets[route], offsets[route + 1], vehicles[route]
        if _may_fit(vehicle, most_free, route, amounts, needs) != FITS:
            continue
        if best_in_route(
            stops,
            legs,
            vehicle,
            free,
            first,
            end,
            load,
            amounts,
            paces,
            least_of,
            least_pace,
            bound,
            False,
            scratch,
            found[0],
        ):
            found[0].vehicle = route
            kept = _keep(best, kept, found[0])
    return kept


@njit(cache=True, nogil=True, **UNCOUNTED)
def _longest(offsets: NDArray[np.int64]) -> int:
    """The most stops of a route."""
    longest = 1
    for route in range(len(offsets) - 1):
        longest = max(longest, offsets[route + 1] - offsets[route])
    return longest


@njit(cache=True, nogil=True)
def best_insertions(
    stops: Records,
    legs: Records,
    vehicles: Records,
    offsets: NDArray[np.int64],
    free: NDArray[np.int64],
    most_free: NDArray[np.int64],
    points: NDArray[np.float32],
    balls: NDArray[np.float32],
    ends: Records,
    amounts: NDArray[np.int64],
    needs: NDArray[np.uint64],
    paces: Paces,
    least_of: NDArray[np.float32],
    least_pace: float,
    which: NDArray[np.int32],
    tells_slack: bool,
    best: Records,
    kept: NDArray[np.int32],
) -> None:
    """Fills `best`, FOUND[n, k], and `kept`, int32[n], how many they are, for some loads, `which`, int32[m].

    Each has the cheapest insertion into each of the k cheapest routes. `ends` are the loads' stops, two each; `least_of`: the least of each row of `paces`;
    `least_pace`: what a metre takes at least anywhere.
    """
    k, longest = len(vehicles), _longest(offsets)
    least, order, starts = np.empty(k, np.float32), np.empty(k, np.int32), np.empty(BUCKETS + 1, np.int64)
    ways, scratch = np.empty((WAYS_ROWS, longest), np.float32), np.empty((SCRATCH_ROWS, longest + 1))
    found = np.zeros(1, FOUND)
    for i in which:
        load = ends[2 * i : 2 * i + 2]
        kept[i] = _best_of_load(
            stops,
            legs,
            vehicles,
            offsets,
            free,
            most_free,
            points,
            balls,
            load,
            amounts[i],
            needs[i],
            paces,
            least_of,
            least_pace,
            least,
            order,
            starts,
            ways,
            scratch,
            found,
            best[i],
        )
        if tells_slack:
            tell_slack(stops, offsets, load, paces, best[i], kept[i])


@njit(cache=True, nogil=True)
def insertion_reasons(
    stops: Records,
    legs: Records,
    vehicles: Records,
    offsets: NDArray[np.int64],
    free: NDArray[np.int64],
    most_free: NDArray[np.int64],
    load: Records,
    amounts: NDArray[np.int64],
    needs: int,
    paces: Paces,
    least_of: NDArray[np.float32],
    least_pace: float,
    reasons: NDArray[np.int8],
) -> None:
    """Fills `reasons`, int8[k]: FITS, or what keeps the load out of each route."""
    scratch, found = np.empty((SCRATCH_ROWS, _longest(offsets) + 1)), np.zeros(1, FOUND)
    for route in range(len(vehicles)):
        first, end, vehicle = offsets[route], offsets[route + 1], vehicles[route]
        reason = _may_fit(vehicle, most_free, route, amounts, needs)
        if reason == FITS:
            best_in_route(
                stops,
                legs,
                vehicle,
                free,
                first,
                end,
                load,
                amounts,
                paces,
                least_of,
                least_pace,
                np.inf,
                True,
                scratch,
                found[0],
            )
            reason = found[0].reason
        reasons[route] = reason
