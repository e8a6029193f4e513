"""Where a vehicle stayed, travelled or was not seen, between any two fixes of its history. The face of `geo.kernels.stay_points`.

What is between two consecutive fixes is a leg. Every leg has one kind:

- STILL: it is part of a window in which the vehicle stayed. The window of a fix lasts to the first fix at least `least_ms` after it;
  the vehicle stayed in it when all fixes of the window are within `radius_m` of its first one. So a stay begins with the first fix
  that is followed by `least_ms` without going further, jitter ends it only if it reaches past the radius, and its length has no
  limit. A creep of less than the radius in `least_ms` is a stay too.
- UNSEEN: none of that, and longer than `gap_ms`. A gap with the vehicle at the same place before and after is STILL if it fills a window.
- DRIVING, IDLING: the rest; idling below `IDLE_MPS`, by the speed that the fix at its end reports, else by its length.

Only fixes whose accuracy is unknown or at most the radius count; others say nothing about a stay, and are left out before all this.
Distances to the radius are straight chords, 0.1 mm shorter than the geodesic at 5 km.

A leg's kind depends on nothing but the windows over it, so the answer is the same however the fixes are cut into batches, and, but
for the windows at the borders, the same for any span.

A way is measured from an anchor: a fix adds its geodesic distance to the anchor, and becomes the anchor, once it is further from it than
`LEAST_STEP_M` and than its accuracy. So jitter adds nothing; the last leg of a travel adds what is left.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.kernels import stay_points as kernel
from geo.positions import COLUMNS, PositionBatch, concatenate, from_columns, position_batch

STILL, DRIVING, IDLING, UNSEEN = 0, 1, 2, 3
IDLE_MPS: Final = 0.5
LEAST_STEP_M: Final = 10.0


@dataclass(frozen=True, slots=True)
class StayLimits:
    """What a stay and a gap are; see the module."""

    radius_m: float = 100.0
    least_ms: int = 300_000
    gap_ms: int = 600_000


class Legs(NamedTuple):
    """Consecutive legs.

    Attributes:
        fixes: one more than legs; leg i goes from fix i to fix i + 1.
        kind: int8[n], STILL, DRIVING, IDLING or UNSEEN.
        length_m: float64[n], what each adds to the way; 0 unless driving or idling.
    """

    fixes: PositionBatch
    kind: NDArray[np.int8]
    length_m: NDArray[np.float64]


class StayScan:
    """Tells the kind of each leg of one vehicle while its fixes come in, in order of time.

    What is not decided yet is kept: the fixes of the last window.
    """

    def __init__(self, limits: StayLimits) -> None:
        self._limits = limits
        self._waiting = position_batch(0)
        self._still_until = 0  # index in `_waiting` of the last fix that a window before it reaches
        self._anchor: NDArray[np.float64] | None = None

    def add(self, fixes: PositionBatch) -> Legs:
        """The legs that are decided with these fixes; the next ones follow on them, beginning with the same fix."""
        index = np.flatnonzero(~(fixes.accuracy_m > self._limits.radius_m))
        columns = from_columns(getattr(fixes, name) for name in COLUMNS)  # attributes do not matter here
        return self._decide(columns.take(index), is_end=False)

    def finish(self) -> Legs:
        """The legs that are left: there are no more fixes."""
        return self._decide(position_batch(0), is_end=True)

    def _decide(self, fixes: PositionBatch, *, is_end: bool) -> Legs:
        known = concatenate([part for part in (self._waiting, fixes) if len(part)])
        window_end, decided = self._windows(known, is_end=is_end)
        furthest = np.maximum(np.maximum.accumulate(window_end[:decided]), self._still_until)
        legs = max(0, min(decided, len(known) - 1))
        kind = self._kinds(known, furthest[:legs] > np.arange(legs))
        count = legs if is_end else max(0, legs - 1)  # a way's last leg is known by the one after it
        length_m = self._lengths(known, kind, count)
        self._waiting = known.take(np.arange(count, len(known)))
        if count:
            self._still_until = max(0, int(furthest[count - 1]) - count)
        return Legs(known.take(np.arange(min(count + 1, len(known)))), kind[:count], length_m)

    def _windows(self, known: PositionBatch, *, is_end: bool) -> tuple[NDArray[np.int64], int]:
        points = np.empty((len(known), 3))
        kernel.to_points(known.lat_deg, known.lon_deg, points)
        boxes = np.empty((len(known) // kernel.BLOCK, 2, 3))
        kernel.to_boxes(points, boxes)
        window_end = np.empty(len(known), np.int64)
        limits = self._limits
        decided = kernel.windows(
            known.time_ms, points, boxes, limits.radius_m, limits.least_ms, is_end, window_end
        )
        return window_end, decided

    def _kinds(self, known: PositionBatch, is_still: NDArray[np.bool_]) -> NDArray[np.int8]:
        end = np.arange(1, len(is_still) + 1)
        lasts_ms = np.diff(known.time_ms[: len(is_still) + 1]) if len(is_still) else np.empty(0, np.int64)
        speed_mps = known.speed_mps[end]
        silent = np.flatnonzero(np.isnan(speed_mps))
        if len(silent):
            ends = known.take(np.arange(len(is_still) + 1))
            speed_mps[silent] = _length_m(ends)[silent] / np.maximum(lasts_ms[silent], 1) * 1000.0
        kind = np.where(speed_mps < IDLE_MPS, IDLING, DRIVING)
        kind = np.where(lasts_ms > self._limits.gap_ms, UNSEEN, kind)
        return np.where(is_still, STILL, kind).astype(np.int8)

    def _lengths(self, known: PositionBatch, kind: NDArray[np.int8], count: int) -> NDArray[np.float64]:
        length_m = np.empty(count)
        if not count:
            return length_m
        if self._anchor is None:
            self._anchor = np.array([known.lat_deg[0], known.lon_deg[0]])
        is_travel = np.zeros(count + 1, np.bool_)
        is_travel[: len(kind)] = ((kind == DRIVING) | (kind == IDLING))[: count + 1]
        kernel.measure(
            known.lat_deg, known.lon_deg, known.accuracy_m, is_travel, LEAST_STEP_M, self._anchor, length_m
        )
        return length_m


def _length_m(fixes: PositionBatch) -> NDArray[np.float64]:
    """The chord of each leg."""
    points = np.empty((len(fixes), 3))
    kernel.to_points(fixes.lat_deg, fixes.lon_deg, points)
    length_m: NDArray[np.float64] = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return length_m


def warm_up() -> None:
    """Compile, or load from the cache, what `StayScan` calls."""
    scan = StayScan(StayLimits())
    fixes = position_batch(3)
    fixes.time_ms[:] = (0, 400_000, 800_000)
    scan.add(fixes)
    scan.finish()
