"""Learning from a history, and keeping it."""

import asyncio

import numpy as np
import pytest
from fleet_drives import NOON_MS, fixes

from geo.driven_legs import LegTracks
from geo.travel_time import DrivenLegs, TravelLimits, learned_travel_times
from haulcast.errors import StoreError
from haulcast.history.history_store import DAY_MS, FleetFixes
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.travel.learning import LegPile, learn
from haulcast.travel.teaching import AGAIN_MS, READ_EVERY_MS, TRY_AGAIN_MS, Teaching
from haulcast.travel.travel_book import TravelBook
from haulcast.travel.travel_store import StoredTravel
from haulcast.travel.travel_store_postgres import PostgresTravelStore
from haulcast.travel.travel_tables import TravelTableError, read_table, table_bytes

HOUR_MS = 3_600_000
NOON_HOUR = (NOON_MS // HOUR_MS + 72) % 168


def name_of(row):
    return ("acme" if row < 50 else "globex"), f"v{row}"


@pytest.fixture
async def history():
    """Two hours of acme at 10 and 20 m/s, and globex elsewhere at 5."""
    store = MemoryHistoryStore(name_of)
    for hour, mps in ((0, 10.0), (1, 20.0)):
        await store.write(fixes(NOON_MS + hour * HOUR_MS, 40, vehicles=4, mps=mps))
    await store.write(fixes(NOON_MS, 40, vehicles=4, mps=5.0, first_row=50))
    return store


async def test_a_fleet_is_taught_by_its_own_history(history):
    """Speeds by the hour, of the fleet alone; what lies before and after the span says nothing."""
    end_ms = NOON_MS + 2 * HOUR_MS
    found = await learn(history, "acme", NOON_MS - HOUR_MS, end_ms, pause_s=0)
    assert found.times.speed_mps[0, [NOON_HOUR, (NOON_HOUR + 1) % 168]] == pytest.approx([10, 20], rel=0.05)
    assert (found.begin_ms, found.end_ms) == (NOON_MS - HOUR_MS, end_ms)
    first = await learn(history, "acme", NOON_MS, NOON_MS + HOUR_MS, pause_s=0)
    assert first.times.speed_mps[0, (NOON_HOUR + 1) % 168] == pytest.approx(10, rel=0.05)
    assert 0 < first.legs < found.legs
    assert await learn(history, "nobody", NOON_MS, end_ms, pause_s=0) is None
    assert await learn(history, "acme", NOON_MS - DAY_MS, NOON_MS, pause_s=0) is None
    assert await learn(history, "acme", end_ms, NOON_MS, pause_s=0) is None


async def test_a_dense_history_is_read_in_part(history):
    """However many fixes an hour has, so many are read of it, and they teach nearly the same."""
    reads = []
    span = history.read_span

    async def counting(*arguments):
        found = await span(*arguments)
        reads.append(len(found.fixes))
        return found

    history.read_span = counting
    found = await learn(history, "acme", NOON_MS, NOON_MS + 2 * HOUR_MS, hour_fixes=60, pause_s=0)
    assert max(reads) <= 64
    assert len(reads) == 2
    assert found.times.speed_mps[0, NOON_HOUR] == pytest.approx(10, rel=0.1)


def test_a_pile_is_bounded_and_keeps_a_fair_part():
    """More legs than it may keep: every second one goes, again and again; the medians stay."""
    rng, pile = np.random.default_rng(3), LegPile(TravelLimits(), most=1_000)
    for i in range(40):
        batch = fixes(NOON_MS + i * 7_200_000, 60, vehicles=5, mps=float(rng.choice([8, 12])))
        pile.add(FleetFixes([f"v{k}" for k in range(5)], batch, 0))
        assert pile._kept <= 1_000
    assert pile.count > 20_000
    assert 8 <= pile.times().speed_mps[0].mean() <= 12.5


def test_tables_come_back_as_they_were_and_others_are_refused():
    """Bit for bit; truncated, foreign or inconsistent bytes are refused, and nothing in them is run."""
    hours = np.repeat(np.arange(168), 25)
    legs = LegTracks()
    legs.ensure_rows(10)
    batch = fixes(NOON_MS, 60)
    found = legs.take(batch.row, batch.time_ms, batch.lat_deg, batch.lon_deg).legs
    cells = np.full(len(hours), found.cell[0])
    times = learned_travel_times(DrivenLegs(cells, hours, 10.0 + hours % 24))
    data = table_bytes(times)
    again = read_table(data)
    for name in ("cells", "parent", "speed_mps"):
        assert np.array_equal(getattr(again, name), getattr(times, name))
        assert getattr(again, name).dtype == getattr(times, name).dtype
    assert (again.circuity, again.limits) == (times.circuity, times.limits)
    wrong = learned_travel_times(DrivenLegs(cells, hours, 10.0 + hours % 24))
    wrong.parent[1] = 99
    for bad in (b"", b"PK", data[:-200], data[:100] + b"x" * 40 + data[140:], table_bytes(wrong)):
        with pytest.raises(TravelTableError):
            read_table(bad)


class Store:
    """In memory; may be away."""

    def __init__(self):
        self.kept, self.is_away = {}, False

    async def made(self):
        if self.is_away:
            raise StoreError("store_away", "gone")
        return {fleet: stored.made_ms for fleet, stored in self.kept.items()}

    async def find(self, fleet):
        return self.kept.get(fleet)

    async def put(self, stored):
        if self.is_away:
            raise StoreError("store_away", "gone")
        self.kept[stored.fleet] = stored


class Clock:
    ms = NOON_MS + 2 * HOUR_MS

    def __call__(self):
        return self.ms


def teaching(store, history, days=1):
    clock = Clock()
    book = TravelBook(None, now_ms=clock, monotonic_s=lambda: 0.0)
    return clock, book, Teaching(book, store, history, days, clock)


async def test_fleets_that_are_asked_for_are_taught_and_once_a_day_anew(history):
    """At the first look when there is nothing, then after a day; a restart has it at once; others are left alone."""
    store = Store()
    clock, book, teach = teaching(store, history)
    await teach.look()
    assert not store.kept
    untaught = book.times("acme")
    await teach.look()
    assert store.kept.keys() == {"acme"}
    times = book.times("acme")
    assert times is not untaught
    assert times.speed_mps[0, NOON_HOUR] == pytest.approx(10, rel=0.05)
    clock.ms += AGAIN_MS - 1
    await teach.look()
    assert book.times("acme") is times
    clock.ms += 1
    await history.write(fixes(clock.ms - 2 * HOUR_MS, 60, vehicles=4, mps=15.0))
    await teach.look()
    assert book.times("acme") is not times
    _, fresh, again = teaching(store, None)
    await again.read()
    assert np.array_equal(fresh.times("acme").speed_mps, book.times("acme").speed_mps)
    assert fresh.counters["fleets"] == 1


async def test_what_another_hub_has_learned_is_taken_over(history):
    """Within minutes, and not learned a second time."""
    store = Store()
    clock, book, teach = teaching(store, None)
    book.times("acme")
    await teach.read()
    other_clock, other_book, other = teaching(store, history)
    other_book.times("acme")
    await other.look()
    await teach.look()
    assert book.counters["fleets"] == 0
    clock.ms += READ_EVERY_MS
    await teach.look()
    assert book.counters["fleets"] == 1
    assert other_clock.ms < clock.ms


async def test_stores_that_are_away_and_tables_that_are_broken_stop_nothing(history):
    """What is in force stays; it is tried again in an hour; a broken table is learned anew."""
    store = Store()
    clock, book, teach = teaching(store, history)
    store.kept["acme"] = StoredTravel("acme", clock.ms, 0, 0, 1, b"broken")
    book.times("acme")
    await teach.read()
    assert book.counters["fleets"] == 0
    store.is_away = True
    with pytest.raises(StoreError):
        await teach.look()
    store.is_away = False
    await teach.look()
    assert book.counters["fleets"] == 0
    clock.ms += TRY_AGAIN_MS
    await teach.look()
    assert book.counters["fleets"] == 1


async def test_without_days_nothing_is_learned(history):
    """`travel_days` 0: what is stored is taught, and the history never read."""
    store = Store()
    _, book, teach = teaching(store, history, days=0)
    book.times("acme")
    await teach.look()
    assert not store.kept


async def test_postgres_keeps_the_newest_table(each_database):
    """What is put is found, byte for byte; an older one does not take its place; fleets are apart."""
    store = PostgresTravelStore(each_database)
    assert await store.made() == {}
    assert await store.find("acme") is None
    newest = StoredTravel("acme", 20, 1, 2, 3, bytes(range(256)) * 100)
    await store.put(newest)
    await store.put(StoredTravel("acme", 19, 1, 2, 3, b"old"))
    await store.put(StoredTravel("globex", 5, 1, 2, 3, b""))
    assert await store.find("acme") == newest
    assert await store.made() == {"acme": 20, "globex": 5}
    await asyncio.gather(*(store.put(StoredTravel("acme", 20 + i, 0, 0, 0, b"%d" % i)) for i in range(5)))
    assert (await store.find("acme")).table == b"4"
