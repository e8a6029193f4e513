"""The contract of a fence store: what is kept of a fence, and what a store promises."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from haulcast.database.editions import edition_of

GeoJsonText = str
"""A geometry as JSON text; of a circle a Point with `radius_m` beside its coordinates. Text, because a hundred thousand parsed
geometries would be millions of lists for the garbage collector to walk while every tick waits."""


@dataclass(frozen=True, slots=True)
class FenceDraft:
    """What a user says about a fence; its area is checked before it gets here."""

    fence_id: str
    name: str
    area: GeoJsonText
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class FenceRecord:
    """A fence as it is stored."""

    fleet: str
    fence_id: str
    name: str
    area: GeoJsonText
    tags: tuple[str, ...]
    attributes: Mapping[str, Any]
    version: int
    created: datetime
    updated: datetime

    @property
    def edition(self) -> str:
        """Names this state of it and no other."""
        return edition_of(self.version, self.created)


@dataclass(frozen=True, slots=True)
class StoredArea:
    """As much of a fence as matching and rules need."""

    fleet: str
    fence_id: str
    name: str
    area: GeoJsonText
    tags: tuple[str, ...] = ()


class FenceStore(Protocol):
    """Fences by (fleet, fence id).

    - A write is durable when it returns, and is done whole or not at all.
    - Writes of one fence happen one after the other: of two that expect the same edition, one succeeds.
    - `version` starts at 1 and grows by one with each change; `created` stays, `updated` moves.
    - Ids are ordered by their UTF-8 bytes.
    - Every method raises StoreError when the store cannot be reached; whether a write that failed so was done is unknown.
    """

    def areas(self, fleet: str | None = None) -> AsyncIterator[Sequence[StoredArea]]:
        """All fences, of one fleet or of all, in portions: the state at one moment."""

    async def page(self, fleet: str, after: str, limit: int) -> Sequence[FenceRecord]:
        """Up to `limit` fences of a fleet with ids after `after` (empty: from the first), in order of id."""

    async def find(self, fleet: str, fence_id: str) -> FenceRecord | None:
        """One fence, or None."""

    async def create(self, fleet: str, draft: FenceDraft) -> FenceRecord:
        """A new fence.

        Raises:
            ConflictError: there is one of this id.
        """

    async def replace(self, fleet: str, draft: FenceDraft, expected: str) -> FenceRecord:
        """Change a fence, if its edition is `expected`, or whichever it is when that is `*`.

        Raises:
            PreconditionError: it has another edition, or there is none.
        """

    async def put(self, fleet: str, draft: FenceDraft) -> tuple[FenceRecord, bool]:
        """Create or change a fence, whatever was there; True: it is new."""

    async def put_all(self, fleet: str, drafts: Sequence[FenceDraft]) -> tuple[int, int]:
        """`put` of all or, when one fails, of none; ids are unique. Those that change nothing keep their version.

        Returns:
            How many were created and how many changed.
        """

    async def delete(self, fleet: str, fence_id: str, expected: str = "*") -> None:
        """Remove a fence, if its edition is `expected`, or whichever it is when that is `*`.

        Raises:
            NotFoundError: there is none.
            PreconditionError: it has another edition.
        """

    async def delete_all(self, fleet: str, fence_ids: Collection[str]) -> None:
        """Remove those of these that are there."""
