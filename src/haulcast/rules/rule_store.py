"""The contract of a rule store: what is kept of a rule, and what a store promises."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from haulcast.database.editions import edition_of


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """A rule as it is stored: its document, which was checked before it got here, as `document_of_rule` makes it."""

    fleet: str
    rule_id: str
    document: Mapping[str, Any]
    version: int
    created: datetime
    updated: datetime

    @property
    def edition(self) -> str:
        """Names this state of it and no other."""
        return edition_of(self.version, self.created)


class StoredRule(NamedTuple):
    """As much of a rule as the hub runs on."""

    fleet: str
    rule_id: str
    document: Mapping[str, Any]


class FenceFacts(NamedTuple):
    """What a rule selects a fence by."""

    fence_id: str
    tags: Sequence[str] = ()


class RuleStore(Protocol):
    """Rules by (fleet, rule id).

    - A write is durable when it returns, and is done whole or not at all.
    - Writes of one rule happen one after the other: of two that expect the same edition, one succeeds.
    - `version` starts at 1 and grows by one with each change; `created` stays, `updated` moves.
    - Ids are ordered by their UTF-8 bytes.
    - Every method raises StoreError when the store cannot be reached; whether a write that failed so was done is unknown.
    """

    def rules(self, fleet: str | None = None) -> AsyncIterator[Sequence[StoredRule]]:
        """All rules, of one fleet or of all, in portions: the state at one moment."""

    async def page(
        self, fleet: str, after: str, limit: int, fence: FenceFacts | None = None
    ) -> Sequence[RuleRecord]:
        """Up to `limit` rules of a fleet with ids after `after` (empty: from the first), in order of id.

        Args:
            fleet: whose rules.
            after: the last id of the page before.
            limit: at most so many.
            fence: only those that name this fence, or one of its tags.
        """

    async def find(self, fleet: str, rule_id: str) -> RuleRecord | None:
        """One rule, or None."""

    async def create(self, fleet: str, document: Mapping[str, Any]) -> RuleRecord:
        """A new rule; its id is in the document.

        Raises:
            ConflictError: there is one of this id.
        """

    async def replace(self, fleet: str, document: Mapping[str, Any], expected: str) -> RuleRecord:
        """Change a rule, if its edition is `expected`, or whichever it is when that is `*`.

        Raises:
            PreconditionError: it has another edition, or there is none.
        """

    async def put(self, fleet: str, document: Mapping[str, Any]) -> tuple[RuleRecord, bool]:
        """Create or change a rule, whatever was there; True: it is new."""

    async def delete(self, fleet: str, rule_id: str, expected: str = "*") -> None:
        """Remove a rule, if its edition is `expected`, or whichever it is when that is `*`.

        Raises:
            NotFoundError: there is none.
            PreconditionError: it has another edition.
        """
