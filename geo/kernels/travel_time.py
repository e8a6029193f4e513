"""How long a way takes, by the hour of the week in which each part of it is driven.

A way has a speed in each hour and changes it at the border of two hours, wherever the vehicle is then. So who leaves later never arrives
earlier: Ichoua, Gendreau and Potvin (2003), "Vehicle dispatching with time-dependent travel times", doi 10.1016/S0377-2217(02)00147-9.

Of a way's pace one half is the pace around its begin, one half that around its end, in every hour. The tables hold these halves, so two of
their numbers add up to a pace. Times are Unix seconds.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.cells import FINEST

WEEK_HOURS = 168
MONDAY = 72
"""The Unix epoch was a Thursday at 0 o'clock, UTC: the 72nd hour of a week that begins on Monday."""

HOUR_S = 3600.0
_HOURS_PER_S = 1.0 / 3600.0
_FAR_S = 1e12
_MOST_HOURS = 100_000
_MEAN_RADIUS_M = 6_371_008.8
_BEND = 1.0 / (24.0 * _MEAN_RADIUS_M * _MEAN_RADIUS_M)

Paces = NDArray[np.float32]
"""float32[r, WEEK_HOURS], half the seconds that a metre as the crow flies takes around a place, in each hour of the week."""


@njit(cache=True, nogil=True, **UNCOUNTED)
def straight_m(x0: float, y0: float, z0: float, x1: float, y1: float, z1: float) -> float:
    """Metres as the crow flies between two points of the mean sphere, by their chord c: c + c^3 / 24 R^2, to 0.1 % up to 5,000 km."""
    square = (x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0) + (z1 - z0) * (z1 - z0)
    return math.sqrt(square) * (1.0 + square * _BEND)


@njit(cache=True, nogil=True, **UNCOUNTED)
def pace_in(paces: Paces, begin: int, end: int, hour: int) -> float:
    """Seconds a metre takes on a way in an hour since the epoch."""
    of_week = (hour + MONDAY) % WEEK_HOURS
    return float(paces[begin, of_week]) + float(paces[end, of_week])


@njit(cache=True, nogil=True, **UNCOUNTED)
def arrives_s(paces: Paces, begin: int, end: int, way_m: float, leaves_s: float) -> float:
    """When who leaves then arrives; `begin` and `end` are rows of `paces`, `way_m` is as the crow flies. What is not finite stays so."""
    if not leaves_s < _FAR_S:
        return leaves_s
    hour = math.floor(leaves_s * _HOURS_PER_S)
    border_s = (hour + 1) * HOUR_S
    pace, next_pace = pace_in(paces, begin, end, hour), pace_in(paces, begin, end, hour + 1)
    beyond_s = leaves_s + way_m * pace - border_s
    # no branch on whether the hour ends on the way: nobody could predict it
    arrival_s = border_s + beyond_s * (next_pace / pace if beyond_s > 0.0 else 1.0)
    return float(
        arrival_s if arrival_s <= border_s + HOUR_S else _arrives_s(paces, begin, end, way_m, leaves_s)
    )


@njit(cache=True, nogil=True, **UNCOUNTED)
def leaves_s(paces: Paces, begin: int, end: int, way_m: float, arrives_s: float) -> float:
    """The latest moment to leave so as to arrive by then: the inverse of `arrives_s`."""
    if not abs(arrives_s) < _FAR_S:
        return arrives_s
    hour = math.ceil(arrives_s * _HOURS_PER_S) - 1
    border_s = hour * HOUR_S
    pace, last_pace = pace_in(paces, begin, end, hour), pace_in(paces, begin, end, hour - 1)
    beyond_s = border_s - (arrives_s - way_m * pace)
    departure_s = border_s - beyond_s * (last_pace / pace if beyond_s > 0.0 else 1.0)
    return float(
        departure_s if departure_s >= border_s - HOUR_S else _leaves_s(paces, begin, end, way_m, arrives_s)
    )


@njit(cache=True, nogil=True, **UNCOUNTED)
def _arrives_s(paces: Paces, begin: int, end: int, way_m: float, leaves_s: float) -> float:
    """`arrives_s` over any number of hours."""
    hour = math.floor(leaves_s * _HOURS_PER_S)
    at_s, left_m = leaves_s, way_m
    for _ in range(_MOST_HOURS):
        pace = pace_in(paces, begin, end, hour)
        hour += 1
        border_s = hour * HOUR_S
        arrival_s = at_s + left_m * pace
        if arrival_s <= border_s:
            return float(arrival_s)
        left_m -= (border_s - at_s) / pace
        at_s = border_s
    return np.inf


@njit(cache=True, nogil=True, **UNCOUNTED)
def _leaves_s(paces: Paces, begin: int, end: int, way_m: float, arrives_s: float) -> float:
    """`leaves_s` over any number of hours."""
    hour = math.ceil(arrives_s * _HOURS_PER_S) - 1
    at_s, left_m = arrives_s, way_m
    for _ in range(_MOST_HOURS):
        pace = pace_in(paces, begin, end, hour)
        border_s = hour * HOUR_S
        departure_s = at_s - left_m * pace
        if departure_s >= border_s:
            return float(departure_s)
        left_m -= (at_s - border_s) / pace
        at_s = border_s
        hour -= 1
    return -np.inf


@njit(cache=True, nogil=True, **UNCOUNTED)
def ancestor(cell: int, resolution: int) -> int:
    """The cell at a coarser resolution that a cell descends from; see `geo.kernels.cells` for the bits."""
    return (cell & ~(15 << 52)) | (resolution << 52) | ((1 << 3 * (FINEST - resolution)) - 1)


@njit(cache=True, nogil=True)
def rows_in(
    cells: NDArray[np.int64], cell: NDArray[np.int64], finest: int, coarsest: int, rows: NDArray[np.int32]
) -> None:
    """Fills `rows`, int32[n]: one more than where each cell, or the nearest one around it, stands in `cells`, which are sorted; 0 of those that stand nowhere."""
    for i in range(len(cell)):
        rows[i] = 0
        resolution = finest if cell[i] != 0 else coarsest - 1
        while resolution >= coarsest:
            wanted = ancestor(cell[i], resolution)
            low, high = 0, len(cells)
            while low < high:
                middle = (low + high) // 2
                if cells[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            if low < len(cells) and cells[low] == wanted:
                rows[i] = low + 1
                break
            resolution -= 1


@njit(cache=True, nogil=True)
def travel_matrix(
    paces: Paces,
    points: NDArray[np.float64],
    rows: NDArray[np.int32],
    departure_s: NDArray[np.float64],
    time_s: NDArray[np.float64],
    way_m: NDArray[np.float64],
) -> None:
    """Fills `time_s` and `way_m`, float64[n, n], from each of `points` float64[n, 3], left at `departure_s` float64[n], to each; straight metres."""
    for a in range(len(points)):
        for b in range(len(points)):
            way_m[a, b] = straight_m(
                points[a, 0], points[a, 1], points[a, 2], points[b, 0], points[b, 1], points[b, 2]
            )
            arrival_s = arrives_s(paces, rows[a], rows[b], way_m[a, b], departure_s[a])
            time_s[a, b] = arrival_s - departure_s[a]


@njit(cache=True, nogil=True)
def travels(
    paces: Paces,
    begin: NDArray[np.int32],
    end: NDArray[np.int32],
    way_m: NDArray[np.float64],
    departure_s: NDArray[np.float64],
    back: bool,
    result_s: NDArray[np.float64],
) -> None:
    """`arrives_s`, or `leaves_s` when `back`, of n ways; fills `result_s` float64[n]."""
    for i in range(len(way_m)):
        if back:
            result_s[i] = leaves_s(paces, begin[i], end[i], way_m[i], departure_s[i])
        else:
            result_s[i] = arrives_s(paces, begin[i], end[i], way_m[i], departure_s[i])


@njit(cache=True, nogil=True)
def medians(
    key: NDArray[np.int64],
    value: NDArray[np.float64],
    keys: NDArray[np.int64],
    median: NDArray[np.float64],
    count: NDArray[np.int64],
) -> int:
    """How many distinct keys there are among n; fills `keys` in ascending order, the lower `median` of each one's values and their `count`, each of length n.

    A million values take most of a second: as numpy calls they would keep the GIL for parts of it that others notice.
    """
    order = np.argsort(key, kind="mergesort")
    found, begin = 0, 0
    for end in range(1, len(order) + 1):
        if end == len(order) or key[order[end]] != key[order[begin]]:
            part = np.sort(value[order[begin:end]])
            keys[found], median[found], count[found] = (
                key[order[begin]],
                part[(end - begin - 1) // 2],
                end - begin,
            )
            found += 1
            begin = end
    return found
