"""Serving against a real database: who is served, from what past, and what becomes of it when a model, a driver or the store goes."""

import asyncio

import numpy as np
import pytest
from test_forecasting import Fixed
from test_span_tracker import GAP_MS, batch

from haulcast.availability.dwell_store import PostgresDwellStore
from haulcast.availability.hours_of_service import HoursOfService
from haulcast.availability.route_ends import RouteEnds
from haulcast.availability.serving import ASKED_S, Known, Serving
from haulcast.availability.span_store import BUSY, DUTY, StoredSpan
from haulcast.availability.span_store_postgres import PostgresSpanStore
from haulcast.availability.span_tracker import SpanTracker
from haulcast.availability.span_writer import SpanWriter
from haulcast.errors import StoreError
from haulcast.positions.vehicle_rows import VehicleRows

START_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
NAN = float("nan")


class World:
    """A serving hub's parts, with a clock that tests move."""

    def __init__(self, database):
        self.now_ms, self.models, self.watched, self.heard = START_MS, {}, set(), []
        self.rows, self.store = VehicleRows(), PostgresSpanStore(database)
        self.tracker = SpanTracker(GAP_MS / 1000)
        self.writer = SpanWriter(self.tracker, self.store, self.rows, self.clock)
        no_routes = np.empty(0, np.int32), np.empty(0)
        self.known = Known(
            self.rows, self.rows.row_of, self.tracker, self.writer, self.store, PostgresDwellStore(database), HoursOfService(),
            RouteEnds(lambda: no_routes), is_seen=lambda: np.zeros(0, np.bool_),
        )  # fmt: skip
        self.serving = Serving(
            self.known, model_of=self.models.get, modelled=lambda: self.models, watched=lambda: self.watched, every_s=0.01,
            now_ms=self.clock,
        )  # fmt: skip
        self.tracker.listeners += [self.writer.closed, self.serving.closed]
        self.serving.on_forecast.append(lambda fleet, made: self.heard.append((fleet, made)))

    def clock(self):
        return self.now_ms

    def fix(self, vehicle, fleet="acme"):
        self.tracker.take(batch([self.rows.row_of(fleet, vehicle)], [self.now_ms]), self.now_ms)

    async def basis(self, vehicle, fleet="acme"):
        made = await self.serving.current(fleet, vehicle)
        return made.basis_of(made.number_of(vehicle))


@pytest.fixture
def world(database):
    """No vehicles yet."""
    return World(database)


def past_days(vehicle, days):
    """On duty and busy for some hours of each day."""
    for day in range(1, days + 1):
        begin_ms = START_MS - day * 24 * HOUR_MS
        yield StoredSpan(vehicle, DUTY, begin_ms, begin_ms + 8 * HOUR_MS, 45, 9, 45, 9)
        yield StoredSpan(vehicle, BUSY, begin_ms + HOUR_MS, begin_ms + 3 * HOUR_MS, 45, 9, NAN, NAN)


async def test_the_basis_follows_what_is_known(world):
    """Nothing, then its fleet's, its own weeks, the model of its fleet; another fleet has nothing of it."""
    world.fix("new")
    assert await world.basis("new") == "none"
    await world.store.put("acme", list(past_days("old", 20)))
    world.models["acme"] = Fixed(version="v1")
    world.now_ms += 60_000
    world.fix("old")
    assert [await world.basis(name) for name in ("old", "new", "never")] == ["model", "fleet", "fleet"]
    del world.models["acme"]
    world.now_ms += 60_000
    assert [await world.basis(name) for name in ("old", "new")] == ["own", "fleet"]
    world.fix("old", fleet="other")
    assert await world.basis("old", fleet="other") == "none"


async def test_what_ends_while_it_is_served_is_its_past(world):
    """A driver without a past has one as soon as its first duty has ended and another has begun, without reading again."""
    world.models["acme"] = Fixed()
    await world.store.put("acme", list(past_days("old", 2)))
    world.fix("new")
    assert await world.basis("new") == "fleet"
    world.now_ms += 3 * GAP_MS
    world.fix("new")
    assert await world.basis("new") == "model"


async def test_a_store_that_is_away_keeps_nobody_from_an_answer(world, monkeypatch):
    """Without the stored past it is the fleet's, or nothing; when the store is back it is read."""
    await world.store.put("acme", list(past_days("old", 20)))
    world.fix("old")

    async def away(*_asked):
        raise StoreError("database_unreachable", "away")

    with monkeypatch.context() as patched:
        patched.setattr(PostgresSpanStore, "columns", away)
        assert await world.basis("old") == "none"
    world.now_ms += 31_000
    assert await world.basis("old") == "own"


async def test_who_is_served(world, wait_until):
    """Fleets with a model or a watcher are, without a question; those that were asked about for a time; a deleted vehicle is in no forecast."""
    world.watched.add("seen")
    world.models["modelled"] = Fixed()
    for fleet in ("seen", "modelled", "asked", "silent"):
        world.fix("a", fleet)
        world.fix("b", fleet)
    assert world.serving.chance("asked", "a", 60.0) is None
    running = asyncio.create_task(world.serving.run())
    try:
        served = {"seen", "modelled", "asked"}
        await wait_until(lambda: {fleet for fleet, _ in world.heard} == served, timeout_s=30)
        assert world.serving.counters["fleets"] == 3
        world.tracker.forget(world.rows.row_of("seen", "a"), world.now_ms)
        world.now_ms += int(ASKED_S * 1000) + 1_000
        world.heard.clear()
        await wait_until(lambda: len([one for one in world.heard if one[0] == "seen"]) >= 3, timeout_s=30)
    finally:
        running.cancel()
    last = {fleet: made.vehicles for fleet, made in world.heard}
    assert last["seen"] == ["b"]
    assert world.serving.counters["fleets"] == 2


async def test_questions_at_once_share_an_answer(world):
    """Who asks while a pass runs waits for it, or for the one after; nobody's question is a pass of its own."""
    world.fix("a")
    made = await asyncio.gather(*(world.serving.current("acme", "a") for _ in range(20)))
    assert len({id(one) for one in made}) <= 2
    assert world.serving.passes <= 2
