"""Legs of vehicles under way, fix by fix: what speeds are learned from. `geo.driven_legs` has the definitions."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.travel_time import straight_m

LEG_TRACK = np.dtype(
    [
        ("time_ms", np.int64),
        *[(name, np.float64) for name in ("x", "y", "z", "begin_x", "begin_y", "begin_z", "way_m")],
        ("legs", np.int64),
    ]
)
"""A vehicle: its last kept fix (`time_ms` 0: none yet), and the legs in a row since `begin`: how many, and how long."""

MEAN_RADIUS_M = 6_371_008.8

Records = Any
"""Arrays of records, whose fields a type checker does not know."""


@njit(cache=True, nogil=True, **UNCOUNTED)
def _winding(track: Records, window_legs: int) -> float:
    """How much longer the window's way is than straight, once it is full; 0: it is not, or says nothing of the roads."""
    if track.legs < window_legs:
        return 0.0
    straight = straight_m(track.begin_x, track.begin_y, track.begin_z, track.x, track.y, track.z)
    ratio = track.way_m / straight if straight > 0.25 * track.way_m else 0.0
    track.legs, track.way_m = 0, 0.0
    return float(ratio)


@njit(cache=True, nogil=True)
def driven_legs(
    tracks: Records,
    row: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    limits: tuple[float, float, float, float, int],
    fix: NDArray[np.int64],
    speed_mps: NDArray[np.float64],
    windings: NDArray[np.float64],
) -> tuple[int, int]:
    """Takes n fixes, each vehicle's in order of time; how many legs and windings there are.

    `limits`: shortest and longest seconds, least and most metres a second, legs of a window. Fills the first of `fix`, with which a leg ends, `speed_mps` and `windings`, each of length n.
    """
    shortest_s, longest_s, least_mps, most_mps, window_legs = limits
    legs = wound = 0
    for i in range(len(row)):
        track = tracks[row[i]]
        lasts_s = (time_ms[i] - track.time_ms) / 1000.0
        if lasts_s < shortest_s:
            continue
        lat, lon = math.radians(lat_deg[i]), math.radians(lon_deg[i])
        x = MEAN_RADIUS_M * math.cos(lat) * math.cos(lon)
        y = MEAN_RADIUS_M * math.cos(lat) * math.sin(lon)
        z = MEAN_RADIUS_M * math.sin(lat)
        way_m = straight_m(track.x, track.y, track.z, x, y, z)
        is_leg = track.time_ms != 0 and lasts_s <= longest_s
        if is_leg and least_mps <= way_m / lasts_s <= most_mps:
            if track.legs == 0:
                track.begin_x, track.begin_y, track.begin_z = track.x, track.y, track.z
            track.legs += 1
            track.way_m += way_m
            fix[legs], speed_mps[legs] = i, way_m / lasts_s
            legs += 1
        else:
            track.legs, track.way_m = 0, 0.0
        track.time_ms, track.x, track.y, track.z = time_ms[i], x, y, z
        ratio = _winding(track, window_legs)
        if ratio > 0.0:
            windings[wound] = ratio
            wound += 1
    return legs, wound
