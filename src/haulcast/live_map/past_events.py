"""Events of the past for one playback: read with the fixes of their time, told one by one when it comes."""

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from haulcast.doors.socket_session import Link
from haulcast.events.event_store import EventStore, TimedEvent

_HEAD = b'{"type":"past_event",'
EVENTS_AT_ONCE = 1_000
"""A chunk of history with more of them ends earlier."""


@dataclass(frozen=True, slots=True)
class PastEvents:
    """Which of a fleet's stored events a viewer sees.

    Attributes:
        vehicles: of these only; None: of all.
        shared: the second one of two has to be one of these, too; None: it may be any.
    """

    store: EventStore
    fleet: str
    vehicles: Collection[str] | None
    shared: Collection[str] | None

    async def read(self, begin_ms: int, end_ms: int) -> tuple[Sequence[TimedEvent], int]:
        """Those with begin_ms <= time < an end, in order of time, and that end: `end_ms`, or earlier where there are too many.

        Raises:
            StoreError: the store cannot be reached.
        """
        found = await self.store.span(self.fleet, self.vehicles, begin_ms, end_ms, EVENTS_AT_ONCE)
        if len(found) >= EVENTS_AT_ONCE:
            end_ms = found[-1].time_ms + 1
        if self.shared is not None:
            found = [event for event in found if event.other_id is None or event.other_id in self.shared]
        return found, end_ms


class EventsDue:
    """What has been read and not told yet. Nothing is left out: while the viewer does not read, time has to stand.

    Attributes:
        sent: frames.
    """

    def __init__(self, link: Link) -> None:
        self.sent = 0
        self._link = link
        self._waiting: deque[TimedEvent] = deque()

    def forget(self) -> None:
        """Another moment is shown."""
        self._waiting.clear()

    def add(self, events: Sequence[TimedEvent]) -> None:
        """These come next."""
        self._waiting.extend(events)

    def most_ms(self, most_ms: int) -> int:
        """How far time may go, if it may go so far otherwise: to before the next event while the viewer does not read."""
        if self._waiting and not self._link.is_writable:
            return min(most_ms, self._waiting[0].time_ms - 1)
        return most_ms

    def tell(self, at_ms: float) -> None:
        """Those until this moment."""
        while self._waiting and self._waiting[0].time_ms <= at_ms:
            self._link.send_text(_HEAD + self._waiting.popleft().document.encode()[1:])
            self.sent += 1
