"""Thinned tracks against geographiclib: nothing dropped is further from the line than promised, and little is kept in vain."""

from itertools import pairwise

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.kernels.track_thinning import away_m
from geo.track_thinning import thinned

SAMPLES = np.linspace(0, 1, 65)


def distance_m(lat0: float, lon0: float, lat1: float, lon1: float) -> float:
    return Geodesic.WGS84.Inverse(lat0, lon0, lat1, lon1)["s12"]


def nearest_m(lat: float, lon: float, line: tuple[float, float, float, float]) -> float:
    """How far the line is, by trying points of it, ever closer to each other."""
    lat0, lon0, lat1, lon1 = line
    dlon = (lon1 - lon0 + 180) % 360 - 180
    low, high = 0.0, 1.0
    best = np.inf
    for _ in range(6):
        at = low + (high - low) * SAMPLES
        found = [distance_m(lat, lon, lat0 + t * (lat1 - lat0), lon0 + t * dlon) for t in at]
        i = int(np.argmin(found))
        best = min(best, found[i])
        low, high = at[max(0, i - 1)], at[min(len(at) - 1, i + 1)]
    return best


def drawn_track(
    seed: int, size: int, lat: float, lon: float, step_deg: float
) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    heading = np.cumsum(random.normal(0, 0.5, size))
    lats = np.clip(lat + np.cumsum(np.cos(heading)) * step_deg, -90, 90)
    lons = (lon + np.cumsum(np.sin(heading)) * step_deg + 180) % 360 - 180
    return lats, lons


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([0.0, 52.0, -70.0, 89.9]),
    st.sampled_from([10.0, 179.999]), st.sampled_from([1e-5, 1e-3]), st.sampled_from([1.0, 25.0, 400.0]),
)  # fmt: skip
def test_nothing_dropped_is_further_from_the_kept_line_than_the_tolerance(
    seed, size, lat, lon, step_deg, most_m
):
    """Everywhere on Earth, the antimeridian and the pole included; first and last fix stay."""
    lats, lons = drawn_track(seed, size, lat, lon, step_deg)
    kept = np.flatnonzero(thinned(lats, lons, most_m))
    assert (kept[0], kept[-1]) == (0, size - 1)
    for first, last in pairwise(kept):
        line = (lats[first], lons[first], lats[last], lons[last])
        for i in range(first + 1, last):
            assert nearest_m(lats[i], lons[i], line) <= most_m + 1e-3


@settings(deadline=None, max_examples=40)
@given(
    st.floats(-80, 80), st.floats(-180, 180), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05),
    st.floats(-0.02, 0.02), st.floats(-0.02, 0.02),
)  # fmt: skip
def test_the_distance_to_a_line_is_never_less_than_it_is_and_hardly_more(lat, lon, dlat, dlon, north, east):
    """Within a thousandth above the true one, some kilometres around."""
    line = (lat, lon, lat + dlat, (lon + dlon + 180) % 360 - 180)
    found, true = away_m(lat + north, lon + east, *line), nearest_m(lat + north, lon + east, line)
    assert true - 1e-3 <= found <= true * 1.002 + 1e-3


def test_only_what_the_line_needs_stays():
    """Of a square driven fix by fix the corners stay; of a parked vehicle's jitter the first and the last."""
    side = np.linspace(0, 0.01, 101)
    zero, full = np.zeros(101), np.full(101, 0.01)
    lats = np.concatenate([zero, side, full, side[::-1]])
    lons = np.concatenate([side, full, side[::-1], zero])
    corners = {(0.0, 0.0), (0.0, 0.01), (0.01, 0.01), (0.01, 0.0)}
    kept = thinned(lats, lons, 1.0)
    assert {(lat, lon) for lat, lon in zip(lats[kept], lons[kept], strict=True)} == corners
    assert kept.sum() == 5
    jitter = np.random.default_rng(1).uniform(-1e-5, 1e-5, (2, 1000))
    assert thinned(52 + jitter[0], 5 + jitter[1], 5.0).sum() == 2


@pytest.mark.parametrize("size", [0, 1, 2])
def test_the_smallest_tracks_stay_whole(size):
    """Nothing to drop, nothing to fail on."""
    assert thinned(np.zeros(size), np.zeros(size), 1.0).tolist() == [True] * size
    assert thinned(np.zeros(9), np.zeros(9), 0.0).sum() == 2
