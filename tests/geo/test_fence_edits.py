"""Edited sets answer as sets built anew."""

import numpy as np
import pytest
import shapely
from fence_oracles import as_lists, star
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fence_events import COLUMNS, FenceEvents
from geo.fence_match import FencePlaces, match_fences
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


class Drive:
    """Vehicles of two fleets that drive about, and a set of fences that is edited meanwhile."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.fleet = np.arange(12, dtype=np.int32) % 2
        self.rows = np.arange(12, dtype=np.int32)
        self.fences = {h: some_fence(rng, h, h % 2) for h in range(16)}
        self.built = build_fence_set(self.fences.values(), 0)
        self.edits: dict[int, Fence | None] = {}
        self.recent: list[int] = []
        self.place = rng.uniform(-1.2, 1.2, (2, 12))
        self.time_ms = 0

    def edit(self) -> FenceSet:
        """Some fences are added, changed or removed, now and then all is built anew."""
        for handle in self.rng.integers(0, 20, self.rng.integers(0, 4)).tolist():
            self.edits[handle] = None if self.rng.random() < 0.4 else some_fence(self.rng, handle, handle % 2)
            self.recent.append(handle)
        now = {h: f for h, f in (self.fences | self.edits).items() if f is not None}
        if self.rng.random() < 0.3:
            self.fences, self.edits = now, {}
            self.built = build_fence_set(now.values(), len(self.recent))
            return self.built.with_recent(self.recent[-5:])
        changed = [fence for fence in self.edits.values() if fence is not None]
        removed = [handle for handle, fence in self.edits.items() if fence is None]
        return edit_fence_set(self.built, changed, removed, len(self.recent)).with_recent(self.recent[-5:])

    def move(self, state: FenceState, fence_set: FenceSet, places: FencePlaces) -> list[list]:
        """Everybody's next fix, some with an accuracy that leaves sides open."""
        lat, lon = self.place
        time_ms, accuracy_m = np.full(12, self.time_ms), np.where(self.rows % 3, 5_000.0, 0.0)
        hits = match_fences(fence_set, self.fleet, lat, lon, places, self.rows)
        return as_columns(find_transitions(state, fence_set, self.rows, time_ms, lat, lon, hits, accuracy_m))

    def drive_on(self) -> None:
        self.time_ms += 1000
        self.place = self.place + self.rng.normal(0, 0.05, (2, 12))


def as_columns(events: FenceEvents) -> list[list]:
    return [getattr(events, name).tolist() for name in COLUMNS if name != "value"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_looking_at_what_was_edited_is_enough(seed):
    """A refresh of the vehicles that the edits touch says what one of all says, and leaves the same state, doubt and all."""
    drive = Drive(np.random.default_rng(seed))
    few, all_of_them, places = FenceState(next_visit=1), FenceState(next_visit=1), FencePlaces()
    since = -1
    for _ in range(12):
        for _ in range(drive.rng.integers(1, 3)):  # edits between two ticks are one swap
            fence_set = drive.edit()
        given = fence_set, drive.rows, drive.fleet, drive.time_ms
        told = refresh_fences(few, *given, since, places)
        assert as_columns(told) == as_columns(refresh_fences(all_of_them, *given))
        since = fence_set.version
        drive.drive_on()
        assert drive.move(few, fence_set, places) == drive.move(all_of_them, fence_set, FencePlaces())
        assert few.states.used.tolist() == all_of_them.states.used.tolist()
        for row in range(12):
            used = slice(few.states.used[row])
            assert few.states.handle[row, used].tolist() == all_of_them.states.handle[row, used].tolist()
            assert few.states.doubt[row, used].tolist() == all_of_them.states.doubt[row, used].tolist()


def test_a_set_knows_what_was_edited():
    """Edits are named since any version that the set still remembers; since others, or when it was not told, all may be edited."""
    built = build_fence_set([Fence(h, 0, BOX) for h in range(9)], 7)
    assert built.edited_since(6) is None
    assert built.edited_since(7).tolist() == []
    told = built.with_recent([4, 8, 4])
    assert [told.edited_since(v).tolist() for v in (4, 5, 6, 7)] == [[4, 8], [4, 8], [4], []]
    assert told.edited_since(3) is None
    assert told.edited_since(8) is None
    assert told.edited_since(-1) is None


def test_many_edits_at_once_touch_everybody():
    """More edited fences than are worth a box each are found all the same."""
    built = build_fence_set([], 0)
    state, row, zero = FenceState(next_visit=1), np.zeros(1, np.int32), np.zeros(1)
    find_transitions(state, built, row, row, zero, zero, match_fences(built, row, zero, zero))
    fences = [Fence(h, 0, Circle(h / 50, 0.0, 100.0)) for h in range(200)]
    many = edit_fence_set(built, fences, [], 200).with_recent(range(200))
    assert refresh_fences(state, many, row, row, 5, 0).handle.tolist() == [0]
