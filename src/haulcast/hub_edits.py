"""What users have said of vehicles, rules and fences: read at the start, before the first step, and edited from then on."""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass

from haulcast.database.pool import Database
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.fences.fence_edits import FenceEdits, fence_edits
from haulcast.fences.fence_store_postgres import PostgresFenceStore
from haulcast.rules.rule_book import RuleBook
from haulcast.rules.rule_edits import RuleEdits, rule_edits
from haulcast.rules.rule_store_postgres import PostgresRuleStore
from haulcast.vehicles.vehicle_edits import VehicleEdits, vehicle_edits
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore
from haulcast.vehicles.vehicle_tags import VehicleTags


@dataclass(frozen=True, slots=True)
class HubEdits:
    """What is in force in memory, and its only writers."""

    vehicle_tags: VehicleTags
    vehicles: VehicleEdits
    rule_book: RuleBook
    rules: RuleEdits
    catalogue: FenceCatalogue
    fences: FenceEdits

    def fence_label(self, handle: int) -> tuple[str, str]:
        """Id and name of a fence, also of one that has just been deleted."""
        return self.catalogue.id_of(handle), self.catalogue.name_of(handle)

    def fence_facts(self, handle: int) -> tuple[str, str, Collection[str]]:
        """Fleet, id and tags of a fence, which rules select it by."""
        return self.catalogue.fleet_of(handle), self.catalogue.id_of(handle), self.catalogue.tags_of(handle)


@contextlib.asynccontextmanager
async def hub_edits(
    database: Database,
    fleet_number_of: Callable[[str], int],
    *,
    on_change: Callable[[], None],
    on_vehicle_tags: Callable[[str, str], None],
    on_fence_tags: Callable[[int], None],
) -> AsyncIterator[HubEdits]:
    """All of it for the time of the block.

    Args:
        database: where it is kept.
        fleet_number_of: the number of a fleet.
        on_change: called when other rules or fences are in force.
        on_vehicle_tags: called with fleet and vehicle when that one's tags are others.
        on_fence_tags: called with a fence's handle when its tags are others.

    Raises:
        StoreError: the database cannot be reached.
    """
    tags, book = VehicleTags(on_change=on_vehicle_tags), RuleBook(on_change=on_change)
    catalogue = FenceCatalogue(fleet_number_of, on_swap=on_change, on_tags=on_fence_tags)
    async with (
        vehicle_edits(PostgresVehicleStore(database), tags) as vehicles,
        rule_edits(PostgresRuleStore(database), book) as rules,
        fence_edits(PostgresFenceStore(database), catalogue) as fences,
    ):
        yield HubEdits(tags, vehicles, book, rules, catalogue, fences)
