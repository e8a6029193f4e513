"""One device's connection, without I/O: frames go to the inbox, replies come from the tick."""

from typing import TYPE_CHECKING

from haulcast.devices import device_frames as frames
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.socket_session import Admission, Link
from haulcast.doors.wire import BINARY_SUBPROTOCOL, RENEWED, SUBPROTOCOLS
from haulcast.errors import ClientError, FrameError, HaulcastError, KeysError

if TYPE_CHECKING:
    from haulcast.devices.device_sessions import DeviceSessions


class DeviceSession:
    """Implements `doors.socket_session.SocketSession` for one vehicle's device."""

    __slots__ = (
        "_put",
        "_sessions",
        "_unknown_subprotocols",
        "bad_in_a_row",
        "is_binary",
        "link",
        "row",
        "vehicle",
    )

    def __init__(self, sessions: "DeviceSessions", admission: Admission, row: int) -> None:
        self.row = row
        self.vehicle = admission.claims.vehicle or ""
        self.is_binary = admission.subprotocol == BINARY_SUBPROTOCOL
        self.bad_in_a_row = 0
        self.link: Link | None = None
        self._sessions = sessions
        self._put = sessions.put  # one bound method for all
        self._unknown_subprotocols = admission.unknown_subprotocols

    def opened(self, link: Link) -> None:
        """Take the vehicle over from an older connection and say hello."""
        self.link = link
        if self._unknown_subprotocols:
            offered = ", ".join(self._unknown_subprotocols)[:200]
            reason = f"{offered} is not known; known are {', '.join(SUBPROTOCOLS)}. JSON is spoken"
            self.say_error(FrameError("unknown_subprotocol", reason, field="Sec-WebSocket-Protocol"))
        self._sessions.enter(self)

    def received(self, payload: bytes, *, is_text: bool) -> None:
        """Leave the frame for the next tick; a full inbox sends the device away, to come back with all unacked."""
        if not self._put(self.row if is_text else -1 - self.row, payload) and self.link is not None:
            self.link.close(
                CloseCode.OVERLOADED, "the hub is overloaded; come back later and resend what is not acked"
            )

    def writable(self) -> None:
        """Nothing waits here: acks are cumulative and the next one says it all."""

    def closed(self) -> None:
        """The connection is gone."""
        self.link = None
        self._sessions.leave(self)

    def say(self, payload: bytes, *, is_text: bool) -> None:
        """Send a reply, if there is still somebody to hear it."""
        if self.link is None:
            return
        if is_text:
            self.link.send_text(payload)
        else:
            self.link.send_binary(payload)

    def renew(self, token: str) -> bool:
        """Go on under a newer token, or say why not."""
        if self.link is None:
            return False
        try:
            expires_ms = self.link.renew(token)
        except (ClientError, KeysError) as error:
            self.say_error(error)
            return False
        self.say(RENEWED % expires_ms, is_text=True)
        return True

    def say_error(self, error: HaulcastError) -> None:
        """Tell what was wrong with a frame."""
        self.say(frames.error_text(error), is_text=True)
