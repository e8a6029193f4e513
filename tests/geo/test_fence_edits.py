"""Edited sets answer as sets built anew."""

import numpy as np
import pytest
import shapely
from fence_oracles import as_lists, star
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fence_match import match_fences
from geo.fence_set import Circle, Fence, FenceSet, build_fence_set, edit_fence_set
from geo.fence_transitions import FenceState, find_transitions, refresh_fences

BOX = shapely.box(0, 0, 2, 2)


def some_fence(rng: np.random.Generator, handle: int, fleet: int) -> Fence:
    lon, lat = rng.uniform(-1, 1, 2)
    if rng.random() < 0.3:
        return Fence(handle, fleet, Circle(lat, lon, rng.uniform(1_000, 60_000)))
    return Fence(handle, fleet, star(rng, lon, lat, rng.uniform(0.1, 0.6), int(rng.integers(5, 40))))


def handles_inside(
    fence_set: FenceSet, fleet: np.ndarray, lat: np.ndarray, lon: np.ndarray
) -> list[list[int]]:
    """The handles that hold each point, in the order of the answer."""
    hits = match_fences(fence_set, fleet, lat, lon)
    return [[int(fence_set.handles[i]) for i in indexes] for indexes in as_lists(hits)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_an_edited_set_answers_as_one_built_anew(seed):
    """Whatever was added, changed and removed, matching gives the same handles, ascending, and the same number of fences."""
    rng = np.random.default_rng(seed)
    fences = {h: some_fence(rng, h, h % 2) for h in rng.permutation(40)[:20].tolist()}
    built = build_fence_set(fences.values(), 1)
    changed = [some_fence(rng, h, h % 2) for h in rng.permutation(40)[:10].tolist()]
    removed = [h for h in rng.permutation(50)[:8].tolist() if h not in {f.handle for f in changed}]
    edited = edit_fence_set(built, changed, removed, 2)
    for handle in removed:
        fences.pop(handle, None)
    fences |= {fence.handle: fence for fence in changed}
    anew = build_fence_set(fences.values(), 2)
    fleet = rng.integers(0, 3, 400).astype(np.int32)
    lat, lon = rng.uniform(-1.5, 1.5, (2, 400))
    assert handles_inside(edited, fleet, lat, lon) == handles_inside(anew, fleet, lat, lon)
    assert len(edited) == len(anew) == len(fences)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_drives_cross_an_edited_set_as_one_built_anew(seed):
    """Events of vehicles that drive before and after an edit are the same, times and places included."""
    rng = np.random.default_rng(seed)
    fences = {h: some_fence(rng, h, 0) for h in range(12)}
    changed, removed = [some_fence(rng, h, 0) for h in (3, 5, 12, 13)], [1, 2]
    built = build_fence_set(fences.values(), 1)
    later = {h: f for h, f in fences.items() if h not in removed} | {f.handle: f for f in changed}
    ways = []
    row, time_ms = np.tile(np.arange(5, dtype=np.int32), 20), np.repeat(np.arange(20) * 1000, 5)
    lat, lon = rng.uniform(-1.5, 1.5, (2, 100))
    half = slice(0, 50), slice(50, 100)
    for second in (edit_fence_set(built, changed, removed, 2), build_fence_set(later.values(), 2)):
        state, told = FenceState(next_visit=1), []
        for fence_set, part in zip((built, second), half, strict=True):
            rows = np.arange(5, dtype=np.int32)
            fleet = np.zeros(50, np.int32)
            told.append(refresh_fences(state, fence_set, rows, fleet[:5], 9_999))
            hits = match_fences(fence_set, fleet, lat[part], lon[part])
            told.append(
                find_transitions(state, fence_set, row[part], time_ms[part], lat[part], lon[part], hits)
            )
        ways.append([(e.row.tolist(), e.handle.tolist(), e.kind.tolist(), e.visit.tolist(), e.time_ms.tolist(),
                      e.lat_deg.tolist(), e.lon_deg.tolist()) for e in told])  # fmt: skip
    assert ways[0] == ways[1]


def test_the_edits_of_nothing_and_of_everything():
    """An empty set can be edited, every fence can be removed, and the set that was edited stays as it is."""
    empty = build_fence_set([], 0)
    one = edit_fence_set(empty, [Fence(7, 0, BOX)], [], 1)
    assert handles_inside(one, np.zeros(1, np.int32), np.ones(1), np.ones(1)) == [[7]]
    built = build_fence_set([Fence(7, 0, BOX)], 1)
    none = edit_fence_set(built, [], [7, 99], 2)
    assert len(none) == 0
    assert handles_inside(none, np.zeros(1, np.int32), np.ones(1), np.ones(1)) == [[]]
    assert handles_inside(built, np.zeros(1, np.int32), np.ones(1), np.ones(1)) == [[7]]


def test_an_edited_set_is_frozen():
    """No array of it can be written, and its memory is counted once."""
    built = build_fence_set([Fence(1, 0, BOX)], 1)
    edited = edit_fence_set(built, [Fence(2, 0, Circle(0, 0, 5))], [], 2)
    for array in (edited.handles, edited.is_gone, *edited.shapes, *edited.table, *edited.edited):
        assert not array.flags.writeable
    assert built.nbytes < edited.nbytes < 3 * built.nbytes
    with pytest.raises(ValueError, match="occurs twice"):
        edit_fence_set(built, [Fence(2, 0, BOX)] * 2, [], 3)
