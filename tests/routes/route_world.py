"""Loads, routes and the hub's fences for tests of the routes station."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from haulcast.database.pool import Database
from haulcast.routes.load import Load
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind
from haulcast.routes.route_book import RouteBook
from haulcast.routes.route_edits import RouteEdits, route_edits
from haulcast.routes.route_store_postgres import PostgresRouteStore
from haulcast.routes.stop_fences import HubFences, StopCircle
from haulcast.routes.stop_place import StopPlace

HOME = StopPlace(52.5, 13.4, "Home ☂", "", 150.0, 1_700_000_000_000, 1_700_003_600_000, 300.0)


def place(number: int, **members) -> StopPlace:
    """A place of its own for each number."""
    return StopPlace(52.0 + number / 1000, 13.0 - number / 1000, f"place {number}", **members)


def load(load_id: str = "l1", number: int = 1, **members) -> Load:
    """A load from one place to another, which are those of its number."""
    return Load(
        **{
            "fleet": "acme", "load_id": load_id, "pickup": place(2 * number), "delivery": place(2 * number + 1),
            "size": {"kg": 80.5, "pallets": 2.0}, "needs": frozenset({"reefer"}), **members,
        }
    )  # fmt: skip


def stops_of(*loads: Load) -> tuple[RouteStop, ...]:
    """All pickups, then all deliveries."""
    pickups = [
        RouteStop(f"{one.load_id}-p", StopKind.PICKUP, one.pickup, one.load_id) for one in loads if one.pickup
    ]
    deliveries = [
        RouteStop(f"{one.load_id}-d", StopKind.DELIVERY, one.delivery, one.load_id) for one in loads if one.delivery
    ]  # fmt: skip
    return (*pickups, *deliveries)


def route(route_id: str = "r1", *loads: Load, vehicle: str = "van", **members) -> Route:
    """A route of these loads; without any, to one place."""
    stops = stops_of(*loads) or (RouteStop("a", StopKind.STOP, place(99)),)
    return Route("acme", route_id, vehicle, members.pop("stops", stops), **members)


def active(*arguments, **members) -> Route:
    """`route`, which is driven."""
    return route(*arguments, status=RouteStatus.ACTIVE, **members)


@dataclass
class Fences:
    """Fences as a hub has them, in memory."""

    there: dict[tuple[str, str], StopCircle | None] = field(default_factory=dict)
    trouble: Exception | None = None

    def has(self, fleet: str, fence_id: str) -> bool:
        return (fleet, fence_id) in self.there

    async def make(self, fleet: str, circles: Sequence[StopCircle]) -> None:
        if self.trouble:
            raise self.trouble
        self.there |= {(fleet, circle.fence_id): circle for circle in circles}

    async def remove(self, fleet: str, fence_ids: Collection[str]) -> None:
        for fence_id in fence_ids:
            self.there.pop((fleet, fence_id), None)

    @property
    def of_hub(self) -> HubFences:
        return HubFences(self.has, self.make, self.remove)

    def ids(self, fleet: str = "acme") -> set[str]:
        return {fence_id for whose, fence_id in self.there if whose == fleet}


@asynccontextmanager
async def opened_edits(database: Database, fences: Fences | None = None) -> AsyncIterator[RouteEdits]:
    """Edits on a database; what is stored already is in the book at once."""
    fences = fences or Fences()
    async with route_edits(PostgresRouteStore(database), RouteBook(), fences.of_hub) as edits:
        yield edits
