"""One map client's connection, without I/O: commands in, what they mean to the fan-out, errors back."""

from collections.abc import Callable
from dataclasses import replace

import orjson

from haulcast.doors.close_codes import CloseCode
from haulcast.doors.socket_session import Admission, Claims, Link
from haulcast.doors.wire import BINARY_SUBPROTOCOL, RENEWED, SUBPROTOCOLS
from haulcast.errors import (
    ClientError,
    ForbiddenError,
    FrameError,
    KeysError,
    NotFoundError,
    RequestError,
)
from haulcast.live_map.fan_out import FanOut
from haulcast.live_map.playback import Playback, State
from haulcast.live_map.playbacks import Playbacks
from haulcast.live_map.subscriber import Subscriber
from haulcast.live_map.view import (
    Command,
    GoLive,
    Move,
    Play,
    Renew,
    Resume,
    Steer,
    Subscribe,
    View,
    read_command,
)
from haulcast.settings import Settings

MOST_UNREAD_REPLIES = 100
"""A client that asks and asks but reads no reply is sent away before the replies fill the memory."""


class LiveSession:
    """Implements `doors.socket_session.SocketSession` for one map client."""

    __slots__ = (
        "_admission",
        "_bad_in_a_row",
        "_count",
        "_fan_out",
        "_playback",
        "_playbacks",
        "_settings",
        "_subscriber",
        "_unread",
    )

    def __init__(
        self,
        fan_out: FanOut,
        settings: Settings,
        admission: Admission,
        playbacks: Playbacks | None = None,
        count: Callable[[Claims], None] = lambda _claims: None,
    ) -> None:
        """A connection that the door has let in.

        Args:
            fan_out: tells what there is to see.
            settings: the hub's.
            admission: who it is.
            playbacks: begins them; None: there is no history to be played.
            count: counts a request under these claims; raises RateError when there were too many.
        """
        self._count = count
        self._fan_out = fan_out
        self._settings = settings
        self._admission = admission
        self._playbacks = playbacks
        self._playback: Playback | None = None  # while it lasts, the subscriber sees nothing live
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
        if self._playback is not None:
            self._playback.writable()

    def closed(self) -> None:
        """The connection is gone."""
        if self._subscriber is not None:
            self._end_playback()
            self._fan_out.leave(self._subscriber)
            self._subscriber = None

    def _do(self, subscriber: Subscriber, command: Command) -> None:
        fan_out = self._fan_out
        if isinstance(command, Subscribe):
            self._count(self._admission.claims)
            view = self._allowed(command.view)
            self._stop_playback(subscriber)
            fan_out.subscribe(subscriber, view)
        elif isinstance(command, Move):
            self._move(subscriber, command)
        elif isinstance(command, Resume):
            self._say_resumed(subscriber, is_complete=fan_out.resume(subscriber, command))
            fan_out.events.pump(subscriber)
        elif isinstance(command, Renew):
            self._send(subscriber.link, RENEWED % subscriber.link.renew(command.token))
        elif isinstance(command, Play | Steer | GoLive):
            self._play(subscriber, command)
        else:
            self._stop_playback(subscriber)
            fan_out.unsubscribe(subscriber)

    def _move(self, subscriber: Subscriber, move: Move) -> None:
        if self._playback is not None and subscriber.view is not None:
            subscriber.view = subscriber.view.moved(move)
            self._playback.move(move)
        elif not self._fan_out.move(subscriber, move):
            raise RequestError("not_subscribed", "there is no view to move; subscribe first", field="type")

    def _play(self, subscriber: Subscriber, command: Play | Steer | GoLive) -> None:
        if self._playbacks is None:
            raise NotFoundError("no_history", "this hub keeps no history")
        self._count(self._admission.claims)
        if isinstance(command, Play):
            self._begin_playback(self._playbacks, subscriber, command)
        elif self._playback is None:
            raise RequestError("not_playing", "nothing is played; begin with at_ms", field="type")
        elif isinstance(command, Steer):
            self._playback.steer(command)
        else:
            self._go_live(subscriber)

    def _begin_playback(self, playbacks: Playbacks, subscriber: Subscriber, play: Play) -> None:
        view = self._allowed(play.view_after(subscriber.view, self._settings.view_rate_hz))
        if self._playback is None:
            self._playback = playbacks.begin(
                self._admission.claims, subscriber.link, play, view, is_binary=subscriber.is_binary
            )
            self._fan_out.step_aside(subscriber)
        else:
            self._playback.begin(play, view)
        live = subscriber.view or view
        subscriber.view = replace(live, box=view.box, zoom=view.zoom)

    def _go_live(self, subscriber: Subscriber) -> None:
        self._stop_playback(subscriber)
        events, view = self._fan_out.events, subscriber.view
        if view is None:
            return
        if view.events and subscriber.offset is not None:
            is_complete = events.resume(subscriber, events.epoch, subscriber.offset)
            self._say_resumed(subscriber, is_complete=is_complete)
        self._fan_out.subscribe(subscriber, view)

    def _stop_playback(self, subscriber: Subscriber) -> None:
        """End the playback, if there is one, and say where what is played ends."""
        if self._playback is not None:
            last = self._playback.frame(State.STOPPED)
            self._end_playback()
            self._send(subscriber.link, last)

    def _end_playback(self) -> None:
        if self._playback is not None:
            self._playback.end()
            self._fan_out.slow_closes += self._playback.slow_closes
            self._playback = None

    def _allowed(self, view: View) -> View:
        """The view, within the vehicles of a shared one."""
        shared = self._admission.claims.vehicles
        if shared is None:
            return view
        if view.vehicles is not None and not view.vehicles <= shared:
            allowed = ", ".join(sorted(shared))[:200]
            raise ForbiddenError(
                "not_shared", f"this view is of {allowed}; others are not shared", field="vehicles"
            )
        seen = shared if view.vehicles is None else view.vehicles
        return replace(view, vehicles=seen, fences=False, availability=False)  # these are not shared

    def _say_resumed(self, subscriber: Subscriber, *, is_complete: bool) -> None:
        log = self._fan_out.events.log_of(subscriber.fleet_number)
        said = {"epoch": log.epoch, "offset": log.last, "complete": is_complete}
        self._say(subscriber.link, said, "resumed")

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
