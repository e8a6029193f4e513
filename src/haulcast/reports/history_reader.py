"""One vehicle's fixes out of the history, in portions, so that neither memory nor the loop feels a long span."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import numpy as np

from geo.plausible_fixes import PlausibleFixes
from geo.positions import PositionBatch
from geo.track_filter import FilterLimits
from haulcast.doors.time_fields import LEAST_MS, MOST_MS, Span
from haulcast.errors import NotFoundError
from haulcast.history.history_store import DAY_MS, FixKey, HistoryPage, HistoryStore
from haulcast.reports.report_fields import up_to

PORTION = 1_000  # fixes; some milliseconds of work each, on the loop and in the thread
READS_AT_ONCE = 4  # the others wait, and the database has connections left for who writes
LOOK_BACK = 16  # fixes before a span; after two plausible ones in a row nothing depends on those before
LOOK_BACK_MS = 3 * DAY_MS  # in which a vehicle can have got anywhere

FindVehicle = Callable[[str, str], Awaitable[object]]
"""The record of (fleet, vehicle), or None; as `VehicleStore.find`."""

T = TypeVar("T")


class HistoryReader:
    """Reads for all requests, some portions at a time, turn by turn.

    Args:
        store: the history.
        find_vehicle: says who is on record.
        limits: of the filter, for what is plausible.
    """

    def __init__(self, store: HistoryStore, find_vehicle: FindVehicle, limits: FilterLimits) -> None:
        self._store = store
        self._find_vehicle = find_vehicle
        self._limits = limits
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._computing = asyncio.Lock()  # one thread at a time competes with the loop

    async def page(
        self, fleet: str, vehicle: str, span: Span, after: FixKey | None, limit: int
    ) -> HistoryPage:
        """All that is kept, plausible or not; see `HistoryStore.read`.

        Raises:
            StoreError: the store cannot be reached.
        """
        async with self._reading:
            return await self._store.read(fleet, vehicle, span.begin_ms, span.end_ms, after, limit)

    async def portions(
        self, fleet: str, vehicle: str, span: Span, first: FixKey | None = None, size: int = PORTION
    ) -> AsyncIterator[PositionBatch]:
        """All plausible fixes of a span, in order, `size` or so at a time; portions may be empty.

        What is plausible does not depend on where portions end, nor the span: some fixes before it are looked at, and one after it.

        Args:
            fleet: whose vehicle.
            vehicle: its id.
            span: of when.
            first: begin with this fix, which is plausible, for it was in what was read before.
            size: how many fixes are read at a time.

        Raises:
            StoreError: the store cannot be reached.
            NotFoundError: nothing is known of such a vehicle; before the first portion.
        """
        plausible, place = PlausibleFixes(self._limits), None if first is None else up_to(first)
        page = await self.page(fleet, vehicle, span, place, size)
        if not len(page.fixes):
            await self.require(fleet, vehicle)
        elif first is None:
            plausible.add(await self._before(fleet, vehicle, span))
        while True:
            yield _within(span, plausible.add(page.fixes))
            if page.last_key is None:
                break
            page = await self.page(fleet, vehicle, span, page.last_key, size)
        if plausible.is_holding:
            behind = Span(span.end_ms, min(MOST_MS, span.end_ms + LOOK_BACK_MS))
            page = await self.page(fleet, vehicle, behind, None, 1)
            yield _within(span, plausible.add(page.fixes))

    async def _before(self, fleet: str, vehicle: str, span: Span) -> PositionBatch:
        begin_ms = max(LEAST_MS, span.begin_ms - LOOK_BACK_MS)
        async with self._reading:
            return await self._store.last(fleet, vehicle, begin_ms, span.begin_ms, LOOK_BACK)

    async def require(self, fleet: str, vehicle: str) -> None:
        """Fail unless the vehicle is on record or has ever sent a fix that is kept.

        Raises:
            NotFoundError: it has not.
            StoreError: the store cannot be reached.
        """
        if await self._find_vehicle(fleet, vehicle) is not None:
            return
        page = await self.page(fleet, vehicle, Span(LEAST_MS, MOST_MS), None, 1)
        if not len(page.fixes):
            raise NotFoundError("no_such_vehicle", f"there is no vehicle {vehicle!r} in this fleet")

    async def computed(self, work: Callable[[], T]) -> T:
        """What `work` gives, in a thread, in turn; it should take no longer than a portion does."""
        async with self._computing:
            return await asyncio.to_thread(work)


def _within(span: Span, fixes: PositionBatch) -> PositionBatch:
    """Those of the span; the first may be of before it, the last of after it."""
    is_within = (fixes.time_ms >= span.begin_ms) & (fixes.time_ms < span.end_ms)
    return fixes if is_within.all() else fixes.take(np.flatnonzero(is_within))
