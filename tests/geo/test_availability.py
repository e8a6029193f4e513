"""Features look back only, and say what they are named for; trees are walked as LightGBM walks them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import availability
from geo.availability import (
    NAMES,
    AvailabilityError,
    Spans,
    calibrated,
    features,
    fleet_rates,
    free_by_route,
    spans_of,
    trees_of,
)
from geo.kernels import availability as kernel

HOUR_S = 3600.0
DAY_S = 86_400.0
ORIGIN = (37.77, -122.4)


def _past(seed: int, drivers: int = 6, days: int = 9, known_until_s: float = np.inf) -> tuple[Spans, Spans]:
    """Duty and work of made-up drivers; what begins after `known_until_s` is not there, what ends after it has no end."""
    random = np.random.default_rng(seed)
    found: list[list[tuple[float, ...]]] = [[], []]
    for driver in range(drivers):
        at_s = random.uniform(0, DAY_S)
        while at_s < days * DAY_S:
            end_s = at_s + random.uniform(0.2, 9) * HOUR_S
            found[0].append((driver, at_s, end_s, *random.normal(0, 0.05, 4)))
            job_s = at_s + random.uniform(0, HOUR_S)
            while job_s < end_s:
                done_s = min(end_s, job_s + random.uniform(60, 2_000))
                found[1].append((driver, job_s, done_s, *random.normal(0, 0.05, 4)))
                job_s = done_s + random.uniform(0, 3_000)
            at_s = end_s + random.uniform(0.5, 14) * HOUR_S
    made = []
    for rows in found:
        column = np.array([row for row in rows if row[1] <= known_until_s]).reshape(-1, 7).T
        end = np.where(column[2] <= known_until_s, column[2], np.inf)
        places = np.array(ORIGIN) + column[3:5].T, np.array(ORIGIN) + column[5:7].T
        made.append(spans_of(drivers, column[0], column[1], end, *places, ORIGIN))
    return made[0], made[1]


@pytest.fixture(scope="module")
def past() -> tuple[Spans, Spans]:
    return _past(1)


def test_every_named_column_is_filled() -> None:
    """As many columns as names, and none that the kernel leaves as it was."""
    duty, busy = _past(1)
    out = np.full((300, len(NAMES) + 1), 12345.5, np.float32)
    random = np.random.default_rng(2)
    driver, at_s, horizon_s = (
        random.integers(6, size=300),
        random.uniform(0, 9 * DAY_S, 300),
        random.uniform(600, 28_800, 300),
    )
    rates = fleet_rates(duty, busy, 9 * DAY_S)
    kernel.features(driver, at_s, horizon_s, duty.columns(), busy.columns(), rates.columns(), 0.0, out)
    assert np.all(out[:, -1] == 12345.5)
    assert not np.any(out[:, :-1] == 12345.5)
    assert len(set(NAMES)) == len(NAMES)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), at_s=st.floats(0, 9 * DAY_S), horizon_s=st.floats(600, 28_800))
def test_nothing_after_the_moment_is_looked_at(seed: int, at_s: float, horizon_s: float) -> None:
    """The same features from the whole past and from as much of it as was known then."""
    asked = np.arange(6), np.full(6, at_s), horizon_s
    whole = _past(seed)
    known = _past(seed, known_until_s=at_s)
    rates = fleet_rates(*whole, 9 * DAY_S), fleet_rates(*known, at_s)
    if not len(known[0].begin_s):
        return
    np.testing.assert_array_equal(
        features(*asked, *whole, rates[0], -7 * HOUR_S), features(*asked, *known, rates[1], -7 * HOUR_S)
    )


def test_named_features_say_what_they_are_named_for() -> None:
    """By hand: on duty from 8 to 12 and 14 to 18 each day, with work in the first hour of each."""
    begin = np.array([d * DAY_S + h * HOUR_S for d in range(8) for h in (8, 14)])
    duty = spans_of(1, np.zeros(16, int), begin, begin + 4 * HOUR_S)
    busy = spans_of(1, np.zeros(16, int), begin, begin + HOUR_S)
    at_s = 7 * DAY_S + 10 * HOUR_S
    row = dict(
        zip(
            NAMES,
            features([0], [at_s], [HOUR_S], duty, busy, fleet_rates(duty, busy, at_s))[0].tolist(),
            strict=True,
        )
    )
    expected = {
        "on_duty": 1, "state_min": 120, "hour": 10, "duty_share_3h": 2 / 3, "duty_share_24h": 8 / 24, "busy": 0, "idle_min": 60, "job_min_0": 60,
        "jobs_1h": 0, "jobs_3h": 1, "busy_share_3h": 0.5, "fleet_duty": 1, "fleet_duty_trend": 0, "lasted_min": 120, "lasted_least_min": 120,
        "horizon_min": 60, "then_hour": 11, "ended_share": 1 / 17, "own_share": 7.125 / 7.25, "own_same_state": 8.125 / 8.25,
        "own_duty_1d": 1, "own_busy_1d": 0, "fleet_share": 1, "fleet_duty_1d": 1,
    }  # fmt: skip
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert np.isnan(row["busy_min"])
    assert np.isnan(row["home_km"])


def test_days_that_went_alike_count_for_more() -> None:
    """Who works until noon or until evening by turns, and has worked beyond noon today, is expected to go on as on the days when that was so."""
    begin = np.array([day * DAY_S + 8 * HOUR_S for day in range(10)])
    long_s = np.where(np.arange(10) % 2 == 0, 4 * HOUR_S, 10 * HOUR_S)
    duty, busy = spans_of(1, np.zeros(10, int), begin, begin + long_s), spans_of(1, [], [], [])
    at_s = 9 * DAY_S + 13 * HOUR_S
    row = features([0], [at_s], [2 * HOUR_S], duty, busy, fleet_rates(duty, busy, at_s))[0]
    found = dict(zip(NAMES, row.tolist(), strict=True))
    assert found["own_share"] == pytest.approx(4.125 / 9.25)
    assert found["own_same_state"] > 0.95
    assert found["own_like"] > 0.95
    assert found["lasted_min"] == pytest.approx(300)


def test_horizons_of_one_moment_share_what_they_can(past: tuple[Spans, Spans]) -> None:
    """The same rows whether horizons of a driver's moment are asked for one after another or apart."""
    random = np.random.default_rng(7)
    driver, at_s = np.repeat(random.integers(6, size=50), 4), np.repeat(random.uniform(0, 9 * DAY_S, 50), 4)
    horizon_s = np.tile([900.0, 3_600.0, 7_200.0, 28_800.0], 50)
    rates, apart = fleet_rates(*past, 9 * DAY_S), random.permutation(200)
    together = features(driver, at_s, horizon_s, *past, rates)
    np.testing.assert_array_equal(
        together[apart], features(driver[apart], at_s[apart], horizon_s[apart], *past, rates)
    )


def test_whoever_has_no_past_gets_features_too() -> None:
    """A driver without a span, and a fleet without any."""
    nobody = spans_of(1, [], [], [])
    row = features([0], [1e6], [900.0], nobody, nobody, fleet_rates(nobody, nobody, 1e6))
    assert row.shape == (1, len(NAMES))
    assert row[0, 0] == 0


def test_wrong_columns_are_named() -> None:
    """Overlaps, ends before begins, unknown drivers, lengths."""
    for wrong in (
        ([0], [5.0], [4.0]),
        ([0, 0], [0.0, 1.0], [2.0, 3.0]),
        ([1], [0.0], [1.0]),
        ([0], [0.0], [1.0, 2.0]),
    ):
        with pytest.raises(AvailabilityError):
            spans_of(1, *wrong)
    nobody = spans_of(1, [], [], [])
    with pytest.raises(AvailabilityError, match="driver 1"):
        features([0, 1], [0.0, 0.0], 0.0, nobody, nobody, fleet_rates(nobody, nobody, 0.0))
    with pytest.raises(AvailabilityError, match="2 drivers and 1 moments"):
        features([0, 0], [0.0], [0.0], nobody, nobody, fleet_rates(nobody, nobody, 0.0))
    assert features([], [], [], nobody, nobody, fleet_rates(nobody, nobody, 0.0)).shape == (0, len(NAMES))


@pytest.mark.parametrize("with_nan", [False, True])
def test_trees_are_walked_as_lightgbm_walks_them(with_nan: bool) -> None:
    """To the last bit, also where a feature is not known."""
    lightgbm = pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    random = np.random.default_rng(3)
    rows = random.normal(size=(4_000, 12)).astype(np.float32)
    outcome = rows[:, 0] * rows[:, 1] + rows[:, 2] + random.normal(size=4_000) > 0
    if with_nan:
        rows[random.random(rows.shape) < 0.2] = np.nan
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, outcome), 60
    )
    rows[random.random(rows.shape) < 0.1] = np.nan
    trees = trees_of(booster.dump_model())
    np.testing.assert_array_equal(trees.scores(rows), booster.predict(rows, raw_score=True, num_threads=1))
    np.testing.assert_allclose(trees.probabilities(rows), booster.predict(rows, num_threads=1), rtol=1e-14)
    assert trees.checksum == trees_of(booster.dump_model()).checksum


def test_trees_that_are_not_walked_here_are_refused() -> None:
    """Categories, and features that there are not."""
    leaf = {"leaf_value": 1.0}
    split = {
        "split_feature": 0,
        "threshold": 1.0,
        "decision_type": "==",
        "missing_type": "None",
        "default_left": True,
        "left_child": leaf,
        "right_child": leaf,
    }
    for wrong in (split, {**split, "decision_type": "<=", "split_feature": 999}):
        with pytest.raises(AvailabilityError):
            trees_of({"tree_info": [{"tree_structure": wrong}]})


def test_calibration_goes_over_horizons_without_steps() -> None:
    """Plain weights change nothing even of what is nearly sure; between two horizons it lies between theirs, outside it stays."""
    score = np.array([-700.0, -30.0, -1.0, 0.0, 2.0, 30.0, 700.0])
    hour, plain = np.full(7, 60.0), np.array([[1.0, 1.0, 0.0]])
    expected = [0.0, np.exp(-30), 1 / (1 + np.e), 0.5, 1 / (1 + np.exp(-2)), 1.0, 1.0]
    np.testing.assert_allclose(calibrated(score, hour, hour[:1], plain), expected, rtol=1e-9, atol=1e-300)
    known, weights = (
        np.array([15.0, 60.0, 240.0]),
        np.array([[1.0, 1.0, -1.0], [1.0, 1.0, 1.0], [2.0, 0.5, 0.0]]),
    )
    minutes = np.array([1.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0])
    p = calibrated(np.full(7, 0.7), minutes, known, weights)
    odds = np.log(p / (1 - p))
    np.testing.assert_allclose(odds[:4], [-0.3, -0.3, 0.7, 1.7], atol=1e-12)
    assert p[5] == p[6]
    near = calibrated(np.full(2, 0.7), np.array([60.0, 60.001]), known, weights)
    assert abs(near[1] - near[0]) < 1e-4


def test_a_route_is_the_backbone() -> None:
    """Before its end the driver is busy, afterwards as is said without it; never likelier free than on duty, ever likelier done, half at its ETA."""
    left_s, horizon_s = np.array([-60.0, 0.0, 600.0, 7_200.0]), np.array([60.0, 600.0, 7_200.0, 28_800.0])
    p_on, p_free = np.full((4, 4), 0.8), np.full((4, 4), 0.4)
    on, free = free_by_route(left_s, horizon_s, p_on, p_free)
    assert np.all((free >= 0) & (free <= on) & (on <= 1))
    assert free[3, 0] < 0.01
    assert on[3, 0] > 0.99
    np.testing.assert_allclose(on[:, 3], 0.8, atol=1e-3)
    np.testing.assert_allclose(free[:2, 3], 0.4, atol=2e-3)
    sure = free_by_route([7_200.0], [7_200.0], [[1.0]], [[1.0]])[1][0, 0]
    assert sure == pytest.approx(0.5, abs=0.01)
    wide, narrow = (free_by_route([7_200.0], [5_400.0], [[1.0]], [[1.0]], spread)[1] for spread in (3.0, 0.5))
    assert wide > narrow
    assert np.all(np.diff(free_by_route([3_600.0], horizon_s, np.ones((1, 4)), np.ones((1, 4)))[1]) >= 0)
    of_nothing = np.full((1, 4), np.nan)
    on, free = free_by_route([600.0], horizon_s, of_nothing, of_nothing)
    assert np.all(on == 1)
    assert free[0, 3] > 0.99
    assert free_by_route([], horizon_s, np.empty((0, 4)), np.empty((0, 4)))[0].shape == (0, 4)


def test_it_is_warm() -> None:
    """Every kernel is compiled for the dtypes of the live hub."""
    availability.warm_up()
    assert kernel.features.signatures
    assert kernel.scores.signatures
    assert kernel.calibrated.signatures
