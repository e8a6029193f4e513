"""The fast lane's port: picows listens, the door judges each handshake, `FastSocket` carries what came in."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import structlog
from picows import WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener, ws_create_server
from starlette.responses import Response

from haulcast import clock
from haulcast.doors.fast_socket import FastSocket, Lane
from haulcast.doors.handshake import Door, Refusal, plain_headers
from haulcast.doors.open_sockets import SWEEP_S, OpenSockets, log_refusal
from haulcast.doors.problems import problem_response
from haulcast.settings import Settings

BACKLOG = 4096
"""Connections the kernel keeps for us while we are busy: all devices come back at once after a restart."""

_log = structlog.get_logger("haulcast.sockets")


class FastServer:
    """A listening fast lane."""

    def __init__(self, server: asyncio.Server, sockets: OpenSockets) -> None:
        self._server = server
        self.sockets = sockets
        self.port: int = server.sockets[0].getsockname()[1]

    async def stop(self, code: int, reason: str, timeout_s: float = 5.0) -> None:
        """Stop listening, close every connection with the code, and cut off who is left after `timeout_s`."""
        self._server.close()
        await self.sockets.stop(code, reason, timeout_s)


async def serve_fast_socket(host: str, port: int, settings: Settings, door: Door) -> FastServer:
    """Listen; port 0 takes a free one, `FastServer.port` says which.

    Raises:
        OSError: the address is taken or not ours.
    """
    lane = Lane(
        OpenSockets(min(SWEEP_S, settings.idle_timeout_s / 4)),
        settings.frame_bytes,
        settings.send_buffer_bytes,
        settings.idle_timeout_s,
    )
    server = await ws_create_server(
        lambda request: _answer_safely(request, door, lane),
        host,
        port,
        websocket_handshake_timeout=settings.handshake_timeout_s,
        logger_name=_PicowsLog(logging.getLogger("picows"), {}),
        enable_auto_pong=False,  # pongs would pile up for a peer that pings and never reads
        max_frame_size=settings.frame_bytes,
        read_buffer_init_size=settings.read_buffer_bytes,
        # aiofastnet takes 5 KiB more a connection, and on uvloop misses a reset that comes together with data
        use_aiofastnet=False,
        backlog=BACKLOG,
    )
    return FastServer(server, lane.sockets)


def _answer_safely(request: WSUpgradeRequest, door: Door, lane: Lane) -> WSUpgradeResponseWithListener:
    try:
        return _answer(request, door, lane)
    except Exception:  # noqa: BLE001  logged; picows would send its text to the peer and log nothing
        _log.exception("handshake_failed")
        return _http_answer(
            problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "the hub made a mistake")
        )


def _answer(request: WSUpgradeRequest, door: Door, lane: Lane) -> WSUpgradeResponseWithListener:
    headers = plain_headers(request.headers.items())
    if "upgrade" in headers.get("connection", "").lower():
        request.headers["Connection"] = (
            "upgrade"  # Firefox says "keep-alive, Upgrade", which picows does not take
        )
    if lane.sockets.is_stopping:
        return _http_answer(
            problem_response(HTTPStatus.SERVICE_UNAVAILABLE, "stopping", "the hub stops; come back")
        )
    if headers.get("upgrade", "").lower() != "websocket":
        detail = "this port speaks WebSocket only"
        return _http_answer(
            problem_response(
                HTTPStatus.UPGRADE_REQUIRED, "upgrade_required", detail, headers={"Upgrade": "websocket"}
            )
        )
    target, _, query = request.path.decode("latin-1").partition("?")
    path = unquote(target)
    admission = door.admit(path, query, headers, remote="", now_ms=clock.epoch_ms())
    if isinstance(admission, Refusal):
        if admission.close_code is None:
            log_refusal(path, "", admission.error.http_status, admission.error.code)
            return _http_answer(admission.problem())
        admission, make_session = admission.let_in(path, "")
    else:
        make_session = door.paths[path].make_session
    chosen = admission.subprotocol
    response = WSUpgradeResponse.create_101_response(
        {} if chosen is None else {"Sec-WebSocket-Protocol": chosen}
    )
    return WSUpgradeResponseWithListener(response, FastSocket(lane, admission, make_session))


def _http_answer(answer: Response) -> WSUpgradeResponseWithListener:
    headers = {
        name: value for name, value in answer.headers.items() if name != "content-length"
    }  # picows adds it
    response = WSUpgradeResponse.create_error_response(answer.status_code, bytes(answer.body), headers)
    return WSUpgradeResponseWithListener(response, None)


class _PicowsLog(logging.LoggerAdapter[logging.Logger]):
    """picows tells of every connection and of every peer's mistake; our own line says the same once.

    That it is no `logging.Logger` also keeps picows from making one for each connection.
    """

    def info(self, msg: object, *args: Any, **kwargs: Any) -> None:
        """A connection came or went."""
        self.debug(msg, *args, **kwargs)

    def error(self, msg: object, *args: Any, **kwargs: Any) -> None:
        """A peer broke the protocol."""
        self.debug(msg, *args, **kwargs)
