"""The stage of the step that knows which fences each vehicle is inside, and says what changed."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import FenceEvents, join_events
from geo.fence_match import FenceHits, FencePlaces, as_column, match_fences
from geo.fence_set import FenceSet
from geo.fence_transitions import FenceState, find_transitions, refresh_fences
from geo.late_fixes import LateFixes
from geo.positions import PositionBatch, concatenate
from geo.track_filter import FilterLimits, TrackState
from haulcast.fences.late_visits import LateVisits

NO_TRACK = TrackState().track


class FenceWatch:
    """Which visits are open. `state` is for checkpoints.

    Args:
        first_visit: the first visit id given out; they grow by one.
        late_fixes: fixes kept of each vehicle, so that late ones can be put among them; 0: late ones change no visit.
        late_window_ms: how late they may be.

    Attributes:
        late: what becomes of late fixes; None: nothing.
    """

    def __init__(self, first_visit: int, late_fixes: int = 0, late_window_ms: int = 600_000) -> None:
        self.state = FenceState(next_visit=first_visit)
        self.late = LateVisits(LateFixes(late_fixes, late_window_ms)) if late_fixes else None
        self._places = FencePlaces()
        self._version = -1

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles."""
        self.state.ensure_rows(rows)
        if self.late is not None:
            self.late.ensure_rows(rows)

    def forget(self, row: int) -> None:
        """The vehicle is gone: it is in no fence, and its next fix is its first."""
        self.state.forget(row)
        if self.late is not None:
            self.late.forget(row)

    @property
    def is_waiting(self) -> bool:
        """Whether there is more to do without further fixes."""
        return self.late is not None and self.late.is_waiting

    @property
    def late_counters(self) -> dict[str, int]:
        """How many fixes that came out of turn changed no visit, because they came too late, or because the vehicle cannot have been there."""
        late = self.late
        return {
            "late_unreached": late.unreached if late else 0,
            "late_implausible": late.implausible if late else 0,
        }

    def watch(
        self,
        fence_set: FenceSet,
        fleet_number: NDArray[np.int32],
        is_known: NDArray[np.bool_],
        batch: PositionBatch,
        now_ms: int,
        limits: FilterLimits,
        out_of_turn: PositionBatch | None = None,
        track: NDArray[np.void] = NO_TRACK,
    ) -> tuple[FenceEvents, FenceHits]:
        """What the fixes of a batch entered and left, and the fences of each fix.

        A new fence set first re-evaluates, where it is, every vehicle that the edit can touch. What is to be judged in the order of time comes
        last, and only so much in one turn: see `haulcast.fences.late_visits`.

        Args:
            fence_set: the fences in force.
            fleet_number: int32, the fleet of each row.
            is_known: bool, the rows of vehicles whose position is known before this batch.
            batch: fixes in order of each track, none late.
            now_ms: the time of events that an edit of fences causes.
            limits: of the filter, for what is out of turn.
            out_of_turn: fixes that are older than the vehicle's newest, or refused for a jump alone; None: none.
            track: what the filter knows of each vehicle now (`geo.track_filter.TrackState`).
        """
        events = []
        if fence_set.version != self._version:
            rows = np.flatnonzero(is_known).astype(np.int32)
            fleets, since = fleet_number[rows], self._version
            events.append(refresh_fences(self.state, fence_set, rows, fleets, now_ms, since, self._places))
            self._version = fence_set.version
        fleets = fleet_number[batch.row]
        hits = match_fences(fence_set, fleets, batch.lat_deg, batch.lon_deg, self._places, batch.row)
        is_open = None if self.late is None else self.late.kept.is_open(batch.row, batch.time_ms)
        if is_open is None:
            events += self._transitions(fence_set, fleets, batch, hits)
        else:
            told, diverted = np.flatnonzero(~is_open), batch.take(np.flatnonzero(is_open))
            events += self._transitions(fence_set, fleets[told], batch.take(told), hits.take(told))
            out_of_turn = diverted if out_of_turn is None else concatenate([out_of_turn, diverted])
        if self.late is not None:
            for part in events:
                self.late.note(part)
            events.append(self.late.correct(self.state, fence_set, fleet_number, out_of_turn, track, limits))
        return join_events(events), hits

    def _transitions(
        self, fence_set: FenceSet, fleets: NDArray[np.int32], batch: PositionBatch, hits: FenceHits
    ) -> Iterator[FenceEvents]:
        row, time_ms = as_column(batch.row, np.int32), as_column(batch.time_ms, np.int64)
        places = [as_column(c, float) for c in (batch.lat_deg, batch.lon_deg, batch.accuracy_m)]
        lat_deg, lon_deg, accuracy_m = places
        begin, end = 0, len(batch)
        while True:
            stop = end
            if self.late is not None:
                columns = row, time_ms, *places
                stop = self.late.kept.append(self.state, fence_set, fleets, columns, begin)
            yield find_transitions(
                self.state, fence_set, row[:stop], time_ms[:stop], lat_deg[:stop], lon_deg[:stop],
                FenceHits(hits.offsets[: stop + 1], hits.fence), accuracy_m[:stop], begin,
            )  # fmt: skip
            if stop == end:
                return
            begin = stop  # what is known by now is kept with the fixes that follow
