"""Matching against shapely and geographiclib: 0 differences, wherever the point is."""

import contextlib
import io
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import shapely
from fence_oracles import as_lists, cab_day, fence_set_of, holds, points_around, polygon_hits, star, zones
from geographiclib.geodesic import Geodesic
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geo.fence_area import checked_area
from geo.fence_match import match_fences
from geo.fence_set import Circle, Fence, build_fence_set

seeds = st.integers(0, 2**32 - 1)


def matched(fence_set, lat, lon, fleet=0):
    lat, lon = np.atleast_1d(np.asarray(lat, float)), np.atleast_1d(np.asarray(lon, float))
    return as_lists(match_fences(fence_set, np.full(len(lat), fleet, np.int32), lat, lon))


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(-89.5, 89.5), st.floats(-180, 180), st.floats(-4, 1.5), st.integers(1, 12))
@example(1, 89.9, 0.0, 1.0, 3)
@example(2, -30.0, 180.0, 0.5, 6)
@example(3, 58.28, 11.25, -3.0, 4)  # next to a pentagon
def test_polygons_are_shapelys(seed, lat, lon, scale, count):
    """Random polygons with holes, of any size anywhere, hold exactly the points that shapely says, edges and vertices included."""
    rng = np.random.default_rng(seed)
    size = 10.0**scale
    centres = rng.normal([lon, lat], size, (count, 2)).clip([-180, -90], [180, 90])
    stars = [star(rng, x, y, size, int(rng.integers(3, 80))) for x, y in centres]
    areas = [
        area
        for area in stars
        if area.geom_type in {"Polygon", "MultiPolygon"} and area.area > 0 and area.is_valid
    ]
    if areas:
        lats, lons = points_around(rng, areas, 100)
        assert matched(fence_set_of(*areas), lats, lons) == polygon_hits(areas, lats, lons)


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(-90, 90), st.floats(-180, 180), st.floats(-1, 7))
@example(4, 90.0, 10.0, 5.0)
@example(5, -89.9, 180.0, 6.0)
@example(6, 0.0, -180.0, 7.0)
def test_circles_are_geodesic(seed, lat, lon, scale):
    """A circle anywhere holds what geographiclib finds within its radius, next to the edge, over 180 and over the poles too."""
    rng = np.random.default_rng(seed)
    circle = Circle(lat, lon, 10.0**scale)
    distances = circle.radius_m * np.concatenate(
        [rng.uniform(0, 1.2, 20), rng.normal(1, 1e-3, 20), [1 - 1e-6, 1 + 1e-6]]
    )
    distances += np.where(
        abs(distances - circle.radius_m) < 1e-3, 2e-3, 0
    )  # closer than that, rounding decides
    ends = [
        Geodesic.WGS84.Direct(lat, lon, b, d) for b, d in zip(rng.uniform(0, 360, 42), distances, strict=True)
    ]
    lats, lons = np.array([end["lat2"] for end in ends]), np.array([end["lon2"] for end in ends])
    expected = [[0] if distance <= circle.radius_m else [] for distance in distances]
    assert matched(fence_set_of(circle), lats, lons) == expected


def test_a_point_on_the_boundary_is_inside():
    """Vertices, edges and the edges of holes are inside; so are both sides of 180 and the poles of a fence that reaches there."""
    holed = shapely.Polygon([(0, 0), (4, 0), (4, 4), (0, 4)], [[(1, 1), (1, 2), (2, 2), (2, 1)]])
    world = shapely.box(-180, -90, 180, 90)
    fence_set = fence_set_of(holed, world)
    assert matched(fence_set, [0, 2, 1, 1.5, 1.5], [0, 4, 1, 2, 1.5]) == [[0, 1], [0, 1], [0, 1], [0, 1], [1]]
    assert matched(fence_set, [90, -90, 0, 0], [0, 180, 180, -180]) == [[1]] * 4


def test_a_fence_over_180_and_one_around_the_pole():
    """What checked_area cuts at 180 holds both sides, and a ring around the pole holds the pole at every longitude."""
    pacific = checked_area(
        {"type": "Polygon", "coordinates": [[[170, -10], [-170, -10], [-170, 10], [170, 10], [170, -10]]]},
        repair=False,
    )
    ring = [[lon, 80] for lon in range(-180, 180, 20)]
    arctic = checked_area({"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, repair=False)
    fence_set = fence_set_of(pacific, arctic)
    assert matched(fence_set, [0, 0, 0, 0, 0], [180, -180, 175, -175, 0]) == [[0], [0], [0], [0], []]
    assert matched(fence_set, [90, 90, 85, 79.9, 80.1], [0, -77, 180, 12, -180]) == [[1], [1], [1], [], [1]]


def test_a_fleet_sees_its_own_fences_only():
    """The same place gives each fleet its fences, and nothing to fleets that have none."""
    areas = [
        shapely.box(0, 0, 2, 2),
        Circle(1, 1, 50_000),
        shapely.box(0, 0, 3, 3),
        shapely.box(-5, -5, 5, 5),
    ]
    fleets = [7, 2, 7, 0]
    fence_set = build_fence_set(
        [Fence(i, f, area) for i, (f, area) in enumerate(zip(fleets, areas, strict=True))], 1
    )
    number = np.array([7, 2, 0, 1, 3, 99, -1, 7], np.int32)
    hits = match_fences(fence_set, number, np.ones(8), np.ones(8))
    assert as_lists(hits) == [[0, 2], [1], [3], [], [], [], [], [0, 2]]


def test_bad_positions_and_empty_sets_match_nothing():
    """NaN and positions off the globe are in no fence; no fences and no fixes are no special case."""
    world = fence_set_of(shapely.box(-180, -90, 180, 90))
    nan = float("nan")
    assert matched(world, [nan, 0, 91, 0, float("inf")], [0, nan, 0, 181, 0]) == [[]] * 5
    assert matched(build_fence_set([], 1), [1.0], [1.0]) == [[]]
    assert match_fences(world, np.empty(0, np.int32), np.empty(0), np.empty(0)).offsets.tolist() == [0]


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_thousands_of_overlapping_fences_are_shapelys(seed):
    """Polygons and circles on one spot, many deep, are all found, ascending."""
    rng = np.random.default_rng(seed)
    areas = [star(rng, *rng.normal([-122.4, 37.7], 0.01), 0.02, int(rng.integers(3, 30))) for _ in range(300)]
    areas = [area for area in areas if area.is_valid]
    circles = [Circle(37.7 + dy, -122.4 + dx, 900.0) for dx, dy in rng.normal(0, 0.01, (20, 2))]
    lat, lon = points_around(rng, areas, 30)
    found = matched(fence_set_of(*areas, *circles), lat, lon)
    assert [[i for i in row if i < len(areas)] for row in found] == polygon_hits(areas, lat, lon)
    assert [[i - len(areas) for i in row if i >= len(areas)] for row in found] == [
        [i for i, circle in enumerate(circles) if holds(circle, y, x)] for y, x in zip(lat, lon, strict=True)
    ]
    assert all(a < b for row in found for a, b in pairwise(row))


def test_many_fences_on_one_line_do_not_explode():
    """A thousand fences with the same long border stay small, since a fence settles at its own resolution."""
    strip = [shapely.box(-180, 0, 180, 1 + i / 1000) for i in range(1000)]
    fence_set = fence_set_of(*strip)
    assert fence_set.nbytes < 20e6
    assert [len(row) for row in matched(fence_set, [0, 1.5, 1.5005, 2.1], [0, 33, 180, 0])] == [
        1000,
        500,
        499,
        0,
    ]


@pytest.mark.parametrize(
    "files",
    [
        ["san-francisco.geojson", "oakland.geojson", "california-counties.geojson"],
        ["ne_50m_ocean.geojson.gz"],
        ["us_counties_10m.geojson.gz", "ne_50m_countries.geojson.gz", "ne_10m_us_parks.geojson"],
    ],
)
def test_every_fix_of_a_real_day_is_shapelys(shared_data, files):
    """506,190 fixes against real zones: 0 differences from shapely."""
    areas = zones(shared_data, *files)
    _, _, lat, lon = cab_day(shared_data)
    hits = match_fences(fence_set_of(*areas), np.zeros(len(lat), np.int32), lat, lon)
    shapely.prepare(areas)
    west, south, east, north = min(lon), min(lat), max(lon), max(lat)
    seen = np.zeros(len(hits.fence), np.bool_)
    fix_of_hit = np.repeat(np.arange(len(lat)), np.diff(hits.offsets))
    for index, area in enumerate(areas):
        ours = np.zeros(len(lat), np.bool_)
        ours[fix_of_hit[hits.fence == index]] = True
        seen |= hits.fence == index
        if not ours.any() and not area.intersects(shapely.box(west, south, east, north)):
            continue
        assert (ours == shapely.intersects_xy(area, lon, lat)).all()
    assert seen.all()


def test_random_points_of_the_globe_are_shapelys(shared_data):
    """Countries that cross 180 and reach the pole: 0 differences on points anywhere, on their borders, at +-180 and the poles."""
    areas = zones(shared_data, "ne_50m_countries.geojson.gz")
    rng = np.random.default_rng(8)
    lat, lon = points_around(rng, areas, 2_000)
    lat = np.concatenate([lat, rng.uniform(-90, 90, 400), np.full(100, 90.0), np.full(100, -90.0)])
    lon = np.concatenate([lon, np.tile([-180.0, 180.0], 200), rng.uniform(-180, 180, 200)])
    shapely.prepare(areas)
    assert matched(fence_set_of(*areas), lat, lon) == polygon_hits(areas, lat, lon)


PLAIN = """
import numpy as np, shapely
from geo.cells import cells_of
from geo.fence_match import match_fences
from geo.fence_set import Circle, Fence, build_fence_set
from geo.fence_transitions import FenceState, find_transitions
import h3.api.basic_int as h3
ring = [(np.cos(t), np.sin(t)) for t in np.arange(14) * np.pi / 7]
areas = [shapely.Polygon(ring), shapely.box(0, 0, 1, 1), Circle(0.5, 0.5, 20_000.0)]
fences = build_fence_set([Fence(i, 0, area) for i, area in enumerate(areas)], 1)
lat, lon = np.array([0.5, 0.1, 1.0, -0.5, 3.0]), np.array([0.5, 0.9, 1.0, -0.5, 3.0])
hits = match_fences(fences, np.zeros(5, np.int32), lat, lon)
print(np.split(hits.fence, hits.offsets[1:-1]))
state = FenceState(10)
events = find_transitions(state, fences, np.zeros(5, np.int32), np.arange(5) * 1000, lat, lon, hits)
print(events.handle.tolist(), events.kind.tolist(), events.visit.tolist(), events.time_ms.tolist())
print((cells_of(lat, lon, 9) == [h3.latlng_to_cell(y, x, 9) for y, x in zip(lat, lon)]).all())
"""


def test_the_kernels_are_the_same_without_the_compiler():
    """Plain Python runs of the kernels give what the compiled ones give."""
    compiled = io.StringIO()
    with contextlib.redirect_stdout(compiled):
        exec(PLAIN, {})
    plain = subprocess.run(
        [sys.executable, "-c", PLAIN],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert plain.stdout == compiled.getvalue()
    assert "True" in plain.stdout
