"""Passes: fences that a vehicle drove through between two fixes, though neither is inside. The face of `geo.kernels.fence_passes`.

The way from one fix to the next is straight in longitude and latitude (the short way around), as in `geo.fence_transitions`. It
passes through a fence when both ends are outside and it meets the boundary at two places; it enters at the first and leaves
at the last. What lies between may be outside too: a hole, a gap between two parts, a bay. A way that meets the boundary at one
place only, a vertex or a tangent's point, touches the fence and does not pass; in a circle it has to be 1 mm deep. A way of
no length passes nothing.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.fence_match import FenceHits, as_column, match_fences
from geo.fence_match import warm_up as warm_up_match
from geo.fence_set import FenceSet, build_fence_set
from geo.kernels import fence_passes as kernel

_CURVE_BITS = 20


class Passes(NamedTuple):
    """Passes as columns, by way, then by where they end.

    | column | dtype | |
    |---|---|---|
    | way | int64 | index in the input |
    | fence | int32 | index in the fence set |
    | enter, leave | float64 | fraction of the way, 0 to 1 |
    """

    way: NDArray[np.int64]
    fence: NDArray[np.int32]
    enter: NDArray[np.float64]
    leave: NDArray[np.float64]


class FencePasses:
    """Finds passes. Keeps an index of the fences' boxes: an edit makes that of the edited fences anew, not that of the rest."""

    def __init__(self) -> None:
        self._table: object = None
        self._edited: object = None
        self._built_boxes = self._edited_boxes = _boxes(build_fence_set([], 0), 0, 0)

    def find(
        self,
        fence_set: FenceSet,
        fleet_number: NDArray[np.int32],
        lat0_deg: NDArray[np.float64],
        lon0_deg: NDArray[np.float64],
        lat1_deg: NDArray[np.float64],
        lon1_deg: NDArray[np.float64],
    ) -> Passes:
        """The passes of ways through fences of their own fleets.

        Args:
            fence_set: the fences in force.
            fleet_number: int32[n].
            lat0_deg: float64[n], where each way begins.
            lon0_deg: float64[n].
            lat1_deg: float64[n], where it ends.
            lon1_deg: float64[n].
        """
        self._use(fence_set)
        fleets = as_column(fleet_number, np.int32)
        ways = [as_column(column, float) for column in (lat0_deg, lon0_deg, lat1_deg, lon1_deg)]
        found = [
            kernel.find(boxes, fence_set.shapes, fence_set.is_gone, fleets, *ways)
            for boxes in (self._built_boxes, self._edited_boxes)
            if len(boxes.fence)
        ]
        if not any(len(pairs) for pairs, _ in found):
            return _NO_PASSES
        pairs, parts = (np.concatenate(column) for column in zip(*found, strict=True))
        is_pass = ~(
            _is_inside(fence_set, pairs, fleets, ways[0], ways[1])
            | _is_inside(fence_set, pairs, fleets, ways[2], ways[3])
        )
        pairs, parts = pairs[is_pass], parts[is_pass]
        order = np.lexsort((fence_set.handles[pairs[:, 1]], parts[:, 1], pairs[:, 0]))
        return Passes(pairs[order, 0].astype(np.int64), pairs[order, 1], parts[order, 0], parts[order, 1])

    def _use(self, fence_set: FenceSet) -> None:
        built = len(fence_set.is_gone)
        if fence_set.table is not self._table:
            self._table = fence_set.table
            self._built_boxes = _boxes(fence_set, 0, built)
        if fence_set.edited is not self._edited:
            self._edited = fence_set.edited
            self._edited_boxes = _boxes(fence_set, built, len(fence_set.handles))


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses, `match_fences` included."""
    warm_up_match()
    place, empty = np.zeros(1), build_fence_set([], 0)
    boxes = _boxes(empty, 0, 0)
    kernel.find(boxes, empty.shapes, empty.is_gone, np.zeros(1, np.int32), place, place, place, place)


_NO_PASSES = Passes(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0), np.empty(0))


def _is_inside(
    fence_set: FenceSet,
    pairs: NDArray[np.int32],
    fleets: NDArray[np.int32],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """bool[n]: whether the place of each pair's way is in the pair's fence."""
    way, place = np.unique(pairs[:, 0], return_inverse=True)
    hits: FenceHits = match_fences(fence_set, fleets[way], lat_deg[way], lon_deg[way])
    of_hits = np.repeat(np.arange(len(way)), np.diff(hits.offsets)) * len(fence_set.handles) + hits.fence
    return np.isin(place * len(fence_set.handles) + pairs[:, 1], of_hits)


def _boxes(fence_set: FenceSet, first: int, stop: int) -> kernel.Boxes:
    """The index of the fences `first` to `stop` - 1 of a set."""
    bounds, fleet = fence_set.shapes.bounds[first:stop], fence_set.fleet_number[first:stop]
    order = np.lexsort((_place_on_curve(bounds), fleet))
    fleets = int(fleet.max(initial=-1)) + 1
    boxes = np.ascontiguousarray(bounds[order])
    groups = _hulls(boxes)
    return kernel.Boxes(
        (first + order).astype(np.int32),
        np.searchsorted(fleet[order], np.arange(fleets + 1)),
        boxes,
        groups,
        _hulls(groups),
    )


def _place_on_curve(bounds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Where the middles of boxes are on Morton's curve: the bits of longitude and latitude in turn."""
    steps = 2**_CURVE_BITS - 1
    place = np.zeros(len(bounds), np.int64)
    for axis, reach in ((0, 180.0), (1, 90.0)):
        middle = 0.5 * (bounds[:, axis] + bounds[:, axis + 2])
        bits = ((middle + reach) * (steps / (2.0 * reach))).astype(np.int64)
        for shift, mask in _SPREADS:
            bits = (bits | (bits << shift)) & mask
        place |= bits << axis
    return place


_SPREADS = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)
"""Shifts and masks that put a zero bit before each bit of a number of 32 bits."""


def _hulls(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    if not len(boxes):
        return boxes
    starts = np.arange(0, len(boxes), kernel.FANOUT)
    low, high = np.minimum.reduceat(boxes[:, :2], starts), np.maximum.reduceat(boxes[:, 2:], starts)
    return np.hstack([low, high])
