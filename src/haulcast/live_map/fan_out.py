"""From a step to all map subscribers: pictures are brought up to date, events sent, and who is due hears what is new.

Nothing here waits. A subscriber that cannot take a frame is passed over until its link says that it can, and then gets
the newest of everything in one frame; fence events wait for it in the fleet's log.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from geo import cells, frame_join, view_match
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.socket_session import Claims, Link
from haulcast.live_map.audience import Member
from haulcast.live_map.availability_lane import AvailabilityLane
from haulcast.live_map.event_lane import EventLane
from haulcast.live_map.fleet_map import FleetMap, Seat, Stage
from haulcast.live_map.freshness import Freshness
from haulcast.live_map.showing import Showing
from haulcast.live_map.subscriber import Subscriber
from haulcast.live_map.view import Move, Resume, View
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings
from haulcast.tracking.event_documents import EventDocuments
from haulcast.tracking.step import StepResult

TURN_MS = 10
"""A flush that has taken so long lets the loop serve the sockets before it goes on."""

LEAST_TIMER_MS = 1

FENCES_CHANGED = b'{"type":"fences_changed"}'
RULES_CHANGED = b'{"type":"rules_changed"}'


class Timer(Protocol):
    """A call that is planned."""

    def cancel(self) -> None:
        """Don't."""


CallLater = Callable[[float, Callable[[], Any]], Timer]


class FanOut:
    """All map subscribers of the hub.

    Attributes:
        events: the fence events' lane, with their epoch.
        availability: what is said of who will be free.
        slow_closes: subscribers closed because they did not read.
        freshness: how old positions are when they go out.
    """

    def __init__(
        self,
        settings: Settings,
        positions: LastPositions,
        rows: VehicleRows,
        *,
        epoch: str,
        documents: EventDocuments,
        now_ms: Callable[[], int],
        call_later: CallLater,
    ) -> None:
        """Nobody is subscribed.

        Args:
            settings: rates, limits, when clusters are shown.
            positions: the newest fixes, which the step keeps.
            rows: whose rows those are.
            epoch: of the fence events' offsets; another one at each start of the hub.
            documents: of each step's events.
            now_ms: the time, in ms since 1970.
            call_later: plans a call after so many seconds (the event loop's).
        """
        self.events = EventLane(epoch, settings.event_log, self._on_full, call_later)
        self.availability = AvailabilityLane(self._on_full)
        self._documents = documents
        self.slow_closes = 0
        self.now_ms = now_ms
        self._settings = settings
        self._rows = rows
        self.freshness = Freshness(positions)
        self._stage = Stage(settings, positions, rows, self._on_full, self.freshness)
        self._call_later = call_later
        self._maps: dict[int, FleetMap] = {}
        self._seats: dict[Subscriber, Seat] = {}
        self._full_since: dict[Subscriber, int] = {}  # in order of time
        self._turns: deque[Showing] = deque()
        self._timer: Timer | None = None
        self._timer_ms = np.inf

    @property
    def counters(self) -> dict[str, int]:
        """Plain counts since the start, and how many subscribers there are now."""
        sent = self._stage.sent
        return {
            "subscribers": len(self._seats),
            "frames": sent.frames,
            "bytes": sent.bytes,
            "rows": sent.rows,
            "events": self.events.sent,
            "slow_closes": self.slow_closes + self.events.lost,
        }

    @property
    def is_settled(self) -> bool:
        """Whether everybody has been told everything there is."""
        return not self._full_since and all(showing.wake_ms == np.inf for showing in self._turns)

    def on_step(self, result: StepResult) -> None:
        """Events first, because they are few and must not be lost; then the maps of the fleets that moved."""
        self.events.take(self._documents.of(result))
        self.moved(result.moved_rows)

    def moved(self, moved: NDArray[np.int32]) -> None:
        """These rows, each once, have another newest fix."""
        if len(moved) and self._maps:
            fleets = self._rows.fleet_number[moved]
            for fleet_number in np.unique(fleets).tolist():
                fleet_map = self._maps.get(fleet_number)
                if fleet_map is not None:
                    fleet_map.moved(moved[fleets == fleet_number])
        self._flush()

    def forget(self, row: int) -> None:
        """The vehicle is deleted: it is gone from every map."""
        fleet_map = self._maps.get(int(self._rows.fleet_number[row]))
        if fleet_map is not None:
            fleet_map.forget(row)
            self._plan(self.now_ms())

    def fences_changed(self, fleet: str) -> None:
        """The fleet's fences were edited; who shows them reads them again."""
        self._edited(fleet, FENCES_CHANGED)

    def rules_changed(self, fleet: str) -> None:
        """The fleet's rules were edited; who shows fences shows them too, and reads them again."""
        self._edited(fleet, RULES_CHANGED)

    def _edited(self, fleet: str, notice: bytes) -> None:
        number = self._rows.fleet_number_of(fleet)
        for subscriber in self._seats:
            if subscriber.fleet_number != number or subscriber.view is None or not subscriber.view.fences:
                continue
            if notice not in subscriber.owed_notices:
                subscriber.owed_notices.append(notice)
            self._tell_edits(subscriber)

    def _tell_edits(self, subscriber: Subscriber) -> None:
        while subscriber.owed_notices and subscriber.link.is_writable:
            subscriber.link.send_text(subscriber.owed_notices.pop(0))

    def tell_newest(self, fleet: str, about: str, frame: bytes) -> None:
        """Tell all of the fleet who watch it, but for shared views; who cannot be told now hears later the newest about each thing."""
        number = self._rows.fleet_number_of(fleet)
        for subscriber in self._seats:
            if subscriber.fleet_number == number and subscriber.shared is None:
                subscriber.owed_newest[about] = frame
                self._tell_owed(subscriber)

    def _tell_owed(self, subscriber: Subscriber) -> None:
        while subscriber.owed_newest and subscriber.link.is_writable:
            subscriber.link.send_text(subscriber.owed_newest.pop(next(iter(subscriber.owed_newest))))

    def enter(self, link: Link, claims: Claims, *, is_binary: bool) -> Subscriber:
        """A connection, which sees nothing yet."""
        number = self._rows.fleet_number_of(claims.fleet)
        return Subscriber(link, claims.fleet, number, is_binary, claims.vehicles)

    def subscribe(self, subscriber: Subscriber, view: View) -> None:
        """Show the view: a snapshot soon, deltas from then on, and events if it wants them."""
        self._unseat(subscriber)
        subscriber.view = view
        self._seat(subscriber, view)
        self.availability.stop(subscriber)
        if view.availability:
            self.availability.read(subscriber)
        if view.events:
            self.events.read(subscriber)
        else:
            self.events.stop(subscriber)
            subscriber.offset = None
        self._plan(self.now_ms())

    def move(self, subscriber: Subscriber, move: Move) -> bool:
        """Show another part of the map; false: there is no view to move."""
        old, seat = subscriber.view, self._seats.get(subscriber)
        if old is None or seat is None:
            return False
        view = subscriber.view = old.moved(move)
        if not self._maps[subscriber.fleet_number].move(seat, view):
            self._unseat(subscriber)
            self._seat(subscriber, view)
        self._plan(self.now_ms())
        return True

    def resume(self, subscriber: Subscriber, resume: Resume) -> bool:
        """Set where the events go on; false: some are lost, and they go on from now. `events.pump` sends them."""
        return self.events.resume(subscriber, resume.epoch, resume.offset)

    def step_aside(self, subscriber: Subscriber) -> None:
        """Send nothing until the next `subscribe`; the view and the place in the events are kept."""
        self._unseat(subscriber)
        self.events.stop(subscriber)
        self.availability.stop(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Show nothing more."""
        self.step_aside(subscriber)
        subscriber.view = subscriber.offset = None

    def writable(self, subscriber: Subscriber) -> None:
        """The link takes frames again: first the events that wait, then what is new in the view."""
        self._full_since.pop(subscriber, None)
        self._tell_edits(subscriber)
        self._tell_owed(subscriber)
        seat = self._seats.get(subscriber)
        if seat is not None:
            showing, slot = seat
            showing.audience.is_ready[slot] = True
            showing.wake_ms = 0.0
        self.events.pump(subscriber)
        self.availability.pump(subscriber)
        self._plan(self.now_ms())

    def leave(self, subscriber: Subscriber) -> None:
        """The connection is gone."""
        self.unsubscribe(subscriber)
        self._full_since.pop(subscriber, None)

    def _seat(self, subscriber: Subscriber, view: View) -> None:
        fleet_map = self._maps.get(subscriber.fleet_number)
        if fleet_map is None:
            fleet_map = self._maps[subscriber.fleet_number] = FleetMap(subscriber.fleet_number, self._stage)
        seat = self._seats[subscriber] = fleet_map.join(subscriber, view, is_binary=subscriber.is_binary)
        if seat[0] not in self._turns:
            self._turns.append(seat[0])
        if subscriber in self._full_since or not subscriber.link.is_writable:
            self._on_full(subscriber)

    def _unseat(self, subscriber: Subscriber) -> None:
        seat = self._seats.pop(subscriber, None)
        if seat is None:
            return
        fleet_map = self._maps[subscriber.fleet_number]
        fleet_map.leave(seat)
        if not len(seat[0].audience):
            self._turns.remove(seat[0])
        if not fleet_map.is_watched:
            del self._maps[subscriber.fleet_number]

    def _on_full(self, member: Member) -> None:
        """The member's link takes no more: pass it over until it does, and note since when."""
        if not isinstance(member, Subscriber):
            return
        seat = self._seats.get(member)
        if seat is not None:
            seat[0].audience.is_ready[seat[1]] = False
        if member not in self._full_since:
            self._full_since[member] = self.now_ms()

    def _flush(self) -> None:
        """Tell everybody who is due, showing by showing; what a turn has no time for has its turn next."""
        start_ms = now_ms = self.now_ms()
        for showing in tuple(self._turns):
            if showing.wake_ms <= now_ms:
                showing.flush(now_ms)
                self._turns.rotate(-1)  # where a turn ends early, the next one begins
                now_ms = self.now_ms()
                self.freshness.sent(now_ms)
                if now_ms - start_ms >= TURN_MS:
                    break
        self._plan(now_ms)

    def _plan(self, now_ms: int) -> None:
        """Wake up when the next subscriber is due, or when one has been full for too long."""
        wake_ms = min((showing.wake_ms for showing in self._turns), default=np.inf)
        for since_ms in self._full_since.values():
            wake_ms = min(wake_ms, since_ms + self._settings.stalled_s * 1000.0)
            break
        if wake_ms >= self._timer_ms and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_ms = wake_ms
        if wake_ms < np.inf:
            # what is due now has its turn after the loop has served the sockets, with all that have asked until then
            delay_ms = 0.0 if wake_ms <= now_ms else max(wake_ms - now_ms, LEAST_TIMER_MS)
            self._timer = self._call_later(delay_ms / 1000.0, self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_ms = None, np.inf
        stalled_ms = self.now_ms() - self._settings.stalled_s * 1000.0
        for subscriber in [s for s, since_ms in self._full_since.items() if since_ms <= stalled_ms]:
            del self._full_since[subscriber]
            self.slow_closes += 1
            subscriber.link.close(
                CloseCode.SLOW, f"nothing was read for {self._settings.stalled_s:g} s; come back and resume"
            )
        self._flush()


def warm_up() -> None:
    """Compile, or load from the cache, every kernel of the live map."""
    view_match.warm_up()
    frame_join.warm_up()
    cells.warm_up()
