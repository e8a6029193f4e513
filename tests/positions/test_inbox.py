"""The inbox keeps order, stays bounded and wakes its taker once."""

from hypothesis import given
from hypothesis import strategies as st

from haulcast.positions.inbox import Inbox


@given(st.lists(st.one_of(st.integers(0, 50), st.none()), max_size=60), st.integers(1, 100))
def test_what_is_put_is_taken_once_and_in_order(steps, most_bytes):
    """Any mix of puts and takes loses, repeats and reorders nothing, and takes at least one frame at a time."""
    inbox = Inbox(10**6)
    put, taken = [], []
    for number, size in enumerate(steps):
        if size is None:
            before = len(inbox)
            got = inbox.take(most_bytes).tags
            assert not before or got
            taken += got
        else:
            assert inbox.put(number, bytes(size))
            put.append(number)
    while len(inbox):
        taken += inbox.take(most_bytes).tags
    assert taken == put


def test_it_wakes_once_until_it_was_emptied():
    """The taker is woken by the first frame only, and again after it has taken all."""
    inbox, woken = Inbox(10**6), []
    inbox.on_waiting(lambda: woken.append(1))
    inbox.put(0, b"a")
    inbox.put(0, b"b")
    assert len(woken) == 1
    inbox.take(10)
    inbox.put(0, b"c")
    assert len(woken) == 2


def test_a_full_inbox_takes_nothing_more_until_it_has_room():
    """What would go over the bytes is refused, smaller things still fit."""
    inbox = Inbox(10)
    assert inbox.put(0, b"x" * 8)
    assert not inbox.put(0, b"x" * 3)
    assert inbox.put(0, b"x" * 2)
    inbox.take(100)
    assert inbox.put(0, b"x" * 10)
