"""Walks each fix down its fleet's trie of cells and tests what is open on the way: see `geo.fence_cover`."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.cells import BASE_CELLS, base_cell, cell_of, digit
from geo.kernels.fence_cover import (
    CHILD,
    CIRCLE,
    FENCE,
    FIRST_ENTRY,
    INSIDE,
    LAST_ENTRY,
    MODE,
    RUN,
    START,
    STOP,
)
from geo.kernels.geodesy import in_circle, unit_vector
from geo.kernels.rings import ON_EDGE, run_parity


class FenceTable(NamedTuple):
    """What matching reads; n nodes, e entries, v vertices, c circles, g fleets (the highest number + 1)."""

    nodes: NDArray[np.int32]  # [n, 4] see kernels.fence_cover
    entries: NDArray[np.int32]  # [e, 4]
    vertices: NDArray[np.float64]  # [v, 2] longitude, latitude
    circles: NDArray[np.float64]  # [c, 8] see kernels.geodesy
    fleet_root: NDArray[np.int32]  # [g] first of the fleet's 244 root nodes, -1 for a fleet without fences
    fleet_resolution: NDArray[np.int32]  # [g] resolution of the fleet's finest node
    fleet_bounds: NDArray[np.float64]  # [g, 4] west, south, east, north of all its fences


@njit(cache=True, nogil=True)
def _twice(hits: NDArray[np.int32]) -> NDArray[np.int32]:
    longer = np.empty(2 * hits.size, hits.dtype)
    for i in range(hits.size):
        longer[i] = hits[i]
    return longer


@njit(cache=True, nogil=True)
def _insert(hits: NDArray[np.int32], start: int, stop: int, fence: int) -> None:
    """Puts a fence into its place among hits[start:stop], which ascend."""
    while stop > start and hits[stop - 1] > fence:
        hits[stop] = hits[stop - 1]
        stop -= 1
    hits[stop] = fence


@njit(cache=True, nogil=True)
def match(
    table: FenceTable,
    fleet_number: NDArray[np.int32],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    offsets: NDArray[np.int64],
) -> NDArray[np.int32]:
    """The fences of each fix, ascending, fix after fix; writes where each fix's begin to `offsets` int64[fixes + 1]."""
    nodes, entries, vertices, circles, fleet_root, fleet_resolution, fleet_bounds = table
    hits = np.empty(max(64, 2 * lat_deg.size), np.int32)
    point, cell = np.empty(2), np.empty(1, np.int64)
    n = 0
    offsets[0] = 0
    for i in range(lat_deg.size):
        offsets[i + 1] = n
        fleet, lat, lon = fleet_number[i], lat_deg[i], lon_deg[i]
        if fleet < 0 or fleet >= fleet_root.size or fleet_root[fleet] < 0:
            continue
        if not (fleet_bounds[fleet, 0] <= lon <= fleet_bounds[fleet, 2]):
            continue  # also NaN
        if not (fleet_bounds[fleet, 1] <= lat <= fleet_bounds[fleet, 3]):
            continue
        place = cell_of(lat, lon, fleet_resolution[fleet], point, cell)
        node = fleet_root[fleet] + base_cell(place) + (0 if lon < 0.0 else BASE_CELLS)
        x = y = z = np.nan  # filled for the first circle
        first, resolution = n, 0
        while True:
            parity = 0
            for e in range(nodes[node, FIRST_ENTRY], nodes[node, LAST_ENTRY]):
                mode = entries[e, MODE]
                if mode == RUN or mode < INSIDE:
                    side = run_parity(lon, lat, entries[e, START], entries[e, STOP], vertices)
                    parity = (parity ^ (side & 1)) | (side & ON_EDGE)
                    if mode == RUN:
                        continue
                    holds = parity != mode
                    parity = 0
                    if not holds:
                        continue
                elif mode == CIRCLE:
                    if np.isnan(x):
                        x, y, z = unit_vector(lat, lon)
                    if not in_circle(circles, entries[e, START], lat, lon, x, y, z):
                        continue
                if n == hits.size:
                    hits = _twice(hits)
                _insert(hits, first, n, entries[e, FENCE])
                n += 1
            if nodes[node, CHILD] < 0:
                break
            resolution += 1
            node = nodes[node, CHILD] + digit(place, resolution)
        offsets[i + 1] = n
    return hits[:n]
