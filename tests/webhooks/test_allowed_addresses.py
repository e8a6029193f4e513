"""Where webhooks may lead: by the letters of the URL, and by the address at each connection."""

import httpcore
import pytest
from webhook_receiver import receiver

from haulcast.errors import RequestError, SettingError
from haulcast.webhooks.allowed_addresses import AllowedAddresses
from haulcast.webhooks.attempts import Attempts, Verdict
from haulcast.webhooks.guarded_connections import GuardedBackend, guarded_pools
from haulcast.webhooks.receiver_url import checked_url, read_url

PUBLIC = ("8.8.8.8", "1.1.1.1", "93.184.215.14", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "2606:4700:4700::1111",
          "2a00:1450:4001:830::200e")  # fmt: skip
REFUSED = (
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.1.2.3", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
    "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:db8::1",
    "2002:7f00:1::", "2002:808:808::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1", "5f00::1",
    "not an address", "", "127.0.0.1/8",
)  # fmt: skip
ODD = (
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.1",
    "127.0.1",
    "0",
    "3232235521",
    "10.1",
    "017700000001",
    "134744072",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address) -> None:
    """With TLS; without it not even these."""
    assert AllowedAddresses().is_allowed(address)
    assert not AllowedAddresses(["10.0.0.0/8"]).is_allowed(address, is_plain=True)


@pytest.mark.parametrize("address", REFUSED)
def test_special_addresses_are_refused(address) -> None:
    """Private, shared, loopback, link-local, multicast, reserved, documentation; and IPv6 that leads to IPv4."""
    assert not AllowedAddresses().is_allowed(address)
    assert not AllowedAddresses().is_allowed(address, is_plain=True)


def test_the_operator_allows_networks() -> None:
    """These and no others, also without TLS; a wrong setting stops the start."""
    allowed = AllowedAddresses(["10.1.0.0/16", "fd00::/8", "127.0.0.1"])
    for address, is_allowed in {"10.1.2.3": True, "10.2.0.1": False, "fd12::1": True, "127.0.0.1": True, "127.0.0.2": False,
                                "::ffff:10.1.2.3": False, "169.254.169.254": False}.items():  # fmt: skip
        assert allowed.is_allowed(address) is allowed.is_allowed(address, is_plain=True) is is_allowed
    with pytest.raises(SettingError, match="webhook_private_networks"):
        AllowedAddresses(["10.0.0.1/8"])


@pytest.mark.parametrize("host", [*ODD, "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "localhost", "LOCALHOST", "a.localhost",
                                  "[fe80::1]", "[64:ff9b::7f00:1]"])  # fmt: skip
def test_a_literal_address_is_refused_at_creation(host) -> None:
    """With the field and what to do."""
    with pytest.raises(RequestError) as refused:
        checked_url(f"https://{host}/x", AllowedAddresses())
    assert (refused.value.code, refused.value.field) == ("address_not_allowed", "url")


@pytest.mark.parametrize(
    "url",
    [
        None, 5, "", "x", "ftp://example.com", "file:///etc/passwd", "gopher://example.com", "//example.com", "https://", "https:example.com",
        "https://user@example.com", "https://user:pass@example.com/", "https://@example.com", "https://example.com#x", "https://example.com:99999/",
        "https://example.com:x/", "https://exa mple.com/", "https://example.com/\r\nX: 1", "https://example.com/\x00", "https://exämple.com/",
        "https://example.com\\@127.0.0.1/", "https://[::1", "https://[fe80::1%251]/", "https://-x.com/", "https://ex%61mple.com/", "http://example.com/",
        "https://" + "a" * 254 + "/", "https://example.com/" + "a" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_url_is_refused(url) -> None:
    """A 400 that says what is allowed; without networks of the operator plain http is no URL either."""
    with pytest.raises(RequestError) as refused:
        checked_url(url, AllowedAddresses())
    assert (refused.value.code, refused.value.field) == ("bad_url", "url")


def test_a_url_is_read_once() -> None:
    """Host, port and request line are those that are checked and used."""
    assert tuple(read_url("HTTPS://Example.COM:8443/a//b/../c?d=%20&e")) == (
        "https", "example.com", 8443, "/a//b/../c?d=%20&e",
    )  # fmt: skip
    assert tuple(read_url("https://[2606:4700::1]")) == ("https", "2606:4700::1", 443, "/")
    assert read_url("https://[2606:4700::1]:444").authority == "[2606:4700::1]:444"
    assert checked_url("http://10.1.1.1/x", AllowedAddresses(["10.0.0.0/8"])) == "http://10.1.1.1/x"


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "169.254.169.254", "10.0.0.1"])
async def test_a_name_that_leads_inside_is_not_connected_to(address) -> None:
    """The address of the lookup counts, at every connection."""
    looked_up = []

    async def resolve(host: str, port: int) -> list[str]:
        looked_up.append((host, port))
        return [address]

    backend = GuardedBackend(AllowedAddresses(), resolve, is_plain=False)
    for _ in range(2):
        with pytest.raises(httpcore.ConnectError, match="no address that is allowed"):
            await backend.connect_tcp("evil.example", 443)
    assert looked_up == [("evil.example", 443)] * 2


async def test_a_name_that_changes_gains_nothing() -> None:
    """A lookup that says a public address first and 127.0.0.1 later (DNS rebinding): what was checked is what is connected to, or nothing."""
    async with receiver() as found:
        answers = iter([["93.184.215.14"], ["127.0.0.1"]])

        async def resolve(_host: str, _port: int) -> list[str]:
            return next(answers)

        connected = []

        class Network(httpcore.AsyncNetworkBackend):
            async def connect_tcp(self, host, *_):
                connected.append(host)
                raise httpcore.ConnectError("not in a test")

        backend = GuardedBackend(AllowedAddresses(), resolve, is_plain=False)
        backend._network = Network()
        for _ in range(2):
            with pytest.raises(httpcore.ConnectError):
                await backend.connect_tcp("evil.example", found.port)
        assert connected == ["93.184.215.14"]
        assert found.connections == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0177.0.0.1"]
)
async def test_nothing_of_this_machine_is_reached(host) -> None:
    """By the system's own resolver, with a server that would answer; a URL that got past the creation is refused all the same."""
    async with receiver() as found, guarded_pools(AllowedAddresses(), 2) as pools:
        for scheme in ("http", "https"):
            outcome = await Attempts(pools, 5.0).post(f"{scheme}://{host}:{found.port}/", {}, b"{}", 0)
            assert (outcome.verdict, outcome.error) == (
                Verdict.LATER,
                "the name leads to no address that is allowed",
            )
        assert found.connections == 0
        assert (
            await Attempts(pools, 5.0).post("https://no-such-name.invalid/", {}, b"{}", 0)
        ).verdict is Verdict.LATER


async def test_plain_http_stays_in_the_operators_networks() -> None:
    """A public name by http is not reached even where some networks are allowed."""

    async def resolve(_host: str, _port: int) -> list[str]:
        return ["93.184.215.14"]

    allowed = AllowedAddresses(["127.0.0.0/8"])
    async with guarded_pools(allowed, 2, resolve) as pools:
        outcome = await Attempts(pools, 5.0).post("http://example.com/", {}, b"{}", 0)
    assert outcome == (Verdict.LATER, "the name leads to no address that is allowed", None)
