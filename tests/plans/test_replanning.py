"""Routes planned anew by themselves: published when it is worth it, with what is done frozen, and not otherwise."""

import time
from dataclasses import replace

import pytest
from planning import FLEET, HOUR_MS, NOW_MS, Fleet, place

from haulcast.plans import replanning
from haulcast.plans.replanning import Replanning, is_worth
from haulcast.routes.load import LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(replanning, "GATHER_S", 0.01)
    monkeypatch.setattr(replanning, "SECONDS", 0.1)


class World(Fleet):
    """A fleet that plans anew; one van does its first stop, and then has others in a foolish order."""

    def __init__(self, threshold=0.0, order=(6000, 1000, 5000, 2000), window=None):
        super().__init__()
        self.recorded = []
        self.vehicle("van", 0)
        stops = [RouteStop("0", StopKind.STOP, place(0), state=StopState.DONE)]
        for n, metres in enumerate(order, 1):
            closes = {"closes_ms": NOW_MS + window} if window and n == len(order) else {}
            target = place(metres, **closes)
            self.load(f"l{n}", delivery=target, status=LoadStatus.ON_BOARD, vehicle="van")
            stops.append(RouteStop(str(n), StopKind.DELIVERY, target, f"l{n}"))
        self.edits.put(Route(FLEET, "r", "van", tuple(stops), RouteStatus.ACTIVE))
        self.replanning = Replanning(
            self.jobs, self.book, self.around.where, threshold, self._record, time.monotonic
        )

    def load(self, name, delivery, **more):
        super().load(name, None, 0, kg=1.0)
        self.edits.put(replace(self.book.load(FLEET, name), delivery=delivery, **more))

    async def _record(self, fleet, plan_id, routes):
        self.recorded.append((fleet, routes))

    async def idle(self, wait_until):
        await wait_until(lambda: not self.replanning._tasks)

    @property
    def order(self):
        return [stop.stop_id for stop in self.book.route(FLEET, "r").stops]

    def skip(self, stop_id):
        route = self.book.route(FLEET, "r")
        stops = [
            replace(one, state=StopState.SKIPPED) if one.stop_id == stop_id else one for one in route.stops
        ]
        self.edits.put(replace(route, stops=tuple(sorted(stops, key=lambda one: not one.is_over))))


async def test_a_late_stop_is_planned_anew(wait_until) -> None:
    """The rest is put in a better order, the stop that was done stays first, and it is written down."""
    world = World()
    world.replanning.late(FLEET, "van")
    await world.idle(wait_until)
    assert world.order == ["0", "2", "4", "3", "1"]
    assert world.recorded == [(FLEET, ["r"])]
    ((plan,),) = [list(world.jobs.store.plans.values())]
    assert (plan.ask["cause"], plan.state) == ("late", "accepted")


async def test_drivers_are_not_bothered_for_little(wait_until) -> None:
    """A plan that saves less than the threshold is kept, and not published; nor is one that is the same."""
    world = World(threshold=1000.0)
    world.replanning.late(FLEET, "van")
    await world.idle(wait_until)
    assert world.order == ["0", "1", "2", "3", "4"]
    best = World(order=(1000, 2000, 3000))
    best.replanning.late(FLEET, "van")
    await best.idle(wait_until)
    assert not best.recorded


async def test_less_late_is_worth_any_cost(wait_until) -> None:
    """An old plan that cannot be in time gives way to one that can, whatever the threshold."""
    world = World(threshold=1e9, order=(9000, 100), window=300_000)
    world.replanning.late(FLEET, "van")
    await world.idle(wait_until)
    assert world.order == ["0", "2", "1"]


async def test_a_cancelled_stop_is_heard(wait_until) -> None:
    """When a stop of the active route is passed over the rest is planned anew; when one is merely done it is not."""
    world = World(order=(6000, 1000, 5000, 2000))
    world.skip("1")
    await world.idle(wait_until)
    assert world.order == ["0", "1", "2", "4", "3"]
    ((plan,),) = [list(world.jobs.store.plans.values())]
    assert plan.ask["cause"] == "cancelled_load"
    route = world.book.route(FLEET, "r")
    done = [replace(stop, state=StopState.DONE) if stop.stop_id == "2" else stop for stop in route.stops]
    world.edits.put(replace(route, stops=tuple(done)))
    await world.idle(wait_until)
    assert len(world.jobs.store.plans) == 1


async def test_once_is_enough_for_a_while(wait_until) -> None:
    """A vehicle that is late again and again is not planned again and again; one without a route never is."""
    world = World()
    for _ in range(3):
        world.replanning.late(FLEET, "van")
        world.replanning.late(FLEET, "nobody")
        await world.idle(wait_until)
    assert len(world.jobs.store.plans) == 1


async def test_neighbours_take_over(wait_until) -> None:
    """A load that is not picked up goes to the van next to it, when its own would be late."""
    world = World(order=(9000,))
    route = world.book.route(FLEET, "r")
    closes = {"closes_ms": NOW_MS + HOUR_MS // 6}
    world.load("x", place(-7000, **closes))
    world.edits.put(
        replace(world.book.load(FLEET, "x"), pickup=place(-6000), status=LoadStatus.PLANNED, vehicle="van")
    )
    stops = (
        RouteStop("x1", StopKind.PICKUP, place(-6000), "x"),
        RouteStop("x2", StopKind.DELIVERY, place(-7000, **closes), "x"),
    )
    world.edits.put(replace(route, stops=route.stops + stops))
    world.vehicle("near", -6000)
    world.edits.put(
        Route(FLEET, "n", "near", (RouteStop("1", StopKind.STOP, place(-6500)),), RouteStatus.ACTIVE)
    )
    world.replanning.late(FLEET, "van")
    await world.idle(wait_until)
    assert world.book.load(FLEET, "x").vehicle == "near"
    assert "x2" not in world.order


def _figures(**more):
    return {"cost": 100.0, "late_s": 0.0, "left_out": 0, **more}


@pytest.mark.parametrize(
    ("new", "old", "worth"),
    [
        ({"cost": 89.0}, {}, True),
        ({"cost": 91.0}, {}, False),
        ({"cost": 50.0, "left_out": 1}, {}, False),
        ({"cost": 50.0, "late_s": 1.0}, {}, False),
        ({"cost": 150.0}, {"late_s": 61.0}, True),
        ({"cost": 150.0}, {"late_s": 59.0}, False),
        ({"cost": 80.0, "left_out": 1}, {"left_out": 1}, True),
    ],
)
def test_what_is_worth_it(new, old, worth) -> None:
    """Cheaper by the threshold or less late by a minute; never at the price of what was to be carried, or of being later."""
    assert is_worth({**_figures(**new), "savings": {"old_routes": _figures(**old)}}, 10.0) is worth
    assert not is_worth({**_figures(**new), "savings": {}}, 10.0)
