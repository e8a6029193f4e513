"""A fleet that drives: stop, load, drive to the next stop. All vehicles move in one set of array operations.

A vehicle keeps below the road's limit times its driver's habit, brakes for sharp corners and for its stop, and waits there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from haulcast.simulation.road_network import EARTH_RADIUS_M, RoadNetwork

ACCELERATION_MPS2 = 1.0
BRAKING_MPS2 = 1.5
CREEP_MPS = 0.4  # so that every stop is reached
SHORTEST_STOP_S, MEAN_FURTHER_STOP_S = 20.0, 100.0
KEEPS_RIGHT_M = 12.0
GPS_ERROR_M, GPS_MEMORY_S = 4.0, 20.0
"""GPS errors wander: an Ornstein-Uhlenbeck process of this deviation and correlation time."""


@dataclass(frozen=True, slots=True)
class Fixes:
    """What the devices of some vehicles would report now, as columns of equal length."""

    vehicle: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    heading_deg: NDArray[np.float64]
    accuracy_m: NDArray[np.float64]


class Fleet:
    """Vehicles as rows of arrays; the same seed and the same steps give the same fleet.

    Args:
        roads: what they drive on.
        vehicles: how many.
        seed: of everything random here.
        stops: the nodes they stop at, at least two; None: all.
    """

    def __init__(
        self, roads: RoadNetwork, vehicles: int, seed: int, stops: NDArray[np.int64] | None = None
    ) -> None:
        self.size = vehicles
        self._roads = roads
        self._random = np.random.default_rng(seed)
        self._stops = np.arange(len(roads.names)) if stops is None else stops
        if len(self._stops) < 2:
            raise ValueError(f"{len(self._stops)} stops: a trip needs two")
        first = self._random.choice(self._stops, vehicles)
        self.destination = self._other_stop(first)
        self.edge = roads.next_edge[first, self.destination]
        self.along_m = self._random.uniform(0.0, roads.length_m[self.edge])
        self.speed_mps = np.zeros(vehicles)
        self.waits_s = self._random.uniform(0.0, 10.0, vehicles)
        self._habit = np.clip(self._random.normal(0.95, 0.06, vehicles), 0.75, 1.1)
        self._error_m = self._random.normal(0.0, GPS_ERROR_M, (2, vehicles))

    def advance(self, step_s: float) -> None:
        """Move everything by `step_s` seconds, at most 1."""
        roads, edge = self._roads, self.edge
        is_waiting = self.waits_s > 0.0
        self.waits_s = np.maximum(0.0, self.waits_s - step_s)
        left_m = roads.length_m[edge] - self.along_m
        # the largest v with v * step + (v^2 - corner^2) / (2 * braking) <= left, so that braking can wait for the next step
        reach = BRAKING_MPS2 * step_s
        safe = (
            np.sqrt(reach**2 + self._corner_mps() ** 2 + 2.0 * BRAKING_MPS2 * np.maximum(0.0, left_m)) - reach
        )
        allowed = np.minimum(roads.limit_mps[edge] * self._habit, np.maximum(safe, CREEP_MPS))
        allowed[is_waiting] = 0.0
        change = np.clip(allowed - self.speed_mps, -2.0 * BRAKING_MPS2 * step_s, ACCELERATION_MPS2 * step_s)
        self.speed_mps = np.where(is_waiting, 0.0, self.speed_mps + change)
        self.along_m += self.speed_mps * step_s
        # the last metre is crept at less than walking pace: count it as there
        self._pass_nodes(np.flatnonzero(roads.length_m[edge] - self.along_m < 0.5))
        kept = np.exp(-step_s / GPS_MEMORY_S)
        self._error_m *= kept
        self._error_m += self._random.normal(
            0.0, GPS_ERROR_M * np.sqrt(1.0 - kept * kept), self._error_m.shape
        )

    def fixes(self, vehicle: NDArray[np.int64]) -> Fixes:
        """What the devices of these rows report now."""
        roads, edge = self._roads, self.edge[vehicle]
        length_m = roads.length_m[edge]
        share = np.clip(self.along_m[vehicle] / length_m, 0.0, 1.0)
        side_m, slope = self._swing(edge, share)
        east, north = roads.east[edge], roads.north[edge]
        # the right-hand side of (east, north) is (north, -east)
        offset_east_m = side_m * north + self._error_m[0, vehicle]
        offset_north_m = -side_m * east + self._error_m[1, vehicle]
        start, end = roads.start[edge], roads.end[edge]
        lat = roads.lat_deg[start] + share * (roads.lat_deg[end] - roads.lat_deg[start])
        lon = roads.lon_deg[start] + share * (roads.lon_deg[end] - roads.lon_deg[start])
        heading = np.degrees(np.arctan2(east + slope * north, north - slope * east)) % 360.0
        error_m = np.hypot(*self._error_m[:, vehicle])
        return Fixes(
            vehicle=vehicle,
            lat_deg=lat + np.degrees(offset_north_m / EARTH_RADIUS_M),
            lon_deg=lon + np.degrees(offset_east_m / (EARTH_RADIUS_M * np.cos(np.radians(lat)))),
            speed_mps=self.speed_mps[vehicle],
            heading_deg=heading % 360.0,  # 360 itself, from rounding, is 0
            accuracy_m=np.rint(3.0 + error_m / 2),
        )

    def _swing(
        self, edge: NDArray[np.int64], share: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How far right of the straight line the road runs at `share` of it, and its slope there; none at the nodes."""
        roads = self._roads
        # both directions of a road must swing to the same side of the world
        amplitude_m = np.where(roads.start[edge] < roads.end[edge], 1.0, -1.0) * roads.bend_m[edge]
        turns = np.pi * roads.bends[edge]
        forward = np.where(roads.start[edge] < roads.end[edge], share, 1.0 - share)
        envelope, wave = np.sin(np.pi * forward), np.sin(turns * forward)
        lane = np.minimum(1.0, 8.0 * np.sin(np.pi * share)) * KEEPS_RIGHT_M * (roads.bend_m[edge] > 0.0)
        side_m = amplitude_m * envelope * wave + lane
        slope = np.pi * np.cos(np.pi * forward) * wave + turns * envelope * np.cos(turns * forward)
        return side_m, roads.bend_m[edge] * slope / roads.length_m[edge]

    def _corner_mps(self) -> NDArray[np.float64]:
        """The speed at which each vehicle may pass the node ahead; 0 where it stops there."""
        roads, edge = self._roads, self.edge
        onward = roads.next_edge[roads.end[edge], self.destination]
        straightness = roads.east[edge] * roads.east[onward] + roads.north[edge] * roads.north[onward]
        return np.where(onward < 0, 0.0, 4.0 + 18.0 * np.clip(straightness, 0.0, 1.0) ** 2)

    def _pass_nodes(self, arrived: NDArray[np.int64]) -> None:
        if not len(arrived):
            return
        roads = self._roads
        node = roads.end[self.edge[arrived]]
        over_m = np.maximum(0.0, self.along_m[arrived] - roads.length_m[self.edge[arrived]])
        is_there = node == self.destination[arrived]
        stopped = arrived[is_there]
        self.speed_mps[stopped] = 0.0
        self.waits_s[stopped] = SHORTEST_STOP_S + self._random.exponential(MEAN_FURTHER_STOP_S, len(stopped))
        self.destination[stopped] = self._other_stop(node[is_there])
        self.edge[arrived] = roads.next_edge[node, self.destination[arrived]]
        self.along_m[arrived] = np.where(is_there, 0.0, over_m)

    def _other_stop(self, node: NDArray[np.int64]) -> NDArray[np.int64]:
        """A stop for each, other than the node where it is."""
        place = np.searchsorted(self._stops, node)
        steps = self._random.integers(1, len(self._stops), len(node))
        chosen: NDArray[np.int64] = self._stops[(place + steps) % len(self._stops)]
        return chosen
