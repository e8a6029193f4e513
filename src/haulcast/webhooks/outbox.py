"""The contract of the outbox: how far each webhook is, what waits for another try, and what is dead.

The events themselves are the queue, and a webhook is a place in it (`delivered_number`). An event that could not be delivered is moved
beside it, so that those behind it are not held up; the move and the place are one transaction. What is noted here may be lost with a
crash of the database, never half of it: then a delivery is repeated under the same id, and none is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol


class Owner(NamedTuple):
    """A webhook, and not one that was made anew under its id."""

    fleet: str
    webhook_id: str
    created: datetime


class Delivery(NamedTuple):
    """An event to be sent to one webhook; `tries` were made, and with any it waits beside the queue."""

    number: int
    event_id: str
    document: str
    tries: int = 0


class DeadLetter(NamedTuple):
    """A delivery that was given up."""

    number: int
    event_id: str
    document: str
    tries: int
    failed_ms: int
    error: str


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """How a webhook is doing.

    Attributes:
        last_success_ms, last_error_ms, last_error: of the last attempt that went well, and badly; None: there was none.
        backlog: events still to be sent for the first time, counted up to a limit.
        waiting: that wait for another try.
        dead: that were given up.
    """

    last_success_ms: int | None
    last_error_ms: int | None
    last_error: str | None
    backlog: int
    waiting: int
    dead: int


class Outbox(Protocol):
    """Deliveries by webhook and number. Of an owner that is gone nothing is kept and nothing is changed.

    Every method raises StoreError when the store cannot be reached; one that notes something may simply be repeated.
    """

    async def due(self, owner: Owner, now_ms: int) -> Delivery | None:
        """The oldest delivery whose next try is due."""

    async def next_due_ms(self, owner: Owner) -> int | None:
        """When the next try of any is due; None: none waits."""

    async def delivered(self, owner: Owner, delivery: Delivery, now_ms: int) -> None:
        """It has arrived."""

    async def failed(
        self, owner: Owner, delivery: Delivery, error: str, next_ms: int | None, now_ms: int
    ) -> None:
        """A try of it failed; the next one is then, or never: it is dead."""

    async def gone(self, owner: Owner, reason: str, now_ms: int) -> None:
        """The receiver wants no more: the webhook is paused, and its place stays."""

    async def passed(self, owner: Owner, number: int) -> None:
        """Up to this number there is nothing to send."""

    async def hurry(self, owner: Owner, now_ms: int) -> None:
        """What waits is due now."""

    async def status(self, fleet: str, webhook_id: str, most: int) -> WebhookStatus | None:
        """How it is doing, with a backlog counted up to `most`; None: there is no such webhook."""

    async def backlog(self, most: int) -> int:
        """The backlogs of all webhooks that are not paused, each counted up to `most`, and what waits for another try."""

    async def dead(self, fleet: str, webhook_id: str, after: int, limit: int) -> Sequence[DeadLetter]:
        """Up to `limit` dead letters with numbers behind `after`, in the order of storing."""

    async def redeliver(
        self, fleet: str, webhook_id: str, event_ids: Sequence[str] | None, now_ms: int
    ) -> int:
        """Dead letters, these or all, are due now, as if tried once before; returns how many."""

    async def forget_dead(self, before_ms: int, limit: int) -> int:
        """Drop up to `limit` dead letters that were given up before; returns how many."""
