"""What the doors tell the audit log: who changed what, and who was refused. The log itself is in `access`."""

from dataclasses import dataclass
from typing import Protocol

from haulcast.doors.socket_session import Claims


@dataclass(frozen=True, slots=True)
class Deed:
    """One change, or one refusal. Never a token, a query or a body.

    Attributes:
        time_ms: when, epoch milliseconds.
        claims: of whom; None: nobody that we know.
        address: from where.
        action: what was asked for, as method and route.
        target: to what it was done.
        status: how it was answered.
        code: of the error.
    """

    time_ms: int
    claims: Claims | None
    address: str
    action: str
    target: str
    status: int
    code: str = ""


class Recorder(Protocol):
    """Hears of deeds."""

    async def changed(self, deed: Deed) -> None:
        """A change was made and is about to be answered. Does not fail."""

    def refused(self, deed: Deed) -> None:
        """Somebody was refused. Does not wait, and does not fail."""


class NoAudit:
    """Keeps nothing."""

    async def changed(self, deed: Deed) -> None:
        """Nothing happens."""

    def refused(self, deed: Deed) -> None:
        """Nothing happens."""
