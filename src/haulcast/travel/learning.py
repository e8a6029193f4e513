"""A fleet's travel times out of its history: an hour at a time, so that neither the store nor the memory has to hold it all."""

import asyncio
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.driven_legs import FoundLegs, LegTracks, joined_legs, some_of
from geo.travel_time import DrivenLegs, TravelLimits, TravelTimes, learned_travel_times
from haulcast.history.history_store import FleetFixes, HistoryStore

HOUR_MS: Final = 3_600_000
HOUR_FIXES: Final = 20_000
"""Read of each hour; of a fleet that sends more, these are its first minutes, and in the next hour they begin elsewhere."""
MOST_LEGS: Final = 1_000_000
"""Kept in memory, 24 bytes each; of more every second one goes."""
PAUSE_S: Final = 0.02  # between two hours, so that who writes has the store for most of the time
_GOLDEN: Final = 0.618033988749895


@dataclass(frozen=True, slots=True)
class Learned:
    """What a history taught; `legs` is how many count, of `begin_ms` to before `end_ms`."""

    times: TravelTimes
    legs: int
    begin_ms: int
    end_ms: int


class LegPile:
    """Legs and windings of any number of fixes, within bounds.

    Args:
        most: legs kept.
    """

    def __init__(self, limits: TravelLimits, most: int = MOST_LEGS) -> None:
        self.count = 0
        self._limits = limits
        self._most = most
        self._tracks = LegTracks(limits)
        self._rows: dict[str, int] = {}
        self._parts: list[DrivenLegs] = []
        self._kept = 0
        self._every = 1
        self._windings: list[NDArray[np.float64]] = []

    def add(self, found: FleetFixes) -> None:
        """Take fixes, later ones than before."""
        rows = np.array([self._rows.setdefault(v, len(self._rows)) for v in found.vehicles], np.int32)
        self._tracks.ensure_rows(len(self._rows))
        fixes = found.fixes
        self._take(self._tracks.take(rows[fixes.row], fixes.time_ms, fixes.lat_deg, fixes.lon_deg))

    def _take(self, found: FoundLegs) -> None:
        self.count += len(found.fix)
        part = some_of(found.legs, slice(None, None, self._every))
        self._parts.append(part)
        self._windings.append(found.windings[:: self._every])
        self._kept += len(part.cell)
        if self._kept > self._most:
            self._every *= 2
            self._parts = [some_of(joined_legs(self._parts), slice(None, None, 2))]
            self._windings = [np.concatenate(self._windings)[::2]]
            self._kept = len(self._parts[0].cell)

    def times(self) -> TravelTimes:
        """What all of them teach."""
        if not self._parts:
            self._take(LegTracks(self._limits).take(*_NOTHING))
        return learned_travel_times(joined_legs(self._parts), np.concatenate(self._windings), self._limits)


_NOTHING: Final = (np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0), np.empty(0))


async def learn(
    store: HistoryStore,
    fleet: str,
    begin_ms: int,
    end_ms: int,
    *,
    limits: TravelLimits | None = None,
    hour_fixes: int = HOUR_FIXES,
    pause_s: float = PAUSE_S,
) -> Learned | None:
    """A fleet's travel times of a span; None: too few legs to say anything.

    Raises:
        StoreError: the store cannot be reached.
    """
    limits = limits or TravelLimits()
    pile, start = LegPile(limits), 0.0
    for hour_ms in range(begin_ms, end_ms, HOUR_MS):
        until_ms = min(hour_ms + HOUR_MS, end_ms)
        from_ms = hour_ms + int(start * (until_ms - hour_ms))
        found = await store.read_span(fleet, None, from_ms, until_ms, hour_fixes)
        if len(found.fixes):
            await asyncio.to_thread(pile.add, found)
        is_cut = found.end_ms < until_ms
        start = (start + _GOLDEN) % 1.0 * 0.9 if is_cut else 0.0
        await asyncio.sleep(pause_s)
    if pile.count < limits.least_legs:
        return None
    return Learned(await asyncio.to_thread(pile.times), pile.count, begin_ms, end_ms)
