"""The demo's fences."""

from shapely.geometry import shape

from haulcast.commands.demo_fences import demo_fences
from haulcast.simulation import bay_roads


def test_they_are_valid_features_and_the_fleet_stops_in_them() -> None:
    """Unique ids, closed counter-clockwise rings, circles with a radius, and a stop of the simulation in nearly each."""
    fences, roads = demo_fences(), bay_roads()
    assert len({fence["id"] for fence in fences}) == len(fences)
    nodes = [
        shape({"type": "Point", "coordinates": at}) for at in zip(roads.lon_deg, roads.lat_deg, strict=True)
    ]
    empty = 0
    for fence in fences:
        area = shape(fence["geometry"])
        assert area.is_valid
        if area.geom_type == "Point":
            area = area.buffer(fence["properties"]["radius_m"] / 111_195)
        else:
            assert area.exterior.is_ccw
        empty += not any(area.contains(node) for node in nodes)
    assert empty == 0
