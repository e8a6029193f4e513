"""The cover of one fleet's fences by H3 cells of mixed resolution: a trie. The face of `geo.kernels.fence_cover`.

**Lookup.** An H3 index is a path: base cell, then one digit a resolution. One call of H3 gives the fix's cell at the trie's finest
resolution, and its digits lead from a root to a leaf. What a fix has to be tested against hangs on the nodes it passes: fences that hold
the whole node (no test), and fences whose boundary comes near (the few segments there, see `geo.kernels.rings`). A leaf is
coarse where little is going on and fine where much is. Each fleet has a trie of its own, so others' fences cost nothing.

**Exactness.** H3 cells do not nest (a child sticks out of its parent), and their edges are not straight in longitude and latitude. So no
cell outline is ever used: a node has a box, cut to its parent's, of everything whose finer cells descend from the node's cell
(`geo.kernels.cells.REACH_RAD`). All positions that lead to a node lie in its box. A fence whose boundary does not touch the box is the same
for all of it; one that does is listed with every segment that touches the box. The last word is a comparison of
coordinates as in GEOS, never an approximation.

**Places.** So a vehicle that stays within the box of the leaf where it was last found needs no H3: see `geo.fence_match.FencePlaces`.

**Bounds.** A node is divided while it has much to test. A fence settles from the resolution on at which about `CELLS_A_FENCE` cells, and two more a
segment, follow its boundary, so many fences on one line, or one with an endless straight edge, cannot make the trie explode.
"""

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.cells import load_h3
from geo.kernels import fence_cover as kernel
from geo.kernels.cells import BASE_CELLS, FINEST, SPACING_RAD

CELLS_A_FENCE = 64
CELLS_A_SEGMENT = 2

ROOTS = 2 * BASE_CELLS
"""Root nodes of a fleet: each resolution 0 cell, once for the western and once for the eastern half of the world."""


def settling_resolution(boundary_rad: NDArray[np.float64], segments: NDArray[np.int64]) -> NDArray[np.int8]:
    """The resolution from which on a fence's entries may settle.

    Args:
        boundary_rad: float64[f], length of each boundary as an angle.
        segments: int64[f], of how many segments.
    """
    cells = CELLS_A_FENCE + CELLS_A_SEGMENT * segments
    finer = np.searchsorted(-SPACING_RAD, -np.maximum(boundary_rad / cells, 1e-12))
    return np.minimum(finer, FINEST).astype(np.int8)


class Trie(NamedTuple):
    """The nodes, int32[n, 4], their boxes, float64[n, 4], and settled entries, int32[e, 4]; columns as in `geo.kernels.fence_cover`.

    What a node and its ancestors say holds for the node's whole box (west, south, east, north), not for its cell alone.
    """

    nodes: NDArray[np.int32]
    boxes: NDArray[np.float64]
    entries: NDArray[np.int32]


def cover_fences(fences: NDArray[np.int32], shapes: kernel.Shapes) -> tuple[Trie, int]:
    """The trie of one fleet's fences (rows of `shapes`, ascending), and the resolution of its finest node.

    The first 244 nodes are the roots: the cells of resolution 0 for the western half of the world, then for the eastern. Runs without the
    GIL for the most part.
    """
    load_h3()
    level = _roots(fences, shapes)
    nodes = np.full((ROOTS, 4), -1, np.int32)
    nodes[:, [kernel.FIRST_ENTRY, kernel.LAST_ENTRY]] = 0
    boxes, entries = level.box.copy(), np.empty((0, 4), np.int32)
    for resolution in range(FINEST + 1):
        nodes, boxes, entries, cell, box, places, *open_entries = kernel.next_level(
            level, resolution, shapes, nodes, boxes, entries
        )
        if not len(cell):
            break
        node, ends = np.ascontiguousarray(places.T)
        level = kernel.Level(
            cell.ravel(), box, node, np.concatenate([np.zeros(1, np.int32), ends]), *open_entries
        )
    return Trie(nodes, boxes, entries), resolution


def _roots(fences: NDArray[np.int32], shapes: kernel.Shapes) -> kernel.Level:
    rings = int((shapes.first_ring[fences + 1] - shapes.first_ring[fences]).sum())
    whole, runs = np.empty((len(fences), 4), np.int32), np.empty((rings, 2), np.int32)
    kernel.whole_fences(fences, shapes, whole, runs)
    cell, box, start = np.empty(ROOTS, np.int64), np.empty((ROOTS, 4)), np.zeros(ROOTS + 1, np.int32)
    entries = kernel.enter_roots(whole, runs, shapes, cell, box, start)
    return kernel.Level(cell, box, np.arange(ROOTS, dtype=np.int32), start, *entries)


def join_tries(tries: list[Trie]) -> tuple[Trie, NDArray[np.int32]]:
    """One trie that holds all, and where the roots of each begin."""
    firsts = [np.cumsum([0, *(len(rows) for rows in kind)])[:-1] for kind in zip(*tries, strict=True)]
    nodes = []
    for trie, first_node, first_entry in zip(tries, firsts[0], firsts[2], strict=True):
        moved = trie.nodes.copy()
        moved[:, kernel.CHILD] += np.where(moved[:, kernel.CHILD] >= 0, first_node, 0).astype(np.int32)
        moved[:, kernel.PARENT] += np.where(moved[:, kernel.PARENT] >= 0, first_node, 0).astype(np.int32)
        moved[:, [kernel.FIRST_ENTRY, kernel.LAST_ENTRY]] += np.int32(first_entry)
        nodes.append(moved)
    boxes, entries = (np.concatenate(rows) for rows in list(zip(*tries, strict=True))[1:])
    return Trie(np.concatenate(nodes), boxes, entries), firsts[0].astype(np.int32)


def boundary_rad(areas: NDArray[np.object_]) -> NDArray[np.float64]:
    """Length of each area's boundary as an angle, roughly: degrees of longitude count by the cosine of the area's latitude."""
    bounds = shapely.bounds(areas)
    cos_lat = np.cos(np.radians(np.clip((bounds[:, 1] + bounds[:, 3]) / 2, -89, 89)))
    length: NDArray[np.float64] = np.radians(shapely.length(areas)) * np.where(
        np.isnan(cos_lat), 0.0, np.sqrt(cos_lat)
    )
    return length
