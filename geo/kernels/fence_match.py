"""Walks each fix down its fleet's trie of cells and tests what is open on the way: see `geo.fence_cover`."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import borrowed
from geo.kernels.cells import BASE_CELLS, base_cell, cell_of, digit
from geo.kernels.fence_cover import (
    CHILD,
    CIRCLE,
    FENCE,
    FIRST_ENTRY,
    INSIDE,
    LAST_ENTRY,
    MODE,
    PARENT,
    RUN,
    START,
    STOP,
)
from geo.kernels.geodesy import RAD, circle_hold, in_circle, unit_vector
from geo.kernels.rings import ON_EDGE, run_parity

TRIES = 2
"""So many ancestors are tried before H3 is called; with 2, one of eight moves to another leaf needs it."""


class FenceTable(NamedTuple):
    """What matching reads; n nodes, e entries, v vertices, c circles, g fleets (the highest number + 1)."""

    nodes: NDArray[np.int32]  # [n, 4] see kernels.fence_cover
    boxes: NDArray[np.float64]  # [n, 4] west, south, east, north
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
def _leaf_of(nodes: NDArray[np.int32], root: int, place: int, lon: float) -> int:
    """The leaf that a cell leads to, from a fleet's first root."""
    node = root + base_cell(place) + (0 if lon < 0.0 else BASE_CELLS)
    resolution = 0
    while nodes[node, CHILD] >= 0:
        resolution += 1
        node = nodes[node, CHILD] + digit(place, resolution)
    return int(node)


@njit(cache=True, nogil=True)
def _is_within(boxes: NDArray[np.float64], box: int, lat: float, lon: float) -> bool:
    return bool(boxes[box, 0] <= lon <= boxes[box, 2] and boxes[box, 1] <= lat <= boxes[box, 3])


@njit(cache=True, nogil=True)
def _leaf_below(
    nodes: NDArray[np.int32], boxes: NDArray[np.float64], node: int, lat: float, lon: float
) -> int:
    """A leaf below a node whose box holds the position, -1 when the way down ends in a corner that no child's box reaches.

    Of several children the one whose middle is nearest, since the next fix will most likely be in that box too.
    """
    while node >= 0 and nodes[node, CHILD] >= 0:
        first, node, nearest = nodes[node, CHILD], -1, np.inf
        for child in range(first, first + 7):
            if _is_within(boxes, child, lat, lon):
                x, y = (
                    boxes[child, 0] + boxes[child, 2] - 2.0 * lon,
                    boxes[child, 1] + boxes[child, 3] - 2.0 * lat,
                )
                apart = x * x + y * y
                if apart < nearest:
                    node, nearest = child, apart
    return int(node)


@njit(cache=True, nogil=True)
def _leaf_nearby(
    nodes: NDArray[np.int32], boxes: NDArray[np.float64], node: int, lat: float, lon: float
) -> int:
    """A leaf whose box holds the position, found from a leaf that was left; -1 when H3 has to say.

    Boxes overlap, and what leads to a leaf holds for all of its box, so it need not be the one that H3 would lead to.
    """
    tries = TRIES
    while node >= 0 and tries > 0:
        node = nodes[node, PARENT]
        if node >= 0 and _is_within(boxes, node, lat, lon):
            leaf = _leaf_below(nodes, boxes, node, lat, lon)
            if leaf >= 0:
                return leaf
            tries -= 1
    return -1


@njit(cache=True, nogil=True)
def match(
    table: FenceTable,
    fleet_number: NDArray[np.int32],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    rows: NDArray[np.int32],
    leaves: NDArray[np.int32],
    offsets: NDArray[np.int64],
) -> NDArray[np.int32]:
    """The fences of each fix, ascending, fix after fix; writes where each fix's begin to `offsets` int64[fixes + 1].

    `leaves` [rows, 2] is the node where each row was last found and its fleet, -1 for none, and is updated; when it is empty, `rows` is not read.
    The loop is one piece: passing many arrays to a function costs more than a node's test.

    A vehicle sends several fixes in a frame, mostly near each other. What leads to a leaf holds for its box, and a circle's answer as far as the first of them
    is away from its edge; so those that follow have the same fences without being tested, as far as no boundary but circles' is near.
    """
    nodes, boxes, entries, vertices, circles, fleet_root, fleet_resolution, fleet_bounds = borrowed(table)
    hits = np.empty(max(64, 2 * lat_deg.size), np.int32)
    point, cell = np.empty(2), np.empty(1, np.int64)
    n = 0
    offsets[0] = 0
    held_node, held_first, held_stop = -1, 0, 0  # the last fix that was tested in front of others of its row
    held_lat = held_lon = held_rad = 0.0
    for i in range(lat_deg.size):
        offsets[i + 1] = n
        fleet, lat, lon = fleet_number[i], lat_deg[i], lon_deg[i]
        if fleet < 0 or fleet >= fleet_root.size or fleet_root[fleet] < 0:
            continue
        if not _is_within(fleet_bounds, fleet, lat, lon):
            continue  # also NaN
        is_placed = leaves.size > 0 and leaves[rows[i], 1] == fleet
        node = leaves[rows[i], 0] if is_placed else -1
        if node < 0 or not _is_within(boxes, node, lat, lon):
            node = _leaf_nearby(nodes, boxes, node, lat, lon)
            if node < 0:
                place = cell_of(lat, lon, fleet_resolution[fleet], point, cell)
                node = _leaf_of(nodes, fleet_root[fleet], place, lon)
            if leaves.size:
                leaves[rows[i], 0], leaves[rows[i], 1] = node, fleet
        if node == held_node and (abs(lat - held_lat) + abs(lon - held_lon)) * RAD < held_rad:
            while n + held_stop - held_first > hits.size:
                hits = _twice(hits)
            for held in range(held_first, held_stop):
                hits[n] = hits[held]
                n += 1
            offsets[i + 1] = n
            continue
        x = y = z = np.nan  # filled for the first circle
        first, leaf = n, node
        has_next = leaves.size > 0 and i + 1 < rows.size and rows[i + 1] == rows[i]
        hold_rad = np.inf if has_next else 0.0
        while node >= 0:
            parity = 0
            for e in range(nodes[node, FIRST_ENTRY], nodes[node, LAST_ENTRY]):
                mode = entries[e, MODE]
                if mode == RUN or mode < INSIDE:
                    side = run_parity(lon, lat, entries[e, START], entries[e, STOP], vertices)
                    parity = (parity ^ (side & 1)) | (side & ON_EDGE)
                    hold_rad = 0.0
                    if mode == RUN:
                        continue
                    holds = parity != mode
                    parity = 0
                    if not holds:
                        continue
                elif mode == CIRCLE:
                    if np.isnan(x):
                        x, y, z = unit_vector(lat, lon)
                    if hold_rad > 0.0:
                        hold_rad = min(hold_rad, circle_hold(circles, entries[e, START], x, y, z))
                    if not in_circle(circles, entries[e, START], lat, lon, x, y, z):
                        continue
                if n == hits.size:
                    hits = _twice(hits)
                _insert(hits, first, n, entries[e, FENCE])
                n += 1
            node = nodes[node, PARENT]
        offsets[i + 1] = n
        if has_next:
            held_node, held_first, held_stop = leaf, first, n
            held_lat, held_lon, held_rad = lat, lon, hold_rad
    return hits[:n]


@njit(cache=True, nogil=True)
def merge(
    handles: NDArray[np.int32],
    is_gone: NDArray[np.bool_],
    built_offsets: NDArray[np.int64],
    built: NDArray[np.int32],
    edited_offsets: NDArray[np.int64],
    edited: NDArray[np.int32],
    offsets: NDArray[np.int64],
    hits: NDArray[np.int32],
) -> int:
    """Writes the hits of both layers, without what is gone of the built one, by ascending handle; returns how many.

    `offsets` int64[fixes + 1] and `hits` int32[as many as both have] are filled.
    """
    n = 0
    offsets[0] = 0
    for i in range(offsets.size - 1):
        b, e = built_offsets[i], edited_offsets[i]
        while b < built_offsets[i + 1] or e < edited_offsets[i + 1]:
            if b < built_offsets[i + 1] and is_gone[built[b]]:
                b += 1
                continue
            has_built, has_edited = b < built_offsets[i + 1], e < edited_offsets[i + 1]
            if has_built and (not has_edited or handles[built[b]] < handles[edited[e]]):
                hits[n] = built[b]
                b += 1
            else:
                hits[n] = edited[e]
                e += 1
            n += 1
        offsets[i + 1] = n
    return n
