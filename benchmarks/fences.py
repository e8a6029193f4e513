r"""What matching a fix and finding its transitions costs, beside shapely's tree on the same points, and whether the answers are the same.

    python -m benchmarks.fences --tracks day.csv.gz --zones city.geojson counties.geojson \
        --circles 23000 --circle-radius-m 5000 --box=-124.4,32.5,-114.1,42.0 --made-fences 100000 --json

Fixes go in the order of their times, in batches as a tick has them, on one thread, state carried from one batch to the next. The peer is
`shapely.STRtree.query(points, predicate="intersects")` over all points at once; circles are rings of `RING` vertices there. `differences` counts
fix x fence pairs: polygons against prepared `shapely.intersects_xy`, circles against geographiclib wherever an angle on the sphere does not
decide. Without `--tracks` vehicles wander at random, without `--zones` and `--circles` the fences are seeded: a clone needs no data.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely
from geographiclib.geodesic import Geodesic  # type: ignore[import-untyped]
from numpy.typing import NDArray

from benchmarks.report import arguments_of, report, say
from geo.fence_area import checked_area, polygon_of
from geo.fence_match import FenceHits, FencePlaces, match_fences
from geo.fence_set import Area, Circle, Fence, FenceSet, build_fence_set
from geo.fence_transitions import FenceState, find_transitions, warm_up
from haulcast.fences.feature_files import read_features
from haulcast.recordings.read import read_recording

KEYS = ("ns_per_fix", "strtree_ns_per_fix", "speedup")
RING = 64
"""Vertices of a circle in the peer's tree: its area is 0.2 % less than the circle's."""

MEAN_RADIUS_M = 6_371_008.8
BAND = 0.01
"""The sphere of mean radius is wrong by less than 0.7 % of a distance; so far from the radius it decides."""


class Fixes(NamedTuple):
    """Columns, by time."""

    time_ms: NDArray[np.int64]
    row: NDArray[np.int32]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]

    def between(self, start: int, stop: int) -> "Fixes":
        """Those from start to before stop."""
        here = slice(start, stop)
        return Fixes(self.time_ms[here], self.row[here], self.lat_deg[here], self.lon_deg[here])


def recorded_fixes(files: Sequence[Path]) -> Fixes:
    """All fixes of some recordings by time; a vehicle of two files is one vehicle."""
    recordings = [read_recording(file) for file in files]
    names = np.concatenate([np.asarray(r.vehicles, str)[r.vehicle] for r in recordings])
    columns = [
        np.concatenate([getattr(r, name) for r in recordings]) for name in ("time_ms", "lat_deg", "lon_deg")
    ]
    order = np.argsort(columns[0], kind="stable")
    time_ms, lat, lon = (column[order] for column in columns)
    return Fixes(time_ms, np.unique(names, return_inverse=True)[1].astype(np.int32)[order], lat, lon)


def wandering_fixes(rng: np.random.Generator, box: NDArray[np.float64]) -> Fixes:
    """200 vehicles, each 200 fixes of some 300 m a minute."""
    vehicles, steps = 200, 200
    start = rng.uniform(box[:2], box[2:], (1, vehicles, 2))
    path = start + np.cumsum(rng.normal(0, 0.003, (steps, vehicles, 2)), axis=0)
    time_ms = np.repeat(np.arange(steps) * 60_000, vehicles)
    row = np.tile(np.arange(vehicles, dtype=np.int32), steps)
    return Fixes(time_ms, row, path[..., 1].ravel(), path[..., 0].ravel())


def made_areas(rng: np.random.Generator, box: NDArray[np.float64], count: int) -> list[Area]:
    """Seeded fences: by turns a circle of 0.1 to 2 km and a polygon of that size with 6 to 30 vertices."""
    areas: list[Area] = []
    for lon, lat in rng.uniform(box[:2], box[2:], (count, 2)):
        size_m = rng.uniform(100, 2000)
        if len(areas) % 2:
            areas.append(Circle(lat, lon, size_m))
            continue
        vertices = int(rng.integers(6, 31))
        turn = np.arange(vertices) * 2 * np.pi / vertices
        ragged = np.degrees(size_m / MEAN_RADIUS_M) * rng.uniform(0.6, 1.0, vertices)
        areas.append(shapely.Polygon(np.c_[lon + ragged * np.cos(turn), lat + ragged * np.sin(turn)]))
    return areas


def zone_areas(files: Sequence[Path]) -> list[Area]:
    """The areas of GeoJSON files, repaired; a feature without coordinates is left out."""
    found = [f["geometry"] for file in files for f in read_features(file)]
    return [checked_area(g, repair=True) for g in found if g and g.get("coordinates")]


def ring_around(circle: Circle, radius_m: float) -> shapely.Polygon:
    """A circle of the sphere as a polygon; away from the poles and the antimeridian."""
    lat, reach = np.radians(circle.lat_deg), radius_m / MEAN_RADIUS_M
    turn = np.arange(RING) * 2 * np.pi / RING
    north = np.arcsin(np.sin(lat) * np.cos(reach) + np.cos(lat) * np.sin(reach) * np.cos(turn))
    east = np.arctan2(np.sin(turn) * np.sin(reach) * np.cos(lat), np.cos(reach) - np.sin(lat) * np.sin(north))
    return shapely.Polygon(np.c_[circle.lon_deg + np.degrees(east), np.degrees(north)])


def polygon_pairs(areas: Sequence[Area], fixes: Fixes) -> NDArray[np.int64]:
    """Every fix x polygon pair that shapely finds, as fix * fences + fence."""
    pairs = [np.empty(0, np.int64)]
    from_west = np.argsort(fixes.lon_deg)
    lat, lon = fixes.lat_deg[from_west], fixes.lon_deg[from_west]
    for fence, area in enumerate(map(polygon_of, areas)):
        if area is None:
            continue
        west, south, east, north = area.bounds
        first, stop = np.searchsorted(lon, west), np.searchsorted(lon, east, side="right")
        near = first + np.flatnonzero((lat[first:stop] >= south) & (lat[first:stop] <= north))
        shapely.prepare(area)
        inside = shapely.intersects_xy(area, lon[near], lat[near])
        pairs.append(from_west[near[inside]] * len(areas) + fence)
    return np.concatenate(pairs)


def circle_pairs(areas: Sequence[Area], fixes: Fixes) -> NDArray[np.int64]:
    """Every fix x circle pair within the radius."""
    fences = np.array([i for i, area in enumerate(areas) if isinstance(area, Circle)], np.int64)
    circles = [area for area in areas if isinstance(area, Circle)]
    if not circles:
        return np.empty(0, np.int64)
    tree = shapely.STRtree([ring_around(circle, circle.radius_m * (1 + 3 * BAND)) for circle in circles])
    fix, near = tree.query(shapely.points(fixes.lon_deg, fixes.lat_deg), predicate="intersects")
    centre = np.array([(c.lat_deg, c.lon_deg, c.radius_m) for c in circles])[near]
    lat, lon = np.radians(fixes.lat_deg[fix]), np.radians(fixes.lon_deg[fix])
    lat_c, lon_c = np.radians(centre[:, 0]), np.radians(centre[:, 1])
    half = np.sin((lat - lat_c) / 2) ** 2 + np.cos(lat) * np.cos(lat_c) * np.sin((lon - lon_c) / 2) ** 2
    share = 2 * MEAN_RADIUS_M * np.arcsin(np.sqrt(half)) / centre[:, 2]
    holds = share <= 1
    for i in np.flatnonzero(abs(share - 1) <= BAND):
        place = fixes.lat_deg[fix[i]], fixes.lon_deg[fix[i]]
        holds[i] = Geodesic.WGS84.Inverse(*centre[i, :2], *place, Geodesic.DISTANCE)["s12"] <= centre[i, 2]
    pairs: NDArray[np.int64] = (fix * len(areas) + fences[near])[holds]
    return pairs


def walk(fence_set: FenceSet, fixes: Fixes, batch: int) -> tuple[float, list[FenceHits], int]:
    """Seconds of match and transitions over all fixes; the hits of each batch and the number of events."""
    state, places = FenceState(0), FencePlaces()
    fleet = np.zeros(batch, np.int32)
    hits, events = [], 0
    began = time.perf_counter()
    for start in range(0, len(fixes.row), batch):
        part = fixes.between(start, start + batch)
        found = match_fences(fence_set, fleet[: len(part.row)], part.lat_deg, part.lon_deg, places, part.row)
        events += len(
            find_transitions(state, fence_set, part.row, part.time_ms, part.lat_deg, part.lon_deg, found)
        )
        hits.append(found)
    return time.perf_counter() - began, hits, events


def pairs_of(hits: Sequence[FenceHits], fences: int) -> NDArray[np.int64]:
    """All hits as fix * fences + fence."""
    counts = np.concatenate([np.diff(part.offsets) for part in hits])
    fix = np.repeat(np.arange(len(counts)), counts)
    pairs: NDArray[np.int64] = fix * fences + np.concatenate([part.fence for part in hits])
    return pairs


def build(areas: Sequence[Area]) -> tuple[FenceSet, float]:
    """The set of these fences and the seconds it took."""
    began = time.perf_counter()
    fence_set = build_fence_set([Fence(i, 0, area) for i, area in enumerate(areas)], 1)
    return fence_set, time.perf_counter() - began


def _peer_s(areas: Sequence[Area], fixes: Fixes) -> float:
    shapes = [ring_around(a, a.radius_m) if isinstance(a, Circle) else polygon_of(a) for a in areas]
    tree, points = shapely.STRtree(shapes), shapely.points(fixes.lon_deg, fixes.lat_deg)
    tree.query(points[:1000], predicate="intersects")
    began = time.perf_counter()
    tree.query(points, predicate="intersects")
    return time.perf_counter() - began


def _areas(chosen: argparse.Namespace, rng: np.random.Generator, box: NDArray[np.float64]) -> list[Area]:
    areas = zone_areas(chosen.zones)
    centres = rng.uniform(box[:2], box[2:], (chosen.circles, 2))
    areas += [Circle(lat, lon, chosen.circle_radius_m) for lon, lat in centres]
    return areas or made_areas(rng, box, 2000)


def _main(chosen: argparse.Namespace) -> int:
    rng, box = np.random.default_rng(chosen.seed), np.array([float(edge) for edge in chosen.box.split(",")])
    fixes = recorded_fixes(chosen.tracks) if chosen.tracks else wandering_fixes(rng, box)
    areas = _areas(chosen, rng, box)
    warm_up()
    fence_set, build_s = build(areas)
    say(
        f"{len(fixes.row):,} fixes, {len(areas):,} fences built in {build_s:.2f} s, {fence_set.nbytes:,} bytes"
    )
    runs: list[dict[str, float]] = []
    for run in range(chosen.repetitions):
        ours_s, hits, events = walk(fence_set, fixes, chosen.batch)
        peer_s = _peer_s(areas, fixes)
        scale = 1e9 / len(fixes.row)
        runs.append(
            {"ns_per_fix": ours_s * scale, "strtree_ns_per_fix": peer_s * scale, "speedup": peer_s / ours_s}
        )
        say(f"run {run}: {ours_s * scale:,.0f} ns a fix, the tree {peer_s * scale:,.0f}")
    expected = np.concatenate([polygon_pairs(areas, fixes), circle_pairs(areas, fixes)])
    found = pairs_of(hits, len(areas))
    differences = len(np.setxor1d(expected, found))
    figures = {
        "differences": differences,
        "build_s": build_s,
        "bytes": fence_set.nbytes,
        "fixes": len(fixes.row),
        "fences": len(areas),
        "hits": len(found),
        "events": events,
        **_made(chosen.made_fences, rng, box),
    }
    report({**figures, "options": options_of(chosen)}, runs, KEYS, chosen.seed)
    return 1 if differences else 0


def _made(count: int, rng: np.random.Generator, box: NDArray[np.float64]) -> dict[str, Any]:
    if not count:
        return {}
    fence_set, build_s = build(made_areas(rng, box, count))
    return {"made_fences": count, "made_build_s": build_s, "made_bytes": fence_set.nbytes}


def options_of(chosen: argparse.Namespace) -> dict[str, Any]:
    """The options as they were given, files by their names, for the report."""
    return {
        name: [v.name for v in value] if isinstance(value, list) else value
        for name, value in vars(chosen).items()
    }


def main() -> int:
    """Parse, run, report; 1 when an answer differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=Path, nargs="*", default=[], metavar="FILE", help="recordings")
    parser.add_argument("--zones", type=Path, nargs="*", default=[], metavar="FILE", help="GeoJSON files")
    parser.add_argument("--circles", type=int, default=0, help="seeded circles besides")
    parser.add_argument("--circle-radius-m", type=float, default=5000)
    parser.add_argument(
        "--box", default="-122.6,37.2,-121.8,38.0", metavar="W,S,E,N", help="where seeded things are"
    )
    parser.add_argument("--batch", type=int, default=512, help="fixes that a tick has")
    parser.add_argument("--made-fences", type=int, default=0, help="time the build of so many seeded fences")
    return _main(arguments_of(parser))


if __name__ == "__main__":
    sys.exit(main())
