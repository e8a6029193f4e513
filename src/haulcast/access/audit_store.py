"""The contract of the audit log's store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One change, or equal refusals within a second.

    Attributes:
        time: when; of refusals, of the first.
        fleet: whose; empty when nobody knows, as for a token that is not ours.
        subject: `sub` of the token, or its vehicle; empty: it says neither.
        role: of the token.
        address: from where.
        action: method and route, or the socket's path.
        target: to what it was done.
        status: the answer's.
        code: of the error; empty for a change.
        count: how many.
    """

    time: datetime
    fleet: str
    subject: str
    role: str
    address: str
    action: str
    target: str
    status: int
    code: str
    count: int = 1


class AuditStore(Protocol):
    """Records in the order in which they came. Nothing changes one; only age takes it away.

    - An addition is durable when it returns, and is done whole or not at all.
    - Every method raises StoreError when the store cannot be reached.
    """

    async def add(self, records: Sequence[AuditRecord]) -> None:
        """Keep these."""

    async def page(self, fleet: str, before: int | None, limit: int) -> Sequence[tuple[int, AuditRecord]]:
        """A fleet's records with their numbers, newest first: those below a number, or the newest."""

    async def forget(self, before: datetime) -> int:
        """Drop the records of all fleets that are older; returns how many."""
