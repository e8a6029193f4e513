"""All open connections of one shell: one timer for them all, and one way to end them all."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import structlog

from haulcast import clock
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.socket_session import Admission, Claims

SWEEP_S = 1.0
CLOSE_GRACE_S = 5.0
"""A peer that has not answered our close frame for so long is cut off."""

LONGEST_REASON = 120
"""Bytes of a close reason; RFC 6455 allows 123."""

GONE = 1006  # RFC 6455: gone without a close frame
OTHER = 0  # any code that nobody has given a meaning
KNOWN_CODES = frozenset(CloseCode) | frozenset(range(1000, 1016))  # RFC 6455, 7.4.1

_log = structlog.get_logger("haulcast.sockets")


class OpenSocket(Protocol):
    """What the sweep and the stop need of a connection."""

    due_s: float
    """Monotonic time of the next `overdue`; 0: at the next sweep."""

    @property
    def claims(self) -> Claims:
        """What the connection's token says."""

    def overdue(self, now_s: float) -> None:
        """Do what is due (ping, expire, cut off) and set the next `due_s`."""

    def close(self, code: int, reason: str) -> None:
        """Begin to say goodbye."""

    def abort(self) -> None:
        """Cut the connection off now."""


class OpenSockets:
    """The connections of one shell. One sweep looks at one number of each; no connection has a timer of its own.

    Attributes:
        closes: connections that have ended, by close code.
    """

    def __init__(self, sweep_s: float = SWEEP_S) -> None:
        self.is_stopping = False
        self.closes: Counter[int] = Counter()
        self._sockets: set[OpenSocket] = set()
        self._sweep_s = sweep_s
        self._timer: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, socket: OpenSocket) -> None:
        """From now on it is swept."""
        self._sockets.add(socket)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)

    def discard(self, socket: OpenSocket) -> None:
        """It is gone; `ended` says with which code."""
        self._sockets.discard(socket)
        if not self._sockets:
            self._emptied.set()

    def ended(self, code: int | None) -> None:
        """Count a connection that is gone; a code of the peer's own making is none of ours to tell apart."""
        self.closes[GONE if code is None else int(code) if int(code) in KNOWN_CODES else OTHER] += 1

    def _sweep(self) -> None:
        self._timer = None
        if not self._sockets:
            return
        self._timer = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)
        now_s = clock.monotonic_s()
        for socket in [socket for socket in self._sockets if socket.due_s <= now_s]:
            socket.overdue(now_s)

    def close_revoked(self, is_revoked: Callable[[Claims], bool]) -> int:
        """Close those whose token was taken back; returns how many."""
        revoked = [socket for socket in self._sockets if is_revoked(socket.claims)]
        for socket in revoked:
            socket.close(CloseCode.TOKEN, "revoked_token")
        return len(revoked)

    async def stop(self, code: int, reason: str, timeout_s: float) -> None:
        """Close all, wait until they are gone, and after `timeout_s` cut off the rest."""
        self.is_stopping = True
        for socket in tuple(self._sockets):
            socket.close(code, reason)
        if not await self._gone_within(timeout_s):
            for socket in tuple(self._sockets):
                socket.abort()
            await self._gone_within(1.0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _gone_within(self, timeout_s: float) -> bool:
        self._emptied.clear()
        if self._sockets:
            try:
                await asyncio.wait_for(self._emptied.wait(), timeout_s)
            except TimeoutError:
                return False
        return True


def expiry_s(claims: Claims) -> float:
    """The monotonic time at which the connection's token expires."""
    return clock.monotonic_s() + (claims.expires_ms - clock.epoch_ms()) / 1000


def short_reason(reason: str) -> bytes:
    """At most 120 bytes of it, cut between characters."""
    return reason.encode()[:LONGEST_REASON].decode(errors="ignore").encode()


def log_end(
    admission: Admission, code: int | None, opened_s: float, messages_in: int, messages_out: int
) -> None:
    """The one line of a connection; never its token or its query."""
    claims = admission.claims
    _log.info(
        "socket_closed",
        path=admission.path,
        fleet=claims.fleet,
        role=claims.role,
        vehicle=claims.vehicle,
        remote=admission.remote,
        code=GONE if code is None else int(code),
        duration_s=round(clock.monotonic_s() - opened_s, 3),
        messages_in=messages_in,
        messages_out=messages_out,
    )


def log_refusal(path: str, remote: str, status: int, code: str) -> None:
    """The one line of a connection that was not let in."""
    _log.info("socket_refused", path=path[:128], remote=remote, status=status, code=code)


def log_failure(admission: Admission) -> None:
    """A session raised, which is ours to mend; called while the exception is handled."""
    _log.exception(
        "session_failed",
        path=admission.path,
        fleet=admission.claims.fleet,
        vehicle=admission.claims.vehicle,
        remote=admission.remote,
    )
