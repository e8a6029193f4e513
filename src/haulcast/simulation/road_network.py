"""A small road network as arrays, with the next leg of the fastest way between any two nodes."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EARTH_RADIUS_M = 6_371_008.8
ROAD_CLASSES = ("H", "B", "S")
"""Highways, bridges, streets; a class is a place in here."""
SPEED_LIMITS_MPS = {"H": 26.0, "B": 22.0, "S": 12.0}  # trucks: about 58, 49 and 27 miles an hour
BEND_M = {"H": 120.0, "B": 0.0, "S": 40.0}
"""How far a road swings to the sides of the straight line; bridges don't."""
BEND_LENGTH_M = 2_500.0


@dataclass(frozen=True, slots=True)
class RoadNetwork:
    """Nodes and directed edges. Edge arrays have one entry for each direction of each road.

    | array | shape | meaning |
    |---|---|---|
    | lat_deg, lon_deg | nodes | where |
    | start, end | edges | node numbers |
    | length_m, limit_mps | edges | straight length, speed limit |
    | road_class | edges | place in `ROAD_CLASSES` |
    | bend_m, bends | edges | amplitude and number of the swings |
    | east, north | edges | unit vector of the direction |
    | next_edge | nodes, nodes | first edge of the fastest way from row to column; -1 on the diagonal |
    | time_s | nodes, nodes | how long that way takes at the limits |
    """

    names: list[str]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    length_m: NDArray[np.float64]
    limit_mps: NDArray[np.float64]
    road_class: NDArray[np.int64]
    bend_m: NDArray[np.float64]
    bends: NDArray[np.float64]
    east: NDArray[np.float64]
    north: NDArray[np.float64]
    next_edge: NDArray[np.int64]
    time_s: NDArray[np.float64]

    def nodes_of(self, names: Iterable[str]) -> NDArray[np.int64]:
        """The numbers of these nodes.

        Raises:
            ValueError: a name that is not of this network.
        """
        return np.array([self.names.index(name) for name in names], np.int64)

    def nodes_in(self, bbox: tuple[float, float, float, float]) -> NDArray[np.int64]:
        """Nodes inside west, south, east, north."""
        west, south, east, north = bbox
        inside = (
            (self.lon_deg >= west)
            & (self.lon_deg <= east)
            & (self.lat_deg >= south)
            & (self.lat_deg <= north)
        )
        return np.flatnonzero(inside)


def road_network(
    nodes: Mapping[str, tuple[float, float]], roads: Sequence[tuple[str, str, str]]
) -> RoadNetwork:
    """Build the arrays.

    Args:
        nodes: name -> latitude, longitude in degrees.
        roads: node, node, kind (of `ROAD_CLASSES`); each is driven both ways.

    Raises:
        ValueError: a node that cannot be reached from another.
    """
    names = list(nodes)
    number = {name: i for i, name in enumerate(names)}
    lat, lon = (np.array([nodes[name][axis] for name in names]) for axis in (0, 1))
    both_ways = [(a, b, kind) for a, b, kind in roads] + [(b, a, kind) for a, b, kind in roads]
    start = np.array([number[a] for a, _, _ in both_ways])
    end = np.array([number[b] for _, b, _ in both_ways])
    kinds = [kind for _, _, kind in both_ways]
    middle_lat = np.radians((lat[start] + lat[end]) / 2)
    east_m = np.radians(lon[end] - lon[start]) * np.cos(middle_lat) * EARTH_RADIUS_M
    north_m = np.radians(lat[end] - lat[start]) * EARTH_RADIUS_M
    length_m = np.hypot(east_m, north_m)
    limit_mps = np.array([SPEED_LIMITS_MPS[kind] for kind in kinds])
    next_edge, time_s = _fastest_ways(len(names), start, end, length_m / limit_mps)
    return RoadNetwork(
        names, lat, lon, start, end, length_m, limit_mps,
        road_class=np.array([ROAD_CLASSES.index(kind) for kind in kinds]),
        bend_m=np.minimum([BEND_M[kind] for kind in kinds], length_m / 30),
        bends=np.maximum(1, np.rint(length_m / BEND_LENGTH_M)),
        east=east_m / length_m,
        north=north_m / length_m,
        next_edge=next_edge,
        time_s=time_s,
    )  # fmt: skip


def _fastest_ways(
    size: int, start: NDArray[np.int64], end: NDArray[np.int64], time_s: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """First edge and duration of all pairs' shortest paths, by Floyd and Warshall (R. W. Floyd, doi 10.1145/367766.368168)."""
    best_s = np.full((size, size), math.inf)
    best_s[np.arange(size), np.arange(size)] = 0.0
    best_s[start, end] = time_s
    next_edge = np.full((size, size), -1)
    next_edge[start, end] = np.arange(len(start))
    for via in range(size):
        through_s = best_s[:, via, None] + best_s[None, via, :]
        is_better = through_s < best_s
        best_s = np.where(is_better, through_s, best_s)
        next_edge = np.where(is_better, next_edge[:, via, None], next_edge)
    if not np.isfinite(best_s).all():
        raise ValueError("some nodes cannot be reached from others")
    return next_edge, best_s
