"""When each stop ahead is reached, from where the vehicles are now. `geo.route_etas` has the definitions."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.route_progress import NONE
from geo.kernels.route_times import Records
from geo.kernels.travel_time import Paces, arrives_s, straight_m

ROUTE_STOP = np.dtype(
    [
        *[(name, np.float64) for name in ("x", "y", "z", "along_m", "opens_s", "closes_s", "service_s")],
        ("pace_row", np.int32),
        ("unused", np.int32),
    ]
)
"""A stop of a route, in one cache line. x, y, z: on the mean sphere, metres; `along_m`: where on its route's line; NaN: there is no line."""

PASSED_M = 500.0
"""A stop so far behind its vehicle on the line was passed by: nobody knows whether it will be driven to."""


@njit(cache=True, nogil=True)
def route_etas(
    states: Records,
    row_of: NDArray[np.int32],
    offsets: NDArray[np.int64],
    stops: Records,
    is_ahead: NDArray[np.bool_],
    per_road_m: NDArray[np.float64],
    which: NDArray[np.int32],
    points: NDArray[np.float64],
    pace_row: NDArray[np.int32],
    leaves_s: NDArray[np.float64],
    paces: Paces,
    eta_s: NDArray[np.float64],
) -> None:
    """Writes `eta_s`, float64[stops], of some routes; NaN where a stop is not ahead. See `geo.route_etas.route_etas`."""
    for i in range(len(which)):
        route = which[i]
        state = states[row_of[route]]
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        clock_s, before = leaves_s[i], pace_row[i]
        at_m = state.along_m if state.edge != NONE and state.is_off == 0 else np.nan
        for stop in range(offsets[route], offsets[route + 1]):
            there = stops[stop]
            road_m = there.along_m - at_m
            if not is_ahead[stop] or road_m < -PASSED_M:
                eta_s[stop] = np.nan
                continue
            if road_m >= 0.0:  # not where one of them is unknown
                way_m = road_m * per_road_m[route]
            else:
                way_m = straight_m(x, y, z, there.x, there.y, there.z)
            arrival_s = arrives_s(paces, before, there.pace_row, way_m, clock_s)
            eta_s[stop] = arrival_s
            clock_s = max(arrival_s, there.opens_s) + there.service_s
            x, y, z, at_m, before = there.x, there.y, there.z, there.along_m, there.pace_row
