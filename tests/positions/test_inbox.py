"""The inbox keeps order, stays bounded and wakes its taker once."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from geo.positions import position_batch
from haulcast.positions.inbox import BYTES_PER_READ_FIX, Inbox


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


@given(st.lists(st.integers(-5, 50), max_size=60), st.integers(1, 2_000))
def test_read_fixes_wait_beside_frames(sizes, most_bytes):
    """Batches (below zero: of so many fixes) and frames both come out once, each kind in order, neither starving the other."""
    inbox = Inbox(10**6)
    batches = [position_batch(-size) for size in sizes if size < 0]
    waiting = iter(batches)
    for number, size in enumerate(sizes):
        assert inbox.put_batch(next(waiting)) if size < 0 else inbox.put(number, bytes(size))
    tags, taken = [], []
    while len(inbox):
        has_batch, has_frame = len(taken) < len(batches), len(tags) < len(sizes) - len(batches)
        got = inbox.take(most_bytes)
        assert not has_batch or got.batches
        assert not has_frame or has_batch or got.tags
        tags += got.tags
        taken += got.batches
    assert tags == [number for number, size in enumerate(sizes) if size >= 0]
    assert list(map(id, taken)) == list(map(id, batches))


def test_read_fixes_count_as_bytes():
    """With their attributes; a batch that does not fit is refused and leaves no trace."""
    inbox = Inbox(2 * BYTES_PER_READ_FIX)
    batch = replace(position_batch(1), attributes={0: bytes(BYTES_PER_READ_FIX)})
    assert inbox.put_batch(batch)
    assert not inbox.put_batch(position_batch(1))
    assert len(inbox) == 1
    assert inbox.take(1).batches == [batch]
    assert inbox.put_batch(position_batch(2))
