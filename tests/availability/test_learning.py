"""What is learned foretells better than persistence, from the past alone; a calibration is kept only where it helps."""

import sys

import numpy as np
import pytest

from geo.availability import fleet_rates, spans_of
from haulcast.availability.learning import (
    Calibration,
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


def test_shifts_are_learned(fleet: Past) -> None:
    """An hour ahead it is nearly always right, and better than that all stays as it is; the same seed gives the same trees."""
    pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    drivers = np.arange(40)
    on_duty, free = learn(fleet, drivers, 0.0, 8 * DAY_S, 1_800, seed=1, rounds=60)
    asked = moments(drivers, 8 * DAY_S, 9.5 * DAY_S, 3_600, np.random.default_rng(2), np.array([HOUR_S]))
    rows, (came, came_free) = asked.features(fleet), asked.outcomes(fleet)
    now = Moments(asked.driver, asked.at_s, np.zeros(len(asked.at_s))).outcomes(fleet)[0]
    p = on_duty.probabilities(rows)
    assert np.mean((p > 0.5) == came) > max(0.95, np.mean(now == came))
    assert np.mean((free.probabilities(rows) - came_free) ** 2) < came_free.mean() * (1 - came_free.mean())
    assert (
        learn(fleet, drivers, 0.0, 8 * DAY_S, 1_800, seed=1, rounds=60)[0].trees.checksum
        == on_duty.trees.checksum
    )


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
    """Probabilities that were pushed to the ends come back; those that were right stay."""
    random = np.random.default_rng(4)
    right = random.uniform(0.02, 0.98, 20_000)
    came = random.random(20_000) < right
    odds = right / (1 - right)
    sure = odds**2 / (1 + odds**2)
    mended = fitted_calibration(sure, came)
    assert log_loss(mended.apply(sure), came) < log_loss(sure, came) - 0.02
    np.testing.assert_allclose(mended.apply(sure), right, atol=0.03)
    np.testing.assert_allclose(fitted_calibration(right, came).apply(right), right, atol=0.02)
    np.testing.assert_allclose(Calibration().apply(right), right, atol=1e-12)


def test_a_calibration_of_one_outcome_changes_nothing_for_the_worse() -> None:
    """Where all came alike it stays finite, and between 0 and 1."""
    p = np.linspace(0.1, 0.9, 50)
    for came in (np.zeros(50, bool), np.ones(50, bool)):
        found = fitted_calibration(p, came).apply(p)
        assert np.all((found >= 0) & (found <= 1))


def test_what_is_missing_is_said(fleet: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span that is too short, and a machine without LightGBM."""
    with pytest.raises(LearningError, match=r"1\.0 days"):
        learn(fleet, np.arange(40), 0.0, DAY_S, 900, seed=1)
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(LearningError, match=r"haulcast\[availability\]"):
        learn(fleet, np.arange(40), 0.0, 8 * DAY_S, 7_200, seed=1)
