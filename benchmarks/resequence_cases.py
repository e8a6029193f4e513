"""Random routes of one vehicle, and the best order by enumeration: what `geo.resequence` is held against."""

from itertools import pairwise, permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.insertion_cases import NOW_S, Stop, replay, straight
from geo.resequence import OrderCosts
from geo.route_times import live_routes
from geo.travel_time import TravelTimes

COSTS = OrderCosts()


class OrderCase(NamedTuple):
    """One route in a random order that keeps pickups before deliveries."""

    stops: NDArray[np.void]
    pickup_of: NDArray[np.int32]
    change: NDArray[np.float64]
    capacity: float
    frozen: int
    returns: bool


def random_route(rng: np.random.Generator, travel: TravelTimes, movable: int) -> OrderCase:
    """So many movable stops, half of them in pairs; a third of the windows are narrow; up to two done or bound stops in front."""
    frozen, returns = int(rng.integers(1, 3)), bool(rng.random() < 0.5)
    n = frozen + movable + returns
    shuffled = frozen + rng.permutation(movable)
    pickup_of, change = np.full(n, -1, np.int32), np.zeros((n, 1))
    for a, b in shuffled[: movable // 4 * 2].reshape(-1, 2):
        pickup_of[max(a, b)] = min(a, b)
        amount = float(rng.integers(1, 4))
        change[min(a, b)], change[max(a, b)] = amount, -amount
    opens = np.full(n, NOW_S)
    closes = np.full(n, np.inf)
    narrow = rng.random(n) < 0.35
    opens[narrow] = NOW_S + rng.uniform(0, 1_500.0 * n, int(narrow.sum()))
    closes[narrow] = opens[narrow] + rng.uniform(1_800, 7_200, int(narrow.sum()))
    opens[0], closes[0] = NOW_S, np.inf
    routes = live_routes(
        travel,
        [0, n],
        lat_deg=rng.uniform(45, 45.5, n),
        lon_deg=rng.uniform(9, 9.7, n),
        opens_s=opens,
        closes_s=closes,
        service_s=600.0,
        change=change,
        capacity=[[5.0]],
    )
    return OrderCase(routes.stops, pickup_of, change, 5.0, frozen, returns)


def cost_of(case: OrderCase, order: NDArray[np.int32], paces: list[list[float]], circuity: float) -> float:
    """What an order costs; infinite where a delivery comes before its pickup, or there is no room."""
    place = np.argsort(order)
    paired = case.pickup_of >= 0
    aboard = np.cumsum(case.change[order], axis=0)
    loads = case.change[order] > 0
    if (place[case.pickup_of[paired]] > place[paired]).any() or (loads & (aboard > case.capacity)).any():
        return float("inf")
    route = []
    for row in order:
        x, y, z, _, service_s, pace_row, opens_s, closes_s, *_ = case.stops[row].item()
        route.append(Stop((x, y, z), pace_row, opens_s, closes_s, service_s, ()))
    begins, end, _, _ = replay(route, paces)
    way = sum(straight(a.point, b.point) for a, b in pairwise(route))
    late = sum(max(0.0, begin - stop.closes_s) for begin, stop in zip(begins[1:], route[1:], strict=True))
    duration = end - route[0].opens_s
    return COSTS.cost_per_m * circuity * way + COSTS.cost_per_s * duration + COSTS.late_cost_per_s * late


def least_cost(case: OrderCase, paces: list[list[float]], circuity: float) -> float:
    """Of all orders."""
    n = len(case.stops)
    last = n - case.returns
    fixed, movable = list(range(case.frozen)), range(case.frozen, last)
    tail = list(range(last, n))
    return min(
        cost_of(case, np.array([*fixed, *middle, *tail], np.int32), paces, circuity)
        for middle in permutations(movable)
    )
