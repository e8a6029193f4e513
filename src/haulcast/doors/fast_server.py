"""The fast lane's port: picows listens, the door judges each handshake, `FastSocket` carries what came in."""

import asyncio
import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import structlog
from picows import WSAutoPingStrategy, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # it is not in the stub
from starlette.responses import Response

from haulcast import clock
from haulcast.doors.crowd import Crowd
from haulcast.doors.fast_socket import FastSocket, Lane
from haulcast.doors.handshake import Door, Refusal, plain_headers
from haulcast.doors.open_sockets import SWEEP_S, OpenSockets, log_refusal
from haulcast.doors.problems import problem_response
from haulcast.doors.security_headers import security_headers
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


async def serve_fast_socket(
    host: str, port: int, settings: Settings, door: Door, crowd: Crowd | None = None
) -> FastServer:
    """Listen; port 0 takes a free one, `FastServer.port` says which.

    Raises:
        OSError: the address is taken or not ours.
    """
    lane = Lane(
        OpenSockets(min(SWEEP_S, settings.idle_timeout_s / 4)),
        door,
        settings.frame_bytes,
        settings.send_buffer_bytes,
        settings.idle_timeout_s,
        security_headers(settings.hsts_s),
    )
    crowd = crowd or Crowd(settings.connections, settings.connections_per_address)
    server = await asyncio.get_running_loop().create_server(
        lambda: LaneProtocol(lane, crowd, settings), host, port, backlog=BACKLOG
    )
    return FastServer(server, lane.sockets)


class Arrival:
    """Where a connection comes from; picows tells its listener's factory only what was asked for."""

    __slots__ = ("address", "lane", "port")

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.address = ""
        self.port = 0

    def __call__(self, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        """The listener for a handshake, or the HTTP answer that refuses it."""
        return _answer_safely(request, self.lane, f"{self.address}:{self.port}" if self.address else "")


class LaneProtocol(WSProtocol):  # type: ignore[misc]  # as above
    """picows' protocol of a connection, counted by address from its first moment.

    `picows.ws_create_server` makes the same with the same options, but lets nobody see the peer before the handshake is answered;
    `tests/contracts` fails when picows moves them.
    """

    __slots__ = ("_arrival", "_crowd", "_is_counted")

    def __init__(self, lane: Lane, crowd: Crowd, settings: Settings) -> None:
        self._arrival = Arrival(lane)
        self._crowd = crowd
        self._is_counted = False
        super().__init__(
            None,  # host and port, path: a client's
            None,
            False,  # the server's side
            self._arrival,
            _LOG,
            True,  # disconnect on an exception
            settings.handshake_timeout_s,
            False,  # no pings of picows' own, and their two times and strategy
            20.0,
            20.0,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # pongs would pile up for a peer that pings and never reads
            settings.frame_bytes,
            None,  # a client's headers
            settings.read_buffer_bytes,
        )

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Somebody connects; one too many is cut off."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if peer:
            self._arrival.address, self._arrival.port = peer[0], peer[1]
        self._is_counted = self._crowd.enter(self._arrival.address)
        if not self._is_counted:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """One less."""
        if self._is_counted:
            self._is_counted = False
            self._crowd.leave(self._arrival.address)
        super().connection_lost(exc)


def _answer_safely(request: WSUpgradeRequest, lane: Lane, remote: str) -> WSUpgradeResponseWithListener:
    try:
        return _answer(request, lane, remote)
    except Exception:  # noqa: BLE001  logged; picows would send its text to the peer and log nothing
        _log.exception("handshake_failed")
        return _http_answer(
            lane,
            problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", "the hub made a mistake"),
        )


def _answer(request: WSUpgradeRequest, lane: Lane, remote: str) -> WSUpgradeResponseWithListener:
    headers = plain_headers(request.headers.items())
    if "upgrade" in headers.get("connection", "").lower():
        request.headers["Connection"] = (
            "upgrade"  # Firefox says "keep-alive, Upgrade", which picows does not take
        )
    if lane.sockets.is_stopping:
        return _http_answer(
            lane, problem_response(HTTPStatus.SERVICE_UNAVAILABLE, "stopping", "the hub stops; come back")
        )
    if headers.get("upgrade", "").lower() != "websocket":
        detail = "this port speaks WebSocket only"
        return _http_answer(
            lane,
            problem_response(
                HTTPStatus.UPGRADE_REQUIRED, "upgrade_required", detail, headers={"Upgrade": "websocket"}
            ),
        )
    target, _, query = request.path.decode("latin-1").partition("?")
    path = unquote(target)
    admission = lane.door.admit(path, query, headers, remote=remote, now_ms=clock.epoch_ms())
    if isinstance(admission, Refusal):
        if admission.close_code is None:
            log_refusal(path, admission.remote, admission.error.http_status, admission.error.code)
            return _http_answer(lane, admission.problem())
        admission, make_session = admission.let_in(path)
    else:
        make_session = lane.door.paths[path].make_session
    chosen = admission.subprotocol
    response = WSUpgradeResponse.create_101_response(
        {} if chosen is None else {"Sec-WebSocket-Protocol": chosen}
    )
    return WSUpgradeResponseWithListener(response, FastSocket(lane, admission, make_session))


def _http_answer(lane: Lane, answer: Response) -> WSUpgradeResponseWithListener:
    headers = {
        name: value
        for name, value in {**lane.answer_headers, **answer.headers}.items()
        if name != "content-length"
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


_LOG = _PicowsLog(logging.getLogger("picows"), {})
