"""What a fix's accuracy keeps a fence from saying: conversations with vehicles about one border."""

from collections.abc import Sequence

import numpy as np
import pytest
import shapely
from fence_oracles import fence_set_of, star
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fence_area import Area, checked_area
from geo.fence_events import Cause, FenceEvents, Kind
from geo.fence_match import match_fences
from geo.fence_set import Circle, Fence, FenceSet, build_fence_set
from geo.fence_transitions import FenceState, find_transitions, refresh_fences
from geo.kernels.fence_distance import is_boundary_within

ENTER, EXIT = Kind.ENTER, Kind.EXIT
DEGREE_M = 6378137.0 * np.pi / 180  # of longitude, on the equator
EAST = shapely.box(0, -1, 2, 1)  # x metres east of longitude 0 on the equator is x metres inside


def told(
    state: FenceState, fence_set: FenceSet, fixes: Sequence[tuple[int, float]], accuracy_m: float | None
) -> FenceEvents:
    """Events of vehicle 0 at (time_ms, metres east) on the equator."""
    time_ms, east_m = (np.array(column) for column in zip(*fixes, strict=True))
    row, lat, lon = np.zeros(len(fixes), np.int32), np.zeros(len(fixes)), east_m / DEGREE_M
    hits = match_fences(fence_set, row, lat, lon)
    accuracy = None if accuracy_m is None else np.full(len(fixes), accuracy_m)
    return find_transitions(state, fence_set, row, time_ms, lat, lon, hits, accuracy)


def short(events: FenceEvents) -> list[tuple]:
    """(kind, time, time of the proving fix) of each event."""
    return list(zip(events.kind.tolist(), events.time_ms.tolist(), events.fix_time_ms.tolist(), strict=True))


def edited(state: FenceState, fence_set: FenceSet, now_ms: int) -> FenceEvents:
    return refresh_fences(state, fence_set, np.zeros(1, np.int32), np.zeros(1, np.int32), now_ms)


def set_of(area: Area, handle: int = 0) -> FenceSet:
    return build_fence_set([Fence(handle, 0, area)], 2)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-20, 20), st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.sampled_from([-500, 500])
)
def test_parked_on_a_border_changes_once_at_most(place_m, jitter_m, came_from_m):
    """Whoever stands within twice the accuracy of a border, and is read within once of where it is, changes sides once at most."""
    state, fence_set = FenceState(0), fence_set_of(EAST)
    told(state, fence_set, [(0, came_from_m)], 10)
    fixes = [(1000 * (i + 1), place_m + off) for i, off in enumerate(jitter_m)]
    assert len(told(state, fence_set, fixes, 10)) <= 1


@pytest.mark.parametrize("start_m", [201.0, 205.0, 209.5])
def test_who_drives_off_is_held_back_one_fix_at_most(start_m):
    """From deep inside at 10 m/s and an accuracy of 10 m, the exit is told at the second fix outside, with the time of the crossing."""
    state, fence_set = FenceState(0), fence_set_of(EAST)
    events = told(state, fence_set, [(1000 * i, start_m - 10 * i) for i in range(60)], 10)
    first_outside = 1000 * int(np.floor(start_m / 10) + 1)
    assert short(events)[1:] == [(EXIT, pytest.approx(100 * start_m, abs=1), first_outside + 1000)]
    assert events.lon_deg[1] == pytest.approx(0, abs=1e-9)
    assert not state.states.used[0]  # far away it is in doubt of nothing


def test_a_fix_well_beyond_the_border_proves_at_once():
    """Further beyond the border than its accuracy, the first fix is enough; the way back, from near, then wants three times that."""
    state, fence_set = FenceState(0), fence_set_of(EAST)
    assert short(told(state, fence_set, [(0, -100), (1000, 11)], 10))[0][0] == ENTER
    assert not len(told(state, fence_set, [(2000, -11), (3000, -29), (4000, -20)], 10))
    assert state.inside(0).tolist() == [0]
    assert short(told(state, fence_set, [(5000, -31)], 10)) == [
        (EXIT, pytest.approx(1500, abs=1), 5000)
    ]  # it was outside from the first of those fixes on


def test_who_has_moved_since_the_last_change_needs_two_fixes_again():
    """Further from the fix that proved the enter than three times both accuracies, it has moved; up to that it may stand there."""
    state, fence_set = FenceState(0), fence_set_of(EAST)
    told(state, fence_set, [(0, -100), (1000, 11)], 10)
    assert not len(told(state, fence_set, [(2000, 31), (3000, -5), (4000, -5), (5000, 70), (6000, -5)], 10))
    state, fence_set = FenceState(0), fence_set_of(EAST)
    told(state, fence_set, [(0, -100), (1000, 11)], 10)
    assert not len(told(state, fence_set, [(2000, 72), (3000, 5), (4000, -5)], 10))
    assert short(told(state, fence_set, [(5000, -6)], 10)) == [(EXIT, 3500, 5000)]


def test_a_more_exact_fix_about_the_same_place_shows_sooner_that_it_moved():
    """Entered at an accuracy of 100 m, one of 5 m near there takes its place: 40 m further on the vehicle has moved."""
    state, fence_set = FenceState(0), fence_set_of(EAST)
    told(state, fence_set, [(0, -1000), (1000, 110)], 100)
    assert not len(told(state, fence_set, [(2000, 60), (3000, 20), (4000, -2)], 5))
    assert short(told(state, fence_set, [(5000, -4)], 5))[0][::2] == (EXIT, 5000)


def test_a_fix_back_on_its_side_drops_what_was_pending():
    """One fix across and back again, however often, is nothing; the next time is timed anew."""
    state, fence_set = FenceState(0), fence_set_of(EAST)
    told(state, fence_set, [(0, 100)], 10)
    assert not len(told(state, fence_set, [(1000 * i, -5 if i % 2 else 5) for i in range(1, 10)], 10))
    assert short(told(state, fence_set, [(10_000, 5), (11_000, -5), (12_000, -6)], 10)) == [
        (EXIT, 10_500, 12_000)
    ]


def test_a_circle_smaller_than_the_accuracy_is_entered_at_the_second_fix():
    """No point of it is beyond doubt, so two fixes in a row are; the visit id is given only then, and nobody sees the doubt before."""
    state, fence_set = FenceState(7), fence_set_of(Circle(0.0, 0.0, 8.0))
    assert not len(told(state, fence_set, [(0, -100), (1000, 0)], 10))
    assert state.states.used[0] == 1
    assert not state.inside(0).size
    assert not len(state.open_visits(np.zeros(1, np.int32)).row)
    assert state.next_visit == 7
    events = told(state, fence_set, [(2000, 1)], 10)
    assert short(events) == [(ENTER, pytest.approx(920, abs=1), 2000)]
    assert events.visit.tolist() == [7]
    assert events.fix.tolist() == [0]
    assert state.open_visits(np.zeros(1, np.int32)).entered_ms.tolist() == events.time_ms.tolist()
    assert short(told(state, fence_set, [(3000, 20), (4000, 37), (5000, 39)], 10))[0][::2] == (EXIT, 5000)


def test_a_fence_gone_while_pending():
    """Deleted before an exit was proved, it is left at the edit; before an enter was, it was never entered."""
    for told_of_it in (True, False):
        state, nothing = FenceState(0), set_of(shapely.box(50, 50, 51, 51), 9)
        told(state, fence_set_of(EAST), [(0, 100), (1000, -5)], 10)
        events = edited(state, nothing, 1500) if told_of_it else told(state, nothing, [(1500, 5)], 10)
        assert [kind for kind, *_ in short(events)] == [EXIT]
        assert events.time_ms.tolist() == [1500]
        assert events.cause.tolist() == [Cause.FENCE_CHANGED]
        assert not state.states.used[0]
        told(state, fence_set_of(EAST), [(2000, -100), (3000, 5)], 10)
        assert not len(edited(state, nothing, 3500) if told_of_it else told(state, nothing, [(3500, 5)], 10))
        assert not state.states.used[0]


def test_an_edit_is_believed_at_once_where_it_changes_a_side():
    """An edit that moves the border over the last fix ends the doubt; one elsewhere leaves what is pending, and its time, alone."""
    state = FenceState(0)
    told(state, fence_set_of(EAST), [(0, 100), (1000, -5)], 10)
    assert not len(
        edited(state, set_of(shapely.box(0, -1, 3, 1)), 1500)
    )  # outside before and after: still pending
    assert short(told(state, fence_set_of(EAST), [(2000, -6)], 10))[0][::2] == (EXIT, 2000)

    state = FenceState(0)
    told(state, fence_set_of(EAST), [(0, 100), (1000, -5)], 10)
    assert not len(edited(state, set_of(shapely.box(-1, -1, 2, 1)), 1500))  # inside after all
    assert state.states.doubt[0, 0] == 0
    assert short(edited(state, fence_set_of(EAST), 1600)) == [(EXIT, 1600, 1000)]

    state = FenceState(0)
    told(state, fence_set_of(EAST), [(0, -100), (1000, 5)], 10)
    assert not len(edited(state, set_of(shapely.box(0, -1, 3, 1)), 1500))  # an enter still pending
    assert short(told(state, fence_set_of(EAST), [(2000, 6)], 10))[0][::2] == (ENTER, 2000)


def test_a_restored_visit_is_beyond_doubt():
    """After a restart a vehicle inside is armed, also in a row whose slots held doubts before."""
    state, fence_set, rows = FenceState(0), fence_set_of(EAST), np.zeros(1, np.int32)
    told(state, fence_set, [(0, -100), (1000, 20)], 10)
    visits = state.open_visits(rows)
    for new in (FenceState(0), state):
        new.forget(0)
        new.restore(rows, np.array([1000]), np.zeros(1), np.array([20 / DEGREE_M]), visits)
        assert new.inside(0).tolist() == [0]
        assert short(told(new, fence_set, [(2000, -11)], 10))[0][::2] == (EXIT, 2000)


def test_many_fences_in_doubt_at_once():
    """More fences pending than there are slots make room in the middle of a batch, and all are told, in order of their handles."""
    fence_set = fence_set_of(*[shapely.box(0, -1, 1 + i, 1) for i in range(30)])
    events = told(FenceState(0), fence_set, [(0, -100), (1000, 5), (2000, 6), (3000, -31)], 10)
    assert events.handle.tolist() == list(range(30)) * 2
    assert events.fix.tolist() == [2] * 30 + [3] * 30


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.nan, 0.0]))
def test_without_an_accuracy_every_fix_is_believed(seed, accuracy_m):
    """NaN and 0 give the events of no accuracy at all, also near the border and after doubt."""
    rng = np.random.default_rng(seed)
    fence_set = fence_set_of(EAST, Circle(0.0, 0.0, 15.0))
    fixes = [(1000 * i, east_m) for i, east_m in enumerate(rng.normal(0, 15, 50))]
    raw, same = FenceState(0), FenceState(0)
    assert short(told(raw, fence_set, fixes, None)) == short(told(same, fence_set, fixes, accuracy_m))
    told(same, fence_set, [(60_000, -5), (61_000, 5), (62_000, -5)], 10)
    told(same, fence_set, [(63_000, 100)], accuracy_m)
    assert same.inside(0).tolist() == [0]


def test_distances_are_shapelys_in_a_stretched_plane():
    """Whether a boundary is within a distance agrees with shapely on a plane scaled by geographiclib, to a thousandth."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        lat0 = rng.uniform(-60, 60)
        area = star(rng, 10, lat0, 0.05, 40)
        shapes = fence_set_of(area).shapes
        for lat, lon in rng.normal([lat0, 10], 0.05, (20, 2)):
            east_m = Geodesic.WGS84.Inverse(lat, lon - 0.005, lat, lon + 0.005)["s12"] * 100
            north_m = Geodesic.WGS84.Inverse(lat - 0.005, lon, lat + 0.005, lon)["s12"] * 100
            scale = np.array([east_m, north_m])
            plane = shapely.affinity.scale(
                shapely.affinity.translate(area.boundary, -lon, -lat), *scale, origin=(0, 0)
            )
            distance_m = plane.distance(shapely.Point(0, 0))
            assert is_boundary_within(shapes, 0, lat, lon, distance_m * 1.001 + 0.01)
            assert not is_boundary_within(shapes, 0, lat, lon, distance_m * 0.999 - 0.01)


def test_distances_to_circles_and_over_180():
    """A circle's boundary is its radius from its centre, from within and without; a polygon's is near from the other side of 180 too."""
    shapes = fence_set_of(Circle(50.0, 179.999, 300.0)).shapes
    for away_m in (0.0, 250.0, 350.0, 900.0):
        point = Geodesic.WGS84.Direct(50.0, 179.999, 70.0, away_m)
        gap_m = abs(away_m - 300.0)
        assert is_boundary_within(shapes, 0, point["lat2"], point["lon2"], gap_m + 0.001)
        assert not is_boundary_within(shapes, 0, point["lat2"], point["lon2"], gap_m - 0.001)
    ring = [[179, -1], [179.9999, -1], [179.9999, 1], [179, 1], [179, -1]]
    area = checked_area({"type": "Polygon", "coordinates": [ring]}, repair=False)
    shapes = fence_set_of(area).shapes
    gap_m = 0.0002 * DEGREE_M
    assert is_boundary_within(shapes, 0, 0.0, -179.9999, gap_m + 0.001)
    assert not is_boundary_within(shapes, 0, 0.0, -179.9999, gap_m - 0.001)
