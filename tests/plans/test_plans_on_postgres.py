"""Plans accepted through the real edits of routes: one transaction, editions, and states of loads."""

import itertools
import sys
import time
from pathlib import Path

import pytest
from planning import FLEET, NOW_MS, CrowTravel, place

from haulcast.errors import ConflictError
from haulcast.plans.plan import PlanAsk, PlanState
from haulcast.plans.plan_jobs import LOST, PlanSurroundings, plan_jobs
from haulcast.plans.plan_store_postgres import PostgresPlanStore
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route import RouteStatus, StopState
from haulcast.routes.stop_marks import StopMark
from haulcast.routes.vehicle_profile import VehicleProfile

sys.path.append(str(Path(__file__).parents[1] / "routes"))
from route_world import opened_edits  # the routes station's own world


def _around(edits, where=(10.0, 20.0)):
    ids = itertools.count()

    async def chosen(fleet, ask):
        return sorted(edits.book.profiled(fleet))

    return PlanSurroundings(
        edits=edits,
        travel=CrowTravel(),
        where=lambda fleet, vehicle: where,
        chosen=chosen,
        tell=lambda fleet, plan_id, said: None,
        now_ms=lambda: NOW_MS,
        clock_s=time.monotonic,
        new_id=lambda: str(next(ids)),
    )


async def _found(jobs, **more):
    plan = await jobs.begin(FLEET, PlanAsk(seconds=0.1, **more))
    plan = await jobs.finished(FLEET, plan.plan_id)
    assert plan.state is PlanState.FOUND, plan.reason
    return plan


async def test_plans_go_through_the_edits(database) -> None:
    """Accepted, driven, planned anew with what is done frozen, and refused after a stop was reached in between."""
    async with (
        opened_edits(database) as edits,
        plan_jobs(PostgresPlanStore(database), _around(edits), 1) as jobs,
    ):
        for vehicle in ("one", "two"):
            await edits.put_profile(FLEET, vehicle, VehicleProfile(capacity={"kg": 500.0}))
        for n in range(6):
            await edits.put_load(Load(FLEET, f"l{n}", place(1000 * n), place(9000 - 1000 * n), {"kg": 100.0}))
        plan = await _found(jobs)
        _, routes = await jobs.accept(FLEET, plan.plan_id)
        assert (await jobs.find(FLEET, plan.plan_id)).state is PlanState.ACCEPTED
        assert all(route.status is RouteStatus.ACTIVE and route.plan == plan.plan_id for route in routes)
        assert {load.status for load in edits.book.loads(FLEET)} == {LoadStatus.PLANNED}
        with pytest.raises(ConflictError):
            await jobs.accept(FLEET, plan.plan_id)
        first = routes[0].stops[0]
        await edits.mark_stops(FLEET, [StopMark(routes[0].route_id, first.stop_id, StopState.DONE, NOW_MS)])
        for n in (6, 7):
            await edits.put_load(Load(FLEET, f"l{n}", place(500 * n), place(100 * n), {"kg": 100.0}))
        before = edits.book.route(FLEET, routes[0].route_id)
        plan = await _found(jobs, replan=True)
        await jobs.accept(FLEET, plan.plan_id)
        after = edits.book.route(FLEET, routes[0].route_id)
        assert after.stops[0] == before.stops[0]
        assert after.stops[0].state is StopState.DONE
        assert {load.status for load in edits.book.loads(FLEET)} == {LoadStatus.PLANNED, LoadStatus.ON_BOARD}
        plan = await _found(jobs, replan=True)
        edition = {route.route_id: route.edition for route in edits.book.routes(FLEET)}
        second = after.ahead[0]
        await edits.mark_stops(FLEET, [StopMark(after.route_id, second.stop_id, StopState.ARRIVED, NOW_MS)])
        with pytest.raises(ConflictError, match=after.route_id):
            await jobs.accept(FLEET, plan.plan_id)
        others = {route.route_id: route.edition for route in edits.book.routes(FLEET)}
        assert {key for key in edition if edition[key] != others[key]} == {after.route_id}


async def test_a_plan_of_yesterday_is_lost(database) -> None:
    """What a hub left unfinished the next one finds lost, with the reason; what was found can still be accepted."""
    store = PostgresPlanStore(database)
    async with opened_edits(database) as edits:
        await edits.put_profile(FLEET, "one", VehicleProfile(capacity={"kg": 500.0}))
        await edits.put_load(Load(FLEET, "a", place(100), place(200), {"kg": 100.0}))
        async with plan_jobs(store, _around(edits), 1) as jobs:
            found = await _found(jobs)
            left = [await jobs.begin(FLEET, PlanAsk(seconds=300)) for _ in range(2)]
    async with opened_edits(database) as edits, plan_jobs(store, _around(edits), 1) as jobs:
        for begun in left:
            plan = await jobs.find(FLEET, begun.plan_id)
            assert (plan.state, plan.reason) == (PlanState.LOST, LOST)
            with pytest.raises(ConflictError, match="is lost"):
                await jobs.accept(FLEET, plan.plan_id)
        assert (await jobs.accept(FLEET, found.plan_id))[0].state is PlanState.ACCEPTED
