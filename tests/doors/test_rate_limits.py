"""Token buckets: the rate that is promised, tables that do not grow, tiers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulcast.doors.addresses import Proxies
from haulcast.doors.crowd import Crowd
from haulcast.doors.rate_limits import Buckets, RateLimits
from haulcast.doors.socket_session import Claims
from haulcast.errors import RateError
from haulcast.settings import Settings


@given(
    rate=st.floats(0.01, 1000),
    burst=st.integers(1, 100),
    gaps=st.lists(st.floats(0, 10), min_size=1, max_size=300),
)
def test_never_more_than_burst_and_rate(rate, burst, gaps) -> None:
    """In no span are more let through than the burst and the rate times the span; who waits as told is let through."""
    buckets, now, taken = Buckets(rate, burst), 1_000.0, []
    for gap in gaps:
        now += gap
        wait_s = buckets.take("k", now)
        if wait_s:
            assert wait_s <= 1 / rate + 1e-6
            now += wait_s + 1e-6
            assert buckets.take("k", now) == 0.0
        taken.append(now)
    for first in range(0, len(taken), 7):
        for last in range(first, len(taken), 11):
            span = taken[last] - taken[first]
            assert last - first + 1 <= burst + rate * span + 1e-3 * (last - first + 1)


def test_who_was_away_has_a_whole_burst() -> None:
    """And not more than one, however long it was away."""
    buckets = Buckets(10.0, 5)
    assert [bool(buckets.take("k", 0.0)) for _ in range(7)] == [False] * 5 + [True] * 2
    assert [bool(buckets.take("k", 1e6)) for _ in range(7)] == [False] * 5 + [True] * 2


def test_the_table_is_bounded() -> None:
    """A million addresses take no more room than the table has; who comes often is not forgotten for those who came once."""
    buckets = Buckets(0.001, 1, most_keys=100)
    buckets.take("often", 0.0)
    for number in range(10_000):
        buckets.take(number, 0.0)
        assert buckets.take("often", 0.0) > 0
    assert len(buckets) == 100


def test_full_buckets_are_forgotten() -> None:
    """Who came once and then was silent takes no room; who is still filling up is remembered."""
    buckets = Buckets(1.0, 10)
    for _ in range(10):
        buckets.take("greedy", 0.0)
    for number in range(1_000):
        buckets.take(number, number / 200)  # each is full again after a second
    assert [bool(buckets.take("greedy", 5.0)) for _ in range(6)] == [False] * 5 + [True]
    for number in range(1_000, 5_000):
        buckets.take(number, number / 200)
    assert len(buckets) < 210


def test_tiers_by_role_and_a_bucket_by_token() -> None:
    """Each role has its own rate; a token with an id is one, and others are told apart by bearer and end."""
    settings = Settings(device_requests_burst=3, viewer_requests_burst=2, staff_requests_burst=1)
    limits = RateLimits(settings, monotonic_s=lambda: 5.0)
    for role, burst in (("device", 3), ("viewer", 2), ("dispatcher", 1), ("admin", 1)):
        for token_id in ("a", "b", ""):
            for expires_ms in (1, 2):
                claims = Claims(
                    "acme", role, "v" if role == "device" else None, expires_ms, token_id=token_id
                )
                if token_id and expires_ms == 2:
                    continue  # the same token
                for _ in range(burst):
                    limits.of_token(claims)
                with pytest.raises(RateError) as caught:
                    limits.of_token(claims)
                assert caught.value.retry_s > 0
    assert limits.refused == 16


def test_one_network_is_one_address() -> None:
    """IPv6 addresses of one /64 share a limit."""
    limits = RateLimits(Settings(address_burst=2), monotonic_s=lambda: 0.0)
    limits.of_address("2001:db8::1")
    limits.of_address("2001:db8::2")
    with pytest.raises(RateError):
        limits.of_address("2001:db8::3")
    limits.of_address("2001:db8:0:1::1")


def test_a_crowd_is_counted_out_again() -> None:
    """Overall and per address; nothing is kept of an address that has left."""
    crowd = Crowd(3, 2)
    assert [crowd.enter(address) for address in ("a", "a", "a", "b", "c")] == [True, True, False, True, False]
    assert (len(crowd), crowd.turned_away) == (3, 2)
    for address in ("a", "a", "b"):
        crowd.leave(address)
    assert (len(crowd), crowd._of_address) == (0, {})


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"])
def test_behind_a_trusted_proxy_are_many(address) -> None:
    """Its connections are limited overall only, also when it has an IPv6 address."""
    crowd = Crowd(3, 1, Proxies(("10.0.0.0/8", "2001:db8::1")))
    assert [crowd.enter(address) for _ in range(4)] == [True, True, True, False]
