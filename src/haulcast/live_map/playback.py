"""One viewer's way through the history: the moment that is shown runs on, and what is read ahead becomes due."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple, TypeVar

import numpy as np
import orjson

from geo.positions import COLUMNS, PositionBatch, from_columns
from haulcast.doors.socket_session import Link
from haulcast.errors import StoreError
from haulcast.events.event_store import TimedEvent
from haulcast.live_map.past_events import EventsDue
from haulcast.live_map.play_clock import PlayClock
from haulcast.live_map.played_fleet import PlayedFleet
from haulcast.live_map.read_ahead import ReadAhead
from haulcast.live_map.view import Move, Play, Steer, View

SETTLING_MS = 1_000
"""Fixes of the last second may still be on their way into the history, so it is not read."""
CAUGHT_UP_MS = 2_000
"""Who is so near to now has seen all there is."""
LEAST_READ_MS = 1_000  # near the end reads become no shorter than this
LEAST_TICK_S, MOST_TICK_S = 0.05, 0.25
CLOCK_S = 0.25
STALL_S = 0.5
"""Time that stands for so long, because nothing is read yet, is told as waiting."""
RETRY_S = 1.0
CHUNKS_AHEAD = 2
AWAY = StoreError("store_away", "the history cannot be read at the moment; the playback goes on when it can")

T = TypeVar("T")


class State(StrEnum):
    """What a playback does; `docs/protocol.md` has the words."""

    WAITING = "waiting"
    PLAYING = "playing"
    PAUSED = "paused"
    ENDED = "ended"
    STOPPED = "stopped"


STANDING = frozenset({State.PAUSED, State.ENDED})
"""Told once the map is that of the moment, so that a viewer knows what it has."""


class _Held(NamedTuple):
    """A chunk in the played fleet's rows, of which the first `done` fixes have been shown; with the speed that it was thinned for."""

    fixes: PositionBatch
    end_ms: int
    thinned_for: float | None
    events: Sequence[TimedEvent]
    done: int = 0


class Playback:
    """Reads ahead, shows what is due, says what time it is. Commands only leave orders; `run` does them.

    A seek waits for the read that is under way; of several the newest counts. So however often a viewer seeks, it costs the store
    one read at a time. A slow reader is told the newest of everything when it reads again, as live; the time runs on meanwhile, but not past
    an event, of which none is left out. When the store is slower than the speed asks, the time stands until there is something to show.
    """

    def __init__(
        self,
        fleet: PlayedFleet,
        reader_of: Callable[[View], ReadAhead],
        link: Link,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        """Nothing is played before `begin` and `run`.

        Args:
            fleet: shows where the vehicles were.
            reader_of: makes what reads the history for a view.
            link: to the viewer; is told what time it is.
            now_ms: the time, in ms since 1970.
            monotonic_s: seconds on a clock that never goes back.
        """
        self._fleet = fleet
        self._reader_of = reader_of
        self._link = link
        self._events = EventsDue(link)
        self._now_ms = now_ms
        self._now_s = monotonic_s
        self._clock = PlayClock(0, 1.0, monotonic_s())
        self._until_ms: int | None = None
        self._seek_ms: int | None = None
        self._ahead: deque[_Held] = deque()
        self._known_ms = 0  # all before it has been read
        self._reading: asyncio.Task[_Held | None] | None = None
        self._order = asyncio.Event()
        self._state = State.WAITING
        self._stalled_s: float | None = None
        self._told: tuple[State, float, int] | None = None
        self._told_s = 0.0
        self._is_over = False
        self._is_away = False

    @property
    def slow_closes(self) -> int:
        """1 when the viewer was closed because it did not read."""
        return self._fleet.slow_closes

    @property
    def counters(self) -> dict[str, int]:
        """Plain counts: map frames, their bytes and rows, events."""
        return self._fleet.counters | {"events": self._events.sent}

    def begin(self, play: Play, view: View) -> None:
        """Play from a moment on, in place of what is played."""
        self._view = view
        self._reader = self._reader_of(view)
        self._until_ms = play.until_ms
        self._tick_s = min(max(LEAST_TICK_S, 1.0 / view.rate_hz), MOST_TICK_S)
        self._clock.speed = play.speed
        self._go_to(play.at_ms)

    def steer(self, steer: Steer) -> None:
        """Go on from another moment, at another speed, or both."""
        if self._state in {State.ENDED, State.WAITING}:  # time stood
            self._state = State.WAITING
            self._clock.seek(self._clock.at_ms, self._now_s())
        if steer.speed is not None:
            self._clock.advance(self._now_s(), self._events.most_ms(self._known_ms - 1))
            self._events.tell(self._clock.at_ms)
            self._clock.speed = steer.speed
            if self._seek_ms is None and any(held.thinned_for is not None for held in self._ahead):
                self._go_to(int(self._clock.at_ms))  # what was left out for the speed before is wanted now
        if steer.seek_ms is not None:
            self._go_to(steer.seek_ms)
        self._told = None
        self._order.set()

    def move(self, move: Move) -> None:
        """Look elsewhere."""
        self._view = self._view.moved(move)
        self._fleet.move(move)

    def writable(self) -> None:
        """The viewer has read."""
        self._fleet.writable()
        self._order.set()

    def end(self) -> None:
        """Nothing more is told; `run` returns when the read that is under way does."""
        self._is_over = True
        self._fleet.leave()
        self._order.set()

    def frame(self, state: State) -> bytes:
        """What time it is, as a message."""
        said = {"time_ms": int(self._clock.at_ms), "speed": self._clock.speed, "state": state}
        return orjson.dumps({"type": "playback", **said})

    async def run(self) -> None:
        """Play, until `end`."""
        try:
            while not self._is_over:
                await self._show()
                while self._seek_ms is None and not self._is_over:
                    self._take_read()
                    if self._state is not State.ENDED:
                        self._advance()
                        self._read_on()
                    self._tell()
                    await self._until_order(None if self._is_standing else self._tick_s)
            if self._reading is not None:
                await asyncio.wait({self._reading})
        finally:
            if self._reading is not None:
                self._reading.cancel()
                await asyncio.wait({self._reading})

    @property
    def _is_standing(self) -> bool:
        """Whether nothing will change before an order comes."""
        return self._state in STANDING and self._told is not None and self._told[0] is self._state

    def _go_to(self, at_ms: int) -> None:
        self._seek_ms, self._told, self._state = at_ms, None, State.WAITING
        self._clock.seek(at_ms, self._now_s())
        self._events.forget()
        self._order.set()

    async def _until_order(self, most_s: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._order.wait()
        self._order.clear()

    async def _show(self) -> None:
        """The picture of the moment that is sought, unless another is sought meanwhile."""
        self._tell()
        if self._reading is not None:
            await asyncio.wait({self._reading})
            self._reading = None
        self._ahead.clear()
        seek_ms, self._seek_ms = self._seek_ms, None
        if seek_ms is None:
            return
        at_ms = min(seek_ms, self._end_ms())
        found = await self._patiently(self._picture, at_ms)
        if found is None or self._seek_ms is not None or self._is_over:
            return
        self._known_ms = at_ms + 1
        self._stalled_s = None
        self._clock.seek(at_ms, self._now_s())
        self._fleet.show(found, self._view)

    async def _picture(self, at_ms: int) -> PositionBatch:
        return await self._fleet.in_rows(await self._reader.picture(at_ms))

    async def _chunk(self, most_ms: int) -> _Held:
        speed = self._clock.speed
        chunk = await self._reader.chunk(self._known_ms, most_ms, speed)
        return _Held(
            await self._fleet.in_rows(chunk.found),
            chunk.end_ms,
            speed if chunk.is_thinned else None,
            chunk.events,
        )

    async def _patiently(self, read: Callable[[int], Awaitable[T]], at_ms: int) -> T | None:
        """What is read, however long the store is away; None: it is not wanted any more."""
        while not self._is_over and self._seek_ms is None:
            try:
                found = await read(at_ms)
            except StoreError:
                if not self._is_away and not self._is_over:
                    self._link.send_text(orjson.dumps({"type": "error", **AWAY.as_fields()}))
                self._is_away = True
                await asyncio.sleep(RETRY_S)
            else:
                self._is_away = False
                return found
        return None

    def _end_ms(self) -> int:
        """The last moment that can be shown now."""
        settled_ms = self._now_ms() - SETTLING_MS
        return settled_ms if self._until_ms is None else min(self._until_ms, settled_ms)

    def _read_on(self) -> None:
        """Begin to read the next chunk, when there is room and something to read."""
        end_ms = self._end_ms() + 1
        is_last = self._until_ms is not None and end_ms > self._until_ms
        least_ms = 1 if is_last else LEAST_READ_MS
        is_full = len(self._ahead) >= CHUNKS_AHEAD
        if self._reading is None and not is_full and end_ms - self._known_ms >= least_ms:
            self._reading = asyncio.create_task(self._patiently(self._chunk, end_ms))
            self._reading.add_done_callback(lambda _: self._order.set())

    def _take_read(self) -> None:
        if self._reading is not None and self._reading.done():
            held = self._reading.result()
            self._reading = None
            # one that was thinned for another speed is read again
            if held is not None and held.thinned_for in {None, self._clock.speed}:
                self._known_ms = held.end_ms
                fixes = self._fleet.believed(held.fixes, is_leap=held.thinned_for is not None)
                self._ahead.append(held._replace(fixes=fixes))
                self._events.add(held.events)

    def _advance(self) -> None:
        """Let time pass, and show what has become due."""
        now_s = self._now_s()
        is_held = self._clock.advance(now_s, self._events.most_ms(self._known_ms - 1))
        self._events.tell(self._clock.at_ms)
        self._stalled_s = (self._stalled_s or now_s) if is_held else None
        while self._ahead:
            held = self._ahead[0]
            due = int(np.searchsorted(held.fixes.time_ms, self._clock.at_ms, side="right"))
            if due > held.done:
                self._fleet.advance(
                    from_columns(getattr(held.fixes, name)[held.done : due] for name in COLUMNS)
                )
            if self._clock.at_ms < held.end_ms - 1:
                self._ahead[0] = held._replace(done=due)
                break
            self._ahead.popleft()
        self._state = self._state_at(now_s)

    def _state_at(self, now_s: float) -> State:
        if not self._ahead and self._clock.at_ms >= min(self._end_ms(), self._now_ms() - CAUGHT_UP_MS):
            return State.ENDED
        if self._clock.speed == 0.0:
            return State.PAUSED
        is_stalled = self._stalled_s is not None and now_s - self._stalled_s >= STALL_S
        is_waiting = is_stalled or (self._stalled_s is not None and self._state is State.WAITING)
        return State.WAITING if is_waiting else State.PLAYING

    def _tell(self) -> None:
        """Say what time it is, if that is news and the viewer reads; else when it does."""
        if self._state in STANDING and not self._fleet.is_settled:
            return
        now_s, at_ms = self._now_s(), int(self._clock.at_ms)
        news = (self._state, self._clock.speed, at_ms)
        if self._is_over or news == self._told or not self._link.is_writable:
            return
        is_same = self._told is not None and news[:2] == self._told[:2]
        if is_same and now_s - self._told_s < CLOCK_S:
            return
        self._told, self._told_s = news, now_s
        self._link.send_text(self.frame(self._state))
