"""Writes down what has changed of each vehicle and what was told of it, behind the ticks: they never wait for the store.

Events are written at once, each in one transaction with the state that it leaves, so that no restart tells it twice; who merely
moved, every `checkpoint_interval_s`. Of these only the rows are remembered; events wait in bounded memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import numpy as np
import orjson
import structlog
from numpy.typing import NDArray

from haulcast.checkpoints.checkpoint_store import (
    NONE_OPEN,
    NUMBERS,
    Checkpoints,
    CheckpointStore,
    DeletedVehicle,
)
from haulcast.checkpoints.waiting_events import WaitingEvents
from haulcast.errors import StoreError
from haulcast.positions.last_positions import KEPT
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.tracking.event_documents import EventDocument, EventDocuments
from haulcast.tracking.step import HubState, StepResult

SAVED, MOVED, DUE, EVENT = 0, 1, 2, 3  # why a row waits, the most urgent highest
PORTION = 1_000  # rows in one save: some ms of the loop
PORTION_EVENTS = 5_000  # in one save, if they are of more than one row
MOST_MISSES = 30  # saves in which a vehicle with events was not on record; then it has none, and they are stored without it
MOST_FAILURES = 3  # of a save of one row with its events; then it has something in it that cannot be stored
PAUSE_S = 0.03  # between saves, so that events of several ticks share one
RETRY_S = 1.0
LAST_TRY_S = 5.0

log = structlog.get_logger()


class CheckpointLoop:
    """Listens to the step and saves.

    Args:
        fence_id_of: the id of a fence by its handle.
        sequences: what the next run is to believe of rows' sequences (`geo.track_filter.SEQUENCES`).
        interval_s: how often those are saved that merely moved.
        documents: of each step's events.
        on_events_stored: called after each save that held events.

    Attributes:
        events: those that are not stored yet.
        saved: checkpoints saved since the start.
    """

    def __init__(
        self,
        store: CheckpointStore,
        state: HubState,
        rows: VehicleRows,
        fence_id_of: Callable[[int], str],
        interval_s: float,
        sequences: Callable[[NDArray[np.integer]], NDArray[np.void]],
        *,
        documents: EventDocuments,
        on_events_stored: Callable[[], None] = lambda: None,
    ) -> None:
        self.saved = 0
        self.events = WaitingEvents()
        self._store = store
        self._state = state
        self._rows = rows
        self._fence_id_of = fence_id_of
        self._interval_s = interval_s
        self._sequences = sequences
        self._documents = documents
        self._on_events_stored = on_events_stored
        self._misses: dict[
            int, int
        ] = {}  # by row, saves that have left its events because it is not on record
        self._unbound: set[int] = (
            set()
        )  # rows that are not on record, whose events are stored without a checkpoint
        self._deleted: dict[int, DeletedVehicle] = {}  # by row, those of which events wait
        self._most_rows = PORTION
        self._failures = 0
        self._tried = np.empty(0, np.int64)
        self._need = np.zeros(0, np.int8)
        self._writing = 0
        self._has_event = asyncio.Event()
        self._is_away = False

    @property
    def counters(self) -> dict[str, int]:
        """Checkpoints saved since the start, and vehicles whose newest state is not saved yet; the same of events, and those dropped."""
        return {
            "saved": self.saved,
            "waiting": int(np.count_nonzero(self._need)) + self._writing,
            "events_stored": self.events.stored,
            "events_waiting": len(self.events),
            "events_dropped": self.events.dropped,
        }

    def on_step(self, result: StepResult) -> None:
        """Remember whose state has changed."""
        self._ensure_rows(len(self._rows))
        pairs = np.array(self._state.rules.take_changed_pairs(), np.int32)
        for rows in (result.accepted.row, result.refused.row, pairs):
            self._need[rows] = np.maximum(self._need[rows], MOVED)
        if len(result.events):
            self._need[result.events.row] = EVENT
            self._has_event.set()
            self.events.add(self._documents.of(result))

    def on_stored(self, rows: NDArray[np.int32]) -> None:
        """Remember that `sequences` says more of these rows than before."""
        self._ensure_rows(len(self._rows))
        self._need[rows] = np.maximum(self._need[rows], MOVED)

    def forget(self, row: int) -> None:
        """The vehicle is deleted; the store has dropped its checkpoint with it. What was told of it is stored all the same."""
        if row < len(self._need):
            self._need[row] = SAVED
        if row in self.events:
            self._unbound.add(row)
            self._need[row] = EVENT
            vehicle, next_visit = self._rows.vehicle_of[row], self._state.fences.state.next_visit
            self._deleted[row] = DeletedVehicle(self._rows.fleet_of(row), vehicle, next_visit)

    async def run(self) -> None:
        """Save, for ever."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._interval_s
        while True:
            if loop.time() >= due_s:
                due_s = loop.time() + self._interval_s
                self._need[self._need == MOVED] = DUE
            self._has_event.clear()
            if await self._try_portion():
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await self._has_event.wait()

    async def _try_portion(self) -> bool:
        """Save what is due and rest a while; false: nothing was."""
        try:
            if not await self.save_portion(DUE):
                return False
            await asyncio.sleep(PAUSE_S)
        except StoreError as error:
            self._say_away(error.reason)
            await asyncio.sleep(RETRY_S)
        except Exception:
            log.exception("checkpoints_not_saved")
            self._look_for_culprit()
            await asyncio.sleep(RETRY_S)
        return True

    async def save_portion(self, least: int = MOVED) -> int:
        """Save some of the rows that wait, the most urgent first, with all events of them; returns how many, 0: none wait.

        Raises:
            StoreError: the store cannot be reached; the rows wait on.
        """
        rows = self._portion(least)
        if not len(rows):
            return 0
        before, self._tried = self._need[rows], rows
        self._need[rows] = SAVED
        # no await from here to the save: the state has to be the one that these events have led to
        events = self.events.of_rows(rows.tolist())
        kept = rows[self._is_storable(rows)]
        deleted = {row: self._deleted[row] for row in rows.tolist() if row in self._deleted}
        self._writing = len(rows)
        try:
            missing = await self._save(kept, events, list(deleted.values()))
        except BaseException:
            self._need[rows] = np.maximum(self._need[rows], before)
            raise
        finally:
            self._writing = 0
        for row, vehicle in deleted.items():
            if self._deleted.get(row) is vehicle:  # else it was deleted once more meanwhile
                del self._deleted[row]
        again = kept[np.array(missing, np.int64)]
        self._note_saved(rows, kept, again)
        if self.events.take_stored(events, set(again.tolist())):
            self._on_events_stored()
        return len(rows)

    async def _save(
        self, kept: NDArray[np.int64], events: Sequence[EventDocument], deleted: Sequence[DeletedVehicle]
    ) -> Sequence[int]:
        if not (len(kept) or events or deleted):
            return ()
        return await self._store.save(self._checkpoints(kept), events, deleted)

    def _portion(self, least: int) -> NDArray[np.int64]:
        """The rows to save next, each once: those with events, the oldest first, then the others that need it."""
        told = self.events.linked(self.events.rows(self._most_rows, PORTION_EVENTS))
        waiting = np.flatnonzero(self._need >= least)
        urgent = waiting[np.argsort(-self._need[waiting], kind="stable")][: self._most_rows]
        if not told:
            return urgent
        chosen = set(told)
        others = [row for row in urgent.tolist() if row not in self.events and row not in chosen]
        return np.array([*told, *others][: max(len(told), self._most_rows)], np.int64)

    def _note_saved(self, rows: NDArray[np.int64], kept: NDArray[np.int64], again: NDArray[np.int64]) -> None:
        """A save is done, but for those again that are not on record yet, or no more.

        They wait for the next interval, if the vehicle has not been forgotten by then; with events, for the next save.
        """
        self._need[again] = np.maximum(self._need[again], MOVED)
        for row in again.tolist():
            self._miss(row)
        if self._unbound or self._misses:
            for row in set(kept.tolist()).difference(again.tolist()):
                self._unbound.discard(row)
                self._misses.pop(row, None)
            for row in self._unbound.intersection(rows.tolist()).difference(kept.tolist()):
                if self._state.last.is_known[row]:
                    self._need[row] = EVENT  # now without events: it may be on record by now
        self.saved += len(kept) - len(again)
        self._most_rows, self._failures = min(PORTION, 2 * self._most_rows), 0
        if self._is_away:
            self._is_away = False
            log.info("checkpoints_saved_again")

    def _miss(self, row: int) -> None:
        """The events of this row, if it has any, are left: it is not on record."""
        if row not in self.events:
            return
        self._need[row] = EVENT
        self._misses[row] = self._misses.get(row, 0) + 1
        if self._misses[row] >= MOST_MISSES:
            del self._misses[row]
            self._unbound.add(row)
            vehicle = self._rows.vehicle_of[row]
            log.warning("events_without_checkpoint", fleet=self._rows.fleet_of(row), vehicle=vehicle)

    def _look_for_culprit(self) -> None:
        """A save has failed and will again: save fewer rows, and at last go on without the one that it is about."""
        if self._most_rows > 1:
            self._most_rows //= 8
            self._most_rows = max(1, self._most_rows)
            return
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            self._failures = 0
            for row in self._tried.tolist():
                self._need[row] = SAVED
                self.events.drop(row)
                vehicle = self._rows.vehicle_of[row]
                log.error("vehicle_not_storable", fleet=self._rows.fleet_of(row), vehicle=vehicle)

    async def save_rest(self) -> None:
        """Save all that waits.

        Raises:
            StoreError: the store cannot be reached.
        """
        self._need[self._need != SAVED] = EVENT
        while await self.save_portion(EVENT):
            pass

    def _is_storable(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """A vehicle that is known somewhere and whose names a store takes; the registry refuses the others too.

        With events, one that is on record or will soon be.
        """
        names = ((self._rows.fleet_of(row), self._rows.vehicle_of[row]) for row in rows.tolist())
        is_printable = [fleet.isprintable() and vehicle.isprintable() for fleet, vehicle in names]
        is_bound = [row not in self._unbound or row not in self.events for row in rows.tolist()]
        return self._state.last.is_known[rows] & is_printable & is_bound

    def _checkpoints(self, rows: NDArray[np.int64]) -> Checkpoints:
        last, sequences, fences = self._state.last, self._sequences(rows), self._state.fences.state
        numbers = {name: getattr(last, name)[rows] for name in KEPT}
        numbers["top_seq"] = sequences["top_seq"]
        numbers["seq_window"] = sequences["window"].view(np.int64)
        numbers["handled_seq"] = sequences["handled_seq"]
        numbers["fence_time_ms"] = fences.states.time_ms[rows]
        numbers["fence_lat_deg"] = fences.states.lat_deg[rows]
        numbers["fence_lon_deg"] = fences.states.lon_deg[rows]
        numbers["told_ms"] = self._state.rules.told_ms[rows]
        return Checkpoints(
            fleet=[self._rows.fleet_of(row) for row in rows.tolist()],
            vehicle=[self._rows.vehicle_of[row] for row in rows.tolist()],
            visits=self._visits(rows),
            pairs=[self._pairs(row) for row in rows.tolist()],
            route=self._state.routes.remembered(rows.tolist()),
            numbers={name: numbers[name] for name in NUMBERS},
        )

    def _visits(self, rows: NDArray[np.int64]) -> list[str]:
        known: dict[int, list[tuple[str | int | float, ...]]] = {}
        slots = self._state.fences.state.slots(rows)
        for row, handle, visit, entered_ms, doubt, *of_doubt in zip(
            *(c.tolist() for c in slots), strict=True
        ):
            said = (doubt, *of_doubt) if doubt else ()
            known.setdefault(row, []).append((self._fence_id_of(handle), visit, entered_ms, *said))
        return [orjson.dumps(known[row]).decode() if row in known else NONE_OPEN for row in rows.tolist()]

    def _pairs(self, row: int) -> str:
        pairs = self._state.rules.pairs_of(row)
        if not pairs:
            return NONE_OPEN
        near = [
            (pair.rule_id, self._rows.vehicle_of[pair.other], pair.visit, pair.entered_ms, pair.is_told)
            for pair in pairs
        ]
        return orjson.dumps(near).decode()

    def _ensure_rows(self, rows: int) -> None:
        old = len(self._need)
        if rows > old:
            self._need = np.concatenate([self._need, np.zeros(max(rows, 2 * old, 64) - old, np.int8)])

    def _say_away(self, reason: str) -> None:
        if not self._is_away:
            self._is_away = True
            log.warning("checkpoints_not_saved_yet", waiting=self.counters["waiting"], reason=reason)


@asynccontextmanager
async def saving(checkpoints: CheckpointLoop) -> AsyncIterator[None]:
    """Save in the background for the time of the block, and what is left at its end."""
    task = asyncio.create_task(checkpoints.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        try:
            async with asyncio.timeout(LAST_TRY_S):
                await checkpoints.save_rest()
        except (StoreError, TimeoutError):
            counters = checkpoints.counters
            log.warning(
                "checkpoints_lost", waiting=counters["waiting"], events_waiting=counters["events_waiting"]
            )
