"""Writes that a memory beside the store follows: one after the other in each fleet, so that both end alike.

When the store is lost in the middle of a write nobody knows whether it was done; then what the fleet has is read again, until
the store answers.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from haulcast.errors import StoreError

READ_AGAIN_S = 1.0

_log = structlog.get_logger()


class WriteOrder:
    """The order of the writes of one kind of things.

    Args:
        read: makes the memory of a fleet what the store holds; called in the fleet's order; raises StoreError when the store
            cannot be reached.
        what: the things' name in the log.
    """

    def __init__(self, read: Callable[[str], Awaitable[None]], what: str) -> None:
        self._read = read
        self._what = what
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._reading_again: dict[str, asyncio.Task[None]] = {}

    @asynccontextmanager
    async def of(self, fleet: str) -> AsyncIterator[None]:
        """A write of the fleet for the time of the block: first into the store, then into the memory."""
        async with self._locks[fleet]:
            try:
                yield
            except (StoreError, asyncio.CancelledError):
                if fleet not in self._reading_again:
                    self._reading_again[fleet] = asyncio.create_task(self._read_again(fleet))
                raise

    async def stop(self) -> None:
        """Give up reading again."""
        tasks = list(self._reading_again.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_again(self, fleet: str) -> None:
        try:
            while not await self._did_read(fleet):  # noqa: ASYNC110 - the store raises no event
                await asyncio.sleep(READ_AGAIN_S)
        finally:
            del self._reading_again[fleet]
        _log.info("read_again", what=self._what, fleet=fleet)

    async def _did_read(self, fleet: str) -> bool:
        async with self._locks[fleet]:
            try:
                await self._read(fleet)
            except StoreError:
                return False
        return True
