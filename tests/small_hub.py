"""A hub for tests of the clients: a real WebSocket server that speaks `docs/protocol.md`, and fails when it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import jwt
import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from haulcast.doors import wire

SECRET = b"0123456789abcdef0123456789abcdef"


def token(role: str = "device", vehicle: str | None = "truck-7", fleet: str = "acme") -> str:
    """A token of this hub's secret."""
    claims = {"fleet": fleet, "role": role, "exp": 4_000_000_000, **({"vehicle": vehicle} if vehicle else {})}
    return jwt.encode(claims, SECRET, algorithm="HS256")


@dataclass
class SmallHub:
    """Takes fixes and keeps them in memory; what it does with each frame can be replaced."""

    port: int = 0
    taken: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    handled: dict[str, int] = field(default_factory=dict)
    frames: list[str | bytes] = field(default_factory=list)
    handshakes: int = 0
    refuse_with: HTTPStatus | None = None
    reasons_of: Callable[[dict[str, Any]], list[str]] = lambda _: []
    before_ack: Callable[[ServerConnection], Awaitable[None]] | None = None
    live: Callable[[ServerConnection], Awaitable[None]] | None = None
    sockets: set[ServerConnection] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        if self.refuse_with is not None:
            return socket.respond(self.refuse_with, "no")
        _, _, text = request.headers.get("Authorization", "").partition(" ")
        try:
            socket.claims = jwt.decode(text, SECRET, algorithms=["HS256"])
        except jwt.InvalidTokenError:
            return socket.respond(HTTPStatus.UNAUTHORIZED, "no")
        return None

    async def serve(self, socket: ServerConnection) -> None:
        self.sockets.add(socket)
        try:
            if socket.request.path == wire.LIVE_PATH:
                await self.live(socket)
            else:
                await self._device(socket)
        except ConnectionClosed:
            pass
        finally:
            self.sockets.discard(socket)

    async def _device(self, socket: ServerConnection) -> None:
        vehicle = socket.claims["vehicle"]
        taken = self.taken.setdefault(vehicle, {})
        welcome = {"type": "welcome", "vehicle": vehicle, "seq": self.handled.get(vehicle, -1), "time_ms": 0}
        await socket.send(json.dumps(welcome))
        async for message in socket:
            self.frames.append(message)
            rejects = []
            fixes = fixes_of(message)
            for fix in fixes:
                reasons = self.reasons_of(fix)
                if fix["seq"] in taken:
                    reasons = ["duplicate"]
                if reasons:
                    rejects.append({"seq": fix["seq"], "reasons": reasons})
                else:
                    taken[fix["seq"]] = fix
            self.handled[vehicle] = max(self.handled.get(vehicle, -1), *(fix["seq"] for fix in fixes))
            if self.before_ack:
                await self.before_ack(socket)
            await self._reply(socket, rejects, self.handled[vehicle])

    async def _reply(self, socket: ServerConnection, rejects: list[dict[str, Any]], seq: int) -> None:
        if socket.subprotocol == wire.BINARY_SUBPROTOCOL:
            if rejects:
                rows = [(one["seq"], wire.reason_bits(one["reasons"]), 0) for one in rejects]
                header = np.array([(wire.REPLY_REJECT, len(rows))], wire.REPLY_HEADER)
                await socket.send(header.tobytes() + np.array(rows, wire.REJECT_RECORD).tobytes())
            await socket.send(np.array([(wire.REPLY_ACK, 0, seq)], wire.ACK_REPLY).tobytes())
        else:
            if rejects:
                await socket.send(json.dumps({"type": "reject", "rejects": rejects}))
            await socket.send(json.dumps({"type": "ack", "seq": seq}))

    async def drop_all(self, code: int = 1011) -> None:
        """Close every connection."""
        await asyncio.gather(*(socket.close(code) for socket in list(self.sockets)))


def fixes_of(message: str | bytes) -> list[dict[str, Any]]:
    """The fixes of a device's frame."""
    if isinstance(message, bytes):
        records = np.frombuffer(message, wire.DEVICE_RECORD)
        return [dict(zip(records.dtype.names, row, strict=True)) for row in records.tolist()]
    said = json.loads(message)
    return said.get("fixes", [said])


@asynccontextmanager
async def small_hub(**options: Any) -> AsyncIterator[SmallHub]:
    """A running `SmallHub` on a free port."""
    hub = SmallHub(**options)
    server: Server = await serve(
        hub.serve,
        "127.0.0.1",
        0,
        process_request=hub.admit,
        subprotocols=list(wire.SUBPROTOCOLS),
        compression=None,
    )
    hub.port = server.sockets[0].getsockname()[1]
    try:
        yield hub
    finally:
        server.close()
        await server.wait_closed()
