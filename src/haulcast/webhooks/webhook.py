"""A webhook: where to send which of a fleet's events."""

from dataclasses import dataclass
from datetime import datetime

from haulcast.database.editions import edition_of
from haulcast.events.event_store import EventFilter


@dataclass(frozen=True, slots=True, repr=False)
class Webhook:
    """What a user says of a webhook. It has no repr, because it holds secrets.

    Attributes:
        asked: which events; without times.
        is_paused: nothing is sent, and nothing is lost: it goes on where it stood.
        pause_reason: why, if the hub paused it; empty: a user did.
        secret: signs.
        old_secret: signs too until `old_secret_until_ms`; None: there is none.
    """

    fleet: str
    webhook_id: str
    url: str
    asked: EventFilter
    is_paused: bool
    secret: bytes
    pause_reason: str = ""
    old_secret: bytes | None = None
    old_secret_until_ms: int | None = None

    def secrets_at(self, now_ms: int) -> tuple[bytes, ...]:
        """Those that sign at a moment, the newest first."""
        if self.old_secret is None or now_ms >= (self.old_secret_until_ms or 0):
            return (self.secret,)
        return self.secret, self.old_secret


@dataclass(frozen=True, slots=True)
class WebhookRecord:
    """A webhook as it is stored.

    Attributes:
        delivered_number: events up to this one were sent, or wait for another try, or are dead, or were not asked for.
    """

    webhook: Webhook
    version: int
    created: datetime
    updated: datetime
    delivered_number: int

    @property
    def edition(self) -> str:
        """Names this state of it and no other; sending changes none."""
        return edition_of(self.version, self.created)
