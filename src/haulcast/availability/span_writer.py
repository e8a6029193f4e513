"""Takes spans to the store: behind the ticks, every few seconds, in portions, again and again while the store is away.

What is not stored when the hub dies is at most a few seconds of changes. A begin that was lost comes with the next fix, as of that one.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import structlog

from haulcast.availability.span_store import BUSY, DUTY, KEPT_MS, SpanStore, StoredSpan
from haulcast.availability.span_tracker import Closed, SpanTracker, stored_spans
from haulcast.errors import StoreError
from haulcast.positions.vehicle_rows import VehicleRows

WRITE_S: Final = 3.0
FORGET_S: Final = 3_600.0
PORTION: Final = 2_000
MOST_WAITING: Final = 500_000
"""Closed spans that wait while the store is away, some 30 MB; the oldest go first, and are counted."""

log = structlog.get_logger()


class SpanWriter:
    """Writes what a tracker has of new.

    Args:
        tracker: one of its listeners has to be this one's `closed`.
        now_ms: the clock.

    Attributes:
        lost: closed spans that were dropped because the store was away for too long.
    """

    def __init__(
        self, tracker: SpanTracker, store: SpanStore, rows: VehicleRows, now_ms: Callable[[], int]
    ) -> None:
        self.lost = 0
        self._tracker = tracker
        self._store = store
        self._rows = rows
        self._now_ms = now_ms
        self._waiting: deque[Closed] = deque()
        self._count = 0
        self._writing = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Closed spans that wait for the store."""
        return self._count

    def closed(self, closed: Closed) -> None:
        """Spans that others have followed; each is written once."""
        for begin in range(0, len(closed.row), PORTION):
            part = slice(begin, begin + PORTION)
            self._waiting.append(Closed(closed.row[part], closed.kind, closed.spans[part]))
        self._count += len(closed.row)
        while self._count > MOST_WAITING:
            dropped = len(self._waiting.popleft().row)
            self._count -= dropped
            self.lost += dropped

    async def run(self) -> None:
        """Write, and forget what is too old, for ever."""
        loop = asyncio.get_running_loop()
        forget_s, was_away = loop.time(), False
        while True:
            await asyncio.sleep(WRITE_S)
            try:
                await self.flush()
                if loop.time() >= forget_s:
                    forget_s = loop.time() + FORGET_S
                    await self._store.forget(self._now_ms() - KEPT_MS)
                was_away = False
            except StoreError as error:
                if not was_away:
                    log.warning("spans_not_stored", reason=error.reason, waiting=self._count)
                was_away = True
            except Exception:
                log.exception("spans_not_stored", waiting=self._count)

    async def flush(self) -> None:
        """Write all that is new now.

        Raises:
            StoreError: the store cannot be reached; what was not written waits on.
        """
        async with self._writing:
            while self._waiting:
                closed = self._waiting.popleft()
                self._count -= len(closed.row)
                try:
                    await self._put(closed)
                except BaseException:
                    self._waiting.appendleft(closed)
                    self._count += len(closed.row)
                    raise
            for kind in (DUTY, BUSY):
                await self._put_newest(kind)

    async def _put_newest(self, kind: int) -> None:
        dirty = np.flatnonzero(self._tracker.is_dirty[kind])
        for begin in range(0, len(dirty), PORTION):
            rows = dirty[begin : begin + PORTION]
            rows = rows[self._tracker.is_dirty[kind, rows]]  # else it was closed meanwhile, and waits there
            self._tracker.is_dirty[kind, rows] = False
            try:
                await self._put(Closed(rows, kind, self._tracker.spans[kind, rows]))
            except BaseException:
                self._tracker.is_dirty[kind, rows] = True
                raise

    async def _put(self, closed: Closed) -> None:
        by_fleet: dict[str, list[StoredSpan]] = {}
        spans = stored_spans(closed, self._rows.vehicle_of)
        for row, span in zip(closed.row.tolist(), spans, strict=True):
            by_fleet.setdefault(self._rows.fleet_of(row), []).append(span)
        for fleet, own in by_fleet.items():
            await self._store.put(fleet, own)
