"""Drift of predictions against what they say of themselves, and not against the hour of the day."""

import math

import numpy as np
from test_figures import made

from haulcast.availability.drift import DriftWatch

HOUR_MS = 3_600_000


def _days(days, sure, seed=0, drivers=40):
    """Each driver once an hour, hard by day and easy by night; it comes true as often as is said, but for `sure`, a number of days with one too sure of themselves."""
    random = np.random.default_rng(seed)
    hours = np.repeat(np.arange(days * 24), drivers)
    is_day = (hours % 24 >= 6) & (hours % 24 < 20)
    truth = np.where(is_day, random.uniform(0.3, 0.7, len(hours)), random.uniform(0.95, 1.0, len(hours)))
    came = random.random(len(hours)) < truth
    p = np.where(hours >= (days - sure) * 24, np.where(truth > 0.5, 0.97, 0.03), truth)
    driver = np.tile(np.arange(drivers), days * 24)
    return made(p, came, driver=driver, due_ms=hours * HOUR_MS, horizon_s=1_800)


def test_hard_days_and_easy_nights_are_no_drift():
    """Errors that come and go with the hour, while probabilities are right, are none in a fortnight; the excess is about 0."""
    watch = DriftWatch()
    assert watch.add(_days(14, 0)) == []
    assert abs(watch.of("on_duty", 1_800).excess) < 0.02
    assert watch.of("on_duty", 900).times == 0
    assert math.isnan(watch.of("on_duty", 900).excess)


def test_predictions_that_become_too_sure_drift():
    """Seen within a day of their first, with the moment; told once a day at the most, however they are by night; the excess is plainly above 0."""
    watch = DriftWatch()
    drifted = watch.add(_days(14, 3))
    first = min(one.at_ms for one in drifted if one.question == "on_duty")
    assert 11 * 24 * HOUR_MS <= first <= 12 * 24 * HOUR_MS
    found = watch.of("on_duty", 1_800)
    assert 1 <= found.times <= 3
    assert found.last_ms >= first
    assert found.excess > 0.04


def test_outcomes_that_tell_the_same_again_are_left_out():
    """Of one driver only those a horizon apart count: twenty times as many within the hour change nothing."""
    once, often = DriftWatch(), DriftWatch()
    day = _days(4, 1)
    repeated = np.repeat(np.arange(len(day)), 20)
    often.add(type(day)(*(getattr(day, name)[repeated] for name in day.__slots__)))
    once.add(day)
    assert once.of("on_duty", 1_800) == often.of("on_duty", 1_800)
