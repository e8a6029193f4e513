"""Who is at the other end: the peer's address, or what a trusted proxy says of it; and under which name it is counted."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from haulcast.errors import SettingError

MOST_HOPS = 20
_CACHED = 4_096

Network = IPv4Network | IPv6Network


class Proxies:
    """The proxies in front of us whose word is taken.

    Args:
        networks: addresses or networks in CIDR notation.

    Raises:
        SettingError: one of them is neither.
    """

    def __init__(self, networks: tuple[str, ...] = ()) -> None:
        try:
            self._networks: tuple[Network, ...] = tuple(ip_network(network) for network in networks)
        except ValueError as error:
            raise SettingError(
                "bad_setting",
                f"setting trusted_proxies: {error}; allowed are addresses and networks such as 10.0.0.0/8",
                field="trusted_proxies",
            ) from error

    def client_of(self, peer: str, headers: Mapping[str, str]) -> str:
        """The client's address: the last of X-Forwarded-For that no trusted proxy has, if the peer is a trusted one.

        Whatever stands before that was written by the client itself, and is not looked at.
        """
        if not self._networks or not self.are_trusted(peer):
            return peer
        client = peer
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")[-MOST_HOPS:]):
            address = _plain(hop.strip())
            if address is None:
                break
            client = address
            if not self.are_trusted(address):
                break
        return client

    def are_trusted(self, address: str) -> bool:
        """Whether this is the address of one of them."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


def _plain(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


@lru_cache(_CACHED)
def counted_as(address: str) -> str:
    """The name under which an address is counted: IPv4 itself, of IPv6 the /64, which one subscriber gets whole."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
