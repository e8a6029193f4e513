"""Plans without a search: they hold, they do what their names say, and a search is better."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.route_baselines import by_nearest_neighbour, in_arrival_order
from geo.route_check import broken_limits, first_broken, timetable
from geo.route_search import search
from geo.route_task import NONE, RouteTask, loads_of, route_task, stops_of, vehicles_of


def _task(
    seed: int, pairs: int, singles: int, vehicles: int, *, tight: bool = True, hours: bool = False
) -> RouteTask:
    rng = np.random.default_rng(seed)
    count = 2 * pairs + singles
    places = rng.uniform(0, 100, (count + 1, 2))
    way = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    opens = rng.uniform(0, 300, count)
    closes = opens + (rng.uniform(10, 400, count) if tight else 1e6)
    stops = stops_of(
        np.arange(1, count + 1), opens_s=opens, closes_s=closes, service_s=rng.uniform(0, 9, count)
    )
    first = np.arange(pairs) * 2
    alone = 2 * pairs + np.arange(singles)
    is_pickup = rng.random(singles) < 0.5
    loads = loads_of(
        np.r_[first, np.where(is_pickup, alone, NONE)],
        np.r_[first + 1, np.where(is_pickup, NONE, alone)],
        amounts=rng.integers(1, 5, (pairs + singles, 2)),
        needs=rng.integers(0, 2, pairs + singles),
        only=np.where(rng.random(pairs + singles) < 0.1, rng.integers(0, vehicles, pairs + singles), NONE),
    )
    limits = {"break_after_s": 150.0, "break_s": 20.0, "most_drive_s": 500.0} if hours else {}
    fleet = vehicles_of(
        np.zeros(vehicles), 0, capacity=np.full((vehicles, 2), 9), skills=np.arange(vehicles) % 2, until_s=900.0, cost_per_m=1.0, **limits,
    )  # fmt: skip
    return route_task(stops, loads, fleet, way, way)


CASES = (st.integers(0, 10**6), st.integers(0, 6), st.integers(0, 6), st.integers(1, 4))


@settings(max_examples=150, deadline=None)
@given(*CASES, st.booleans(), st.booleans())
def test_they_hold(seed, pairs, singles, vehicles, tight, hours) -> None:
    """Every limit is kept, nothing is done twice, and what the nearest-neighbour leaves out fits behind no route."""
    task = _task(seed, pairs, singles, vehicles, tight=tight, hours=hours)
    for plan in (in_arrival_order(task), by_nearest_neighbour(task)):
        assert broken_limits(task, plan) == []
    plan = by_nearest_neighbour(task)
    served = {int(task.load_of[stop]) for stops in plan.values() for stop in stops}
    for load in set(range(pairs + singles)) - served:
        own = [
            int(column[load]) for column in (task.loads.pickup, task.loads.delivery) if column[load] != NONE
        ]
        if len(own) == 1 and task.loads.pickup[load] == NONE:
            continue  # it would be on board from the start, which a place at the end does not tell
        for vehicle in range(vehicles):
            assert first_broken(task, vehicle, [*plan.get(vehicle, []), *own]) is not None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_the_nearest_is_next(seed, singles) -> None:
    """Without limits one vehicle goes from each stop to the nearest of those that are left."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 100, (singles + 1, 2))
    way = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    task = route_task(
        stops_of(np.arange(1, singles + 1)),
        loads_of(NONE, np.arange(singles)),
        vehicles_of([0], 0, cost_per_m=1.0),
        way,
        way,
    )
    order = [0, *(stop + 1 for stop in by_nearest_neighbour(task)[0])]
    assert sorted(order) == list(range(singles + 1))
    for i, (here, there) in enumerate(pairwise(order)):
        assert way[here, there] == min(way[here, other] for other in order[i + 1 :])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(0, 4))
def test_each_goes_where_it_costs_least(seed, pairs, singles) -> None:
    """In arrival order the last load stands where it costs least, by trying every place."""
    task = _task(seed, pairs, singles, 2, tight=False)
    order = list(range(pairs + singles))
    before, after = in_arrival_order(task, order[:-1]), in_arrival_order(task, order)
    own = [
        int(column[order[-1]])
        for column in (task.loads.pickup, task.loads.delivery)
        if column[order[-1]] != NONE
    ]
    best = np.inf
    for vehicle in range(2):
        stops = before.get(vehicle, [])
        old = timetable(task, vehicle, stops).cost if stops else 0.0
        for i in range(len(stops) + 1):
            for j in range(i, len(stops) + 1) if len(own) == 2 else [i]:
                tried = [*stops[:i], own[0], *stops[i:j], *own[1:], *stops[j:]]
                if first_broken(task, vehicle, tried) is None:
                    best = min(best, timetable(task, vehicle, tried).cost - old)
    cost = sum(timetable(task, vehicle, stops).cost for vehicle, stops in after.items())
    old = sum(timetable(task, vehicle, stops).cost for vehicle, stops in before.items())
    assert np.isinf(best) == (after == before)
    if after != before:
        assert abs(cost - old - best) < 1e-6


def test_a_search_is_better() -> None:
    """It leaves out no more and, of the same loads, costs less."""
    task = _task(3, 30, 30, 25, tight=False)
    cost = search(task, iterations=3000).cost
    for plan in (in_arrival_order(task), by_nearest_neighbour(task)):
        assert sum(map(len, plan.values())) <= 90
        if sum(map(len, plan.values())) == 90:
            assert cost < sum(timetable(task, vehicle, stops).cost for vehicle, stops in plan.items())


def test_nothing_to_do() -> None:
    """No loads, or nobody to take them: an empty plan."""
    for task in (_task(1, 0, 0, 2), _task(1, 0, 1, 1)):
        assert in_arrival_order(task, []) == {}
    nobody = route_task(
        stops_of([0]), loads_of([0], NONE), vehicles_of([], []), np.zeros((1, 1)), np.zeros((1, 1))
    )
    assert in_arrival_order(nobody) == by_nearest_neighbour(nobody) == {}
