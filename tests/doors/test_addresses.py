"""Whose address it is, and under which name it is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulcast.doors.addresses import Proxies, counted_as
from haulcast.errors import SettingError

PROXIES = Proxies(("10.0.0.0/8", "::1"))


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("8.8.8.8", "1.1.1.1", "8.8.8.8"),  # a stranger's word
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "9.9.9.9, 1.1.1.1", "1.1.1.1"),  # what the client put before it counts for nothing
        ("10.0.0.1", "1.1.1.1, 10.0.0.2", "1.1.1.1"),  # two proxies
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "junk", "10.0.0.1"),
        ("10.0.0.1", "1.1.1.1, junk", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("::1", " 2001:db8::1 ", "2001:db8::1"),
        ("", "1.1.1.1", ""),
    ],
)
def test_a_proxy_is_believed_when_it_is_trusted(peer, said, client) -> None:
    """The last address that no trusted proxy has, and never what stands before it."""
    assert PROXIES.client_of(peer, {"x-forwarded-for": said}) == client
    assert Proxies().client_of(peer, {"x-forwarded-for": said}) == peer


@given(said=st.text(max_size=200))
def test_whatever_is_forwarded_gives_an_address(said) -> None:
    """Any text of the header gives the peer or something that is an address."""
    client = PROXIES.client_of("10.0.0.1", {"x-forwarded-for": said})
    assert client == "10.0.0.1" or counted_as(client)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("junk", "junk"),
    ],
)
def test_ipv6_is_counted_by_network(address, name) -> None:
    """A subscriber has a whole /64 to himself, so its addresses count as one; IPv4 in IPv6 counts as IPv4."""
    assert counted_as(address) == name


def test_a_wrong_proxy_stops_the_start() -> None:
    """What is no network is named."""
    with pytest.raises(SettingError, match="trusted_proxies"):
        Proxies(("10.0.0.1/8",))
