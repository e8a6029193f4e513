"""The same sessions on the HTTP port, through Starlette and uvicorn: for pages of the same origin and one-port hosts.

ASGI sends are coroutines and a session's are plain calls, so each connection has a bounded queue and a task that
empties it. What ASGI has no word for (cutting off, slow handshakes) is in `uvicorn_protocols`, which app.py puts into
uvicorn with `uvicorn_options(settings)`; on another ASGI server a peer that never reads stays until TCP gives up.
"""

import asyncio
from collections import deque
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.routing import WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket, WebSocketDisconnect

from haulcast import clock
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.fast_socket import WAITING_LIMIT
from haulcast.doors.handshake import (
    INTERNAL_ERROR,
    Door,
    Refusal,
    RefusedSession,
    open_session,
    plain_headers,
)
from haulcast.doors.open_sockets import (
    CLOSE_GRACE_S,
    SWEEP_S,
    OpenSockets,
    expiry_s,
    log_end,
    log_failure,
    log_refusal,
    short_reason,
)
from haulcast.doors.problems import problem_response
from haulcast.doors.socket_session import Admission, Claims, Payload, SessionFactory
from haulcast.doors.uvicorn_protocols import ABORT
from haulcast.settings import Settings


class PageSockets:
    """The sockets of the HTTP port: routes to serve them, and a way to end them before uvicorn does."""

    def __init__(self, door: Door, settings: Settings) -> None:
        self._door = door
        self._send_buffer_bytes = settings.send_buffer_bytes
        self.sockets = OpenSockets(min(SWEEP_S, settings.idle_timeout_s / 4))

    def routes(self) -> list[WebSocketRoute]:
        """One route for every path, so that an unknown one gets 404; place it before any mount."""
        return [WebSocketRoute("/{path:path}", self._answer)]

    async def stop(self, code: int, reason: str, timeout_s: float = 5.0) -> None:
        """Refuse new connections, close all with the code, and cut off who is left after `timeout_s`."""
        await self.sockets.stop(code, reason, timeout_s)

    async def _answer(self, websocket: WebSocket) -> None:
        path = websocket.scope["path"]
        remote = f"{websocket.client.host}:{websocket.client.port}" if websocket.client else ""
        if self.sockets.is_stopping:
            await websocket.send_denial_response(
                problem_response(503, "stopping", "the hub stops; come back")
            )
            return
        query = websocket.scope["query_string"].decode("latin-1")
        admission = self._door.admit(
            path, query, plain_headers(websocket.headers.items()), remote=remote, now_ms=clock.epoch_ms()
        )
        if isinstance(admission, Refusal):
            if admission.close_code is None:
                log_refusal(path, admission.remote, admission.error.http_status, admission.error.code)
                await websocket.send_denial_response(admission.problem())
                return
            admission, make_session = admission.let_in(path)
        else:
            make_session = self._door.paths[path].make_session
        await websocket.accept(admission.subprotocol)
        if self._door.is_revoked(admission.claims):  # meanwhile; from here on `close_revoked` finds it
            make_session = partial(RefusedSession, CloseCode.TOKEN, "revoked_token")
        socket = PageSocket(websocket, admission, self._door, self.sockets, self._send_buffer_bytes)
        await socket.run(make_session)


class PageSocket:
    """One open connection: the session's link, its queue, and what the sweep looks at."""

    __slots__ = (
        "_abort",
        "_admission",
        "_close",
        "_door",
        "_is_full",
        "_is_leaving",
        "_messages_in",
        "_messages_out",
        "_queue",
        "_send_buffer_bytes",
        "_session",
        "_sockets",
        "_waiting_bytes",
        "_wake",
        "_websocket",
        "due_s",
    )

    def __init__(
        self,
        websocket: WebSocket,
        admission: Admission,
        door: Door,
        sockets: OpenSockets,
        send_buffer_bytes: int,
    ) -> None:
        self._websocket = websocket
        self._admission = admission
        self._door = door
        self._sockets = sockets
        self._send_buffer_bytes = send_buffer_bytes
        self._abort: Any = websocket.scope.get("extensions", {}).get(ABORT)
        self._queue: deque[tuple[Message, int]] = deque()
        self._waiting_bytes = 0
        self._wake = asyncio.Event()
        self._close: tuple[int, str] | None = None
        self._is_full = False
        self._is_leaving = False
        self._messages_in = 0
        self._messages_out = 0
        self.due_s = expiry_s(admission.claims)

    async def run(self, make_session: SessionFactory) -> None:
        """Carry messages both ways until the connection is gone."""
        opened_s = clock.monotonic_s()
        self._sockets.add(self)
        self._session = open_session(make_session, self._admission)
        writer = asyncio.create_task(self._write())
        code = None
        try:
            self._open()
            code = await self._read()
        finally:
            writer.cancel()
            self._sockets.discard(self)
            try:
                self._session.closed()
            except Exception:  # noqa: BLE001  logged
                log_failure(self._admission)
            if (
                self._abort is not None
            ):  # uvicorn waits for ever for a peer that does not read our close frame
                asyncio.get_running_loop().call_later(CLOSE_GRACE_S, self._abort)
            code = self._close[0] if self._close is not None else code
            self._sockets.ended(code)
            log_end(self._admission, code, opened_s, self._messages_in, self._messages_out)

    async def _read(self) -> int | None:
        """Give every message to the session; returns the peer's close code."""
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                code: int | None = message.get("code")
                return code
            if self._close is not None:
                continue
            self._messages_in += 1
            text = message.get("text")
            try:
                self._session.received(
                    message["bytes"] if text is None else text.encode(), is_text=text is not None
                )
            except Exception:  # noqa: BLE001  logged; one session's failure ends its own connection only
                self._failed()

    async def _write(self) -> None:
        """Send what is queued, in order, and the close frame last."""
        websocket = self._websocket
        try:
            while self._close is None or self._queue:
                while self._queue:
                    message, size_bytes = self._queue.popleft()
                    await websocket.send(message)
                    self._sent(size_bytes)
                if self._close is None:
                    await self._wake.wait()
                    self._wake.clear()
            await websocket.close(*self._close)
        except (WebSocketDisconnect, RuntimeError):
            pass  # the peer was faster; Starlette and uvicorn say so with either, and `_read` hears of it too

    def _sent(self, size_bytes: int) -> None:
        self._messages_out += 1
        self._waiting_bytes -= size_bytes
        if self._is_full and self._waiting_bytes <= self._send_buffer_bytes // 4:
            self._is_full = False
            if self._close is None:
                try:
                    self._session.writable()
                except Exception:  # noqa: BLE001  logged
                    self._failed()

    def _open(self) -> None:
        try:
            self._session.opened(self)
        except Exception:  # noqa: BLE001  logged
            self._failed()

    def _failed(self) -> None:
        log_failure(self._admission)
        self.close(INTERNAL_ERROR, "internal error")

    # the session calls these, through its link

    def send_text(self, payload: Payload) -> None:
        """Queue one text message."""
        self._send({"type": "websocket.send", "text": str(payload, "utf-8", "replace")}, len(payload))

    def send_binary(self, payload: Payload) -> None:
        """Queue one binary message."""
        self._send({"type": "websocket.send", "bytes": bytes(payload)}, len(payload))

    @property
    def is_writable(self) -> bool:
        """False while more than the send buffer waits for the peer, until three quarters of it are gone."""
        return not self._is_full

    def close(self, code: int, reason: str) -> None:
        """Close after what is queued; the peer has until the grace ends to read it."""
        if self._close is None:
            self._close = (int(code), short_reason(reason).decode())
            self.due_s = 0.0
            self._wake.set()

    def renew(self, token: str) -> int:
        """Go on under a newer token."""
        claims = self._door.renewed(self._admission.claims, token, clock.epoch_ms())
        self._admission = replace(self._admission, claims=claims)
        if self._close is None:
            self.due_s = expiry_s(claims)
        return claims.expires_ms

    def _send(self, message: Message, size_bytes: int) -> None:
        if self._close is not None:
            return
        self._queue.append((message, size_bytes))
        self._waiting_bytes += size_bytes
        self._is_full = self._is_full or self._waiting_bytes > self._send_buffer_bytes
        if self._waiting_bytes > WAITING_LIMIT * self._send_buffer_bytes:
            self.close(CloseCode.SLOW, "slow")
        self._wake.set()

    # the sweep calls these; pings are uvicorn's

    @property
    def claims(self) -> Claims:
        """What the token says."""
        return self._admission.claims

    def overdue(self, now_s: float) -> None:
        """Cut off who does not leave, close whose token has expired."""
        if self._close is None:
            self.close(CloseCode.TOKEN, "expired_token")
            return
        if self._is_leaving:
            self.abort()
        self._is_leaving = True
        self.due_s = now_s + CLOSE_GRACE_S

    def abort(self) -> None:
        """Cut the connection off, without what still waits."""
        if self._abort is not None:
            self._abort()
