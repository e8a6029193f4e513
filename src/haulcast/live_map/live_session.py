"""One map client's connection, without I/O: commands in, what they mean to the fan-out, errors back."""

from dataclasses import replace

import orjson

from haulcast.doors.close_codes import CloseCode
from haulcast.doors.socket_session import Admission, Link
from haulcast.doors.wire import BINARY_SUBPROTOCOL, RENEWED, SUBPROTOCOLS
from haulcast.errors import ClientError, ForbiddenError, FrameError, KeysError, RequestError
from haulcast.live_map.fan_out import FanOut
from haulcast.live_map.subscriber import Subscriber
from haulcast.live_map.view import Command, Move, Renew, Resume, Subscribe, View, read_command
from haulcast.settings import Settings

MOST_UNREAD_REPLIES = 100
"""A client that asks and asks but reads no reply is sent away before the replies fill the memory."""


class LiveSession:
    """Implements `doors.socket_session.SocketSession` for one map client."""

    __slots__ = ("_admission", "_bad_in_a_row", "_fan_out", "_settings", "_subscriber", "_unread")

    def __init__(self, fan_out: FanOut, settings: Settings, admission: Admission) -> None:
        self._fan_out = fan_out
        self._settings = settings
        self._admission = admission
        self._subscriber: Subscriber | None = None
        self._bad_in_a_row = 0
        self._unread = 0

    def opened(self, link: Link) -> None:
        """Say hello, with the place in the fleet's events from which a client may resume later."""
        admission, events = self._admission, self._fan_out.events
        is_binary = admission.subprotocol == BINARY_SUBPROTOCOL
        subscriber = self._subscriber = self._fan_out.enter(link, admission.claims, is_binary=is_binary)
        if admission.unknown_subprotocols:
            offered = ", ".join(admission.unknown_subprotocols)[:200]
            reason = f"{offered} is not known; known are {', '.join(SUBPROTOCOLS)}. JSON is spoken"
            self._say(
                link,
                FrameError("unknown_subprotocol", reason, field="Sec-WebSocket-Protocol").as_fields(),
                "error",
            )
        offset = events.log_of(subscriber.fleet_number).last
        self._say(
            link,
            {
                "fleet": subscriber.fleet,
                "epoch": events.epoch,
                "offset": offset,
                "time_ms": self._fan_out.now_ms(),
            },
            "welcome",
        )

    def received(self, payload: bytes, *, is_text: bool) -> None:
        """Do what a command says, or say what is wrong with it."""
        subscriber = self._subscriber
        if subscriber is None:
            return
        try:
            if not is_text:
                raise FrameError("bad_binary", "the live socket takes commands as JSON text")
            self._do(subscriber, read_command(payload, self._settings.view_rate_hz))
        except (ClientError, KeysError) as error:
            self._bad_in_a_row += 1
            self._say(subscriber.link, error.as_fields(), "error")
            if self._bad_in_a_row >= self._settings.bad_frames:
                subscriber.link.close(CloseCode.BAD_FRAMES, f"{self._bad_in_a_row} bad frames in a row")
        else:
            self._bad_in_a_row = 0

    def writable(self) -> None:
        """The client has read: go on with what waits for it."""
        self._unread = 0
        if self._subscriber is not None:
            self._fan_out.writable(self._subscriber)

    def closed(self) -> None:
        """The connection is gone."""
        if self._subscriber is not None:
            self._fan_out.leave(self._subscriber)
            self._subscriber = None

    def _do(self, subscriber: Subscriber, command: Command) -> None:
        fan_out = self._fan_out
        if isinstance(command, Subscribe):
            fan_out.subscribe(subscriber, self._allowed(command.view))
        elif isinstance(command, Move):
            if not fan_out.move(subscriber, command):
                raise RequestError(
                    "not_subscribed", "there is no view to move; subscribe first", field="type"
                )
        elif isinstance(command, Resume):
            is_complete = fan_out.resume(subscriber, command)
            log = fan_out.events.log_of(subscriber.fleet_number)
            self._say(
                subscriber.link, {"epoch": log.epoch, "offset": log.last, "complete": is_complete}, "resumed"
            )
            fan_out.events.pump(subscriber)
        elif isinstance(command, Renew):
            self._send(subscriber.link, RENEWED % subscriber.link.renew(command.token))
        else:
            fan_out.unsubscribe(subscriber)

    def _allowed(self, view: View) -> View:
        """The view, within the vehicles of a shared one."""
        shared = self._admission.claims.vehicles
        if shared is None:
            return view
        if view.vehicles is None:
            return replace(view, vehicles=shared)
        if not view.vehicles <= shared:
            allowed = ", ".join(sorted(shared))[:200]
            raise ForbiddenError(
                "not_shared", f"this view is of {allowed}; others are not shared", field="vehicles"
            )
        return view

    def _say(self, link: Link, said: dict[str, object], kind: str) -> None:
        self._send(link, orjson.dumps({"type": kind, **said}))

    def _send(self, link: Link, reply: bytes) -> None:
        link.send_text(reply)
        if link.is_writable:
            self._unread = 0
            return
        self._unread += 1
        if self._unread > MOST_UNREAD_REPLIES:
            link.close(CloseCode.SLOW, f"{self._unread} replies were not read")
