"""The demo's routes: what some of its vehicles have still to do of their rounds, and one that an offender does not keep to."""

from collections.abc import Iterator
from typing import Any

from haulcast.commands.demo_fences import CORRIDOR, demo_fences
from haulcast.simulation import Fleet, RoadNetwork
from haulcast.simulation.offenders import BONDED
from haulcast.simulation.roster import spoken

ROUTED_EVERY = 6
"""One vehicle in so many has a route; the others drive as nobody planned."""
SLACK_SHARE, SERVICE_S = 2.0, 600.0
"""A stop's window closes after so many times the way at the limits, and so long for each stop before it: some will be late."""
PREFIX = "demo-"
"""Of the ids of routes; those of an earlier demo are cancelled by it."""


def demo_routes(fleet: Fleet, roads: RoadNetwork) -> list[dict[str, Any]]:
    """Active routes as `/v1/routes` takes them, with ids of this start's own.

    Args:
        fleet: before it drives off.
        roads: what it drives on.
    """
    fences = {fence["id"] for fence in demo_fences(roads)}
    routes = []
    for row, entry in enumerate(fleet.roster):
        if BONDED in entry.tags:
            nodes = [int(node) for node in roads.nodes_of(CORRIDOR)]
            line = [[float(roads.lon_deg[node]), float(roads.lat_deg[node])] for node in nodes]
            more = {"line": {"type": "LineString", "coordinates": line}}
            ahead = nodes[-1:]
        elif row % ROUTED_EVERY == 0 and entry.reports_every == 1:
            more, ahead = {}, fleet.ahead(row)
        else:
            continue
        stops = list(_stops(fleet, row, roads, ahead, fences))
        route_id = f"{PREFIX}{fleet.start_ms // 1000:x}-{row}"
        routes.append(
            {"id": route_id, "vehicle": entry.vehicle_id, "status": "active", "stops": stops, **more}
        )
    return routes


def _stops(
    fleet: Fleet, row: int, roads: RoadNetwork, ahead: list[int], fences: set[str]
) -> Iterator[dict[str, Any]]:
    """Each node as a stop with a window, by its fence where it has one."""
    after_s, before = float(fleet.waits_s[row]), int(roads.end[fleet.edge[row]])
    for number, node in enumerate(ahead, 1):
        after_s += SLACK_SHARE * float(roads.time_s[before, node]) + SERVICE_S
        before, name = node, roads.names[node]
        found = {f"{kind}{name}".replace("_", "-") for kind in ("dock-", "depot-", "")} & fences
        yield {
            "id": str(number),
            "kind": "stop",
            "lat": float(roads.lat_deg[node]),
            "lon": float(roads.lon_deg[node]),
            "name": spoken(name),
            "service_s": SERVICE_S,
            "closes": fleet.start_ms + round(1000 * after_s),
            **({"fence": min(found)} if found else {}),
        }
