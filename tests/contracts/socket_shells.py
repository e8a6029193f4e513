"""Both socket shells behind one face, a session that does what it is told, and a client that knows no rules."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from waiting import wait_until
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame, Opcode

from haulcast import clock
from haulcast.doors.addresses import Proxies
from haulcast.doors.fast_server import serve_fast_socket
from haulcast.doors.handshake import Door, SocketPath
from haulcast.doors.http_guard import HttpGuard
from haulcast.doors.open_sockets import OpenSockets
from haulcast.doors.origins import Origins
from haulcast.doors.page_socket import PageSockets
from haulcast.doors.problems import exception_handlers
from haulcast.doors.rate_limits import RateLimits
from haulcast.doors.socket_session import Admission, Claims, Link
from haulcast.doors.tokens import TokenBook
from haulcast.doors.uvicorn_protocols import uvicorn_options
from haulcast.errors import ForbiddenError, HaulcastError
from haulcast.settings import Settings, listed

REVOKED: set[str] = set()
BOOK = TokenBook(b"0123456789abcdef0123456789abcdef", is_revoked=lambda claims: claims.token_id in REVOKED)
PATH = "/v1/device"
SHELLS = ("fast", "page")
CHUNK = bytes(65_536)
TEXT = "fix, façade, 修"
FRAME_BYTES = 4096


def token(*, role: str = "device", lasts_s: float = 3600, vehicle: str = "truck-7", **more: object) -> str:
    """A good token of a vehicle, or of nobody's vehicle."""
    named = vehicle if role == "device" else None
    return BOOK.make(Claims("acme", role, named, clock.epoch_ms() + round(lasts_s * 1000), **more))


@dataclass
class Scripted:
    """Echoes; or closes, raises, floods, when the text says so. Keeps what happened to it."""

    admission: Admission
    calls: list[str] = field(default_factory=list)
    flood_bytes: int = 0

    def opened(self, link: Link) -> None:
        self.link = link
        self.calls.append("opened")

    def received(self, payload: bytes, *, is_text: bool) -> None:
        self.calls.append("received")
        words = payload.split(b" ")
        match words[0]:
            case b"renew":
                self._renew(words[1].decode())
            case b"close":
                self.link.send_text(b"last words")
                self.link.close(int(words[1]), " ".join(map(bytes.decode, words[2:])))
                self.link.send_text(b"too late")
            case b"raise":
                raise KeyError("the session's own mistake")
            case b"politely":
                self.flood_bytes = int(words[1])
                self.writable()
            case b"rudely":
                for _ in range(int(words[1]) // len(CHUNK)):
                    self.link.send_binary(CHUNK)
            case _:
                (self.link.send_text if is_text else self.link.send_binary)(payload)

    def writable(self) -> None:
        self.calls.append("writable")
        while self.flood_bytes > 0 and self.link.is_writable:
            self.link.send_binary(memoryview(CHUNK))
            self.flood_bytes -= len(CHUNK)

    def closed(self) -> None:
        self.calls.append("closed")

    def _renew(self, newer: str) -> None:
        try:
            self.link.send_text(b"%d" % self.link.renew(newer))
        except HaulcastError as error:
            self.link.send_text(error.code.encode())


@dataclass
class Shell:
    """A running shell on a free port."""

    name: str
    port: int
    sockets: OpenSockets
    stop: object
    sessions: list[Scripted]

    def url(self, path: str = PATH) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    def client(self, path: str = PATH, *, bearer: str | None = "", **more: object) -> connect:
        """A client of the websockets library; `bearer` "" stands for a good token."""
        headers = {} if bearer is None else {"Authorization": f"Bearer {bearer or token()}"}
        options = {"compression": None, "max_size": None, "ping_interval": None, "proxy": None, **more}
        return connect(self.url(path), additional_headers=headers, **options)

    async def raw(self, data: bytes = b"", receive_buffer_bytes: int = 0) -> "RawClient":
        """A TCP client that has sent `data`."""
        client = socket.socket()
        if receive_buffer_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", self.port))
        raw = RawClient(client)
        await raw.send(data)
        return raw

    async def raw_open(
        self, data: bytes = b"", *, connection: str = "Upgrade", receive_buffer_bytes: int = 0
    ) -> "RawClient":
        """A TCP client that has done the handshake, as RFC 6455 has it, before it sends `data`."""
        raw = await self.raw(handshake(connection=connection), receive_buffer_bytes)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await raw.receive(1)
        if b" 101 " not in head:
            raise ConnectionError(repr(head))
        await raw.send(data)
        return raw

    @property
    def is_quiet(self) -> bool:
        """No connection is left, and every session that was opened was closed, once."""
        return not len(self.sockets) and all(
            s.calls[0] == "opened" and s.calls.count("closed") == 1 and s.calls[-1] == "closed"
            for s in self.sessions
        )


class RawClient:
    """Bytes out, bytes in."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._client, data)

    async def receive(self, size_bytes: int = 65_536, timeout_s: float = 10.0) -> bytes:
        """Some bytes; none when the server has closed or reset the connection."""
        async with asyncio.timeout(timeout_s):
            try:
                return await self._loop.sock_recv(self._client, size_bytes)
            except ConnectionError:
                return b""

    async def receive_all(self, timeout_s: float = 10.0) -> bytes:
        """Everything until the server closes."""
        data = bytearray()
        while piece := await self.receive(timeout_s=timeout_s):
            data += piece
        return bytes(data)

    async def receive_until(self, end: bytes) -> bytes:
        data = bytearray()
        while end not in data[-(65_536 + len(end)) :]:
            piece = await self.receive()
            if not piece:
                raise ConnectionError(f"closed after {bytes(data)!r}")
            data += piece
        return bytes(data)

    def close(self, *, reset: bool = False) -> None:
        """Say FIN, or (`reset`) vanish with RST."""
        if reset:
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self._client.close()


def handshake(path: str = PATH, connection: str = "Upgrade", bearer: str = "") -> bytes:
    """A client's handshake, as bytes."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: {connection}\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {bearer or token()}\r\n\r\n"
    ).encode()


def frame(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True, mask: bool = True) -> bytes:
    """A client's frame, as bytes."""
    return Frame(opcode, payload, fin).serialize(mask=mask)


async def echoes(shell: Shell) -> bool:
    """Whether the shell still serves."""
    async with shell.client() as client:
        await client.send(TEXT)
        return await client.recv() == TEXT


async def closed_with(client: ClientConnection, timeout_s: float = 10.0) -> tuple[int | None, str | None]:
    """Code and reason of the close frame that the client gets."""
    async with asyncio.timeout(timeout_s):
        await client.wait_closed()
    return client.close_code, client.close_reason


def _door(settings: Settings, sessions: list[Scripted]) -> Door:
    def make(admission: Admission) -> Scripted:
        sessions.append(Scripted(admission))
        return sessions[-1]

    def refuse(_admission: Admission) -> Scripted:
        raise ForbiddenError("not_you", "another time")

    def fail(_admission: Admission) -> Scripted:
        raise KeyError("the factory's own mistake")

    roles = frozenset({"device"})
    return Door(
        {
            PATH: SocketPath(roles, make),
            "/refuses": SocketPath(roles, refuse),
            "/fails": SocketPath(roles, fail),
        },
        BOOK.verify,
        RateLimits(settings),
        Origins(listed(settings.allowed_origins)),
        Proxies(listed(settings.trusted_proxies)),
        lambda claims: claims.token_id == "revoked meanwhile",
    )


async def _echo(request: Request) -> Response:
    return Response(await request.body())


@contextlib.asynccontextmanager
async def running(name: str, settings: Settings) -> AsyncIterator[Shell]:
    """A shell, until the block ends; then every session has to be closed."""
    sessions: list[Scripted] = []
    async with (_fast if name == "fast" else _page)(settings, sessions) as shell:
        yield shell
        await shell.stop(4000, "stop", 2.0)
        if not shell.is_quiet:
            raise RuntimeError(
                f"left behind: {[s.calls for s in sessions if s.calls[-1] != 'closed']}, {len(shell.sockets)} sockets"
            )


@contextlib.asynccontextmanager
async def _fast(settings: Settings, sessions: list[Scripted]) -> AsyncIterator[Shell]:
    server = await serve_fast_socket("127.0.0.1", 0, settings, _door(settings, sessions))
    yield Shell("fast", server.port, server.sockets, server.stop, sessions)


@contextlib.asynccontextmanager
async def _page(settings: Settings, sessions: list[Scripted]) -> AsyncIterator[Shell]:
    page = PageSockets(_door(settings, sessions), settings)
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    config = uvicorn.Config(
        HttpGuard(
            Starlette(
                routes=[*page.routes(), Route("/echo", _echo, methods=["POST"])],
                exception_handlers=exception_handlers(),
            ),
            settings,
        ),
        lifespan="off",
        timeout_graceful_shutdown=2,
        **uvicorn_options(settings),
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    await wait_until(lambda: server.started)
    try:
        yield Shell("page", listener.getsockname()[1], page.sockets, page.stop, sessions)
    finally:
        server.should_exit = True
        await serving
