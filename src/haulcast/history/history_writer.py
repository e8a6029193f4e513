"""Stores what the step takes, behind its back, and says of each vehicle up to where everything is stored.

Fixes wait in a bounded buffer. One write is in flight, and the fixes that come meanwhile share the next. While the store is
away the buffer fills; what comes when it is full is dropped, and its devices are asked to send it again (`resends.py`). The step
never waits.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from geo.positions import COLUMNS, PositionBatch, concatenate, from_columns
from geo.track_filter import SEQUENCES, Reason, Refusals, TrackState
from haulcast.errors import RefusedFixesError, StoreError
from haulcast.history.history_store import HistoryStore
from haulcast.history.resends import Resends

WRITE_FIXES = 20_000  # in one write, so that making it does not hold the loop up
FIRST_RETRY_S, LAST_RETRY_S = 0.1, 5.0
TELL_EVERY_S = 1.0
FIX_BYTES = sum(np.dtype(kind).itemsize for kind in COLUMNS.values())
STEP_BYTES = 2_200  # of a step that waits, whatever its size: a dozen arrays' heads

OnStored = Callable[[NDArray[np.int32]], None]
OnRefused = Callable[[Refusals], None]
OnResend = Callable[[NDArray[np.int64], NDArray[np.int64]], None]

log = structlog.get_logger()


class EventGate(Protocol):
    """Where the events go that follow from the fixes."""

    @property
    def told(self) -> int:
        """Number of the newest event that was told."""

    async def stored_until(self, told: int) -> None:
        """Wait until no event up to this number waits to be stored."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """What one step took.

    Attributes:
        rows: the rows of `fixes`, each once.
        sequences: what was known of each row's sequences after the step: it holds for the store once `fixes` are there.
        refused: for a jump, and of `fixes`, or because of a fix that waits; their devices are told when it is stored.
    """

    fixes: PositionBatch
    rows: NDArray[np.int32]
    sequences: NDArray[np.void]
    size_bytes: int
    since_ms: int
    refused: list[Refusals] = field(default_factory=list)


class HistoryWriter:
    """Between the step and a `HistoryStore`.

    Args:
        track: as it was restored, before the first step.
        buffer_bytes: most bytes of fixes that wait; one step may always, whatever its size.
        commit_s: writes begin at least this far apart, so that fixes share one.
    """

    def __init__(
        self,
        store: HistoryStore,
        track: TrackState,
        *,
        buffer_bytes: int,
        commit_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self.stored = self.repeated = self.unstorable = self.dropped = self.resends = self.errors = 0
        self._store = store
        self._track = track
        self._buffer_bytes = buffer_bytes
        self._commit_s = commit_s
        self._on_stored: OnStored = lambda _rows: None
        self._on_refused: OnRefused = lambda _refused: None
        self._on_resend: OnResend = lambda _rows, _seqs: None
        self._events: EventGate | None = None
        self._now_ms = now_ms
        self._waiting: deque[_Waiting] = deque()  # the oldest of which may be in flight
        self._bytes = self._fixes = 0
        self._something = asyncio.Event()
        self._added = self._done = 0  # steps
        self._progress = asyncio.Event()
        self._away_since_ms: int | None = None
        self._resends = Resends()
        self._stored = track.sequences(np.arange(len(track.track)))
        self._buffered = self._stored.copy()  # as it will be when all that waits is stored
        self._resends.ensure_rows(len(self._stored))

    @property
    def counters(self) -> dict[str, Any]:
        """Since the start: fixes stored, there already, refused by the store, dropped, devices told to resend, writes that failed. Now: the rest."""
        oldest_ms = self._waiting[0].since_ms if self._waiting else None
        return {
            "stored": self.stored,
            "repeated": self.repeated,
            "unstorable": self.unstorable,
            "dropped": self.dropped,
            "resends": self.resends,
            "errors": self.errors,
            "buffered": self._fixes,
            "buffered_bytes": self._bytes,
            "store_lag_ms": 0 if oldest_ms is None else max(0, self._now_ms() - oldest_ms),
            "store_away": self._away_since_ms is not None,
        }

    def listen(
        self,
        *,
        on_stored: OnStored,
        on_refused: OnRefused,
        on_resend: OnResend,
        events: EventGate | None = None,
    ) -> None:
        """Say who is told, before the first step.

        Args:
            events: what a step told is stored before its fixes count as stored; None: nothing is told.
            on_stored: is given rows, each once, up to whose `handled_seq` everything is stored now.
            on_refused: is given fixes whose devices are to hear so: what `hold_refusals` held, and what the store refuses.
            on_resend: is given rows and the sequence of each after which its device is to send again.
        """
        self._on_stored, self._on_refused, self._on_resend = on_stored, on_refused, on_resend
        self._events = events

    def handled_seq(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """The highest sequence of each row up to which every fix is stored or was refused; -1: none."""
        handled: NDArray[np.int64] = self.sequences(rows)["handled_seq"]
        return handled

    def sequences(self, rows: NDArray[np.integer]) -> NDArray[np.void]:
        """What is known of the sequences of these rows (`geo.track_filter.SEQUENCES`), of stored fixes only."""
        self._ensure_rows(int(rows.max(initial=-1)) + 1)
        known: NDArray[np.void] = self._stored[rows]
        return known

    def add(self, fixes: PositionBatch, rows: NDArray[np.int32]) -> bool:
        """Take what is to be kept of a step, before anything else is done to the track; False: something is lost.

        Lost is what had to be dropped, and what was held back and had to be forgotten.

        Args:
            fixes: what was accepted, late or not, and what is refused for a jump alone; each row's in order of arrival.
            rows: their rows, each once.
        """
        dropped = self.dropped
        if len(fixes):
            self._ensure_rows(int(rows.max()) + 1)
            if self._waiting and self._bytes + _size_bytes(fixes) > self._buffer_bytes:
                self._drop(fixes)
            else:
                self._try_to_keep(fixes, rows)
        let_go = 0
        if self._resends.count:  # what is held back would be decided out of turn
            let_go = self._track.let_go_held(np.flatnonzero(self._resends.is_missing))
        return self.dropped == dropped and not let_go

    def lose(self, fixes: PositionBatch) -> None:
        """Take it that these fixes came and were not kept, whatever the track says of them: their devices send them again."""
        if len(fixes):
            self._ensure_rows(int(fixes.row.max()) + 1)
            self._drop(fixes)
            self._track.let_go_held(np.flatnonzero(self._resends.is_missing))
            self._something.set()  # a resend is due, even if nothing is to be written

    def _try_to_keep(self, fixes: PositionBatch, rows: NDArray[np.int32]) -> None:
        try:
            self._keep(fixes, rows)
        except Exception:  # the track has taken them, so the next ack would cover them
            log.exception("history_not_kept")
            self.lose(fixes)

    def _keep(self, fixes: PositionBatch, rows: NDArray[np.int32]) -> None:
        keepable = None
        if self._resends.count:  # else all: to look up what is held back for each fix is dear
            keepable = self._resends.keepable(fixes, self._track.held_seq(fixes.row))
        if keepable is not None and not keepable.all():
            self._drop(fixes.take(np.flatnonzero(~keepable)))
            fixes = fixes.take(np.flatnonzero(keepable))
            rows = np.unique(fixes.row)
        self._go_on_from(fixes)
        if len(fixes):
            self._buffer(fixes, rows)

    def hold_refusals(self, refused: Refusals) -> Refusals:
        """The refusals that may be told now, of those of the step whose fixes were added last.

        A device forgets a fix that it hears is refused. So one that was added, because a jump alone was its reason, has to be stored by
        then, and for a duplicate the one that it repeats. Nothing is said of a jump that has to come again, nor of a duplicate whose first
        copy is held back, waits or has to come again: another word on it follows.
        """
        is_duplicate = (refused.reasons & Reason.DUPLICATE.value) != 0
        is_jump = (refused.reasons == Reason.IMPOSSIBLE_JUMP.value) & (refused.seq >= 0)
        if not (is_duplicate | is_jump).any():
            return refused
        self._ensure_rows(int(refused.row.max()) + 1)
        is_taken = self._track.is_taken(refused.row, refused.seq)
        is_open = self._track.is_held(refused) | self._resends.is_missing[refused.row]
        is_open |= is_taken & (refused.seq > self._stored["handled_seq"][refused.row])
        is_told_later = is_duplicate & ~is_open & ~is_taken & (refused.seq >= 0) & bool(self._waiting)
        is_noted = is_jump & ~self._resends.is_missing[refused.row] & bool(self._waiting)
        if self._bytes < self._buffer_bytes:
            is_noted |= is_told_later
        if is_noted.any():
            self._waiting[-1].refused.append(refused.take(is_noted))
        return refused.take(~(is_duplicate & is_open) & ~is_told_later & ~is_jump)

    def _buffer(self, fixes: PositionBatch, rows: NDArray[np.int32]) -> None:
        sequences = self._track.sequences(rows)
        is_missing = self._resends.is_missing[rows]  # kept is only what has no sequence, so nothing is new
        sequences[is_missing] = self._buffered[rows[is_missing]]
        # copies: columns are often views of arrays with room for many more
        kept = from_columns((getattr(fixes, name).copy() for name in COLUMNS), fixes.attributes)
        self._waiting.append(_Waiting(kept, rows, sequences, _size_bytes(kept), self._now_ms()))
        self._buffered[rows] = sequences
        self._bytes += self._waiting[-1].size_bytes
        self._fixes += len(fixes)
        self._added += 1
        self._something.set()

    def _drop(self, fixes: PositionBatch) -> None:
        if not self._resends.count:
            log.warning("history_drops_fixes", buffered=self._fixes, hint="devices will be told to resend")
        self.dropped += len(fixes)
        self._track.untake(fixes, self._buffered["handled_seq"][fixes.row])
        self._resends.dropped(fixes)

    def _go_on_from(self, fixes: PositionBatch) -> None:
        """Where a device has gone back, what it has sent since is what counts as handled."""
        back = self._resends.kept(fixes)
        if len(back):
            handled_seq = self._track.track["handled_seq"]
            handled_seq[back] = self._buffered["handled_seq"][back]
            is_back = np.isin(fixes.row, back)
            np.maximum.at(handled_seq, fixes.row[is_back], fixes.seq[is_back])

    def _ensure_rows(self, rows: int) -> None:
        old = len(self._stored)
        if rows > old:
            fresh = np.zeros(max(rows, 2 * old, 64) - old, SEQUENCES)
            fresh["top_seq"] = fresh["handled_seq"] = -1
            self._stored = np.concatenate([self._stored, fresh])
            self._buffered = np.concatenate([self._buffered, fresh])
            self._resends.ensure_rows(len(self._stored))

    async def run(self) -> None:
        """Store, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TELL_EVERY_S if self._resends.count else None):
                    await self._something.wait()
            self._tell_resends()
            if not self._waiting:
                self._something.clear()
                continue
            due_s = loop.time() + self._commit_s
            try:
                await self._write_some()
            except Exception:  # whatever it is, the fixes stay, and are tried again
                self.errors += 1
                log.exception("history_not_written")
                await asyncio.sleep(LAST_RETRY_S)
            if self._fixes < WRITE_FIXES:
                await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def settled(self) -> None:
        """Wait until all that was added before this call is stored, or refused by the store; not for what was dropped."""
        last = self._added
        while self._done < last:
            self._progress.clear()
            await self._progress.wait()

    async def _write_some(self) -> None:
        """Write what waited longest, and tell of it."""
        taken: list[_Waiting] = []
        fixes = 0
        for waiting in self._waiting:
            if taken and fixes + len(waiting.fixes) > WRITE_FIXES:
                break
            taken.append(waiting)
            fixes += len(waiting.fixes)
        told = self._events.told if self._events else -1
        refused = await self._write(concatenate([waiting.fixes for waiting in taken]))
        if (
            self._events
        ):  # fixes that come again after a crash are found there; an event that was acked away would be lost
            await self._events.stored_until(told)
        for waiting in taken:
            self._stored[waiting.rows] = waiting.sequences
            self._waiting.popleft()
            self._bytes -= waiting.size_bytes
        self._fixes -= fixes
        self._done += len(taken)
        self._progress.set()
        if not self._waiting:
            self._something.clear()
        for refusals in (*refused, *(some for waiting in taken for some in waiting.refused)):
            self._on_refused(refusals)
        self._on_stored(np.unique(np.concatenate([waiting.rows for waiting in taken])))

    async def _write(self, fixes: PositionBatch) -> list[Refusals]:
        """Store all of these that can be stored; those that cannot are found by halving."""
        refused: list[Refusals] = []
        parts = [fixes]
        while parts:
            part = parts.pop()
            try:
                fresh = await self._write_when_there(part)
            except RefusedFixesError as error:
                if len(part) > 1:
                    half = len(part) // 2
                    parts += [part.take(np.arange(half, len(part))), part.take(np.arange(half))]
                    continue
                reasons, source = np.array([Reason.UNSTORABLE], np.uint32), np.array([-1])
                refused.append(Refusals(part.row, part.seq, reasons, source))
                self.unstorable += 1
                log.warning("fix_unstorable", row=int(part.row[0]), seq=int(part.seq[0]), reason=error.reason)
            else:
                self.stored += fresh
                self.repeated += len(part) - fresh
        return refused

    async def _write_when_there(self, fixes: PositionBatch) -> int:
        """Write these as soon as the store is there."""
        wait_s = FIRST_RETRY_S
        while True:
            try:
                fresh = await self._store.write(fixes)
            except StoreError as error:
                self.errors += 1
                self._say_away(error.reason)
                await asyncio.sleep(wait_s)
                wait_s = min(LAST_RETRY_S, 2 * wait_s)
            else:
                self._say_back()
                return fresh

    def _tell_resends(self) -> None:
        """Once there is room again, ask for what was dropped."""
        if not self._resends.count or self._bytes > self._buffer_bytes // 2:
            return
        rows = self._resends.due(self._now_ms())
        if len(rows):
            self.resends += len(rows)
            self._on_resend(rows, self._buffered["handled_seq"][rows])

    def _say_away(self, reason: str) -> None:
        if self._away_since_ms is None:
            self._away_since_ms = self._now_ms()
            log.warning("history_store_away", buffered=self._fixes, reason=reason)

    def _say_back(self) -> None:
        if self._away_since_ms is not None:
            away_ms, self._away_since_ms = self._now_ms() - self._away_since_ms, None
            log.info("history_store_back", away_ms=away_ms, buffered=self._fixes)


def _size_bytes(fixes: PositionBatch) -> int:
    return STEP_BYTES + len(fixes) * FIX_BYTES + sum(map(len, fixes.attributes.values()))


@asynccontextmanager
async def writing(writer: HistoryWriter) -> AsyncIterator[None]:
    """Store in the background for the time of the block."""
    task = asyncio.create_task(writer.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
