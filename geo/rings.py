"""The rings of many polygons as flat arrays. The face of `geo.kernels.rings`."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

MOST_VERTICES = 2**30

_PORTION = 1_000  # shapely makes the objects of a whole array without once letting other threads run
_NO_RINGS = np.empty((0, 2)), np.empty(0, np.int64), np.empty(0, np.int64)


def ring_arrays(
    areas: Sequence[shapely.Polygon | shapely.MultiPolygon | None],
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32]]:
    """All rings of all areas, in order; None has none.

    Returns:
        vertices float64[v, 2] (longitude, latitude; each ring ends with its first vertex), the first vertex of each ring
        int32[r + 1], and the first ring of each area int32[len(areas) + 1].

    Raises:
        ValueError: more than 2^30 vertices.
    """
    portions = [
        _rings_of(np.array(areas[start : start + _PORTION], object))
        for start in range(0, len(areas), _PORTION)
    ]
    vertices, lengths, rings_of_area = (
        np.concatenate(column) for column in zip(_NO_RINGS, *portions, strict=True)
    )
    if len(vertices) > MOST_VERTICES:
        raise ValueError(f"the areas have {len(vertices)} vertices together; allowed are {MOST_VERTICES}")
    first_vertex = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    first_ring = np.concatenate([[0], np.cumsum(rings_of_area)]).astype(np.int32)
    return np.ascontiguousarray(vertices), first_vertex, first_ring


def _rings_of(areas: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Vertices of all rings, the vertices of each ring, and the rings of each area."""
    parts, area_of_part = shapely.get_parts(areas, return_index=True)
    rings, part_of_ring = shapely.get_rings(parts, return_index=True)
    rings_of_area = np.bincount(area_of_part[part_of_ring], minlength=len(areas))
    return shapely.get_coordinates(rings), shapely.get_num_coordinates(rings), rings_of_area


def block_bounds(vertices: NDArray[np.float64], block: int) -> NDArray[np.float64]:
    """West, south, east, north of the segments that begin at vertices 0 to block - 1, block to 2 block - 1, and so on."""
    if not len(vertices):
        return np.empty((0, 4))
    ends = np.concatenate([vertices[1:], vertices[-1:]])
    starts = np.arange(0, len(vertices), block)
    low = np.minimum.reduceat(np.minimum(vertices, ends), starts)
    high = np.maximum.reduceat(np.maximum(vertices, ends), starts)
    return np.ascontiguousarray(np.hstack([low, high]))
