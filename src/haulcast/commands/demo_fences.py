"""The demo's fences around San Francisco Bay (ports, airports, depots, customers' docks, a corridor), and rules about them."""

from typing import Any

from haulcast.simulation import RoadNetwork, bay_places
from haulcast.simulation.offenders import BONDED
from haulcast.simulation.roster import PORT_PASS, spoken

_CIRCLES = {  # id: name, latitude, longitude, radius in metres
    "oakland-airport": ("Oakland Airport", 37.7180, -122.2080, 1800),
    "sf-airport": ("San Francisco Airport", 37.6180, -122.3880, 1900),
    "san-jose-airport": ("San José Airport", 37.3690, -121.9250, 1500),
    "port-of-redwood": ("Port of Redwood City", 37.5075, -122.2105, 900),
    "pier-80": ("San Francisco Pier 80", 37.7500, -122.3875, 500),
    "depot-livermore": ("Depot Livermore", 37.6980, -121.7750, 1200),
    "depot-concord": ("Depot Concord", 37.9780, -122.0450, 1200),
    "depot-fremont": ("Depot Fremont", 37.5500, -121.9880, 1200),
    "depot-vallejo": ("Depot Vallejo", 38.1040, -122.2450, 1000),
    "depot-san-rafael": ("Depot San Rafael", 37.9690, -122.5250, 900),
    "depot-milpitas": ("Depot Milpitas", 37.4250, -121.9080, 900),
    "depot-south-san-francisco": ("Depot South San Francisco", 37.6520, -122.4080, 700),
}
_POLYGONS = {  # id: name, corners as longitude, latitude
    "port-of-oakland": (
        "Port of Oakland",
        [(-122.338, 37.812), (-122.315, 37.822), (-122.293, 37.812), (-122.284, 37.795), (-122.312, 37.792), (-122.333, 37.800)],
    ),
    "sf-downtown": (
        "San Francisco Downtown",
        [(-122.425, 37.775), (-122.388, 37.775), (-122.385, 37.798), (-122.405, 37.808), (-122.425, 37.806)],
    ),
    "san-jose-downtown": (
        "San José Downtown",
        [(-121.903, 37.325), (-121.872, 37.325), (-121.872, 37.352), (-121.903, 37.352)],
    ),
}  # fmt: skip


_KINDS = {"port": "port", "pier": "port", "depot": "depot", "dock": "dock"}
"""Tag of a fence by the first word of its id; the rest are zones."""
DOCK_RADIUS_M = 250
CORRIDOR, CORRIDOR_WIDTH_M = ("oakland", "coliseum", "san_leandro", "hayward", "fremont"), 1000
DWELL_S = 40.0
"""Short, so that who watches a demo sees it fire."""


def demo_fences(roads: RoadNetwork) -> list[dict[str, Any]]:
    """GeoJSON Features as `/v1/fences` takes them; a circle is a Point with a radius, a corridor a line with a width."""
    circles = [
        _feature(fence_id, {"name": name, "radius_m": radius_m}, {"type": "Point", "coordinates": [lon, lat]})
        for fence_id, (name, lat, lon, radius_m) in (_CIRCLES | _docks(roads)).items()
    ]
    polygons = [
        _feature(fence_id, {"name": name}, {"type": "Polygon", "coordinates": [_ring(corners)]})
        for fence_id, (name, corners) in _POLYGONS.items()
    ]
    line = [(float(roads.lon_deg[node]), float(roads.lat_deg[node])) for node in roads.nodes_of(CORRIDOR)]
    corridor = _feature(
        "corridor-880",
        {"name": "I-880 corridor", "width_m": CORRIDOR_WIDTH_M},
        {"type": "LineString", "coordinates": line},
    )
    return [*circles, *polygons, corridor]


def demo_rules() -> list[dict[str, Any]]:
    """Rule documents as `/v1/rules` takes them: about what the fleet does, and one for each offender who can be caught by a fence."""
    return [
        {
            "id": "fast-880",
            "name": "Over 120 km/h on the I-880",
            "kind": "overspeed",
            "fences": {"ids": ["corridor-880"]},
            "limit_mps": 33.3,
            "after_s": 3.0,
        },
        {
            "id": "left-880",
            "name": "Left its corridor",
            "kind": "exit",
            "fences": {"ids": ["corridor-880"]},
            "vehicles": {"tags": [BONDED]},
        },
        {
            "id": "port-pass",
            "name": "In the port without a pass",
            "kind": "unauthorised",
            "fences": {"ids": ["port-of-oakland"]},
            "allow": {"tags": [PORT_PASS]},
        },
        {
            "id": "long-stop",
            "name": "40 s at a depot",
            "kind": "dwell",
            "fences": {"tags": ["depot"]},
            "dwell_s": DWELL_S,
        },
    ]


def _docks(roads: RoadNetwork) -> dict[str, tuple[str, float, float, int]]:
    """A circle around each customer's dock, but where a larger fence is drawn by hand."""
    drawn = _CIRCLES | _POLYGONS
    names = [roads.names[node] for node in bay_places(roads).docks]
    return {
        f"dock-{name}".replace("_", "-"): (
            "Dock " + spoken(name),
            float(roads.lat_deg[roads.names.index(name)]),
            float(roads.lon_deg[roads.names.index(name)]),
            DOCK_RADIUS_M,
        )
        for name in names
        if not any(key in drawn for key in (name.replace("_", "-"), f"{name.replace('_', '-')}-downtown"))
    }


def _ring(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Closed, and counter-clockwise as RFC 7946 wants an outer ring."""
    turned = zip(corners, [*corners[1:], corners[0]], strict=True)
    doubled_area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in turned)
    ring = corners if doubled_area > 0 else corners[::-1]
    return [*ring, ring[0]]


def _feature(fence_id: str, properties: dict[str, Any], geometry: dict[str, Any]) -> dict[str, Any]:
    tags = [_KINDS.get(fence_id.partition("-")[0], "zone")]
    return {
        "type": "Feature",
        "id": fence_id,
        "properties": {**properties, "tags": tags},
        "geometry": geometry,
    }
