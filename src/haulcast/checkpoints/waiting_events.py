"""Events that were told and are not stored yet, each vehicle's in order; who wants to know when, waits here."""

import asyncio
from collections import deque
from collections.abc import Container, Iterable, Sequence
from itertools import islice

import structlog

from haulcast.tracking.event_documents import EventDocument

WAITING_BYTES = 64 * 2**20
"""So much may wait, some 80,000 events; those beyond are not stored, counted as dropped, and logged."""

EVENT_BYTES = 600  # of an event in memory, besides its document

log = structlog.get_logger()


class WaitingEvents:
    """A bounded queue of the events of each row.

    Args:
        most_bytes: of memory.

    Attributes:
        told: number of the newest event that was told.
        stored: events stored. dropped: events that never will be. Both since the start.
    """

    def __init__(self, most_bytes: int = WAITING_BYTES) -> None:
        self.told = -1
        self.stored = self.dropped = 0
        self._most_bytes = most_bytes
        self._bytes = 0
        self._of_row: dict[int, deque[EventDocument]] = {}  # whose oldest event is oldest, first
        self._order: deque[int] = deque()  # the numbers of all that wait, and of some that do not any more
        self._gone: set[int] = set()  # those
        self._progress = asyncio.Event()
        self._is_full = False

    def __len__(self) -> int:
        return len(self._order) - len(self._gone)

    def __contains__(self, row: int) -> bool:
        """Whether events of this row wait."""
        return row in self._of_row

    def add(self, events: Iterable[EventDocument]) -> None:
        """What a step told."""
        for event in events:
            self.told = event.number
            if self._bytes + _size_bytes(event) > self._most_bytes:
                self._drop_new(event)
                continue
            self._bytes += _size_bytes(event)
            self._order.append(event.number)
            self._of_row.setdefault(event.row, deque()).append(event)

    def rows(self, most_rows: int, most_events: int) -> list[int]:
        """Rows of which events wait, the longest waiting first, one at the least."""
        rows: list[int] = []
        for row in islice(self._of_row, most_rows):
            most_events -= len(self._of_row[row])
            if rows and most_events < 0:
                break
            rows.append(row)
        return rows

    def linked(self, rows: Iterable[int]) -> list[int]:
        """These rows, and the others that their waiting events are about as well, and so on."""
        found = dict.fromkeys(rows)
        new = list(found)
        while new:
            others = (event.other_row for row in new for event in self._of_row.get(row, ()))
            new = list(dict.fromkeys(row for row in others if row >= 0 and row not in found))
            found.update(dict.fromkeys(new))
        return list(found)

    def of_rows(self, rows: Iterable[int]) -> list[EventDocument]:
        """All that wait of these rows, in the order in which they were told."""
        events = [event for row in rows for event in self._of_row.get(row, ())]
        return sorted(events, key=lambda event: event.number)

    def take_stored(self, events: Sequence[EventDocument], but_not_of: Container[int] = ()) -> int:
        """These are stored, but for those of some rows; returns how many. `events`: as `of_rows` gave them, none dropped since."""
        stored = [event for event in events if event.row not in but_not_of]
        for event in stored:
            self._take_first(event.row)
        self.stored += len(stored)
        if stored:
            self._is_full = False
            self._move_on()
        return len(stored)

    def drop(self, row: int) -> None:
        """Those of this row can never be stored."""
        while row in self._of_row:
            self._take_first(row)
            self.dropped += 1
        self._move_on()

    async def stored_until(self, told: int) -> None:
        """Wait until no event up to this number waits any more."""
        while self._order and self._order[0] <= told:
            self._progress.clear()
            await self._progress.wait()

    def _take_first(self, row: int) -> None:
        events = self._of_row[row]
        event = events.popleft()
        if not events:
            del self._of_row[row]
        self._bytes -= _size_bytes(event)
        self._gone.add(event.number)

    def _move_on(self) -> None:
        while self._order and self._order[0] in self._gone:
            self._gone.remove(self._order.popleft())
        self._progress.set()

    def _drop_new(self, event: EventDocument) -> None:
        self.dropped += 1
        if not self._is_full:
            self._is_full = True
            log.error("events_dropped", since=event.event_id, waiting=len(self), most_bytes=self._most_bytes)


def _size_bytes(event: EventDocument) -> int:
    return EVENT_BYTES + len(event.body)
