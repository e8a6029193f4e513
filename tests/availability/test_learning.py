"""What is learned foretells better than persistence, from the past alone; a calibration is kept only where it helps."""

import sys

import numpy as np
import pytest

from geo.availability import fleet_rates, spans_of
from haulcast.availability.learning import (
    PLAIN,
    AvailabilityModel,
    LearningError,
    Moments,
    Past,
    fitted_calibration,
    learn,
    log_loss,
    moments,
)

DAY_S = 86_400.0
HOUR_S = 3_600.0


def _fleet(drivers: int = 40, days: int = 10) -> Past:
    """Everybody has a shift of their own hour each day, a little late or early, and work for half of the time."""
    random = np.random.default_rng(5)
    duty, busy = [], []
    for driver in range(drivers):
        begins = random.uniform(0, 16) * HOUR_S
        for day in range(days):
            begin_s = day * DAY_S + begins + random.normal(0, 600)
            end_s = begin_s + 7 * HOUR_S + random.normal(0, 600)
            duty.append((driver, begin_s, end_s))
            jobs = np.arange(begin_s, end_s - HOUR_S, HOUR_S)
            busy += [(driver, job_s, job_s + HOUR_S / 2) for job_s in jobs]
    on, work = (spans_of(drivers, *np.array(rows).T) for rows in (duty, busy))
    return Past(on, work, fleet_rates(on, work, days * DAY_S))


@pytest.fixture(scope="module")
def fleet() -> Past:
    return _fleet()


@pytest.fixture(scope="module")
def model(fleet: Past) -> AvailabilityModel:
    pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    return learn(fleet, np.arange(40), 0.0, 8 * DAY_S, 1_800, seed=1, rounds=60)


def test_shifts_are_learned(fleet: Past, model: AvailabilityModel) -> None:
    """An hour ahead it is nearly always right, and better than that all stays as it is; the same seed gives the same trees."""
    drivers = np.arange(40)
    asked = moments(drivers, 8 * DAY_S, 9.5 * DAY_S, 3_600, np.random.default_rng(2), np.array([HOUR_S]))
    came, came_free = asked.outcomes(fleet)
    now = Moments(asked.driver, asked.at_s, np.zeros(len(asked.at_s))).outcomes(fleet)[0]
    p_on, p_free = model.probabilities(asked.features(fleet))
    assert np.mean((p_on > 0.5) == came) > max(0.95, np.mean(now == came))
    assert np.mean((p_free - came_free) ** 2) < came_free.mean() * (1 - came_free.mean())
    again = learn(fleet, drivers, 0.0, 8 * DAY_S, 1_800, seed=1, rounds=60)
    assert again.on_duty.trees.checksum == model.on_duty.trees.checksum


def test_nobody_is_likelier_free_than_on_duty(fleet: Past, model: AvailabilityModel) -> None:
    """Of all drivers, at any moment and for any horizon, also of who has no past; and all are probabilities."""
    random = np.random.default_rng(3)
    asked = Moments(
        random.integers(40, size=4_000),
        random.uniform(-DAY_S, 10 * DAY_S, 4_000),
        random.uniform(0, 9 * HOUR_S, 4_000),
    )
    p_on, p_free = model.probabilities(asked.features(fleet))
    assert np.all((p_free >= 0) & (p_free <= p_on) & (p_on <= 1))


def test_one_model_answers_all_horizons(fleet: Past, model: AvailabilityModel) -> None:
    """Asked for many horizons at once it says what it says of each alone; it knows no list of them."""
    horizons_s = np.linspace(60, 8 * HOUR_S, 97)
    many = Moments(np.zeros(97, np.int64), np.full(97, 7.4 * DAY_S), horizons_s)
    p_on, p_free = model.probabilities(many.features(fleet))
    for i in range(0, 97, 8):
        alone = model.probabilities(many.only(np.array([i])).features(fleet))
        assert (alone[0][0], alone[1][0]) == (p_on[i], p_free[i])


def test_moments_are_spread_and_end_in_time() -> None:
    """One a stretch and driver, horizons of ten minutes to eight hours, none of which comes after the end."""
    made = moments(np.arange(3), 0.0, 2 * DAY_S, 600, np.random.default_rng(1))
    assert np.all(made.at_s + made.horizon_s < 2 * DAY_S)
    assert made.horizon_s.min() >= 600
    assert made.horizon_s.max() <= 8 * HOUR_S
    assert set(made.driver) == {0, 1, 2}
    both = moments(np.arange(3), 0.0, DAY_S, 600, np.random.default_rng(1), np.array([60.0, 120.0]))
    assert np.unique(both.horizon_s).tolist() == [60, 120]


def test_a_calibration_mends_what_is_too_sure() -> None:
    """Log odds that are twice too large at short horizons come back there; those that were right stay."""
    random = np.random.default_rng(4)
    right, minutes = (
        random.uniform(0.02, 0.98, 60_000),
        np.exp(random.uniform(np.log(10), np.log(480), 60_000)),
    )
    came, odds = random.random(60_000) < right, np.log(right / (1 - right))
    said = np.where(minutes < 60, 2 * odds, odds)
    found, short, long = fitted_calibration(said, came, minutes), minutes < 30, minutes > 120
    assert log_loss(found.apply(said, minutes), came) < log_loss(PLAIN.apply(said, minutes), came) - 0.02
    np.testing.assert_allclose(found.apply(said, minutes)[short], right[short], atol=0.04)
    np.testing.assert_allclose(found.apply(said, minutes)[long], right[long], atol=0.04)
    np.testing.assert_allclose(PLAIN.apply(odds, minutes), right, atol=1e-12)


def test_a_calibration_of_one_outcome_changes_nothing_for_the_worse() -> None:
    """Where all came alike, or there is nothing to fit, it stays finite, and between 0 and 1."""
    score, minutes = np.linspace(-3, 3, 50), np.full(50, 60.0)
    for came in (np.zeros(50, bool), np.ones(50, bool)):
        found = fitted_calibration(score, came, minutes).apply(score, minutes)
        assert np.all((found >= 0) & (found <= 1))
        assert np.all(np.diff(found) >= 0)
    nothing = fitted_calibration(score[:0], np.zeros(0, bool), minutes[:0])
    np.testing.assert_allclose(nothing.weights, np.tile([1.0, 1.0, 0.0], (6, 1)))


def test_what_is_missing_is_said(fleet: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span that is too short, a fleet that did nothing, and a machine without LightGBM."""
    nobody = spans_of(3, [], [], [])
    with pytest.raises(LearningError, match="none of 3 drivers"):
        learn(
            Past(nobody, nobody, fleet_rates(nobody, nobody, 9 * DAY_S)),
            np.arange(3),
            0.0,
            9 * DAY_S,
            7_200,
            seed=1,
        )
    with pytest.raises(LearningError, match=r"1\.0 days"):
        learn(fleet, np.arange(40), 0.0, DAY_S, 900, seed=1)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(LearningError, match=r"haulcast\[availability\]"):
        learn(fleet, np.arange(40), 0.0, 8 * DAY_S, 7_200, seed=1)
