"""A vehicle's legs (`geo.stay_points`) joined to what people ask for: its stops and its trips, in order of time.

A stop is a run of still legs as long as it goes. A trip is a run of driving and idling ones in which some fix is further than the stay's
radius from the first; so what wobbles between two gaps is neither. A trip begins and ends with the fix it shares with the stop before
or after it. What was not seen is in no trip, and ends it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from geo.kernels.stay_points import to_points
from geo.positions import PositionBatch
from geo.stay_points import DRIVING, IDLING, STILL, UNSEEN, Legs


@dataclass(slots=True)
class Part:
    """One stop or one trip, or what is neither.

    Attributes:
        kind: STILL: a stop; DRIVING: a trip; UNSEEN: a gap.
        begin: its first fix, a batch of one.
        end: its last.
        is_open: it lasts to the last fix there is.
        legs: how many.
        length_m: the way.
        driving_ms, idling_ms, longest_ms: of its legs; the longest is how long nothing was heard.
        speed_mps: the greatest that a fix reports, its first apart; NaN: none does.
        reach_m: how far from the first fix it got.
        north_deg, east_deg: sums of the fixes' offsets from the first one.
    """

    kind: int
    begin: PositionBatch
    end: PositionBatch
    is_open: bool = True
    legs: int = 0
    length_m: float = 0.0
    driving_ms: int = 0
    idling_ms: int = 0
    longest_ms: int = 0
    speed_mps: float = np.nan
    reach_m: float = 0.0
    north_deg: float = 0.0
    east_deg: float = 0.0

    @property
    def middle(self) -> tuple[float, float]:
        """Latitude and longitude of the mean of its fixes."""
        lat = self.begin.lat_deg[0] + self.north_deg / (self.legs + 1)
        lon = self.begin.lon_deg[0] + self.east_deg / (self.legs + 1)
        return float(lat), float((lon + 180.0) % 360.0 - 180.0)

    def grow(self, legs: Legs) -> None:
        """Take in the legs that follow, all of its kind."""
        fixes = legs.fixes
        count, lasts_ms = len(legs.kind), np.diff(fixes.time_ms)
        self.end = fixes.take(np.array([count]))
        self.legs += count
        self.length_m += float(legs.length_m.sum())
        self.driving_ms += int(lasts_ms[legs.kind == DRIVING].sum())
        self.idling_ms += int(lasts_ms[legs.kind == IDLING].sum())
        self.longest_ms = max(self.longest_ms, int(lasts_ms.max()))
        self.speed_mps = float(np.fmax.reduce(fixes.speed_mps[1:], initial=self.speed_mps))
        self.north_deg += float((fixes.lat_deg[1:] - self.begin.lat_deg[0]).sum())
        self.east_deg += float(((fixes.lon_deg[1:] - self.begin.lon_deg[0] + 180.0) % 360.0 - 180.0).sum())
        points = np.empty((count + 1, 3))
        to_points(
            np.append(fixes.lat_deg[1:], self.begin.lat_deg),
            np.append(fixes.lon_deg[1:], self.begin.lon_deg),
            points,
        )
        self.reach_m = max(self.reach_m, float(np.sqrt(((points - points[-1]) ** 2).sum(axis=1)).max()))


class Parts:
    """Joins legs to stops and trips while they come in."""

    def __init__(self, radius_m: float) -> None:
        self._radius_m = radius_m
        self._open: Part | None = None

    def add(self, legs: Legs) -> Iterator[Part]:
        """The stops and trips that end within these legs."""
        kind = np.where(legs.kind == IDLING, DRIVING, legs.kind)
        cuts = np.flatnonzero(np.diff(kind)) + 1
        bounds = [0, *cuts.tolist(), len(kind)] if len(kind) else [0]
        for start, stop in pairwise(bounds):
            if self._open is None or self._open.kind != kind[start]:
                yield from self._closed(is_open=False)
                first = legs.fixes.take(np.array([start]))
                self._open = Part(int(kind[start]), first, first)
            fixes = legs.fixes.take(np.arange(start, stop + 1))
            self._open.grow(Legs(fixes, legs.kind[start:stop], legs.length_m[start:stop]))

    def finish(self) -> Iterator[Part]:
        """The last one, if it is any: there are no more legs."""
        yield from self._closed(is_open=True)

    def _closed(self, *, is_open: bool) -> Iterator[Part]:
        part, self._open = self._open, None
        if part is None or part.kind == UNSEEN or (part.kind != STILL and part.reach_m <= self._radius_m):
            return
        part.is_open = is_open
        yield part
