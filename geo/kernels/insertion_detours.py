"""Where a load may go in a route, and how much longer the way gets, by straight lines: what is asked before anything is timed."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.route_times import Records
from geo.kernels.travel_time import straight_m

ROUNDING_S = 1e-3
"""Times that are the same in another order of sums differ by less."""

ROUNDING_M = 1.0
"""Sums of metres differ by less."""

TO_PICKUP, MAY, TO_DELIVERY, DELIVERY_DETOUR, LEAST_DETOUR = range(5)
SCRATCH_ROWS = 5
"""Rows of a scratch array, float64[SCRATCH_ROWS, stops + 1]."""


@njit(cache=True, nogil=True, **UNCOUNTED)
def pickup_places(
    stops: Records,
    first: int,
    last: int,
    end: int,
    load: Records,
    least_of: NDArray[np.float32],
    least_pace: float,
    most_m: float,
    all_of_them: bool,
    scratch: NDArray[np.float64],
) -> int:
    """After how many of the stops up to `last` the pickup may come, by straight ways alone, up to the last such; fills `scratch` with the ways, and which stops they are.

    Not where its detour is longer than `most_m`, nor where it would be late even at the best pace of all hours there, which is `least_of`, float32[r], for one end of
    a way, or the next stop at the best pace anywhere, `least_pace`. Unless it is told to do all of them, it ends with the first stop that is left too late.
    """
    places, own_pace = 0, float(least_of[load[0].pace_row])
    on_m = straight_m(stops[first].x, stops[first].y, stops[first].z, load[0].x, load[0].y, load[0].z)
    scratch[TO_PICKUP, 0] = on_m
    for at in range(first, last + 1):
        i, to_m, soonest_s = at - first, on_m, stops[at].ready_s + stops[at].service_s
        if soonest_s > load[0].closes_s + ROUNDING_S and not all_of_them:
            break
        soonest_s += to_m * (own_pace + least_of[stops[at].pace_row])
        may = soonest_s <= load[0].closes_s + ROUNDING_S
        if at + 1 < end:
            after = stops[at + 1]
            on_m = straight_m(after.x, after.y, after.z, load[0].x, load[0].y, load[0].z)
            scratch[TO_PICKUP, i + 1] = on_m
            soonest_s = max(soonest_s, load[0].opens_s) + load[0].service_s
            soonest_s += (
                on_m * least_pace
            )  # the delivery may come between, and ways by way of it may be faster
            may &= soonest_s <= max(after.closes_s, after.ready_s) + ROUNDING_S
            to_m += on_m - after.way_m
        may &= to_m - ROUNDING_M < most_m
        scratch[MAY, i] = 1.0 if may else 0.0
        places = i + 1 if may else places
    return places


@njit(cache=True, nogil=True, **UNCOUNTED)
def delivery_detours(
    stops: Records, first: int, end: int, load: Records, scratch: NDArray[np.float64]
) -> None:
    """Fills `scratch`: ways to the delivery, what it adds to the way after each stop, alone, and the least of that after all later ones."""
    least = np.inf
    for at in range(end - 1, first - 1, -1):
        i = at - first
        to_m = straight_m(stops[at].x, stops[at].y, stops[at].z, load[1].x, load[1].y, load[1].z)
        scratch[TO_DELIVERY, i] = to_m
        detour_m = to_m + scratch[TO_DELIVERY, i + 1] - stops[at + 1].way_m if at + 1 < end else to_m
        scratch[DELIVERY_DETOUR, i] = detour_m
        scratch[LEAST_DETOUR, i] = least
        least = min(least, detour_m)
