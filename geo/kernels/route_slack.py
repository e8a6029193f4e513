"""What an insertion leaves of a route's slack: the route is made with the load in it, and timed."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.route_times import LIVE_LEG, LIVE_STOP, Records, between_m, time_route
from geo.kernels.travel_time import Paces


@njit(cache=True, nogil=True, **UNCOUNTED)
def with_load(
    stops: Records, first: int, end: int, load: Records, pickup_after: int, delivery_after: int, new: Records
) -> None:
    """Fills `new`, LIVE_STOP[stops + 2], with a route and the load's stops in it; `way_m` is right."""
    to = 0
    for at in range(first, end):
        new[to] = stops[at]
        to += 1
        if at - first == pickup_after:
            new[to] = load[0]
            to += 1
        if at - first == delivery_after:
            new[to] = load[1]
            to += 1
    for at in range(1, to):
        new[at].way_m = between_m(new, at - 1, at)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _least_slack_s(stops: Records, first: int, end: int) -> float:
    """Of all stops but the first, where the vehicle is."""
    least = np.inf
    for at in range(first + 1, end):
        least = min(least, max(0.0, stops[at].latest_s - stops[at].ready_s))
    return least


@njit(cache=True, nogil=True)
def tell_slack(
    stops: Records, offsets: NDArray[np.int64], load: Records, paces: Paces, best: Records, kept: int
) -> None:
    """Sets `slack_s` and `slack_eaten_s` of the insertions."""
    for i in range(kept):
        found = best[i]
        first, end = offsets[found.vehicle], offsets[found.vehicle + 1]
        new = np.empty(end - first + 2, LIVE_STOP)
        with_load(stops, first, end, load, found.pickup_after, found.delivery_after, new)
        time_route(new, np.zeros(len(new), LIVE_LEG), 0, len(new), paces)
        before_s = _least_slack_s(stops, first, end)
        found.slack_s = _least_slack_s(new, 0, len(new))
        # a route without any window had all the time there is: it is the load's own windows that leave it less
        eaten_s = before_s - found.slack_s if before_s < np.inf else 0.0
        found.slack_eaten_s = eaten_s if math.isfinite(eaten_s) else 0.0
