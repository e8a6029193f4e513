"""Orders of one vehicle's stops against enumeration of all of them."""

import numpy as np
import pytest

from benchmarks.insertion_cases import travel_times
from benchmarks.resequence_cases import COSTS, cost_of, least_cost, random_route
from geo.resequence import NONE, resequence
from geo.route_times import LiveRouteError, live_routes
from geo.travel_time import untaught_travel_times

RNG = np.random.default_rng(6)
TRAVEL = travel_times(RNG)
PACES = TRAVEL.paces()
PLAIN = PACES.astype(float).tolist()


def _better(case, try_all_of):
    return resequence(
        case.stops,
        PACES,
        case.pickup_of,
        case.change,
        [case.capacity],
        frozen=case.frozen,
        returns=case.returns,
        costs=COSTS,
        circuity=TRAVEL.circuity,
        try_all_of=try_all_of,
    )


@pytest.mark.parametrize(("movable", "cases"), [(0, 3), (1, 5), (2, 20), (4, 60), (5, 20), (6, 4)])
def test_few_stops_get_the_best_order_there_is(movable, cases):
    """By real travel times, windows, pairs and room; and what it says to cost is what it costs."""
    for _ in range(cases):
        case = random_route(RNG, TRAVEL, movable)
        found = _better(case, 8)
        best = least_cost(case, PLAIN, TRAVEL.circuity)
        if np.isfinite(best):
            assert found.is_best
            assert cost_of(case, found.order, PLAIN, TRAVEL.circuity) == pytest.approx(best, rel=1e-4)
            assert found.cost == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("movable", [3, 9, 20, 40])
def test_an_order_is_allowed_keeps_what_is_frozen_and_never_worse(movable):
    """Every stop once, the frozen ones and a bound end where they were, pickups first, never over capacity by a change."""
    for _ in range(40):
        case = random_route(RNG, TRAVEL, movable)
        given = cost_of(case, np.arange(len(case.stops), dtype=np.int32), PLAIN, TRAVEL.circuity)
        found = _better(case, 0)
        assert sorted(found.order) == list(range(len(case.stops)))
        assert found.order[: case.frozen].tolist() == list(range(case.frozen))
        assert not case.returns or found.order[-1] == len(case.stops) - 1
        cost = cost_of(case, found.order, PLAIN, TRAVEL.circuity)
        assert found.cost <= found.cost_before
        assert cost == pytest.approx(found.cost, rel=1e-4) or np.isinf(given)


def test_a_zigzag_becomes_a_line():
    """Stops along a road, given in a wild order, are driven one after the other."""
    travel = untaught_travel_times()
    order = np.r_[0, 1 + np.random.default_rng(2).permutation(19)]
    routes = live_routes(
        travel, [0, 20], lat_deg=45 + 0.01 * order, lon_deg=9.0, opens_s=1.7e9, capacity=[[1.0]]
    )
    found = resequence(routes.stops, travel.paces(), [NONE] * 20, 0.0, [1.0])
    assert order[found.order].tolist() == list(range(20))
    again = resequence(routes.stops[found.order], travel.paces(), [NONE] * 20, 0.0, [1.0])
    assert again.order.tolist() == list(range(20))


def test_wrong_pairs_are_refused():
    """A delivery has its pickup before it, a pickup one delivery, and something is frozen."""
    travel = untaught_travel_times()
    routes = live_routes(travel, [0, 4], lat_deg=[1, 2, 3, 4], lon_deg=0.0, opens_s=0.0, capacity=[[1.0]])
    for pickup_of, frozen in (
        ([-1, 2, -1, -1], 1),
        ([-1, -1, 1, 1], 1),
        ([-1] * 3, 1),
        ([-1] * 4, 0),
        ([-1, -1, -2, -1], 1),
    ):
        with pytest.raises(LiveRouteError):
            resequence(routes.stops, travel.paces(), pickup_of, 0.0, [1.0], frozen=frozen)
