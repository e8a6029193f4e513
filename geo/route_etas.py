"""When vehicles reach the stops ahead of them: along their lines, with waiting and service on the way. The face of `geo.kernels.route_etas`.

From stop to stop it is the way along the line where there is one, divided by `circuity` because paces count metres as the crow flies; else straight. To the next
stop it is along the line from where `geo.route_progress` has the vehicle, and straight from its place while it is off the line, has not been on it yet,
or has come further along it than the stop. By how long windows make it wait is in it; a window that has closed changes nothing. Where a vehicle has come 500 m further, it has passed the
stop by: nobody knows when it will be there, and those after it are told as if it never were.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.kernels import route_etas as kernel
from geo.route_progress import fresh_progress
from geo.travel_time import Floats, sphere_points, untaught_travel_times

ROUTE_STOP: Final = kernel.ROUTE_STOP


def route_etas(
    states: NDArray[np.void],
    row_of: NDArray[np.int32],
    offsets: NDArray[np.int64],
    stops: NDArray[np.void],
    is_ahead: NDArray[np.bool_],
    per_road_m: Floats,
    which: NDArray[np.int32],
    lat_deg: Floats,
    lon_deg: Floats,
    pace_row: NDArray[np.int32],
    leaves_s: Floats,
    paces: NDArray[np.float32],
    eta_s: Floats,
) -> None:
    """Writes when each stop ahead of some routes is reached, Unix seconds; NaN of the other stops of these routes.

    Args:
        states: PROGRESS[rows], as of `geo.route_progress`.
        row_of: int32[k], the vehicle of each route.
        offsets: int64[k + 1]; the stops of route r are rows offsets[r] to before offsets[r + 1].
        stops: ROUTE_STOP[n].
        is_ahead: bool[n], the stops that are driven to.
        per_road_m: float64[k], 1 / circuity.
        which: int32[m], the routes to do.
        lat_deg: float64[m], where their vehicles are.
        lon_deg: float64[m].
        pace_row: int32[m], as of `TravelTimes.rows_of`.
        leaves_s: float64[m], when each leaves there, Unix seconds.
        paces: as of `TravelTimes.paces`.
        eta_s: float64[n].
    """
    points = sphere_points(lat_deg, lon_deg)
    kernel.route_etas(
        states,
        row_of,
        offsets,
        stops,
        is_ahead,
        per_road_m,
        which,
        points,
        pace_row,
        leaves_s,
        paces,
        eta_s,
    )


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    zero, zeros = np.zeros(1, np.int32), np.zeros(1)
    offsets, is_ahead = np.array([0, 1], np.int64), np.ones(1, np.bool_)
    stops, paces = np.zeros(1, ROUTE_STOP), untaught_travel_times().paces()
    columns = fresh_progress(1), zero, offsets, stops, is_ahead, np.ones(1), zero
    route_etas(*columns, zeros, zeros, zero, zeros, paces, np.zeros(1))
