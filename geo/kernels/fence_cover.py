"""Builds the trie of H3 cells that answers which fences hold a point: see `geo.fence_cover` for the whole picture.

Level by level. A node is a cell with the box of all that maps to it; its entries are the fences whose answer is still open there. An
entry settles at a node, or goes down to those of the seven children whose boxes its boundary touches; where it does not touch, the whole child is inside
or outside and the question is closed.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.cells import BASE_CELLS, FINEST, REACH_RAD, cell_centre, cell_of_base, child_of, reach_box
from geo.kernels.geodesy import (
    GREATEST_RADIUS_M,
    LEAST_RADIUS_M,
    RADIUS,
    unit_vector,
)
from geo.kernels.rings import clip_run, runs_parity

# columns of an entry; of a circle, START is the circle's row
FENCE, MODE, START, STOP = 0, 1, 2, 3
# modes of an entry; of a boundary by runs it is the box's base parity, 0 or 1
INSIDE, CIRCLE = 2, 3
# In the finished trie a run stands in its entry itself, START and STOP being its two numbers. Each run but the last of an entry has a row of
# its own in front, of this mode.
RUN = 4
# columns of a node
CHILD, FIRST_ENTRY, LAST_ENTRY, PARENT = 0, 1, 2, 3

ENOUGH_WORK = 24
"""A node with so few open segments is not divided: testing them costs about as much as going down one level more."""

CIRCLE_WORK = 4
"""What a circle's test costs, in segments."""

FEW_SEGMENTS = 4
"""An entry with so few segments settles once its fence's resolution is reached; one with more is divided further."""


HALVES = np.array([[-180.0, -90.0, 0.0, 90.0], [0.0, -90.0, 180.0, 90.0]])
"""The western and the eastern half of the world, as boxes."""


_ROUNDING_RAD = 1e-9

BLOCK = 16
"""So many segments share a box in `Shapes.blocks`."""

CHAPTER = 256
"""So many segments share a box in `Shapes.chapters`: of a continent's coast, blocks alone would be thousands to look at."""


class Shapes(NamedTuple):
    """All fences' geometry. The fields' shapes, f fences, v vertices, r rings, c circles, stand at each."""

    vertices: NDArray[np.float64]  # [v, 2] longitude, latitude; each ring closed
    rings: NDArray[np.int32]  # [r + 1] first vertex of each ring
    first_ring: NDArray[np.int32]  # [f + 1] first ring of each fence
    circles: NDArray[np.float64]  # [c, 8] see kernels.geodesy
    circle: NDArray[np.int32]  # [f] row in circles, -1 for polygons
    bounds: NDArray[np.float64]  # [f, 4] west, south, east, north
    blocks: NDArray[np.float64]  # [v / 16 + 1, 4] of vertices 16 b to 16 b + 16, the last included
    chapters: NDArray[np.float64]  # [v / 256 + 1, 4] the same of more
    resolution: NDArray[np.int8]  # [f] from which on an entry may settle


class Level(NamedTuple):
    """The nodes of one resolution that still have entries."""

    cell: NDArray[np.int64]  # [k]
    box: NDArray[np.float64]  # [k, 4]
    node: NDArray[np.int32]  # [k] number in the trie
    start: NDArray[np.int32]  # [k + 1] first entry
    entries: NDArray[np.int32]  # [e, 4]
    runs: NDArray[np.int32]  # [u, 2]


@njit(cache=True, nogil=True)
def with_room(array: NDArray[Any], used: int, more: int) -> NDArray[Any]:
    """The array, or a longer copy of its first rows, so that `more` rows fit behind the `used` ones."""
    if used + more <= array.shape[0]:
        return array
    longer = np.empty((max(2 * array.shape[0], used + more), array.shape[1]), array.dtype)
    for i in range(used):
        for j in range(array.shape[1]):
            longer[i, j] = array[i, j]
    return longer


@njit(cache=True, nogil=True)
def _box_reach_rad(box: NDArray[np.float64]) -> float:
    """Angle from a box's middle to its furthest corner, beyond which nothing of it lies; pi for a box half around the world."""
    lon, lat = 0.5 * (box[0] + box[2]), 0.5 * (box[1] + box[3])
    if box[2] - box[0] >= 180.0:
        return np.pi
    x, y, z = unit_vector(lat, lon)
    most = 0.0
    for corner_lat in (box[1], box[3]):
        cx, cy, cz = unit_vector(corner_lat, box[2])
        most = max(most, (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2)
    return float(2.0 * np.arcsin(min(1.0, np.sqrt(most) / 2.0)) + _ROUNDING_RAD)


@njit(cache=True, nogil=True)
def _circle_mode(circle: NDArray[np.float64], lat_deg: float, lon_deg: float, reach_rad: float) -> int:
    """INSIDE, CIRCLE (open) or -1 (outside) for all that lies within an angle of a point."""
    x, y, z = unit_vector(lat_deg, lon_deg)
    chord = np.sqrt((x - circle[0]) ** 2 + (y - circle[1]) ** 2 + (z - circle[2]) ** 2)
    apart = 2.0 * np.arcsin(min(1.0, chord / 2.0))
    if (apart + reach_rad) * GREATEST_RADIUS_M < circle[RADIUS]:
        return INSIDE
    return -1 if (apart - reach_rad) * LEAST_RADIUS_M > circle[RADIUS] else CIRCLE


@njit(cache=True, nogil=True)
def _open_parity(
    entry: NDArray[np.int32], runs: NDArray[np.int32], x: float, y: float, vertices: NDArray[np.float64]
) -> int:
    """Parity at a point of the box that the entry's runs belong to."""
    return int(entry[MODE]) ^ runs_parity(x, y, runs, entry[START], entry[STOP], vertices)


@njit(cache=True, nogil=True)
def _enter_child(
    box: NDArray[np.float64],
    entries: NDArray[np.int32],
    runs: NDArray[np.int32],
    start: int,
    stop: int,
    shapes: Shapes,
    out: NDArray[np.int32],
    n_out: int,
    out_runs: NDArray[np.int32],
    n_runs: int,
) -> tuple[int, int]:
    """Passes the open entries[start:stop] of a node on to a child; returns the new lengths of `out` and `out_runs`."""
    x = 0.5 * (box[0] + box[2])
    y = 0.5 * (box[1] + box[3])
    reach_rad = _box_reach_rad(box)
    for i in range(start, stop):
        entry = entries[i]
        fence = entry[FENCE]
        bounds = shapes.bounds[fence]
        if bounds[0] > box[2] or bounds[2] < box[0] or bounds[1] > box[3] or bounds[3] < box[1]:
            continue
        first_run = n_runs
        if entry[MODE] == CIRCLE:
            mode = _circle_mode(shapes.circles[entry[START]], y, x, reach_rad)
            first_run = entry[START]
        else:
            for run in range(entry[START], entry[STOP]):
                n_runs = clip_run(
                    runs[run, 0] >> 1, runs[run, 1] >> 1, shapes.vertices, box, out_runs, n_runs
                )
            mode = _open_parity(entry, runs, x, y, shapes.vertices)
            if n_runs == first_run:
                mode = INSIDE if mode else -1
            else:
                mode ^= runs_parity(x, y, out_runs, first_run, n_runs, shapes.vertices)
        if mode >= 0:
            out[n_out, FENCE] = fence
            out[n_out, MODE] = mode
            out[n_out, START] = first_run
            out[n_out, STOP] = n_runs
            n_out += 1
    return n_out, n_runs


@njit(cache=True, nogil=True)
def _runs_bound(entries: NDArray[np.int32], runs: NDArray[np.int32], start: int, stop: int) -> int:
    """More runs than clipping the entries' runs can give."""
    bound = 0
    for i in range(start, stop):
        if entries[i, MODE] < INSIDE:
            for run in range(entries[i, START], entries[i, STOP]):
                bound += ((runs[run, 1] >> 1) - (runs[run, 0] >> 1)) // 2 + 1
    return bound


@njit(cache=True, nogil=True)
def whole_fences(
    fences: NDArray[np.int32], shapes: Shapes, entries: NDArray[np.int32], runs: NDArray[np.int32]
) -> None:
    """Fills entries [fences, 4] and runs [their rings, 2] that list whole rings, which is right for any box."""
    n = 0
    for i in range(fences.size):
        fence = fences[i]
        entries[i, FENCE] = fence
        entries[i, MODE] = 0
        entries[i, START] = n
        for ring in range(shapes.first_ring[fence], shapes.first_ring[fence + 1]):
            runs[n, 0] = shapes.rings[ring] << 1
            runs[n, 1] = (shapes.rings[ring + 1] - 1) << 1
            n += 1
        entries[i, STOP] = n
        if shapes.circle[fence] >= 0:
            entries[i, MODE] = CIRCLE
            entries[i, START] = shapes.circle[fence]


@njit(cache=True, nogil=True)
def enter_roots(
    whole: NDArray[np.int32],
    whole_runs: NDArray[np.int32],
    shapes: Shapes,
    cell: NDArray[np.int64],
    box: NDArray[np.float64],
    start: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Passes whole fences on to the roots: resolution 0, once for each half of the world, so that no box crosses the antimeridian.

    Fills cell [244], box [244, 4] and start [245]; returns entries and runs.
    """
    count = whole.shape[0]
    bound = _runs_bound(whole, whole_runs, 0, count)
    entries, runs = np.empty((count, 4), np.int32), np.empty((bound, 2), np.int32)
    centre = np.empty(2)
    n = n_runs = 0
    for k in range(cell.size):
        cell[k] = cell_of_base(k % BASE_CELLS)
        cell_centre(cell[k], centre)
        if reach_box(centre[0], centre[1], REACH_RAD[0], HALVES[k // BASE_CELLS], box[k]):
            entries, runs = with_room(entries, n, count), with_room(runs, n_runs, bound)
            n, n_runs = _enter_child(box[k], whole, whole_runs, 0, count, shapes, entries, n, runs, n_runs)
        start[k + 1] = n
    return entries[:n], runs[:n_runs]


@njit(cache=True, nogil=True)
def _divide(level: Level, k: int, resolution: int, shapes: Shapes) -> int:
    """Moves the entries of node k that stay open to the front of its range; returns where the settled ones start."""
    entries, runs = level.entries, level.runs
    start, stop = level.start[k], level.start[k + 1]
    split = start
    work = 0
    for i in range(start, stop):
        mode = entries[i, MODE]
        segments = 0
        if mode < INSIDE:
            for run in range(entries[i, START], entries[i, STOP]):
                segments += (runs[run, 1] >> 1) - (runs[run, 0] >> 1)
        settles = resolution >= shapes.resolution[entries[i, FENCE]] and segments <= FEW_SEGMENTS
        if mode == INSIDE or settles or resolution == FINEST:
            continue
        work += CIRCLE_WORK if mode == CIRCLE else segments
        for column in range(4):
            entries[i, column], entries[split, column] = entries[split, column], entries[i, column]
        split += 1
    return int(split if work > ENOUGH_WORK else start)


@njit(cache=True, nogil=True)
def _settle(
    level: Level, start: int, stop: int, settled: NDArray[np.int32], n: int
) -> tuple[NDArray[np.int32], int]:
    """Writes entries to the trie's; returns these, longer where needed, and how many they are now."""
    for i in range(start, stop):
        mode, first, stop_run = level.entries[i, MODE], level.entries[i, START], level.entries[i, STOP]
        settled = with_room(settled, n, stop_run - first if mode < INSIDE else 1)
        if mode >= INSIDE:
            for column in range(4):
                settled[n, column] = level.entries[i, column]
            n += 1
            continue
        for run in range(first, stop_run):
            settled[n, FENCE] = level.entries[i, FENCE]
            settled[n, MODE] = RUN if run + 1 < stop_run else mode
            settled[n, START] = level.runs[run, 0]
            settled[n, STOP] = level.runs[run, 1]
            n += 1
    return settled, n


@njit(cache=True, nogil=True)
def next_level(
    level: Level,
    resolution: int,
    shapes: Shapes,
    nodes: NDArray[np.int32],
    node_boxes: NDArray[np.float64],
    settled: NDArray[np.int32],
) -> tuple[NDArray[Any], ...]:
    """Settles what a level (at `resolution`) settles, and passes the rest on.

    Returns the trie's grown nodes, their boxes (nothing's is NaN) and entries, and of the next level: cell [k, 1], box, (node, end of its entries) [k, 2], entries, runs.
    """
    n_nodes, n_settled = nodes.shape[0], settled.shape[0]
    many = level.cell.size
    cells, boxes, places = np.empty((many, 1), np.int64), np.empty((many, 4)), np.empty((many, 2), np.int32)
    entries, runs = (
        np.empty((level.entries.shape[0], 4), np.int32),
        np.empty((level.runs.shape[0], 2), np.int32),
    )
    n = n_entries = n_runs = 0
    centre = np.empty(2)
    reach = REACH_RAD[min(resolution + 1, FINEST)]
    for k in range(many):
        start, node = level.start[k], level.node[k]
        split = _divide(level, k, resolution, shapes)
        nodes[node, FIRST_ENTRY] = n_settled
        settled, n_settled = _settle(level, split, level.start[k + 1], settled, n_settled)
        nodes[node, LAST_ENTRY] = n_settled
        if split == start:
            continue
        nodes, node_boxes = with_room(nodes, n_nodes, 7), with_room(node_boxes, n_nodes, 7)
        nodes[node, CHILD] = n_nodes
        bound = _runs_bound(level.entries, level.runs, start, split)
        cells, boxes, places = with_room(cells, n, 7), with_room(boxes, n, 7), with_room(places, n, 7)
        for child in range(7):
            here = n_nodes + child
            nodes[here, CHILD] = -1
            nodes[here, FIRST_ENTRY] = nodes[here, LAST_ENTRY] = 0
            nodes[here, PARENT] = node
            node_boxes[here] = np.nan
            cells[n, 0] = child_of(level.cell[k], resolution + 1, child)
            cell_centre(cells[n, 0], centre)
            if not reach_box(centre[0], centre[1], reach, level.box[k], boxes[n]):
                continue
            node_boxes[here] = boxes[n]
            entries, runs = with_room(entries, n_entries, split - start), with_room(runs, n_runs, bound)
            before = n_entries
            n_entries, n_runs = _enter_child(
                boxes[n],
                level.entries,
                level.runs,
                start,
                split,
                shapes,
                entries,
                n_entries,
                runs,
                n_runs,
            )
            if n_entries > before:
                places[n, 0], places[n, 1] = here, n_entries
                n += 1
        n_nodes += 7
    return (
        nodes[:n_nodes],
        node_boxes[:n_nodes],
        settled[:n_settled],
        cells[:n],
        boxes[:n],
        places[:n],
        entries[:n_entries],
        runs[:n_runs],
    )
