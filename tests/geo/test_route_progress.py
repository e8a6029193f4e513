"""Progress along planned lines, held against dense brute force on the ellipsoid, and against drives whose true place is known."""

import math
from itertools import pairwise

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.route_progress import (
    CAME_BACK,
    WENT_OFF,
    RouteLimits,
    RouteLineError,
    follow_lines,
    fresh_progress,
    join_lines,
    places_along,
    route_lines,
    start_line,
)

M_DEG = 111_195.0
LAT, LON = 45.0, 9.0


def line_of(*metres, lat=LAT, lon=LON):
    """Positions from metres east and north of a place."""
    east, north = np.array(metres, float).T
    lons = lon + east / (M_DEG * math.cos(math.radians(lat)))
    return np.stack(((lons + 180) % 360 - 180, lat + north / M_DEG), 1)


def drive(line, fixes, *, every_s=10.0, limits=None, speed=None, accuracy=5.0, states=None, start_s=1_000.0):
    """Progress of one vehicle over fixes, positions (lon, lat), one every so many seconds."""
    lines = route_lines([line])
    if states is None:
        states = fresh_progress(1)
        start_line(states, 0, 0)
    n = len(fixes)
    times = ((start_s + np.arange(n) * every_s) * 1000).astype(np.int64)
    speeds = np.full(n, math.nan if speed is None else speed)
    lon, lat = np.array(fixes).T.copy()
    return follow_lines(
        lines,
        states,
        np.zeros(n, np.int32),
        times,
        lat,
        lon,
        speeds,
        np.full(n, accuracy),
        limits or RouteLimits(),
    ), states


def along(metres, at):
    """The position at some metres along a polyline of metres east and north."""
    points = np.array(metres, float)
    ways = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    return np.stack([np.interp(at, ways, points[:, axis]) for axis in (0, 1)], -1)


SHAPES = {
    "straight": [(0, 0), (3000, 0)],
    "corner": [(0, 0), (1500, 0), (1500, 1500)],
    "out and back": [(0, 0), (2000, 0), (0, 0)],
    "figure of eight": [(0, 0), (1000, 1000), (2000, 0), (1000, -1000), (0, 0), (-1000, 1000), (-2000, 0)],
    "loop twice": [(0, 0), (600, 0), (600, 600), (0, 600), (0, 0), (600, 0), (600, 600), (0, 600), (0, 0)],
    "hairpins": [(0, 0), (800, 0), (800, 60), (0, 60), (0, 120), (800, 120)],
    "parallel carriageways": [(0, 0), (3000, 0), (3000, 12), (0, 12)],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("with_speed", [True, False])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_drive_is_followed_in_the_order_of_the_line(shape, with_speed, seed):
    """With jitter of some metres progress is where the vehicle is, to some tens of metres, on lines that cross, double and turn."""
    rng = np.random.default_rng(seed)
    metres = SHAPES[shape]
    length = np.hypot(*np.diff(np.array(metres, float), axis=0).T).sum()
    true = np.arange(0, length, 12.0 * 3)
    places = along(metres, true) + rng.normal(0, 4, (len(true), 2))
    progress, _ = drive(line_of(*metres), line_of(*places), every_s=3.0, speed=12.0 if with_speed else None)
    assert not progress.change.any()
    most = 60 if with_speed else 130  # without a speed a turn may be taken early
    assert np.abs(progress.along_m - true).max() < most
    assert np.median(np.abs(progress.along_m - true)) < 15
    assert (np.diff(progress.along_m) >= 0).all()
    assert progress.along_m[-1] <= route_lines([line_of(*metres)]).length_m(0) <= length * 1.003


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 10**6),
    st.floats(-80, 80),
    st.floats(-180, 180),
    st.sampled_from([100.0, 3_000.0, 40_000.0]),
)
def test_the_first_place_is_the_nearest_on_the_whole_line(seed, lat, lon, size_m):
    """Away and along agree with the nearest of dense points on the line, by geodesic distance, anywhere on the globe."""
    rng = np.random.default_rng(seed)
    positions = line_of(*rng.uniform(-size_m, size_m, (rng.integers(2, 90), 2)), lat=lat, lon=lon)
    fix = line_of(*rng.uniform(-size_m, size_m, (1, 2)), lat=lat, lon=lon)
    limits = RouteLimits(off_m=1e9, on_m=1e9)
    progress, states = drive(positions, fix, limits=limits)
    steps = np.diff(positions, axis=0)
    steps[:, 0] = (steps[:, 0] + 180) % 360 - 180
    share = np.linspace(0, 1, 200)[:, None]
    nearest = math.inf
    for begin, step in zip(positions, steps, strict=False):
        dense = begin + share * step
        east = ((dense[:, 0] - fix[0, 0] + 180) % 360 - 180) * math.cos(math.radians(fix[0, 1]))
        at = int(np.argmin(np.hypot(east, dense[:, 1] - fix[0, 1])))
        nearest = min(
            nearest, Geodesic.WGS84.Inverse(dense[at, 1], dense[at, 0], fix[0, 1], fix[0, 0])["s12"]
        )
    length_m = route_lines([positions]).length_m(0)
    assert abs(states["away_m"][0] - nearest) <= 0.02 * size_m + 0.001 * length_m + 21
    assert 0 <= progress.along_m[0] <= length_m + 1e-6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(-89.99, 89.99), st.floats(-180, 180), st.floats(0, 5))
def test_fixes_of_one_frame_are_followed_as_if_each_came_alone(seed, lat, lon, log_step_m):
    """Where each of many fixes near each other, or not, is on the line does not depend on what came in the same call: to a thousandth of a millimetre."""
    rng = np.random.default_rng(seed)
    positions = line_of(*rng.uniform(-40_000, 40_000, (20, 2)), lat=lat, lon=lon)
    fixes = line_of(*np.cumsum(rng.normal(0, 10.0**log_step_m, (60, 2)), axis=0), lat=lat, lon=lon)
    lines, together, alone = route_lines([positions]), fresh_progress(2), fresh_progress(2)
    for row in (0, 1):
        start_line(together, row, 0)
        start_line(alone, row, 0)
    row, time_ms = rng.integers(0, 2, 60).astype(np.int32), 1_000 * np.arange(60)
    columns = row, time_ms, *fixes.T[::-1].copy(), np.full(60, 20.0), np.full(60, 5.0)
    limits = RouteLimits(off_m=500.0, on_m=100.0)
    progress = follow_lines(lines, together, *columns, limits)
    for i in range(60):
        one = follow_lines(lines, alone, *(column[i : i + 1] for column in columns), limits)
        assert one.change[0] == progress.change[i]
        assert one.along_m == pytest.approx(progress.along_m[i : i + 1], abs=1e-6, nan_ok=True)
    assert together["away_m"] == pytest.approx(alone["away_m"], abs=1e-6, nan_ok=True)


def test_lengths_are_geodesic():
    """A line's length is the sum of its edges' geodesics, over the antimeridian and with long edges too."""
    line = np.array([[179.9, 10.0], [-179.7, 10.3], [-179.0, 10.0]])
    expected = sum(Geodesic.WGS84.Inverse(a[1], a[0], b[1], b[0])["s12"] for a, b in pairwise(line))
    assert route_lines([line]).length_m(0) == pytest.approx(expected, rel=1e-4)


def test_off_is_told_once_after_the_delay_and_back_once():
    """A detour off the line is told after `off_after_s`, the return at once, jitter around the limit tells nothing."""
    line = line_of((0, 0), (5000, 0))
    on, off = [(x, 0) for x in range(0, 1000, 100)], [(1000 + x, 400) for x in range(0, 1000, 100)]
    back = [(2000 + x, 0) for x in range(0, 500, 100)]
    progress, _ = drive(line, line_of(*on, *off, *back))
    assert progress.change.tolist().count(WENT_OFF) == 1
    assert progress.change[10 + 6] == WENT_OFF  # 60 s after the first fix off
    assert progress.change[20] == CAME_BACK
    assert progress.along_m[10:20] == pytest.approx(progress.along_m[9], abs=1)
    assert progress.along_m[20] == pytest.approx(2000, rel=5e-3)
    edge = [(100 * i, 103 if i % 2 else 97) for i in range(20)]
    assert not drive(line, line_of(*edge), accuracy=0.0)[0].change.any()


def test_a_short_detour_is_not_told():
    """Off for less than the delay is nothing, and a poor accuracy is no detour."""
    line = line_of((0, 0), (5000, 0))
    fixes = [(0, 0), (100, 300), (200, 300), (300, 0), (400, 250)]
    assert not drive(line, line_of(*fixes))[0].change.any()
    poor = [(100.0 * i, 180) for i in range(20)]
    assert not drive(line, line_of(*poor), accuracy=150.0)[0].change.any()
    assert WENT_OFF in drive(line, line_of(*poor), accuracy=5.0)[0].change


def test_who_skips_a_part_of_the_line_is_found_again():
    """After a short cut off the line the vehicle is found on the far side; after turning round, behind."""
    square = [(0, 0), (4000, 0), (4000, 4000), (0, 4000)]
    on = [(x, 0) for x in range(0, 1000, 100)]
    cut = [(1000, y) for y in range(200, 4000, 200)]
    end = [(1000 - x, 4000) for x in range(0, 500, 100)]
    progress, _ = drive(line_of(*square), line_of(*on, *cut, *end))
    assert progress.change[progress.change > 0].tolist() == [WENT_OFF, CAME_BACK]
    assert progress.along_m[-1] == pytest.approx(11_400, rel=5e-3)
    returned = [(900 - 100 * i, 0) for i in range(10)]
    progress, _ = drive(line_of(*square), line_of(*on, *returned))
    assert WENT_OFF in progress.change
    assert progress.along_m[-1] < 500


def test_who_was_never_there_is_off_and_has_no_progress():
    """A vehicle that starts elsewhere has no place on the line, is told off after the delay, and joins where it comes to it."""
    line = line_of((0, 0), (5000, 0))
    fixes = [(2000, 3000 - 200 * i) for i in range(16)]
    progress, _ = drive(line, line_of(*fixes))
    assert np.isnan(progress.along_m[0])
    assert progress.change[progress.change > 0].tolist() == [WENT_OFF, CAME_BACK]
    assert progress.along_m[-1] == pytest.approx(2000, rel=5e-3)


def test_without_a_route_and_with_old_fixes_nothing_happens():
    """A row without a line has NaN; a fix that is not newer than the last leaves the state as it is."""
    line = line_of((0, 0), (5000, 0))
    progress, states = drive(line, line_of((0, 0), (100, 0)), states=fresh_progress(1))
    assert np.isnan(progress.along_m).all()
    _, states = drive(line, line_of((0, 0), (100, 0)))
    before = states.copy()
    progress, states = drive(line, line_of((3000, 0)), states=states, start_s=1_010.0)
    assert states.tobytes() == before.tobytes()
    assert progress.along_m[0] == pytest.approx(100, rel=5e-3)


def test_batches_do_not_matter():
    """Fix by fix and all at once tell the same."""
    rng = np.random.default_rng(5)
    metres = SHAPES["figure of eight"]
    places = line_of(*(along(metres, np.arange(0, 8000, 70.0)) + rng.normal(0, 60, (115, 2))))
    whole, _ = drive(line_of(*metres), places)
    states, parts = None, []
    for i, place in enumerate(places):
        part, states = drive(line_of(*metres), place[None], states=states, start_s=1_000.0 + 10.0 * i)
        parts.append(part)
    assert np.array_equal(np.concatenate([p.along_m for p in parts]), whole.along_m, equal_nan=True)
    assert np.array_equal(np.concatenate([p.change for p in parts]), whole.change)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ([[1.0, 2.0]], "two positions"),
        ([[1.0, 2.0], [1.0, 91.0]], "position 1"),
        ([[1.0, 2.0], [math.nan, 2.0]], "position 1"),
    ],
)
def test_what_is_no_line_is_refused(line, what):
    """The error says which line and which position."""
    with pytest.raises(RouteLineError, match=what):
        route_lines([np.array(line)])


def test_no_lines_are_no_lines():
    """A hub without routes follows nothing."""
    states = fresh_progress(2)
    none = np.empty(0)
    progress = follow_lines(
        route_lines([]),
        states,
        np.empty(0, np.int32),
        np.empty(0, np.int64),
        none,
        none,
        none,
        none,
        RouteLimits(),
    )
    assert len(progress.along_m) == 0
    with pytest.raises(RouteLineError, match="on_m"):
        RouteLimits(off_m=10.0)


def test_a_standing_vehicle_creeps_little():
    """An hour of jitter on one place moves progress by no more than the jitter."""
    rng = np.random.default_rng(1)
    places = np.array([(1000.0, 0.0)]) + rng.normal(0, 5, (360, 2))
    progress, _ = drive(line_of((0, 0), (5000, 0)), line_of(*places))
    assert progress.along_m[-1] < 1000 * 1.005 + 20


def test_a_point_twice_in_a_line_is_harmless():
    """Edges without length are passed."""
    progress, _ = drive(line_of((0, 0), (0, 0), (1000, 0), (1000, 0)), line_of((0, 5), (500, 5), (1000, 5)))
    assert progress.along_m == pytest.approx([0, 500, 1000], rel=5e-3, abs=1)


def metres_of(places):
    """Latitudes and longitudes of places by metres."""
    lon, lat = line_of(*places).T
    return lat.copy(), lon.copy()


def test_places_are_found_in_the_order_of_the_stops():
    """On a line out and back each stop is on its own way; of a place that is passed once, there; what is off the line at its nearest point."""
    lines = route_lines([line_of((0, 0), (1, 0)), line_of((0, 0), (3_000, 0), (3_000, 30), (0, 30))])
    found = places_along(lines, 1, *metres_of([(1_000, 15), (2_900, -400), (1_000, 15), (1_000, 15)]))
    assert found == pytest.approx([1_000, 2_900, 5_030, 5_030], rel=5e-3)
    assert places_along(lines, 1, np.empty(0), np.empty(0)).shape == (0,)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_places_are_as_near_as_any_in_that_order(seed):
    """No choice of places in order, of those 60 m apart, is much nearer in sum."""
    rng = np.random.default_rng(seed)
    metres, places = rng.uniform(0, 2_000, (5, 2)), rng.uniform(0, 2_000, (3, 2))
    lines = route_lines([line_of(*metres)])
    found = places_along(lines, 0, *metres_of(places))
    assert (np.diff(found) >= 0).all()
    ways = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(metres, axis=0).T))])

    def away(ways_m):
        at = np.stack([np.interp(ways_m, ways, axis) for axis in metres.T], -1)
        return np.maximum(20.0, np.linalg.norm(at[None] - places[:, None], axis=-1))

    a, b, c = away(np.arange(0, ways[-1], 60.0))
    order = np.arange(len(a))
    in_order = (order[:, None, None] <= order[:, None]) & (order[:, None] <= order)
    least = np.where(in_order, a[:, None, None] + b[:, None] + c, np.inf).min()
    assert np.diag(away(found / lines.length_m(0) * ways[-1])).sum() <= least + 60.0


def test_joined_lines_are_followed_as_each_by_itself():
    """Lines of several parts, one of them empty, are the lines of all."""
    parts = [[line_of((0, 0), (900, 0))], [], [line_of((0, 0), (0, 7_000)), line_of((5, 5), (5, 50), (9, 9))]]
    joined, whole = join_lines([route_lines(part) for part in parts]), route_lines([one for part in parts for one in part])  # fmt: skip
    for name in ("offsets", "points", "along_m", "block_offsets", "blocks"):
        assert (getattr(joined, name) == getattr(whole, name)).all()
    assert len(join_lines([]).offsets) == 1
