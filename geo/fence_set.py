"""All fences of all fleets, frozen: built beside the live set, in a thread if you like, and swapped in whole.

A fence is known by its `handle` outside and by its index in the set inside: fences are sorted by handle, so ascending
indexes are ascending handles.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.fence_area import Area, Circle
from geo.fence_cover import boundary_rad, cover_fences, join_tries, settling_resolution
from geo.kernels.cells import reach_box
from geo.kernels.fence_cover import BLOCK, Shapes
from geo.kernels.fence_match import FenceTable
from geo.kernels.geodesy import CIRCLE_COLUMNS, LEAST_RADIUS_M, describe_circle
from geo.rings import block_bounds, ring_arrays

__all__ = ["Area", "Circle", "Fence", "FenceSet", "build_fence_set"]


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
    | version | the builder's number; grows with every edit |
    | handles | int32[f], ascending: index in the set -> handle |
    | fleet_number | int32[f] |
    | shapes, table | what the kernels read |
    """

    version: int
    handles: NDArray[np.int32]
    fleet_number: NDArray[np.int32]
    shapes: Shapes
    table: FenceTable

    def __len__(self) -> int:
        return len(self.handles)

    @property
    def nbytes(self) -> int:
        """Memory of all arrays; those that `shapes` and `table` share count once."""
        arrays = {id(a): a.nbytes for a in (self.handles, self.fleet_number, *self.shapes, *self.table)}
        return sum(arrays.values())


def build_fence_set(fences: Iterable[Fence], version: int) -> FenceSet:
    """The set of these fences.

    Raises:
        ValueError: a handle twice, or a handle or fleet number outside [0, 2^31).
    """
    rows = sorted(fences, key=lambda fence: fence.handle)
    handles = _numbers([fence.handle for fence in rows], "handle")
    fleets = _numbers([fence.fleet_number for fence in rows], "fleet number")
    if (np.diff(handles) == 0).any():
        raise ValueError(f"fence handle {handles[:-1][np.diff(handles) == 0][0]} occurs twice")
    shapes = _shapes([fence.area for fence in rows])
    return _frozen(FenceSet(version, handles, fleets, shapes, _table(shapes, fleets)))


def _numbers(values: list[int], what: str) -> NDArray[np.int32]:
    if values and not 0 <= min(values) <= max(values) < 2**31:
        raise ValueError(f"a fence's {what} is {min(values)} or {max(values)}; allowed is 0 to 2^31 - 1")
    return np.array(values, np.int32)


def _shapes(areas: Sequence[Area]) -> Shapes:
    polygons = np.array([None if isinstance(area, Circle) else area for area in areas], object)
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
        settling_resolution(length, segments),
    )


def _table(shapes: Shapes, fleets: NDArray[np.int32]) -> FenceTable:
    count = int(fleets.max()) + 1 if len(fleets) else 0
    root = np.full(count, -1, np.int32)
    resolution = np.zeros(count, np.int32)
    bounds = np.full((count, 4), np.nan)
    tries = []
    numbers, first = np.unique(np.sort(fleets), return_index=True)
    by_fleet = np.split(np.argsort(fleets, kind="stable").astype(np.int32), first[1:])
    for fleet, members in zip(numbers, by_fleet, strict=len(numbers) > 0):
        trie, resolution[fleet] = cover_fences(members, shapes)
        tries.append(trie)
        low, high = shapes.bounds[members].min(axis=0), shapes.bounds[members].max(axis=0)
        bounds[fleet] = [low[0], low[1], high[2], high[3]]
    if not tries:
        empty = np.empty((0, 4), np.int32)
        return FenceTable(empty, empty, shapes.vertices, shapes.circles, root, resolution, bounds)
    trie, root[numbers] = join_tries(tries)
    return FenceTable(*trie, shapes.vertices, shapes.circles, root, resolution, bounds)


def _frozen(fence_set: FenceSet) -> FenceSet:
    for array in (fence_set.handles, fence_set.fleet_number, *fence_set.shapes, *fence_set.table):
        array.flags.writeable = False
    return fence_set
