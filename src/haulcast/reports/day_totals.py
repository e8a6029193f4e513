"""What a vehicle did on each day, where a day is that of a time zone's calendar: 23 or 25 hours long when clocks change."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from geo.positions import PositionBatch
from geo.stay_points import DRIVING, IDLING, STILL, Legs
from haulcast.doors.time_fields import EPOCH
from haulcast.reports.fix_documents import fix_documents


def day_borders(first: date, days: int, zone: ZoneInfo) -> NDArray[np.int64]:
    """int64[days + 1]: when each day begins, ms since 1970 UTC, and when the last one ends.

    A day begins at its midnight; where clocks skip it, at the moment they do, and where it comes twice, the first time.
    """
    midnights = [datetime.combine(first + timedelta(days=i), time(), zone) for i in range(days + 1)]
    return np.array([(m.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1) for m in midnights], np.int64)


def date_at(time_ms: int, zone: ZoneInfo) -> date:
    """The date that a calendar in this zone shows."""
    return (EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone).date()


@dataclass(slots=True)
class _Ends:
    """The first and the last fix of a day, and how many there are."""

    fixes: int = 0
    first: PositionBatch | None = None
    last: PositionBatch | None = None


class DayTotals:
    """Sums over legs and fixes as they come in, in order of time. A leg over midnight is shared out by time."""

    def __init__(self, borders: NDArray[np.int64]) -> None:
        days = len(borders) - 1
        self._borders = borders
        self._lasts_ms = {kind: np.zeros(days) for kind in (STILL, DRIVING, IDLING)}
        self._length_m = np.zeros(days)
        self._speed_mps = np.full(days, np.nan)
        self._ends = [_Ends() for _ in range(days)]

    def add_legs(self, legs: Legs) -> None:
        """Legs that follow on those before."""
        if not len(legs.kind):
            return
        time_ms = legs.fixes.time_ms
        lasts_ms = np.diff(time_ms)
        for kind in self._lasts_ms:
            self._lasts_ms[kind] += self._shared(time_ms, np.where(legs.kind == kind, lasts_ms, 0))
        self._length_m += self._shared(time_ms, legs.length_m)
        day = self._day_of(time_ms[1:])
        moves = (day >= 0) & ((legs.kind == DRIVING) | (legs.kind == IDLING))
        np.fmax.at(self._speed_mps, day[moves], legs.fixes.speed_mps[1:][moves])

    def add_fixes(self, fixes: PositionBatch) -> None:
        """Fixes that follow on those before, of any accuracy."""
        day = self._day_of(fixes.time_ms)
        for number in np.unique(day[day >= 0]).tolist():
            index, ends = np.flatnonzero(day == number), self._ends[number]
            ends.fixes += len(index)
            ends.first = ends.first or fixes.take(index[:1])
            ends.last = fixes.take(index[-1:])

    def documents(self, first: date, *, iso: bool) -> list[dict[str, Any]]:
        """The days as they go out."""
        return [
            {
                "date": (first + timedelta(days=i)).isoformat(),
                "fixes": ends.fixes,
                "distance_km": round(float(self._length_m[i]) / 1000, 3),
                "driving_s": round(float(self._lasts_ms[DRIVING][i]) / 1000, 3),
                "idling_s": round(float(self._lasts_ms[IDLING][i]) / 1000, 3),
                "stopped_s": round(float(self._lasts_ms[STILL][i]) / 1000, 3),
                **({} if np.isnan(self._speed_mps[i]) else {"maximum_speed_mps": float(self._speed_mps[i])}),
                **({} if ends.first is None else {"first_fix": fix_documents(ends.first, iso=iso)[0]}),
                **({} if ends.last is None else {"last_fix": fix_documents(ends.last, iso=iso)[0]}),
            }
            for i, ends in enumerate(self._ends)
        ]

    def _day_of(self, time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n]: the day's number; -1 outside all."""
        day = np.searchsorted(self._borders, time_ms, side="right") - 1
        return np.where(day < len(self._borders) - 1, day, -1)

    def _shared(self, time_ms: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.float64]:
        """What of the legs' values falls into each day; a value spreads evenly over its leg."""
        sums = np.concatenate([[0.0], np.cumsum(values)])
        return np.diff(np.interp(self._borders, time_ms, sums))
