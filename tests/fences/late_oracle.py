"""Vehicles whose fixes come late, and the visits that a listener makes of the events it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from geo.fence_events import NONE, Cause, FenceEvents, Kind
from geo.fence_set import FenceSet
from geo.positions import PositionBatch, position_batch
from geo.track_filter import FilterLimits
from haulcast.fences.watch import FenceWatch
from haulcast.tracking.step import HubState, StepResult, step

FREE = FilterLimits(10**15, 10**15, 1e9, 1e9, 1e9, 1e9, 1e9)
"""Limits that refuse nothing but a time that is known."""


def fixes(
    row: Sequence[int],
    time_ms: Sequence[int],
    lat: Sequence[float],
    lon: Sequence[float],
    accuracy_m: float = np.nan,
) -> PositionBatch:
    """A batch of them, in order of arrival."""
    batch = position_batch(len(row))
    for column, values in (
        (batch.row, row),
        (batch.time_ms, time_ms),
        (batch.lat_deg, lat),
        (batch.lon_deg, lon),
    ):
        column[:] = values
    batch.accuracy_m[:] = accuracy_m
    return batch


def hub(rows: int, late_fixes: int, window_ms: int = 600_000) -> HubState:
    """A hub with room for vehicles of fleet 0."""
    state = HubState(FenceWatch(first_visit=1, late_fixes=late_fixes, late_window_ms=window_ms))
    state.ensure_rows(rows, np.zeros(rows, np.int32))
    return state


@dataclass
class Listener:
    """What is left of all events, by visit: vehicle, fence, and each end as (time, latitude, longitude)."""

    visits: dict[int, list] = field(default_factory=dict)
    told: list[tuple] = field(default_factory=list)
    withdrawn: set[int] = field(default_factory=set)

    def hear(self, events: FenceEvents) -> None:
        """Fold events in, and hold each against what was told before."""
        columns = (
            events.row, events.handle, events.kind, events.cause, events.visit, events.time_ms,
            events.lat_deg, events.lon_deg, events.entered_ms, events.left_ms, events.fix_time_ms,
        )  # fmt: skip
        for event in zip(*(column.tolist() for column in columns), strict=True):
            self.told.append(event)
            self._hear(*event[:-1])

    def _hear(self, row, handle, kind, cause, number, time_ms, lat, lon, entered_ms, left_ms) -> None:
        place = (time_ms, lat, lon)
        assert number not in self.withdrawn
        if kind == Kind.ENTER:
            assert number not in self.visits
            assert (entered_ms, left_ms) == (time_ms, NONE)
            self.visits[number] = [row, handle, place, None]
            return
        visit = self.visits[number]
        assert visit[:2] == [row, handle]
        if kind == Kind.EXIT:
            assert visit[3] is None
            assert (visit[2][0], time_ms) == (entered_ms, left_ms)
            visit[3] = place
        elif kind == Kind.WITHDRAWN:
            assert cause == Cause.LATE
            del self.visits[number]
            self.withdrawn.add(number)
        else:
            assert (kind, cause) == (Kind.CORRECTED, Cause.LATE)
            if time_ms == entered_ms:
                visit[2] = place
            if time_ms == left_ms:
                visit[3] = place
            if left_ms == NONE:
                visit[3] = None

    def same_as(self, other: "Listener", apart_deg: float) -> bool:
        """Whether both have the same visits, ids aside: times equal, places not further apart than this."""
        (times, places), (other_times, other_places) = self._columns(), other._columns()
        return times == other_times and np.allclose(
            places, other_places, rtol=0, atol=apart_deg, equal_nan=True
        )

    def _columns(self) -> tuple[list[tuple], list[tuple]]:
        nowhere = (NONE, np.nan, np.nan)
        visits = sorted(
            (row, handle, entered, left or nowhere) for row, handle, entered, left in self.visits.values()
        )
        times = [(row, handle, entered[0], left[0]) for row, handle, entered, left in visits]
        return times, [(*entered[1:], *left[1:]) for _, _, entered, left in visits]


def stepped(
    state: HubState, batches: Sequence[PositionBatch], fence_set: FenceSet, limits: FilterLimits = FREE
) -> list[StepResult]:
    """Step all batches, and on until nothing waits, nor is held back."""
    pending, results = list(batches), []
    while pending or state.fences.is_waiting or state.track.give_up_held(state.track.held()):
        batch = pending.pop(0) if pending else position_batch(0)
        results.append(step(state, batch, fence_set, 10**12, limits))
    return results


def run(
    state: HubState, batches: Sequence[PositionBatch], fence_set: FenceSet, limits: FilterLimits = FREE
) -> Listener:
    """What is left of all events of `stepped`."""
    listener = Listener()
    for result in stepped(state, batches, fence_set, limits):
        listener.hear(result.events)
    return listener


def cut(batch: PositionBatch, sizes: Sequence[int]) -> list[PositionBatch]:
    """The batch in pieces of these sizes, over and over."""
    pieces, begin, i = [], 0, 0
    while begin < len(batch):
        size = sizes[i % len(sizes)]
        pieces.append(batch.take(np.arange(begin, min(begin + size, len(batch)))))
        begin, i = begin + size, i + 1
    return pieces
