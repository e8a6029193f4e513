"""The search keeps every limit, finds what trying everything finds, and does what it is told.

`ROUTE_CASES=100000 pytest tests/geo/test_route_search.py -k "exact or detour"` tries so many small tasks instead of some.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from exact_routes import exact_cost, made_task

from geo.route_check import broken_limits
from geo.route_left_out import Reason
from geo.route_search import Found, Progress, SearchBudgetError, search, warm_up
from geo.route_task import NONE, RouteTask, RouteTaskError, loads_of, route_task, stops_of, vehicles_of

CASES = int(os.environ.get("ROUTE_CASES", "1000"))
ROUNDING = 1e-6


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """No test of a budget pays for the compiler."""
    warm_up()


def line_task(places: int = 5, *, vehicles: int = 1, **columns: object) -> RouteTask:
    """Deliveries along a line, ten seconds and ten metres apart, from its first place."""
    way = 10.0 * abs(np.subtract.outer(np.arange(places), np.arange(places)))
    loads = loads_of(NONE, np.arange(places - 1), **columns)
    who = vehicles_of(
        np.zeros(vehicles, int), 0, capacity=np.full((vehicles, loads.amounts.shape[1]), 10.0), cost_per_m=1
    )
    return route_task(stops_of(np.arange(1, places)), loads, who, way, way)


def rank(task: RouteTask, found: Found) -> tuple[int, float]:
    """How many loads that must be carried are left out, then the cost."""
    costs = task.loads.left_out_cost[[one.load for one in found.left_out]]
    return int(np.isinf(costs).sum()), found.cost


def check_whole(task: RouteTask, found: Found) -> None:
    """Every load is in one route or left out, and every limit holds."""
    served = task.load_of[[stop for stops in found.routes.values() for stop in stops]]
    assert not broken_limits(task, found.routes)
    assert sorted({*served.tolist()} | {one.load for one in found.left_out}) == list(
        range(len(task.loads.pickup))
    )
    assert not {*served.tolist()} & {one.load for one in found.left_out}


@pytest.mark.timeout(7200)
def test_small_tasks_reach_the_exact_optimum() -> None:
    """Over all features together: no limit is broken, nothing is better than exact, and 99 of 100 are as good."""
    worse = 0
    for case in range(CASES):
        task = made_task(np.random.default_rng([7, case]))
        found = search(task, iterations=500, seed=case)
        check_whole(task, found)
        lost, cost = rank(task, found)
        exactly = exact_cost(task)
        assert (lost, cost + ROUNDING) >= exactly, case
        worse += lost > exactly[0] or cost > exactly[1] + ROUNDING
    assert worse <= 0.01 * CASES


def test_ways_that_are_longer_than_a_detour_break_no_limit() -> None:
    """Taking a stop out can make a route late there; and some places have no way to others."""
    for case in range(CASES // 3):
        task = made_task(np.random.default_rng([8, case]), is_metric=False)
        found = search(task, iterations=300, seed=case)
        check_whole(task, found)
        assert (rank(task, found)[0], found.cost + ROUNDING) >= exact_cost(task), case


def test_a_stop_that_leaves_can_make_a_later_one_late() -> None:
    """Seen: the start was early enough, but the wait at the second stop was not reckoned with."""
    task = made_task(np.random.default_rng([303, 9042]), is_metric=False)
    found = search(task, iterations=300, seed=9042)
    check_whole(task, found)
    assert (0, found.cost) == exact_cost(task)


@pytest.mark.parametrize("case", range(40))
def test_larger_tasks_keep_every_limit(case: int) -> None:
    """Up to 30 loads, all features, and what the search reckons a plan to cost is what it costs."""
    rng = np.random.default_rng([9, case])
    task = made_task(rng, most_loads=30, is_metric=bool(case % 2))
    told: list[Progress] = []
    found = search(task, iterations=3000, seed=case, on_progress=told.append)
    check_whole(task, found)
    lost = [one for one in found.left_out if np.isinf(task.loads.left_out_cost[one.load])]
    if not lost:
        assert told[-1].cost == pytest.approx(found.cost, abs=1e-6)


def test_the_same_seed_gives_the_same_plan() -> None:
    """Whoever watches; another seed goes another way."""
    task = made_task(np.random.default_rng(1), most_loads=25)
    one = search(task, iterations=1000, seed=5)
    watched = search(task, iterations=1000, seed=5, on_progress=lambda _: None, should_stop=lambda: False)
    assert one == watched
    assert search(task, iterations=0, seed=5).iterations == 1


def test_progress_goes_up_and_cost_goes_down() -> None:
    """Until the whole budget is used."""
    told: list[Progress] = []
    found = search(line_task(30), iterations=2000, on_progress=told.append)
    assert [p.share for p in told] == sorted(p.share for p in told)
    assert [p.cost for p in told] == sorted((p.cost for p in told), reverse=True)
    assert (told[-1].share, told[-1].iterations) == (1.0, found.iterations)
    assert found.iterations == 2000


def test_it_stops_at_once() -> None:
    """Between two chunks, with the best plan so far, which is whole."""
    asked = iter([False, False, True])
    task = line_task(30)
    found = search(task, iterations=10**9, should_stop=lambda: next(asked))
    assert found.is_stopped
    assert found.iterations < 1000
    check_whole(task, found)


def test_a_budget_of_seconds_is_kept() -> None:
    """By the clock that is passed in, and looked at often enough to stop soon."""
    looks: list[float] = []

    def look() -> bool:
        looks.append(time.process_time())
        return False

    began = time.process_time()
    search(line_task(60), seconds=0.3, clock=time.process_time, should_stop=look)
    assert 0.25 < looks[-1] - began < 0.4
    assert len(looks) > 10


def test_a_clock_that_stands_or_jumps_ends_the_search() -> None:
    """A jump ends it; no budget at all is one plan."""
    ticks = iter([0.0, 0.0, 0.0, 0.0, 100.0])
    assert search(line_task(), seconds=1.0, clock=lambda: next(ticks)).iterations < 1000
    assert search(line_task(), seconds=0.0, clock=lambda: 0.0).iterations == 1


@pytest.mark.parametrize(
    "budget", [{}, {"iterations": 1, "seconds": 1.0}, {"seconds": 1.0}, {"iterations": -1}]
)
def test_one_budget_is_needed(budget: dict) -> None:
    """Neither none nor two, nor seconds without a clock."""
    with pytest.raises(SearchBudgetError, match="budget"):
        search(line_task(), **budget)


def test_a_warm_start_gets_no_worse() -> None:
    """Also with next to no budget."""
    for case in range(20):
        task = made_task(np.random.default_rng([3, case]), most_loads=20)
        before = search(task, iterations=2000, seed=1)
        after = search(task, iterations=1, seed=2, warm_start=before.routes)
        check_whole(task, after)
        assert rank(task, after) <= (rank(task, before)[0], before.cost + ROUNDING)


def test_a_broken_warm_start_is_mended() -> None:
    """Whatever is given of stops and vehicles that there are: twice, in wrong order, on the wrong vehicle, too much."""
    for case in range(60):
        rng = np.random.default_rng([4, case])
        task = made_task(rng, most_loads=8)
        count, vehicles = len(task.stops.place), len(task.vehicles.start)
        given = {vehicle: rng.integers(0, count, rng.integers(0, 9)).tolist() for vehicle in range(vehicles)}
        check_whole(task, search(task, iterations=50, warm_start=given))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({1: [0]}, "vehicle 1; allowed is 0 to 0"),
        ({0: [-1]}, "stop -1; allowed is 0 to 3"),
        ({0: [4]}, "stop 4"),
    ],
)
def test_a_warm_start_of_another_task_is_refused(given: dict, sentence: str) -> None:
    """A vehicle or a stop that there is not."""
    with pytest.raises(RouteTaskError, match=sentence):
        search(line_task(), iterations=1, warm_start=given)


def test_searches_in_threads_do_not_meet() -> None:
    """Each as if it were alone."""
    tasks = [made_task(np.random.default_rng([6, case]), most_loads=20) for case in range(4)]
    with ThreadPoolExecutor() as pool:
        together = list(pool.map(lambda task: search(task, iterations=2000), tasks))
    assert together == [search(task, iterations=2000) for task in tasks]


def test_what_a_vehicle_has_on_board_stays_with_it() -> None:
    """A route under way: the goods on board are deliveries bound to their vehicle, wherever that is now."""
    way = 10.0 * abs(np.subtract.outer(np.arange(6), np.arange(6)))
    stops = stops_of([1, 2, 4])
    loads = loads_of([NONE, 1], [0, 2], only=[1, NONE], amounts=1)
    who = vehicles_of([0, 5], 0, from_s=[0, 700], capacity=[[1], [1]], cost_per_m=1)
    found = search(route_task(stops, loads, who, way, way), iterations=200)
    assert 0 in found.routes[1]
    table = next(table for table in found.timetables if table.vehicle == 1)
    assert table.start_s >= 700


@pytest.mark.parametrize(
    ("vehicle", "load", "stop", "reason", "text"),
    [
        ({"skills": 2}, {"needs": 5}, {}, Reason.SKILLS, "load 0 needs skill 0, 2 of vehicle 0"),
        ({"capacity": [[1.0]]}, {"amounts": 1.5}, {}, Reason.CAPACITY, "with 1.5 of dimension 0, its capacity is 1"),
        ({"from_s": 5}, {}, {"closes_s": 12}, Reason.WINDOW, "vehicle 0 is at stop 0 at 15 s, it closes at 12 s"),
        ({"until_s": 15}, {}, {}, Reason.SHIFT, "vehicle 0 is at its end at 20 s, its shift is until 15 s"),
        ({"most_drive_s": 19}, {}, {}, Reason.DRIVING, "vehicle 0 drives 20 s, allowed are 19 s"),
        ({"cost_per_m": 1}, {"left_out_cost": 15}, {}, Reason.COST, "alone for 20; to leave it out costs 15"),
        ({"break_after_s": 5, "break_s": 9}, {}, {"closes_s": 12}, Reason.WINDOW, "at stop 0 at 19 s, it closes at 12 s"),
    ],
)  # fmt: skip
def test_what_is_left_out_says_why(vehicle: dict, load: dict, stop: dict, reason: Reason, text: str) -> None:
    """The limit, the vehicle and the stop, in words."""
    way = np.array([[0.0, 10.0], [10.0, 0.0]])
    task = route_task(
        stops_of([1], **stop),
        loads_of(NONE, [0], **load),
        vehicles_of([0], 0, **{"capacity": 9.0, **vehicle}),
        way,
        way,
    )
    (left_out,) = search(task, iterations=20).left_out
    assert (left_out.reason, left_out.load, left_out.vehicle) == (reason, 0, 0)
    assert text in left_out.text


def test_a_load_that_has_no_room_beside_others_says_so() -> None:
    """Each fits alone, not both."""
    task = line_task(3, amounts=6.0)
    (left_out,) = search(task, iterations=50).left_out
    assert left_out.reason is Reason.TAKEN
    assert "beside what it has" in left_out.text


def test_a_place_without_a_way_says_so() -> None:
    """An infinite time is no way."""
    way = np.array([[0.0, np.inf], [10.0, 0.0]])
    task = route_task(stops_of([1]), loads_of(NONE, [0]), vehicles_of([0], 0), way, way)
    (left_out,) = search(task, iterations=20).left_out
    assert (left_out.reason, left_out.stop) == (Reason.NO_WAY, 0)


def test_nothing_to_do_and_nobody_to_do_it() -> None:
    """An empty plan; and every load left out because there is no vehicle."""
    way = np.zeros((1, 1))
    none = route_task(stops_of([]), loads_of([], []), vehicles_of([0], 0), way, way)
    assert search(none, iterations=10).timetables == ()
    nobody = route_task(stops_of([0]), loads_of([0], NONE), vehicles_of([], []), way, way)
    (left_out,) = search(nobody, iterations=10).left_out
    assert left_out.reason is Reason.NO_VEHICLE


def test_a_route_starts_as_late_as_it_ends_no_later() -> None:
    """So it waits as little as can be, and duty is what is paid for."""
    way = np.array([[0.0, 10.0], [10.0, 0.0]])
    stops = stops_of([1], opens_s=100, closes_s=200, service_s=5)
    task = route_task(stops, loads_of([0], NONE), vehicles_of([0], 0, until_s=999, cost_per_s=2), way, way)
    (table,) = search(task, iterations=5).timetables
    assert (table.start_s, table.arrive_s, table.begin_s, table.leave_s, table.end_s) == (
        90,
        (100,),
        (100,),
        (105,),
        115,
    )
    assert table.cost == 50


PLAIN = """
import sys
sys.path[:0] = ["tests/geo", "."]
import numpy as np
from exact_routes import made_task
from geo.kernels import route_search as kernel
from geo.route_search import search

def by_name(arrays):  # plain numpy has the fields of a record as attributes only in such a view
    return type(arrays)(*(a.view(np.recarray) if a.dtype.names else a for a in arrays))

if "by_name" in sys.argv:
    compiled = kernel.improve
    kernel.improve = lambda task, plan, kept, *rest: compiled(by_name(task), by_name(plan), by_name(kept), *rest)
for case in range(12):
    print(search(made_task(np.random.default_rng([5, case]), 6), iterations=30, seed=case).routes)
"""


def test_without_the_compiler_the_plan_is_the_same() -> None:
    """The kernels are plain Python too."""
    told = [
        subprocess.run(
            [sys.executable, "-c", PLAIN, how],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "NUMBA_DISABLE_JIT": str(int(how == "by_name"))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for how in ("by_name", "compiled")
    ]
    assert told[0] == told[1]
    assert len(told[0].splitlines()) == 12
