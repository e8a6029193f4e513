"""Areas in and out of GeoJSON: what is refused, with the place, what is repaired, and what crosses 180."""

import gzip
import json

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geo.fence_area import AreaError, Circle, area_as_geojson, checked_area

SQUARE = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]
BOW_TIE = [[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def area_of(*rings, repair=False):
    return checked_area(polygon(*rings), repair=repair)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"type": "MultiPoint", "coordinates": SQUARE}, r"'MultiPoint'; allowed are Polygon.* at type"),
        ({}, "type is None"),
        (polygon(), r"at least 1 ring, found a list of 0 at coordinates$"),
        (polygon(SQUARE[:3]), r"at least 4 positions, found a list of 3 at coordinates\[0\]"),
        (polygon(SQUARE[:4]), r"ends with its first position.* at coordinates\[0\]\[3\]"),
        (
            polygon([*SQUARE[:2], [4, 91], *SQUARE[3:]]),
            r"latitude is 91.0; allowed is \+-90 at coordinates\[0\]\[2\]\[1\]",
        ),
        (
            polygon([*SQUARE[:2], [361, 4], *SQUARE[3:]]),
            r"longitude is 361.0; .* at coordinates\[0\]\[2\]\[0\]",
        ),
        (
            polygon([*SQUARE[:2], [4, float("nan")], *SQUARE[3:]]),
            r"finite number, found nan at coordinates\[0\]\[2\]\[1\]",
        ),
        (polygon([*SQUARE[:2], [4, True], *SQUARE[3:]]), "finite number, found True"),
        (polygon([*SQUARE[:2], [4], *SQUARE[3:]]), "at least 2 numbers"),
        (polygon(SQUARE, "hole"), r"found 'hole' at coordinates\[1\]"),
        (polygon(BOW_TIE), r"Self-intersection at lon 2, lat 2"),
        (polygon([[0, 0], [1, 1], [2, 2], [0, 0]]), "at lon|no area"),
        ({"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE[:2]]]}, r"at coordinates\[1\]\[0\]"),
        ({"type": "Point", "coordinates": [0, 0]}, "finite number, found None at radius_m"),
        ({"type": "Point", "coordinates": [0, 0], "radius_m": 0}, "allowed is more than 0"),
        ({"type": "Point", "coordinates": [0, 0], "radius_m": 2e7}, "up to 10000000"),
        ({"type": "Point", "coordinates": [181, 0], "radius_m": 5}, r"longitude is 181.0; allowed is \+-180"),
    ],
)
def test_what_cannot_be_is_refused_with_the_place(geometry, message):
    """Each error says what is wrong and where."""
    with pytest.raises(AreaError, match=message):
        checked_area(geometry, repair=False)


def test_repair_makes_an_area_of_rings_that_cross_or_are_open():
    """What make_valid makes of the rings is taken, and what has no area even then is refused."""
    assert area_of(BOW_TIE, repair=True).area == 8
    assert area_of(SQUARE[:4], repair=True).equals(shapely.box(0, 0, 4, 4))
    with pytest.raises(AreaError, match="no area"):
        area_of([[0, 0], [1, 1], [2, 2], [0, 0]], repair=True)


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(0.001, 1e7))
def test_a_circle_comes_back_as_it_went(lat, lon, radius):
    """A circle is the same after GeoJSON."""
    circle = Circle(lat, lon, radius)
    assert checked_area(json.loads(json.dumps(area_as_geojson(circle))), repair=False) == circle


def test_polygons_come_back_as_they_went():
    """Holes and parts survive GeoJSON, and altitudes are dropped."""
    holed = area_of([[*p, 7.5] for p in SQUARE], [[1, 1], [2, 1], [2, 2], [1, 1]])
    assert checked_area(area_as_geojson(holed), repair=False).equals_exact(holed)
    both = shapely.MultiPolygon([holed, shapely.box(5, 5, 6, 6)])
    assert checked_area(area_as_geojson(both), repair=False).equals_exact(both)


EXPECTED_OVER_180 = shapely.union_all([shapely.box(170, -10, 180, 10), shapely.box(-180, -10, -170, 10)])


@pytest.mark.parametrize(
    "ring",
    [
        [[170, -10], [-170, -10], [-170, 10], [170, 10], [170, -10]],
        [[-170, -10], [-170, 10], [170, 10], [170, -10], [-170, -10]],
        [[170, -10], [190, -10], [190, 10], [170, 10], [170, -10]],
        [[-190, -10], [-170, -10], [-170, 10], [-190, 10], [-190, -10]],
    ],
)
def test_a_ring_over_180_is_cut(ring):
    """Jumps and longitudes beyond 180 both mean the short way, and so does a hole written the other way."""
    assert area_of(ring).equals(EXPECTED_OVER_180)
    hole = [[179, -1], [-179, -1], [-179, 1], [179, 1], [179, -1]]
    assert area_of(ring, hole).area == pytest.approx(400 - 4)
    assert area_of(ring, [[-178, 0], [-177, 0], [-177, 1], [-178, 0]]).area == pytest.approx(400 - 0.5)


def test_a_ring_around_a_pole_holds_the_pole():
    """A ring that goes once around the world covers everything from there to the pole."""
    ring = [[lon, 80 + lon % 7] for lon in range(-180, 180, 30)]
    north = area_of([*ring, ring[0]])
    assert north.covers(shapely.MultiPoint([(0, 90), (180, 89), (-180, 89), (-170, 88)]))
    assert not north.intersects(shapely.Point(0, 79))
    south = area_of([[lon, -lat] for lon, lat in [*ring, ring[0]]])
    assert south.covers(shapely.Point(10, -90))


def test_the_whole_world_is_left_alone():
    """An edge from exactly -180 to 180 goes the long way."""
    assert area_of([[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]).area == 360 * 180


def test_a_crossing_ring_over_180_is_refused_or_repaired():
    """The cut does not hide that a ring crosses itself."""
    bow_tie = [[178, 0], [-178, 4], [-178, 0], [178, 4], [178, 0]]
    with pytest.raises(AreaError, match="Self-intersection"):
        area_of(bow_tie)
    assert area_of(bow_tie, repair=True).area == pytest.approx(8)


@pytest.mark.parametrize(
    ("name", "invalid"),
    [
        ("san-francisco.geojson", 3),
        ("oakland.geojson", 0),
        ("california-counties.geojson", 3),
        ("us_counties_10m.geojson.gz", 21),
        ("ne_10m_us_parks.geojson", 0),
        ("ne_50m_ocean.geojson.gz", 0),
        ("ne_50m_countries.geojson.gz", 0),
    ],
)
def test_real_zones_load(shared_data, name, invalid):
    """Real files load with repair, to the area that shapely has of them; as many as are invalid are refused without."""
    path = shared_data / "zones" / name
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    geometries = [feature["geometry"] for feature in json.loads(text)["features"]]
    refused = 0
    for geometry in geometries:
        if not geometry["coordinates"]:
            with pytest.raises(AreaError, match="found a list of 0"):
                checked_area(geometry, repair=True)
            continue
        theirs = shapely.make_valid(shapely.from_geojson(json.dumps(geometry)))
        assert checked_area(geometry, repair=True).area == pytest.approx(theirs.area)
        try:
            checked_area(geometry, repair=False)
        except AreaError:
            refused += 1
    assert refused == invalid
