"""Fence events to those who want them: lossless, in order, from one shared log a fleet.

A reader is an offset in the log. What it cannot take yet stays there, so that any number of slow readers costs no
memory; one that falls out of the log is sent away with a code that says so.
"""

from collections.abc import Callable
from typing import Any

import orjson

from geo.fence_events import Cause, FenceEvents, Kind
from haulcast.doors.close_codes import CloseCode
from haulcast.live_map.event_log import EventLog
from haulcast.live_map.subscriber import Subscriber
from haulcast.positions.vehicle_rows import VehicleRows

KINDS = tuple(kind.name.lower() for kind in Kind)
CAUSES = tuple(cause.name.lower() for cause in Cause)


class EventLane:
    """The logs of all fleets and who reads them.

    Args:
        epoch: of the hub's run; any text that was never used before.
        capacity: events kept per fleet.
        fence_label: id and name of a fence by its handle, also of one that has just been deleted.
        on_full: called with a reader whose link takes no more; `pump` it when it does again.

    Attributes:
        sent: event frames. lost: readers that were closed because they fell out of the log.
    """

    def __init__(
        self,
        epoch: str,
        capacity: int,
        rows: VehicleRows,
        fence_label: Callable[[int], tuple[str, str]],
        on_full: Callable[[Subscriber], None],
    ) -> None:
        self.epoch = epoch
        self.sent = 0
        self.lost = 0
        self._capacity = capacity
        self._rows = rows
        self._fence_label = fence_label
        self._on_full = on_full
        self._logs: dict[int, EventLog] = {}
        self._readers: dict[int, dict[Subscriber, None]] = {}

    def log_of(self, fleet_number: int) -> EventLog:
        """The fleet's log; it begins with the first question."""
        log = self._logs.get(fleet_number)
        if log is None:
            log = self._logs[fleet_number] = EventLog(self.epoch, self._capacity)
        return log

    def take(self, events: FenceEvents) -> None:
        """Log a step's events and send them to all who read."""
        if not len(events):
            return
        touched = {self._append(*event) for event in zip(*_columns(events), strict=True)}
        for fleet_number in touched:
            for reader in tuple(self._readers.get(fleet_number, ())):
                self.pump(reader)

    def _append(
        self,
        row: int,
        handle: int,
        kind: int,
        cause: int,
        visit: int,
        time_ms: int,
        lat: float,
        lon: float,
        fix_time_ms: int,
        entered_ms: int,
    ) -> int:
        vehicle = self._rows.vehicle_of[row]
        fence, name = self._fence_label(handle)
        said = {
            "event": KINDS[kind],
            "cause": CAUSES[cause],
            "visit": visit,
            "vehicle": vehicle,
            "fence": fence,
            "name": name,
            "time_ms": time_ms,
            "lat": round(lat, 6),
            "lon": round(lon, 6),
            "fix_time_ms": fix_time_ms,
        }
        if kind == Kind.EXIT:
            said["entered_ms"] = entered_ms
        body = orjson.dumps(said)
        fleet_number = int(self._rows.fleet_number[row])
        self.log_of(fleet_number).append(vehicle, body[1:])
        return fleet_number

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
        """Send what the reader's link takes of what it has not got yet."""
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
        while offset < log.last and link.is_writable:
            offset += 1
            vehicle, frame = log.entry(offset)
            if view.vehicles is None or vehicle in view.vehicles:
                link.send_text(frame)
                self.sent += 1
        reader.offset = offset
        if not link.is_writable:
            self._on_full(reader)


def _columns(events: FenceEvents) -> list[list[Any]]:
    columns = (
        events.row, events.handle, events.kind, events.cause, events.visit,
        events.time_ms, events.lat_deg, events.lon_deg, events.fix_time_ms, events.entered_ms,
    )  # fmt: skip
    return [column.tolist() for column in columns]
