"""Events of fences and rules to those who want them: lossless, in order, from one shared log a fleet.

A reader is an offset in the log. What it cannot take yet stays there, so that any number of slow readers costs no
memory; one that falls out of the log is sent away with a code that says so.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from haulcast.doors.close_codes import CloseCode
from haulcast.live_map.event_log import EventLog
from haulcast.live_map.subscriber import Subscriber
from haulcast.tracking.event_documents import EventDocument

MOST_AT_ONCE = 1_000
"""Events that are looked at for one reader before the loop serves others; who sees few of them could be sent the whole log's."""


class EventLane:
    """The logs of all fleets and who reads them.

    Args:
        epoch: of the hub's run; any text that was never used before.
        capacity: events kept per fleet.
        on_full: called with a reader whose link takes no more; `pump` it when it does again.
        call_later: plans a call after so many seconds (the event loop's).

    Attributes:
        sent: event frames. lost: readers that were closed because they fell out of the log.
    """

    def __init__(
        self,
        epoch: str,
        capacity: int,
        on_full: Callable[[Subscriber], None],
        call_later: Callable[[float, Callable[[], Any]], object],
    ) -> None:
        self.epoch = epoch
        self.sent = 0
        self.lost = 0
        self._capacity = capacity
        self._on_full = on_full
        self._call_later = call_later
        self._logs: dict[int, EventLog] = {}
        self._readers: dict[int, dict[Subscriber, None]] = {}
        self._going_on: set[Subscriber] = set()

    def log_of(self, fleet_number: int) -> EventLog:
        """The fleet's log; it begins with the first question."""
        log = self._logs.get(fleet_number)
        if log is None:
            log = self._logs[fleet_number] = EventLog(self.epoch, self._capacity)
        return log

    def take(self, events: Sequence[EventDocument]) -> None:
        """Log a step's events and send them to all who read."""
        for event in events:
            said = event.said
            self.log_of(event.fleet_number).append(said["vehicle"], event.body[1:], said.get("other", ""))
        for fleet_number in {event.fleet_number for event in events}:
            for reader in tuple(self._readers.get(fleet_number, ())):
                self.pump(reader)

    def read(self, reader: Subscriber) -> None:
        """From now on the reader gets its fleet's events, those after its offset first; without one, from now on."""
        if reader.offset is None:
            reader.offset = self.log_of(reader.fleet_number).last
        self._readers.setdefault(reader.fleet_number, {})[reader] = None
        self.pump(reader)

    def stop(self, reader: Subscriber) -> None:
        """The reader gets no more events."""
        readers = self._readers.get(reader.fleet_number, {})
        readers.pop(reader, None)
        if not readers:
            self._readers.pop(reader.fleet_number, None)

    def resume(self, reader: Subscriber, epoch: str, offset: int) -> bool:
        """Set the reader to an offset it has seen; false: events since are lost, and it goes on from now."""
        log = self.log_of(reader.fleet_number)
        is_complete = epoch == log.epoch and log.has_all_after(offset)
        reader.offset = offset if is_complete else log.last
        return is_complete

    def pump(self, reader: Subscriber) -> None:
        """Send what the reader's link takes of what it has not got yet; of much, the rest in later turns of the loop."""
        view, offset = reader.view, reader.offset
        if view is None or offset is None or reader not in self._readers.get(reader.fleet_number, ()):
            return
        log, link = self.log_of(reader.fleet_number), reader.link
        if not log.has_all_after(offset):
            self.stop(reader)
            self.lost += 1
            link.close(
                CloseCode.EVENTS_LOST,
                f"event {offset + 1} was dropped before it could be sent; the log keeps {self._capacity}",
            )
            return
        stop = min(log.last, offset + MOST_AT_ONCE)
        while offset < stop and link.is_writable:
            offset += 1
            vehicle, frame, other = log.entry(offset)
            is_seen = view.vehicles is None or vehicle in view.vehicles
            if is_seen and (not other or reader.shared is None or other in reader.shared):
                link.send_text(frame)
                self.sent += 1
        reader.offset = offset
        if not link.is_writable:
            self._on_full(reader)
        elif offset < log.last and reader not in self._going_on:
            self._going_on.add(reader)
            self._call_later(0.0, partial(self._go_on, reader))

    def _go_on(self, reader: Subscriber) -> None:
        self._going_on.discard(reader)
        self.pump(reader)
