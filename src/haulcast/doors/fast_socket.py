"""A connection of the fast lane: a session behind picows, one Python call for a frame.

picows parses frames in C and calls `on_ws_frame` for each; what it leaves to us is here: joining fragments, answering
pings and close frames, letting go of silent and of slow peers. RSV bits are not checked: no extension is ever agreed
on, and a compressed frame fails in the session as text or records that cannot be read.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from multidict import CIMultiDict
from picows import WSFrame, WSListener, WSMsgType, WSTransport

from haulcast import clock
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.handshake import INTERNAL_ERROR, Door, open_session
from haulcast.doors.open_sockets import (
    CLOSE_GRACE_S,
    OpenSockets,
    expiry_s,
    log_end,
    log_failure,
    short_reason,
)
from haulcast.doors.socket_session import Admission, Claims, Payload, SessionFactory, SocketSession

WAITING_LIMIT = 4
"""A peer with this many send buffers waiting for it is closed as slow, whatever its session still wants to say."""

PROTOCOL_ERROR = 1002

COPIED_BYTES = 8192
"""picows joins a header and this much into one buffer. For more it queues a view of a header that the next send
overwrites, when uvloop has not yet written it; so there we queue header and payload ourselves, without a copy."""

# Enum members of picows are compared by identity: `frame.msg_type` gives these very objects.
TEXT, BINARY, CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
PING, PONG, CLOSE = WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE

NO_HEADERS: CIMultiDict[str] = CIMultiDict()


@dataclass(frozen=True, slots=True)
class Lane:
    """What all connections of one fast server share."""

    sockets: OpenSockets
    door: Door
    frame_bytes: int
    send_buffer_bytes: int
    idle_timeout_s: float
    answer_headers: Mapping[str, str]


class FastSocket(WSListener):
    """One open connection: picows' listener, the session's link, and what the sweep looks at.

    Silence is found by comparing `messages_in` with what it was `idle_timeout_s` ago, so a frame costs no clock;
    a silent peer is therefore pinged after one to two idle timeouts.
    """

    __slots__ = (
        "_admission",
        "_code",
        "_expires_s",
        "_heard",
        "_is_leaving",
        "_is_paused",
        "_is_pinged",
        "_lane",
        "_make_session",
        "_messages_out",
        "_opened_s",
        "_parts",
        "_parts_are_text",
        "_received",
        "_session",
        "_transport",
        "due_s",
        "messages_in",
    )

    _session: SocketSession
    _transport: WSTransport

    def __init__(self, lane: Lane, admission: Admission, make_session: SessionFactory) -> None:
        self._lane = lane
        self._admission = admission
        self._make_session = make_session
        self._code: int | None = None
        self._parts: bytearray | None = None
        self._parts_are_text = False
        self._is_paused = False
        self._is_pinged = False
        self._is_leaving = False
        self._heard = 0
        self.messages_in = 0
        self._messages_out = 0

    # picows calls these

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The handshake is done."""
        self._transport = transport
        transport.request.headers = transport.response.headers = (
            NO_HEADERS  # picows keeps both for good, token included
        )
        transport.request.path = b""
        transport.underlying_transport.set_write_buffer_limits(high=self._lane.send_buffer_bytes)
        self._opened_s = clock.monotonic_s()
        self._expires_s = expiry_s(self._admission.claims)
        self.due_s = min(self._opened_s + self._lane.idle_timeout_s, self._expires_s)
        self._lane.sockets.add(self)
        self._session = open_session(self._make_session, self._admission)
        self._received = self._session.received
        try:
            self._session.opened(self)
        except Exception:  # noqa: BLE001  logged; one session's failure ends its own connection only
            self._failed()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """The hot path: a whole message goes straight to the session."""
        kind = frame.msg_type
        if (
            (kind is TEXT or kind is BINARY)
            and frame.fin
            and self._parts is None
            and not transport.is_close_frame_sent
        ):
            self.messages_in += 1
            try:
                self._received(frame.get_payload_as_bytes(), is_text=kind is TEXT)
            except Exception:  # noqa: BLE001  logged
                self._failed()
        elif kind is CLOSE:
            self._answer_close(transport, frame)
        elif not transport.is_close_frame_sent:
            self._other_frame(frame, kind)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone."""
        self._lane.sockets.discard(self)
        if (
            self._code is None
            and transport.close_handshake is not None
            and transport.close_handshake.sent is not None
        ):
            self._code = int(transport.close_handshake.sent.code)  # type: ignore[call-overload]  # the stub's enum; picows closed it: 1002, 1009
        try:
            self._session.closed()
        except Exception:  # noqa: BLE001  logged
            log_failure(self._admission)
        self._lane.sockets.ended(self._code)
        log_end(self._admission, self._code, self._opened_s, self.messages_in, self._messages_out)
        del self._session, self._received  # the session holds this link; without the ring both go at once

    def pause_writing(self) -> None:
        """More than the send buffer waits for the peer."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The peer has read most of it."""
        self._is_paused = False
        if self._transport.is_close_frame_sent:
            return
        try:
            self._session.writable()
        except Exception:  # noqa: BLE001  logged
            self._failed()

    # the session calls these, through its link

    def send_text(self, payload: Payload) -> None:
        """Queue one text message."""
        self._send(TEXT, payload)

    def send_binary(self, payload: Payload) -> None:
        """Queue one binary message."""
        self._send(BINARY, payload)

    @property
    def is_writable(self) -> bool:
        """False while more than the send buffer waits for the peer."""
        return not self._is_paused

    def close(self, code: int, reason: str) -> None:
        """Send a close frame; the peer has until the grace ends to answer it."""
        transport = self._transport
        if transport.is_close_frame_sent or transport.is_disconnected:
            return
        transport.send_close(code, short_reason(reason))  # type: ignore[arg-type]  # the stub's enum; any number goes
        self._code = code
        self.due_s = 0.0

    def renew(self, token: str) -> int:
        """Go on under a newer token; silence counts from now."""
        claims = self._lane.door.renewed(self._admission.claims, token, clock.epoch_ms())
        self._admission = replace(self._admission, claims=claims)
        self._expires_s = expiry_s(claims)
        if self.due_s:  # otherwise it is being closed
            self.due_s = min(clock.monotonic_s() + self._lane.idle_timeout_s, self._expires_s)
        return claims.expires_ms

    # the sweep calls these

    @property
    def claims(self) -> Claims:
        """What the token says."""
        return self._admission.claims

    def overdue(self, now_s: float) -> None:
        """Cut off who does not leave, close who may not stay, ping who is silent."""
        if self._transport.is_close_frame_sent:
            if self._is_leaving:
                self.abort()
            self._is_leaving = True
            self.due_s = now_s + CLOSE_GRACE_S
        elif now_s >= self._expires_s:
            self.close(CloseCode.TOKEN, "expired_token")
        elif self._heard == self.messages_in and self._is_pinged:
            self.close(CloseCode.IDLE, "no pong")
        else:
            if self._heard == self.messages_in:
                self._is_pinged = True
                self._send(PING, b"")
            self._heard = self.messages_in
            self.due_s = min(now_s + self._lane.idle_timeout_s, self._expires_s)

    def abort(self) -> None:
        """Cut the connection off, without what still waits."""
        self._transport.disconnect(graceful=False)

    # off the hot path

    def _send(self, kind: WSMsgType, payload: Payload) -> None:
        transport = self._transport
        if self._is_paused:
            waiting_bytes = transport.underlying_transport.get_write_buffer_size()
            if waiting_bytes > WAITING_LIMIT * self._lane.send_buffer_bytes:
                self.close(CloseCode.SLOW, "slow")
        if transport.is_close_frame_sent or transport.is_disconnected:
            return
        whole = payload if isinstance(payload, bytes) else bytes(payload)
        if len(whole) <= COPIED_BYTES:
            transport.send(kind, whole)
        else:
            transport.underlying_transport.writelines((_header(kind, len(whole)), whole))
        self._messages_out += 1

    def _other_frame(self, frame: WSFrame, kind: WSMsgType) -> None:
        if kind is PING:
            self._send(PONG, frame.get_payload_as_bytes())
        elif kind is PONG:
            self._is_pinged = False
        elif (kind is CONTINUATION) == (self._parts is None):
            self.close(PROTOCOL_ERROR, "a fragment without its message, or a message within another")
        else:
            self._join(frame, kind)

    def _join(self, frame: WSFrame, kind: WSMsgType) -> None:
        if self._parts is None:
            self._parts = bytearray()
            self._parts_are_text = kind is TEXT
        self._parts += frame.get_payload_as_memoryview()
        if len(self._parts) > self._lane.frame_bytes:
            self.close(CloseCode.TOO_BIG, f"over {self._lane.frame_bytes} bytes")
        elif frame.fin:
            payload, self._parts = bytes(self._parts), None
            self.messages_in += 1
            try:
                self._received(payload, is_text=self._parts_are_text)
            except Exception:  # noqa: BLE001  logged
                self._failed()

    def _answer_close(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        code = int.from_bytes(payload[:2]) if payload else CloseCode.NORMAL
        if not transport.is_close_frame_sent:
            transport.send_close(code, b"")  # type: ignore[arg-type]  # the stub's enum; any number goes
            self._code = code
        self.due_s = 0.0  # should what waits never be read
        transport.disconnect()

    def _failed(self) -> None:
        log_failure(self._admission)
        self.close(INTERNAL_ERROR, "internal error")


def _header(kind: WSMsgType, size_bytes: int) -> bytes:
    """A server's frame header for more than 125 bytes (RFC 6455, 5.2)."""
    first_byte = 0x80 | kind.value
    return (
        struct.pack("!BBH", first_byte, 126, size_bytes)
        if size_bytes < 65_536
        else struct.pack("!BBQ", first_byte, 127, size_bytes)
    )
