"""Jitter does not flap and who drives out is not held back, for fences of every shape, any jitter and any drive."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
import shapely
from fence_oracles import fence_set_of
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fence_events import FenceEvents, Kind
from geo.fence_match import match_fences
from geo.fence_set import FenceSet
from geo.fence_transitions import FenceState, find_transitions

METRES = np.array([111_319.4908, 110_574.2758])  # a degree of longitude and of latitude where both are 0
BOW = shapely.Polygon([(0, 0), (300, 0.5), (300, -0.5)])  # a sliver of a metre's width
RING = shapely.box(-80, -80, 80, 80).difference(shapely.box(-12, -12, 12, 12))
SHAPES = {  # in metres around longitude and latitude 0
    "half a plane": shapely.box(0, -50_000, 50_000, 50_000),
    "smaller than the accuracy": shapely.Point(0, 0).buffer(5),
    "as wide as the accuracy": shapely.box(-6, -6, 6, 6),
    "sliver": BOW,
    "corner": shapely.Polygon([(0, 0), (200, 190), (200, -190)]),
    "hole": RING,
    "corridor": shapely.LineString([(-300, 0), (0, 0), (100, 250)]).buffer(15),
    "two parts": shapely.union(shapely.box(-40, -15, -3, 15), shapely.box(3, -15, 40, 15)),
    "beside": shapely.box(-60, -40, 0, 40),  # shares its border with half a plane
}
FENCES = fence_set_of(*[shapely.transform(shape, lambda xy: xy / METRES) for shape in SHAPES.values()])
RADIUS_OF_68 = np.sqrt(-2 * np.log(0.32))
"""Of the normal distribution of two coordinates of deviation 1."""


class Fixes(NamedTuple):
    """One vehicle's, a second apart, in metres."""

    place: np.ndarray  # [n, 2] east, north
    accuracy_m: np.ndarray


def told(
    state: FenceState, fences: FenceSet, place: np.ndarray, accuracy_m: np.ndarray, start: int = 0
) -> FenceEvents:
    """Events of places [fixes, vehicles, 2]."""
    count, vehicles = place.shape[:2]
    lon, lat = (np.ascontiguousarray(column) for column in (place / METRES).reshape(-1, 2).T)
    row = np.tile(np.arange(vehicles, dtype=np.int32), count)
    time_ms = np.repeat((np.arange(count) + start) * 1000, vehicles)
    hits = match_fences(fences, np.zeros_like(row), lat, lon)
    return find_transitions(state, fences, row, time_ms, lat, lon, hits, accuracy_m.ravel())


def one_by_one(state: FenceState, fixes: Fixes, begin: int, end: int) -> Iterator[FenceEvents]:
    """The events of each fix of vehicle 0."""
    for i in range(begin, end):
        yield told(state, FENCES, fixes.place[i : i + 1, None], fixes.accuracy_m[i : i + 1], i)


def drive(rng: np.random.Generator, count: int, unknown: float = 0.0) -> Fixes:
    """A drive about the fences: fast and slow, straight and not, with stands; the accuracy may change, a share of it is unknown (0)."""
    speed_m = rng.choice([0.0, 2.0, 8.0, 25.0, 90.0], count).repeat(rng.integers(1, 9, count))[:count]
    heading = np.cumsum(rng.normal(0, rng.choice([0.05, 0.5]), count)) + rng.uniform(0, 7)
    steps = speed_m[:, None] * np.c_[np.cos(heading), np.sin(heading)]
    way = rng.uniform(-60, 60, 2) + np.cumsum(steps, axis=0)
    way = np.abs((way + 200) % 800 - 400) - 200  # comes back to where the fences are
    accuracy_m = rng.choice(([3.0], [10.0], [2.0, 10.0, 60.0])[rng.integers(3)], count)
    place = way + accuracy_m[:, None] / RADIUS_OF_68 * rng.normal(size=(count, 2))
    return Fixes(place, np.where(rng.random(count) < unknown, 0.0, accuracy_m))


def most_of_a_kind(events: FenceEvents, vehicles: int, since_ms: int) -> np.ndarray:
    """[fences, vehicles]: how often a fix since then proved an enter, or an exit, whichever is more."""
    most = np.zeros((len(SHAPES), vehicles), int)
    for kind in (Kind.ENTER, Kind.EXIT):
        counts = np.zeros_like(most)
        mine = (events.kind == kind) & (events.fix_time_ms >= since_ms)
        np.add.at(counts, (events.handle[mine], events.row[mine]), 1)
        most = np.maximum(most, counts)
    return most


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.9]), st.booleans())
def test_who_stands_within_three_accuracies_never_flaps(seed, rho, is_extreme):
    """Wherever it stands, however it came and however its accuracy changes: it enters once and leaves once at most."""
    rng, state = np.random.default_rng(seed), FenceState(1)
    came = drive(rng, int(rng.integers(0, 40)))
    if len(came.place):
        told(state, FENCES, came.place[:, None], came.accuracy_m)
    count = 400
    accuracy_m = rng.choice([2.0, 10.0, 60.0], count) if rng.random() < 0.5 else np.full(count, 10.0)
    jitter = rng.normal(size=(count, 2))
    for i in range(1, count):
        jitter[i] = rho * jitter[i - 1] + np.sqrt(1 - rho**2) * jitter[i]
    length = np.hypot(*jitter.T)
    reach = np.where(rng.random(count) < 0.7, 2.98, length) if is_extreme else length / RADIUS_OF_68
    jitter *= (np.minimum(reach, 2.98) * accuracy_m / length)[:, None]
    shape = list(SHAPES.values())[rng.integers(len(SHAPES))]
    border = shapely.get_coordinates(shape.boundary.interpolate(rng.random(), normalized=True))[0]
    stand = np.clip(border, -300, 300) + rng.normal(0, rng.choice([1.0, 15.0, 40.0]), 2)
    events = told(state, FENCES, (stand + jitter)[:, None], accuracy_m, len(came.place))
    assert most_of_a_kind(events, 1, 0).max() <= 1


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.99])
def test_normal_jitter_of_ten_thousand_fixes(rho):
    """68 % within the accuracy, each fix like the one before or not: about the borders of all shapes none of 279 stands flaps, or one, once."""
    rng, count, accuracy_m = np.random.default_rng(11), 10_000, 10.0
    stands = np.c_[np.linspace(-45, 45, 31), np.full(31, 1.0)]
    jitter = rng.normal(0, accuracy_m / RADIUS_OF_68, (count, len(stands), 2))
    for i in range(1, count):
        jitter[i] = rho * jitter[i - 1] + np.sqrt(1 - rho**2) * jitter[i]
    came = np.stack([stands - [800, 300], stands - [90, 50]])
    place = np.concatenate([came, stands + jitter])
    events = told(FenceState(1), FENCES, place, np.full(place.shape[:2], accuracy_m))
    assert len(events) > 100
    most = most_of_a_kind(events, len(stands), 2000)
    assert most.max() <= 2
    assert np.count_nonzero(most > 1) <= 1


class Seen:
    """What was told of one vehicle and one fence, held against the words of `docs/fences.md`."""

    def __init__(self, handle: int, shape: shapely.Geometry, fixes: Fixes) -> None:
        self.handle = handle
        self.fixes = fixes
        points = shapely.points(fixes.place)
        self.is_in = shapely.intersects(shape, points)
        self.border_m = shapely.distance(shape.boundary, points)
        self.boundary = shape.boundary
        self.is_inside = False
        self.changed = -1  # the fix that proved the last change
        self.counts = 1.0  # how many times its accuracy does
        self.entered: tuple[int, int] | None = None  # visit, entered_ms

    def has_moved(self, until: int, *, by: float) -> tuple[bool, bool]:
        """From the fix that proved the last change; from any fix since then."""
        if self.changed < 0 or self.fixes.accuracy_m[self.changed] == 0:
            return True, True
        place, accuracy_m = (column[self.changed : until + 1] for column in self.fixes)
        apart_m = np.hypot(*(place[:, None] - place).transpose(2, 0, 1))
        from_it = apart_m[0] > 3 * by * (self.counts * accuracy_m[0] + accuracy_m)
        from_any = apart_m > 3 * by * (accuracy_m[:, None] + accuracy_m)
        return bool(from_it.any()), bool(from_any.any())

    def take(self, i: int, events: FenceEvents) -> None:
        """Fix i and what was told with it."""
        mine = np.flatnonzero(events.handle == self.handle)
        was_inside = self.is_inside
        for event in mine.tolist():
            self._take_event(i, events, event)
        assert len(mine) <= 1
        second = i > 0 and self.is_in[i - 1] == self.is_in[i]
        border_m, accuracy_m = self.border_m[i], self.fixes.accuracy_m[i]
        if self.is_inside != self.is_in[i]:  # held back
            assert i > 0
            assert border_m <= 3.03 * accuracy_m
            assert not (self.has_moved(i, by=1.01)[0] and (second or border_m > 1.01 * accuracy_m))
        elif self.is_inside != was_inside and i > 0:  # proved
            has_moved = self._moved_before
            assert border_m > 2.97 * accuracy_m or (has_moved and (second or border_m > 0.99 * accuracy_m))

    def _take_event(self, i: int, events: FenceEvents, event: int) -> None:
        is_enter = events.kind[event] == Kind.ENTER
        assert is_enter != self.is_inside
        assert is_enter == self.is_in[i]
        assert events.fix_time_ms[event] == 1000 * i
        visit, time_ms = int(events.visit[event]), int(events.time_ms[event])
        if is_enter:
            self.entered = visit, time_ms
        assert self.entered == (visit, events.entered_ms[event])
        first = i
        while first > 0 and self.is_in[first - 1] == self.is_in[i]:
            first -= 1
        self._check_crossing(first, is_enter, time_ms, events, event)
        self._moved_before = self.has_moved(i, by=0.99)[1]
        self.counts = 1.0 if self.has_moved(i, by=1.01)[0] else 1.5
        self.is_inside, self.changed = is_enter, i

    def _check_crossing(
        self, first: int, is_enter: bool, time_ms: int, events: FenceEvents, event: int
    ) -> None:
        """At the first point of the border on the way to the first fix on this side, or the last when it leaves."""
        place = np.array([events.lon_deg[event], events.lat_deg[event]]) * METRES
        if first == 0:
            assert time_ms == 0
            return
        begin, end = self.fixes.place[first - 1], self.fixes.place[first]
        way = shapely.LineString([begin, end])
        met = shapely.get_coordinates(way.intersection(self.boundary))
        along = np.hypot(*(met - begin).T)
        expected = met[along.argmin() if is_enter else along.argmax()]
        assert np.hypot(*(place - expected)) < 0.001
        share = np.hypot(*(expected - begin)) / way.length
        assert abs(time_ms - 1000 * (first - 1 + share)) <= 1


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.0, 0.2]))
def test_no_change_is_held_back_and_none_is_told_without_proof(seed, unknown):
    """At every fix of any drive: what is not believed yet could be jitter, what is told could not, at the crossing, under one visit."""
    fixes = drive(np.random.default_rng(seed), 70, unknown)
    state = FenceState(1)
    seen = [Seen(handle, shape, fixes) for handle, shape in enumerate(SHAPES.values())]
    for i, events in enumerate(one_by_one(state, fixes, 0, 70)):
        for one in seen:
            one.take(i, events)
        assert state.inside(0).tolist() == [one.handle for one in seen if one.is_inside]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 59))
def test_a_restart_changes_nothing(seed, stop):
    """What was pending and where a vehicle may stand goes over a restart with the visits: every event is the same."""
    fixes, rows = drive(np.random.default_rng(seed), 60), np.zeros(1, np.int32)
    whole, first, second = FenceState(1), FenceState(1), FenceState(1)
    expected = list(one_by_one(whole, fixes, 0, 60))
    begun = list(one_by_one(first, fixes, 0, stop))
    states = first.states
    second.restore(rows, states.time_ms[rows], states.lat_deg[rows], states.lon_deg[rows], first.slots(rows))
    second.next_visit = first.next_visit
    for one, other in zip(expected, [*begun, *one_by_one(second, fixes, stop, 60)], strict=True):
        for name in ("handle", "kind", "visit", "time_ms", "lat_deg", "lon_deg", "entered_ms", "fix_time_ms"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()


@pytest.mark.parametrize("name", list(SHAPES))
@pytest.mark.parametrize("heading", [0.1, 0.9, 2.2, 4.0])
@pytest.mark.parametrize("begin_m", [0.0, 4.0, 9.0])
def test_who_passes_six_accuracies_at_a_step_is_never_held_back_more_than_one_fix(name, heading, begin_m):
    """Also out of what is smaller than the accuracy: believed is what the last two fixes say."""
    shape = SHAPES[name]
    middle = shape.representative_point().coords[0] if name != "half a plane" else (30, 0)
    along = np.array([np.cos(heading), np.sin(heading)])
    places = [middle - (begin_m + 6.1 * k) * along for k in range(-60, 60)]
    fixes = Fixes(np.array(places), np.full(len(places), 1.0))
    is_in = shapely.intersects(shape, shapely.points(fixes.place))
    state, handle = FenceState(1), list(SHAPES).index(name)
    for i, _ in enumerate(one_by_one(state, fixes, 0, len(places))):
        if i and is_in[i] == is_in[i - 1]:
            assert (handle in state.inside(0)) == is_in[i]
