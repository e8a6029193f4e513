"""Cells against h3 itself, and the claim that covers stand on: how far what maps to a cell can be from its centre."""

import math

import h3
import h3.api.basic_int
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.cells import cells_of
from geo.kernels.cells import (
    BASE_CELLS,
    FINEST,
    REACH_RAD,
    base_cell,
    cell_centre,
    cell_of_base,
    child_of,
    digit,
    reach_box,
)


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1), st.integers(0, 15))
def test_cells_are_h3s(places, resolution):
    """Every position gets the index that h3 gives it."""
    lat, lon = np.array(places).T.copy()
    expected = [h3.api.basic_int.latlng_to_cell(*place, resolution) for place in places]
    assert cells_of(lat, lon, resolution).tolist() == expected


def test_what_is_no_number_has_no_cell():
    """NaN and infinity give 0, and a resolution that does not exist is refused."""
    assert cells_of(np.array([math.nan, math.inf, 0.0]), np.zeros(3), 9).tolist()[:2] == [0, 0]
    with pytest.raises(ValueError, match="0 to 15"):
        cells_of(np.zeros(1), np.zeros(1), 16)


@settings(deadline=None)
@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1, 15))
def test_the_digits_of_an_index_are_the_way_to_it(lat, lon, resolution):
    """Base cell and digits lead through the parents that h3 names."""
    cell = h3.api.basic_int.latlng_to_cell(lat, lon, resolution)
    way = cell_of_base(base_cell(cell))
    for finer in range(1, resolution + 1):
        way = child_of(way, finer, digit(cell, finer))
        assert way == h3.api.basic_int.cell_to_parent(cell, finer)


def _places(rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Half anywhere on the globe, half near the pentagons and the poles, at all scales."""
    corners = [h3.cell_to_latlng(cell) for cell in h3.get_pentagons(5)] + [(90.0, 0.0), (-90.0, 0.0)]
    near = rng.integers(len(corners), size=size)
    scale = 10.0 ** rng.uniform(-6, 1, (2, size))
    lat, lon = np.array(corners)[near].T + rng.normal(size=(2, size)) * scale
    lat = np.where(np.arange(size) % 2, lat, np.degrees(np.arcsin(rng.uniform(-1, 1, size))))
    lon = np.where(np.arange(size) % 2, lon, rng.uniform(-180, 180, size))
    return np.clip(lat, -90, 90), (lon + 180) % 360 - 180


def _angle(lat, lon, centre):
    a, b = (
        (math.cos(y) * math.cos(x), math.cos(y) * math.sin(x), math.sin(y)) for y, x in ((lat, lon), centre)
    )
    return 2 * math.asin(min(1.0, math.dist(a, b) / 2))


@pytest.mark.parametrize("resolution", [4, 10, 15])
def test_nothing_is_further_from_its_ancestors_than_their_reach(resolution):
    """All ancestors' centres are within reach of a position, next to pentagons and poles too, and their boxes hold it."""
    lat, lon = _places(np.random.default_rng(resolution), 4_000)
    cells = cells_of(lat, lon, resolution)
    point, box, world = np.empty(2), np.empty(4), np.array([-180.0, -90.0, 180.0, 90.0])
    for y, x, cell in zip(lat.tolist(), lon.tolist(), cells.tolist(), strict=True):
        for coarser in range(resolution + 1):
            cell_centre(h3.api.basic_int.cell_to_parent(cell, coarser), point)
            assert _angle(math.radians(y), math.radians(x), point) <= REACH_RAD[coarser]
            assert reach_box(point[0], point[1], REACH_RAD[coarser], world, box)
            assert box[0] <= x <= box[2]
            assert box[1] <= y <= box[3]


@settings(max_examples=300, deadline=None)
@given(
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.floats(1e-7, 1.4),
    st.floats(0, 2 * math.pi),
    st.floats(0, 1),
    st.booleans(),
)
def test_a_reach_box_holds_the_whole_cap(lat, lon, reach, bearing, part, east):
    """Whatever is within the angle and within the half of the world lies in the box, over the antimeridian and poles too."""
    y, x = math.radians(lat), math.radians(lon)
    away = reach * part
    y2 = math.asin(math.sin(y) * math.cos(away) + math.cos(y) * math.sin(away) * math.cos(bearing))
    x2 = x + math.atan2(
        math.sin(bearing) * math.sin(away) * math.cos(y), math.cos(away) - math.sin(y) * math.sin(y2)
    )
    lat2, lon2 = math.degrees(y2), math.remainder(math.degrees(x2), 360)
    half = np.array([0.0, -90.0, 180.0, 90.0]) if east else np.array([-180.0, -90.0, 0.0, 90.0])
    box = np.empty(4)
    found = reach_box(y, x, reach, half, box)
    if half[0] <= lon2 <= half[2]:
        assert found
        assert box[0] - 1e-6 <= lon2 <= box[2] + 1e-6
        assert box[1] <= lat2 <= box[3]


def test_the_world_has_its_base_cells():
    """The constants are h3's."""
    assert h3.get_num_cells(0) == BASE_CELLS
    assert len(REACH_RAD) == FINEST + 1
