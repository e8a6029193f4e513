"""Whatever fails in whatever order: each event is stored once, with its visit, and before its fix is acked.

The hub here is the real one but for sockets and databases: step, history writer, checkpoint loop. It is killed and comes back from its
checkpoints, the store goes away before or after it has done what it was asked, vehicles come on record late, fixes come again.
"""

import asyncio
from contextlib import suppress
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fence_area import Circle
from geo.positions import PositionBatch, concatenate, position_batch
from geo.track_filter import FilterLimits
from haulcast.checkpoints import checkpoint_loop
from haulcast.checkpoints.checkpoint_loop import CheckpointLoop
from haulcast.checkpoints.checkpoint_store_memory import MemoryCheckpointStore
from haulcast.checkpoints.newer_fixes import NewerFixes, redo
from haulcast.checkpoints.restoring import first_number, restore_vehicles
from haulcast.errors import StoreError
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.fences.watch import FenceWatch
from haulcast.history import history_writer
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.history.history_writer import HistoryWriter
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.tracking.event_documents import EventDocuments
from haulcast.tracking.step import HubState, step

NOW_MS = 1_790_000_000_000
LIMITS = FilterLimits(10**9, 10**9, 1e9, 1e9, 1e4, 1e6, 1e6)
VEHICLES = 3
PLACES = {"": 50.0, "a": 50.1, "ab": 50.2, "b": 50.3}  # by the fences that they are in
FENCES = {"a": Circle(50.15, 10.0, 8_000.0), "b": Circle(50.25, 10.0, 8_000.0)}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Waits become turns of the loop; who is not on record is waited for."""
    for name in ("PAUSE_S", "RETRY_S"):
        monkeypatch.setattr(checkpoint_loop, name, 0.0)
    monkeypatch.setattr(checkpoint_loop, "MOST_MISSES", 10**9)
    monkeypatch.setattr(checkpoint_loop, "PORTION", 2)
    for name in ("FIRST_RETRY_S", "LAST_RETRY_S"):
        monkeypatch.setattr(history_writer, name, 0.0)


class Store(MemoryCheckpointStore):
    """Does what it is asked, or fails before, or after it has done it."""

    def __init__(self) -> None:
        super().__init__()
        self.vehicles = set()
        self.fails = ""

    async def save(self, checkpoints, events=(), deleted=()):
        await asyncio.sleep(0)
        if self.fails == "before":
            raise StoreError("away", "gone")
        missing = await super().save(checkpoints, events, deleted)
        await asyncio.sleep(0)
        if self.fails == "after":
            raise StoreError("away", "gone in the middle")
        return missing


class Life:
    """One run of the hub."""

    def __init__(self, store: Store, kept: MemoryHistoryStore, *, is_second: bool = False) -> None:
        self.is_second = is_second
        self.rows = VehicleRows()
        self.state = HubState(FenceWatch(first_visit=1))
        self.catalogue = FenceCatalogue(self.rows.fleet_number_of)
        self.store, self.kept = store, kept

    async def start(self) -> None:
        for fence_id, area in FENCES.items():
            self.catalogue.put("acme", fence_id, fence_id.upper(), area)
        await self.catalogue.settled()
        for i in range(VEHICLES):
            self.rows.row_of("acme", f"v{i}")
        self.state.ensure_rows(VEHICLES, self.rows.fleet_number)
        await restore_vehicles(self.store, self.state, self.rows, self.catalogue.handle_of)
        first = await first_number(self.store, self.state, 0)
        documents = EventDocuments(
            self.rows,
            lambda handle: (self.catalogue.id_of(handle), self.catalogue.name_of(handle)),
            lambda number: ("", ""),
            first,
        )
        self.writer = HistoryWriter(
            self.kept, self.state.track, buffer_bytes=10**9, commit_s=0.0, now_ms=lambda: NOW_MS
        )
        self.loop = CheckpointLoop(
            self.store, self.state, self.rows, self.catalogue.id_of, 3_600.0, self.writer.sequences,
            documents=documents,
        )  # fmt: skip
        if self.is_second:
            await redo(self, self.state, self.rows, lambda fixes: self.loop.on_step(self.take(fixes)), NOW_MS)
        self.writer.listen(
            on_stored=self.loop.on_stored,
            on_refused=lambda refused: None,
            on_resend=lambda rows, seqs: None,
            events=self.loop.events,
        )
        self.tasks = [asyncio.create_task(part.run()) for part in (self.loop, self.writer)]

    async def read_newer(self):
        """As `NewerFixStore` has it."""
        found = []
        for row in range(VEHICLES):
            last_ms = int(self.state.last.time_ms[row]) if self.state.last.is_known[row] else 0
            page = await self.kept.read("acme", f"v{row}", last_ms + 1, 2**62, None, 10**6)
            page.fixes.row[:] = row
            found.append(page.fixes)
        fixes = concatenate(found)
        fixes = fixes.take(np.argsort(fixes.time_ms, kind="stable"))
        if len(fixes):
            yield NewerFixes(["acme"] * len(fixes), [f"v{row}" for row in fixes.row.tolist()], fixes)

    def take(self, fixes: PositionBatch):
        return step(self.state, fixes, self.catalogue.current, NOW_MS, LIMITS)

    async def kill(self) -> None:
        for task in self.tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def step(self, row: int, fixes: list[tuple[int, str]]) -> list[tuple]:
        """Of (sequence, where); returns the events."""
        batch = position_batch(len(fixes))
        for i, (seq, where) in enumerate(fixes):
            batch.row[i], batch.seq[i] = row, seq
            batch.time_ms[i] = batch.received_ms[i] = NOW_MS + 1_000 * seq
            batch.lat_deg[i], batch.lon_deg[i] = PLACES[where], 10.0
        result = self.take(batch)
        self.writer.add(result.kept, np.unique(result.kept.row))
        self.writer.hold_refusals(result.refused)
        self.loop.on_step(result)
        return self.loop._documents.of(result)

    def acked(self, row: int) -> int:
        return int(self.writer.handled_seq(np.array([row]))[0])


def shown(events) -> list[tuple]:
    return [(e.said["vehicle"], e.said["fence"], e.said["event"], e.said["time_ms"]) for e in events]


class Story:
    """Lives of the hub, one after the other, and vehicles that are now here, now there."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.store = Store()
        self.kept = MemoryHistoryStore(lambda row: ("acme", f"v{row}"))
        self.places: list[list[str]] = [[] for _ in range(VEHICLES)]
        self.sent = [-1] * VEHICLES  # the highest sequence of this life
        self.acked = [-1] * VEHICLES
        self.life, self.oracle = Life(self.store, self.kept), Life(Store(), self.kept)
        self.told: list[tuple] = []

    def drive(self, row: int, count: int) -> None:
        for _ in range(count):
            self.places[row].append(self.random.choice(list(PLACES)))
        fixes = list(enumerate(self.places[row]))[-count:]
        self.told += shown(self.oracle.step(row, fixes))

    def send(self, row: int, count: int) -> None:
        begin = self.sent[row] + 1
        fixes = list(enumerate(self.places[row]))[begin : begin + count]
        self.sent[row] += len(fixes)
        self.life.step(row, fixes)

    async def rest(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def do(self, action: str, row: int, count: int) -> None:
        match action:
            case "drive":
                self.drive(row, count)
                self.send(row, count)
            case "again":
                self.sent[row] = self.acked[row]
                self.send(row, count)
            case "before" | "after" | "":
                self.store.fails = action
            case "record":
                self.store.vehicles.add(("acme", f"v{row}"))
            case "rest":
                await self.rest(3 * count)
            case "kill":
                await self.kill()
        self.hear()

    async def kill(self) -> None:
        await self.life.kill()
        self.life = Life(self.store, self.kept, is_second=True)
        await self.life.start()
        self.sent = list(self.acked)

    def hear(self) -> None:
        """Acks arrive; what is acked is told."""
        self.acked = [max(self.acked[row], self.life.acked(row)) for row in range(VEHICLES)]
        stored = shown(self.store.events.values())
        assert len(stored) == len(set(stored))
        acked_ms = {f"v{row}": NOW_MS + 1_000 * seq for row, seq in enumerate(self.acked)}
        assert {event for event in self.told if event[3] <= acked_ms[event[0]]} <= set(stored)

    async def heal(self) -> None:
        """Nothing fails any more: everything gets through."""
        self.store.fails = ""
        self.store.vehicles = {("acme", f"v{row}") for row in range(VEHICLES)}
        for _ in range(200):
            for row in range(VEHICLES):
                self.send(row, 5)
            await self.rest(10)
            self.hear()
            if all(seq == len(places) - 1 for seq, places in zip(self.acked, self.places, strict=True)):
                return


ACTIONS = (
    ["drive"] * 6 + ["rest"] * 5 + ["again", "before", "after", "", "", "record", "record", "kill", "kill"]
)


async def tell(seed: int, actions: list[tuple[str, int, int]]) -> Story:
    """A story of failures, and its end."""
    story = Story(seed)
    for life in (story.life, story.oracle):
        await life.start()
    try:
        for action in actions:
            await story.do(*action)
        await story.heal()
    finally:
        for life in (story.life, story.oracle):
            await life.kill()
    return story


def visits_of(told: list[tuple]) -> list[tuple]:
    """(vehicle, fence, from, to) of events in order."""
    visits, opened = [], {}
    for vehicle, fence, event, time_ms in told:
        if event == "enter":
            opened[vehicle, fence] = time_ms
        else:
            visits.append((vehicle, fence, opened.pop((vehicle, fence)), time_ms))
    return sorted([*visits, *((*key, time_ms, None) for key, time_ms in opened.items())], key=str)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    actions=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, VEHICLES - 1), st.integers(1, 5)), max_size=60
    ),
)
def test_every_event_is_stored_once_before_its_fix_is_acked(seed, actions):
    """In the end events and visits are those of a hub that nothing happened to, each visit under one id, in order by vehicle."""
    story = asyncio.run(tell(seed, actions))
    assert story.acked == [len(places) - 1 for places in story.places]
    assert len(story.life.loop.events) == 0
    stored = shown(story.store.events.values())
    for vehicle in {event[0] for event in story.told}:
        own = [event for event in story.told if event[0] == vehicle]
        assert [event for event in stored if event[0] == vehicle] == own
    visits = [(v.vehicle, v.fence, v.entered_ms, v.left_ms) for v in story.store.visits.values()]
    assert sorted(visits, key=str) == visits_of(story.told)
    for event in story.store.events.values():
        visit = story.store.visits["acme", event.visit]
        assert event.said["time_ms"] in {visit.entered_ms, visit.left_ms}
        place = visit.entered if event.said["event"] == "enter" else visit.left
        assert place == (event.said["lat"], event.said["lon"])
