"""Planned lines of routing software as corridors: GPX files, encoded polylines, and a width for a whole import."""

import argparse
from pathlib import Path

import orjson
import pytest
from fence_app import feature, fence_app

from geo.fence_area import Corridor
from haulcast.commands import fences as command
from haulcast.errors import RequestError
from haulcast.fences.feature_files import Naming, fence_features, read_features
from haulcast.fences.fence_features import fence_of_feature
from haulcast.fences.gpx_routes import gpx_features

ROADS = Path(__file__).parents[3] / "shared/data/roads"
GPX = """<?xml version="1.0"?><g:gpx version="1.1" xmlns:g="http://www.topografix.com/GPX/1/1" xmlns:x="urn:x">
<g:metadata><g:name>Week 12</g:name></g:metadata><g:wpt lat="0" lon="0"><g:name>Gate</g:name></g:wpt>
<g:rte><g:name> Oakland - Reno </g:name><g:desc>by the pass</g:desc>
 <g:rtept lat="37.8" lon="-122.3"><g:name>no</g:name><g:ele>3</g:ele><g:extensions><x:r><x:rpt lat="38.5" lon="-121.5"/></x:r></g:extensions></g:rtept>
 <g:rtept lat="39.5" lon="-119.8"/></g:rte>
<g:trk><g:trkseg><g:trkpt lat="1" lon="2"/><g:trkpt lat="3" lon="4"/></g:trkseg>
 <g:trkseg><g:trkpt lat="5" lon="6"/><g:trkpt lat="5" lon="6"/><g:trkpt lat="7" lon="8"/></g:trkseg></g:trk>
</g:gpx>"""
OLD_GPX = (
    '<gpx version="1.0"><name>Old</name><rte><rtept lat="1" lon="2"/><rtept lat="2" lon="2"/></rte></gpx>'
)
GPX_TYPE = {"Content-Type": "application/gpx+xml"}
EXAMPLE = {"polyline": "_p~iF~ps|U_ulLnnqC_mqNvxq`@", "polyline_precision": 5}
EXAMPLE_LINE = [[-120.2, 38.5], [-120.95, 40.7], [-126.453, 43.252]]
IMPORT = "/v1/fences:import"


@pytest.fixture
async def hub(database):
    """A hub without fences."""
    async with fence_app(database) as app:
        yield app


@pytest.fixture
async def client(hub):
    """A dispatcher of acme."""
    async with hub.client() as opened:
        yield opened


def _planned(**properties) -> dict:
    return {"type": "Feature", "geometry": None, "properties": {**EXAMPLE, **properties}}


def test_gpx_becomes_corridors() -> None:
    """Routes with the way between their points, and tracks of segments, with their names or the document's."""
    route, track = fence_features(gpx_features(GPX.encode()), Naming(width_m=40))
    draft, area = fence_of_feature(route, repair=False)
    assert (draft.fence_id, draft.name) == ("oakland-reno", "Oakland - Reno")
    assert draft.attributes == {"desc": "by the pass"}
    assert area == Corridor((((-122.3, 37.8), (-121.5, 38.5), (-119.8, 39.5)),), 40)
    draft, area = fence_of_feature(track, repair=False)
    assert (draft.fence_id, draft.name) == ("week-12", "Week 12")
    assert area == Corridor((((2, 1), (4, 3)), ((6, 5), (6, 5), (8, 7))), 40)


def test_older_gpx_and_equal_names() -> None:
    """GPX 1.0 has the document's name at its root; a second route of a name gets a number."""
    twice = OLD_GPX.replace("</rte>", "</rte><rte><rtept lat='1' lon='1'/><rtept lat='2' lon='2'/></rte>")
    read = list(fence_features(gpx_features(twice.encode()), Naming()))
    assert [(one["id"], one["properties"]["name"]) for one in read] == [("old", "Old"), ("old-2", "Old")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<gpx><wpt lat='1' lon='2'/></gpx>", "no route .rte. and no track .trk., only 1 waypoints"),
        ("<gpx/>", "only 0 waypoints"),
        ("<kml/>", "not GPX: the root element is 'kml'"),
        ("<gpx><rte>", "not XML"),
        ("", "not XML"),
        (
            '<!DOCTYPE g [<!ENTITY a "aa">]><gpx><rte><name>&a;</name></rte></gpx>',
            "GPX declares a document type",
        ),
    ],
)
def test_documents_that_are_none(text, reason) -> None:
    """Without routes, of another kind, broken, or with entities: refused by name."""
    with pytest.raises(RequestError, match=reason) as refused:
        gpx_features(text.encode())
    assert refused.value.code == "bad_gpx"


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("<rte/>", "at least 2 positions, found a list of 0 at coordinates"),
        ("<rte><rtept lat='1' lon='2'/></rte>", "at least 2 positions, found a list of 1 at coordinates"),
        (
            "<rte><rtept lat='1' lon='2'/><rtept lat='91' lon='2'/></rte>",
            r"latitude is 91.0.* at coordinates\[1\]\[1\]",
        ),
        (
            "<rte><rtept lat='1' lon='2'/><rtept lat='1' lon='361'/></rte>",
            r"longitude is 361.* at coordinates\[1\]\[0\]",
        ),
        ("<rte><rtept lat='1' lon='2'/><rtept lat='1'/></rte>", r"found None at coordinates\[1\]\[0\]"),
        (
            "<rte><rtept lat='1' lon='2'/><rtept lat='1' lon='2'/></rte>",
            "two distinct positions.* lon 2.0, lat 1.0",
        ),
        ("<trk/>", "at least 1 line, found a list of 0"),
        (
            "<trk><trkseg><trkpt lat='x' lon='2'/><trkpt lat='1' lon='2'/></trkseg></trk>",
            r"'x' at coordinates\[0\]\[0\]\[1\]",
        ),
    ],
)
def test_what_a_route_has_wrong_is_said(inside, reason) -> None:
    """The reason and the place, repaired or not."""
    (bad,) = fence_features(gpx_features(f"<gpx>{inside}</gpx>".encode()), Naming(width_m=9))
    for repair in (False, True):
        with pytest.raises(RequestError, match=reason):
            fence_of_feature(bad, repair=repair)


def test_segments_of_one_place_are_repaired_or_refused() -> None:
    """A recorder's segments without two positions are left out on request, as long as another one stays."""
    one, twice = "<trkpt lat='1' lon='2'/>", "<trkpt lat='1' lon='2'/><trkpt lat='1' lon='2'/>"
    way = "<trkpt lat='1' lon='2'/><trkpt lat='2' lon='2'/>"
    text = "".join(f"<trkseg>{points}</trkseg>" for points in ("", one, way, twice))
    (track,) = fence_features(gpx_features(f"<gpx><trk>{text}</trk></gpx>".encode()), Naming(width_m=9))
    with pytest.raises(RequestError, match=r"found a list of 0 at coordinates\[0\]"):
        fence_of_feature(track, repair=False)
    assert fence_of_feature(track, repair=True)[1] == Corridor((((2, 1), (2, 2)),), 9)


@pytest.mark.skipif(not ROADS.is_dir(), reason="no real GPX files here")
@pytest.mark.parametrize(
    ("name", "kinds"),
    [("test1", ["LineString", "MultiLineString"]), ("andorra_for_map_matching", ["MultiLineString"])],
)
def test_real_files(name, kinds) -> None:
    """What two routing programs wrote becomes corridors."""
    read = list(fence_features(read_features(ROADS / f"{name}.gpx"), Naming(width_m=60)))
    assert [one["geometry"]["type"] for one in read] == kinds
    for one in read:
        assert fence_of_feature(one, repair=False)[1].polygon.is_valid


async def test_gpx_and_wkt_over_http_take_their_sizes_from_the_query(hub, client) -> None:
    """One width and one radius for lines and points that say none, of every format."""
    answer = await client.post(IMPORT, params={"width_m": "50"}, content=GPX, headers=GPX_TYPE)
    assert answer.json() == {"created": 2, "changed": 0, "unchanged": 0, "wrong": 0, "errors": []}
    text = "Road\tLINESTRING(0 0,1 1)\nGate\tPOINT(5 5)\nYard\tPOLYGON((0 0,1 0,1 1,0 0))"
    sizes = {"width_m": "30", "radius_m": "90"}
    answer = await client.post(IMPORT, params=sizes, content=text, headers={"Content-Type": "text/plain"})
    assert answer.json()["created"] == 3, answer.text
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    lines = {"type": "FeatureCollection", "features": [feature(line, "a"), feature(line, "b", width_m=7)]}
    assert (await client.post(IMPORT, params=sizes, json=lines)).json()["created"] == 2
    found = (await client.get("/v1/fences")).json()["features"]
    assert {one["id"]: one["properties"].get("width_m", one["properties"].get("radius_m")) for one in found} == {
        "a": 30, "b": 7, "gate": 90, "oakland-reno": 50, "road": 30, "week-12": 50, "yard": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("width_m=0", "width_m"),
        ("width_m=nan", "width_m"),
        ("width_m=100001", "width_m"),
        ("width_m=", "width_m"),
        ("radius_m=1e8", "radius_m"),
    ],
)
async def test_sizes_out_of_range(client, query, field) -> None:
    """A query that is no size is refused with the field and the range."""
    answer = await client.post(f"{IMPORT}?{query}", content=GPX, headers=GPX_TYPE)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "out_of_range", field)


async def test_a_line_without_any_width(hub, client) -> None:
    """It is named, with where a width may stand."""
    answer = await client.post(IMPORT, params={"radius_m": "5"}, content=GPX, headers=GPX_TYPE)
    (first, _) = answer.json()["errors"]
    assert (answer.status_code, first["id"], first["field"]) == (400, "oakland-reno", "width_m")
    assert first["reason"] == "a corridor of a line needs width_m, of its own or for the whole import"
    assert not hub.ids()


async def test_a_polyline_is_put_as_it_is(hub, client) -> None:
    """It is stored, and comes back, as a LineString; written back it is the same, and it can be replaced by another."""
    made = await client.put("/v1/fences/plan", json=_planned(width_m=500, attributes={"trip": 7}))
    assert made.status_code == 201, made.text
    stored = made.json()
    assert stored["geometry"] == {"type": "LineString", "coordinates": EXAMPLE_LINE}
    assert stored["properties"].keys().isdisjoint(EXAMPLE)
    again = await client.put("/v1/fences/plan", json=stored)
    assert (again.status_code, again.json()["geometry"]) == (200, stored["geometry"])
    patch = {"geometry": None, "properties": {"polyline": "??_c`|@_c`|@", "polyline_precision": 6}}
    patched = await client.patch("/v1/fences/plan", json=patch)
    assert patched.json()["geometry"]["coordinates"] == [[0, 0], [1, 1]]
    assert (
        await client.post(
            IMPORT,
            params={"width_m": "9"},
            json={"type": "FeatureCollection", "features": [{**_planned(), "id": "x"}]},
        )
    ).json()["created"] == 1


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({}, "width_m", "needs width_m"),
        ({"width_m": 5, "polyline_precision": 7}, "polyline_precision", "allowed are 5 and 6"),
        ({"width_m": 5, "polyline_precision": None}, "polyline_precision", "has to be 5 or 6"),
        ({"width_m": 5, "polyline_precision": True}, "polyline_precision", "has to be 5 or 6"),
        ({"width_m": 5, "polyline": None}, "polyline", "has to be a text"),
        ({"width_m": 5, "polyline": 5}, "polyline", "has to be a text"),
        ({"width_m": 5, "polyline": "_p~iF~ps|U_"}, "polyline", r"ends within a number at polyline[11]"),
        ({"width_m": 5, "polyline": "_p~iF~ps|U"}, "geometry", "at least 2 positions, found a list of 1"),
        ({"width_m": 5, "polyline": ""}, "geometry", "found a list of 0"),
        ({"width_m": 5, "polyline": "?" * 500_002}, "geometry", "has 250001 vertices; allowed are 250000"),
        ({"width_m": 5, "radius_m": 5}, "radius_m", "this is none"),
    ],
)
async def test_what_is_no_planned_line(client, changes, field, reason) -> None:
    """Each part of it is named with what is allowed."""
    answer = await client.put("/v1/fences/plan", json=_planned(**changes))
    assert answer.status_code in {400, 413}, answer.text
    assert answer.json()["field"] == field
    assert reason in answer.json()["detail"]


async def test_a_polyline_beside_a_geometry(client) -> None:
    """One of both only."""
    answer = await client.put("/v1/fences/plan", json=feature(**EXAMPLE, width_m=5))
    assert (answer.status_code, answer.json()["field"]) == (400, "polyline")
    assert "in place of a geometry" in answer.json()["detail"]


def test_files_of_planned_lines(tmp_path, monkeypatch) -> None:
    """The command reads `.gpx`, and polylines in GeoJSON, with the width of its argument, and sends what the hub takes."""
    (tmp_path / "a.GPX").write_text(GPX)
    (tmp_path / "b.json").write_bytes(orjson.dumps({**_planned(name="Trip"), "id": 5}))
    (tmp_path / "c.gpx").write_text("<gpx/>")
    sent: list = []

    def take(features, *_):
        sent.extend(features)
        raise RequestError("unreachable", "enough")

    monkeypatch.setattr(command, "send", take)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    for name in ("a.GPX", "b.json"):
        arguments = parser.parse_args(["import", str(tmp_path / name), "--width-m", "25", "--token", "t"])
        with pytest.raises(RequestError, match="enough"):
            command.run(arguments)
    areas = [fence_of_feature(one, repair=False)[1] for one in sent]
    assert [area.width_m for area in areas] == [25, 25, 25]
    assert areas[2].lines == (tuple(map(tuple, EXAMPLE_LINE)),)
    assert sent[2]["properties"]["attributes"] == {}
    with pytest.raises(RequestError, match=r"c\.gpx: the GPX has no route"):
        read_features(tmp_path / "c.gpx")
