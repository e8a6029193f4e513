"""Random fleets under way: every plan holds, by the independent checker, and nothing that is done moves."""

import asyncio
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planning import FLEET, HOUR_MS, NOW_MS, Fleet, place

from geo.route_check import broken_limits
from haulcast.plans.plan import PlanAsk, PlanState
from haulcast.plans.plan_scope import freed, scope_of
from haulcast.plans.plan_search import SearchTools, search_plan
from haulcast.plans.plan_task import outline_of, task_of
from haulcast.routes.load import LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState

METRES = st.integers(-9000, 9000)
WINDOW = st.one_of(st.none(), st.integers(-30, 120))
LOADS = st.lists(
    st.tuples(METRES, METRES, WINDOW, st.integers(1, 6), st.booleans(), st.sampled_from("PDX")), max_size=9
)
VEHICLES = st.lists(st.tuples(METRES, st.booleans(), st.booleans(), st.integers(0, 8)), max_size=3)


def _ends(kind, metres, window):
    closes = {} if window is None else {"closes_ms": NOW_MS + window * 60_000}
    pickup = place(metres[0], service_s=60.0)
    delivery = place(metres[1], **closes)
    return {"pickup": None if kind == "D" else pickup, "delivery": None if kind == "P" else delivery}


def _fleet(vehicles, loads):
    """Each load is open, or on the route of a vehicle that has done the first few stops of it."""
    fleet = Fleet()
    own = {f"v{k}": [] for k in range(len(vehicles))}
    for k, (metres, has_break, has_shift, _) in enumerate(vehicles):
        hours = {"break_after_s": 600.0, "break_s": 120.0} if has_break else {}
        shift = {"shift_closes_ms": NOW_MS + 2 * HOUR_MS} if has_shift else {}
        fleet.vehicle(
            f"v{k}", metres, capacity={"kg": 800.0}, skills=frozenset("c" * (k % 2)), **hours, **shift
        )
    for n, (from_m, to_m, window, size, is_cold, kind) in enumerate(loads):
        needs = frozenset("c" if is_cold else "")
        ends = _ends(kind, (from_m, to_m), window)
        whose = f"v{n % len(vehicles)}" if vehicles and n % 3 else ""
        status = LoadStatus.PLANNED if whose else LoadStatus.OPEN
        fleet.load(f"l{n}", kg=100.0 * size, needs=needs, status=status, vehicle=whose, **ends)
        for stop_kind, key in ((StopKind.PICKUP, "pickup"), (StopKind.DELIVERY, "delivery")):
            if whose and ends[key] is not None:
                own[whose].append(RouteStop(f"{n}-{key}", stop_kind, ends[key], f"l{n}"))
    for k, (_, _, _, over) in enumerate(vehicles):
        _drive(fleet, f"v{k}", own[f"v{k}"], over)
    return fleet


def _drive(fleet, vehicle, stops, over):
    """All but the last of the first `over` stops are done, at that one the vehicle stands."""
    over = min(over, len(stops))
    states = [StopState.DONE] * (over - 1) + [StopState.ARRIVED] * (over > 0)
    stops = [
        replace(stop, state=state, arrived_ms=NOW_MS) for stop, state in zip(stops, states, strict=False)
    ] + stops[over:]
    for stop in stops[: max(0, over - 1)]:
        load = fleet.book.load(FLEET, stop.load)
        status = LoadStatus.ON_BOARD if stop.kind is StopKind.PICKUP else LoadStatus.DELIVERED
        fleet.edits.put(replace(load, status=status))
    if stops:
        fleet.edits.put(Route(FLEET, f"r-{vehicle}", vehicle, tuple(stops), RouteStatus.ACTIVE))


def _tools():
    seconds = iter(range(10**9))
    return SearchTools(
        clock_s=lambda: next(seconds) / 100, on_progress=lambda _: None, should_stop=lambda: False
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VEHICLES, LOADS, st.booleans())
def test_any_plan_holds(vehicles, loads, replan) -> None:
    """It keeps every limit of its task; each errand is in it or left out, once; what was promised is left out only for what no easing of hours helps against."""
    fleet = _fleet(vehicles, loads)
    ask = PlanAsk(seconds=0.3, replan=replan)
    planned = _planned(fleet, ask)
    scope = planned.outline.scope
    answer = search_plan(planned, ask, _tools())
    assert broken_limits(answer.task, answer.found.routes) == []
    if not answer.is_eased:
        assert broken_limits(planned.task, answer.found.routes) == []
    served = [int(planned.task.load_of[stop]) for stops in answer.found.routes.values() for stop in stops]
    out = [one.load for one in answer.found.left_out]
    assert sorted({*served, *out}) == list(range(len(scope.errands)))
    assert not set(served) & set(out)
    for one in answer.found.left_out:
        assert not scope.errands[one.load].is_promised or one.reason in ("capacity", "skills", "taken")


def _planned(fleet, ask):
    around = fleet.around
    scope = scope_of(fleet.book, FLEET, ask, list(fleet.places), around.where, NOW_MS)
    outline = outline_of(freed(scope, around.travel.times(FLEET)))
    return task_of(outline, asyncio.run(around.travel.matrix(FLEET, *outline.places.T.copy(), NOW_MS)))


def _check_book(fleet):
    """What is to be driven now, read back from the book, keeps every limit, unless the plan said that it cannot."""
    planned = _planned(fleet, PlanAsk(loads=(), replan=True))
    broken = broken_limits(planned.task, planned.old)
    assert fleet.is_late or not broken, broken


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(VEHICLES, LOADS, st.booleans())
def test_nothing_done_moves(vehicles, loads, replan) -> None:
    """After a plan is accepted every stop that was over or arrived is where it was, on its route and in its order, and what is on board stays on its vehicle."""
    fleet = _fleet(vehicles, loads)

    async def plan():
        found = await fleet.planned(PlanAsk(seconds=0.02, replan=replan))
        assert found.state is PlanState.FOUND, found.reason
        fleet.is_late = found.summary["is_late"]
        return (await fleet.jobs.accept(FLEET, found.plan_id))[1]

    before = {route.route_id: route for route in fleet.book.routes(FLEET)}
    aboard = {
        load.load_id: load.vehicle for load in fleet.book.loads(FLEET) if load.status is LoadStatus.ON_BOARD
    }
    published = asyncio.run(plan())
    for route in published:
        old = before.get(route.route_id)
        done = [] if old is None else [stop for stop in old.stops if stop.state is not StopState.AHEAD]
        assert list(route.stops[: len(done)]) == done
        assert all(stop.state is StopState.AHEAD for stop in route.stops[len(done) :])
        assert len({stop.stop_id for stop in route.stops}) == len(route.stops)
        for stop in route.stops[len(done) :]:
            assert aboard.get(stop.load, route.vehicle) == route.vehicle
    if replan:
        _check_book(fleet)
    else:
        now = {route.route_id: route for route in fleet.book.routes(FLEET)}
        assert all(now[route_id] == route for route_id, route in before.items())
