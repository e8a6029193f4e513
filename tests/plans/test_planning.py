"""Plans from the book and back: what is asked is planned, what is done stays, and what cannot be is said in words."""

import asyncio
import time

import pytest
from planning import FLEET, HOUR_MS, NOW_MS, Fleet, MemoryPlanStore, done, place

from haulcast.errors import ConflictError, NotFoundError, RateError, RequestError, StoreError, TooLargeError
from haulcast.plans import plan_jobs
from haulcast.plans.plan import PlanAsk, PlanState
from haulcast.routes.load import LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState

QUICK = 0.15


def _ask(**more):
    return PlanAsk(**{"seconds": QUICK, **more})


def _ids(plan, k=0):
    return [(stop["kind"], stop.get("load")) for stop in plan.result["routes"][k]["stops"]]


async def test_loads_are_planned_and_accepted() -> None:
    """Pickup before delivery in one route, times after the departure, and once accepted the loads are planned on the vehicle."""
    fleet = Fleet()
    fleet.vehicle("van")
    fleet.load("a", 1000, 3000)
    fleet.load("b", 2000, 4000)
    plan = await fleet.planned(_ask())
    assert plan.state is PlanState.FOUND, plan.reason
    assert sorted(_ids(plan)) == [("delivery", "a"), ("delivery", "b"), ("pickup", "a"), ("pickup", "b")]
    assert not plan.result["unassigned"]
    planned = [stop["planned"] for stop in plan.result["routes"][0]["stops"]]
    assert planned == sorted(planned)
    assert planned[0] > NOW_MS
    accepted, (route,) = await fleet.jobs.accept(FLEET, plan.plan_id)
    assert (accepted.state, route.status, route.plan) == (
        PlanState.ACCEPTED,
        RouteStatus.ACTIVE,
        plan.plan_id,
    )
    assert {load.status for load in fleet.book.loads(FLEET)} == {LoadStatus.PLANNED}
    with pytest.raises(ConflictError, match="accepted"):
        await fleet.jobs.accept(FLEET, plan.plan_id)


async def test_it_saves_what_it_says() -> None:
    """Savings are against plans of the same loads, and never below zero by much."""
    fleet = Fleet()
    for k in range(3):
        fleet.vehicle(f"van-{k}", 500 * k, cost_per_km=1.0)
    for n in range(20):
        fleet.load(f"l{n:02}", (n * 7919) % 9000, (n * 104729) % 9000, kg=300)
    plan = await fleet.planned(_ask(seconds=0.5))
    savings = plan.summary["savings"]
    assert set(savings) == {"arrival_order", "nearest_neighbour"}
    assert all(one["distance_saved_percent"] > 5 for one in savings.values())
    for one in savings.values():
        percent = 100 * (1 - plan.summary["distance_m"] / one["distance_m"])
        assert one["distance_saved_percent"] == pytest.approx(percent, abs=0.02)


LEFT_OUT = {
    "capacity": ({"kg": 5000.0}, "has 5000 kg", 5000.0, 1000.0),
    "skills": ({"needs": frozenset({"reefer", "adr"})}, "is without adr, reefer", None, None),
    "window": ({"delivery": place(50_000, closes_ms=NOW_MS + 60_000)}, "closes at 2026-09-21T14:14:20.000Z", None, NOW_MS + 60_000),
    "taken": ({"left_out_cost": 0.5}, "for less than the 0.50 that it costs to leave it out", None, 0.5),
}  # fmt: skip


@pytest.mark.parametrize("constraint", LEFT_OUT)
async def test_who_is_left_out_is_told_why(constraint) -> None:
    """The limit, the vehicle that came closest, the stop where it fails, and the numbers, in the fleet's own words."""
    more, words, value, limit = LEFT_OUT[constraint]
    fleet = Fleet()
    fleet.vehicle("van", capacity={"kg": 1000.0})
    fleet.load("fits", 100, 200)
    fleet.load("odd", 10_000, 50_000, **more)
    plan = await fleet.planned(_ask())
    (said,) = plan.result["unassigned"]
    assert (said["load"], said["constraint"], said["vehicle"]) == ("odd", constraint, "van")
    assert words in said["text"]
    assert value is None or said["value"] == value
    assert limit is None or said["limit"] == limit


async def test_who_costs_more_than_it_is_worth_is_left_out() -> None:
    """A load that may be left out is, where it costs less."""
    fleet = Fleet()
    fleet.vehicle("van")
    fleet.load("odd", 10_000, 50_000, left_out_cost=0.5)
    (said,) = (await fleet.planned(_ask())).result["unassigned"]
    assert (said["constraint"], said["limit"]) == ("cost", 0.5)
    assert said["value"] > 50


@pytest.mark.parametrize(
    ("profile", "constraint"),
    [
        ({"shift_closes_ms": NOW_MS + 60_000}, "shift"),
        ({"shift_closes_ms": NOW_MS - 60_000}, "shift"),
        ({"most_drive_s": 60.0}, "driving"),
    ],
)
async def test_hours_are_kept(profile, constraint) -> None:
    """A shift that ends, or is over, and a driving limit leave out what is too far."""
    fleet = Fleet()
    fleet.vehicle("van", **profile, end=(10.0, 20.0))
    fleet.load("far", 10_000, 20_000)
    plan = await fleet.planned(_ask())
    assert plan.result["routes"] == []
    assert [said["constraint"] for said in plan.result["unassigned"]] == [constraint]


async def test_nothing_to_do_and_nobody_to_do_it() -> None:
    """No loads: an empty plan; no vehicles: everything is left out, and says so."""
    fleet = Fleet()
    plan = await fleet.planned(_ask())
    assert (plan.state, plan.result["routes"], plan.result["unassigned"]) == (PlanState.FOUND, [], [])
    fleet.load("a", 1, 2)
    plan = await fleet.planned(_ask())
    assert [(said["load"], said["constraint"]) for said in plan.result["unassigned"]] == [("a", "no_vehicle")]
    fleet.vehicle("van")
    plan = await fleet.planned(_ask(loads=()))
    assert (plan.result["routes"], plan.result["unassigned"]) == ([], [])
    assert (await fleet.jobs.accept(FLEET, plan.plan_id))[1] == []


async def test_what_cannot_be_asked() -> None:
    """Unknown loads, loads that are on a route, too many, and too many skills are refused with the limit."""
    fleet = Fleet()
    fleet.vehicle("van")
    fleet.load("on", 1, 2, status=LoadStatus.PLANNED, vehicle="van")
    with pytest.raises(NotFoundError, match="'none'"):
        await fleet.jobs.begin(FLEET, _ask(loads=("none",)))
    with pytest.raises(RequestError, match="is planned; allowed are open"):
        await fleet.jobs.begin(FLEET, _ask(loads=("on",)))
    for n in range(65):
        fleet.load(f"l{n}", 10 * n, needs=frozenset({f"skill-{n}"}))
    with pytest.raises(RequestError, match="65 different skills; allowed are 64"):
        await fleet.jobs.begin(FLEET, _ask())
    for n in range(3001):
        fleet.load(f"l{n}", 10 * n)
    with pytest.raises(TooLargeError, match="3001 loads and stops; allowed are 3000"):
        await fleet.jobs.begin(FLEET, _ask())
    for k in range(3):
        fleet.vehicle(f"dear-{k}", cost_per_km=2.0 + k)
    with pytest.raises(TooLargeError, match="different costs"):
        await fleet.jobs.begin(FLEET, _ask(loads=tuple(f"l{n}" for n in range(2500))))


def _route(*stops, vehicle="van", route_id="r", **more):
    return Route(FLEET, route_id, vehicle, stops, **{"status": RouteStatus.ACTIVE, **more})


def _driven(fleet, c=(2000, 3000)):
    """A van that has picked up `a`, is at the pickup of `b`, and has a visit and a load `c` ahead."""
    fleet.load("a", 0, 9000, status=LoadStatus.ON_BOARD, vehicle="van")
    fleet.load("b", 1000, 8000, status=LoadStatus.PLANNED, vehicle="van")
    fleet.load("c", *c, status=LoadStatus.PLANNED, vehicle="van")

    def stop(stop_id, kind, metres, load_id="", **more):
        return RouteStop(stop_id, kind, place(metres), load_id, **more)

    route = _route(
        stop("1", StopKind.PICKUP, 0, "a", state=StopState.DONE, left_ms=NOW_MS - 1000),
        stop("2", StopKind.PICKUP, 1000, "b", state=StopState.ARRIVED, arrived_ms=NOW_MS - 500),
        stop("3", StopKind.DELIVERY, 9000, "a"),
        stop("4", StopKind.STOP, 5000),
        stop("5", StopKind.DELIVERY, 8000, "b"),
        stop("6", StopKind.PICKUP, c[0], "c"),
        stop("7", StopKind.DELIVERY, c[1], "c"),
    )
    fleet.edits.put(route)
    return fleet.book.route(FLEET, "r")


async def test_what_is_done_stays() -> None:
    """A re-plan keeps what is over and where the vehicle stands, delivers what is on board with it, keeps the ids of stops, and drives less."""
    fleet = Fleet()
    fleet.vehicle("van", 1000)
    before = _driven(fleet)
    plan = await fleet.planned(_ask(replan=True, loads=()))
    (said,) = plan.result["routes"]
    assert said["frozen_stops"] == ["1", "2"]
    assert [stop["id"] for stop in said["stops"]] == ["6", "7", "4", "5", "3"]
    assert plan.summary["savings"]["old_routes"]["distance_saved_percent"] > 20
    _, (route,) = await fleet.jobs.accept(FLEET, plan.plan_id)
    assert route.stops[:2] == before.stops[:2]
    assert route.status is RouteStatus.ACTIVE
    assert fleet.book.load(FLEET, "a").status is LoadStatus.ON_BOARD


async def test_others_take_over_what_is_not_on_board() -> None:
    """A load that is not picked up may change vehicles; what is on board may not."""
    fleet = Fleet()
    fleet.vehicle("van", 9000)
    fleet.vehicle("near", -4000)
    _driven(fleet, c=(-4000, -6000))
    plan = await fleet.planned(_ask(replan=True, loads=()))
    whose = {stop.get("load"): route["vehicle"] for route in plan.result["routes"] for stop in route["stops"]}
    assert whose == {"a": "van", "b": "van", "c": "near", None: "van"}
    await fleet.jobs.accept(FLEET, plan.plan_id)
    assert fleet.book.load(FLEET, "c").vehicle == "near"
    assert fleet.book.active(FLEET, "near") is not None


async def test_a_promise_outlives_its_window() -> None:
    """A stop that can no longer be in time stays on its route, as late as it was to be and no later, and the plan says how late."""
    fleet = Fleet()
    fleet.vehicle("van", 0)
    window = {"closes_ms": NOW_MS - HOUR_MS}
    fleet.load("a", None, status=LoadStatus.ON_BOARD, vehicle="van", delivery=place(5000, **window))
    fleet.load("b", None, 6000, status=LoadStatus.ON_BOARD, vehicle="van")
    stops = [
        RouteStop("1", StopKind.DELIVERY, place(6000), "b"),
        RouteStop("2", StopKind.DELIVERY, place(5000, **window), "a"),
    ]
    fleet.edits.put(_route(*stops))
    plan = await fleet.planned(_ask(replan=True, loads=()))
    (said,) = plan.result["routes"]
    assert [stop["id"] for stop in said["stops"]] == ["2", "1"]
    assert said["stops"][0]["late_s"] > 3600
    assert plan.summary["is_late"]
    assert plan.summary["late_s"] < plan.summary["savings"]["old_routes"]["late_s"]


async def test_without_replanning_a_vehicle_goes_on_after_its_route() -> None:
    """New loads begin where and when the route ends, in a route of their own that waits its turn."""
    fleet = Fleet()
    fleet.vehicle("van", 1000)
    before = _driven(fleet)
    fleet.load("new", 4000, 5000)
    plan = await fleet.planned(_ask())
    (said,) = plan.result["routes"]
    assert said["stops"][0]["planned"] > NOW_MS + 15 * 60_000
    _, (route,) = await fleet.jobs.accept(FLEET, plan.plan_id)
    assert route.status is RouteStatus.PLANNED
    assert fleet.book.route(FLEET, "r") == before


async def test_what_was_planned_for_later_is_planned_again() -> None:
    """With `replan` routes that have not begun are withdrawn, and their loads are on the new one."""
    fleet = Fleet()
    fleet.vehicle("van")
    fleet.load("a", 1000, 2000)
    first = await fleet.planned(_ask(departs_ms=NOW_MS + HOUR_MS))
    _, (route,) = await fleet.jobs.accept(FLEET, first.plan_id)
    assert route.status is RouteStatus.PLANNED
    assert first.result["routes"][0]["stops"][0]["planned"] > NOW_MS + HOUR_MS
    fleet.load("b", 1500, 1800)
    second = await fleet.planned(_ask(replan=True))
    assert {load for _, load in _ids(second)} == {"a", "b"}
    _, routes = await fleet.jobs.accept(FLEET, second.plan_id)
    assert [one.route_id for one in fleet.book.routes(FLEET)] == [routes[0].route_id]


async def test_an_edit_between_plan_and_accept_is_a_conflict() -> None:
    """A route that moved on, a load that was changed, a vehicle that drives something else: nothing is published, and the answer says which."""
    fleet = Fleet()
    fleet.vehicle("van", 1000)
    _driven(fleet)
    plan = await fleet.planned(_ask(replan=True, loads=()))
    fleet.edits.put(done(fleet.book.route(FLEET, "r"), 2))
    with pytest.raises(ConflictError, match="route 'r' was changed"):
        await fleet.jobs.accept(FLEET, plan.plan_id)
    assert not fleet.edits.published
    other = Fleet()
    other.vehicle("van")
    other.load("a", 1, 2)
    plan = await other.planned(_ask())
    other.load("a", 5, 2)
    with pytest.raises(ConflictError, match="load 'a' was changed"):
        await other.jobs.accept(FLEET, plan.plan_id)
    third = Fleet()
    third.vehicle("van")
    third.load("a", 1, 2)
    plan = await third.planned(_ask())
    third.edits.put(_route(RouteStop("1", StopKind.STOP, place(1)), route_id="other"))
    with pytest.raises(ConflictError, match="drives route 'other'"):
        await third.jobs.accept(FLEET, plan.plan_id)


async def test_a_cancelled_search_keeps_what_it_found(wait_until) -> None:
    """It ends within 100 ms of CPU, says that it was cancelled, and can be accepted."""
    fleet = Fleet()
    for k in range(5):
        fleet.vehicle(f"van-{k}", 500 * k)
    for n in range(120):
        fleet.load(f"l{n:03}", (n * 7919) % 9000, (n * 104729) % 9000)
    plan = await fleet.jobs.begin(FLEET, _ask(seconds=300))
    await wait_until(lambda: any("share" in said for _, _, said in fleet.told))
    began_s = time.process_time()
    cancelled = await fleet.jobs.cancel(FLEET, plan.plan_id)
    assert time.process_time() - began_s < 0.1
    assert (cancelled.state, cancelled.summary["is_stopped"]) == (PlanState.CANCELLED, True)
    assert "found until then" in cancelled.reason
    assert sum(len(route["stops"]) for route in cancelled.result["routes"]) == 240
    with pytest.raises(ConflictError, match="is cancelled"):
        await fleet.jobs.cancel(FLEET, plan.plan_id)
    assert (await fleet.jobs.accept(FLEET, plan.plan_id))[0].state is PlanState.ACCEPTED


async def test_a_fleet_plans_one_at_a_time(wait_until) -> None:
    """Others wait, in bounded number; one that is cancelled while it waits never runs."""
    fleet = Fleet()
    fleet.vehicle("van")
    fleet.load("a", 1000, 2000)
    plans = [await fleet.jobs.begin(FLEET, _ask(seconds=300)) for _ in range(10)]
    with pytest.raises(RateError, match="10 plans"):
        await fleet.jobs.begin(FLEET, _ask())
    await wait_until(lambda: any("share" in said for _, _, said in fleet.told))
    states = [(await fleet.jobs.find(FLEET, plan.plan_id)).state for plan in plans]
    assert states == [PlanState.RUNNING, *[PlanState.WAITING] * 9]
    waiting = await fleet.jobs.cancel(FLEET, plans[3].plan_id)
    assert (waiting.state, waiting.summary) == (PlanState.CANCELLED, None)
    with pytest.raises(ConflictError):
        await fleet.jobs.accept(FLEET, waiting.plan_id)
    assert len(await fleet.jobs.page(FLEET, "", 100)) == 10
    await fleet.jobs.stop()
    kept = [(await fleet.jobs.store.find(FLEET, plan.plan_id)).state for plan in plans]
    assert kept[:2] == [PlanState.RUNNING, PlanState.WAITING]


async def test_the_search_leaves_the_loop_free() -> None:
    """While a plan is searched the loop serves others."""
    fleet = Fleet()
    for k in range(5):
        fleet.vehicle(f"van-{k}", 500 * k)
    for n in range(150):
        fleet.load(f"l{n:03}", (n * 7919) % 9000, (n * 104729) % 9000)
    plan = await fleet.jobs.begin(FLEET, _ask(seconds=0.5))
    turns = 0
    task = asyncio.create_task(fleet.jobs.finished(FLEET, plan.plan_id))
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 50


async def test_moved_vehicles_start_where_they_are() -> None:
    """Without a route and a depot the way begins at the last position; a depot counts first; one that was never seen begins at its first stop."""
    fleet = Fleet()
    fleet.vehicle("van", 7000)
    fleet.load("a", 7000, 8000)
    near = (await fleet.planned(_ask())).summary["distance_m"]
    fleet.vehicle("van", 7000, start=(10.0, 20.0))
    depot = (await fleet.planned(_ask())).summary["distance_m"]
    fleet.vehicle("van", 0)
    fleet.places["van"] = None
    nowhere = (await fleet.planned(_ask())).summary["distance_m"]
    assert near == pytest.approx(1300, rel=0.01)
    assert depot == pytest.approx(1300 * 8, rel=0.01)
    assert nowhere == pytest.approx(1300, rel=0.01)


async def test_a_plan_is_no_worse_than_people_make_it() -> None:
    """Hundreds of loads and no time to search: it costs no more than the nearest-neighbour plan."""
    fleet = Fleet()
    for k in range(4):
        fleet.vehicle(f"van-{k}", 500 * k, capacity={"kg": 3000.0})
    for n in range(320):
        fleet.load(f"l{n:03}", (n * 7919) % 20_000, (n * 104729) % 20_000)
    plan = await fleet.planned(_ask(seconds=0.1))
    assert not plan.result["unassigned"]
    assert all(plan.summary["cost"] <= other["cost"] + 1e-6 for other in plan.summary["savings"].values())


class AwayStore(MemoryPlanStore):
    """A store that can be away."""

    is_away = False

    async def put(self, plan):
        if self.is_away:
            raise StoreError("store_away", "the store is away")
        await super().put(plan)


async def test_a_plan_outlives_its_store(wait_until, monkeypatch) -> None:
    """While the store is away nothing new is taken, and what was found is kept, shown, and stored when it is back."""
    monkeypatch.setattr(plan_jobs, "STORE_AGAIN_S", 0.01)
    store = AwayStore()
    fleet = Fleet(store)
    fleet.vehicle("van")
    fleet.load("a", 1000, 2000)
    plan = await fleet.jobs.begin(FLEET, _ask())
    await wait_until(lambda: any("share" in said for _, _, said in fleet.told))
    store.is_away = True

    async def is_found():
        return (await fleet.jobs.find(FLEET, plan.plan_id)).state is PlanState.FOUND

    await wait_until(is_found)
    with pytest.raises(StoreError):
        await fleet.jobs.begin(FLEET, _ask())
    assert store.plans[FLEET, plan.plan_id].state is PlanState.RUNNING
    store.is_away = False
    stored = (await fleet.jobs.finished(FLEET, plan.plan_id)).state
    assert stored is store.plans[FLEET, plan.plan_id].state is PlanState.FOUND
    assert len(store.plans) == 1


async def test_two_accept_at_once() -> None:
    """One of them does; the other is told that it is done."""
    fleet = Fleet()
    fleet.vehicle("van")
    fleet.load("a", 1000, 2000)
    plan = await fleet.planned(_ask())
    both = await asyncio.gather(
        *(fleet.jobs.accept(FLEET, plan.plan_id) for _ in range(2)), return_exceptions=True
    )
    assert [type(one) for one in both] == [tuple, ConflictError]
    assert len(fleet.edits.published) == 1
