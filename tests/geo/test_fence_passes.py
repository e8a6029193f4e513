"""Passes between two fixes against shapely and geographiclib, and each edge case by a small example."""

import numpy as np
import pytest
import shapely
from fence_oracles import fence_set_of, holds, star
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.fence_area import checked_area
from geo.fence_passes import FencePasses, Passes, warm_up
from geo.fence_set import Circle, Fence, FenceSet, build_fence_set, edit_fence_set
from geo.kernels import fence_passes as kernel

BOX = shapely.box(0, 0, 2, 2)
Way = tuple[float, float, float, float]  # lat, lon, lat, lon


def found(fence_set: FenceSet, *ways: Way, fleet: int = 0, passes: FencePasses | None = None) -> Passes:
    columns = [np.array(column, float) for column in zip(*ways, strict=True)]
    return (passes or FencePasses()).find(fence_set, np.full(len(ways), fleet, np.int32), *columns)


def short(passes: Passes) -> list[tuple]:
    """(way, fence, enter, leave) of each pass, rounded."""
    columns = (passes.way, passes.fence, passes.enter.round(6), passes.leave.round(6))
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_way_through_is_a_pass_and_one_that_ends_inside_is_none():
    """Only a way with both ends outside passes; the ends count with the boundary, as everywhere."""
    ways = [(1, -1, 1, 3), (1, 1, 1, 3), (1, -1, 1, 1), (1, 0, 1, 3), (3, -1, 3, 3), (1, -1, 1, -0.5)]
    assert short(found(fence_set_of(BOX), *ways)) == [(0, 0, 0.25, 0.75)]
    assert short(found(fence_set_of(BOX), (1, 3, 1, -1))) == [(0, 0, 0.25, 0.75)]


def test_nothing_passes_nothing():
    """No ways, no fences, a fleet without fences, and a way of no length, have no passes."""
    assert not len(found(build_fence_set([], 1), (1, -1, 1, 3)).way)
    assert not len(found(fence_set_of(BOX), (1, -1, 1, 3), fleet=1).way)
    assert not len(found(fence_set_of(BOX), (1, -1, 1, 3), fleet=-1).way)
    assert not len(found(fence_set_of(BOX), (3, 3, 3, 3), (1, 1, 1, 1)).way)
    nothing = np.empty(0)
    assert not len(FencePasses().find(fence_set_of(BOX), nothing, nothing, nothing, nothing, nothing).way)


def test_a_touch_is_no_pass():
    """A way that meets a vertex only touches; one along an edge, or through two vertices, passes."""
    ways = [(-1, 1, 1, -1), (3, 1, 1, 3), (0, -1, 0, 4), (-1, -1, 3, 3)]
    assert short(found(fence_set_of(BOX), *ways)) == [(2, 0, 0.2, 0.6), (3, 0, 0.25, 0.75)]
    bay = shapely.Polygon([(0, 0), (4, 0), (4, 2), (3, 1), (2, 1), (1, 2), (0, 1)])
    assert short(found(fence_set_of(bay), (2, 0, 2, 5))) == [
        (0, 0, 0.2, 0.8)
    ]  # two vertices, outside between


def test_of_holes_and_parts_the_outer_ends_count():
    """Over a hole, and through two parts of one fence, it is one pass; from inside a hole outwards it is one too."""
    ring = BOX.difference(shapely.box(0.5, 0.5, 1.5, 1.5))
    assert short(found(fence_set_of(ring), (1, -1, 1, 3), (1, 1, 1, 3))) == [
        (0, 0, 0.25, 0.75),
        (1, 0, 0.25, 0.5),
    ]
    parts = shapely.MultiPolygon([shapely.box(1, 0, 2, 1), shapely.box(3, 0, 4, 1)])
    assert short(found(fence_set_of(parts), (0.5, 0, 0.5, 5))) == [(0, 0, 0.2, 0.8)]


def test_several_fences_come_in_the_order_of_leaving():
    """Of one way, the passes are in the order in which they end, and those that end together by handle."""
    fences = fence_set_of(shapely.box(3, 0, 4, 1), shapely.box(1, 0, 2, 1), shapely.box(0.5, 0, 2, 1))
    assert [p[1] for p in short(found(fences, (0.5, 0, 0.5, 5)))] == [1, 2, 0]


def test_a_way_over_180_is_the_short_one():
    """Fences on either side of the antimeridian, and over it, are passed on the short way only, polygons and circles."""
    ring = [[179, -1], [-179, -1], [-179, 1], [179, 1], [179, -1]]
    over = checked_area({"type": "Polygon", "coordinates": [ring]}, repair=False)
    circle = Circle(0.0, 179.9999, 50_000.0)
    fences = fence_set_of(over, shapely.box(178, -1, 178.5, 1), shapely.box(-178.5, -1, -178, 1), BOX, circle)
    there, back = found(fences, (0, 177, 0, -177)), found(fences, (0, -177, 0, 177))
    assert there.fence.tolist() == [1, 4, 0, 2]
    assert back.fence.tolist() == [2, 4, 0, 1]
    assert short(there)[2] == (0, 0, round(2 / 6, 6), round(4 / 6, 6))
    assert np.allclose(there.enter, 1 - back.leave[[3, 1, 2, 0]], atol=1e-8)


@pytest.mark.parametrize("depth_m", [-1.0, -0.01, 0.01, 1.0, 100.0])
def test_a_tangent_passes_when_it_is_deep_enough(depth_m):
    """A way due north beside a circle passes by the depth, to less than a centimetre, with the chord that geometry gives it."""
    radius = 5_000.0
    lon = Geodesic.WGS84.Direct(0.0, 10.0, 90.0, radius - depth_m)["lon2"]
    passes = found(fence_set_of(Circle(0.0, 10.0, radius)), (-0.1, lon, 0.1, lon))
    assert len(passes.way) == (depth_m > 0)
    if depth_m > 0:
        chord = (passes.leave[0] - passes.enter[0]) * Geodesic.WGS84.Inverse(-0.1, lon, 0.1, lon)["s12"]
        assert chord == pytest.approx(2 * np.sqrt(2 * radius * depth_m), rel=0.02, abs=0.5)


def test_circles_near_a_pole():
    """A way around a circle that holds a pole does not pass; one that goes around the pole through a circle beside it does, at its ends."""
    pole = Circle(90.0, 0.0, 5_000.0)
    beside = Circle(89.5, 60.0, 5_000.0)
    fences = fence_set_of(pole, beside)
    passes = found(fences, (89.5, 0, 89.5, 170), (89.94, 0, 89.99, 179), (89.5, 0, 89.5, -170))
    assert list(zip(passes.way.tolist(), passes.fence.tolist(), strict=True)) == [(0, 1)]
    for part in (passes.enter[0], passes.leave[0]):
        at_edge = Geodesic.WGS84.Inverse(89.5, 60.0, 89.5, 170 * part)["s12"]
        assert at_edge == pytest.approx(5_000, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_polygons_as_shapely(seed):
    """Random ways pass the polygons of which shapely says so, from the first to the last point of the boundary."""
    rng = np.random.default_rng(seed)
    areas = [star(rng, *rng.normal(0, 2, 2), rng.uniform(0.05, 1.5), 25) for _ in range(40)]
    areas = [area for area in areas if area.is_valid and area.area > 0]
    ways = np.round(rng.normal(0, 2, (60, 4)), 3)
    expected = []
    for i, (lat0, lon0, lat1, lon1) in enumerate(ways):
        line = shapely.LineString([(lon0, lat0), (lon1, lat1)])
        for fence, area in enumerate(areas):
            if holds(area, lat0, lon0) or holds(area, lat1, lon1) or line.intersection(area).length < 1e-9:
                continue
            met = shapely.get_coordinates(line.intersection(area.boundary))
            along = [line.project(shapely.Point(place), normalized=True) for place in met]
            expected.append((i, fence, min(along), max(along)))
    got = found(fence_set_of(*areas), *map(tuple, ways))
    rows = sorted(zip(got.way.tolist(), got.fence.tolist(), got.enter, got.leave, strict=True))
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    assert np.allclose([row[2:] for row in rows], [row[2:] for row in expected], atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from([0.0, 45.0, 80.0, -89.0]), st.sampled_from([500.0, 60_000.0])
)
def test_circles_as_geographiclib(seed, lat, radius):
    """A random way passes a circle when sampled geodesics find it inside, and enters and leaves at the radius."""
    rng = np.random.default_rng(seed)
    lon = 179.9 if seed % 2 else 20.0
    circle = Circle(lat, lon, radius)
    wide = 2.0 * radius / 111_000
    stretch = 1 / np.cos(np.radians(lat))
    ways = np.array([lat, lon, lat, lon]) + rng.normal(0, wide, (10, 4)) * [1, stretch, 1, stretch]
    ways[:, ::2] = np.clip(ways[:, ::2], -90, 90)
    ways[:, 1::2] = (ways[:, 1::2] + 180) % 360 - 180
    got = found(fence_set_of(circle), *map(tuple, ways))
    for i, way in enumerate(ways):
        east = (way[3] - way[1] + 180) % 360 - 180

        def beyond(t, way=way, east=east):
            at = way[0] + t * (way[2] - way[0]), way[1] + t * east
            return Geodesic.WGS84.Inverse(lat, lon, *at)["s12"] - radius

        sampled = min(map(beyond, np.linspace(0, 1, 200)))
        ends = min(beyond(0.0), beyond(1.0))
        if i in got.way:
            at = got.way.tolist().index(i)
            assert ends > 0
            assert beyond(got.enter[at]) == pytest.approx(0, abs=0.01)
            assert beyond(got.leave[at]) == pytest.approx(0, abs=0.01)
            assert got.enter[at] < got.leave[at]
            assert beyond((got.enter[at] + got.leave[at]) / 2) < 0
        else:
            assert ends <= 0 or sampled > -0.01


def test_any_edit_has_the_passes_of_a_new_set():
    """However a set came about, the same index keeps up with it: passes are those of a set built anew, fleets apart."""
    rng = np.random.default_rng(5)
    fences = {
        i: Fence(i, i % 3, shapely.box(x, y, x + rng.uniform(0, 0.3), y + rng.uniform(0, 0.3)))
        for i, (x, y) in enumerate(rng.uniform(-3, 3, (700, 2)))
    }
    base, passes = build_fence_set(fences.values(), 1), FencePasses()
    ways = [tuple(way) for way in rng.uniform(-3, 3, (100, 4))]
    changed, removed = {}, set()
    for version in range(2, 12):
        current = edit_fence_set(base, changed.values(), removed, version)
        now = {**fences, **changed}
        plain = build_fence_set([fence for i, fence in now.items() if i not in removed], version)
        for fleet in range(3):
            got, want = found(current, *ways, fleet=fleet, passes=passes), found(plain, *ways, fleet=fleet)
            assert (got.way == want.way).all()
            assert (current.handles[got.fence] == plain.handles[want.fence]).all()
            assert (got.enter == want.enter).all()
            assert fleet or len(got.way) > 50
        for i in rng.integers(0, 710, 20).tolist():
            x, y = rng.uniform(-3, 3, 2)
            changed[i] = Fence(i, i % 3, shapely.box(x, y, x + 0.2, y + 0.2))
            removed.discard(i)
        for i in rng.integers(0, 700, 5).tolist():
            removed.add(i)
            changed.pop(i, None)


def test_no_compilation_after_the_warm_up():
    """Read-only and narrower columns are taken without another compilation, which would stall the hub."""
    warm_up()
    compiled = len(kernel.find.signatures)
    place = np.frombuffer(np.ones(4).tobytes())[::2]
    for fences in (fence_set_of(BOX, Circle(1, 1, 10)), edit_fence_set(fence_set_of(BOX), [], [0], 2)):
        FencePasses().find(fences, np.zeros(2, np.int64), place, place, place - 3, place - 3)
    assert len(kernel.find.signatures) == compiled
