"""The histogram against counting by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulcast.histogram import AGE_BOUNDS_S, BATCH_BOUNDS, DELAY_BOUNDS_S, Histogram

milliseconds = st.integers(-(10**6), 10**9)
batches = st.lists(st.lists(st.tuples(milliseconds, st.integers(0, 1000)), max_size=50), max_size=5)


def counted_by_hand(bounds, values_and_times):
    """What stands between which bounds, value by value."""
    counts = [0] * (len(bounds) + 1)
    for value, times in values_and_times:
        place = next((i for i, bound in enumerate(bounds) if value <= bound), len(bounds))
        counts[place] += times
    return counts


@given(batches, st.sampled_from([AGE_BOUNDS_S, DELAY_BOUNDS_S]))
def test_batches_count_as_their_values_do_one_by_one(found, bounds):
    """Bounds are inclusive, to the millisecond; values below zero are zero; the total is the values' sum."""
    histogram, singly, once = Histogram(bounds), Histogram(bounds), Histogram(bounds)
    for batch in found:
        values_s = np.array([ms for ms, _ in batch], np.int64) / 1000.0
        times = np.array([count for _, count in batch], np.int64)
        histogram.add(values_s, times)
        once.add(values_s)
        for value_s, count in zip(values_s.tolist(), times.tolist(), strict=True):
            singly.add_one(value_s, count)
    flat = [(max(ms, 0) / 1000, times) for batch in found for ms, times in batch]
    assert histogram.counts.tolist() == singly.counts.tolist() == counted_by_hand(bounds, flat)
    assert once.counts.tolist() == counted_by_hand(bounds, [(value, 1) for value, _ in flat])
    total = sum(value * times for value, times in flat)
    assert histogram.total == pytest.approx(total) == singly.total
    assert once.total == pytest.approx(sum(value for value, _ in flat))
    assert histogram.counts.dtype == np.int64


@pytest.mark.parametrize("bounds", [AGE_BOUNDS_S, DELAY_BOUNDS_S, BATCH_BOUNDS])
def test_a_value_on_a_bound_is_not_above_it(bounds):
    """The bounds ascend, and each counts itself."""
    histogram = Histogram(bounds)
    histogram.add(np.array(bounds))
    assert list(bounds) == sorted(set(bounds))
    assert histogram.counts.tolist() == [1] * len(bounds) + [0]
