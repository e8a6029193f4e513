"""KML, KMZ and WKT in, and corridors over HTTP: the same features, checks and answers as GeoJSON's."""

import io
import zipfile

import orjson
import pytest
import shapely
from fence_app import feature, fence_app
from hypothesis import given
from hypothesis import strategies as st

from geo.fence_area import Corridor
from haulcast.errors import RequestError
from haulcast.fences.feature_files import Naming, fence_features, read_features
from haulcast.fences.fence_features import fence_of_feature
from haulcast.fences.kml_documents import kml_features
from haulcast.fences.wkt_lines import wkt_features

KML = """<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2">
<Document><name>not this</name><NetworkLink><Link><href>http://x/</href></Link></NetworkLink><Folder><Folder>
<Placemark><name> Old
 Town </name><ExtendedData><Data name="owner"><value>acme</value></Data>
 <SchemaData><SimpleData name="floor">3</SimpleData></SchemaData></ExtendedData>
 <Polygon><outerBoundaryIs><LinearRing><coordinates>
   0,0,7 4,0,7
   4, 4, 7	0,4,7 0,0,7</coordinates></LinearRing></outerBoundaryIs>
 <innerBoundaryIs><LinearRing><coordinates>1,1 2,1 2,2 1,1</coordinates></LinearRing></innerBoundaryIs></Polygon></Placemark>
<Placemark><name>Gate</name><ExtendedData><Data name="radius_m"><value> 50 </value></Data></ExtendedData>
 <Point><coordinates>10,20,0</coordinates></Point></Placemark></Folder>
<Placemark><name>Road</name><ExtendedData><Data name="width_m"><value>40</value></Data></ExtendedData>
 <MultiGeometry><LineString><coordinates>0,0 1,1</coordinates></LineString>
 <MultiGeometry><LineString><coordinates>2,2 3,3</coordinates></LineString></MultiGeometry></MultiGeometry></Placemark>
</Folder></Document></kml>"""
BOMB = '<!DOCTYPE k [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><kml><Placemark><name>&b;</name></Placemark></kml>'
OUTSIDE = '<!DOCTYPE k [<!ENTITY a SYSTEM "file:///etc/hostname">]><kml><name>&a;</name></kml>'
ROAD = {"type": "LineString", "coordinates": [[0.0, 0.0], [1.0, 1.0]]}
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


@pytest.mark.parametrize("strip", ["", ' xmlns="http://www.opengis.net/kml/2.2"'])
def test_kml_becomes_features(strip):
    """Names, attributes, holes, nested parts and untidy coordinates come over, with and without a namespace."""
    town, gate, road = fence_features(kml_features(KML.replace(strip, "").encode()), Naming())
    draft, area = fence_of_feature(town, repair=False)
    assert (draft.fence_id, draft.name, draft.attributes) == (
        "old-town",
        "Old Town",
        {"owner": "acme", "floor": "3"},
    )
    assert area.area == 15.5
    assert fence_of_feature(gate, repair=False)[1].radius_m == 50
    assert fence_of_feature(road, repair=False)[1] == Corridor((((0, 0), (1, 1)), ((2, 2), (3, 3))), 40)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("<Point><coordinates>1,x</coordinates></Point>", r"found 'x' at coordinates\[1\]"),
        ("<Point><coordinates>1,2</coordinates></Point>", "a circle of a Point needs radius_m"),
        ("<LineString><coordinates>1,2 3,4</coordinates></LineString>", "a corridor of a line needs width_m"),
        ("<Model/>", "geometry is a 'Model'"),
        ("<MultiGeometry><Point/><Polygon/></MultiGeometry>", "MultiGeometry of Point, Polygon"),
        ("<Polygon/>", "at least 1 ring"),
        ("", "geometry has to be an object"),
    ],
)
def test_what_a_placemark_has_wrong_is_said(inside, reason):
    """The check of all features names the reason and the place."""
    text = f"<kml><Placemark><name>Bad</name>{inside}</Placemark></kml>"
    (bad,) = fence_features(kml_features(text.encode()), Naming())
    assert bad["properties"]["name"] == "Bad"
    with pytest.raises(RequestError, match=reason):
        fence_of_feature(bad, repair=True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [(BOMB, "entities"), (OUTSIDE, "entities"), ("<kml>", "not XML"), ("<html/>", "'html'"), ("PK", "KMZ")],
)
def test_documents_that_are_none(text, reason):
    """Entities of any sort, broken XML and other documents are refused."""
    with pytest.raises(RequestError, match=reason):
        kml_features(text.encode())


def _rectangles():
    number = st.floats(-80, 70)
    return st.tuples(number, number, st.floats(1, 9), st.floats(1, 9)).map(
        lambda b: shapely.box(b[0], b[1], b[0] + b[2], b[1] + b[3])
    )


@given(st.lists(_rectangles(), min_size=1, max_size=3), st.booleans())
def test_wkt_becomes_what_shapely_reads(boxes, deep):
    """Polygons, multipolygons, lines and points have the coordinates that shapely gives them; altitude is dropped."""
    shapes = [
        *boxes,
        shapely.MultiPolygon(boxes),
        boxes[0].exterior.centroid,
        shapely.LineString(boxes[0].exterior.coords),
    ]
    shapes = [shapely.force_3d(shape, 5.0) if deep else shape for shape in shapes]
    text = "\n".join(shapely.to_wkt(shape, rounding_precision=-1) for shape in shapes)
    read = wkt_features(text.encode())
    theirs = [orjson.loads(shapely.to_geojson(shapely.from_wkt(line))) for line in text.splitlines()]
    assert [feature["geometry"] for feature in read] == theirs


def test_wkt_lines_have_names_and_repair():
    """SRID, names and comments are understood; an open ring is repaired or refused like GeoJSON's."""
    text = "# yards\nYard 1\tSRID=4326; polygon z((0 0 1,4 0 1,4 4 1))\r\n\n\tPOINT(1 2)\n"
    yard, point = fence_features(wkt_features(text.encode()), Naming(radius_m=9))
    assert (yard["id"], point["id"], point["properties"]["radius_m"]) == ("yard-1", "fence-2", 9)
    assert fence_of_feature(yard, repair=True)[1].area == 8
    with pytest.raises(RequestError, match="at least 4 positions"):
        fence_of_feature(yard, repair=False)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x\tPOLYGON((0 0,1", r"line 2 \(x\) is no WKT"),
        ("POLYGON((0 0)))", "line 2 is no WKT: its parentheses"),
        ("SRID=3857;POINT(1 2)", "line 2: SRID is 3857; allowed is 4326"),
        ("hello", "line 2 is no WKT: 'hello'"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_wkt_that_is_none(line, reason):
    """The line and the reason are named."""
    with pytest.raises(RequestError, match=reason):
        wkt_features(f"POINT(1 2)\n{line}".encode(errors="surrogateescape"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("GEOMETRYCOLLECTION(POINT(1 2))", "GEOMETRYCOLLECTION"),
        ("POLYGON EMPTY", "list of 0"),
        ("POLYGON((0 0,1 a,1 1,0 0))", r"found 'a' at coordinates\[0\]\[1\]\[1\]"),
        ("POLYGON((0 0,1 1,1 0,0 1,0 0))", "Self-intersection"),
    ],
)
def test_wkt_that_is_no_fence(text, reason):
    """What is no area is refused by the check of all features."""
    (bad,) = fence_features(wkt_features(text.encode()), Naming())
    with pytest.raises(RequestError, match=reason):
        fence_of_feature(bad, repair=False)


def test_files_are_read_by_their_names(tmp_path):
    """`.kml`, `.kmz` and `.wkt` files; errors name the file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("doc.kml", KML)
    for name, content in {
        "a.kml": KML.encode(),
        "b.KMZ": packed.getvalue(),
        "c.wkt": b"POINT(1 2)\n" * 3,
    }.items():
        (tmp_path / name).write_bytes(content)
        assert len(read_features(tmp_path / name)) == 3
    (tmp_path / "d.wkt").write_bytes(b"no")
    with pytest.raises(RequestError, match=r"d\.wkt: line 1"):
        read_features(tmp_path / "d.wkt")


async def test_kml_and_wkt_over_http(hub, client):
    """Both media types are taken whole or not at all, and a wrong feature is named."""
    for kind, text in (
        ("application/vnd.google-earth.kml+xml", KML),
        ("text/plain", "Box\tPOLYGON((0 0,1 0,1 1,0 0))"),
    ):
        answer = await client.post(IMPORT, content=text, headers={"Content-Type": kind})
        assert answer.status_code == 200, answer.text
    assert hub.ids() == {"old-town", "gate", "road", "box"}
    answer = await client.post(
        IMPORT, content="Bow\tPOLYGON((0 0,1 1,1 0,0 1,0 0))", headers={"Content-Type": "text/plain"}
    )
    assert answer.json()["errors"][0]["id"] == "bow"
    assert "Self-intersection" in answer.json()["errors"][0]["reason"]


async def test_a_corridor_lives_like_other_fences(hub, client, database):
    """Made, read, patched, listed, and there again after a start; its width is for lines only."""
    made = await client.put("/v1/fences/road", json=feature(ROAD, width_m=50))
    assert (made.status_code, made.json()["geometry"], made.json()["properties"]["width_m"]) == (
        201,
        ROAD,
        50,
    )
    patched = await client.patch("/v1/fences/road", json={"properties": {"width_m": 80_000}})
    assert patched.json()["properties"]["width_m"] == 80_000
    wide = hub.bounds("road")
    assert wide[0] < -0.3
    assert (await client.get("/v1/fences")).json()["features"][0]["geometry"] == ROAD
    for wrong, field in [
        (feature(ROAD), "width_m"),
        (feature(ROAD, radius_m=5), "radius_m"),
        (feature(width_m=5), "width_m"),
        (feature({"type": "Point", "coordinates": [0, 0]}, radius_m=1, width_m=5), "width_m"),
        (feature({**ROAD, "width_m": 9}), "width_m"),
    ]:
        answer = await client.put("/v1/fences/wrong", json=wrong)
        assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
    async with fence_app(database) as again:
        assert again.bounds("road") == wide
