"""Insertion, its reasons and the times of routes against brute force, which drives every route from its first stop."""

import math
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.insertion_cases import (
    NOW_S,
    brute_force,
    count_differences,
    differences,
    random_case,
    replay,
    travel_times,
)
from geo.route_insertion import InsertionSearch, Load, Place, Reason
from geo.route_times import LiveRouteError, live_routes
from geo.travel_time import untaught_travel_times

TRAVEL = untaught_travel_times()
PACES = TRAVEL.paces()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_cheaper_is_allowed_and_nothing_else_is_found(seed):
    """Costs of the best one and of the best of all vehicles, begins at both stops, and every reason, on random small fleets."""
    assert count_differences(seed, 700) == (0, 0, [])


def test_a_large_fleet_is_pruned_exactly():
    """Among many vehicles, of which most are passed over unseen, the cheapest five are those of a search one by one."""
    rng = np.random.default_rng(8)
    k, n = 400, 6
    lat = 45 + np.cumsum(np.c_[rng.uniform(0, 3, k), rng.normal(0, 0.1, (k, n - 1))], axis=1)
    lon = 9 + np.cumsum(np.c_[rng.uniform(0, 3, k), rng.normal(0, 0.1, (k, n - 1))], axis=1)
    for _ in range(20):
        columns = {
            "lat_deg": lat,
            "lon_deg": lon,
            "opens_s": np.full((k, n), NOW_S),
            "closes_s": NOW_S + rng.uniform(20_000, 40_000, (k, n)),
        }

        def routes(rows, columns=columns):
            flat = {name: column[rows].ravel() for name, column in columns.items()}
            return live_routes(TRAVEL, np.arange(len(rows) + 1) * n, capacity=[[9.0]], **flat)

        search = InsertionSearch(TRAVEL, PACES)
        places = [Place(*rng.uniform((45, 9), (48, 12)), NOW_S, NOW_S + 30_000.0) for _ in range(2)]
        load = Load(*places, (1.0,))
        alone = [search.best(routes([row]), load) for row in range(k)]
        expected = sorted(found[0].cost for found in alone if found)[:5]
        found = search.best(routes(range(k)), load, 5)
        assert [insertion.cost for insertion in found] == pytest.approx(expected)
        fits = [not reason for reason in search.reasons(routes(range(k)), load)]
        assert fits == [bool(one) for one in alone]


def test_times_are_those_of_a_drive():
    """`ready_s`, arrivals, driving; who leaves later by his slack is no later anywhere than allowed, and by a little more he is."""
    rng = np.random.default_rng(3)
    travel = travel_times(rng)
    paces = travel.paces()
    plain = paces.astype(float).tolist()
    for _ in range(200):
        case = random_case(rng, travel)
        routes = case.routes
        slack, late, arrival = routes.slack_s(), routes.late_s(), routes.arrival_s(paces)
        assert (slack >= 0).all()
        assert (arrival <= routes.stops["ready_s"]).all()
        for plan, first in zip(case.stops, routes.offsets, strict=False):
            rows = slice(first, first + len(plan))
            begins, _, driven, _ = replay(plan, plain)
            assert routes.stops["ready_s"][rows] == pytest.approx(begins, abs=0.03)
            assert routes.stops["driven_s"][rows][-1] == pytest.approx(driven, abs=0.03)
            for more_s, is_allowed in ((-0.1, True), (0.1, False)):
                begin = plan[0].opens_s + slack[first] + more_s
                if np.isfinite(begin) and slack[first] > 1:
                    later = replay([replace(plan[0], opens_s=begin), *plan[1:]], plain)[0]
                    lateness = np.array([t - stop.closes_s for t, stop in zip(later, plan, strict=True)])
                    assert (lateness <= late[rows] + 0.01).all() == is_allowed


def test_what_is_kept_of_travel_times_changes_nothing():
    """Vehicles that move on, hour by hour, have the times that are found anew, and insertions stay exact."""
    rng = np.random.default_rng(4)
    travel = travel_times(rng)
    paces = travel.paces()
    for _ in range(60):
        case = random_case(rng, travel)
        routes = case.routes
        k = len(routes.vehicles)
        routes.update(paces)
        for _ in range(5):
            which = np.flatnonzero(rng.random(k) < 0.7).astype(np.int32)
            lat, lon = rng.uniform(45, 45.8, len(which)), rng.uniform(9, 10, len(which))
            first = routes.offsets[which]
            free_s = routes.stops["opens_s"][first] + rng.choice([1.0, 1_000.0, 7_000.0])
            routes.move(which, lat, lon, travel.rows_of(lat, lon), free_s, paces)
            kept = routes.stops.copy()
            assert (routes.stops["opens_s"][first] == free_s).all()
            routes.update(paces)
            for name in ("ready_s", "latest_s", "driven_s"):
                assert kept[name] == pytest.approx(routes.stops[name], abs=1e-3)
            routes.update(paces, are_new=False)
            assert kept["ready_s"] == pytest.approx(routes.stops["ready_s"], abs=1e-3)
        stops = []
        for begin, end, plan in zip(routes.offsets, routes.offsets[1:], case.stops, strict=False):
            point = tuple(float(routes.stops[axis][begin]) for axis in "xyz")
            start = replace(
                plan[0],
                point=point,
                pace_row=int(routes.stops["pace_row"][begin]),
                opens_s=float(routes.stops["opens_s"][begin]),
            )
            stops.append([start, *plan[1:]])
            assert len(plan) == end - begin
        moved = replace(case, stops=stops)
        assert differences(moved, InsertionSearch(travel, paces), paces.astype(float).tolist()) == []


def _one(**columns):
    plan = {"lat_deg": [45.0, 45.2], "lon_deg": 9.0, "opens_s": NOW_S, "capacity": [[5.0]], **columns}
    return live_routes(TRAVEL, [0, 2], **plan)


def _near(**window):
    return Load(Place(45.05, 9.0, **window), Place(45.15, 9.0), (1.0,), 2)


@pytest.mark.parametrize(
    ("columns", "window", "reason"),
    [
        ({"skills": 3}, {}, Reason.FITS),
        ({"skills": 1}, {}, Reason.SKILLS),
        ({"skills": 2, "capacity": [[0.5]]}, {}, Reason.CAPACITY),
        ({"skills": 2}, {"closes_s": NOW_S + 10}, Reason.PICKUP_LATE),
        ({"skills": 2, "closes_s": [np.inf, NOW_S + 2_100]}, {"service_s": 900.0}, Reason.FITS),
        (
            {"skills": 2, "closes_s": [np.inf, NOW_S + 2_100], "returns": True},
            {"service_s": 900.0},
            Reason.STOP_LATE,
        ),
        ({"skills": 2, "most_drive_s": 1_000.0}, {}, Reason.DRIVING),
        ({"skills": 2, "ends_s": NOW_S + 2_100}, {"service_s": 900.0}, Reason.SHIFT),
    ],
)
def test_the_reason_is_named(columns, window, reason):
    """Each constraint alone keeps a load out and is told."""
    found = InsertionSearch(TRAVEL, PACES).reasons(_one(**columns), _near(**window))
    assert found.tolist() == [reason]


def test_slack_eaten_is_what_the_planned_stops_lose():
    """A detour of ten minutes of service before a stop with an hour to spare takes these from it."""
    routes = _one(closes_s=[np.inf, NOW_S + 20_000], returns=True)
    before = routes.slack_s()[1]
    load = Load(Place(45.05, 9.0, service_s=600.0), Place(45.15, 9.0), (1.0,))
    found = InsertionSearch(TRAVEL, PACES).best(routes, load)[0]
    assert (found.pickup_after, found.delivery_after) == (0, 0)
    assert found.slack_eaten_s == pytest.approx(600, abs=1)
    assert found.slack_s == pytest.approx(before - 600, abs=1)
    assert found.extra_m == pytest.approx(0, abs=1)
    assert found.extra_s == pytest.approx(600, abs=1)


def test_a_late_plan_may_not_get_later_but_take_a_load_behind():
    """Where a planned stop is late already, a load goes behind it only."""
    routes = _one(closes_s=[np.inf, NOW_S + 60])
    assert routes.late_s()[1] > 0
    load = Load(Place(45.05, 9.0, service_s=60.0), Place(45.15, 9.0), (1.0,))
    found = InsertionSearch(TRAVEL, PACES).best(routes, load)
    assert found[0].pickup_after == 1


def test_empty_fleets_and_wrong_columns():
    """No vehicles, no answer; what cannot be is refused with its name."""
    none = live_routes(TRAVEL, [0], lat_deg=[], lon_deg=[], opens_s=[], capacity=np.empty((0, 1)))
    search = InsertionSearch(TRAVEL, PACES)
    assert search.best(none, _near()) == []
    assert len(search.reasons(none, _near())) == 0
    for wrong, what in (
        ({"lat_deg": [45.0, 99.0]}, r"lat_deg\[1\]"),
        ({"opens_s": [NOW_S, math.nan]}, "opens_s"),
        ({"service_s": [0.0, -1.0]}, "service_s"),
        ({"capacity": [[1.0], [2.0]]}, "capacity"),
        ({"cost_per_m": [-1.0]}, "cost_per_m"),
        ({"closes_s": [1.0, 2.0, 3.0]}, "closes_s"),
    ):
        with pytest.raises(LiveRouteError, match=what):
            _one(**wrong)
    with pytest.raises(LiveRouteError, match="offsets"):
        live_routes(TRAVEL, [0, 0], lat_deg=[], lon_deg=[], opens_s=[], capacity=[[1.0]])
    with pytest.raises(LiveRouteError, match="most"):
        search.best(_one(), _near(), 0)
    with pytest.raises(LiveRouteError, match="amounts"):
        search.best(_one(), Load(Place(45, 9), Place(45, 9), (1.0, 2.0)))
    with pytest.raises(LiveRouteError, match="amounts"):
        search.best(_one(), Load(Place(45, 9), Place(45, 9), (-1.0,)))
    with pytest.raises(LiveRouteError, match="places"):
        search.best(_one(), Load(Place(math.nan, 9), Place(45, 9), (1.0,)))


def test_brute_force_sees_all_reasons():
    """The random cases are of all kinds."""
    rng = np.random.default_rng(1)
    travel = travel_times(rng)
    paces = travel.paces().astype(float).tolist()
    seen = {reason for _ in range(300) for reason, _ in brute_force(random_case(rng, travel), paces)}
    assert seen == set(Reason)
