"""The legs that vehicles drive, found as their fixes come. The face of `geo.kernels.driven_legs`.

A leg is the way between two fixes of a vehicle, `SHORTEST_S` apart at least, so that legs of devices that report each second compare with those of
devices that report each minute; what comes between them is passed over. One fix costs some nanoseconds; only fixes that end a leg need an H3 cell.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.cells import cells_of
from geo.kernels import driven_legs as kernel
from geo.kernels.travel_time import MONDAY, WEEK_HOURS
from geo.travel_time import DrivenLegs, TravelLimits

SHORTEST_S: Final = 20.0


class FoundLegs(NamedTuple):
    """Legs that some fixes ended.

    Attributes:
        legs: with m rows.
        fix: int64[m], which of the fixes ended each.
        windings: float64[w], of whole windows of legs, the way over the straight line.
    """

    legs: DrivenLegs
    fix: NDArray[np.int64]
    windings: NDArray[np.float64]


class LegTracks:
    """Where each vehicle was when its last leg ended; index = row."""

    def __init__(self, limits: TravelLimits | None = None, shortest_s: float = SHORTEST_S) -> None:
        self._limits = limits or TravelLimits()
        self._shortest_s = shortest_s
        self._tracks = np.zeros(0, kernel.LEG_TRACK)

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles."""
        if rows > len(self._tracks):
            grown = np.zeros(max(64, rows, 2 * len(self._tracks)), kernel.LEG_TRACK)
            grown[: len(self._tracks)] = self._tracks
            self._tracks = grown

    def may_end(self, row: NDArray[np.int32], time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[m], those of n fixes with which a leg can end: the others are too soon after their vehicle's last one, and `take` would pass them over."""
        since_ms: NDArray[np.int64] = time_ms - self._tracks["time_ms"][row]
        return np.flatnonzero(since_ms >= self._shortest_s * 1000)

    def take(
        self,
        row: NDArray[np.int32],
        time_ms: NDArray[np.int64],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
    ) -> FoundLegs:
        """The legs that n fixes end; each vehicle's are in order of time, and what is older than its last one is passed over.

        Args:
            row: int32[n], there is room for each.
            time_ms: int64[n], Unix milliseconds.
            lat_deg: float64[n], finite.
            lon_deg: float64[n], finite.
        """
        limits, n = self._limits, len(row)
        fix, speed, windings = np.empty(n, np.int64), np.empty(n), np.empty(n)
        bounds = (
            self._shortest_s, limits.longest_gap_s, limits.least_mps, limits.most_mps, limits.window_legs,
        )  # fmt: skip
        count, wound = kernel.driven_legs(
            self._tracks, row, time_ms, lat_deg, lon_deg, bounds, fix, speed, windings
        )
        fix = fix[:count].copy()
        hour = (time_ms[fix] // 3_600_000 + MONDAY) % WEEK_HOURS
        cells = cells_of(lat_deg[fix], lon_deg[fix], limits.resolution)
        return FoundLegs(DrivenLegs(cells, hour, speed[:count].copy()), fix, windings[:wound].copy())


def some_of(legs: DrivenLegs, which: NDArray[np.int64] | slice) -> DrivenLegs:
    """These of them."""
    return DrivenLegs(legs.cell[which], legs.hour[which], legs.speed_mps[which])


def joined_legs(parts: Sequence[DrivenLegs]) -> DrivenLegs:
    """All of them, in their order; there is at least one part."""
    cells, hours, speeds = ([part[i] for part in parts] for i in range(3))
    return DrivenLegs(np.concatenate(cells), np.concatenate(hours), np.concatenate(speeds))


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    tracks = LegTracks()
    tracks.ensure_rows(1)
    tracks.take(np.zeros(2, np.int32), np.array([1, 60_001]), np.zeros(2), np.array([0.0, 0.01]))
