"""What a playback reads of the history, in chunks that fit memory and store: whole where that is little, else the newest only."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from haulcast.events.event_store import TimedEvent
from haulcast.history.history_store import FleetFixes, HistoryStore
from haulcast.live_map.past_events import PastEvents

LEAST_CHUNK_MS = 10_000
CHUNK_S = 1.0
"""A chunk is what is played in so long, and at least `LEAST_CHUNK_MS` of history."""
CHUNK_FIXES = 20_000
DENSE = 2
"""When a chunk would take more than so many whole reads, what is between the newest fixes is left out..."""
LEAPS = 2
"""...in so many leaps a chunk: each tells every vehicle's newest fix, so at this speed nobody could see the others..."""
LEAPS_BEFORE_LOOK = 6
"""...and after so many leaps a whole read finds out whether it is still that much."""
LOOK_BACK = 8
"""Fixes before a moment that say which of them to believe; after two plausible ones in a row nothing depends on those before."""
LEAP_BACK = 3
FILLED = 0.8
MOST_GROWTH = 4.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Fixes with begin <= time < `end_ms`, in order of time; `is_thinned`: not all of them, but the newest of each vehicle.

    Events are never left out.
    """

    found: FleetFixes
    end_ms: int
    is_thinned: bool
    events: Sequence[TimedEvent] = ()


class ReadAhead:
    """Reads for one playback. What a store has to do for it is bounded: one read at a time, each of some vehicles' keys and `CHUNK_FIXES`.

    Args:
        reading: shared by all playbacks; as many reads at once as it lets in.
        vehicles: these only; None: the whole fleet.
        look_back_ms: what is older than this says nothing about where a vehicle is.
        events: reads the events; None: nobody wants them.
    """

    def __init__(
        self,
        store: HistoryStore,
        reading: asyncio.Semaphore,
        fleet: str,
        vehicles: Collection[str] | None,
        look_back_ms: int,
        events: PastEvents | None = None,
    ) -> None:
        self._store = store
        self._reading = reading
        self._fleet = fleet
        self._vehicles = vehicles
        self._look_back_ms = look_back_ms
        self._events = events
        self._whole_ms = LEAST_CHUNK_MS  # a span of so long has about CHUNK_FIXES fixes at most
        self._leaps = LEAPS_BEFORE_LOOK

    async def picture(self, at_ms: int) -> FleetFixes:
        """Each vehicle's newest fixes at this moment, `LOOK_BACK` of them, plausible or not.

        Raises:
            StoreError: the store cannot be reached.
        """
        async with self._reading:
            return await self._store.latest_before(
                self._fleet, self._vehicles, at_ms + 1 - self._look_back_ms, at_ms + 1, LOOK_BACK
            )

    async def chunk(self, begin_ms: int, most_ms: int, speed: float) -> Chunk:
        """The fixes from `begin_ms` on, as far as it pays at this speed; `most_ms` (excluded) at the most.

        Raises:
            StoreError: the store cannot be reached.
        """
        played_ms = int(speed * CHUNK_S * 1000)
        async with self._reading:
            if played_ms > DENSE * self._whole_ms and self._leaps < LEAPS_BEFORE_LOOK:
                self._leaps += 1
                end_ms = min(most_ms, begin_ms + played_ms // LEAPS)
                return await self._leap(begin_ms, end_ms)
            end_ms = min(most_ms, begin_ms + min(max(played_ms, LEAST_CHUNK_MS), self._whole_ms))
            found = await self._store.read_span(self._fleet, self._vehicles, begin_ms, end_ms, CHUNK_FIXES)
            events, until_ms = await self._events_of(begin_ms, found.end_ms)
        self._learn(found, begin_ms, end_ms)
        return Chunk(_until(found, until_ms), until_ms, is_thinned=False, events=events)

    async def _leap(self, begin_ms: int, end_ms: int) -> Chunk:
        events, end_ms = await self._events_of(begin_ms, end_ms)
        found = await self._store.latest_before(self._fleet, self._vehicles, begin_ms, end_ms, LEAP_BACK)
        return Chunk(found, end_ms, is_thinned=True, events=events)

    async def _events_of(self, begin_ms: int, end_ms: int) -> tuple[Sequence[TimedEvent], int]:
        return ((), end_ms) if self._events is None else await self._events.read(begin_ms, end_ms)

    def _learn(self, found: FleetFixes, begin_ms: int, end_ms: int) -> None:
        """Find out how long a span may be to have somewhat less than `CHUNK_FIXES`, and look again at once where that is far off."""
        span_ms = found.end_ms - begin_ms
        factor = min(MOST_GROWTH, FILLED * CHUNK_FIXES / max(1, len(found.fixes)))
        if found.end_ms < end_ms or span_ms >= self._whole_ms:
            self._whole_ms = max(1, int(span_ms * factor))
        self._leaps = LEAPS_BEFORE_LOOK if factor == MOST_GROWTH else 0


def _until(found: FleetFixes, end_ms: int) -> FleetFixes:
    """Those before this moment."""
    if end_ms >= found.end_ms:
        return found
    count = int(np.searchsorted(found.fixes.time_ms, end_ms))
    return FleetFixes(found.vehicles, found.fixes.take(np.arange(count)), end_ms)
