"""The contract of a vehicle store: what is kept of a vehicle, and what a store promises."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class VehicleDraft:
    """What a user says about a vehicle."""

    vehicle_id: str
    name: str
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VehicleRecord:
    """A vehicle as it is stored."""

    fleet: str
    vehicle_id: str
    name: str
    tags: tuple[str, ...]
    attributes: Mapping[str, Any]
    created: datetime
    updated: datetime


class VehicleStore(Protocol):
    """Vehicles by (fleet, vehicle id).

    - A write is durable when it returns, and is done whole or not at all.
    - `created` stays, `updated` moves with each change.
    - Ids are ordered by their UTF-8 bytes.
    - Every method raises StoreError when the store cannot be reached; whether a write that failed so was done is unknown.
    """

    def tags(self, fleet: str | None = None) -> AsyncIterator[Sequence[tuple[str, str, tuple[str, ...]]]]:
        """Fleet, id and tags of all vehicles that have any, of one fleet or of all, in portions: the state at one moment."""

    async def page(self, fleet: str, after: str, limit: int) -> Sequence[VehicleRecord]:
        """Up to `limit` vehicles of a fleet with ids after `after` (empty: from the first), in order of id."""

    async def find(self, fleet: str, vehicle_id: str) -> VehicleRecord | None:
        """One vehicle, or None."""

    async def create(self, fleet: str, draft: VehicleDraft) -> VehicleRecord:
        """A new vehicle.

        Raises:
            ConflictError: there is one of this id.
        """

    async def put(self, fleet: str, draft: VehicleDraft) -> tuple[VehicleRecord, bool]:
        """Create or change a vehicle, whatever was there; True: it is new."""

    async def delete(self, fleet: str, vehicle_id: str) -> None:
        """Remove a vehicle.

        Raises:
            NotFoundError: there is none.
        """

    async def add_missing(self, vehicles: Collection[tuple[str, str]]) -> None:
        """Create those (fleet, vehicle id) that are not there yet, named by their ids; the others stay as they are."""
