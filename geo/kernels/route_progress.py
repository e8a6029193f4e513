"""How far each vehicle has come on the line that was planned for it. `geo.route_progress` has the definitions.

All is in geocentric metres on WGS 84: edges are at most `LONGEST_EDGE_M` long, so that a chord is the way to 0.2 mm, and 0.5 m below the ground.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED
from geo.kernels.geodesy import RAD, surface_point, turned
from geo.kernels.route_times import Records

BLOCK = 32
"""Edges that share a ball, by which they are passed over when a vehicle is looked for on the whole line."""

NONE = -1
NEVER_MS = -(2**62)
STAYS, WENT_OFF, CAME_BACK = 0, 1, 2

PROGRESS = np.dtype(
    [
        ("line", np.int32),
        ("edge", np.int32),  # NONE: it has not been on the line yet
        ("is_off", np.int32),
        ("unused", np.int32),
        ("along_m", np.float64),
        ("away_m", np.float64),
        ("time_ms", np.int64),  # of the newest fix
        ("off_since_ms", np.int64),  # NEVER_MS: the newest fix was on the line
    ]
)
"""Where a vehicle is on its line. One cache line for a row."""


class ProgressLimits(NamedTuple):
    """What off the route means; see `geo.route_progress.RouteLimits`."""

    off_m: float
    on_m: float
    off_after_ms: int
    most_mps: float
    reach_m: float
    most_accuracy_m: float


class Lines(NamedTuple):
    """Lines as columns; see `geo.route_progress.RouteLines`."""

    offsets: NDArray[np.int64]
    points: NDArray[np.float64]
    along_m: NDArray[np.float64]
    block_offsets: NDArray[np.int64]
    blocks: NDArray[np.float64]


_PER_M = 0.1
"""What a metre more or less than expected along the line weighs, against a metre off it: less than a winding road needs, more than jitter."""
_FAR_PER_M = 0.001
_JITTER_M = 20.0
"""The same where a vehicle is looked for on the whole line: of places equally near, or all so near, that closest to where it was last seen."""

_TENTH_RAD = RAD / 10.0

State = Any
"""One record of PROGRESS."""


@njit(cache=True, nogil=True)
def set_blocks(lines: Lines) -> None:
    """Fills `along_m` and `blocks`, float64[b, 4]: a ball around the edges of each block of each line."""
    for line in range(len(lines.offsets) - 1):
        first, end = lines.offsets[line], lines.offsets[line + 1]
        way = 0.0
        for i in range(first, end):
            if i > first:
                way += math.sqrt(
                    (lines.points[i, 0] - lines.points[i - 1, 0]) ** 2
                    + (lines.points[i, 1] - lines.points[i - 1, 1]) ** 2
                    + (lines.points[i, 2] - lines.points[i - 1, 2]) ** 2
                )
            lines.along_m[i] = way
        for block in range(lines.block_offsets[line], lines.block_offsets[line + 1]):
            begin = first + (block - lines.block_offsets[line]) * BLOCK
            last = min(begin + BLOCK, end - 1)
            radius2 = 0.0
            for axis in range(3):
                centre = 0.0
                for i in range(begin, last + 1):
                    centre += lines.points[i, axis] / (last + 1 - begin)
                lines.blocks[block, axis] = centre
            for i in range(begin, last + 1):
                square = 0.0
                for axis in range(3):
                    square += (lines.points[i, axis] - lines.blocks[block, axis]) ** 2
                radius2 = max(radius2, square)
            lines.blocks[block, 3] = math.sqrt(radius2)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _on_edge(
    points: NDArray[np.float64], i: int, x: float, y: float, z: float, least: float
) -> tuple[float, float]:
    """Where on the edge from point i to the next, from `least` to 1, a point is nearest, and how far away it is."""
    dx, dy, dz = (
        points[i + 1, 0] - points[i, 0],
        points[i + 1, 1] - points[i, 1],
        points[i + 1, 2] - points[i, 2],
    )
    px, py, pz = x - points[i, 0], y - points[i, 1], z - points[i, 2]
    square = dx * dx + dy * dy + dz * dz
    t = (px * dx + py * dy + pz * dz) / square if square > 0.0 else least
    t = min(1.0, max(least, t))
    px, py, pz = px - t * dx, py - t * dy, pz - t * dz
    return t, math.sqrt(px * px + py * py + pz * pz)


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _ahead(
    lines: Lines, state: State, x: float, y: float, z: float, expected_m: float, reach_m: float
) -> tuple[int, float, float]:
    """Edge, way along the line and distance of the likeliest place from the last one on, at most `reach_m` further."""
    end = lines.offsets[state.line + 1] - 1
    best, best_edge, best_along, best_away = np.inf, state.edge, state.along_m, np.inf
    for edge in range(state.edge, end):
        begin_m = lines.along_m[edge]
        forward_m = begin_m - state.along_m
        if forward_m > reach_m or _PER_M * (forward_m - expected_m) > best:
            break
        length_m = lines.along_m[edge + 1] - begin_m
        least = -forward_m / length_m if forward_m < 0.0 and length_m > 0.0 else 0.0
        t, away_m = _on_edge(lines.points, edge, x, y, z, min(1.0, least))
        along_m = begin_m + t * length_m
        cost = away_m + _PER_M * abs(along_m - state.along_m - expected_m)
        if cost < best:
            best, best_edge, best_along, best_away = cost, edge, along_m, away_m
    return best_edge, max(best_along, state.along_m), best_away


@njit(cache=True, nogil=True, **UNCOUNTED)
def _anywhere(lines: Lines, state: State, x: float, y: float, z: float) -> tuple[int, float, float]:
    """Edge, way along the line and distance of the nearest place on the whole line; of about equal ones that nearest to the last."""
    first, end = lines.offsets[state.line], lines.offsets[state.line + 1] - 1
    best, best_edge, best_along, best_away = np.inf, first, 0.0, np.inf
    first_block = lines.block_offsets[state.line]
    for block in range(first_block, lines.block_offsets[state.line + 1]):
        away_m = (
            math.sqrt(
                (lines.blocks[block, 0] - x) ** 2
                + (lines.blocks[block, 1] - y) ** 2
                + (lines.blocks[block, 2] - z) ** 2
            )
            - lines.blocks[block, 3]
        )
        if away_m > best:
            continue
        begin = first + (block - first_block) * BLOCK
        for edge in range(begin, min(begin + BLOCK, end)):
            t, away_m = _on_edge(lines.points, edge, x, y, z, 0.0)
            along_m = lines.along_m[edge] + t * (lines.along_m[edge + 1] - lines.along_m[edge])
            cost = max(away_m, _JITTER_M) + _FAR_PER_M * abs(along_m - state.along_m)
            if cost < best:
                best, best_edge, best_along, best_away = cost, edge, along_m, away_m
    return best_edge, best_along, best_away


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _follow(
    lines: Lines,
    state: State,
    time_ms: int,
    x: float,
    y: float,
    z: float,
    speed_mps: float,
    accuracy_m: float,
    limits: ProgressLimits,
) -> int:
    """Moves one vehicle's state on to a newer fix; STAYS, WENT_OFF or CAME_BACK."""
    is_lost = state.edge == NONE or state.is_off != 0
    if is_lost:
        edge, along_m, away_m = _anywhere(lines, state, x, y, z)
    else:
        since_s = (time_ms - state.time_ms) / 1000.0
        reach_m = limits.reach_m + limits.most_mps * since_s
        expected_m = speed_mps * since_s if 0.0 <= speed_mps <= limits.most_mps else 0.0
        edge, along_m, away_m = _ahead(lines, state, x, y, z, expected_m, reach_m)
    state.time_ms = time_ms
    state.away_m = away_m
    doubt_m = min(accuracy_m, limits.most_accuracy_m) if accuracy_m > 0.0 else 0.0
    if away_m <= (limits.on_m if state.is_off != 0 else limits.off_m + doubt_m):
        came_back = state.is_off != 0
        state.edge, state.along_m = edge, along_m
        state.is_off, state.off_since_ms = 0, NEVER_MS
        return CAME_BACK if came_back else STAYS
    if state.off_since_ms == NEVER_MS:
        state.off_since_ms = time_ms
    if state.is_off == 0 and time_ms - state.off_since_ms >= limits.off_after_ms:
        state.is_off = 1
        return WENT_OFF
    return STAYS


@njit(cache=True, nogil=True, **UNCOUNTED)
def follow_lines(
    lines: Lines,
    states: Records,
    limits: ProgressLimits,
    row: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    speed_mps: NDArray[np.float64],
    accuracy_m: NDArray[np.float64],
    along_m: NDArray[np.float64],
    change: NDArray[np.int8],
) -> None:
    """Moves `states`, PROGRESS[rows], on by n fixes in order; fills `along_m` float64[n], NaN without a route, and `change` int8[n].

    Sines are those of the next tenth of a degree, turned: fixes of one frame are near each other, and so they are not computed for each. A fix's place does
    not depend on which fixes came before it.
    """
    grid_lat = grid_lon = np.nan
    sin_lat = cos_lat = sin_lon = cos_lon = 0.0
    for i in range(len(row)):
        state = states[row[i]]
        change[i] = STAYS
        along_m[i] = np.nan
        if state.line == NONE:
            continue
        if time_ms[i] > state.time_ms:
            near_lat, near_lon = math.floor(lat_deg[i] * 10.0 + 0.5), math.floor(lon_deg[i] * 10.0 + 0.5)
            if near_lat != grid_lat or near_lon != grid_lon:
                grid_lat, grid_lon = near_lat, near_lon
                sin_lat, cos_lat = math.sin(grid_lat * _TENTH_RAD), math.cos(grid_lat * _TENTH_RAD)
                sin_lon, cos_lon = math.sin(grid_lon * _TENTH_RAD), math.cos(grid_lon * _TENTH_RAD)
            z, c = turned(sin_lat, cos_lat, lat_deg[i] * RAD - grid_lat * _TENTH_RAD)
            y, x = turned(sin_lon, cos_lon, lon_deg[i] * RAD - grid_lon * _TENTH_RAD)
            x, y, z = surface_point(c * x, c * y, z)
            change[i] = _follow(lines, state, time_ms[i], x, y, z, speed_mps[i], accuracy_m[i], limits)
        if state.edge != NONE:
            along_m[i] = state.along_m
