"""What a peer cannot do to others, whichever shell carries it: vanish, stall, talk junk, stop at any byte."""

import asyncio
import contextlib

import pytest
from socket_shells import (
    CHUNK,
    TEXT,
    closed_with,
    echoes,
    frame,
    handshake,
    running,
)
from websockets.frames import Opcode

from haulcast.doors.close_codes import CloseCode
from haulcast.settings import Settings


@pytest.mark.parametrize("reset", [True, False], ids=["RST", "FIN"])
async def test_a_peer_that_vanishes_is_closed_once(shell, reset, wait_until):
    """No close frame came; the session hears of the end, once."""
    raw = await shell.raw_open(frame(b"hello"))
    await raw.receive_until(b"hello")
    raw.close(reset=reset)
    await wait_until(lambda: shell.is_quiet)
    assert shell.sessions[0].calls == ["opened", "received", "closed"]


async def test_a_failing_session_ends_its_own_connection_only(shell):
    """1011 for the one, nothing for the other."""
    async with shell.client() as one, shell.client() as other:
        await one.send("raise")
        assert await closed_with(one) == (1011, "internal error")
        await other.send(TEXT)
        assert await other.recv() == TEXT


async def test_a_peer_that_stops_reading_stops_only_its_own_stream(shell, wait_until):
    """Its link is not writable until it reads again; then the session is told, and everything arrives."""
    chunks = 512
    raw = await shell.raw_open(frame(b"politely %d" % (chunks * len(CHUNK))), receive_buffer_bytes=8192)
    await wait_until(
        lambda: (
            shell.sessions
            and shell.sessions[0].calls[-1] == "writable"
            and not shell.sessions[0].link.is_writable
        )
    )
    left = shell.sessions[0].flood_bytes
    assert left > 0
    for _ in range(3):
        assert await echoes(shell)
    assert shell.sessions[0].flood_bytes == left
    expected = chunks * (len(CHUNK) + 10)
    got = 0
    while got < expected:
        got += len(await raw.receive(2**20))
    assert got == expected
    await wait_until(lambda: shell.sessions[0].link.is_writable)
    assert shell.sessions[0].calls.count("writable") > 1
    raw.close()


async def test_a_session_that_never_looks_cannot_fill_the_memory(shell, wait_until):
    """Past four send buffers the connection is closed as slow; a peer that then reads sees the code."""
    raw = await shell.raw_open(frame(b"rudely %d" % 2**28), receive_buffer_bytes=8192)
    await wait_until(lambda: "received" in shell.sessions[0].calls)
    data = await raw.receive_until(frame(CloseCode.SLOW.to_bytes(2) + b"slow", Opcode.CLOSE, mask=False))
    assert len(data) < 2**25
    raw.close()
    await wait_until(lambda: shell.is_quiet)


async def test_a_peer_that_reads_nothing_is_cut_off(shell_name, monkeypatch, wait_until):
    """A close frame that nobody reads does not keep the connection."""
    for module in ("open_sockets", "fast_socket", "page_socket", "uvicorn_protocols"):
        monkeypatch.setattr(f"haulcast.doors.{module}.CLOSE_GRACE_S", 0.2)
    async with running(shell_name, Settings(idle_timeout_s=0.4)) as shell:
        raw = await shell.raw_open(frame(b"rudely %d" % 2**28), receive_buffer_bytes=8192)
        await wait_until(lambda: shell.sessions)
        await wait_until(lambda: shell.is_quiet, timeout_s=5)
        raw.close()


async def test_a_half_open_socket_is_closed_after_the_idle_timeout(shell_name, wait_until):
    """A silent peer is pinged; with no pong it is closed, while one that answers stays."""
    async with running(shell_name, Settings(idle_timeout_s=0.4)) as shell, shell.client() as alive:
        raw = await shell.raw_open()
        code = CloseCode.IDLE if shell_name == "fast" else 1011  # the websockets library's own
        assert b"\x89" in await raw.receive_until(code.to_bytes(2))
        raw.close()
        await asyncio.sleep(1.5)
        await alive.send(TEXT)
        assert await alive.recv() == TEXT
        assert shell.sessions[1].calls == ["opened", "closed"]


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
        b"\r\n\r\n",
        b"POST /v1/device HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n",
        b"GET /v1/device HTTP/9.9\r\n\r\n",
        handshake().replace(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: short"),
        handshake().replace(b"Version: 13", b"Version: 99"),
        handshake().replace(b"Host: hub", b"Host: hub\r\nX: " + b"x" * 100_000),
        bytes(range(256)) * 400,
    ],
    ids=["TLS", "blank", "POST", "GET", "HTTP 9.9", "bad key", "bad version", "100 kB header", "bytes"],
)
async def test_junk_before_the_handshake(shell, junk, wait_until):
    """The junk's sender is refused or waits for its timeout; the others never notice."""
    raw = await shell.raw()
    with contextlib.suppress(ConnectionError):
        await raw.send(junk)
    assert await echoes(shell)
    raw.close()
    await wait_until(lambda: shell.is_quiet)
    assert len(shell.sessions) == 1


@pytest.mark.parametrize(
    ("junk", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 1002),
        (frame(b"hello", mask=False), 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (frame(b"", Opcode.CONT), 1002),
        (frame(b"a", fin=False) + frame(b"b"), 1002),
        (b"\x09\x80\0\0\0\0", 1002),
        (b"\x89\xfe\x00\x80\0\0\0\0" + bytes(128), 1002),
        (frame(b"\x03", Opcode.CLOSE), 1002),
        (b"\x82\xff" + b"\x7f" * 8 + b"\0\0\0\0", 1009),
    ],
    ids=[
        "HTTP",
        "unmasked",
        "opcode 3",
        "no start",
        "nested",
        "split ping",
        "long ping",
        "short close",
        "2^63 bytes",
    ],
)
async def test_junk_after_the_handshake(shell, junk, code, wait_until):
    """What breaks the protocol is closed with its code, and reaches no session."""
    raw = await shell.raw_open(junk)
    await raw.receive_until(code.to_bytes(2))
    raw.close()
    await wait_until(lambda: shell.is_quiet and shell.sessions)
    assert shell.sessions[0].calls == ["opened", "closed"]
    assert await echoes(shell)


CONVERSATION = (
    frame(b"text") + frame(bytes(200), Opcode.BINARY) + frame(b"a", fin=False) + frame(b"b", Opcode.CONT)
)


async def test_a_cut_at_any_byte_leaves_nothing_behind(shell, wait_until):
    """Each prefix of a handshake and of a conversation, then FIN or RST: no session stays open and the server goes on."""
    opening = handshake()
    for cut in range(len(opening)):
        raw = await shell.raw(opening[:cut])
        raw.close(reset=cut % 2 == 0)
    for cut in range(len(CONVERSATION)):
        raw = await shell.raw_open(CONVERSATION[:cut])
        raw.close(reset=cut % 2 == 0)
    assert await echoes(shell)
    await wait_until(lambda: shell.is_quiet)


async def test_a_pause_at_any_byte_changes_nothing(shell, wait_until):
    """Each split of a handshake and of a conversation into two packets gives the same answers."""
    opening = handshake()
    raws = [await shell.raw(opening[:cut]) for cut in range(1, len(opening))]
    assert await echoes(shell)
    for cut, raw in enumerate(raws, 1):
        await raw.send(opening[cut:])
    for cut, raw in enumerate(raws):
        await raw.receive_until(b"\r\n\r\n")
        await raw.send(CONVERSATION[: cut % len(CONVERSATION)])
    assert await echoes(shell)
    for cut, raw in enumerate(raws):
        await raw.send(CONVERSATION[cut % len(CONVERSATION) :])
    for raw in raws:
        await raw.receive_until(b"\x81\x02ab")
        raw.close()
    await wait_until(lambda: shell.is_quiet)
    assert sorted(s.calls.count("received") for s in shell.sessions) == [1, 1] + [3] * len(raws)


async def test_a_slow_handshake_is_cut_off(shell_name):
    """Neither silence nor a byte now and then keeps a connection without a request."""
    async with running(shell_name, Settings(handshake_timeout_s=0.5)) as shell:
        silent, slow = await shell.raw(), await shell.raw(handshake()[:40])
        open_one = await shell.raw_open()
        with contextlib.suppress(ConnectionError):
            for byte in b"never finished"[:8]:
                await slow.send(bytes([byte]))
                await asyncio.sleep(0.1)
        assert await silent.receive_all(3.0) == b""
        assert await slow.receive_all(3.0) == b""
        await open_one.send(frame(b"still here"))
        assert await open_one.receive_until(b"still here")
        open_one.close()
