"""When it is told that predictions are wrong too often: once, and once that they are right again."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from test_figures import made

from haulcast.availability.alerts import judged
from haulcast.availability.figures import figures_of

KEY = "on_duty", 3_600


def _figures(right, n):
    came = np.arange(n) < right
    return {KEY: figures_of(made(np.full(n, 0.9), came), 0)}


def test_an_alert_begins_when_even_the_upper_bound_is_below():
    """150 of 200 is 75 %, and may be 80.5 %; 145 may be 78.2 % at the best; of 199 nothing is said."""
    assert judged(_figures(150, 200), (), 5) == []
    assert judged(_figures(100, 199), (), 5) == []
    (alert,) = judged(_figures(145, 200), (), 5)
    assert (alert.key, alert.begin_ms, alert.end_ms, alert.n) == (KEY, 5, None, 200)
    assert alert.accuracy_high < 0.8


def test_it_is_told_once_and_ends_when_accuracy_is_back():
    """While it lasts nothing is told again, nor between the bounds; at 80 % it ends; of too few outcomes it lasts on."""
    (alert,) = judged(_figures(145, 200), (), 5)
    assert judged(_figures(140, 200), [alert], 6) == []
    assert judged(_figures(159, 200), [alert], 7) == []
    assert judged(_figures(90, 100), [alert], 8) == []
    assert judged({}, [alert], 9) == []
    assert judged(_figures(160, 200), [alert], 10) == [replace(alert, end_ms=10)]


@given(st.lists(st.integers(100, 400), max_size=40))
def test_alerts_of_one_question_never_overlap(rights):
    """Whatever the figures do: begin and end take turns."""
    lasting = []
    for now_ms, right in enumerate(rights):
        for change in judged(_figures(right, 400), lasting, now_ms):
            assert (change.end_ms is None) == (not lasting)
            lasting = [change] if change.end_ms is None else []
        assert len(lasting) <= 1
