"""The set that steps go by: what the book says, soon after it says so; and marks on their way back."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from road import MPS, NOW_MS, PlainTravel, line, route_of, stop

from geo.travel_time import TravelLimits, untaught_travel_times
from haulcast.errors import ConflictError, StoreError
from haulcast.routes import active_routes, mark_writer
from haulcast.routes.active_routes import ActiveRoutes
from haulcast.routes.mark_writer import MarkWriter
from haulcast.routes.route import StopState
from haulcast.routes.route_book import RouteBook
from haulcast.routes.stop_arrivals import FleetMark
from haulcast.routes.stop_marks import StopMark

STOPS = stop("a", 5_000), stop("b", 10_000)
STRAIGHT = line((0, 0), (20_000, 0))


@asynccontextmanager
async def running(part):
    task = asyncio.create_task(part.run())
    try:
        yield part
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def active_of(book, travel=None):
    rows = {}
    return ActiveRoutes(
        book, travel or PlainTravel(), lambda *whose: rows.setdefault(whose, len(rows)), lambda: NOW_MS
    )


async def test_the_set_follows_the_book(monkeypatch):
    """Routes that were there at the start, come, change and go are in the set that is in force after `settled`."""
    monkeypatch.setattr(active_routes, "REST_S", 0.0)
    book = RouteBook()
    book.put_route(route_of(*STOPS, line=STRAIGHT))
    async with running(active_of(book)) as active:
        await active.settled()
        assert [part.route.route_id for part in active.current.parts] == ["r"]
        book.put_route(route_of(STOPS[0], route_id="q", vehicle="car"))
        await active.settled()
        first = active.current
        assert first.line.tolist() == [0, -1]
        assert first.offsets.tolist() == [0, 2, 3]
        book.put_route(route_of(*STOPS[1:], line=STRAIGHT))
        await active.settled()
        assert active.current.lines is first.lines  # the same lines are not joined anew
        assert active.current.changed.tolist() == [active.current.version, first.version]
        book.remove_route("acme", "r")
        book.remove_route("acme", "q")
        await active.settled()
        assert len(active.current) == 0


async def test_many_changes_share_a_build(monkeypatch):
    """However many changes come while a set is made, the next one has all of them."""
    monkeypatch.setattr(active_routes, "REST_S", 0.0)
    book, swaps = RouteBook(), []
    rows = {}
    active = ActiveRoutes(book, PlainTravel(), lambda *whose: rows.setdefault(whose, len(rows)), lambda: NOW_MS, lambda: swaps.append(1))  # fmt: skip
    async with running(active):
        for i in range(300):
            book.put_route(route_of(*STOPS, route_id=f"r{i}", vehicle=f"v{i}", line=STRAIGHT))
            if not i % 50:
                await asyncio.sleep(0)
        await active.settled()
    assert len(active.current) == 300
    assert len(swaps) < 20


async def test_a_line_that_is_none_keeps_no_other_route_out():
    """A route whose line cannot be is in force without it."""
    book = RouteBook()
    book.put_route(route_of(*STOPS, line=((9.0, 95.0), (9.0, 45.0))))
    book.put_route(route_of(*STOPS, route_id="q", vehicle="car", line=STRAIGHT))
    active = active_of(book)
    await active.build()
    assert active.current.line.tolist() == [-1, 0]


async def test_a_build_that_fails_is_done_later(monkeypatch):
    """What the failed one was to hold is in the next."""
    monkeypatch.setattr(active_routes, "RETRY_S", 0.0)
    book, travel = RouteBook(), PlainTravel()
    whole, times = travel.times, [OSError("gone")]

    def failing(fleet):
        if times:
            raise times.pop()
        return whole(fleet)

    travel.times = failing
    book.put_route(route_of(*STOPS))
    async with running(active_of(book, travel)) as active:
        await active.settled()
    assert len(active.current) == 1


async def test_current_speeds_and_what_was_learned_anew_come_into_the_set():
    """Other paces are put into the same set; other rows of paces make the routes anew, each fleet's by its own table."""
    book, travel = RouteBook(), PlainTravel()
    book.put_route(route_of(*STOPS))
    book.put_route(replace(route_of(*STOPS, route_id="q"), fleet="zeta"))
    active = active_of(book, travel)
    await active.build()
    before = active.current
    assert before.pace_base.tolist() == [0, 1]
    assert before.stops["pace_row"].tolist() == [0, 0, 1, 1]
    active.refresh_paces()
    assert active.current is not before
    assert active.current.version == before.version
    travel.now = untaught_travel_times(TravelLimits(default_mps=2 * MPS, default_circuity=1.0))
    active.refresh_paces()
    await active.build()
    assert active.current.version > before.version
    assert active.current.paces == pytest.approx(before.paces / 2)
    assert (active.current.changed == active.current.version).all()


class Marked:
    """A store of marks that fails as often as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.marks, self.order = list(errors), [], []
        self.waiting = []

    async def write(self, fleet, marks):
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        self.marks += [(fleet, mark.stop_id, mark.state) for mark in marks]

    async def stored(self):
        self.order.append(len(self.marks))

    def take(self):
        found, self.waiting = self.waiting, []
        return found

    def tell(self, fleet, stop_id, state=StopState.ARRIVED):
        self.waiting.append(FleetMark(fleet, StopMark("r", stop_id, state, NOW_MS)))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(mark_writer, "RETRY_S", 0.0)


async def test_marks_are_written_in_order_while_the_store_comes_and_goes(wait_until):
    """A store that is away is asked again until it takes them, and no mark is lost or overtakes another."""
    away = [StoreError("away", "gone")] * 7
    store = Marked(*away)
    async with running(MarkWriter(store.take, store.write, store.stored)) as writer:
        for i in range(5):
            store.tell("acme", f"s{i}")
            writer.on_step(None)
            await asyncio.sleep(0)
        await wait_until(lambda: len(store.marks) == 5)
    assert [stop_id for _, stop_id, _ in store.marks] == [f"s{i}" for i in range(5)]
    assert store.order[0] == 0  # the events were stored before
    assert len(writer) == 0


async def test_marks_that_the_store_refuses_do_not_hold_up_others(wait_until):
    """What cannot be marked is tried some times and given up; the other fleet's are there."""
    store = Marked(*[ConflictError("route_over", "no")] * mark_writer.MOST_REFUSALS)
    store.tell("acme", "a")
    async with running(MarkWriter(store.take, store.write, store.stored)) as writer:
        writer.on_step(None)
        await wait_until(lambda: not store.errors)
        store.tell("acme", "b")
        store.tell("beta", "c")
        writer.on_step(None)
        await wait_until(lambda: len(store.marks) == 2)
    assert sorted(one[:2] for one in store.marks) == [("acme", "b"), ("beta", "c")]
