"""All fences of all fleets, frozen: built beside the live set, in a thread if you like, and swapped in whole.

A fence is known by its `handle` outside and by its index in the set inside: fences are sorted by handle, so ascending
indexes are ascending handles.

A few changes need no new set: `edit_fence_set` puts a second, small layer on the one there is. The fences of that layer have the
indexes behind the others', again by ascending handle, and their own trie; those they replace are marked as gone.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.fence_area import Area, Circle, polygon_of
from geo.fence_cover import boundary_rad, cover_fences, join_tries, settling_resolution
from geo.kernels.cells import reach_box
from geo.kernels.fence_cover import BLOCK, CHAPTER, Shapes
from geo.kernels.fence_match import FenceTable
from geo.kernels.geodesy import CIRCLE_COLUMNS, LEAST_RADIUS_M, describe_circle
from geo.rings import block_bounds, ring_arrays

__all__ = ["Area", "Circle", "Fence", "FenceSet", "build_fence_set", "edit_fence_set"]

NEVER = 2**62
"""A version that no set reaches."""


@dataclass(frozen=True, slots=True)
class Fence:
    """A named area of a fleet, by its numbers. `area` is valid as `geo.fence_area.checked_area` returns it."""

    handle: int
    fleet_number: int
    area: Area


@dataclass(frozen=True, slots=True)
class FenceSet:
    """Fences ready to match. Every array is read-only; f is the number of fences.

    | field | |
    |---|---|
    | version | the builder's number; grows by one with every edit of a fence |
    | handles | int32[f]: index in the set -> handle; the first b ascend, and the rest do |
    | fleet_number | int32[f] |
    | since | int64[f]: the version with which the fence came to be as it is |
    | shapes | geometry of all, which the kernels read |
    | table | the trie of the first b fences |
    | is_gone | bool[b]: was deleted, or is among the edited ones now |
    | edited | the trie of the rest; None: it was never edited |
    | recent | int32: the handles that the last edits added, changed or removed, the newest last; as many as the builder tells |
    """

    version: int
    handles: NDArray[np.int32]
    fleet_number: NDArray[np.int32]
    since: NDArray[np.int64]
    shapes: Shapes
    table: FenceTable
    is_gone: NDArray[np.bool_]
    edited: FenceTable | None = None
    recent: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))

    def __len__(self) -> int:
        """Of the fences in force."""
        return len(self.handles) - int(np.count_nonzero(self.is_gone))

    def with_recent(self, handles: Sequence[int]) -> "FenceSet":
        """The same set, which knows that the edits up to it were of these fences, the last edit last."""
        recent = np.array(handles, np.int32)
        recent.flags.writeable = False
        return replace(self, recent=recent)

    def edited_since(self, version: int) -> NDArray[np.int32] | None:
        """The handles that were edited after another version was in force, ascending, each once; None when that is not known."""
        edits = self.version - version
        if not 0 <= edits <= len(self.recent):
            return None
        return np.unique(self.recent[len(self.recent) - edits :])

    @property
    def nbytes(self) -> int:
        """Memory of all arrays; those that are shared count once."""
        return sum({id(array): array.nbytes for array in _arrays(self)}.values())

    def since_of(self, handles: NDArray[np.int32]) -> NDArray[np.int64]:
        """int64: the version with which each of these fences came to be as it is; NEVER: it is not in the set."""
        built = len(self.is_gone)
        found = np.full(len(handles), NEVER, np.int64)
        for begin, end in ((0, built), (built, len(self.handles))):
            if begin < end:
                index = begin + np.searchsorted(self.handles[begin:end], handles).clip(max=end - begin - 1)
                is_here = self.handles[index] == handles
                if begin == 0:
                    is_here &= ~self.is_gone[index]
                found[is_here] = self.since[index[is_here]]
        return found


def build_fence_set(
    fences: Iterable[Fence], version: int, since: Mapping[int, int] | None = None
) -> FenceSet:
    """The set of these fences.

    Args:
        fences: of all fleets.
        version: of the set.
        since: by handle, the version with which a fence came to be as it is; those not named are new in this set.

    Raises:
        ValueError: a handle twice, or a handle or fleet number outside [0, 2^31).
    """
    handles, fleets, shapes = _columns(fences)
    table = _table(shapes, fleets, np.arange(len(handles), dtype=np.int32))
    versions = _since(handles, since or {}, version)
    return _frozen(
        FenceSet(version, handles, fleets, versions, shapes, table, np.zeros(len(handles), np.bool_))
    )


def edit_fence_set(
    built: FenceSet,
    changed: Iterable[Fence],
    removed: Iterable[int],
    version: int,
    since: Mapping[int, int] | None = None,
) -> FenceSet:
    """A built set with some fences added or changed (which keep their handles) and some removed.

    Takes time by the number of changes; of the rest, geometry is copied and the trie is shared.

    Args:
        built: from `build_fence_set`; all changes since then are to be given together.
        changed: the new ones, and the new form of those that `built` has.
        removed: handles; those that `built` does not have do not matter.
        version: of the result.
        since: as for `build_fence_set`, of the changed ones.

    Raises:
        ValueError: as `build_fence_set`.
    """
    handles, few_fleets, few_shapes = _columns(changed)
    fleets = np.concatenate([built.fleet_number, few_fleets])
    shapes = _joined(built.shapes, few_shapes)
    members = np.arange(len(built.handles), len(fleets), dtype=np.int32)
    return _frozen(
        FenceSet(
            version,
            np.concatenate([built.handles, handles]),
            fleets,
            np.concatenate([built.since, _since(handles, since or {}, version)]),
            shapes,
            built.table,
            np.isin(built.handles, np.concatenate([handles, np.array([*removed], np.int32)])),
            _table(shapes, fleets, members),
        )
    )


def _columns(fences: Iterable[Fence]) -> tuple[NDArray[np.int32], NDArray[np.int32], Shapes]:
    """Handles, fleet numbers and geometry, by ascending handle."""
    rows = sorted(fences, key=lambda fence: fence.handle)
    handles = _numbers([fence.handle for fence in rows], "handle")
    fleets = _numbers([fence.fleet_number for fence in rows], "fleet number")
    if (np.diff(handles) == 0).any():
        raise ValueError(f"fence handle {handles[:-1][np.diff(handles) == 0][0]} occurs twice")
    return handles, fleets, _shapes([fence.area for fence in rows])


def _since(handles: NDArray[np.int32], since: Mapping[int, int], version: int) -> NDArray[np.int64]:
    return np.array([since.get(handle, version) for handle in handles.tolist()], np.int64)


def _joined(first: Shapes, second: Shapes) -> Shapes:
    """The geometry of both, in this order."""
    vertices = np.concatenate([first.vertices, second.vertices])
    circle = np.where(second.circle >= 0, second.circle + len(first.circles), -1).astype(np.int32)
    return Shapes(
        vertices,
        np.concatenate([first.rings, second.rings[1:] + first.rings[-1]]),
        np.concatenate([first.first_ring, second.first_ring[1:] + first.first_ring[-1]]),
        np.concatenate([first.circles, second.circles]),
        np.concatenate([first.circle, circle]),
        np.concatenate([first.bounds, second.bounds]),
        _more_boxes(first.blocks, len(first.vertices), vertices, BLOCK),
        _more_boxes(first.chapters, len(first.vertices), vertices, CHAPTER),
        np.concatenate([first.resolution, second.resolution]),
    )


def _more_boxes(
    boxes: NDArray[np.float64], count: int, vertices: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """The boxes of all vertices, of the first `count` of which they are known. One may hold vertices of both: those before it are whole."""
    whole = count // size
    return np.concatenate([boxes[:whole], block_bounds(vertices[whole * size :], size)])


def _numbers(values: list[int], what: str) -> NDArray[np.int32]:
    if values and not 0 <= min(values) <= max(values) < 2**31:
        raise ValueError(f"a fence's {what} is {min(values)} or {max(values)}; allowed is 0 to 2^31 - 1")
    return np.array(values, np.int32)


def _shapes(areas: Sequence[Area]) -> Shapes:
    polygons = np.array([polygon_of(area) for area in areas], object)
    vertices, rings, first_ring = ring_arrays(list(polygons))
    is_circle = np.array([isinstance(area, Circle) for area in areas], np.bool_)
    circle = np.where(is_circle, np.cumsum(is_circle) - 1, -1).astype(np.int32)
    circles = np.empty((int(is_circle.sum()), CIRCLE_COLUMNS))
    bounds = shapely.bounds(polygons)
    length = boundary_rad(polygons)
    world = np.array([-180.0, -90.0, 180.0, 90.0])
    for index, area in enumerate(areas):
        if not isinstance(area, Circle):
            continue
        describe_circle(area.lat_deg, area.lon_deg, area.radius_m, circles[circle[index]])
        reach = area.radius_m / LEAST_RADIUS_M
        length[index] = 2 * np.pi * reach
        bounds[index] = world
        if reach < np.pi / 2:
            reach_box(math.radians(area.lat_deg), math.radians(area.lon_deg), reach, world, bounds[index])
    segments = np.zeros(len(areas), np.int64)
    np.add.at(segments, np.repeat(np.arange(len(areas)), np.diff(first_ring)), np.diff(rings) - 1)
    return Shapes(
        vertices,
        rings,
        first_ring,
        circles,
        circle,
        bounds,
        block_bounds(vertices, BLOCK),
        block_bounds(vertices, CHAPTER),
        settling_resolution(length, segments),
    )


def _table(shapes: Shapes, fleet_number: NDArray[np.int32], members: NDArray[np.int32]) -> FenceTable:
    """The tries of some of the fences, by their indexes."""
    fleets = fleet_number[members]
    count = int(fleets.max()) + 1 if len(fleets) else 0
    root = np.full(count, -1, np.int32)
    resolution = np.zeros(count, np.int32)
    bounds = np.full((count, 4), np.nan)
    tries = []
    numbers, first = np.unique(np.sort(fleets), return_index=True)
    by_fleet = np.split(members[np.argsort(fleets, kind="stable")], first[1:])
    for fleet, own in zip(numbers, by_fleet, strict=len(numbers) > 0):
        trie, resolution[fleet] = cover_fences(own, shapes)
        tries.append(trie)
        low, high = shapes.bounds[own].min(axis=0), shapes.bounds[own].max(axis=0)
        bounds[fleet] = [low[0], low[1], high[2], high[3]]
    if not tries:
        empty = np.empty((0, 4), np.int32)
        return FenceTable(
            empty, np.empty((0, 4)), empty, shapes.vertices, shapes.circles, root, resolution, bounds
        )
    trie, root[numbers] = join_tries(tries)
    return FenceTable(*trie, shapes.vertices, shapes.circles, root, resolution, bounds)


def _arrays(fence_set: FenceSet) -> Iterator[NDArray[Any]]:
    yield from (
        fence_set.handles,
        fence_set.fleet_number,
        fence_set.since,
        fence_set.is_gone,
        fence_set.recent,
    )
    yield from fence_set.shapes
    yield from fence_set.table
    yield from fence_set.edited or ()


def _frozen(fence_set: FenceSet) -> FenceSet:
    for array in _arrays(fence_set):
        array.flags.writeable = False
    return fence_set
