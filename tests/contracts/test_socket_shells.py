"""What a session may rely on and a peer can expect, whichever shell carries them: real sockets, one suite."""

import asyncio
import contextlib

import pytest
from socket_shells import (
    FRAME_BYTES,
    PATH,
    TEXT,
    closed_with,
    echoes,
    frame,
    running,
    token,
)
from structlog.testing import CapturingLogger
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from haulcast.doors import open_sockets
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.wire import BINARY_SUBPROTOCOL
from haulcast.settings import Settings


async def test_messages_keep_their_kind_and_order(shell):
    """Text comes as text and bytes as bytes, whatever the size, in order."""
    sizes = (0, 1, 125, 126, 127, FRAME_BYTES, 1)
    async with shell.client() as client:
        for size in sizes:
            await client.send("x" * size)
            await client.send(bytes(size))
        for size in sizes:
            assert await client.recv() == "x" * size
            assert await client.recv() == bytes(size)
    assert shell.sessions[0].calls[:3] == ["opened", "received", "received"]


async def test_messages_that_wait_for_the_peer_stay_apart(shell_name, wait_until):
    """Large and small ones, queued while the peer does not read, keep their own headers and bytes."""
    sizes = (8190, 8193, 20_000, 3, 65_535, 65_536, 126, 300_000, 8192, 0, 9000)
    payloads = [bytes([place]) * size for place, size in enumerate(sizes)] * 10
    async with running(shell_name, Settings(send_buffer_bytes=2**26)) as shell, shell.client() as client:
        await wait_until(lambda: shell.sessions)
        for payload in payloads:
            shell.sessions[0].link.send_binary(payload)
            shell.sessions[0].link.send_text(bytearray(payload))
            shell.sessions[0].link.send_binary(memoryview(payload))
        for payload in payloads:
            assert await client.recv() == payload
            assert await client.recv() == payload.decode()
            assert await client.recv() == payload


async def test_fragments_are_joined(shell):
    """A fragmented message is one message; pings between its fragments are answered."""
    async with shell.client() as client:
        await client.send([TEXT[:3], "", TEXT[3:]])
        assert await client.recv() == TEXT
        await client.send([b"\x01", b"\x02", b""])
        assert await client.recv() == b"\x01\x02"
    raw = await shell.raw_open(
        frame(b"one,", fin=False) + frame(b"p", Opcode.PING) + frame(b"two", Opcode.CONT)
    )
    answer = await raw.receive_until(b"one,two")
    assert frame(b"p", Opcode.PONG, mask=False) in answer
    raw.close()
    assert shell.sessions[-1].calls[:2] == ["opened", "received"]


async def test_pings_are_answered_both_ways(shell):
    """A ping is answered with its own bytes, and a pong of the peer reaches no session."""
    async with shell.client() as client:
        async with asyncio.timeout(5):
            await (await client.ping(b"who"))
        await client.pong(b"unasked")
        await client.send(TEXT)
        assert await client.recv() == TEXT
    assert shell.sessions[0].calls.count("received") == 1


@pytest.mark.parametrize(
    "message",
    [b"x" * (FRAME_BYTES + 1), b"x" * 1_000_000, [b"x" * 4000, b"y" * 4000], [b"x" * 2000] * 200],
    ids=["one more", "big", "2 parts", "200 parts"],
)
async def test_a_message_over_the_limit_closes_with_1009(shell, message):
    """The limit holds for a frame and for the sum of fragments; no part of such a message reaches the session."""
    async with shell.client() as client:
        with contextlib.suppress(ConnectionClosed):
            await client.send(message)
        assert (await closed_with(client))[0] == CloseCode.TOO_BIG
    assert "received" not in shell.sessions[0].calls
    assert await echoes(shell)


@pytest.mark.parametrize(
    ("path", "bearer", "status", "code"),
    [
        ("/v1/nothing", "", 404, "not_found"),
        (PATH, None, 401, "no_token"),
        (PATH, "junk", 401, "bad_token"),
        (PATH, "expired", 401, "expired_token"),
        (PATH, "viewer", 403, "wrong_role"),
    ],
)
async def test_a_refused_handshake_has_a_status_and_a_problem_document(shell, path, bearer, status, code):
    """The order is 404, 401, 403; the body says why, and nothing of the token."""
    made = {"expired": token(lasts_s=-1), "viewer": token(role="viewer")}
    with pytest.raises(InvalidStatus) as caught:
        await shell.client(path, bearer=made.get(bearer, bearer))
    response = caught.value.response
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert f'"code":"{code}"' in response.body.decode()
    assert not bearer or made.get(bearer, bearer) not in response.body.decode()
    assert not shell.sessions


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("junk", (4401, "bad_token")),
        ("expired", (4401, "expired_token")),
        ("viewer", (4503, "wrong_role")),
        ("", (4401, "no_token")),
    ],
)
async def test_a_token_in_the_query_is_refused_on_the_socket(shell, query, expected):
    """A browser sees no status, so the handshake succeeds and the close code says it."""
    made = {"expired": token(lasts_s=-1), "viewer": token(role="viewer")}
    client = await shell.client(f"{PATH}?token={made.get(query, query)}", bearer=None)
    assert await closed_with(client) == expected
    assert not shell.sessions


async def test_a_good_token_in_the_query_opens(shell):
    """As one in the header does."""
    async with shell.client(f"{PATH}?a=b&token={token()}", bearer=None) as client:
        await client.send(TEXT)
        assert await client.recv() == TEXT
    admission = shell.sessions[0].admission
    assert (admission.path, admission.claims.fleet, admission.claims.vehicle) == (PATH, "acme", "truck-7")
    assert admission.remote.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("path", "expected"), [("/refuses", (4503, "not_you")), ("/fails", (1011, "internal error"))]
)
async def test_a_session_that_cannot_be_made_closes_the_socket(shell, path, expected):
    """An error that a factory raises is a close code; what is not for the peer stays inside."""
    assert await closed_with(await shell.client(path)) == expected
    assert await echoes(shell)


async def test_a_token_that_expires_closes_the_open_socket(shell):
    """Within about a second of its expiry, with 4401."""
    async with shell.client(bearer=token(lasts_s=1.5)) as client:
        await client.send(TEXT)
        assert await client.recv() == TEXT
        assert await closed_with(client) == (CloseCode.TOKEN, "expired_token")


async def test_subprotocols(shell):
    """The first of ours is chosen; unknown ones alone open the socket with none, and the session learns of them."""
    async with shell.client(subprotocols=["mqtt", BINARY_SUBPROTOCOL]) as client:
        assert client.subprotocol == BINARY_SUBPROTOCOL
    async with shell.client(subprotocols=["mqtt", "graphql-ws"]) as client:
        assert client.subprotocol is None
        await client.send(TEXT)
        assert await client.recv() == TEXT
    assert [s.admission.unknown_subprotocols for s in shell.sessions] == [(), ("mqtt", "graphql-ws")]


async def test_a_browsers_connection_header_is_understood(shell):
    """Firefox says `keep-alive, Upgrade`."""
    raw = await shell.raw_open(connection="keep-alive, Upgrade")
    raw.close()


@pytest.mark.parametrize("code", [1000, *(code for code in CloseCode if code >= 4000)])
async def test_close_codes_reach_the_peer(shell, code):
    """After what was sent before, with the reason, and nothing after it."""
    async with shell.client() as client:
        await client.send(f"close {int(code)} häuptling " + "ü" * 100)
        assert await client.recv() == "last words"
        with pytest.raises(ConnectionClosed):
            await client.recv()
        got, reason = await closed_with(client)
    assert got == code
    assert reason.startswith("häuptling üü")
    assert 118 <= len(reason.encode()) <= 120


@pytest.mark.parametrize("code", [1000, 3000, 4999, None])
async def test_the_peers_close_is_answered(shell, code, wait_until):
    """With its own code, 1000 where it gave none."""
    raw = await shell.raw_open(frame(b"" if code is None else code.to_bytes(2) + b"bye", Opcode.CLOSE))
    answer = await raw.receive_all()
    assert frame(b"", Opcode.CLOSE, mask=False)[:1] in answer
    assert code is None or code.to_bytes(2) in answer
    await wait_until(lambda: shell.is_quiet and shell.sessions)
    raw.close()


async def test_stop_closes_all_with_the_code(shell_name):
    """Everybody is told to come back, nobody new gets in, and who does not answer is cut off in time."""
    async with running(shell_name, Settings()) as shell:
        clients = [await shell.client() for _ in range(20)]
        deaf = await shell.raw_open()
        async with asyncio.timeout(5):
            await shell.stop(CloseCode.GOING_AWAY, "restart", 0.5)
        for client in clients:
            assert await closed_with(client) == (CloseCode.GOING_AWAY, "restart")
        assert shell.is_quiet
        deaf.close()
        with pytest.raises((OSError, InvalidStatus)):
            await shell.client()


async def test_a_thousand_connections(shell, wait_until):
    """Each has its own session, and all are gone in the end."""

    async def talk(number: int) -> None:
        async with shell.client(bearer=bearer) as client:
            await client.send(str(number))
            assert await client.recv() == str(number)
            await all_there.wait()

    bearer, all_there = token(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(1000):
            group.create_task(talk(number))
            if number % 50 == 0:
                await asyncio.sleep(0)
        await wait_until(lambda: len(shell.sockets) == 1000, timeout_s=60)
        all_there.set()
    await wait_until(lambda: shell.is_quiet)
    assert len(shell.sessions) == 1000


async def test_one_line_a_connection(shell, monkeypatch, wait_until):
    """It says who, from where, how it ended and how much was said; never the token, never the query."""
    log = CapturingLogger()
    monkeypatch.setattr(open_sockets, "_log", log)
    good, bad = token(), token(role="viewer")
    async with shell.client(f"{PATH}?token={good}", bearer=None) as client:
        await client.send(TEXT)
        await client.recv()
    with pytest.raises(InvalidStatus):
        await shell.client(f"{PATH}?secret=x", bearer=bad)
    await wait_until(lambda: len(log.calls) == 2)
    ended, refused = (call.kwargs for call in log.calls)
    assert (ended["path"], ended["fleet"], ended["vehicle"], ended["code"]) == (PATH, "acme", "truck-7", 1000)
    assert (ended["messages_in"], ended["messages_out"]) == (1, 1)
    assert (refused["status"], refused["code"]) == (403, "wrong_role")
    assert not any(secret in str(log.calls) for secret in (good, bad, "secret"))
