"""One vehicle's fixes out of the history, in portions, so that neither memory nor the loop feels a long span."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from geo.positions import PositionBatch
from haulcast.doors.time_fields import LEAST_MS, MOST_MS, Span
from haulcast.errors import NotFoundError
from haulcast.history.history_store import FixKey, HistoryPage, HistoryStore

PORTION = 1_000  # fixes; some milliseconds of work each, on the loop and in the thread
READS_AT_ONCE = 4  # the others wait, and the database has connections left for who writes

FindVehicle = Callable[[str, str], Awaitable[object]]
"""The record of (fleet, vehicle), or None; as `VehicleStore.find`."""

T = TypeVar("T")


class HistoryReader:
    """Reads for all requests, some portions at a time, turn by turn."""

    def __init__(self, store: HistoryStore, find_vehicle: FindVehicle) -> None:
        self._store = store
        self._find_vehicle = find_vehicle
        self._reading = asyncio.Semaphore(READS_AT_ONCE)
        self._computing = asyncio.Lock()  # one thread at a time competes with the loop

    async def page(
        self, fleet: str, vehicle: str, span: Span, after: FixKey | None, limit: int
    ) -> HistoryPage:
        """See `HistoryStore.read`.

        Raises:
            StoreError: the store cannot be reached.
        """
        async with self._reading:
            return await self._store.read(fleet, vehicle, span.begin_ms, span.end_ms, after, limit)

    async def portions(
        self, fleet: str, vehicle: str, span: Span, after: FixKey | None = None
    ) -> AsyncIterator[PositionBatch]:
        """All fixes of a span, in order; the first portion may be empty.

        Raises:
            StoreError: the store cannot be reached.
            NotFoundError: nothing is known of such a vehicle; before the first portion.
        """
        page = await self.page(fleet, vehicle, span, after, PORTION)
        if not len(page.fixes):
            await self.require(fleet, vehicle)
        yield page.fixes
        while page.last_key is not None:
            page = await self.page(fleet, vehicle, span, page.last_key, PORTION)
            yield page.fixes

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
