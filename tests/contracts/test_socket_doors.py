"""Who may come in and stay, on both shells over real sockets: renewal, revocation, limits, origins, slow peers."""

import asyncio
import contextlib

import pytest
from socket_shells import PATH, REVOKED, TEXT, closed_with, echoes, handshake, running, token
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from haulcast import clock
from haulcast.settings import Settings

POST = b"POST /echo HTTP/1.1\r\nHost: hub\r\nContent-Length: 10\r\n\r\n"


async def _refusal(client):
    with pytest.raises(InvalidStatus) as caught:
        await client
    return caught.value.response


async def test_a_newer_token_moves_the_end(shell_name, wait_until):
    """A connection lives on beyond the end of the token that opened it, under the one that it was sent meanwhile."""
    settings = Settings(idle_timeout_s=1)  # a sweep each quarter of a second
    async with (
        running(shell_name, settings) as shell,
        shell.client(bearer=token(lasts_s=1.5)) as renewed,
        shell.client(bearer=token(lasts_s=1.5)) as left,
    ):
        await renewed.send(f"renew {token(lasts_s=3600)}")
        assert int(await renewed.recv()) > clock.epoch_ms() + 3_000_000
        assert await closed_with(left) == (4401, "expired_token")
        await renewed.send(TEXT)
        assert await renewed.recv() == TEXT
        await renewed.send(f"renew {token(lasts_s=1.1)}")  # an earlier end holds too
        await renewed.recv()
        assert await closed_with(renewed) == (4401, "expired_token")


@pytest.mark.parametrize(
    ("newer", "code"),
    [
        ({"vehicle": "truck-8"}, "other_bearer"),
        ({"role": "admin"}, "other_bearer"),
        ({"lasts_s": -1}, "expired_token"),
        ({"token_id": "taken-back"}, "revoked_token"),
        (None, "bad_token"),
    ],
)
async def test_a_token_of_another_bearer_renews_nothing(shell, newer, code):
    """Another vehicle, another role, an expired, a revoked or a wrong token: an error, and the connection stays as it was."""
    REVOKED.add("taken-back")
    async with shell.client() as client:
        await client.send(f"renew {'junk' if newer is None else token(**newer)}")
        assert await client.recv() == code
        await client.send(TEXT)
        assert await client.recv() == TEXT
    REVOKED.clear()


async def test_a_revoked_token_loses_its_open_sockets(shell):
    """Those that it opened or renewed are closed with 4401 at once, the others stay."""
    async with (
        shell.client(bearer=token(token_id="one")) as opened,
        shell.client() as renewed,
        shell.client(bearer=token(token_id="other")) as other,
    ):
        await renewed.send(f"renew {token(token_id='one')}")
        await renewed.recv()
        REVOKED.add("one")
        try:
            assert shell.sockets.close_revoked(lambda claims: claims.token_id in REVOKED) == 2
            assert await closed_with(opened) == await closed_with(renewed) == (4401, "revoked_token")
            response = await _refusal(shell.client(bearer=token(token_id="one")))
            assert (response.status_code, b"revoked_token" in response.body) == (401, True)
        finally:
            REVOKED.clear()
        await other.send(TEXT)
        assert await other.recv() == TEXT


async def test_a_revocation_during_the_handshake_counts():
    """On the HTTP port the token is judged before the handshake is done, so it is looked at once more after it."""
    async with running("page", Settings()) as shell:
        client = await shell.client(bearer=token(token_id="revoked meanwhile"))
        assert await closed_with(client) == (4401, "revoked_token")
        assert not shell.sessions


async def test_renewals_are_limited(shell_name):
    """As handshakes are, by the newer token's bucket."""
    settings = Settings(device_requests_per_s=0.1, device_requests_burst=3)
    async with running(shell_name, settings) as shell, shell.client(bearer=token(token_id="a")) as client:
        for _ in range(5):
            await client.send(f"renew {token(token_id='a')}")
        answers = [await client.recv() for _ in range(5)]
        assert answers[2:] == ["too_many_requests"] * 3
        assert all(answer.isdigit() for answer in answers[:2])


async def test_handshakes_of_an_address_are_limited(shell_name):
    """Beyond the burst they get 429 with Retry-After and a problem document, before any token is looked at."""
    async with running(shell_name, Settings(address_rate_per_s=0.1, address_burst=3)) as shell:
        for _ in range(2):
            assert await echoes(shell)
        assert (await _refusal(shell.client(bearer="junk"))).status_code == 401
        response = await _refusal(shell.client(bearer="junk"))
        assert (response.status_code, response.headers["Retry-After"]) == (429, "10")
        assert b'"code":"too_many_requests"' in response.body
        assert (await _refusal(shell.client(f"{PATH}?token={token()}", bearer=None))).status_code == 429


async def test_handshakes_of_a_token_are_limited(shell_name):
    """By its role's tier, and each token has its own."""
    settings = Settings(device_requests_per_s=0.1, device_requests_burst=2)
    async with running(shell_name, settings) as shell:
        one, other = token(token_id="one"), token(token_id="other")
        for _ in range(2):
            async with shell.client(bearer=one):
                pass
        response = await _refusal(shell.client(bearer=one))
        assert response.status_code == 429
        assert 0 < int(response.headers["Retry-After"]) <= 10
        async with shell.client(bearer=other):
            pass


async def test_behind_a_trusted_proxy_the_client_is_counted(shell_name):
    """X-Forwarded-For is believed of a trusted peer only; then each client has a limit of its own, and is logged."""
    limits = {"address_rate_per_s": 0.1, "address_burst": 1}

    async def comes_in(shell, client: str) -> bool:
        headers = {"X-Forwarded-For": f"6.6.6.6, {client}", "Authorization": f"Bearer {token()}"}
        try:
            async with connect(shell.url(), additional_headers=headers, proxy=None):
                return True
        except InvalidStatus as error:
            if error.response.status_code != 429:
                raise
            return False

    async with running(shell_name, Settings(trusted_proxies="127.0.0.0/8, ::1", **limits)) as shell:
        assert [await comes_in(shell, client) for client in ("10.0.0.1", "10.0.0.2")] == [True, True]
        assert {session.admission.remote for session in shell.sessions} == {"10.0.0.1", "10.0.0.2"}
        assert not await comes_in(shell, "10.0.0.1")
    async with running(shell_name, Settings(**limits)) as shell:
        assert [await comes_in(shell, client) for client in ("10.0.0.1", "10.0.0.2")] == [True, False]


@pytest.mark.parametrize(
    ("allowed", "origin", "comes_in"),
    [
        ("", None, True),
        ("", "http://127.0.0.1:9999", True),
        ("", "https://evil.example", False),
        ("", "null", False),
        ("https://map.example", "https://map.example", True),
        ("https://map.example", "https://map.example.evil", False),
        ("https://map.example", "http://map.example", False),
        ("*", "https://evil.example", True),
    ],
)
async def test_pages_of_foreign_origins_stay_outside(shell_name, allowed, origin, comes_in):
    """A page of our own host, whatever its port, or of an allowed origin may open a socket; programs have no origin."""
    async with running(shell_name, Settings(allowed_origins=allowed)) as shell:
        client = shell.client(origin=origin)
        if comes_in:
            async with client:
                pass
        else:
            response = await _refusal(client)
            assert (response.status_code, b"wrong_origin" in response.body) == (403, True)


async def test_connections_of_an_address_are_limited(shell_name, wait_until):
    """One too many is cut off before a byte is read, and its place is free again when another leaves."""
    async with running(shell_name, Settings(connections_per_address=2)) as shell:
        raw = await shell.raw()
        async with shell.client():
            third = await shell.raw(handshake())
            assert await third.receive_all() == b""
        raw.close()
        await wait_until(lambda: shell.is_quiet)
        for _ in range(5):
            async with shell.client(), shell.client() as client:
                await client.send(TEXT)
                assert await client.recv() == TEXT


async def test_slow_handshakes_are_cut_off(shell_name):
    """A head that comes byte by byte ends when the time is over, and the others never notice (slowloris)."""
    async with running(shell_name, Settings(handshake_timeout_s=0.5)) as shell:
        slow = [await shell.raw() for _ in range(20)]
        began_s = clock.monotonic_s()
        with contextlib.suppress(ConnectionError):
            for byte in handshake():
                for raw in slow:
                    await raw.send(bytes([byte]))
                if clock.monotonic_s() - began_s > 3:
                    break
                await asyncio.sleep(0.05)
        for raw in slow:
            assert await raw.receive_all() == b""
        assert await echoes(shell)


async def test_a_head_over_the_limit_is_refused(shell):
    """More than 16 KiB of headers end the connection; what is a little below is read."""
    head = handshake().removesuffix(b"\r\n")
    big = await shell.raw(head + b"X-Big: " + b"x" * 20_000 + b"\r\n\r\n")
    assert b" 101 " not in await big.receive_all()
    fair = await shell.raw(head + b"X-Big: " + b"x" * 6_000 + b"\r\n\r\n")
    assert b" 101 " in await fair.receive_until(b"\r\n\r\n")
    fair.close()
    if shell.name == "page":
        request = await shell.raw(POST.replace(b"Host", b"X-Big: " + b"x" * 20_000 + b"\r\nHost"))
        assert b"head_too_large" in await request.receive_until(b"head_too_large")
        request.close()
    assert await echoes(shell)


async def test_refused_handshakes_carry_the_security_headers(shell_name):
    """As every other HTTP answer does; TLS only where it was set."""
    for hsts_s, expected in ((0, None), (600, "max-age=600")):
        async with running(shell_name, Settings(hsts_s=hsts_s)) as shell:
            response = await _refusal(shell.client(bearer="junk"))
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers.get("Strict-Transport-Security") == expected


async def test_slow_bodies_and_later_slow_heads_are_cut_off():
    """On the HTTP port a body has to come in time, and so does the head of a second request on the same connection."""
    async with running("page", Settings(handshake_timeout_s=0.3)) as shell:
        slow = await shell.raw(POST + b"12345")
        assert b" 408 " in await slow.receive_until(b'"slow_body"')
        second = await shell.raw(POST + b"1234567890")
        assert b"1234567890" in await second.receive_until(b"1234567890")
        await second.send(POST[:20])
        assert await second.receive_all() == b""
        quick = await shell.raw(POST + b"1234567890" + POST + b"abcdefghij")
        assert b"1234567890" in await quick.receive_until(b"abcdefghij")
        quick.close()
