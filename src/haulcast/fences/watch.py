"""The stage of the step that knows which fences each vehicle is inside, and says what changed."""

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import FenceEvents, join_events
from geo.fence_match import FencePlaces, match_fences
from geo.fence_set import FenceSet
from geo.fence_transitions import FenceState, find_transitions, refresh_fences
from geo.positions import PositionBatch


class FenceWatch:
    """Which visits are open; `first_visit` is the first visit id given out, they grow by one. `state` is for checkpoints."""

    def __init__(self, first_visit: int) -> None:
        self.state = FenceState(next_visit=first_visit)
        self._places = FencePlaces()
        self._version = -1

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles."""
        self.state.ensure_rows(rows)

    def forget(self, row: int) -> None:
        """The vehicle is gone: it is in no fence, and its next fix is its first."""
        self.state.forget(row)

    def watch(
        self,
        fence_set: FenceSet,
        fleet_number: NDArray[np.int32],
        is_known: NDArray[np.bool_],
        batch: PositionBatch,
        now_ms: int,
    ) -> FenceEvents:
        """What the fixes of a batch entered and left; a new fence set first re-evaluates, where it is, every vehicle that the edit can touch.

        Args:
            fence_set: the fences in force.
            fleet_number: int32, the fleet of each row.
            is_known: bool, the rows of vehicles whose position is known before this batch.
            batch: fixes in order of each track, none late.
            now_ms: the time of events that an edit of fences causes.
        """
        events = []
        if fence_set.version != self._version:
            rows = np.flatnonzero(is_known).astype(np.int32)
            fleets, since = fleet_number[rows], self._version
            events.append(refresh_fences(self.state, fence_set, rows, fleets, now_ms, since, self._places))
            self._version = fence_set.version
        hits = match_fences(
            fence_set, fleet_number[batch.row], batch.lat_deg, batch.lon_deg, self._places, batch.row
        )
        events.append(
            find_transitions(
                self.state,
                fence_set,
                batch.row,
                batch.time_ms,
                batch.lat_deg,
                batch.lon_deg,
                hits,
                batch.accuracy_m,
            )
        )
        return join_events(events)
