"""Writes down what has changed of each vehicle, behind the ticks: they never wait for the store.

Who entered or left a fence is written at once, so that no restart tells it twice; who merely moved, every
`checkpoint_interval_s`. Only the rows that changed are remembered, so a store that is away costs no memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import numpy as np
import orjson
import structlog
from numpy.typing import NDArray

from haulcast.checkpoints.checkpoint_store import NONE_OPEN, NUMBERS, Checkpoints, CheckpointStore
from haulcast.errors import StoreError
from haulcast.positions.last_positions import KEPT
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.tracking.step import HubState, StepResult

SAVED, MOVED, DUE, EVENT = 0, 1, 2, 3  # why a row waits, the most urgent highest
PORTION = 1_000  # rows in one save: some ms of the loop
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
    """

    def __init__(
        self,
        store: CheckpointStore,
        state: HubState,
        rows: VehicleRows,
        fence_id_of: Callable[[int], str],
        interval_s: float,
        sequences: Callable[[NDArray[np.integer]], NDArray[np.void]],
    ) -> None:
        self.saved = 0
        self._store = store
        self._state = state
        self._rows = rows
        self._fence_id_of = fence_id_of
        self._interval_s = interval_s
        self._sequences = sequences
        self._need = np.zeros(0, np.int8)
        self._writing = 0
        self._has_event = asyncio.Event()
        self._is_away = False

    @property
    def counters(self) -> dict[str, int]:
        """Checkpoints saved since the start, and vehicles whose newest state is not saved yet."""
        return {"saved": self.saved, "waiting": int(np.count_nonzero(self._need)) + self._writing}

    def on_step(self, result: StepResult) -> None:
        """Remember whose state has changed."""
        self._ensure_rows(len(self._rows))
        pairs = np.array(self._state.rules.take_changed_pairs(), np.int32)
        for rows in (result.accepted.row, result.refused.row, pairs):
            self._need[rows] = np.maximum(self._need[rows], MOVED)
        if len(result.events):
            self._need[result.events.row] = EVENT
            self._has_event.set()

    def on_stored(self, rows: NDArray[np.int32]) -> None:
        """Remember that `sequences` says more of these rows than before."""
        self._ensure_rows(len(self._rows))
        self._need[rows] = np.maximum(self._need[rows], MOVED)

    def forget(self, row: int) -> None:
        """The vehicle is deleted; the store has dropped its checkpoint with it."""
        if row < len(self._need):
            self._need[row] = SAVED

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
            await asyncio.sleep(RETRY_S)
        return True

    async def save_portion(self, least: int = MOVED) -> int:
        """Save some of the rows that wait, the most urgent first; returns how many, 0: none wait.

        Raises:
            StoreError: the store cannot be reached; the rows wait on.
        """
        waiting = np.flatnonzero(self._need >= least)
        rows = waiting[np.argsort(-self._need[waiting], kind="stable")][:PORTION]
        if not len(rows):
            return 0
        before = self._need[rows]
        self._need[rows] = SAVED
        kept = rows[self._is_storable(rows)]
        self._writing = len(rows)
        try:
            missing = await self._store.save(self._checkpoints(kept)) if len(kept) else ()
        except BaseException:
            self._need[rows] = np.maximum(self._need[rows], before)
            raise
        finally:
            self._writing = 0
        # not on record yet, or no more: again with the next interval, if the vehicle has not been forgotten by then
        again = kept[np.array(missing, np.int64)]
        self._need[again] = np.maximum(self._need[again], MOVED)
        self.saved += len(kept) - len(missing)
        if self._is_away:
            self._is_away = False
            log.info("checkpoints_saved_again")
        return len(rows)

    async def save_rest(self) -> None:
        """Save all that waits, each once.

        Raises:
            StoreError: the store cannot be reached.
        """
        self._need[self._need != SAVED] = EVENT
        while await self.save_portion(EVENT):
            pass

    def _is_storable(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """A vehicle that is known somewhere and whose names a store takes; the registry refuses the others too."""
        names = ((self._rows.fleet_of(row), self._rows.vehicle_of[row]) for row in rows.tolist())
        is_printable = [fleet.isprintable() and vehicle.isprintable() for fleet, vehicle in names]
        return np.logical_and(self._state.last.is_known[rows], is_printable)

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
            log.warning("checkpoints_lost", waiting=checkpoints.counters["waiting"])
