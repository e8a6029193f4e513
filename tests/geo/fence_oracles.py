"""What shapely and geographiclib say a fence holds, and areas to ask them about."""

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import shapely
from geographiclib.geodesic import Geodesic

from geo.fence_area import checked_area
from geo.fence_match import FenceHits
from geo.fence_set import Area, Circle, Fence, FenceSet, build_fence_set


def fence_set_of(*areas: Area, fleet: int = 0) -> FenceSet:
    """A set whose handles and indexes are the places in `areas`."""
    return build_fence_set([Fence(i, fleet, area) for i, area in enumerate(areas)], 1)


def holds(area: Area, lat: float, lon: float) -> bool:
    """Whether an area holds a point, by the oracles."""
    if isinstance(area, Circle):
        return Geodesic.WGS84.Inverse(area.lat_deg, area.lon_deg, lat, lon)["s12"] <= area.radius_m
    return bool(shapely.covers(area, shapely.Point(lon, lat)))


def polygon_hits(areas: Sequence[shapely.Geometry], lat: np.ndarray, lon: np.ndarray) -> list[list[int]]:
    """The polygons that cover each point, ascending, by shapely alone."""
    inside = np.array([shapely.intersects_xy(area, lon, lat) for area in areas]).reshape(len(areas), len(lat))
    return [np.flatnonzero(column).tolist() for column in inside.T]


def as_lists(hits: FenceHits) -> list[list[int]]:
    """The hits of each fix."""
    return [part.tolist() for part in np.split(hits.fence, hits.offsets[1:-1])]


def cab_day(shared_data: Path) -> tuple[np.ndarray, ...]:
    """The fixes of a real day in their own order: time_ms int64, row int32, latitude, longitude."""
    with gzip.open(shared_data / "tracks/sf_cabs_2008-05-30.csv.gz", "rt") as file:
        next(file)
        time_s, vehicle, lat, lon, _ = zip(*csv.reader(file), strict=True)
    rows = np.unique(vehicle, return_inverse=True)[1].astype(np.int32)
    return np.array(time_s, np.int64) * 1000, rows, np.array(lat, float), np.array(lon, float)


def zones(shared_data: Path, *names: str) -> list[Area]:
    """All areas of some files of real zones, repaired where needed; a feature without a ring is left out."""
    areas = []
    for name in names:
        raw = (shared_data / "zones" / name).read_bytes()
        features = json.loads(gzip.decompress(raw) if name.endswith(".gz") else raw)["features"]
        areas += [checked_area(f["geometry"], repair=True) for f in features if f["geometry"]["coordinates"]]
    return areas


def star(rng: np.random.Generator, lon: float, lat: float, size: float, vertices: int) -> shapely.Polygon:
    """A ragged polygon around a point, often with a hole in it; on a grid, so that edges line up with points."""

    def ring(scale: float, count: int) -> np.ndarray:
        turn = (np.arange(count) + 0.8 * rng.random(count)) * 2 * np.pi / count
        radius = size * scale * rng.uniform(0.6, 1.0, count)
        return np.round(np.c_[lon + radius * np.cos(turn), lat + radius * np.sin(turn)], 6)

    polygon = shapely.Polygon(ring(1.0, vertices))
    if rng.random() < 0.5:
        polygon = polygon.difference(shapely.Polygon(ring(0.4, 3 + vertices // 4)).buffer(0))
    largest = max(shapely.get_parts(polygon.buffer(0)), key=lambda part: part.area)
    return shapely.intersection(largest, shapely.box(-180, -90, 180, 90))


def points_around(
    rng: np.random.Generator, areas: Sequence[shapely.Geometry], count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes in and around areas: anywhere, on vertices, on edges, and the least bit beside them."""
    chosen = np.concatenate(list(_points_of(rng, areas, count)))
    chosen = np.clip(chosen, [-180, -90], [180, 90])
    return np.ascontiguousarray(chosen[:, 1]), np.ascontiguousarray(chosen[:, 0])


def _points_of(
    rng: np.random.Generator, areas: Sequence[shapely.Geometry], count: int
) -> Iterator[np.ndarray]:
    west, south, east, north = shapely.total_bounds(areas)
    margin = 0.1 * max(east - west, north - south)
    yield rng.uniform([west - margin, south - margin], [east + margin, north + margin], (count, 2))
    rings = shapely.get_rings(shapely.get_parts(areas))
    vertices = shapely.get_coordinates(rings)
    at = rng.choice(vertices, count)
    yield at
    yield np.c_[at[:, 0], rng.choice(vertices[:, 1], count)]  # level with one vertex and below another
    ring = rng.choice(rings, count)
    edge = shapely.get_coordinates(shapely.line_interpolate_point(ring, rng.random(count), normalized=True))
    yield edge
    middle = np.array([shapely.get_coordinates(r)[i : i + 2].mean(axis=0) for r in ring[:50] for i in (0, 1)])
    yield middle
    near = np.concatenate([at, edge, middle])
    yield np.nextafter(near, near + rng.choice([-1.0, 0.0, 1.0], near.shape))
    yield near + rng.normal(size=near.shape) * 1e-9
