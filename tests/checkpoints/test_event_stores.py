"""Events and visits in each store, and those that wait for it: order, bounds, and vehicles that are on no record."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

import asyncpg
import numpy as np
import pytest
from test_checkpoints import Away, Run, checkpoints_of

from geo.fence_area import Circle
from geo.fence_events import NONE, Cause, Kind, fence_events
from haulcast.checkpoints import checkpoint_loop, event_rows
from haulcast.checkpoints.checkpoint_loop import saving
from haulcast.checkpoints.checkpoint_store_memory import MemoryCheckpointStore
from haulcast.checkpoints.checkpoint_store_postgres import PostgresCheckpointStore
from haulcast.checkpoints.newer_fixes import PostgresNewerFixes
from haulcast.checkpoints.restoring import NUMBERS_APART, first_number
from haulcast.checkpoints.waiting_events import EVENT_BYTES, WaitingEvents
from haulcast.errors import NotFoundError
from haulcast.history.history_store_postgres import PostgresHistoryStore
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.tracking.event_documents import EventDocuments
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore

T0_MS = 1_790_000_000_000


class Told:
    """Events of vehicles a and b of fleet acme, as documents."""

    def __init__(self) -> None:
        self.rows = VehicleRows()
        for vehicle in ("a", "b"):
            self.rows.row_of("acme", vehicle)
        self.documents = EventDocuments(
            self.rows, lambda handle: (f"f{handle}", f"F{handle}"), lambda number: (f"r{number}", "R"), 1
        )

    def __call__(self, *events: dict) -> list:
        """Each of the columns given; at lat = time / 10 unless it is said."""
        made = []
        for event in events:
            at = event.get("time_ms", 0) - T0_MS
            columns = {
                "row": 0,
                "handle": 3,
                "kind": Kind.ENTER,
                "cause": Cause.MOVED,
                "visit": 7,
                "lat_deg": at / 10,
            }
            columns |= {"lon_deg": 1.0, "fix_time_ms": T0_MS, **event}
            named = {name: np.array([value]) for name, value in columns.items()}
            made += self.documents.of(SimpleNamespace(events=fence_events(**named)))
        return made


ENTER = {"kind": Kind.ENTER, "time_ms": T0_MS + 10, "entered_ms": T0_MS + 10}
EXIT = {"kind": Kind.EXIT, "time_ms": T0_MS + 90, "entered_ms": T0_MS + 10, "left_ms": T0_MS + 90}
EARLIER = {"kind": Kind.CORRECTED, "time_ms": T0_MS + 5, "entered_ms": T0_MS + 5, "cause": Cause.LATE}
LATER = {"kind": Kind.CORRECTED, "time_ms": T0_MS + 95, "entered_ms": T0_MS + 10, "left_ms": T0_MS + 95}
LASTS = {"kind": Kind.CORRECTED, "time_ms": T0_MS + 10, "entered_ms": T0_MS + 10, "lat_deg": 8.8}
WITHDRAWN = {"kind": Kind.WITHDRAWN, "time_ms": T0_MS + 10, "entered_ms": T0_MS + 10}
OF_RULE = {**EXIT, "rule": 5}
NEAR = {"kind": Kind.NEAR, "handle": NONE, "visit": 8, "other": 1, "rule": 5, "value": 3.0, "time_ms": T0_MS}

STORIES = {
    "enter": ([ENTER], (10, 1.0, None, None)),
    "enter, exit": ([ENTER, EXIT], (10, 1.0, 90, 9.0)),
    "an exit of a visit that began before there was a table": ([EXIT], (10, None, 90, 9.0)),
    "it began earlier": ([ENTER, EARLIER], (5, 0.5, None, None)),
    "it ended later": ([ENTER, EXIT, LATER], (10, 1.0, 95, 9.5)),
    "it has not ended: where it ended is not where it began": ([ENTER, EXIT, LASTS], (10, 1.0, None, None)),
    "it has not ended, and then it has": ([ENTER, EXIT, LASTS, LATER], (10, 1.0, 95, 9.5)),
    "it never was": ([ENTER, EXIT, WITHDRAWN], None),
    "what rules say is no visit": ([ENTER, OF_RULE, NEAR], (10, 1.0, None, None)),
}


async def visits_in(store) -> dict[int, tuple]:
    """Times since T0_MS and latitudes, by visit."""
    if isinstance(store, MemoryCheckpointStore):
        found = [
            (v.visit, v.entered_ms, (v.entered or [None])[0], v.left_ms, (v.left or [None])[0])
            for v in store.visits.values()
        ]
    else:
        query = "SELECT visit, entered_ms, entered_lat, left_ms, left_lat FROM visits"
        async with store._database.connection() as connection:
            found = [tuple(row) for row in await connection.fetch(query)]
    return {
        visit: (entered_ms - T0_MS, entered, left_ms and left_ms - T0_MS, left)
        for visit, entered_ms, entered, left_ms, left in found
    }


@pytest.fixture(params=["memory", "postgres"])
def store(request):
    """Each store, with nothing in it."""
    if request.param == "memory":
        return MemoryCheckpointStore()
    return PostgresCheckpointStore(request.getfixturevalue("database"))


@pytest.mark.parametrize("name", STORIES)
async def test_visits_follow_from_facts_however_they_are_grouped(store, name):
    """Event by event, all in one save, and all once more, as after a commit whose outcome is not known: the same visit."""
    events, wanted = STORIES[name]
    nobody = checkpoints_of()
    told = Told()
    one_by_one, together = (
        told(*events),
        told(*({**event, "visit": 70} for event in events if event is not NEAR)),
    )
    for event in one_by_one:
        await store.save(nobody, [event])
    await store.save(nobody, together)
    await store.save(nobody, together)
    if len(together) > 1:
        await store.save(nobody, together[-2:])
    found = await visits_in(store)
    assert (found.pop(7, None), found.pop(70, None), found) == (wanted, wanted, {})


async def test_events_are_rows_in_order_and_say_what_the_live_socket_says(each_database):
    """All columns, on both servers; a second save of the same adds nothing."""
    store, told = PostgresCheckpointStore(each_database), Told()
    events = told(ENTER, {**OF_RULE, "row": 1}, {**NEAR, "lat_deg": float("nan")})
    assert await store.newest_event() == -1
    for _ in range(2):
        await store.save(checkpoints_of(), events)
    query = """
        SELECT event_id, fleet, vehicle_id, other_id, fence_id, rule_id, kind, time_ms - 1790000000000 AS time, document->>'vehicle' AS said
        FROM events ORDER BY number
    """
    async with each_database.connection() as connection:
        rows = [tuple(row) for row in await connection.fetch(query)]
        documents = [
            row[0] for row in await connection.fetch("SELECT document::text FROM events ORDER BY number")
        ]
    assert rows == [
        ("0000000000000001", "acme", "a", None, "f3", None, "enter", 10, "a"),
        ("0000000000000002", "acme", "b", None, "f3", "r5", "exit", 90, "b"),
        ("0000000000000003", "acme", "a", "b", None, "r5", "near", 0, "a"),
    ]
    assert [document.encode() for document in documents] == [event.body for event in events]
    assert await store.newest_event() == 3


async def test_numbers_go_on_above_the_last_ones_when_the_clock_was_set_back(store):
    """Events and visits; with a clock that is right they are its microseconds."""
    await store.save(checkpoints_of(), Told()(*[ENTER] * 4))
    run = Run()
    assert await first_number(store, run.state, 3) == 4 + NUMBERS_APART == run.state.fences.state.next_visit
    assert await first_number(store, run.state, 10**15) == 10**15


async def test_events_of_a_vehicle_that_is_not_on_record_are_left_and_the_others_stored(database):
    """With its checkpoint, or not at all; of a vehicle that the save does not name, all the same."""
    store, told = PostgresCheckpointStore(database), Told()
    await PostgresVehicleStore(database).add_missing([("acme", "a")])
    events = told(ENTER, {**ENTER, "row": 1, "visit": 9})
    assert await store.save(checkpoints_of(("acme", "a"), ("acme", "b")), events) == [1]
    assert list(await visits_in(store)) == [7]
    await store.save(checkpoints_of(("acme", "a")), events)
    assert list(await visits_in(store)) == [7, 9]


async def test_a_save_that_fails_in_the_middle_has_done_nothing(database):
    """A document that is no JSON: neither the checkpoint nor any event is there."""
    store, told = PostgresCheckpointStore(database), Told()
    await PostgresVehicleStore(database).add_missing([("acme", "a")])
    good, bad = told(ENTER, EXIT)
    with pytest.raises(asyncpg.DataError):
        await store.save(checkpoints_of(("acme", "a")), [good, bad._replace(body=b"{")])
    assert (await visits_in(store), await store.newest_event()) == ({}, -1)
    assert [portion async for portion in store.read_all()] == []


async def test_what_waits_is_bounded_and_what_is_dropped_is_counted():
    """Three fit: the others are not stored, those waiting are, in order, and who waited for any of them goes on."""
    told = Told()
    events = told(*[ENTER] * 5)
    waiting = WaitingEvents(most_bytes=3 * (EVENT_BYTES + len(events[0].body)))
    waiting.add(events)
    assert (len(waiting), waiting.dropped, waiting.told) == (3, 2, 5)
    until = asyncio.create_task(waiting.stored_until(5))
    await asyncio.sleep(0)
    assert not until.done()
    assert waiting.take_stored(waiting.of_rows([0])) == 3
    await until
    assert (len(waiting), waiting.stored) == (0, 3)
    waiting.add(told(ENTER))
    assert (len(waiting), waiting.dropped) == (1, 2)


async def test_vehicles_that_are_told_near_are_saved_together():
    """The second vehicle of a pair, and those that it is near to in turn; nobody else."""
    told = Told()
    told.rows.row_of("acme", "c")
    waiting = WaitingEvents()
    waiting.add(told(NEAR, {**NEAR, "row": 1, "other": 2}, {**ENTER, "row": 2}))
    assert waiting.linked([0]) == [0, 1, 2]
    assert waiting.linked([2]) == [2]
    assert waiting.rows(2, 10**6) == [0, 1]
    assert waiting.rows(9, 0) == [0]


class Records(MemoryCheckpointStore):
    """A store in which vehicles have to be put on record, and that refuses some."""

    def __init__(self) -> None:
        super().__init__()
        self.vehicles = set()
        self.poison = ""
        self.saved: list[list[str]] = []

    async def save(self, checkpoints, events=(), deleted=()):
        if self.poison in checkpoints.vehicle:
            raise ValueError("no")
        self.saved.append(list(checkpoints.vehicle))
        return await super().save(checkpoints, events, deleted)


@pytest.fixture
async def run(monkeypatch):
    """A run with a fence, whose saver does not wait."""
    monkeypatch.setattr(checkpoint_loop, "PAUSE_S", 0.0)
    monkeypatch.setattr(checkpoint_loop, "RETRY_S", 0.0)
    made = Run()
    made.catalogue.put("acme", "yard", "Yard", Circle(50.0, 10.0, 1_000.0))
    await made.catalogue.settled()
    return made


def stored(store) -> list[tuple[str, str]]:
    return [(event.said["vehicle"], event.said["event"]) for event in store.events.values()]


async def test_a_vehicle_gets_on_record_in_time_or_its_events_are_stored_without_it(run, wait_until):
    """Its events wait for a while, others do not; later it is on record after all, and has its checkpoint at once."""
    store, woken = Records(), []
    store.vehicles.add(("acme", "known"))
    loop = run.loop(store)
    loop._on_events_stored = lambda: woken.append(1)
    async with saving(loop):
        loop.on_step(run.step(("acme", "late", 1, 50.0), ("acme", "known", 1, 50.0)))
        await loop.events.stored_until(loop.events.told)
        assert stored(store) == [("known", "enter"), ("late", "enter")]
        assert len(store.saved) > checkpoint_loop.MOST_MISSES
        assert len(woken) == 2
        store.vehicles.add(("acme", "late"))
        loop.on_step(run.step(("acme", "late", 2, 49.0)))
        await wait_until(lambda: ("acme", "late") in store._checkpoints)
    assert stored(store)[2:] == [("late", "exit")]


async def test_what_was_told_of_a_vehicle_is_stored_though_it_is_deleted(run):
    """Its checkpoint is not."""
    store = Records()
    loop = run.loop(store)
    loop.on_step(run.step(("acme", "gone", 1, 50.0)))
    row = run.rows.find("acme", "gone")
    run.state.last.forget(row)
    run.state.fences.forget(row)
    loop.forget(row)
    await loop.save_rest()
    assert (stored(store), store._checkpoints, len(loop.events)) == ([("gone", "enter")], {}, 0)


@pytest.mark.parametrize("is_under_way", [False, True])
async def test_a_visit_that_is_stored_after_its_vehicle_was_deleted_does_not_last(
    run, database, monkeypatch, is_under_way
):
    """It has ended, also when its events were just being stored; that of the vehicle that comes back under the same id lasts."""
    store, vehicles = PostgresCheckpointStore(database), PostgresVehicleStore(database)
    loop = run.loop(store)
    loop.on_step(run.step(("acme", "gone", 1, 50.0), ("acme", "other", 1, 50.0)))
    row = run.rows.find("acme", "gone")
    if is_under_way:  # of a vehicle that was not on record in time; nothing makes its deletion wait
        loop._unbound.add(row)
    await vehicles.add_missing([("acme", "gone"), ("acme", "other")])
    saving_one = asyncio.create_task(loop.save_portion()) if is_under_way else None
    if saving_one is not None:
        monkeypatch.setattr(event_rows, "write_events", _after(vehicles, event_rows.write_events))
        await asyncio.sleep(0)
    else:
        await vehicles.delete("acme", "gone")
    for part in (run.state.last, run.state.fences, loop):
        part.forget(row)
    if saving_one is not None:
        await saving_one
    loop.on_step(run.step(("acme", "gone", 2, 50.0)))
    await loop.save_rest()
    async with database.connection() as connection:
        visits = await connection.fetch(
            "SELECT vehicle_id, left_ms IS NULL FROM visits ORDER BY vehicle_id, visit"
        )
    assert [tuple(visit) for visit in visits] == [("gone", False), ("gone", True), ("other", True)]
    assert not loop._deleted


def _after(vehicles, write_events):
    """Stores events right after the deletion of their vehicle."""

    async def write(connection, events):
        if any(event.said["vehicle"] == "gone" for event in events):
            with suppress(NotFoundError):
                await vehicles.delete("acme", "gone")
        await write_events(connection, events)

    return write


async def test_one_vehicle_that_can_never_be_stored_holds_up_nobody_for_long(run, wait_until):
    """It is found, its events are dropped and counted, the others' are stored."""
    store = Records()
    store.vehicles, store.poison = None, "bad"
    loop = run.loop(store)
    async with saving(loop):
        loop.on_step(run.step(*(("acme", name, 1, 50.0) for name in ("x", "bad", "y"))))
        await loop.events.stored_until(loop.events.told)
        assert sorted(stored(store)) == [("x", "enter"), ("y", "enter")]
    assert (loop.counters["events_stored"], loop.counters["events_dropped"]) == (2, 1)


async def test_more_vehicles_than_a_portion_are_all_stored(run, monkeypatch):
    """In several saves, the longest waiting first, each vehicle's events in order."""
    monkeypatch.setattr(checkpoint_loop, "PORTION", 3)
    store = Records()
    store.vehicles = None
    loop = run.loop(store)
    loop._most_rows = 3
    names = [f"v{i}" for i in range(8)]
    for seq, lat in enumerate((50.0, 49.0, 50.0)):
        loop.on_step(run.step(*(("acme", name, seq, lat) for name in names)))
    await loop.save_rest()
    assert [event for name, event in stored(store) if name == "v5"] == ["enter", "exit", "enter"]
    assert (len(store.events), max(map(len, store.saved)), loop.counters["events_stored"]) == (24, 3, 24)


async def test_a_store_that_is_away_gets_the_events_when_it_is_back(run, wait_until):
    """They wait, and so does who asks for them."""
    store = Away()
    loop = run.loop(store)
    async with saving(loop):
        loop.on_step(run.step(("acme", "a", 1, 50.0)))
        waiting = asyncio.create_task(loop.events.stored_until(loop.events.told))
        await wait_until(lambda: store.tries > 3)
        assert (loop.counters["events_waiting"], waiting.done()) == (1, False)
        store.is_there = True
        await waiting
    assert (loop.counters["events_waiting"], loop.counters["events_stored"]) == (0, 1)


async def test_fixes_newer_than_a_checkpoint_are_found_and_no_others(database):
    """Of vehicles on record: since their checkpoint, or since they are on record; in order of time; of others nothing."""
    rows = VehicleRows()
    names = [("acme", "saved"), ("acme", "fresh"), ("acme", "deleted")]
    for fleet, vehicle in names:
        rows.row_of(fleet, vehicle)
    history = PostgresHistoryStore(database, lambda row: (rows.fleet_of(row), rows.vehicle_of[row]))
    await PostgresVehicleStore(database).add_missing(names[:2])
    checkpoint = checkpoints_of(names[0])
    checkpoint.numbers["time_ms"][:] = T0_MS + 2_000
    await PostgresCheckpointStore(database).save(checkpoint)
    async with database.connection() as connection:
        now_ms = int(await connection.fetchval("SELECT extract(epoch FROM now()) * 1000"))
    run = Run()
    fixes = [(row, seq, 50.0) for seq in range(5) for row in range(3)]
    batch = run.step(*(("acme", names[row][1], seq, lat) for row, seq, lat in fixes)).accepted
    assert len(batch) == 15
    batch.time_ms[:] = T0_MS + 1_000 * batch.seq
    batch.received_ms[:] = np.where(batch.seq >= 3, now_ms, now_ms - 3_600_000)
    await history.write(batch)
    (found,) = [portion async for portion in PostgresNewerFixes(database).read_newer()]
    assert sorted(zip(found.vehicle, found.fixes.seq.tolist(), strict=True)) == [
        ("fresh", 3), ("fresh", 4), ("saved", 3), ("saved", 4),
    ]  # fmt: skip
    assert (np.diff(found.fixes.time_ms) >= 0).all()
    assert set(found.fleet) == {"acme"}
    assert found.fixes.lat_deg.tolist() == [50.0] * 4
