"""The figures of predictions, each against another way to come to it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from haulcast.availability import figures
from haulcast.availability.figures import all_figures, figures_of
from haulcast.availability.outcomes import Outcomes

PAIRS = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=200)


def made(p, came, *, state=None, driver=None, due_ms=None, horizon_s=900):
    """Outcomes of the first question; of the second the contrary."""
    n = len(p)
    p, came = np.asarray(p, float), np.asarray(came, bool)
    return Outcomes(
        np.zeros(n, np.int64) if due_ms is None else np.asarray(due_ms, np.int64),
        np.arange(n) if driver is None else np.asarray(driver, np.int64),
        np.broadcast_to(np.asarray(horizon_s, np.int64), n),
        np.zeros(n, np.int8) if state is None else np.asarray(state, np.int8),
        np.stack((p, 1 - p), 1),
        np.stack((came, ~came), 1),
    )


@given(st.integers(1, 5_000), st.data())
def test_wilson_bounds_are_scipys(n, data):
    """For every count out of every number, to the last digits."""
    right = data.draw(st.integers(0, n))
    bounds = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert figures.wilson(right / n, n) == pytest.approx((bounds.low, bounds.high), abs=1e-12)


def test_wilson_bounds_of_nothing_say_nothing():
    """Of no trials, 0 and 1; bounds never leave them."""
    assert figures.wilson(0.0, 0) == (0.0, 1.0)
    assert figures.wilson(0.0, 3)[0] == 0.0
    assert figures.wilson(1.0, 3)[1] == 1.0


def test_wilson_bounds_hold_what_they_promise():
    """Of many fleets with an accuracy of 85 %, the bounds of about 95 % hold it."""
    right = np.random.default_rng(1).binomial(300, 0.85, 2_000)
    held = [low <= 0.85 <= high for low, high in (figures.wilson(count / 300, 300) for count in right)]
    assert 0.93 <= np.mean(held) <= 0.97


@settings(max_examples=80)
@given(PAIRS)
def test_scores_are_what_plain_loops_give(pairs):
    """Brier score, the calibration error of 15 bins of equal mass, accuracy, and the share, one outcome at a time."""
    p, came = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found, n = figures_of(made(p, came), 0), len(pairs)
    assert found.brier == pytest.approx(sum((a - b) ** 2 for a, b in pairs) / n)
    assert found.accuracy == pytest.approx(sum((a > 0.5) == b for a, b in pairs) / n)
    assert found.share == pytest.approx(sum(came) / n)
    order, count, at, error = sorted(pairs, key=lambda pair: pair[0]), min(15, n), 0, 0.0
    for place in range(count):
        part = order[at : at + n // count + (place < n % count)]
        at += len(part)
        error += abs(sum(a for a, _ in part) - sum(b for _, b in part)) / n
    assert found.ece == pytest.approx(error)
    assert [one.n for one in found.bins] == sorted([one.n for one in found.bins], reverse=True)
    assert sum(one.n for one in found.bins) == n


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.floats(0, 1)), min_size=2, max_size=100))
def test_no_probability_by_the_state_alone_beats_persistence(rows):
    """Whatever numbers are said for the three states, persistence's Brier score is no worse; and who says its numbers has a skill of 0."""
    state, came = np.array([row[0] for row in rows], np.int8), np.array([row[1] for row in rows])
    said = figures.persistence(state, came)
    score = figures.brier(said, came)
    for shift in (rows[0][2], rows[1][2]):
        other = np.clip(np.array([shift, 1 - shift, 0.5])[state], 0, 1)
        assert score <= figures.brier(other, came) + 1e-12
    found = figures_of(made(said, came, state=state), 0)
    assert math.isnan(found.skill) if score == 0 else found.skill == pytest.approx(0.0, abs=1e-9)


def test_outcomes_that_hang_together_count_less():
    """Twenty times the same driver's day tells as much as one; independent ones count whole; and the bounds hold with clusters where the plain ones would not."""
    random = np.random.default_rng(3)
    right = random.random(400) < 0.8
    whole = figures.effective_number(right, np.arange(400))
    assert whole == pytest.approx(400, rel=0.01)
    repeated = figures.effective_number(np.repeat(right, 20), np.repeat(np.arange(400), 20))
    assert repeated == pytest.approx(400, rel=0.01)
    held, plain = [], []
    for _ in range(600):
        of_day = np.clip(random.normal(0.85, 0.15, 60), 0, 1)
        truth = np.clip(random.normal(0.85, 0.15, 200_000), 0, 1).mean()
        seen = (random.random((60, 40)) < of_day[:, None]).ravel()
        number = figures.effective_number(seen, np.repeat(np.arange(60), 40))
        for bounds, n in ((held, number), (plain, 2_400)):
            low, high = figures.wilson(float(seen.mean()), n)
            bounds.append(low <= truth <= high)
    assert np.mean(held) > 0.92
    assert np.mean(plain) < 0.8


@pytest.mark.parametrize("right", [[True], [True, True, True], [False, False]])
def test_where_nothing_varies_all_count(right):
    """One outcome, or only right or only wrong ones."""
    assert figures.effective_number(np.array(right), np.zeros(len(right), np.int64)) == len(right)


def test_the_excess_is_nothing_while_probabilities_are_right():
    """In easy hours and in hard ones, on average; it is plainly positive where they are too sure, and within its range."""
    random = np.random.default_rng(7)
    for low, high in ((0.0, 0.1), (0.4, 0.6), (0.0, 1.0)):
        p = random.uniform(low, high, 200_000)
        values = figures.excess(p, random.random(200_000) < p)
        assert abs(values.mean()) < 0.002
    sure = np.full(100_000, 0.95)
    assert figures.excess(sure, random.random(100_000) < 0.7).mean() > 0.1
    grid = np.linspace(0, 1, 101)
    for came in (np.zeros(101, bool), np.ones(101, bool)):
        values = figures.excess(grid, came)
        assert values == pytest.approx((grid - came) ** 2 - grid * (1 - grid))
        assert values.min() >= -0.125
        assert values.max() <= 1


def test_each_question_and_horizon_has_its_own_figures():
    """Two horizons, both questions; what changed is by the state of the moment asked, on duty or free."""
    outcomes = made(
        [0.9, 0.2, 0.8, 0.7], [True, False, False, True], state=[2, 1, 0, 0], horizon_s=[900, 900, 900, 3_600]
    )
    found = all_figures(outcomes)
    assert list(found) == [("on_duty", 900), ("on_duty", 3_600), ("free", 900), ("free", 3_600)]
    near = found["on_duty", 900]
    assert (near.n, near.changed, near.changed_accuracy) == (3, 1, 1.0)
    free = found["free", 900]  # p 0.1, 0.8, 0.2; came no, yes, yes; free now yes, no, no
    assert (free.changed, free.changed_accuracy) == (3, pytest.approx(2 / 3))
    assert found["on_duty", 3_600].accuracy == 1.0
    assert math.isnan(found["on_duty", 3_600].skill)
    assert all_figures(outcomes.chosen(np.zeros(4, bool))) == {}
