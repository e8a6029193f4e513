"""A fleet that drives its rounds: a stop with its service, the way to the next, a break when the driver's hours ask for it.

All vehicles move in one set of array operations. A vehicle keeps below what the road and its traffic allow times its driver's pace, brakes
for sharp corners and for its stop, and waits there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from haulcast.simulation.offenders import clock_error_ms
from haulcast.simulation.places import Places
from haulcast.simulation.road_network import EARTH_RADIUS_M, RoadNetwork
from haulcast.simulation.roster import PACES, RosterEntry
from haulcast.simulation.traffic import SLOWEST_SHARE, local_hour, traffic_share

ACCELERATION_MPS2 = 1.0
BRAKING_MPS2 = 1.5
CREEP_MPS = 0.4  # so that every stop is reached
KEEPS_RIGHT_M = 12.0

DRIVING_S, BREAK_S = 8 * 3600.0, 30 * 60.0
"""At the latest after 8 hours of driving come 30 minutes without (49 CFR 395.3(a)(3)(ii)); a long service counts as well."""
LONGEST_LEG_SHARE = 1.2 / (SLOWEST_SHARE * PACES[0])
"""A leg takes at most so many times what it takes at the limits, corners included."""

GPS_ERRORS_M, GPS_MEMORY_S = (2.0, 7.0), 20.0
"""GPS errors wander: an Ornstein-Uhlenbeck process of this correlation time; its deviation along each axis is the receiver's, between these."""
ACCURACY_SHARE = 1.515
"""A radius of so many deviations of each axis holds 68 % of the fixes (Rayleigh), which is what phones call accuracy."""

SOON_EVERY, SOON_S = 12, (5.0, 40.0)
"""One vehicle in so many starts so long before its stop, another shortly before it leaves one: who watches does not have to wait."""
SERVED_AT_START = 0.25
"""The share of vehicles that stand at a stop when it starts, which is about what it stays."""


@dataclass(frozen=True, slots=True)
class Fixes:
    """What the devices of some vehicles would report now, as columns of equal length."""

    vehicle: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    heading_deg: NDArray[np.float64]
    accuracy_m: NDArray[np.float64]


class Fleet:
    """Vehicles as rows of arrays, under way already; the same roster, seed, time and steps give the same fixes.

    Args:
        roads: what they drive on.
        places: where on them is what.
        roster: who drives, one row each.
        seed: of everything random here.
        time_ms: when it starts, ms since 1970; the traffic goes by it.

    Attributes:
        edge, along_m, speed_mps: where each is on which edge, and how fast.
        waits_s: how long each still stands at its stop; 0: it drives.
        driven_s: how long each has driven since its last break.
    """

    edge: NDArray[np.int64]
    along_m: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    waits_s: NDArray[np.float64]
    driven_s: NDArray[np.float64]
    _leg: NDArray[np.int64]  # place in its round of each one's next stop

    def __init__(
        self, roads: RoadNetwork, places: Places, roster: Sequence[RosterEntry], seed: int, time_ms: int
    ) -> None:
        self.roster = list(roster)
        self.size = size = len(self.roster)
        self.start_ms, self.elapsed_s = time_ms, 0.0
        self._roads = roads
        self._service_s = places.service_s(len(roads.names))
        self._random = np.random.default_rng(seed)
        self._stops = np.array([len(entry.round) for entry in roster], np.int64)
        self._round = np.full((size, self._stops.max(initial=2)), -1, np.int64)
        for row, entry in enumerate(roster):
            self._round[row, : len(entry.round)] = entry.round
        self._pace = np.array([entry.pace for entry in roster])
        self._heeds_traffic = np.array([entry.heeds_traffic for entry in roster], bool)
        self._service_share = np.array([entry.service_share for entry in roster])
        self._has_wrong_clock = np.array([entry.has_wrong_clock for entry in roster], bool)
        self._gps_error_m = self._random.uniform(*GPS_ERRORS_M, size)
        self._error_m = self._gps_error_m * self._random.normal(0.0, 1.0, (2, size))
        self.driven_s = self._random.uniform(0.0, DRIVING_S * 0.6, size)
        self._put_on_the_way()

    @property
    def destination(self) -> NDArray[np.int64]:
        """The node of each vehicle's next stop."""
        return self._round[np.arange(self.size), self._leg]

    def ahead(self, row: int) -> list[int]:
        """The nodes where one vehicle still stops on this round, its end at the round's first one among them."""
        nodes: list[int] = self._round[row, self._leg[row] : self._stops[row]].tolist()
        return [*nodes, int(self._round[row, 0])] if self._leg[row] else nodes

    def advance(self, step_s: float) -> None:
        """Move everything by `step_s` seconds, at most 1."""
        roads, edge = self._roads, self.edge
        self.elapsed_s += step_s
        is_waiting = self.waits_s > 0.0
        self.waits_s = np.maximum(0.0, self.waits_s - step_s)
        self.driven_s[~is_waiting] += step_s
        allowed = self._allowed_mps(step_s)
        allowed[is_waiting] = 0.0
        change = np.clip(allowed - self.speed_mps, -2.0 * BRAKING_MPS2 * step_s, ACCELERATION_MPS2 * step_s)
        self.speed_mps = np.where(is_waiting, 0.0, self.speed_mps + change)
        self.along_m += self.speed_mps * step_s
        # the last metre is crept at less than walking pace: count it as there
        self._pass_nodes(np.flatnonzero(roads.length_m[edge] - self.along_m < 0.5))
        kept = np.exp(-step_s / GPS_MEMORY_S)
        self._error_m *= kept
        self._error_m += (
            self._random.normal(0.0, np.sqrt(1.0 - kept * kept), (2, self.size)) * self._gps_error_m
        )

    def fixes(self, vehicle: NDArray[np.int64]) -> Fixes:
        """What the devices of these rows report now."""
        lat, lon, heading = self.places(vehicle)
        east_m, north_m = self._error_m[:, vehicle]
        at_ms = self.start_ms + round(self.elapsed_s * 1000)
        wrong_ms = self._has_wrong_clock[vehicle] * clock_error_ms(self.elapsed_s)
        return Fixes(
            vehicle=vehicle,
            time_ms=at_ms + wrong_ms,
            lat_deg=lat + np.degrees(north_m / EARTH_RADIUS_M),
            lon_deg=lon + np.degrees(east_m / (EARTH_RADIUS_M * np.cos(np.radians(lat)))),
            speed_mps=self.speed_mps[vehicle],
            heading_deg=heading,
            accuracy_m=ACCURACY_SHARE * self._gps_error_m[vehicle],
        )

    def places(
        self, vehicle: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Where these rows really are: latitude, longitude, heading, degrees."""
        roads, edge = self._roads, self.edge[vehicle]
        share = np.clip(self.along_m[vehicle] / roads.length_m[edge], 0.0, 1.0)
        side_m, slope = self._swing(edge, share)
        east, north = roads.east[edge], roads.north[edge]
        start, end = roads.start[edge], roads.end[edge]
        lat = roads.lat_deg[start] + share * (roads.lat_deg[end] - roads.lat_deg[start])
        lon = roads.lon_deg[start] + share * (roads.lon_deg[end] - roads.lon_deg[start])
        heading = np.degrees(np.arctan2(east + slope * north, north - slope * east)) % 360.0
        return (
            # the right-hand side of (east, north) is (north, -east)
            lat + np.degrees(-side_m * east / EARTH_RADIUS_M),
            lon + np.degrees(side_m * north / (EARTH_RADIUS_M * np.cos(np.radians(lat)))),
            heading % 360.0,  # 360 itself, from rounding, is 0
        )

    def _put_on_the_way(self) -> None:
        """Start in the middle of it: most between two stops of their round, some at one."""
        rows, random = np.arange(self.size), self._random
        self._leg = random.integers(0, self._stops)
        chosen = np.array([entry.starts_after_s is not None for entry in self.roster], bool)
        self._leg[chosen] = 1
        origin = self._round[rows, self._leg - 1]
        origin = np.where(self._leg == 0, self._round[rows, self._stops - 1], origin)
        way_s = self._roads.time_s[origin, self.destination]
        driven_s = random.uniform(0.0, way_s)
        soon = random.uniform(*SOON_S, self.size)
        is_near = rows % SOON_EVERY == 0
        driven_s[is_near] = np.maximum(0.0, way_s - soon)[is_near]
        is_served = random.random(self.size) < SERVED_AT_START
        self.waits_s = np.where(
            is_served, random.uniform(0.0, 1.0, self.size) * self._service_of(rows, origin), 0.0
        )
        leaves = rows % SOON_EVERY == SOON_EVERY // 2
        self.waits_s[leaves] = soon[leaves] - SOON_S[0]
        self.waits_s[is_near | chosen] = 0.0
        driven_s[self.waits_s > 0.0] = 0.0
        driven_s[chosen] = [entry.starts_after_s for entry in self.roster if entry.starts_after_s is not None]
        self._drive_for(origin, driven_s)
        self.speed_mps = np.where(self.waits_s > 0.0, 0.0, self._allowed_mps(1.0))

    def _drive_for(self, origin: NDArray[np.int64], driven_s: NDArray[np.float64]) -> None:
        """Set everyone so many seconds at the limits from the origin, on the way to the destination."""
        roads, left_s = self._roads, driven_s.copy()
        self.edge = roads.next_edge[origin, self.destination]
        while True:
            edge_s = roads.length_m[self.edge] / roads.limit_mps[self.edge]
            onward = roads.next_edge[roads.end[self.edge], self.destination]
            goes_on = (left_s >= edge_s) & (onward >= 0)
            if not goes_on.any():
                break
            left_s[goes_on] -= edge_s[goes_on]
            self.edge[goes_on] = onward[goes_on]
        self.along_m = np.minimum(left_s * roads.limit_mps[self.edge], roads.length_m[self.edge] - 1.0)

    def _allowed_mps(self, step_s: float) -> NDArray[np.float64]:
        """How fast each may be in the next step, for the road, the traffic, and what it has to brake for."""
        roads, edge = self._roads, self.edge
        left_m = np.maximum(0.0, roads.length_m[edge] - self.along_m)
        # the largest v with v * step + (v^2 - corner^2) / (2 * braking) <= left, so that braking can wait for the next step
        reach = BRAKING_MPS2 * step_s
        share = traffic_share(local_hour(self.start_ms + 1000.0 * self.elapsed_s))
        safe = np.sqrt(reach**2 + self._corner_mps(share) ** 2 + 2.0 * BRAKING_MPS2 * left_m) - reach
        return np.minimum(self._flow_mps(edge, share), np.maximum(safe, CREEP_MPS))

    def _flow_mps(self, edge: NDArray[np.int64], share: NDArray[np.float64]) -> NDArray[np.float64]:
        """How fast each would drive on its edge where nothing is ahead."""
        heeded = np.where(self._heeds_traffic, share[self._roads.road_class[edge]], 1.0)
        flow: NDArray[np.float64] = self._roads.limit_mps[edge] * heeded * self._pace
        return flow

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

    def _corner_mps(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """The speed at which each vehicle may pass the node ahead, for its corner and for the road behind it; 0 where it stops there."""
        roads, edge = self._roads, self.edge
        onward = roads.next_edge[roads.end[edge], self.destination]
        straightness = roads.east[edge] * roads.east[onward] + roads.north[edge] * roads.north[onward]
        corner = 4.0 + 18.0 * np.clip(straightness, 0.0, 1.0) ** 2
        return np.where(onward < 0, 0.0, np.minimum(corner, self._flow_mps(onward, share)))

    def _pass_nodes(self, arrived: NDArray[np.int64]) -> None:
        if not len(arrived):
            return
        roads = self._roads
        node = roads.end[self.edge[arrived]]
        over_m = np.maximum(0.0, self.along_m[arrived] - roads.length_m[self.edge[arrived]])
        is_there = node == self.destination[arrived]
        self._stop(arrived[is_there], node[is_there])
        self.edge[arrived] = roads.next_edge[node, self.destination[arrived]]
        self.along_m[arrived] = np.where(is_there, 0.0, over_m)

    def _stop(self, rows: NDArray[np.int64], node: NDArray[np.int64]) -> None:
        """Be served here, and have a break if the hours of driving would not last to the next stop."""
        self.speed_mps[rows] = 0.0
        self._leg[rows] = (self._leg[rows] + 1) % self._stops[rows]
        next_leg_s = LONGEST_LEG_SHARE * self._roads.time_s[node, self.destination[rows]]
        waits_s = self._service_of(rows, node)
        is_due = self.driven_s[rows] + next_leg_s > DRIVING_S
        waits_s[is_due] = np.maximum(BREAK_S, waits_s[is_due])
        self.waits_s[rows] = waits_s
        self.driven_s[rows] = np.where(waits_s >= BREAK_S, 0.0, self.driven_s[rows])

    def _service_of(self, rows: NDArray[np.int64], node: NDArray[np.int64]) -> NDArray[np.float64]:
        """How long each is served at its node this time, seconds."""
        shortest, longest = self._service_s[node].T
        served_s: NDArray[np.float64] = self._service_share[rows] * self._random.uniform(shortest, longest)
        return served_s
