"""Routes with loads in them against a search and a drive from the beginning, and chains of loads against all pairs."""

import numpy as np
import pytest

from benchmarks.insertion_cases import NOW_S, random_case, straight, travel_times
from geo.load_chains import chain_ways
from geo.route_growth import grown, places_of
from geo.route_insertion import InsertionSearch, Load, Place, Reason
from geo.route_times import live_routes


def _cases(seed: int, count: int):
    rng = np.random.default_rng(seed)
    travel = travel_times(rng)
    paces = travel.paces()
    search = InsertionSearch(travel, paces)
    for _ in range(count):
        case = random_case(rng, travel)
        loads = search.rows_of(case.routes, [case.load])
        found = search.nothing(case.routes, 1, 4)
        search.fill(case.routes, loads, found)
        yield case, search, loads, found, paces


def test_a_grown_route_has_the_times_that_the_search_told():
    """Begins at both ends, room, ways and balls are those of routes made anew; what was before stays as it was."""
    seen = 0
    for case, search, loads, found, paces in _cases(1, 150):
        before = case.routes.stops.copy(), case.routes.free.copy()
        for record in found.best[0][: found.counts[0]]:
            new, origin = grown(case.routes, loads, np.zeros(1, np.int32), record.reshape(1), paces)
            pickup, delivery = (int(np.flatnonzero(origin == ~end)[0]) for end in range(2))
            assert new.stops["ready_s"][pickup] == pytest.approx(record["pickup_s"], abs=1e-3)
            assert new.stops["ready_s"][delivery] == pytest.approx(record["delivery_s"], abs=1e-3)
            assert sorted(origin[origin >= 0].tolist()) == list(range(len(case.routes.stops)))
            amounts = loads.amounts[0]
            assert (new.free[pickup:delivery] >= -amounts).all() or (before[1] < 0).any()
            kept = new.stops.copy()
            new.update(paces)
            for name in ("ready_s", "latest_s", "driven_s"):
                assert kept[name] == pytest.approx(new.stops[name], abs=1e-3)
            again = search.best(new, case.load, 4)
            direct = straight(case.ends[0].point, case.ends[1].point)
            for one in again:
                first, end = new.offsets[one.vehicle : one.vehicle + 2]
                x, y, z, radius = new.balls[:4, one.vehicle].astype(float)
                for at in range(first, end):
                    assert straight((x, y, z), tuple(float(new.stops[axis][at]) for axis in "xyz")) <= radius
            assert direct >= 0
            seen += 1
        assert (before[0] == case.routes.stops).all()
    assert seen > 20


def test_every_place_of_a_route_is_there():
    """Each pair of places once, with the times of the route made so, and the best allowed one is the search's."""
    for case, _, loads, found, paces in _cases(2, 60):
        for record in found.best[0][: found.counts[0]]:
            vehicle = int(record["vehicle"])
            places = places_of(case.routes, vehicle, loads, 0, paces)
            pairs = [tuple(pair) for pair in places.pairs.tolist()]
            assert len(set(pairs)) == len(pairs)
            at = pairs.index((int(record["pickup_after"]), int(record["delivery_after"])))
            new, origin = grown(case.routes, loads, np.zeros(1, np.int32), record.reshape(1), paces)
            rows = slice(*new.offsets[vehicle : vehicle + 2])
            assert places.stops["ready_s"][at] == pytest.approx(new.stops["ready_s"][rows], abs=1e-3)
            assert places.free[at].tolist() == new.free[rows].tolist()
            assert places.origin[at].tolist() == origin[rows].tolist()


def test_many_loads_are_answered_as_one_by_one():
    """Whichever of them, in whatever order, with or without slack."""
    rng = np.random.default_rng(5)
    travel = travel_times(rng)
    paces = travel.paces()
    search = InsertionSearch(travel, paces)
    case = random_case(rng, travel)
    some = [random_case(rng, travel).load for _ in range(30)]
    rows, found = search.rows_of(case.routes, some), search.nothing(case.routes, 30, 3)
    search.fill(case.routes, rows, found, np.array([7, 3, 29], np.int32))
    assert set(np.flatnonzero(found.counts).tolist()) <= {3, 7, 29}
    search.fill(case.routes, rows, found)
    for number, load in enumerate(some):
        alone = search.best(case.routes, load, 3)
        records = found.best[number][: found.counts[number]]
        assert records["cost"].tolist() == [one.cost for one in alone]
        assert records["slack_s"].tolist() == [one.slack_s for one in alone]
    assert found.counts.any()


def test_a_longer_way_round_may_be_the_faster_one():
    """A pickup in a slow cell, reached in time only by way of a stop near it: no bound forgets it."""
    rng = np.random.default_rng(9)
    travel = travel_times(rng)
    paces = travel.paces()
    around = rng.uniform((45.3, 9.3), (46, 10), (500, 2))
    known = np.flatnonzero(travel.rows_of(*around.T.copy()))[0]
    (lat, lon), row = around[known].tolist(), int(travel.rows_of(*around[known : known + 1].T.copy())[0])
    paces[:], paces[row] = 0.02, 0.5
    places = np.array([[lat - 0.3, lon - 0.3], [lat - 0.01, lon - 0.01]])
    routes = live_routes(travel, [0, 2], lat_deg=places[:, 0], lon_deg=places[:, 1], opens_s=NOW_S, capacity=[[1.0]])  # fmt: skip
    routes.stops["pace_row"] = 0
    routes.update(paces)
    closes_s = float(routes.stops["ready_s"][1]) + 1_500
    load = Load(Place(lat, lon, closes_s=closes_s), Place(lat, lon), (1.0,))
    search = InsertionSearch(travel, paces)
    assert search.reasons(routes, load).tolist() == [Reason.FITS]
    assert search.best(routes, load)[0].pickup_after == 1


def test_chains_are_those_of_all_pairs():
    """The nearest delivery of another load from which the pickup is reached in time."""
    rng = np.random.default_rng(4)
    travel = travel_times(rng)
    paces = travel.paces()
    search = InsertionSearch(travel, paces)
    empty = live_routes(travel, [0], lat_deg=[], lon_deg=[], opens_s=[], capacity=np.empty((0, 1)))
    loads = []
    for _ in range(40):
        (lat, lon), (to_lat, to_lon) = rng.uniform((45, 9), (46, 10), (2, 2)).tolist()
        opens = NOW_S + float(rng.uniform(-1_000, 9_000))
        loads.append(Load(Place(lat, lon, opens, opens + 9_000, 300.0), Place(to_lat, to_lon, NOW_S, np.inf, 60.0), (1.0,)))  # fmt: skip
    rows = search.rows_of(empty, loads)
    which = np.array([3, 9, 0, 27, *range(30, 40)], np.int32)
    ways = chain_ways(rows.ends, which, 0.1, NOW_S)

    def point(row: int) -> tuple[float, float, float]:
        return tuple(float(rows.ends[axis][row]) for axis in "xyz")

    for i, load in enumerate(which.tolist()):
        least = np.inf
        for other in which.tolist():
            before = loads[other]
            direct = straight(point(2 * other), point(2 * other + 1))
            done = max(0.0, before.pickup.opens_s - NOW_S) + 300 + direct * 0.1 + 60
            way = straight(point(2 * other + 1), point(2 * load))
            if other != load and done + way * 0.1 <= loads[load].pickup.closes_s - NOW_S:
                least = min(least, way)
        assert ways.least_m[i] == pytest.approx(least, rel=1e-4)
        assert ways.direct_m[i] == pytest.approx(straight(point(2 * load), point(2 * load + 1)), rel=1e-4)
