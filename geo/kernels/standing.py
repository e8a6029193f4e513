"""Where something stood when a change was proved, and whether it has moved since: the rule of `geo.fence_transitions`, in space."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

# columns of a place: metres from the middle of the earth, and the accuracy as it counts
X, Y, Z, ACCURACY = 0, 1, 2, 3

REACH = 3.0
"""So many times its accuracy around a fix the vehicle is beyond doubt."""

RARE = 1.5
"""A change proved although it may have stood: accuracies count so many times."""


@njit(cache=True, nogil=True)
def stand(place: NDArray[np.float64], x_m: float, y_m: float, z_m: float, accuracy_m: float) -> None:
    """It may stand here."""
    place[X], place[Y], place[Z], place[ACCURACY] = x_m, y_m, z_m, accuracy_m


@njit(cache=True, nogil=True)
def has_moved(place: NDArray[np.float64], x_m: float, y_m: float, z_m: float, accuracy_m: float) -> bool:
    """Whether a fix shows that it does not stand there any more; of two places, one around the other, the inner one is kept."""
    dx, dy, dz = x_m - place[X], y_m - place[Y], z_m - place[Z]
    apart_m, still_m, reach_m = (
        math.sqrt(dx * dx + dy * dy + dz * dz),
        REACH * place[ACCURACY],
        REACH * accuracy_m,
    )
    if 0.0 < reach_m < still_m - apart_m:
        stand(place, x_m, y_m, z_m, accuracy_m)
    return bool(apart_m > still_m + reach_m)
