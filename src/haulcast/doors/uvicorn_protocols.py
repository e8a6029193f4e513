"""uvicorn's two protocols, with what ASGI does not ask of a server: time limits, a limit of connections, and cutting off.

Both override single methods of uvicorn's classes; `tests/contracts/test_socket_shells.py` fails when uvicorn moves them.
"""

import asyncio
import sys
from functools import partial
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from haulcast.doors.crowd import Crowd
from haulcast.doors.http_guard import HEAD_BYTES
from haulcast.doors.open_sockets import CLOSE_GRACE_S
from haulcast.doors.problems import problem_response
from haulcast.doors.security_headers import security_headers
from haulcast.settings import Settings

ABORT = "haulcast.abort"
"""The ASGI extension: a callable that cuts the connection off."""


def uvicorn_options(settings: Settings, crowd: Crowd | None = None) -> dict[str, Any]:
    """What `uvicorn.Config` must be given so that the page's sockets behave as those of the fast lane.

    `crowd` counts the connections of the port; None: as many as the settings allow, of whatever address.
    Logs stay at warnings: uvicorn's lines of accepted sockets show query strings, and so tokens.
    """
    crowd = crowd or Crowd(settings.connections, settings.connections_per_address)
    return {
        "http": partial(
            PageHttp, handshake_timeout_s=settings.handshake_timeout_s, crowd=crowd, hsts_s=settings.hsts_s
        ),
        "ws": partial(PageWebSocket, crowd=crowd),
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "proxy_headers": False,  # uvicorn would believe any process on this machine; `doors.addresses` asks the settings
        "ws_max_size": settings.frame_bytes,
        "ws_ping_interval": settings.idle_timeout_s,
        "ws_ping_timeout": settings.idle_timeout_s,
        "ws_per_message_deflate": False,  # tens of KiB a connection, for frames that are small or dense already
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
    }


class PageHttp(H11Protocol):
    """HTTP/1.1, which cuts off who has not sent the head of a request in time, the first one or a later one."""

    def __init__(
        self, *args: Any, handshake_timeout_s: float, crowd: Crowd, hsts_s: int = 0, **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self._handshake_timeout_s = handshake_timeout_s
        self._answer_headers = security_headers(hsts_s)
        self._crowd = crowd
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_counted = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock starts, unless the connection is one too many."""
        super().connection_made(transport)
        self._is_counted = self._crowd.enter(self.client[0] if self.client else "")
        if not self._is_counted:
            transport.abort()
            return
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """The clock stops when a head is whole, and starts when another one begins."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_clock()
        elif self._head_timer is None:
            self._start_clock()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From now on the socket counts the connection; ours is never told of its end."""
        self._is_counted = False
        super().handle_websocket_upgrade(event)
        socket = self.transport.get_protocol()
        if isinstance(socket, PageWebSocket) and not socket.has_request:  # a line over the library's 8 KiB
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words
        """What is no HTTP, or too much of it, hears a problem document; uvicorn would say it in plain text."""
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:  # an answer is under way
            self.transport.abort()
            return
        status = getattr(
            sys.exception(), "error_status_hint", HTTPStatus.BAD_REQUEST
        )  # h11's, why we are called
        detail = "this is no HTTP/1.1 that can be read"
        if status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            answer = problem_response(
                status, "head_too_large", f"a request's head has at most {HEAD_BYTES} bytes"
            )
        else:
            answer = problem_response(status, "bad_http", detail)
        headers = {**self._answer_headers, **answer.headers, "connection": "close"}
        head = h11.Response(status_code=answer.status_code, headers=list(headers.items()))
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The clock stops."""
        self._stop_clock()
        if self._is_counted:
            self._is_counted = False
            self._crowd.leave(self.client[0] if self.client else "")
        super().connection_lost(exc)

    def _start_clock(self) -> None:
        self._head_timer = self.loop.call_later(self._handshake_timeout_s, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class PageWebSocket(WebSocketsSansIOProtocol):
    """WebSocket on the websockets library, which lets the application cut a connection off."""

    def __init__(self, *args: Any, crowd: Crowd, **more: Any) -> None:
        super().__init__(*args, **more)
        self._crowd = crowd
        self.has_request = False

    def handle_connect(self, event: Request) -> None:
        """Offer the extension; the application's task starts only after this returns."""
        self.has_request = True
        super().handle_connect(event)
        if self.response.status_code == 101:  # otherwise there is no scope
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[ABORT] = self.transport.abort

    def connection_lost(self, exc: Exception | None) -> None:
        """One less."""
        self._crowd.leave(self.client[0] if self.client else "")
        super().connection_lost(exc)

    def keepalive_timeout(self) -> None:
        """A silent peer may leave bytes unread, and then uvicorn's close would wait for ever."""
        super().keepalive_timeout()
        self.loop.call_later(CLOSE_GRACE_S, self.transport.abort)
