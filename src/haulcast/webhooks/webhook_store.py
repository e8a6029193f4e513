"""The contract of a webhook store."""

from collections.abc import Sequence
from typing import Protocol

from haulcast.webhooks.webhook import Webhook, WebhookRecord


class WebhookStore(Protocol):
    """Webhooks by (fleet, webhook id).

    - A write is durable when it returns, and is done whole or not at all.
    - A new webhook begins with the first event that is stored after it. A change keeps its place.
    - Writes of one webhook happen one after the other: of two that expect the same edition, one succeeds.
    - Every method raises StoreError when the store cannot be reached; whether a write that failed so was done is unknown.
    """

    async def page(self, fleet: str, after: str, limit: int) -> Sequence[WebhookRecord]:
        """Up to `limit` webhooks of a fleet with ids after `after`, in order of id."""

    async def find(self, fleet: str, webhook_id: str) -> WebhookRecord | None:
        """One webhook, or None."""

    async def everything(self) -> Sequence[WebhookRecord]:
        """The webhooks of all fleets."""

    async def create(self, webhook: Webhook, most: int) -> WebhookRecord:
        """A new webhook.

        Raises:
            ConflictError: there is one of this id.
            TooLargeError: the fleet has `most` already.
        """

    async def replace(self, webhook: Webhook, expected: str) -> WebhookRecord:
        """Change a webhook, if its edition is `expected`, or whichever it is when that is `*`.

        Raises:
            PreconditionError: it has another edition, or there is none.
        """

    async def delete(self, fleet: str, webhook_id: str, expected: str = "*") -> None:
        """Remove a webhook with what waits for it and what is dead.

        Raises:
            NotFoundError: there is none.
            PreconditionError: it has another edition.
        """
