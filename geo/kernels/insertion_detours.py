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
    least_pace: float,
    most_m: float,
    scratch: NDArray[np.float64],
) -> bool:
    """Whether the pickup may come after any stop up to `last`, by straight ways alone; fills `scratch` with the ways, and which stops they are.

    Not where its detour is longer than `most_m`, nor where the next stop would be late even at the best pace of all.
    """
    any_place = False
    for at in range(first, end):
        i = at - first
        scratch[TO_PICKUP, i] = straight_m(
            stops[at].x, stops[at].y, stops[at].z, load[0].x, load[0].y, load[0].z
        )
    for at in range(first, last + 1):
        i = at - first
        to_m = scratch[TO_PICKUP, i]
        soonest_s = stops[at].ready_s + stops[at].service_s + to_m * least_pace
        may = soonest_s <= load[0].closes_s + ROUNDING_S
        if at + 1 < end:
            on_m = scratch[TO_PICKUP, i + 1]
            soonest_s = max(soonest_s, load[0].opens_s) + load[0].service_s + on_m * least_pace
            may &= soonest_s <= max(stops[at + 1].closes_s, stops[at + 1].ready_s) + ROUNDING_S
            to_m += on_m - stops[at + 1].way_m
        may &= to_m - ROUNDING_M < most_m
        scratch[MAY, i] = 1.0 if may else 0.0
        any_place |= may
    return any_place


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
