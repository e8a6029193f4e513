"""Remembering where a vehicle was last found changes no answer; crossings of small circles are as exact as of large ones."""

import numpy as np
import pytest
import shapely
from fence_oracles import as_lists, fence_set_of, holds, polygon_hits, star
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geo.fence_match import FencePlaces, match_fences
from geo.fence_set import Circle, Fence, build_fence_set, edit_fence_set
from geo.kernels.geodesy import circle_fraction, describe_circle, geodesic_distance_m, short_way

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(-89.9, 89.9), st.floats(-180, 180), st.floats(-3, 1))
@example(1, 0.0, 180.0, -1.0)
@example(2, 89.9, 10.0, 0.5)
@example(3, -89.9, -180.0, 1.0)
def test_a_remembered_place_changes_no_answer(seed, lat, lon, scale):
    """Walks of several vehicles, batch by batch, hit the same fences with places as without and as the oracles say."""
    rng, size = np.random.default_rng(seed), 10.0**scale
    stars = [
        star(rng, *rng.normal([lon, lat], size).clip([-180, -90], [180, 90]), size, 12) for _ in range(8)
    ]
    polygons = [s for s in stars if s.geom_type in {"Polygon", "MultiPolygon"} and s.area > 0 and s.is_valid]
    centres = rng.normal([lon, lat], size, (8, 2)).clip([-180, -90], [180, 90])
    circles = [Circle(y, x, size * 111_000 * rng.uniform(0.2, 1.5)) for x, y in centres]
    fence_set, places = fence_set_of(*polygons, *circles), FencePlaces()
    at = rng.normal([lon, lat], size, (5, 2))
    for step in rng.choice([1e-6, 1e-3, 0.05, 0.5], 40):
        at = at + rng.normal(0, step * size, at.shape)
        x, y = (at[:, 0] + 180) % 360 - 180, at[:, 1].clip(-90, 90)
        row, fleet = np.arange(5, dtype=np.int32), np.zeros(5, np.int32)
        found = as_lists(match_fences(fence_set, fleet, y, x, places, row))
        assert found == as_lists(match_fences(fence_set, fleet, y, x))
        assert [[f for f in hits if f < len(polygons)] for hits in found] == polygon_hits(polygons, y, x)
    assert [[f - len(polygons) for f in hits if f >= len(polygons)] for hits in found] == [
        [i for i, circle in enumerate(circles) if holds(circle, py, px)] for px, py in zip(x, y, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(-89.9, 89.9), st.floats(-180, 180), st.floats(1, 5e6), st.booleans())
@example(1, 0.0, 180.0, 150.0, False)
@example(2, 89.999, 10.0, 150.0, True)
def test_fixes_of_one_frame_have_the_fences_of_their_own_places(seed, lat, lon, radius_m, has_polygon):
    """Several fixes of a vehicle in a row, around the edges of circles, hit what each of them hits alone."""
    rng, near_deg = np.random.default_rng(seed), radius_m / 111_000
    centres = rng.normal([lat, lon], near_deg, (6, 2)).clip([-90, -180], [90, 180])
    areas = [Circle(y, x, radius_m * rng.uniform(0.5, 1.5)) for y, x in centres]
    square = shapely.box(*(centres[0, ::-1] - near_deg / 9), *(centres[0, ::-1] + near_deg / 9))
    whole = [Fence(i, 0, area) for i, area in enumerate([*areas, *([square] if has_polygon else [])])]
    fence_set = edit_fence_set(build_fence_set(whole[:3], 1), whole[3:], [], 2)  # some in the layer of edits
    row = np.sort(rng.integers(0, 3, 120)).astype(np.int32)
    steps = rng.normal(0, near_deg, (120, 2)) * rng.choice([1e-9, 1e-4, 0.01, 0.3], (120, 1))
    y = (lat + np.cumsum(steps[:, 0])).clip(-90, 90)
    x = (lon + np.cumsum(steps[:, 1]) + 180) % 360 - 180
    fleet, places = np.zeros(120, np.int32), FencePlaces()
    alone = as_lists(match_fences(fence_set, fleet, y, x))
    assert as_lists(match_fences(fence_set, fleet, y, x, places, row)) == alone
    assert as_lists(match_fences(fence_set, fleet, y, x, places, row)) == alone
    assert [[f for f in hits if f < len(areas)] for hits in alone] == [
        [i for i, circle in enumerate(areas) if holds(circle, py, px)] for px, py in zip(x, y, strict=True)
    ]


def test_a_row_of_another_fleet_starts_anew():
    """A row that is given to a vehicle of another fleet never hears of the first one's fences."""
    box = shapely.box(-1, -1, 1, 1)
    fence_set, places = build_fence_set([Fence(0, 0, box), Fence(1, 1, box)], 1), FencePlaces()
    row, zero = np.zeros(1, np.int32), np.zeros(1)
    for fleet in (0, 1, 2, 1, 0):
        hits = match_fences(fence_set, np.array([fleet], np.int32), zero, zero, places, row)
        assert as_lists(hits) == [[fleet] if fleet < 2 else []]


def test_another_set_forgets_all_places():
    """After an edit, the same vehicle at the same place gets the new set's answer; rows grow as they come."""
    places, zero = FencePlaces(), np.zeros(1)
    for areas, expected in (
        ([shapely.box(-1, -1, 1, 1)], [[0]]),
        ([shapely.box(5, 5, 6, 6)], [[]]),
        ([Circle(0, 0, 10.0), Circle(0, 0.0001, 100.0)], [[0, 1]]),
    ):
        for row in (0, 700):
            hits = match_fences(
                fence_set_of(*areas), np.zeros(1, np.int32), zero, zero, places, np.array([row], np.int32)
            )
            assert as_lists(hits) == expected


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-89, 89),
    st.floats(-180, 180),
    st.floats(0.5, 6),
    st.floats(0, 6.3),
    st.floats(0, 6.3),
    st.floats(0.1, 30),
)
@example(0.0, 180.0, 3.7, 0.0, 3.0, 2.0)
def test_a_circles_crossing_is_within_a_millimetre(lat, lon, scale, turn_in, turn_out, far):
    """Where the path is said to meet the circle, the geodesic distance is the radius to 2 mm, entering as leaving."""
    circle, radius = np.empty(8), 10.0**scale
    describe_circle(lat, lon, radius, circle)
    unit = np.array([1 / max(np.cos(np.radians(lat)), 1e-3), 1.0]) * radius / 111_000
    inside = np.array([lon, lat]) + 0.3 * unit * [np.cos(turn_in), np.sin(turn_in)]
    outside = np.array([lon, lat]) + (1 + far) * unit * [np.cos(turn_out), np.sin(turn_out)]
    for path in ((inside, outside), (outside, inside)):
        (x0, y0), (x1, y1) = ((short_way(x), min(90.0, max(-90.0, y))) for x, y in path)
        dx = short_way(x1 - x0)
        t = circle_fraction(circle, x0, y0, dx, y1 - y0)
        ends = [geodesic_distance_m(lat, lon, y, x) > radius for x, y in ((x0, y0), (x1, y1))]
        if ends[0] == ends[1]:
            assert t == -1.0
        else:
            met = geodesic_distance_m(lat, lon, y0 + t * (y1 - y0), short_way(x0 + t * dx))
            assert met == pytest.approx(radius, abs=2e-3)
