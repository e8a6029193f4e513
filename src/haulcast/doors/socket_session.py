"""What a session is to the shell that carries it: bytes in, bytes out, no asyncio.

A shell (`fast_socket`, `page_socket`) owns a connection: it runs the handshake, joins fragments, answers pings, and
moves whole messages. A session (`devices.device_session`, `live_map.live_session`) owns the meaning. The session
talks back through the `Link` it is given, which never blocks and never fails: what cannot be sent any more is dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

Payload = bytes | bytearray | memoryview


class Link(Protocol):
    """The way out of a session."""

    def send_text(self, payload: Payload) -> None:
        """Queue one text message (UTF-8, not checked). Nothing happens on a closed link."""

    def send_binary(self, payload: Payload) -> None:
        """Queue one binary message. The payload is copied or sent before this returns. Nothing on a closed link."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye with a code and a reason of at most 120 bytes; later sends are dropped."""

    def renew(self, token: str) -> int:
        """Go on under a newer token of the same bearer; returns when that expires, epoch milliseconds.

        Raises:
            TokenError: what the door says of the token.
            ForbiddenError: it is of another fleet, role, vehicle or share.
            HubError: it cannot be verified at the moment.
        """

    @property
    def is_writable(self) -> bool:
        """False while more than the send buffer's high-water mark waits for the peer to read."""


class SocketSession(Protocol):
    """What the other end does to a session. All calls come from the event loop's thread."""

    def opened(self, link: Link) -> None:
        """The handshake is done; the link works from now on."""

    def received(self, payload: bytes, *, is_text: bool) -> None:
        """One whole message. Never raises for what the peer sent."""

    def writable(self) -> None:
        """The peer has read: the link is writable again."""

    def closed(self) -> None:
        """The connection is gone, whoever ended it; called once, after `opened`."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says."""

    fleet: str
    role: str  # device, viewer, dispatcher, admin
    vehicle: str | None = None  # device tokens only
    expires_ms: int = field(default=2**62)
    vehicles: frozenset[str] | None = None  # of a shared view: these only; None: all of the fleet
    subject: str = ""  # who the bearer is, for people and the audit log
    token_id: str = ""  # `jti`, by which it can be revoked
    issued_ms: int = 0  # 0: not said, so any revocation of its vehicle is newer

    @property
    def bearer(self) -> tuple[str, str, str | None, frozenset[str] | None]:
        """What a newer token for the same connection has to have in common with this one."""
        return self.fleet, self.role, self.vehicle, self.vehicles


@dataclass(frozen=True, slots=True)
class Admission:
    """A connection that passed the door: who, on which path, with which subprotocol."""

    path: str
    claims: Claims
    subprotocol: str | None  # the one chosen; None: the client offered none
    unknown_subprotocols: tuple[str, ...] = ()  # offered, but none of ours among them
    remote: str = ""  # address of the peer, for the log


SessionFactory = Callable[[Admission], SocketSession]
