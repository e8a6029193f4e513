"""Corridors: what they cover against geographiclib's distances, over 180, and what is refused."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import shapely
from fence_oracles import as_lists, fence_set_of
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fence_area import AreaError, Corridor, area_as_geojson, checked_area, polygon_of
from geo.fence_match import match_fences
from geo.kernels.geodesy import geodesic_distance_m


def distance_m(lines, lat: float, lon: float) -> float:
    """Geodesic distance to edges straight in degrees: dense positions, then the nearest one's neighbourhood denser still."""
    best = math.inf
    for line in lines:
        for (lon1, lat1), (lon2, lat2) in pairwise(line):
            way = (lon2 - lon1 + 180) % 360 - 180
            low, high = 0.0, 1.0
            for _ in range(4):
                t = np.linspace(low, high, 101)
                distances = [
                    geodesic_distance_m(lat, lon, lat1 + (lat2 - lat1) * s, lon1 + way * s) for s in t
                ]
                at = int(np.argmin(distances))
                low, high = t[max(at - 1, 0)], t[min(at + 1, 100)]
            s = t[at]
            best = min(
                best, Geodesic.WGS84.Inverse(lat, lon, lat1 + (lat2 - lat1) * s, lon1 + way * s)["s12"]
            )
    return best


def covers(corridor: Corridor, lat: float, lon: float) -> bool:
    lon = (lon + 180) % 360 - 180
    return bool(shapely.intersects_xy(polygon_of(corridor), lon, lat))


@st.composite
def lines_and_probes(draw):
    """A line of a few edges anywhere, a width, and a place beside one of its vertices or edges."""
    width = 10 ** draw(st.floats(0, 5))
    size = draw(st.sampled_from([0.001, 0.05, 1.0, 5.0]))
    lat, lon = draw(st.floats(-79.9, 79.9)), draw(st.sampled_from([-179.99, -60.0, 0.0, 179.999]))
    steps = st.tuples(st.floats(-size, size), st.floats(-size / 4, size / 4))
    line = [(lon, lat)]
    for east, north in draw(st.lists(steps, min_size=1, max_size=4)):
        line.append((line[-1][0] + east, line[-1][1] + north))
    line = [((x + 180) % 360 - 180, y) for x, y in line]
    probes = st.tuples(st.integers(0, len(line) - 2), st.floats(0, 1), st.floats(0, 360), st.floats(0.9, 1.1))
    return line, width, draw(st.lists(probes, min_size=1, max_size=4))


@settings(max_examples=80, deadline=None)
@given(lines_and_probes())
def test_a_corridor_holds_what_is_near_its_line(case):
    """Nearer than 0.99 of half the width is inside, further than 1.01 outside, by geodesic distance."""
    line, width, probes = case
    try:
        corridor = Corridor((tuple(line),), width)
    except AreaError as error:
        assert "distinct" in error.reason  # noqa: PT017
        return
    assert polygon_of(corridor).is_valid
    for edge, along, azimuth, reach in probes:
        (lon1, lat1), (lon2, lat2) = line[edge], line[edge + 1]
        way = (lon2 - lon1 + 180) % 360 - 180
        there = Geodesic.WGS84.Direct(
            lat1 + (lat2 - lat1) * along, lon1 + way * along, azimuth, width / 2 * reach
        )
        ratio = distance_m([line], there["lat2"], there["lon2"]) / (width / 2)
        if ratio < 0.99 or ratio > 1.01:
            assert covers(corridor, there["lat2"], there["lon2"]) == (ratio < 1)


@pytest.mark.parametrize("width", [2.0, 500.0, 100_000.0])
@pytest.mark.parametrize(
    "line", [((0, 85), (40, 85)), ((10, -85), (12, 85)), ((-170, 60), (170, 60)), ((0, 0), (179, 0))]
)
def test_long_lines_keep_their_width(line, width):
    """Beside long edges along parallels and meridians, up to 85 degrees, half the width is true to 1 %."""
    corridor = Corridor((line,), width)
    (lon1, lat1), (lon2, lat2) = line
    way = (lon2 - lon1 + 180) % 360 - 180
    for along in (0.013, 0.31, 0.5, 0.77, 0.991):
        for azimuth in (0, 90, 180, 270):
            for reach in (0.985, 1.015):
                there = Geodesic.WGS84.Direct(
                    lat1 + (lat2 - lat1) * along, lon1 + way * along, azimuth, width / 2 * reach
                )
                ratio = distance_m([line], there["lat2"], there["lon2"]) / (width / 2)
                if ratio < 0.99 or ratio > 1.01:
                    assert covers(corridor, there["lat2"], there["lon2"]) == (ratio < 1)


def test_a_corridor_over_180_is_cut():
    """Jumps, longitudes beyond 180, and a line written as touching 180 from both sides mean the same area."""
    jump = polygon_of(Corridor((((179, 10), (-179, 11)),), 20_000))
    beyond = polygon_of(Corridor((((179, 10), (181, 11)),), 20_000))
    touching = polygon_of(Corridor((((179, 10), (180, 10.5), (-180, 10.5), (-179, 11)),), 20_000))
    assert jump.bounds[0] == -180
    assert jump.bounds[2] == 180
    assert jump.symmetric_difference(beyond).area < 1e-9
    assert jump.symmetric_difference(touching).area < 1e-4 * jump.area


def test_matching_equals_shapely():
    """Matching fixes against corridors gives what shapely says of their polygons, bit for bit."""
    random = np.random.default_rng(7)
    areas = [
        Corridor(
            (tuple(map(tuple, np.cumsum(random.normal(0, 0.3, (12, 2)), axis=0) + np.array([x, y]))),), width
        )
        for x, y, width in [
            (0, 0, 900),
            (179.8, -20, 30_000),
            (-120, 70, 90_000),
            (10, 50, 5),
            (0.5, 0, 20_000),
        ]
    ]
    lat, lon = [], []
    for area in areas:
        west, south, east, north = polygon_of(area).bounds
        lon.append(random.uniform(west, east, 2000))
        lat.append(random.uniform(south, north, 2000))
        edge = shapely.get_coordinates(polygon_of(area))[::7]
        lon.append(edge[:, 0])
        lat.append(edge[:, 1])
    lat, lon = np.concatenate(lat), np.concatenate(lon)
    inside = np.array([shapely.intersects_xy(polygon_of(area), lon, lat) for area in areas])
    hits = match_fences(fence_set_of(*areas), np.zeros(len(lat), np.int32), lat, lon)
    assert as_lists(hits) == [np.flatnonzero(column).tolist() for column in inside.T]
    assert inside.any(axis=1).all()


@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(-360, 360), st.floats(-85, 85)).map(lambda p: (round(p[0], 1), round(p[1]))),
            min_size=2,
            max_size=4,
            unique_by=lambda p: p[1],
        ),
        min_size=1,
        max_size=3,
    ),
    st.floats(1000, 100_000),
)
@settings(max_examples=20, deadline=None)
def test_a_corridor_comes_back_as_it_went(lines, width):
    """Lines and width are the same after GeoJSON, and equality is that of lines and width."""
    corridor = Corridor(tuple(map(tuple, lines)), width)
    back = checked_area(json.loads(json.dumps(area_as_geojson(corridor))), repair=False)
    assert back == corridor
    assert hash(back) == hash(corridor)
    assert back != Corridor(corridor.lines, width / 2)


LINE = [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ({"type": "LineString", "coordinates": LINE}, "finite number, found None at width_m"),
        ({"type": "LineString", "coordinates": LINE, "width_m": 0}, "width_m is 0.0; allowed is more than 0"),
        ({"type": "LineString", "coordinates": LINE, "width_m": 1e6}, "up to 100000 at width_m"),
        ({"type": "LineString", "coordinates": LINE, "width_m": math.inf}, "finite number, found inf"),
        ({"type": "LineString", "coordinates": LINE[:1], "width_m": 9}, "at least 2 positions"),
        (
            {"type": "LineString", "coordinates": [[180, 5], [-180, 5]], "width_m": 9},
            "two distinct positions.* lat 5",
        ),
        (
            {"type": "LineString", "coordinates": [[0, 0], [3, 86]], "width_m": 9},
            r"within \+-85 .* at lon 3.0, lat 86.0",
        ),
        (
            {"type": "MultiLineString", "coordinates": [LINE, [[0, 0], [0, "x"]]], "width_m": 9},
            r"\[1\]\[1\]\[1\]",
        ),
        ({"type": "MultiLineString", "coordinates": [], "width_m": 9}, "at least 1 line"),
        (
            {"type": "LineString", "coordinates": [[0, 80], [170, 80]], "width_m": 1e-3},
            "too long for its width.* at width_m",
        ),
    ],
)
def test_what_is_no_corridor_is_refused_with_the_place(geometry, message):
    """Each error says what is wrong and where."""
    with pytest.raises(AreaError, match=message):
        checked_area(geometry, repair=False)
