"""uvicorn's two protocols, with what ASGI does not ask of a server: a time limit for handshakes, and cutting off.

Both override single methods of uvicorn's classes; `tests/contracts/test_socket_shells.py` fails when uvicorn moves them.
"""

import asyncio
from functools import partial
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from haulcast.doors.open_sockets import CLOSE_GRACE_S
from haulcast.settings import Settings

ABORT = "haulcast.abort"
"""The ASGI extension: a callable that cuts the connection off."""


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """What `uvicorn.Config` must be given so that the page's sockets behave as those of the fast lane.

    Logs stay at warnings: uvicorn's lines of accepted sockets show query strings, and so tokens.
    """
    return {
        "http": partial(PageHttp, handshake_timeout_s=settings.handshake_timeout_s),
        "ws": PageWebSocket,
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
    """HTTP/1.1, which cuts off who has not sent the head of a first request in time."""

    def __init__(self, *args: Any, handshake_timeout_s: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self._handshake_timeout_s = handshake_timeout_s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The clock starts."""
        super().connection_made(transport)
        self._handshake_timer = self.loop.call_later(self._handshake_timeout_s, self._cut_off_without_request)

    def connection_lost(self, exc: Exception | None) -> None:
        """The clock stops."""
        self._handshake_timer.cancel()
        super().connection_lost(exc)

    def _cut_off_without_request(self) -> None:
        has_request = self.scope is not None  # uvicorn's type denies the None it begins with
        if not has_request:
            self.transport.abort()


class PageWebSocket(WebSocketsSansIOProtocol):
    """WebSocket on the websockets library, which lets the application cut a connection off."""

    def handle_connect(self, event: Request) -> None:
        """Offer the extension; the application's task starts only after this returns."""
        super().handle_connect(event)
        if self.response.status_code == 101:  # otherwise there is no scope
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[ABORT] = self.transport.abort

    def keepalive_timeout(self) -> None:
        """A silent peer may leave bytes unread, and then uvicorn's close would wait for ever."""
        super().keepalive_timeout()
        self.loop.call_later(CLOSE_GRACE_S, self.transport.abort)
