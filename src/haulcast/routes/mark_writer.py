"""Takes what was told of stops to the store: behind the ticks, in order, again and again while the store is away.

What is not stored when the hub dies is in the checkpoints of its vehicles (`haulcast.routes.route_watch`), and comes here again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from haulcast.errors import HaulcastError, StoreError
from haulcast.routes.stop_arrivals import FleetMark
from haulcast.routes.stop_marks import StopMark

RETRY_S = 1.0
MOST_REFUSALS = 5  # of marks that the store takes no more

log = structlog.get_logger()


class MarkWriter:
    """Listens to the step and writes.

    Args:
        take_marks: what is to be stored, each once.
        write: stores marks of a fleet (`RouteEdits.mark_stops`).
        events_stored: returns when what was told so far is stored, so that no mark is there before its event.
    """

    def __init__(
        self,
        take_marks: Callable[[], Sequence[FleetMark]],
        write: Callable[[str, Sequence[StopMark]], Awaitable[None]],
        events_stored: Callable[[], Awaitable[None]],
    ) -> None:
        self._take_marks = take_marks
        self._write = write
        self._events_stored = events_stored
        self._waiting: dict[str, list[StopMark]] = {}
        self._refusals: dict[str, int] = {}
        self._has_marks = asyncio.Event()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def on_step(self, _result: object) -> None:
        """Take what the step told."""
        for fleet, mark in self._take_marks():
            self._waiting.setdefault(fleet, []).append(mark)
            self._has_marks.set()

    async def run(self) -> None:
        """Write, for ever."""
        while True:
            await self._has_marks.wait()
            self._has_marks.clear()
            counts = {fleet: len(marks) for fleet, marks in self._waiting.items()}
            await self._events_stored()
            for fleet, count in counts.items():
                if not await self._did_write(fleet, count):
                    self._has_marks.set()
            if self._has_marks.is_set():
                await asyncio.sleep(RETRY_S if self._refusals else 0)

    async def _did_write(self, fleet: str, count: int) -> bool:
        """Write a fleet's oldest marks; false: they wait on."""
        marks = self._waiting[fleet][:count]
        try:
            await self._write(fleet, marks)
        except HaulcastError as error:
            self._refusals[fleet] = self._refusals.get(fleet, 0) + 1
            if isinstance(error, StoreError) or self._refusals[fleet] < MOST_REFUSALS:
                return False
            log.warning("stops_not_marked", fleet=fleet, marks=count, reason=str(error))
        self._refusals.pop(fleet, None)
        del self._waiting[fleet][:count]
        if not self._waiting[fleet]:
            del self._waiting[fleet]
        return True
