"""All real fixes there are against all real zones there are: 0 differences from shapely and geographiclib."""

import gzip
import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fence_oracles import zones

from benchmarks.fences import Fixes, circle_pairs, polygon_pairs
from geo.fence_match import FencePlaces, match_fences
from geo.fence_set import Area, Circle, Fence, build_fence_set, edit_fence_set

AREA_FILES = (
    "california-counties.geojson",
    "ne_10m_us_parks.geojson",
    "ne_50m_countries.geojson.gz",
    "ne_50m_ocean.geojson.gz",
    "oakland.geojson",
    "san-francisco.geojson",
    "us_counties_10m.geojson.gz",
)
POINT_FILES = {"ne_10m_airports.geojson": 3_000.0, "ne_10m_ports.geojson": 2_000.0}
OPENERS = {".gz": gzip.open, ".xz": lzma.open}
PORTION = 100_000


def _positions_of(file: Path) -> Iterator[np.ndarray]:
    """Latitude and longitude of everything in a file of fixes, trips or duties, in its order."""
    with OPENERS.get(file.suffix, open)(file, "rt") as lines:
        if ".csv" not in file.suffixes:  # `lat lon ...`, no header
            yield np.loadtxt(lines, usecols=(0, 1))
            return
        header = next(lines).strip().split(",")
        ends = [name.removesuffix("lat") for name in header if name.endswith("lat")]
        columns = [header.index(end + name) for end in ends for name in ("lat", "lon")]
        yield from np.hsplit(np.loadtxt(lines, delimiter=",", usecols=columns), len(ends))


def _circles_of(file: Path, radius_m: float) -> list[Area]:
    points = [feature["geometry"]["coordinates"] for feature in json.loads(file.read_bytes())["features"]]
    return [Circle(lat, lon, radius_m) for lon, lat in points]


@pytest.fixture(scope="module")
def areas(shared_data: Path) -> list[Area]:
    """Every zone, and a circle around every airport and port."""
    named = {file.name for file in (shared_data / "zones").iterdir()}
    assert named == {*AREA_FILES, *POINT_FILES}, "a file is not tested"
    circles = (_circles_of(shared_data / "zones" / name, radius_m) for name, radius_m in POINT_FILES.items())
    return [*zones(shared_data, *AREA_FILES), *(circle for some in circles for circle in some)]


@pytest.fixture(scope="module")
def positions(shared_data: Path) -> np.ndarray:
    """float64[n, 2], latitude and longitude of all fixes of all files of tracks."""
    files = sorted(f for f in (shared_data / "tracks").rglob("*") if {".csv", ".gz"} & {*f.suffixes})
    return np.concatenate([part for file in files for part in _positions_of(file)])


def _found(fence_set, lat: np.ndarray, lon: np.ndarray, places: FencePlaces | None) -> np.ndarray:
    """Pairs of fix and fence, as fix * fences + handle; rows take turns, so that places are far apart and near by turns."""
    parts = []
    for start in range(0, len(lat), PORTION):
        here = slice(start, start + PORTION)
        row = (np.arange(start, min(start + PORTION, len(lat))) % 97).astype(np.int32)
        parts.append(match_fences(fence_set, np.zeros(len(row), np.int32), lat[here], lon[here], places, row))
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    fix = np.repeat(np.arange(len(counts)), counts)
    handle = fence_set.handles[np.concatenate([part.fence for part in parts])]
    return fix * len(fence_set) + handle


def test_every_fix_of_every_file_is_in_the_zones_that_the_oracles_say(areas, positions):
    """Millions of fixes x 4,000 polygons and 2,000 circles: the same pairs as the oracles', also by remembered places and with an edited layer."""
    lat, lon = np.ascontiguousarray(_distinct(positions).T)
    zero = np.zeros(len(lat), np.int64)
    fixes = Fixes(zero, zero.astype(np.int32), lat, lon)
    expected = np.sort(np.concatenate([polygon_pairs(areas, fixes), circle_pairs(areas, fixes)]))
    fences = [Fence(i, 0, area) for i, area in enumerate(areas)]
    built = build_fence_set(fences, 1)
    elsewhere = [Fence(f.handle, 0, Circle(0.0, 0.0, 1.0)) for f in fences[::9]]
    edited = edit_fence_set(
        build_fence_set([*elsewhere, *(f for f in fences if f.handle % 9)], 1), fences[::9], [], 2
    )
    for fence_set, places, stop in (
        (built, FencePlaces(), len(lat)),
        (built, None, PORTION),
        (edited, FencePlaces(), PORTION),
    ):
        found = _found(fence_set, lat[:stop], lon[:stop], places)
        wanted = expected[: np.searchsorted(expected, stop * len(areas))]
        if not np.array_equal(found, wanted):
            fix, fence = np.divmod(np.setxor1d(found, wanted), len(areas))
            pytest.fail(f"{len(fix)} differ: {[*zip(lat[fix], lon[fix], fence, strict=True)][:5]}")
    assert len(expected) > 1_000_000


def _distinct(positions: np.ndarray) -> np.ndarray:
    """Each position once, in the order in which they came, so that neighbours mostly are near each other."""
    _, first = np.unique(positions[:, 0] + 1j * positions[:, 1], return_index=True)
    return positions[np.sort(first)]
