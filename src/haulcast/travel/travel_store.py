"""The contract of what keeps learned travel times for the next start."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredTravel:
    """What was learned of a fleet.

    Attributes:
        fleet: whose.
        made_ms: when.
        begin_ms, end_ms: of the fixes that it was learned from.
        legs: how many there were.
        table: `travel_tables.table_bytes`.
    """

    fleet: str
    made_ms: int
    begin_ms: int
    end_ms: int
    legs: int
    table: bytes


class TravelStore(Protocol):
    """One table a fleet, the newest. Every method raises StoreError when the store cannot be reached."""

    async def made(self) -> dict[str, int]:
        """When each fleet's was made."""

    async def find(self, fleet: str) -> StoredTravel | None:
        """A fleet's; None: there is none."""

    async def put(self, travel: StoredTravel) -> None:
        """Keep this one in the place of the fleet's last one, unless that was made later."""
