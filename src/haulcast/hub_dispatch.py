"""The dispatch station as the hub has it: its fleets' newest positions and tags, the book of routes, and the travel times."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.routing import Route

from haulcast import clock
from haulcast.dispatch import dispatch_api
from haulcast.dispatch.fleets import DispatchFacts, DispatchFleets, SeenVehicles
from haulcast.doors.http_access import Verify
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.routes.route_edits import RouteEdits
from haulcast.routes.travel import Travel
from haulcast.settings import Settings
from haulcast.vehicles.vehicle_tags import VehicleTags


def dispatch_routes(
    settings: Settings,
    edits: RouteEdits,
    rows: VehicleRows,
    last: LastPositions,
    tags: VehicleTags,
    travel: Travel,
    verify: Verify,
    find_vehicle: Callable[[str, str], Awaitable[Any]],
    availability: Callable[[str, str, float], float | None],
) -> list[Route]:
    """The station's routes."""

    def seen(fleet: str) -> SeenVehicles:
        of_fleet = rows.rows_of_fleet(rows.fleet_number_of(fleet))
        known = of_fleet[of_fleet < len(last.is_known)]
        known = known[last.is_known[known]]
        names = [rows.vehicle_of[row] for row in known.tolist()]
        return SeenVehicles(names, last.lat_deg[known], last.lon_deg[known], last.time_ms[known])

    facts = DispatchFacts(edits.book, travel, seen, tags.tags_of, availability)
    fleets = DispatchFleets(facts, settings.dispatch_stale_s, settings.dispatch_change_cost)
    return dispatch_api.routes(fleets, edits, verify, find_vehicle, clock.epoch_ms)
