"""What a step knows when the rules' turn comes."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import NONE, FenceEvents, Kind
from geo.fence_match import FenceHits
from geo.fence_set import FenceSet
from geo.fence_transitions import FenceState, OpenVisits
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


class OpenVisit(NamedTuple):
    """A visit that has not ended, with its vehicle's row and its fence's handle."""

    row: int
    handle: int
    visit: int
    entered_ms: int


@dataclass(frozen=True)
class Turn:
    """One step, after the fences and before the newest fixes are kept.

    A vehicle has a clock of its own: the time of its newest fix, and what has passed since that was received. So a backlog is
    judged by the times of its fixes, and a vehicle that says nothing still gets older. It stands still while the hub is down.

    Attributes:
        batch: fixes in order of each track, none late.
        facts: enters and exits of this step, and what late fixes corrected.
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
        clocks = np.maximum(self.last.received_ms, self.started_ms)
        np.subtract(self.now_ms, clocks, out=clocks)
        clocks += self.last.time_ms
        batch = self.batch
        clocks[batch.row] = batch.time_ms + (self.now_ms - batch.received_ms)  # of several the last one stays
        return clocks

    def visits_before(self) -> OpenVisits:
        """The visits that were open before this batch, as columns: there may be very many."""
        facts, states = self.facts, self.fence_state.states
        after = self.fence_state.open_visits(np.flatnonzero(states.used))
        entered = facts.visit[facts.kind == Kind.ENTER]
        was_open = ~np.isin(after.visit, entered)
        has_left = (facts.kind == Kind.EXIT) & ~np.isin(facts.visit, entered)
        columns = (
            np.concatenate([getattr(after, name)[was_open], getattr(facts, name)[has_left]])
            for name in OpenVisits._fields
        )
        return OpenVisits(*columns)

    def place(self, row: int, time_ms: int) -> Place:
        """Where a vehicle was: between two fixes it moves straight and evenly, after the last it stands."""
        own = self._by_vehicle[self._rows.searchsorted(row) : self._rows.searchsorted(row, "right")]
        if not len(own):
            return self._last(row) or Place(float("nan"), float("nan"), time_ms)
        earlier = int(np.count_nonzero(self.batch.time_ms[own] <= time_ms))
        before = self._fix(int(own[earlier - 1])) if earlier else self._last(row)
        after = self._fix(int(own[earlier])) if earlier < len(own) else None
        if before is None or after is None or before.fix_time_ms > time_ms:
            return before or after or Place(float("nan"), float("nan"), time_ms)
        part = (time_ms - before.fix_time_ms) / (after.fix_time_ms - before.fix_time_ms)
        east = (after.lon_deg - before.lon_deg + 180.0) % 360.0 - 180.0
        lon = (before.lon_deg + part * east + 180.0) % 360.0 - 180.0
        return Place(before.lat_deg + part * (after.lat_deg - before.lat_deg), lon, before.fix_time_ms)

    def before(self, fix: int) -> Place | None:
        """The vehicle's fix before this one of the batch."""
        previous = int(self.previous[fix])
        return self._last(int(self.batch.row[fix])) if previous == NONE else self._fix(previous)

    @cached_property
    def previous(self) -> NDArray[np.int64]:
        """int64[fixes]: for each fix of the batch the index of its vehicle's fix before it; NONE: that is in `last`."""
        previous = np.full(len(self.batch), NONE)
        is_same = self._rows[1:] == self._rows[:-1]
        previous[self._by_vehicle[1:][is_same]] = self._by_vehicle[:-1][is_same]
        return previous

    @cached_property
    def facts_of(self) -> dict[tuple[int, int], list[int]]:
        """The facts of this step by row and fence handle, in order."""
        found: dict[tuple[int, int], list[int]] = {}
        for fact, key in enumerate(zip(self.facts.row.tolist(), self.facts.handle.tolist(), strict=True)):
            found.setdefault(key, []).append(fact)
        return found

    @cached_property
    def _by_vehicle(self) -> NDArray[np.intp]:
        return np.argsort(self.batch.row, kind="stable")

    @cached_property
    def _rows(self) -> NDArray[np.int32]:
        return self.batch.row[self._by_vehicle]

    def _fix(self, fix: int) -> Place:
        batch = self.batch
        return Place(float(batch.lat_deg[fix]), float(batch.lon_deg[fix]), int(batch.time_ms[fix]))

    def _last(self, row: int) -> Place | None:
        last = self.last
        if not last.is_known[row]:
            return None
        return Place(float(last.lat_deg[row]), float(last.lon_deg[row]), int(last.time_ms[row]))
