"""Travel by the hour: nobody overtakes by leaving later, and speeds are those that were driven."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.insertion_cases import Stop, drive
from geo.cells import cells_of
from geo.kernels.travel_time import medians, travels
from geo.travel_time import (
    DrivenLegs,
    TravelLimits,
    learned_travel_times,
    legs_between,
    sphere_points,
    untaught_travel_times,
)

NOW_S = 1_700_000_000.0


def _travel(paces, begin, end, way_m, times, *, back=False):
    n = len(times)
    result = np.empty(n)
    rows = (np.full(n, begin, np.int32), np.full(n, end, np.int32))
    travels(paces, *rows, np.full(n, way_m), np.asarray(times, float), back, result)
    return result


paces_st = st.integers(0, 2**32 - 1).map(
    lambda seed: (0.5 / np.random.default_rng(seed).uniform(1.0, 40.0, (3, 168))).astype(np.float32)
)


@settings(max_examples=200, deadline=None)
@given(
    paces_st,
    st.floats(0, 3_000_000),
    st.lists(st.floats(NOW_S, NOW_S + 800_000), min_size=2, max_size=30),
)
def test_who_leaves_later_never_arrives_earlier(paces, way_m, times):
    """Over all hours and ways of up to days."""
    times = np.sort([*times, *(np.round(np.array(times) / 3600) * 3600)])  # on the borders, too
    arrivals = _travel(paces, 0, 1, way_m, times)
    assert (np.diff(arrivals) >= -1e-4).all()
    assert (arrivals >= times).all()


@settings(max_examples=200, deadline=None)
@given(paces_st, st.floats(0, 3_000_000), st.floats(NOW_S, NOW_S + 800_000))
def test_leaving_is_the_inverse_of_arriving(paces, way_m, time_s):
    """Who leaves as late as that arrives in time, and one second later does not."""
    leave = _travel(paces, 2, 1, way_m, [time_s], back=True)[0]
    assert _travel(paces, 2, 1, way_m, [leave])[0] == pytest.approx(time_s, abs=2e-3)
    assert _travel(paces, 2, 1, way_m, [leave + 1.0])[0] > time_s


@settings(max_examples=200, deadline=None)
@given(paces_st, st.floats(0, 500_000), st.floats(NOW_S, NOW_S + 800_000))
def test_travel_is_walked_hour_by_hour(paces, way_m, time_s):
    """The kernel agrees with a plain walk over the hours."""
    radius_m = 6_371_008.8
    angle = way_m / radius_m
    begin = Stop((radius_m, 0.0, 0.0), 0, 0, 0, 0, ())
    end = Stop((radius_m * np.cos(angle), radius_m * np.sin(angle), 0.0), 1, 0, 0, 0, ())
    expected = drive(paces.astype(float).tolist(), begin, end, time_s)
    assert _travel(paces, 0, 1, way_m, [time_s])[0] == pytest.approx(expected, abs=0.01)


def test_times_that_are_none_stay_so():
    """Never stays never, both ways, and nothing hangs on what is no number."""
    paces = untaught_travel_times().paces()
    assert _travel(paces, 0, 0, 1e5, [np.inf])[0] == np.inf
    assert _travel(paces, 0, 0, 1e5, [np.inf], back=True)[0] == np.inf
    assert np.isnan(_travel(paces, 0, 0, 1e5, [np.nan])[0])
    assert _travel(paces, 0, 0, np.inf, [NOW_S])[0] == np.inf
    assert _travel(paces, 0, 0, 0.0, [NOW_S])[0] == NOW_S


def _legs(rng, lat, lon, hours, speed):
    n = len(hours)
    return DrivenLegs(cells_of(np.full(n, lat), np.full(n, lon), 6), hours, speed * rng.uniform(0.9, 1.1, n))


def _joined(*parts):
    return DrivenLegs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def test_speeds_are_learned_by_cell_and_hour_and_fall_back():
    """A cell's own hour, then its level on the hours around it, then the larger cell, then the fleet; outliers move nothing."""
    rng = np.random.default_rng(1)
    all_hours = np.repeat(np.arange(168), 40)
    fast = _legs(rng, 45.0, 9.0, all_hours, np.where(all_hours == 8, 10.0, 25.0))
    few = _legs(rng, 45.0, 9.15, np.full(30, 3), 12.5)  # half as fast as around it, at one hour
    wild = _legs(rng, 45.0, 9.0, np.full(5, 8), 59.0)
    travel = learned_travel_times(_joined(fast, few, wild))
    row, near, far = travel.rows_of(np.array([45.0, 45.0, -30.0]), np.array([9.0, 9.15, 100.0]))
    assert row != near
    assert travel.speed_mps[row, [8, 9]] == pytest.approx([10, 25], rel=0.05)
    assert travel.speed_mps[near, 3] == pytest.approx(12.5, rel=0.05)
    assert travel.speed_mps[near, 8] == pytest.approx(5, rel=0.1)
    assert far == 0
    grid = np.meshgrid(np.linspace(43.5, 46.5, 60), np.linspace(7.5, 10.5, 60))
    around = np.unique(travel.rows_of(grid[0].ravel(), grid[1].ravel()))
    large = [around_row for around_row in around if around_row and not travel.parent[around_row]]
    assert len(large) == 1
    assert travel.speed_mps[large[0], 8] == pytest.approx(10, rel=0.05)
    assert (travel.parent[1:][(travel.cells >> 52) & 15 > 3] > 0).all()


def test_current_speeds_fade():
    """A jam halves the paces now, less in an hour, hardly in a day, and not elsewhere with legs of its own."""
    rng = np.random.default_rng(2)
    hours = np.repeat(np.arange(168), 30)
    travel = learned_travel_times(
        _joined(_legs(rng, 45.0, 9.0, hours, 20.0), _legs(rng, 52.0, 13.0, hours, 20.0))
    )
    now_hour = int(NOW_S // 3600 + 72) % 168
    now = np.full(40, now_hour)
    current = _joined(_legs(rng, 45.0, 9.0, now, 10.0), _legs(rng, 52.0, 13.0, now, 20.0))
    ratio = travel.paces(current, NOW_S, 3600.0) / travel.paces()
    jam, free = travel.rows_of(np.array([45.0, 52.0]), np.array([9.0, 13.0]))
    ahead = (now_hour + np.arange(25)) % 168
    assert ratio[jam, ahead[0]] == pytest.approx(2, rel=0.1)
    assert 1.2 < ratio[jam, ahead[1]] < 1.9
    assert ratio[jam, ahead[24]] == pytest.approx(1, abs=0.01)
    assert ratio[free] == pytest.approx(1, abs=0.05)
    assert np.array_equal(travel.paces(DrivenLegs(*(c[:0] for c in current)), NOW_S), travel.paces())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 5), st.sampled_from([1.0, 2.0, 2.5, 9.0, 40.0])), max_size=60),
)
def test_medians_are_the_lower_ones_of_each_key(pairs):
    """As sorting each key's values says; of nothing there are none."""
    key, value = np.array([k for k, _ in pairs], np.int64), np.array([v for _, v in pairs], float)
    keys, median, count = np.empty(len(key), np.int64), np.empty(len(key)), np.empty(len(key), np.int64)
    found = medians(key, value, keys, median, count)
    expected = {k: sorted(v for other, v in pairs if other == k) for k in sorted(set(key.tolist()))}
    assert keys[:found].tolist() == list(expected)
    assert count[:found].tolist() == [len(values) for values in expected.values()]
    assert median[:found].tolist() == [values[(len(values) - 1) // 2] for values in expected.values()]


def test_a_matrix_may_leave_each_place_at_its_own_time():
    """Row by row it is the matrix of that departure; paces given count instead of those learned."""
    rng = np.random.default_rng(4)
    hours = np.repeat(np.arange(168), 30)
    travel = learned_travel_times(_legs(rng, 45.0, 9.0, hours, np.where(hours % 24 == 8, 5.0, 20.0)))
    lat, lon = rng.uniform(44.9, 45.1, 5), rng.uniform(8.9, 9.1, 5)
    leaves_s = NOW_S + rng.uniform(0, 86_400, 5)
    found = travel.matrix(lat, lon, leaves_s)
    for i, departs_s in enumerate(leaves_s):
        alone = travel.matrix(lat, lon, departs_s)
        assert np.array_equal(found.time_s[i], alone.time_s[i])
        assert np.array_equal(found.distance_m, alone.distance_m)
    slower = travel.matrix(lat, lon, leaves_s, np.full_like(travel.paces(), 1.0))
    assert slower.time_s == pytest.approx(found.distance_m / travel.circuity * 2.0, rel=1e-5)


def test_legs_are_of_driving_vehicles_only():
    """Gaps, standing, teleports and changes of the vehicle are no legs; the way winds as it was driven."""
    n = 200
    turns = np.where(np.arange(n - 1) % 2, 0.002, 0.0)
    lat = 45 + np.concatenate([[0], np.cumsum(0.002 - turns)])
    lon = 9 + np.concatenate([[0], np.cumsum(turns / np.cos(np.radians(45)))])
    row = np.repeat([0, 1], n).astype(np.int32)
    time_ms = np.tile(np.arange(n) * 15_000, 2) + int(NOW_S) * 1000
    legs, windings = legs_between(row, time_ms, np.tile(lat, 2), np.tile(lon, 2))
    assert len(legs.cell) == 2 * (n - 1)
    assert np.median(windings) == pytest.approx(np.sqrt(2), rel=0.01)
    assert legs.speed_mps == pytest.approx(222 / 15, rel=0.01)
    travel = learned_travel_times(legs, windings)
    assert travel.circuity == pytest.approx(np.sqrt(2), rel=0.01)
    standing = legs_between(row, time_ms, np.full(2 * n, 45.0), np.full(2 * n, 9.0))[0]
    assert len(standing.cell) == 0
    rare = legs_between(row, np.tile(np.arange(n) * 600_000, 2), np.tile(lat, 2), np.tile(lon, 2))[0]
    assert len(rare.cell) == 0
    nothing = legs_between(*(np.empty(0, t) for t in (np.int32, np.int64, float, float)))
    assert len(nothing[0].cell) == len(nothing[1]) == 0


def test_the_matrix_keeps_the_contract():
    """Zero on the diagonal, as fast as the default speed, by road longer than as the crow flies."""
    travel = untaught_travel_times(TravelLimits(default_mps=10.0, default_circuity=1.5))
    lat, lon = np.array([45.0, 46.0, 45.5]), np.array([9.0, 9.0, 10.0])
    found = travel.matrix(lat, lon, NOW_S)
    straight = np.linalg.norm(sphere_points(lat, lon)[:, None] - sphere_points(lat, lon)[None], axis=2)
    assert found.distance_m == pytest.approx(straight * 1.5, rel=1e-3)
    assert found.time_s == pytest.approx(found.distance_m / 10.0, rel=1e-5)
    assert (np.diag(found.time_s) == 0).all()
    assert (travel.matrix(lat, lon, NOW_S + 60).time_s + 60 >= found.time_s).all()
