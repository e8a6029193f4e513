"""How long frames have waited, against knowing when each came."""

from hypothesis import given
from hypothesis import strategies as st

from haulcast.tracking.arrivals import Arrivals

turns = st.lists(
    st.tuples(st.lists(st.floats(0.001, 0.02), max_size=6), st.integers(0, 8), st.floats(0.0, 0.02)),
    max_size=40,
)


@given(turns)
def test_an_age_is_never_too_short_and_at_most_a_tick_too_long(found):
    """Whatever comes when, and however much of it each tick takes, first in first out."""
    arrivals, waiting, now_s, ticked_s = Arrivals(), [], 0.0, 0.0
    for gaps, most, rest_s in found:
        for gap_s in gaps:
            now_s += gap_s
            if not waiting:
                arrivals.first(now_s)
            waiting.append((now_s, ticked_s))
        now_s += rest_s
        taken = min(most, len(waiting))
        age_s = arrivals.take(len(waiting), len(waiting) - taken, now_s)
        if waiting:
            came_s, tick_before_s = waiting[0]
            assert now_s - came_s <= age_s + 1e-9
            assert age_s <= now_s - tick_before_s + 1e-9
        else:
            assert age_s == 0.0
        del waiting[:taken]
        ticked_s = now_s
