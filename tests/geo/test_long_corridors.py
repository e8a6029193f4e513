"""Planned lines as long as a continent, there and back, over themselves and in tangles: true to 1 %, and refused where they are too much."""

import math

import numpy as np
import pytest
import shapely
from geographiclib.geodesic import Geodesic
from numpy.typing import NDArray

from geo.area_error import AreaError
from geo.corridor import MOST_OUTLINE, MOST_STEPS, Corridor
from geo.kernels.geodesy import geodesic_distance_m

POINTS = 50_000


def _route(points: int) -> NDArray[np.float64]:
    """From San Francisco across the continent, a position every hundred metres, with bends."""
    heading = 0.1 + 0.9 * np.sin(np.cumsum(np.random.default_rng(3).normal(0, 0.05, points)))
    steps = 52 / POINTS * np.column_stack([np.cos(heading), np.sin(heading)])
    return np.array([-122.4, 30.0]) + np.cumsum(steps, axis=0)


def _there_and_back(points: int) -> NDArray[np.float64]:
    way = _route(points // 2)
    return np.concatenate([way, way[::-1]])


def _rounds(points: int) -> NDArray[np.float64]:
    """Thirty rounds, each over all others."""
    angle = np.linspace(0, 60 * np.pi, points)
    return np.column_stack(
        [179 + 3 * np.cos(angle) * (1 + 0.1 * np.sin(1.7 * angle)), 60 + 2 * np.sin(1.1 * angle)]
    )


def _tangle(points: int) -> NDArray[np.float64]:
    """Steps of some hundred metres in any direction."""
    steps = np.random.default_rng(4).normal(0, 0.002, (points // 5, 2))
    return np.array([-100.0, 40.0]) + np.cumsum(steps, axis=0)


def _distance_m(line: NDArray[np.float64], lat: float, lon: float) -> float:
    """Geodesic distance to the nearest edge: those near in the plane that touches here, each by its foot."""
    scale = math.cos(math.radians(lat))
    plane = np.column_stack([((line[:, 0] - lon + 180) % 360 - 180) * scale, line[:, 1] - lat])
    start, way = plane[:-1], np.diff(plane, axis=0)
    foot = np.clip(-(start * way).sum(1) / np.maximum((way * way).sum(1), 1e-30), 0, 1)
    away = np.hypot(*(start + way * foot[:, None]).T)
    near = np.flatnonzero(away <= 1.04 * away.min())
    feet = line[near] + (line[near + 1] - line[near]) * foot[near, None]
    return min(geodesic_distance_m(lat, lon, there[1], there[0]) for there in feet)


@pytest.mark.parametrize(
    ("shape", "width_m"),
    [
        (_route, 60.0),
        (_route, 100_000.0),
        (_there_and_back, 2_000.0),
        (_rounds, 500.0),
        (_rounds, 20_000.0),
        (_tangle, 500.0),
        (_tangle, 100_000.0),
    ],
)
def test_long_lines_hold_what_is_near(shape, width_m) -> None:
    """Nearer than 0.99 of half the width to any of its 50,000 positions' edges is inside, further than 1.01 from all is outside."""
    line = shape(POINTS)
    polygon = Corridor((tuple(map(tuple, line.tolist())),), width_m).polygon
    assert polygon.is_valid
    shapely.prepare(polygon)
    random = np.random.default_rng(5)
    sides = [0, 0]
    for at in random.integers(1, len(line) - 1, 150):
        azimuth, reach = random.uniform(0, 360), random.uniform(0.93, 1.07)
        there = Geodesic.WGS84.Direct(*line[at, ::-1], azimuth, width_m / 2 * reach)
        lat, lon = there["lat2"], there["lon2"]
        ratio = _distance_m(line, lat, lon) / (width_m / 2)
        if ratio < 0.99 or ratio > 1.01:
            assert shapely.intersects_xy(polygon, lon, lat) == (ratio < 1), (lat, lon, ratio)
            sides[ratio < 1] += 1
    assert sides[True] > 20


def test_limits_of_long_lines() -> None:
    """Too many edges, in one line or in all, too many steps in all lines, and too winding a line: each is said with its limit."""
    edges = tuple(zip(np.linspace(0, 10, MOST_STEPS + 2).tolist(), [5.0] * (MOST_STEPS + 2), strict=True))
    for lines in ((edges,), (edges[:60_000], edges[60_000:])):
        with pytest.raises(
            AreaError, match=f"have 1000[0-9]+ edges; allowed are {MOST_STEPS} at coord"
        ) as many:
            Corridor((*lines, edges[:9]), 500.0)
        assert many.value.place == "coordinates"
    far = ((0.0, 60.0), (170.0, 60.0))
    Corridor((far,), 1_000.0)
    with pytest.raises(AreaError, match=f"steps, allowed are {MOST_STEPS} at width_m"):
        Corridor((far,) * 100, 1_000.0)
    zigzag = tuple((number / 1000, 5.0 + number % 2 / 100) for number in range(20_000))
    with pytest.raises(AreaError, match=f"winds too much .* more than {MOST_OUTLINE} positions at width_m"):
        Corridor((zigzag,), 5.0)
