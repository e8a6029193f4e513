"""A track cut at its gaps, and thinned, while it comes in."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.positions import PositionBatch, concatenate, position_batch
from geo.track_thinning import thinned


class TrackPiece(NamedTuple):
    """Fixes that follow on those before; `begins`, bool[n], says which of them begin a segment."""

    fixes: PositionBatch
    begins: NDArray[np.bool_]


class TrackPieces:
    """Makes pieces of portions of a vehicle's fixes, in order of time."""

    def __init__(self, gap_ms: int, tolerance_m: float | None) -> None:
        self._gap_ms = gap_ms
        self._tolerance_m = tolerance_m
        self._last = position_batch(0)

    def add(self, fixes: PositionBatch) -> TrackPiece:
        """What these fixes add to the track. The last one stays whatever the tolerance."""
        whole = concatenate([part for part in (self._last, fixes) if len(part)])
        shown = len(self._last)
        begins = np.ones(len(whole), np.bool_)
        begins[1:] = np.diff(whole.time_ms) > self._gap_ms
        begins[:shown] = False
        self._last = whole.take(np.arange(len(whole))[-1:])
        index = np.arange(shown, len(whole))
        if self._tolerance_m is not None:
            index = np.flatnonzero(self._kept(whole, begins))
            index = index[index >= shown]
        return TrackPiece(whole.take(index), begins[index])

    def _kept(self, whole: PositionBatch, begins: NDArray[np.bool_]) -> NDArray[np.bool_]:
        bounds = [0, *(np.flatnonzero(begins[1:]) + 1).tolist(), len(whole)]
        kept = np.zeros(len(whole), np.bool_)
        for start, stop in pairwise(bounds):
            kept[start:stop] = thinned(
                whole.lat_deg[start:stop], whole.lon_deg[start:stop], self._tolerance_m or 0.0
            )
        return kept
