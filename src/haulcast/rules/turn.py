"""What a step knows when the rules' turn comes."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import FenceEvents
from geo.fence_match import FenceHits
from geo.fence_set import FenceSet
from geo.fence_transitions import FenceState
from geo.positions import PositionBatch


class NewestFixes(Protocol):
    """The newest fix of every vehicle as columns, index = row."""

    is_known: NDArray[np.bool_]
    time_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    accuracy_m: NDArray[np.float64]


class Place(NamedTuple):
    """Where a vehicle was at some time, and the time of its last fix by then."""

    lat_deg: float
    lon_deg: float
    fix_time_ms: int


@dataclass(frozen=True, slots=True)
class Turn:
    """One step, after the fences and before the newest fixes are kept.

    A vehicle has a clock of its own: the time of its newest fix, and what has passed since that was received. So a backlog is
    judged by the times of its fixes, and a vehicle that says nothing still gets older. It stands still while the hub is down.

    Attributes:
        batch: fixes in order of each track, none late.
        facts: enters and exits of this step.
        hits: the fences that hold each fix of the batch, as indexes into `fence_set`.
        fence_set: the fences in force.
        fleet_number: int32, the fleet of each row.
        last: the newest fixes before this batch.
        fence_state: the open visits after this batch.
        started_ms: when the hub began to step.
        now_ms: the time of the step.
    """

    batch: PositionBatch
    facts: FenceEvents
    hits: FenceHits
    fence_set: FenceSet
    fleet_number: NDArray[np.int32]
    last: NewestFixes
    fence_state: FenceState
    started_ms: int
    now_ms: int

    def clock_before_ms(self, row: int) -> int:
        """The vehicle's clock now, as if this batch had not come."""
        silence_ms = self.now_ms - max(int(self.last.received_ms[row]), self.started_ms)
        return int(self.last.time_ms[row]) + max(0, silence_ms)

    def clocks_ms(self) -> NDArray[np.int64]:
        """int64[rows], the clocks of all vehicles now; of those never heard of, nothing useful."""
        clocks = self.last.time_ms + self.now_ms
        clocks -= np.maximum(self.last.received_ms, self.started_ms)
        batch = self.batch
        clocks[batch.row] = batch.time_ms + (self.now_ms - batch.received_ms)  # of several the last one stays
        return clocks

    def place(self, row: int, time_ms: int) -> Place:
        """Where a vehicle was: between two fixes it moves straight and evenly, after the last it stands."""
        own = np.flatnonzero(self.batch.row == row)
        later = own[self.batch.time_ms[own] > time_ms]
        earlier = own[: len(own) - len(later)]
        before = self._fix(int(earlier[-1])) if len(earlier) else self._last(row)
        after = self._fix(int(later[0])) if len(later) else None
        if before is None or after is None or before.fix_time_ms > time_ms:
            return before or after or Place(float("nan"), float("nan"), time_ms)
        part = (time_ms - before.fix_time_ms) / (after.fix_time_ms - before.fix_time_ms)
        east = (after.lon_deg - before.lon_deg + 180.0) % 360.0 - 180.0
        lon = (before.lon_deg + part * east + 180.0) % 360.0 - 180.0
        return Place(before.lat_deg + part * (after.lat_deg - before.lat_deg), lon, before.fix_time_ms)

    def before(self, fix: int) -> Place | None:
        """The vehicle's fix before this one of the batch."""
        row = int(self.batch.row[fix])
        own = np.flatnonzero(self.batch.row[:fix] == row)
        return self._fix(int(own[-1])) if len(own) else self._last(row)

    def _fix(self, fix: int) -> Place:
        batch = self.batch
        return Place(float(batch.lat_deg[fix]), float(batch.lon_deg[fix]), int(batch.time_ms[fix]))

    def _last(self, row: int) -> Place | None:
        last = self.last
        if not last.is_known[row]:
            return None
        return Place(float(last.lat_deg[row]), float(last.lon_deg[row]), int(last.time_ms[row]))
