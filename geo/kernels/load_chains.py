"""Which load could follow which. `geo.load_chains` has the definitions."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.route_times import Records, between_m

Floats32 = NDArray[np.float32]


@njit(cache=True, nogil=True, **UNCOUNTED)
def _after_one(
    x: Floats32,
    y: Floats32,
    z: Floats32,
    closes_s: Floats32,
    delivery: Records,
    done_s: float,
    pace: float,
    least_m: Floats32,
) -> None:
    """What follows a load that is done then; one line of arithmetic over columns, so that it becomes vector code."""
    d_x, d_y, d_z = delivery.x, delivery.y, delivery.z
    over_s, s_per_m = np.float32(done_s), np.float32(pace)
    for i in range(len(least_m)):
        square = (x[i] - d_x) * (x[i] - d_x) + (y[i] - d_y) * (y[i] - d_y) + (z[i] - d_z) * (z[i] - d_z)
        way_m = math.sqrt(square)
        nearer_m = min(way_m, least_m[i])
        least_m[i] = nearer_m if over_s + way_m * s_per_m <= closes_s[i] else least_m[i]


@njit(cache=True, nogil=True)
def chain_ways(
    ends: Records, which: NDArray[np.int32], pace: float, now_s: float, direct_m: Floats32, least_m: Floats32
) -> None:
    """Fills `direct_m` and `least_m`, float32[m]: from each load's pickup to its delivery, and to its pickup from the nearest delivery of another that can be there in time."""
    m = len(which)
    x, y, z, closes_s = (
        np.empty(m, np.float32),
        np.empty(m, np.float32),
        np.empty(m, np.float32),
        np.empty(m, np.float32),
    )
    for i in range(m):
        pickup = ends[2 * which[i]]
        x[i], y[i], z[i], closes_s[i] = pickup.x, pickup.y, pickup.z, pickup.closes_s - now_s
        direct_m[i], least_m[i] = between_m(ends, 2 * which[i], 2 * which[i] + 1), np.inf
    for j in range(m):
        pickup, delivery = ends[2 * which[j]], ends[2 * which[j] + 1]
        done_s = max(0.0, pickup.opens_s - now_s) + pickup.service_s + direct_m[j] * pace
        done_s = max(done_s, delivery.opens_s - now_s) + delivery.service_s
        own_m = least_m[j]
        _after_one(x, y, z, closes_s, delivery, done_s, pace, least_m)
        least_m[j] = own_m  # nothing follows itself
