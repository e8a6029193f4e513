"""All orders of a few stops of a route, by branch and bound."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.route_times import Records
from geo.kernels.travel_time import Paces, arrives_s

LEAST_GAIN = 1e-6
"""An order that costs less by no more than this is not better."""

Order = NDArray[np.int32]


@njit(cache=True, nogil=True, **UNCOUNTED)
def copy_order(source: Order, target: Order) -> None:
    """Without an array in between, as a slice would need."""
    for at in range(len(source)):
        target[at] = source[at]


@njit(cache=True, nogil=True, **UNCOUNTED)
def _goes_on(
    stops: Records,
    change: NDArray[np.int64],
    capacity: NDArray[np.int64],
    paces: Paces,
    way_m: NDArray[np.float64],
    costs: tuple[float, float, float],
    path: Order,
    at: int,
    state: NDArray[np.float64],
    aboard: NDArray[np.int64],
) -> bool:
    """Adds the stop at a place of the path to what is known of the path before; whether there is room for it."""
    before, here = path[at - 1], path[at]
    leg_m = way_m[before, here]
    there_s = arrives_s(paces, stops[before].pace_row, stops[here].pace_row, leg_m, state[at - 1, 0])
    begins_s = max(there_s, stops[here].opens_s)
    left_s = begins_s + stops[here].service_s
    late_s = max(0.0, begins_s - stops[here].closes_s)
    state[at, 0] = left_s
    state[at, 1] = (
        state[at - 1, 1] + costs[0] * leg_m + costs[1] * (left_s - state[at - 1, 0]) + costs[2] * late_s
    )
    has_room = True
    for d in range(change.shape[1]):
        aboard[at, d] = aboard[at - 1, d] + change[here, d]
        has_room &= aboard[at, d] <= capacity[d] or change[here, d] <= 0
    return has_room


@njit(cache=True, nogil=True, **UNCOUNTED)
def _is_among(path: Order, count: int, stop: int) -> bool:
    for at in range(count):  # noqa: SIM110 - a generator would be slower, where it compiles at all
        if path[at] == stop:
            return True
    return False


@njit(cache=True, nogil=True, **UNCOUNTED)
def try_all(
    stops: Records,
    change: NDArray[np.int64],
    capacity: NDArray[np.int64],
    pickup_of: NDArray[np.int32],
    frozen: int,
    last: int,
    paces: Paces,
    way_m: NDArray[np.float64],
    costs: tuple[float, float, float],
    best_cost: float,
    order: Order,
    path: Order,
    choice: NDArray[np.int32],
    state: NDArray[np.float64],
    aboard: NDArray[np.int64],
) -> float:
    """Betters `order` to the best of all orders of its places `frozen` to `last`; its cost, at most `best_cost`.

    Depth first, by swaps; whatever an order has cost up to a stop it costs at least. `state`, float64[n, 2]: when each stop of the path is left,
    and what has been paid then. `aboard` is int64[n, D], `choice` and `path` are int32[n].
    """
    n = len(order)
    copy_order(order, path)
    state[0, 0] = stops[order[0]].opens_s + stops[order[0]].service_s
    state[0, 1] = costs[1] * stops[order[0]].service_s
    for d in range(change.shape[1]):
        aboard[0, d] = change[order[0], d]
    for at in range(1, frozen):
        _goes_on(stops, change, capacity, paces, way_m, costs, path, at, state, aboard)
    at = frozen
    choice[at] = at - 1
    while at >= frozen:
        if choice[at] >= at:
            path[at], path[choice[at]] = path[choice[at]], path[at]  # as before the last choice
        choice[at] += 1
        if choice[at] > last:
            at -= 1
            continue
        path[at], path[choice[at]] = path[choice[at]], path[at]
        pickup = pickup_of[path[at]]
        if pickup >= 0 and not _is_among(path, at, pickup):
            continue
        has_room = _goes_on(stops, change, capacity, paces, way_m, costs, path, at, state, aboard)
        if not has_room or state[at, 1] >= best_cost - LEAST_GAIN:
            continue
        if at < last:
            at += 1
            choice[at] = at - 1
            continue
        for end in range(last + 1, n):
            _goes_on(stops, change, capacity, paces, way_m, costs, path, end, state, aboard)
        if state[n - 1, 1] < best_cost - LEAST_GAIN:
            best_cost = state[n - 1, 1]
            copy_order(path, order)
    return best_cost
