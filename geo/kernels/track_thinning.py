"""Douglas-Peucker over a track, and how far a position is from a line of it.

Douglas and Peucker (1973), "Algorithms for the reduction of the number of points required to represent a digitized line or its
caricature", Cartographica 10 (2), doi 10.3138/FM57-6770-U75U-7727.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.geodesy import A_M, E2, near_distance_m, short_way, surface_point, unit_vector


@njit(cache=True, nogil=True)
def away_m(lat: float, lon: float, lat0: float, lon0: float, lat1: float, lon1: float) -> float:
    """How far a position is from a line straight in longitude and latitude that goes the short way; never less than it is.

    It is the distance to a point of the line: to the nearest one in a plane with the scales of the position's own latitude, and the
    nearest point of all is no further away. Right to 0.1 mm up to `NEAR_M`, and not less than that beyond it.
    """
    x, y, z = unit_vector(lat, lon)
    bend = 1.0 - E2 * z * z
    north = math.radians(A_M / math.sqrt(bend))
    east, north = north * math.hypot(x, y), north * (1.0 - E2) / bend
    dlat, dlon = lat1 - lat0, short_way(lon1 - lon0)
    px, py, dx, dy = east * short_way(lon0 - lon), north * (lat0 - lat), east * dlon, north * dlat
    length2 = dx * dx + dy * dy
    t = min(1.0, max(0.0, -(px * dx + py * dy) / length2)) if length2 > 0.0 else 0.0
    x, y, z = surface_point(x, y, z)
    fx, fy, fz = unit_vector(lat0 + t * dlat, lon0 + t * dlon)
    fx, fy, fz = surface_point(fx, fy, fz)
    return float(near_distance_m(x, y, z, fx, fy, fz))


@njit(cache=True, nogil=True)
def keep(
    lat: NDArray[np.float64], lon: NDArray[np.float64], tolerance_m: float, kept: NDArray[np.bool_]
) -> None:
    """Marks in `kept`, bool[n], all false before, what has to stay of a track of at least one fix."""
    last = len(lat) - 1
    kept[0] = kept[last] = True
    waiting = np.empty((last + 1, 2), np.int64)  # ranges of which only the ends are kept; they never overlap
    waiting[0, 0], waiting[0, 1] = 0, last
    count = 1
    while count:
        count -= 1
        first, stop = waiting[count, 0], waiting[count, 1]
        furthest, most_m = -1, tolerance_m
        for i in range(first + 1, stop):
            m = away_m(lat[i], lon[i], lat[first], lon[first], lat[stop], lon[stop])
            if m > most_m:
                furthest, most_m = i, m
        if furthest >= 0:
            kept[furthest] = True
            waiting[count, 0], waiting[count, 1] = first, furthest
            waiting[count + 1, 0], waiting[count + 1, 1] = furthest, stop
            count += 2
