"""Waits between attempts."""

from random import Random

from haulcast.client.backoff import Backoff


def test_waits_are_jittered_and_double_up_to_the_most() -> None:
    """Each wait lies in [0, min(most, first * 2^n)], and the mean of many is the middle of it."""
    waits = [[backoff.next_s() for _ in range(8)] for backoff in (Backoff(Random(i)) for i in range(500))]
    for place, ceiling_s in enumerate([1, 2, 4, 8, 16, 30, 30, 30]):
        column = [one[place] for one in waits]
        assert min(column) >= 0
        assert max(column) <= ceiling_s
        assert abs(sum(column) / len(column) - ceiling_s / 2) < ceiling_s / 20


def test_the_first_wait_after_a_good_connection_is_short_again() -> None:
    """`reset` starts over: at most a second."""
    backoff = Backoff(Random(1))
    for _ in range(100):
        backoff.next_s()
    backoff.reset()
    assert backoff.next_s() <= 1.0
