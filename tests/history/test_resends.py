"""Who has to send again, and from where on what comes counts, fix by fix."""

import numpy as np
import pytest
from history_fixes import NOON_MS, fixes_of
from hypothesis import given
from hypothesis import strategies as st

from haulcast.history.resends import AGAIN_MS, Resends


def resends_of(*dropped: tuple[int, int]) -> Resends:
    """After these (row, seq) were dropped."""
    resends = Resends()
    resends.ensure_rows(4)
    resends.dropped(fixes_of(*((row, seq, NOON_MS) for row, seq in dropped)))
    return resends


def keepable(resends: Resends, *fixes: tuple[int, int], held_seq: int = -1) -> list[int]:
    """Which of these (row, seq) are, by their place."""
    batch = fixes_of(*((row, seq, NOON_MS) for row, seq in fixes))
    found = resends.keepable(batch, np.full(len(batch), held_seq))
    return list(range(len(batch))) if found is None else np.flatnonzero(found).tolist()


@pytest.mark.parametrize(
    ("fixes", "kept"),
    [
        ([(0, 9), (0, 10)], []),  # they were on their way when the device was told
        ([(0, 9), (0, 6), (0, 7), (0, 10)], [1, 2, 3]),
        ([(0, 8)], [0]),  # the same again is as far back as it goes
        ([(1, 5), (0, 9), (2, -1), (0, -1)], [0, 2, 3]),  # others, and those without a sequence
        ([(0, 6), (1, 3), (0, 3)], [0, 1, 2]),
    ],
)
def test_what_counts_is_what_comes_from_where_the_device_has_gone_back(fixes, kept):
    """Of a vehicle whose fixes up to 8 were dropped."""
    assert keepable(resends_of((0, 6), (0, 7), (0, 8)), *fixes) == kept


def test_a_device_that_had_gone_back_within_the_dropped_has_to_go_back_again():
    """The last one dropped counts, not the highest: 6 after 20, 5 is no step back."""
    resends = resends_of((0, 20), (0, 5))
    assert keepable(resends, (0, 6)) == []
    assert keepable(resends, (0, 5)) == [0]


def test_a_fix_that_is_held_back_from_before_keeps_the_device_waiting():
    """It is ahead of what has come again; once that has caught up it is not."""
    assert keepable(resends_of((0, 6), (0, 7), (0, 8)), (0, 6), (0, 7), held_seq=9) == []
    assert keepable(resends_of((0, 6), (0, 7), (0, 8)), (0, 9), (0, 6), (0, 7), held_seq=10) == []
    assert keepable(resends_of((0, 6), (0, 7), (0, 8)), (0, 6), (0, 7), (0, 8), held_seq=9) == [0, 1, 2]
    assert keepable(resends_of((0, 6), (0, 7), (0, 8)), (1, 6), held_seq=9) == [0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 5)), max_size=30), st.data())
def test_it_is_as_a_loop_would_have_it(fixes, data):
    """Columns and a plain loop agree for any fixes of four vehicles, of which some miss something."""
    missing = data.draw(st.dictionaries(st.integers(0, 3), st.integers(0, 5)))
    resends = resends_of(*missing.items())
    assert resends.count == len(missing)
    wanted = []
    for i, (row, seq) in enumerate(fixes):
        if seq >= 0 and row in missing and seq <= missing[row]:
            del missing[row]
        if seq < 0 or row not in missing:
            wanted.append(i)
    assert keepable(resends, *fixes) == wanted


def test_a_device_is_told_until_it_has_gone_back():
    """At once, then every `AGAIN_MS`; not any more when something of it was kept, and nobody of a fix without a sequence."""
    resends = resends_of((0, 1), (2, 1), (3, -1))
    assert resends.due(10**12).tolist() == [0, 2]
    assert resends.due(10**12 + AGAIN_MS - 1).tolist() == []
    assert resends.kept(fixes_of((0, -1, NOON_MS), (2, 1, NOON_MS), (2, 2, NOON_MS))).tolist() == [2]
    assert resends.due(10**12 + AGAIN_MS).tolist() == [0]
    assert resends.kept(fixes_of((0, 1, NOON_MS))).tolist() == [0]
    assert (resends.count, resends.due(10**13).tolist()) == (0, [])
