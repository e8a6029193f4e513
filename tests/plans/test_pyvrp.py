"""PyVRP as the searcher: plans that hold, and clear words where it has none."""

import importlib.util
import sys
import time

import numpy as np
import pytest
from planning import FLEET, Fleet

from geo.route_check import broken_limits
from geo.route_search import search
from geo.route_task import NONE, loads_of, route_task, stops_of, vehicles_of
from haulcast.errors import RequestError
from haulcast.plans.plan import PlanAsk, PlanState, Solver
from haulcast.plans.pyvrp_search import pyvrp_routes, why_not

needs_pyvrp = pytest.mark.skipif(importlib.util.find_spec("pyvrp") is None, reason="pyvrp is not installed")


def _task(count=40, pairs=True, **vehicles):
    rng = np.random.default_rng(5)
    places = rng.uniform(0, 5000, (2 * count + 1, 2))
    way = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    opens = np.repeat(rng.uniform(0, 4000, count), 2)
    stops = stops_of(np.arange(1, 2 * count + 1), opens_s=opens, closes_s=opens + 6000, service_s=30)
    pickup = (
        np.where(np.arange(count) % 4 == 3, NONE, 2 * np.arange(count)) if pairs else np.full(count, NONE)
    )
    stops_used = np.arange(2 * count)
    loads = loads_of(
        pickup, 2 * np.arange(count) + 1, amounts=rng.integers(1, 5, (count, 2)), left_out_cost=np.inf
    )
    used = np.union1d(loads.pickup[loads.pickup >= 0], loads.delivery)
    again = np.searchsorted(used, stops_used)
    stops = stops_of(
        stops.place[used], opens_s=stops.opens_s[used], closes_s=stops.closes_s[used], service_s=30
    )
    loads = loads_of(
        np.where(loads.pickup >= 0, again[loads.pickup], NONE), again[loads.delivery], amounts=loads.amounts
    )
    own = {
        "capacity": np.full((6, 2), 20.0),
        "cost_per_m": 0.001,
        "cost_per_s": 0.002,
        "fixed_cost": 3.0,
        **vehicles,
    }
    return route_task(stops, loads, vehicles_of(np.zeros(6), 0, **own), way / 10, way)


@needs_pyvrp
@pytest.mark.parametrize("pairs", [True, False])
def test_its_plans_hold(pairs) -> None:
    """Pairs, deliveries and several dimensions: nothing is broken but by rounding, everything is carried, and the cost is near our own search's."""
    task = _task(pairs=pairs)
    routes = pyvrp_routes(task, 1.0, 1, time.process_time, lambda: False)
    assert sorted(stop for stops in routes.values() for stop in stops) == list(range(len(task.stops.place)))
    assert broken_limits(task, routes) == []
    theirs = search(task, iterations=0, warm_start=routes).cost
    ours = search(task, iterations=20_000).cost
    assert theirs == pytest.approx(ours, rel=0.3)


@needs_pyvrp
async def test_a_plan_by_pyvrp(wait_until) -> None:
    """Asked for by name, found, and cancelled in the middle."""
    fleet = Fleet()
    depot = (10.0, 20.0)
    for k in range(2):
        fleet.vehicle(f"van-{k}", start=depot, end=depot)
    for n in range(12):
        fleet.load(f"l{n:02}", 500 * n, 9000 - 700 * n)
    plan = await fleet.planned(PlanAsk(seconds=0.3, solver=Solver.PYVRP))
    assert (plan.state, plan.result["unassigned"]) == (PlanState.FOUND, []), plan.reason
    plan = await fleet.jobs.begin(FLEET, PlanAsk(seconds=300, solver=Solver.PYVRP))
    plan = await fleet.jobs.cancel(FLEET, plan.plan_id)
    assert (plan.state, plan.summary) == (PlanState.CANCELLED, None)
    plan = await fleet.jobs.begin(FLEET, PlanAsk(seconds=300, solver=Solver.PYVRP))
    await wait_until(
        lambda: any(one == plan.plan_id and said["state"] == "running" for _, one, said in fleet.told)
    )
    plan = await fleet.jobs.cancel(FLEET, plan.plan_id)
    assert (plan.state, plan.summary["is_stopped"]) == (PlanState.CANCELLED, True)


async def test_what_it_cannot_plan_fails_with_the_reason() -> None:
    """The plan has failed, and says what stands in the way."""
    fleet = Fleet()
    fleet.vehicle("van")
    fleet.load("a", 1000, 2000)
    plan = await fleet.planned(PlanAsk(seconds=0.1, solver=Solver.PYVRP))
    assert plan.state is PlanState.FAILED
    assert "no depot at its start or end" in plan.reason or "not installed" in plan.reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, ""),
        ({"break_after_s": 100.0}, "breaks"),
        ({"most_drive_s": 100.0}, "driving limit"),
        ({"start": NONE}, "no depot"),
    ],
)
def test_it_says_what_it_has_no_words_for(more, reason) -> None:
    """Each feature by name."""
    task = _task(**{key: value for key, value in more.items() if key != "start"})
    if "start" in more:
        task.vehicles.start[2] = NONE
    assert reason in why_not(task)
    assert bool(why_not(task)) is bool(reason)


def test_without_it_the_ask_says_so(monkeypatch) -> None:
    """Who has not installed it is told how, and that it can be left out."""
    monkeypatch.setitem(sys.modules, "pyvrp", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"pip install 'haulcast\[pyvrp\]'"):
        pyvrp_routes(_task(4), 0.1, 1, time.process_time, lambda: False)
