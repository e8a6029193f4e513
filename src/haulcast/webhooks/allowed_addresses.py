"""Which addresses a webhook may reach: those of the public internet, and networks that the operator names.

What is refused follows the IANA's registries of special-purpose addresses (RFC 6890 and its updates). IPv6 is allowed in 2000::/3 only,
which leaves out loopback, link-local, unique local, multicast, IPv4-mapped and NAT64 addresses, and in it nothing that leads to an IPv4
address within (6to4, Teredo).
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from haulcast.errors import RequestError, SettingError

REFUSED_V4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
PUBLIC_V6: Final = IPv6Network("2000::/3")
REFUSED_V6: Final = tuple(
    IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
)


class AllowedAddresses:
    """What the operator allows.

    Args:
        private_networks: in CIDR notation, allowed though they are not public, also without TLS.

    Raises:
        SettingError: one of them is no network.
    """

    def __init__(self, private_networks: Sequence[str] = ()) -> None:
        try:
            self._private = tuple(ip_network(network) for network in private_networks)
        except ValueError as error:
            raise SettingError(
                "bad_setting",
                f"setting webhook_private_networks: {error}; allowed are networks such as 10.1.0.0/16",
                field="webhook_private_networks",
            ) from error

    @property
    def allows_plain(self) -> bool:
        """Whether there is any address that may be reached without TLS."""
        return bool(self._private)

    def is_allowed(self, address: str, *, is_plain: bool = False) -> bool:
        """Whether a connection to this address may be made; without TLS, within the operator's networks only."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._private) or (not is_plain and _is_public(parsed))

    def check_host(self, host: str, *, is_plain: bool = False) -> None:
        """Say early what no connection would be made to; a name is looked up at each connection, not here.

        Raises:
            RequestError: an address that is not allowed, or one in another form than the plain one.
        """
        if host == "localhost" or host.endswith(".localhost"):
            literal: str | None = "127.0.0.1"
        elif (literal := _plain_address(host)) is None and _is_odd_address(host):
            reason = f"url has the address {host!r} in an unusual form; allowed are four decimal numbers, or IPv6 in brackets"
            raise RequestError("address_not_allowed", reason, field="url")
        if literal is not None and not self.is_allowed(literal, is_plain=is_plain):
            reason = (
                f"url leads to {host!r}, which is no address of the public internet;"
                " whoever runs this hub can allow it with webhook_private_networks"
            )
            raise RequestError("address_not_allowed", reason, field="url")


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in REFUSED_V4)
    return address in PUBLIC_V6 and not any(address in network for network in REFUSED_V6)


def _plain_address(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _is_odd_address(host: str) -> bool:
    """Whether the system's resolver reads it as an address: 2130706433, 0x7f.1, 0177.0.0.1."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
