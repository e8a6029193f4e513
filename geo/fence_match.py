"""Which fences hold each fix. The face of `geo.kernels.fence_match`; what changed since is `geo.fence_transitions`' question."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.cells import load_h3
from geo.fence_set import Circle, Fence, FenceSet, build_fence_set, edit_fence_set
from geo.kernels import fence_match as kernel


@dataclass(frozen=True, slots=True)
class FenceHits:
    """For fix i, `fence[offsets[i]:offsets[i + 1]]`: indexes into the set, by ascending handle.

    `offsets` is int64[fixes + 1], `fence` int32[all hits].
    """

    offsets: NDArray[np.int64]
    fence: NDArray[np.int32]

    def take(self, index: NDArray[np.integer]) -> "FenceHits":
        """Those of these fixes, in that order."""
        counts = np.diff(self.offsets)[index]
        ends = np.cumsum(counts)
        hit = np.arange(int(counts.sum())) + np.repeat(self.offsets[:-1][index] - (ends - counts), counts)
        return FenceHits(np.append(0, ends), self.fence[hit])


class FencePlaces:
    """Where in the trie each vehicle was last found, by row: while it stays near, its next fix needs no H3. Changes no answer.

    The fences that were built and the layer of edits on top have a trie each. Another trie forgets its places (an edit keeps the one that most fences
    are in), another fleet the row's.
    """

    def __init__(self) -> None:
        self._tables: list[kernel.FenceTable | None] = [None, None]
        self._leaves = [np.full((1, 2), -1, np.int32) for _ in self._tables]

    def leaves(self, table: kernel.FenceTable, layer: int, rows: int) -> NDArray[np.int32]:
        """int32[rows or more, 2], node of this trie and fleet, -1 where unknown; for the kernel to read and write.

        Args:
            table: the trie.
            layer: 0: of what was built; 1: of the edits.
            rows: so many are needed.
        """
        leaf = self._leaves[layer]
        if rows > len(leaf):
            more = np.full((max(rows, 2 * len(leaf)) - len(leaf), 2), -1, np.int32)
            leaf = self._leaves[layer] = np.concatenate([leaf, more])
        if table is not self._tables[layer]:
            self._tables[layer] = table
            leaf[:] = -1
        return leaf


_NO_ROWS, _NOWHERE = np.empty(0, np.int32), np.empty((0, 2), np.int32)


def match_fences(
    fence_set: FenceSet,
    fleet_number: NDArray[np.int32],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    places: FencePlaces | None = None,
    row: NDArray[np.int32] | None = None,
) -> FenceHits:
    """The fences of its own fleet that hold each fix; on the boundary is inside.

    For polygons the same as `shapely.covers`, also on edges and vertices. For circles the geodesic distance on WGS 84 is at most the
    radius. A fix outside +-180, +-90 or with NaN is in no fence, a fleet without fences has no hits.

    Args:
        fence_set: from `build_fence_set`.
        fleet_number: int32[n].
        lat_deg: float64[n].
        lon_deg: float64[n].
        places: of the vehicles, updated; the answers are the same without, only slower.
        row: int32[n], the vehicles; needed with `places`.
    """
    load_h3()
    rows = _NO_ROWS if places is None or row is None else as_column(row, np.int32)
    columns = as_column(fleet_number, np.int32), as_column(lat_deg, float), as_column(lon_deg, float)
    built = _hits(fence_set.table, 0, columns, rows, places)
    if fence_set.edited is None:
        return built
    edited = _hits(fence_set.edited, 1, columns, rows, places)
    offsets, hits = np.empty_like(built.offsets), np.empty(len(built.fence) + len(edited.fence), np.int32)
    layers = built.offsets, built.fence, edited.offsets, edited.fence
    total = kernel.merge(fence_set.handles, fence_set.is_gone, *layers, offsets, hits)
    return FenceHits(offsets, hits[:total])


def _hits(
    table: kernel.FenceTable,
    layer: int,
    columns: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    rows: NDArray[np.int32],
    places: FencePlaces | None,
) -> FenceHits:
    leaves = _NOWHERE
    if places is not None and len(rows):
        leaves = places.leaves(table, layer, int(rows.max()) + 1)
    offsets = np.empty(len(columns[0]) + 1, np.int64)
    return FenceHits(offsets, kernel.match(table, *columns, rows, leaves, offsets))


def as_column(values: NDArray[Any], dtype: type) -> NDArray[Any]:
    """The values in the one form that `warm_up` compiled for; any other would stall the caller for seconds. Mostly no copy."""
    if values.dtype == dtype and values.flags.carray:
        return values
    return np.require(values, dtype, ["C", "W"])


def warm_up() -> None:
    """Compile, or load from the cache, all that building a set and matching use."""
    area = shapely.box(0.0, 0.0, 1.0, 1.0)
    fence_set = build_fence_set([Fence(0, 0, area), Fence(1, 0, Circle(0.0, 0.0, 1.0))], 0)
    for either in (fence_set, edit_fence_set(fence_set, [], [1], 1)):
        match_fences(either, np.zeros(1, np.int32), np.zeros(1), np.zeros(1))
