"""Sets of fences: frozen, checked, small, and built beside the live one."""

import threading
from itertools import pairwise

import numpy as np
import pytest
import shapely
from fence_oracles import as_lists, fence_set_of

from geo.fence_match import match_fences
from geo.fence_set import Circle, Fence, build_fence_set
from geo.rings import block_bounds, ring_arrays

BOX = shapely.box(0, 0, 1, 1)


def test_a_set_is_sorted_by_handle_and_frozen():
    """Indexes ascend with handles whatever the order given, and no array can be written."""
    fence_set = build_fence_set([Fence(9, 1, BOX), Fence(2, 5, Circle(0, 0, 10)), Fence(4, 1, BOX)], 17)
    assert (fence_set.version, len(fence_set)) == (17, 3)
    assert fence_set.handles.tolist() == [2, 4, 9]
    assert fence_set.fleet_number.tolist() == [5, 1, 1]
    arrays = [fence_set.handles, fence_set.fleet_number, *fence_set.shapes, *fence_set.table]
    assert not any(array.flags.writeable for array in arrays)
    assert 0 < fence_set.nbytes <= sum(array.nbytes for array in arrays)
    with pytest.raises(ValueError, match="read-only"):
        fence_set.handles[0] = 1


@pytest.mark.parametrize(
    ("fences", "message"),
    [
        ([Fence(3, 0, BOX), Fence(3, 1, BOX)], "handle 3 occurs twice"),
        ([Fence(-1, 0, BOX)], "handle is -1"),
        ([Fence(0, 2**31, BOX)], "fleet number"),
    ],
)
def test_wrong_numbers_are_refused(fences, message):
    """Handles are unique, and numbers fit their columns."""
    with pytest.raises(ValueError, match=message):
        build_fence_set(fences, 1)


def test_an_edge_of_the_whole_set_is_a_rebuild_away():
    """The same fences built in another order, and after others came and went, match the same."""
    rng = np.random.default_rng(3)
    areas = [shapely.Point(*rng.normal(0, 3, 2)).buffer(1) for _ in range(60)]
    fences = [Fence(i, i % 2, area) for i, area in enumerate(areas)]
    lat, lon = rng.normal(0, 3, (2, 500))
    fleets = rng.integers(0, 2, 500).astype(np.int32)
    hits = [match_fences(build_fence_set(order, 1), fleets, lat, lon) for order in (fences, fences[::-1])]
    assert as_lists(hits[0]) == as_lists(hits[1])
    alone = match_fences(build_fence_set(fences[:5], 1), fleets, lat, lon)
    assert as_lists(alone) == [[i for i in row if i < 5] for row in as_lists(hits[0])]


def test_a_set_is_built_in_a_thread_beside_the_live_one():
    """Matching goes on with the old set while a new one is built, and both answer right."""
    live = fence_set_of(BOX)
    built = []
    areas = [shapely.Point(i % 60, i // 60).buffer(0.7) for i in range(2_000)]
    thread = threading.Thread(target=lambda: built.append(fence_set_of(*areas)))
    thread.start()
    rounds = 0
    while thread.is_alive() or not rounds:
        assert match_fences(live, np.zeros(1, np.int32), np.array([0.5]), np.array([0.5])).fence.tolist() == [
            0
        ]
        rounds += 1
    thread.join()
    assert 0 in match_fences(built[0], np.zeros(1, np.int32), np.zeros(1), np.zeros(1)).fence


def test_rings_lie_one_after_the_other():
    """Every ring of every part is found by area, and a block's box holds its segments."""
    holed = BOX.difference(shapely.box(0.2, 0.2, 0.4, 0.4))
    areas = [holed, None, shapely.MultiPolygon([BOX, shapely.box(3, 3, 4, 4)])]
    vertices, rings, first_ring = ring_arrays(areas)
    assert first_ring.tolist() == [0, 2, 2, 4]
    assert rings.tolist() == [0, 5, 10, 15, 20]
    assert all((vertices[a] == vertices[b - 1]).all() for a, b in pairwise(rings))
    bounds = block_bounds(vertices, 8)
    for i in range(len(vertices) - 1):
        west, south, east, north = bounds[i // 8]
        assert (vertices[i : i + 2] >= (west, south)).all()
        assert (vertices[i : i + 2] <= (east, north)).all()
    assert ring_arrays([])[0].shape == (0, 2)
