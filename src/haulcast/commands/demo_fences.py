"""The demo's fences, ports, airports and depots around San Francisco Bay, drawn by hand, and rules about them."""

from typing import Any

_CIRCLES = {  # id: name, latitude, longitude, radius in metres
    "oakland-airport": ("Oakland Airport", 37.7180, -122.2080, 1800),
    "sf-airport": ("San Francisco Airport", 37.6180, -122.3880, 1900),
    "san-jose-airport": ("San José Airport", 37.3690, -121.9250, 1500),
    "port-of-redwood": ("Port of Redwood City", 37.5075, -122.2105, 900),
    "depot-livermore": ("Depot Livermore", 37.6980, -121.7750, 1200),
    "depot-concord": ("Depot Concord", 37.9780, -122.0450, 1200),
    "depot-fremont": ("Depot Fremont", 37.5500, -121.9880, 1200),
    "depot-vallejo": ("Depot Vallejo", 38.1040, -122.2450, 1000),
    "depot-san-rafael": ("Depot San Rafael", 37.9690, -122.5250, 900),
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


def demo_fences() -> list[dict[str, Any]]:
    """GeoJSON Features as `/v1/fences` takes them; a circle is a Point with a radius."""
    circles = [
        _feature(fence_id, {"name": name, "radius_m": radius_m}, {"type": "Point", "coordinates": [lon, lat]})
        for fence_id, (name, lat, lon, radius_m) in _CIRCLES.items()
    ]
    polygons = [
        _feature(fence_id, {"name": name}, {"type": "Polygon", "coordinates": [_ring(corners)]})
        for fence_id, (name, corners) in _POLYGONS.items()
    ]
    return circles + polygons


def demo_rules() -> list[dict[str, Any]]:
    """Rule documents as `/v1/rules` takes them: of what the simulated fleet does, who drives fast and who stays long is told."""
    return [
        {
            "id": "fast-downtown",
            "name": "Fast downtown",
            "kind": "overspeed",
            "fences": {"ids": ["sf-downtown", "san-jose-downtown"]},
            "limit_mps": 22.0,
            "after_s": 2.0,
        },
        {
            "id": "long-stop",
            "name": "A minute at the port",
            "kind": "dwell",
            "fences": {"ids": ["port-of-oakland", "port-of-redwood"]},
            "dwell_s": 60.0,
        },
    ]


def _ring(corners: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Closed, and counter-clockwise as RFC 7946 wants an outer ring."""
    turned = zip(corners, [*corners[1:], corners[0]], strict=True)
    doubled_area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in turned)
    ring = corners if doubled_area > 0 else corners[::-1]
    return [*ring, ring[0]]


def _feature(fence_id: str, properties: dict[str, Any], geometry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "id": fence_id, "properties": properties, "geometry": geometry}
