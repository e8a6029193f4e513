"""Compares what each vehicle was inside with what it is inside now, and finds where its path crossed the boundary."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.fence_cover import BLOCK, Shapes, with_room
from geo.kernels.geodesy import circle_fraction, short_way
from geo.kernels.orientation import orientation

ENTER, EXIT = 0, 1
MOVED, FENCE_CHANGED = 0, 1

# columns of an event's whole numbers; INDEX is the fence's in the set, -1 when it is there no more; ENTERED is filled for an exit
ROW, HANDLE, KIND, CAUSE, VISIT, TIME, FIX_TIME, FIX, INDEX, ENTERED = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
EVENT_COLUMNS = 10


class States(NamedTuple):
    """What is known of each vehicle, by row; n rows, s slots."""

    used: NDArray[np.int32]  # [n] slots in use, the first ones
    handle: NDArray[np.int32]  # [n, s] fences it is inside, ascending
    visit: NDArray[np.int64]  # [n, s]
    entered_ms: NDArray[np.int64]  # [n, s]
    is_known: NDArray[np.bool_]  # [n] whether it was ever evaluated
    time_ms: NDArray[np.int64]  # [n] of the last evaluated fix
    lat_deg: NDArray[np.float64]  # [n]
    lon_deg: NDArray[np.float64]  # [n]


@njit(cache=True, nogil=True)
def _segment_fraction(
    x0: float, y0: float, x1: float, y1: float, ax: float, ay: float, bx: float, by: float, last: bool
) -> float:
    """Where on the path 0-1 the segment a-b is met, 0 to 1; -1 when it is not. Of a stretch in common, an end."""
    if (
        max(ax, bx) < min(x0, x1)
        or min(ax, bx) > max(x0, x1)
        or max(ay, by) < min(y0, y1)
        or min(ay, by) > max(y0, y1)
    ):
        return -1.0
    if orientation(x0, y0, x1, y1, ax, ay) * orientation(x0, y0, x1, y1, bx, by) > 0:
        return -1.0
    side0 = orientation(ax, ay, bx, by, x0, y0)
    side1 = orientation(ax, ay, bx, by, x1, y1)
    if side0 * side1 > 0:
        return -1.0
    dx, dy = x1 - x0, y1 - y0
    if side0 == 0 and side1 == 0:
        long2 = dx * dx + dy * dy
        if long2 == 0.0:
            return 0.0
        at_a = ((ax - x0) * dx + (ay - y0) * dy) / long2
        at_b = ((bx - x0) * dx + (by - y0) * dy) / long2
        met = max(at_a, at_b) if last else min(at_a, at_b)
        return min(1.0, max(0.0, met))
    if side0 == 0 or side1 == 0:
        return 0.0 if side0 == 0 else 1.0
    across0 = (bx - ax) * (y0 - ay) - (by - ay) * (x0 - ax)
    across1 = (bx - ax) * (y1 - ay) - (by - ay) * (x1 - ax)
    if across0 == across1:
        return 0.5  # both too near the segment for plain arithmetic, on opposite sides
    return float(min(1.0, max(0.0, across0 / (across0 - across1))))


@njit(cache=True, nogil=True)
def _polygon_fraction(
    shapes: Shapes, fence: int, x0: float, y0: float, x1: float, y1: float, last: bool, best: float
) -> float:
    """The first (or last) place on the path where a polygon's boundary is met, if it betters `best`; -1 is none yet."""
    rings, vertices, blocks = shapes.rings, shapes.vertices, shapes.blocks
    west, east, south, north = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    first, stop = rings[shapes.first_ring[fence]], rings[shapes.first_ring[fence + 1]]
    for block in range(first // BLOCK, (stop - 1) // BLOCK + 1):
        if (
            blocks[block, 0] > east
            or blocks[block, 2] < west
            or blocks[block, 1] > north
            or blocks[block, 3] < south
        ):
            continue
        start = max(first, block * BLOCK)
        ring = np.searchsorted(rings, start, side="right")
        for i in range(start, min(stop, (block + 1) * BLOCK)):
            if i + 1 == rings[ring]:  # the last vertex of a ring begins no segment
                ring += 1
                continue
            ax, ay, bx, by = vertices[i, 0], vertices[i, 1], vertices[i + 1, 0], vertices[i + 1, 1]
            met = _segment_fraction(x0, y0, x1, y1, ax, ay, bx, by, last)
            if met >= 0.0 and (best < 0.0 or (met > best) == last):
                best = met
    return best


@njit(cache=True, nogil=True)
def _crossing(shapes: Shapes, fence: int, x0: float, y0: float, x1: float, y1: float, last: bool) -> float:
    """Fraction of the short way from 0 to 1 at which the fence's boundary is met first or last; -1 when it is not."""
    dx = short_way(x1 - x0)
    if shapes.circle[fence] >= 0:
        return circle_fraction(shapes.circles[shapes.circle[fence]], x0, y0, dx, y1 - y0)
    end = x1 if dx == x1 - x0 else x0 + dx
    best = _polygon_fraction(shapes, fence, x0, y0, end, y1, last, -1.0)
    if abs(end) > 180.0:
        turn = math.copysign(360.0, end)
        best = _polygon_fraction(shapes, fence, x0 - turn, y0, x1, y1, last, best)
    return best


@njit(cache=True, nogil=True)
def _index_of(handles: NDArray[np.int32], is_gone: NDArray[np.bool_], handle: int) -> int:
    """Index of a handle in the set, -1 when it is not there; the first `is_gone.size` handles ascend, and the rest do."""
    built = is_gone.size
    index = np.searchsorted(handles[:built], handle)
    if index < built and handles[index] == handle and not is_gone[index]:
        return int(index)
    index = built + np.searchsorted(handles[built:], handle)
    return int(index) if index < handles.size and handles[index] == handle else -1


@njit(cache=True, nogil=True)
def _write(
    whole: NDArray[np.int64], n: int, row: int, handle: int, kind: int, visit: int, index: int
) -> None:
    """Writes what an event says of the visit; time, place and cause come later."""
    whole[n, ROW] = row
    whole[n, HANDLE] = handle
    whole[n, KIND] = kind
    whole[n, VISIT] = visit
    whole[n, INDEX] = index


@njit(cache=True, nogil=True)
def _close_visits(
    states: States,
    row: int,
    handles: NDArray[np.int32],
    is_gone: NDArray[np.bool_],
    hits: NDArray[np.int32],
    start: int,
    stop: int,
    whole: NDArray[np.int64],
    n: int,
) -> tuple[NDArray[np.int64], int]:
    """Takes the fences that are not among hits[start:stop] out of a row's slots, as exits; returns the events and their number."""
    kept = 0
    for slot in range(states.used[row]):
        handle = states.handle[row, slot]
        while start < stop and handles[hits[start]] < handle:
            start += 1
        if start < stop and handles[hits[start]] == handle:
            states.handle[row, kept] = handle
            states.visit[row, kept] = states.visit[row, slot]
            states.entered_ms[row, kept] = states.entered_ms[row, slot]
            kept += 1
        else:
            whole = with_room(whole, n, 1)
            _write(whole, n, row, handle, EXIT, states.visit[row, slot], _index_of(handles, is_gone, handle))
            whole[n, ENTERED] = states.entered_ms[row, slot]
            n += 1
    states.used[row] = kept
    return whole, n


@njit(cache=True, nogil=True)
def _open_visits(
    states: States,
    row: int,
    handles: NDArray[np.int32],
    hits: NDArray[np.int32],
    start: int,
    stop: int,
    whole: NDArray[np.int64],
    n: int,
    next_visit: int,
) -> tuple[NDArray[np.int64], int, int]:
    """Puts those of hits[start:stop] that are not in a row's slots there, as enters; returns as above and the next visit id."""
    for hit in range(start, stop):
        handle = handles[hits[hit]]
        slot = hit - start  # all hits before this one are in the slots already, and nothing else is before it
        if slot < states.used[row] and states.handle[row, slot] == handle:
            continue
        for later in range(states.used[row], slot, -1):
            states.handle[row, later] = states.handle[row, later - 1]
            states.visit[row, later] = states.visit[row, later - 1]
            states.entered_ms[row, later] = states.entered_ms[row, later - 1]
        states.handle[row, slot] = handle
        states.visit[row, slot] = next_visit
        states.used[row] += 1
        whole = with_room(whole, n, 1)
        _write(whole, n, row, handle, ENTER, next_visit, hits[hit])
        n += 1
        next_visit += 1
    return whole, n, next_visit


@njit(cache=True, nogil=True)
def _is_unchanged(
    states: States, row: int, handles: NDArray[np.int32], hits: NDArray[np.int32], start: int, stop: int
) -> bool:
    if states.used[row] != stop - start:
        return False
    for slot in range(stop - start):  # noqa: SIM110  numba compiles no generator expression
        if states.handle[row, slot] != handles[hits[start + slot]]:
            return False
    return True


@njit(cache=True, nogil=True)
def _place(
    states: States,
    shapes: Shapes,
    row: int,
    time_ms: int,
    lat: float,
    lon: float,
    whole: NDArray[np.int64],
    first: int,
    n: int,
    places: NDArray[np.float64],
) -> None:
    """Time and place of the events first:n, between the row's last fix and this one."""
    for event in range(first, n):
        t = 1.0
        whole[event, CAUSE] = FENCE_CHANGED if whole[event, INDEX] < 0 else MOVED
        if states.is_known[row] and whole[event, INDEX] >= 0:
            is_exit = whole[event, KIND] == EXIT
            t = _crossing(
                shapes, whole[event, INDEX], states.lon_deg[row], states.lat_deg[row], lon, lat, is_exit
            )
        if (
            t < 0.0 or t == 1.0
        ):  # never met: the fence itself changed between the two fixes, and nobody said so
            whole[event, TIME], places[event, 0], places[event, 1] = time_ms, lat, lon
            continue
        before = states.time_ms[row]
        whole[event, TIME] = before + np.int64(np.rint(t * (time_ms - before)))
        places[event, 0] = states.lat_deg[row] + t * (lat - states.lat_deg[row])
        places[event, 1] = short_way(states.lon_deg[row] + t * short_way(lon - states.lon_deg[row]))


@njit(cache=True, nogil=True)
def _note_enter_times(states: States, row: int, whole: NDArray[np.int64], first: int, n: int) -> None:
    for event in range(first, n):
        if whole[event, KIND] == ENTER:
            slot = np.searchsorted(states.handle[row, : states.used[row]], whole[event, HANDLE])
            states.entered_ms[row, slot] = whole[event, TIME]


@njit(cache=True, nogil=True)
def find(
    states: States,
    shapes: Shapes,
    handles: NDArray[np.int32],
    is_gone: NDArray[np.bool_],
    rows: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    offsets: NDArray[np.int64],
    hits: NDArray[np.int32],
    next_visit: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Events of fixes in order; updates `states`, whose slots must suffice for the hits of any one fix.

    Returns whole numbers int64[e, 10], places float64[e, 2] (latitude, longitude), and the next visit id.
    """
    whole, places = np.empty((16, EVENT_COLUMNS), np.int64), np.empty((16, 2))
    n = 0
    for i in range(rows.size):
        row, start, stop = rows[i], offsets[i], offsets[i + 1]
        if not _is_unchanged(states, row, handles, hits, start, stop):
            first = n
            whole, n = _close_visits(states, row, handles, is_gone, hits, start, stop, whole, n)
            whole, n, next_visit = _open_visits(states, row, handles, hits, start, stop, whole, n, next_visit)
            places = with_room(places, first, n - first)
            _place(states, shapes, row, time_ms[i], lat_deg[i], lon_deg[i], whole, first, n, places)
            _note_enter_times(states, row, whole, first, n)
            for event in range(first, n):
                whole[event, FIX_TIME], whole[event, FIX] = time_ms[i], i
        states.is_known[row] = True
        states.time_ms[row], states.lat_deg[row], states.lon_deg[row] = time_ms[i], lat_deg[i], lon_deg[i]
    return whole[:n], places[:n], next_visit


@njit(cache=True, nogil=True)
def refresh(
    states: States,
    handles: NDArray[np.int32],
    is_gone: NDArray[np.bool_],
    rows: NDArray[np.int32],
    now_ms: int,
    offsets: NDArray[np.int64],
    hits: NDArray[np.int32],
    next_visit: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """As `find`, for known rows that stay where they are while the fences change."""
    whole, places = np.empty((16, EVENT_COLUMNS), np.int64), np.empty((16, 2))
    n = 0
    for i in range(rows.size):
        row, start, stop = rows[i], offsets[i], offsets[i + 1]
        if _is_unchanged(states, row, handles, hits, start, stop):
            continue
        first = n
        whole, n = _close_visits(states, row, handles, is_gone, hits, start, stop, whole, n)
        whole, n, next_visit = _open_visits(states, row, handles, hits, start, stop, whole, n, next_visit)
        places = with_room(places, first, n - first)
        for event in range(first, n):
            whole[event, CAUSE], whole[event, TIME] = FENCE_CHANGED, now_ms
            whole[event, FIX_TIME], whole[event, FIX] = states.time_ms[row], -1
            places[event, 0], places[event, 1] = states.lat_deg[row], states.lon_deg[row]
        _note_enter_times(states, row, whole, first, n)
    return whole[:n], places[:n], next_visit
