"""Whatever is edited, in whatever order: the store, the book, the loads' statuses and the fences of stops agree."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from route_world import Fences, load, opened_edits, place, route, stops_of
from waiting import wait_until

from haulcast.errors import ClientError
from haulcast.routes.load import LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.route_edits import RouteEdits
from haulcast.routes.stop_fences import fence_of
from haulcast.routes.stop_marks import StopMark

STEPS = 120
LOADS = [load(f"l{i}", i, **({"pickup": None} if i % 5 == 4 else {"delivery": None} if i % 5 == 3 else {})) for i in range(10)]  # fmt: skip
RANK = {StopState.AHEAD: 0, StopState.ARRIVED: 1, StopState.DONE: 2, StopState.SKIPPED: 2}


class Clerk:
    """Asks for one thing after the other, some of which cannot be."""

    def __init__(self, edits: RouteEdits, seed: int) -> None:
        self.edits = edits
        self.dice = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.seen: dict[tuple[str, str], int] = {}

    async def step(self) -> None:
        asks: list[Callable[[], Awaitable[object]]] = [
            self.put_load, self.put_route, self.put_route, self.mark, self.mark, self.mark, self.publish, self.cancel_load, self.cancel_route,
        ]  # fmt: skip
        ask = self.dice.choice(asks)
        try:
            await ask()
            self.done[ask.__name__] += 1
        except ClientError as refused:
            self.done[refused.code] += 1

    def _route(self) -> Route:
        number = self.dice.randrange(6)
        known = self.edits.book.route("acme", f"r{number}")
        some = stops_of(*self.dice.sample(LOADS, self.dice.randrange(1, 4)))
        home = RouteStop("home", StopKind.STOP, place(99))
        stops = (*known.stops, *some) if known and self.dice.random() < 0.5 else (*some, home)
        unique = tuple({stop.stop_id: stop for stop in stops}.values())
        status = self.dice.choice([RouteStatus.PLANNED, RouteStatus.ACTIVE, RouteStatus.ACTIVE])
        return route(f"r{number}", stops=unique, vehicle=f"v{self.dice.randrange(4)}", status=status)

    async def put_load(self) -> None:
        one = self.dice.choice(LOADS)
        await self.edits.put_load(one if self.dice.random() < 0.7 else replace(one, delivery=place(60)))

    async def put_route(self) -> None:
        await self.edits.put_route(self._route())

    async def publish(self) -> None:
        routes = {one.route_id: one for one in (self._route(), self._route())}
        book = self.edits.book
        expected = {one.route_id: one.edition for one in book.routes("acme") if self.dice.random() < 0.95}
        withdrawn = [one.route_id for one in book.routes("acme") if one.route_id not in routes][:1]
        await self.edits.publish("acme", list(routes.values()), expected, withdrawn)

    async def mark(self) -> None:
        routes = list(self.edits.book.routes("acme")) or [route("r0")]
        one = self.dice.choice(routes)
        stop, state = self.dice.choice(one.stops), self.dice.choice(list(RANK))
        await self.edits.mark_stops(
            "acme", [StopMark(one.route_id, stop.stop_id, state, self.dice.randrange(9))]
        )

    async def cancel_load(self) -> None:
        if self.dice.random() < 0.3:
            await self.edits.cancel_load("acme", self.dice.choice(LOADS).load_id)

    async def cancel_route(self) -> None:
        await self.edits.cancel_route("acme", f"r{self.dice.randrange(6)}")

    def check(self, fences: Fences) -> None:
        """What has to hold after every step."""
        routes = list(self.edits.book.routes("acme"))
        ahead = Counter(name for one in routes for name in {stop.load for stop in one.ahead if stop.load})
        assert max(ahead.values(), default=1) == 1
        vehicle_of = {stop.load: one.vehicle for one in routes for stop in one.ahead if stop.load}
        for one in self.edits.book.loads("acme"):
            if one.status is LoadStatus.OPEN:
                assert (one.load_id in vehicle_of, one.vehicle) == (False, "")
            elif one.status is LoadStatus.PLANNED:
                assert vehicle_of[one.load_id] == one.vehicle
            else:
                assert vehicle_of.get(one.load_id, one.vehicle) == one.vehicle != ""
        assert vehicle_of.keys() <= {one.load_id for one in self.edits.book.loads("acme")}
        active = [one.vehicle for one in routes if one.status is RouteStatus.ACTIVE]
        assert len(active) == len(set(active))
        for one in routes:
            assert one.ahead
            assert [stop.is_over for stop in one.stops] == sorted(
                (stop.is_over for stop in one.stops), reverse=True
            )
            assert {fence_of(stop.place) for stop in one.stops} <= fences.ids()
            for stop in one.stops:
                key = one.route_id + one.edition.partition("-")[2], stop.stop_id
                assert RANK[stop.state] >= self.seen.get(key, 0) or stop.state is StopState.AHEAD
                if stop.is_over:
                    self.seen[key] = 2
                assert not (self.seen.get(key) == 2 and not stop.is_over)


@pytest.mark.parametrize("seed", range(4))
async def test_any_edits(database, seed) -> None:
    """After each of many random edits everything agrees, and after a restart too."""
    fences = Fences()
    async with opened_edits(database, fences) as edits:
        clerk = Clerk(edits, seed)
        for one in LOADS:
            await edits.put_load(one)
        for _ in range(STEPS):
            await clerk.step()
            clerk.check(fences)
        assert min(clerk.done[name] for name in ("put_load", "put_route", "mark", "publish", "cancel_route")) > 0, clerk.done  # fmt: skip
        before = list(edits.book.loads("acme")), list(edits.book.routes("acme"))
        needed = {fence_of(stop.place) for one in before[1] for stop in one.stops}
        await wait_until(lambda: fences.ids() == needed)
    async with opened_edits(database, fences) as edits:
        assert (list(edits.book.loads("acme")), list(edits.book.routes("acme"))) == before
        assert fences.ids() == needed
