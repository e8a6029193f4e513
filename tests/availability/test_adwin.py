"""The window that forgets what has become another: against river's, against plain sums, and on streams that change or do not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulcast.availability.adwin import CLOCK, Adwin

STREAMS = st.lists(
    st.tuples(st.integers(20, 400), st.floats(0, 1), st.sampled_from(["coin", "flat", "noise"])), min_size=1, max_size=4,
)  # fmt: skip


def _stream(parts, seed):
    random = np.random.default_rng(seed)
    made = {
        "coin": lambda n, p: random.random(n) < p,
        "flat": np.full,
        "noise": lambda n, p: np.clip(random.normal(p, 0.1, n), 0, 1),
    }
    return [float(value) for n, p, kind in parts for value in made[kind](n, p)]


@settings(max_examples=60, deadline=None)
@given(STREAMS, st.integers(0, 9))
def test_it_forgets_exactly_as_much_as_river_does(parts, seed):
    """Up to the first change, where river begins anew, both have the same window after every value, and see that change at the same one."""
    river = pytest.importorskip("river.drift")
    ours, theirs = Adwin(), river.ADWIN()
    for value in _stream(parts, seed):
        is_changed = ours.add(value)
        theirs.update(value)
        assert is_changed == theirs.drift_detected
        assert ours.width == theirs.width
        assert ours.mean == pytest.approx(theirs.estimation, abs=1e-9)
        if is_changed:
            return


def _has_cut(window, delta=0.002):
    """Theorem 3.1 at every cut, from the values themselves."""
    n, variance = len(window), np.var(window)
    confidence = math.log(2 * math.log(n) / delta)
    for cut in range(5, n - 4):
        share = 1 / (cut - 4) + 1 / (n - cut - 4)
        bound = math.sqrt(2 * share * variance * confidence) + 2 / 3 * share * confidence
        if abs(np.mean(window[:cut]) - np.mean(window[cut:])) > bound:
            return True
    return False


@settings(max_examples=30, deadline=None)
@given(STREAMS, st.integers(0, 9))
def test_it_forgets_only_what_the_theorem_forgets(parts, seed):
    """The window is always the newest values, its mean theirs; one that shrinks had a cut somewhere by brute force over the values, and at looks one without any stays."""
    adwin, values = Adwin(), []
    for value in _stream(parts, seed):
        before = adwin.width
        values.append(value)
        is_changed = adwin.add(value)
        assert adwin.mean == pytest.approx(np.mean(values[-adwin.width :]), abs=1e-9)
        whole = values[-before - 1 :]
        assert adwin.width <= len(whole)
        assert is_changed == (adwin.width < len(whole))
        if len(values) % CLOCK == 0 and len(whole) > 10 and is_changed:
            assert _has_cut(whole)


def test_a_step_is_seen_soon_and_a_steady_stream_is_left_alone():
    """A coin that falls from 90 % to 70 % is another within 300 values; one that stays is kept whole in at least 95 of 100 runs of 3,000."""
    random = np.random.default_rng(5)
    delays, alarms = [], 0
    for _ in range(100):
        adwin = Adwin()
        for value in random.random(3_000) < 0.9:
            adwin.add(float(value))
        alarms += adwin.detections
        if adwin.detections == 0:
            steps = (n for n in range(1, 3_000) if adwin.add(float(random.random() < 0.7)))
            delays.append(next(steps))
    assert alarms <= 5
    assert np.percentile(delays, 95) < 300
    assert adwin.mean < 0.9


def test_an_empty_window_has_no_mean():
    """And one value is its own."""
    adwin = Adwin()
    assert math.isnan(adwin.mean)
    assert adwin.width == 0
    assert not adwin.add(0.25)
    assert (adwin.width, adwin.mean) == (1, 0.25)
