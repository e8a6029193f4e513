"""What survives a restart: the store on each PostgreSQL, saving behind the step, restoring before it."""

import asyncio

import numpy as np
import pytest

from geo.fence_area import Circle
from geo.positions import from_columns, position_batch
from geo.track_filter import FilterLimits
from haulcast.checkpoints import checkpoint_loop
from haulcast.checkpoints.checkpoint_loop import CheckpointLoop, saving
from haulcast.checkpoints.checkpoint_store import NUMBERS, Checkpoints
from haulcast.checkpoints.checkpoint_store_memory import MemoryCheckpointStore
from haulcast.checkpoints.checkpoint_store_postgres import PostgresCheckpointStore
from haulcast.checkpoints.restoring import restore_vehicles
from haulcast.errors import StoreError
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.fences.watch import FenceWatch
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.tracking.event_documents import EventDocuments
from haulcast.tracking.step import HubState, step
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore

LIMITS = FilterLimits(60_000, 10**9, 90.0, 1e7, 2_000.0, 1e6, 1e6)
NOW_MS = 1_790_000_000_000


def checkpoints_of(
    *names: tuple[str, str], visits: str = "[]", pairs: str = "[]", seed: int = 0
) -> Checkpoints:
    """Random numbers, extreme integers and NaN among them."""
    random = np.random.default_rng(seed)
    numbers = {}
    for name, dtype in NUMBERS.items():
        if dtype is np.int64:
            numbers[name] = random.integers(-(2**63), 2**63 - 1, len(names))
        else:
            numbers[name] = np.where(random.random(len(names)) < 0.3, np.nan, random.normal(size=len(names)))
    count = len(names)
    fleets, vehicles = [f for f, _ in names], [v for _, v in names]
    return Checkpoints(
        fleets, vehicles, [visits] * count, [pairs] * count, ['{"route": "r1"}'] * count, numbers
    )


async def read(store) -> dict[tuple[str, str], tuple]:
    """All that is stored, by vehicle."""
    found = {}
    async for portion in store.read_all():
        for i, names in enumerate(zip(portion.fleet, portion.vehicle, strict=True)):
            texts = portion.visits[i], portion.pairs[i], portion.route[i]
            found[names] = (*texts, *(repr(portion.numbers[name][i].item()) for name in NUMBERS))
    return found


def shown(checkpoints: Checkpoints) -> dict[tuple[str, str], tuple]:
    return {
        names: (
            checkpoints.visits[i],
            checkpoints.pairs[i],
            checkpoints.route[i],
            *(repr(checkpoints.numbers[name][i].item()) for name in NUMBERS),
        )
        for i, names in enumerate(zip(checkpoints.fleet, checkpoints.vehicle, strict=True))
    }


async def test_what_is_saved_comes_back_bit_for_bit_and_the_newest_wins(each_database):
    """Of each fleet its own; saving again replaces."""
    store, names = PostgresCheckpointStore(each_database), [("acme", "ü"), ("globex", "ü"), ("acme", "b")]
    await PostgresVehicleStore(each_database).add_missing(names)
    visits = '[["yard", 9007199254740991, 5]]'
    pairs = '[["convoy", "b", 9007199254740991, 5, true]]'
    await store.save(checkpoints_of(*names))
    newest = checkpoints_of(*names[:2], visits=visits, pairs=pairs, seed=1)
    assert await store.save(newest) == []
    assert await read(store) == shown(checkpoints_of(*names)) | shown(newest)


async def test_a_deleted_vehicle_has_no_checkpoint_and_no_save_brings_it_back(each_database):
    """The deletion takes it away, also while a save waits; the others of that save are saved."""
    store, vehicles = PostgresCheckpointStore(each_database), PostgresVehicleStore(each_database)
    names = [("acme", "a"), ("acme", "b"), ("globex", "a")]
    await vehicles.add_missing(names)
    await store.save(checkpoints_of(*names))
    async with each_database.connection() as connection, connection.transaction():
        await connection.execute("DELETE FROM vehicles WHERE fleet = 'acme' AND vehicle_id = 'a'")
        late = asyncio.create_task(store.save(checkpoints_of(*names, seed=2)))
        done, _ = await asyncio.wait([late], timeout=0.2)
        assert not done  # it waits for the deletion
    assert await late == [0]
    assert await read(store) == {
        k: v for k, v in shown(checkpoints_of(*names, seed=2)).items() if k != names[0]
    }


class Run:
    """One run of the hub without sockets."""

    def __init__(self) -> None:
        self.rows = VehicleRows()
        self.state = HubState(FenceWatch(first_visit=100))
        self.catalogue = FenceCatalogue(self.rows.fleet_number_of)
        self.documents = EventDocuments(
            self.rows, lambda handle: (self.catalogue.id_of(handle), self.catalogue.name_of(handle)), lambda n: (f"r{n}", ""), 1
        )  # fmt: skip

    def loop(self, store, interval_s: float = 3600.0) -> CheckpointLoop:
        return CheckpointLoop(
            store, self.state, self.rows, self.catalogue.id_of, interval_s, self.state.track.sequences,
            documents=self.documents,
        )  # fmt: skip

    def step(self, *fixes: tuple[str, str, int, float], accuracy_m: float = np.nan):
        """Of (fleet, vehicle, seq, lat), a second a sequence."""
        rows = [self.rows.row_of(fleet, vehicle) for fleet, vehicle, _, _ in fixes]
        self.state.ensure_rows(len(self.rows), self.rows.fleet_number)
        batch = position_batch(len(fixes))
        columns = {name: getattr(batch, name) for name in ("row", *list(NUMBERS)[:9])}
        columns["row"] = np.array(rows, np.int32)
        columns["seq"] = np.array([seq for _, _, seq, _ in fixes], np.int64)
        columns["time_ms"] = NOW_MS + 1_000 * columns["seq"]
        columns["lat_deg"] = np.array([lat for *_, lat in fixes], float)
        columns["lon_deg"] = np.full(len(fixes), 10.0)
        columns["accuracy_m"] = np.full(len(fixes), accuracy_m)
        return step(self.state, from_columns(columns.values()), self.catalogue.current, NOW_MS, LIMITS)


async def _first_run(store, vehicles) -> tuple[Run, int]:
    """Two fleets with a truck each in a fence of theirs, saved."""
    run = Run()
    for fleet in ("acme", "globex"):
        run.catalogue.put(fleet, "yard", "Yard", Circle(50.0, 10.0, 1_000.0))
    await run.catalogue.settled()
    await vehicles.add_missing([("acme", "t"), ("globex", "t")])
    loop = run.loop(store)
    loop.on_step(run.step(("acme", "t", 5, 49.0), ("globex", "t", 1, 49.0)))
    entered = run.step(("acme", "t", 7, 50.0))
    loop.on_step(entered)
    await loop.save_rest()
    assert (loop.counters["saved"], loop.counters["waiting"]) == (2, 0)
    return run, int(entered.events.visit[0])


@pytest.mark.parametrize("change", ["none", "deleted", "moved away"])
async def test_a_restart_tells_nothing_twice_and_says_what_the_fences_did_meanwhile(each_database, change):
    """Unchanged: no event, then one exit of the same visit. Deleted or moved fence: one exit, with cause fence_changed."""
    store, vehicles = PostgresCheckpointStore(each_database), PostgresVehicleStore(each_database)
    before, visit = await _first_run(store, vehicles)
    after = Run()
    if change != "deleted":
        after.catalogue.put("acme", "yard", "Yard", Circle(50.0 if change == "none" else 60.0, 10.0, 1_000.0))
    await after.catalogue.settled()
    await restore_vehicles(store, after.state, after.rows, after.catalogue.handle_of)
    row = after.rows.find("acme", "t")
    old = before.rows.find("acme", "t")
    assert after.state.last.of(row) == before.state.last.of(old)
    assert after.state.track.handled_seq(np.array([row])).tolist() == [7]
    resent = after.step(("acme", "t", 7, 50.0), ("acme", "t", 5, 49.0))
    assert len(resent.accepted) == 0
    assert (resent.refused.reasons & 16).all()
    late = after.step(("acme", "t", 6, 49.5))
    assert late.is_late.tolist() == [True]
    left = after.step(("acme", "t", 9, 49.0))
    events = [
        (int(e.kind[0]), int(e.cause[0]), int(e.visit[0])) for e in (resent.events, left.events) if len(e)
    ]
    assert events == [(1, 0 if change == "none" else 1, visit)]
    handle = int((left if change == "none" else resent).events.handle[0])
    assert (after.catalogue.fleet_of(handle), after.catalogue.id_of(handle)) == ("acme", "yard")
    assert after.state.fences.state.next_visit > visit


BESIDE, WELL_INSIDE = 50.0092, 50.0085  # 23 m outside of a kilometre around 50, 55 m inside


@pytest.mark.parametrize("last", [BESIDE, WELL_INSIDE])
async def test_what_is_in_doubt_goes_over_a_restart(last):
    """A fix outside that proves nothing yet is no exit because the hub stops; the next one decides, and tells the crossing of before."""
    runs, store, told = (Run(), Run()), MemoryCheckpointStore(), []
    for run in runs:
        run.catalogue.put("acme", "yard", "Yard", Circle(50.0, 10.0, 1_000.0))
        await run.catalogue.settled()
    before, after = runs
    loop = before.loop(store)
    for seq, lat in enumerate((50.05, 50.0, WELL_INSIDE, BESIDE), 1):
        result = before.step(("acme", "t", seq, lat), accuracy_m=30.0)
        told += result.events.kind.tolist()
        loop.on_step(result)
    await loop.save_rest()
    assert told == [0]
    await restore_vehicles(store, after.state, after.rows, after.catalogue.handle_of)
    assert not len(after.step(accuracy_m=30.0).events)
    events = [run.step(("acme", "t", 5, last), accuracy_m=30.0).events for run in runs]
    assert len(events[1]) == (last == BESIDE)
    for name in ("kind", "cause", "visit", "time_ms", "lat_deg", "entered_ms", "fix_time_ms"):
        assert getattr(events[0], name).tolist() == getattr(events[1], name).tolist()
    if last == BESIDE:
        assert (events[1].cause[0], events[1].fix_time_ms[0]) == (0, NOW_MS + 5_000)
        assert NOW_MS + 3_000 < events[1].time_ms[0] < NOW_MS + 4_000


class Away:
    """A store that cannot be reached until it is."""

    def __init__(self) -> None:
        self.is_there = False
        self.tries = 0
        self.saved: list[str] = []

    async def save(self, checkpoints: Checkpoints, events=(), deleted=()) -> list[int]:
        self.tries += 1
        if not self.is_there:
            raise StoreError("database_unreachable", "gone")
        self.saved += checkpoints.vehicle
        return []


async def test_a_store_that_is_away_is_tried_again_and_costs_no_memory(wait_until, monkeypatch):
    """Rows wait, each once; a deleted vehicle is not saved; the rest is saved when the store is back."""
    monkeypatch.setattr(checkpoint_loop, "RETRY_S", 0.01)
    run, store = Run(), Away()
    loop = run.loop(store, interval_s=0.01)
    async with saving(loop):
        for seq in range(20):
            loop.on_step(run.step(*(("acme", f"v{i}", seq, 49.0) for i in range(5))))
        await wait_until(lambda: store.tries > 3)
        assert (loop.counters["saved"], loop.counters["waiting"]) == (0, 5)
        gone = run.rows.find("acme", "v3")
        run.state.last.forget(gone)
        loop.forget(gone)
        store.is_there = True
        await wait_until(lambda: loop.counters["waiting"] == 0)
    assert sorted(store.saved) == ["v0", "v1", "v2", "v4"]


async def test_an_event_is_saved_at_once_and_a_move_with_the_interval(wait_until):
    """The interval is an hour: only who entered a fence is saved before the end, and the rest at it."""
    run, store = Run(), Away()
    store.is_there = True
    run.catalogue.put("acme", "yard", "Yard", Circle(50.0, 10.0, 1_000.0))
    await run.catalogue.settled()
    loop = run.loop(store)
    async with saving(loop):
        loop.on_step(
            run.step(("acme", "in", 1, 50.0), ("acme", "out", 1, 49.0), ("acme", "bad\x00", 1, 49.0))
        )
        await wait_until(lambda: store.saved == ["in"])
    assert store.saved == ["in", "out"]
