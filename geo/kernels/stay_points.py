"""Where a vehicle stays for a while, and how far it has really gone, fix by fix. `geo.stay_points` has the definitions."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.geodesy import geodesic_distance_m, surface_point, unit_vector

BLOCK = 32
"""Fixes that share a box; most windows are decided by boxes."""

Points = NDArray[np.float64]
"""float64[n, 3], geocentric metres."""


@njit(cache=True, nogil=True)
def to_points(lat: NDArray[np.float64], lon: NDArray[np.float64], points: Points) -> None:
    """Fills `points`."""
    for i in range(len(lat)):
        x, y, z = unit_vector(lat[i], lon[i])
        points[i, 0], points[i, 1], points[i, 2] = surface_point(x, y, z)


@njit(cache=True, nogil=True)
def to_boxes(points: Points, boxes: NDArray[np.float64]) -> None:
    """Fills `boxes`, float64[n // BLOCK, 2, 3]: least and greatest coordinates of each whole block."""
    for block in range(len(boxes)):
        for axis in range(3):
            least = most = points[block * BLOCK, axis]
            for i in range(block * BLOCK + 1, (block + 1) * BLOCK):
                least, most = min(least, points[i, axis]), max(most, points[i, axis])
            boxes[block, 0, axis], boxes[block, 1, axis] = least, most


@njit(cache=True, nogil=True)
def _all_near(points: Points, a: int, boxes: NDArray[np.float64], block: int, radius2: float) -> bool:
    """Whether the furthest corner of a block's box is within the radius of point `a`; false says nothing."""
    chord2 = 0.0
    for axis in range(3):
        centre = points[a, axis]
        away = max(centre - boxes[block, 0, axis], boxes[block, 1, axis] - centre)
        chord2 += away * away
    return chord2 <= radius2


@njit(cache=True, nogil=True)
def windows(
    time_ms: NDArray[np.int64],
    points: Points,
    boxes: NDArray[np.float64],
    radius_m: float,
    least_ms: int,
    is_end: bool,
    window_end: NDArray[np.int64],
) -> int:
    """Fills `window_end`, int64[n]: the last fix of each fix's window if the vehicle stays in it, else the fix itself.

    Returns how many were decided: fewer than n when a window goes on beyond the fixes and more of them are to come (not `is_end`).
    """
    n, radius2 = len(time_ms), radius_m * radius_m
    for a in range(n):
        window_end[a] = a
        i = a + 1
        while True:
            if i >= n:
                if not is_end:
                    return a
                break
            block = i // BLOCK
            if (
                i % BLOCK == 0
                and block < len(boxes)
                and time_ms[i + BLOCK - 1] - time_ms[a] < least_ms
                and _all_near(points, a, boxes, block, radius2)
            ):
                i += BLOCK
                continue
            chord2 = 0.0
            for axis in range(3):
                away = points[i, axis] - points[a, axis]
                chord2 += away * away
            if chord2 > radius2:
                break
            if time_ms[i] - time_ms[a] >= least_ms:
                window_end[a] = i
                break
            i += 1
    return n


@njit(cache=True, nogil=True)
def measure(
    lat: NDArray[np.float64],
    lon: NDArray[np.float64],
    accuracy_m: NDArray[np.float64],
    is_travel: NDArray[np.bool_],
    least_step_m: float,
    anchor: NDArray[np.float64],
    length_m: NDArray[np.float64],
) -> None:
    """Fills `length_m`, float64[n - 1]: what each leg adds to the way; `anchor`, float64[2], is where it was last measured from.

    `is_travel`, bool[n], says it of each leg, and last of the one after them. The last leg of a run of travel adds whatever is left.
    """
    for leg in range(len(length_m)):
        length_m[leg] = 0.0
        end = leg + 1
        if is_travel[leg]:
            step_m = geodesic_distance_m(anchor[0], anchor[1], lat[end], lon[end])
            accuracy = max(least_step_m, accuracy_m[end])
            if step_m <= accuracy and is_travel[end]:
                continue
            length_m[leg] = step_m
        anchor[0], anchor[1] = lat[end], lon[end]
