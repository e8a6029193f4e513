"""The demo's fences and rules."""

from shapely.geometry import shape

from haulcast.commands.demo_fences import demo_fences, demo_rules
from haulcast.rules.rule_documents import rule_of_document
from haulcast.simulation import bay_roads


def test_they_are_valid_features_and_the_fleet_stops_in_them() -> None:
    """Unique ids, closed counter-clockwise rings, circles with a radius, a line with a width, and a stop of the simulation in each."""
    roads = bay_roads()
    fences = demo_fences(roads)
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
        elif area.geom_type == "LineString":
            area = area.buffer(fence["properties"]["width_m"] / 2 / 111_195)
        else:
            assert area.exterior.is_ccw
        empty += not any(area.contains(node) for node in nodes)
    assert empty == 0


def test_the_rules_are_valid_and_about_these_fences() -> None:
    """The product reads each, and the fences that it names are the demo's."""
    fences = demo_fences(bay_roads())
    known = {fence["id"] for fence in fences} | {
        tag for fence in fences for tag in fence["properties"]["tags"]
    }
    for document in demo_rules():
        assert rule_of_document(document, "demo").rule_id == document["id"]
        named = [name for names in document["fences"].values() for name in names]
        assert named
        assert set(named) <= known
