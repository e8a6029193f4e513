"""Compares what each vehicle was inside with what it is inside now, and finds where its path crossed the boundary.

What is believed lags behind what a fix says when the fix's accuracy leaves it open: see `geo.fence_transitions` for the rule.
Functions are inlined because passing them the many arrays of the states costs more than what they do.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import borrowed
from geo.kernels.fence_cover import Shapes, with_room
from geo.kernels.fence_crossing import crossing
from geo.kernels.fence_distance import is_boundary_within, metres_per_degree
from geo.kernels.fence_handles import index_of
from geo.kernels.geodesy import short_way

ENTER, EXIT = 0, 1
MOVED, FENCE_CHANGED = 0, 1

# columns of an event's whole numbers
ROW, HANDLE, KIND, CAUSE, VISIT, TIME, FIX_TIME, FIX, ENTERED, LEFT = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
EVENT_COLUMNS = 10

# bits of a slot's doubt; 0 is inside beyond doubt
OUTSIDE = 1  # believed to be outside; the slot is for what follows
STILL = 2  # it may stand where its last change was proved
PENDING = 4  # the last fix was on the other side and did not prove it

REACH = 3.0
"""So many times its accuracy around a fix the vehicle is beyond doubt."""

RARE = 1.5
"""A fix that proved a change although the vehicle may have stood is one of the rare ones far off, or it has moved: its accuracy counts so many times."""


class States(NamedTuple):
    """What is known of each vehicle, by row; n rows, s slots."""

    used: NDArray[np.int32]  # [n] slots in use, the first ones
    handle: NDArray[np.int32]  # [n, s] fences it is inside, or in doubt of, ascending
    visit: NDArray[np.int64]  # [n, s]
    entered_ms: NDArray[np.int64]  # [n, s]
    doubt: NDArray[np.int8]  # [n, s] OUTSIDE | STILL | PENDING
    turn_ms: NDArray[np.int64]  # [n, s] crossing of what is pending
    turn_lat: NDArray[np.float64]  # [n, s]
    turn_lon: NDArray[np.float64]  # [n, s]
    still_lat: NDArray[np.float64]  # [n, s] where it may stand, when it is STILL
    still_lon: NDArray[np.float64]  # [n, s]
    still_m: NDArray[np.float64]  # [n, s] the accuracy of that, as it counts
    is_known: NDArray[np.bool_]  # [n] whether it was ever evaluated
    time_ms: NDArray[np.int64]  # [n] of the last evaluated fix
    lat_deg: NDArray[np.float64]  # [n]
    lon_deg: NDArray[np.float64]  # [n]


class Fences(NamedTuple):
    """Of a set: the geometry, and what `index_of` needs."""

    shapes: Shapes
    handles: NDArray[np.int32]
    is_gone: NDArray[np.bool_]


class Fix(NamedTuple):
    """A fix; or, with number -1, the last one looked at again because fences changed."""

    row: int
    number: int
    time_ms: int  # of what it proves, at the latest
    fix_time_ms: int
    lat: float
    lon: float
    accuracy_m: float


@njit(cache=True, nogil=True, inline="always")
def _is_near(fences: Fences, index: int, fix: Fix, times: float) -> bool:
    """Whether so many times its accuracy reach from a fix to the boundary; never when the accuracy is unknown."""
    reach_m = times * fix.accuracy_m
    return bool(reach_m > 0.0 and is_boundary_within(fences.shapes, index, fix.lat, fix.lon, reach_m))


@njit(cache=True, nogil=True, inline="always")
def _let_move(states: States, row: int, lat: float, lon: float, accuracy_m: float) -> None:
    """Takes STILL from the slots of a vehicle that has moved; of two places, one around the other, the inner one is kept."""
    reach_m, east_m, north_m = (REACH * accuracy_m if accuracy_m > 0.0 else 0.0), 0.0, 0.0
    for slot in range(states.used[row]):
        if not states.doubt[row, slot] & STILL:
            continue
        if north_m == 0.0:
            east_m, north_m = metres_per_degree(lat)
        east = short_way(lon - states.still_lon[row, slot]) * east_m
        north = (lat - states.still_lat[row, slot]) * north_m
        apart_m, still_m = math.sqrt(east * east + north * north), REACH * states.still_m[row, slot]
        if apart_m > still_m + reach_m:
            states.doubt[row, slot] &= ~STILL
        elif 0.0 < reach_m < still_m - apart_m:
            states.still_lat[row, slot], states.still_lon[row, slot] = lat, lon
            states.still_m[row, slot] = accuracy_m


@njit(cache=True, nogil=True, inline="always")
def _stand(states: States, slot: int, fix: Fix) -> int:
    """The doubt that is left when a fix has proved a change: the vehicle may stand there; none when the accuracy is unknown."""
    if not fix.accuracy_m > 0.0:
        return 0
    states.still_lat[fix.row, slot], states.still_lon[fix.row, slot] = fix.lat, fix.lon
    states.still_m[fix.row, slot] = fix.accuracy_m * (RARE if states.doubt[fix.row, slot] & STILL else 1.0)
    return STILL


@njit(cache=True, nogil=True, inline="always")
def _is_proved(states: States, fences: Fences, slot: int, index: int, fix: Fix) -> bool:
    """Whether a fix on the side that is not believed is enough to believe it."""
    doubt = states.doubt[fix.row, slot]
    if not states.is_known[fix.row]:
        return True
    if doubt & STILL:
        return not _is_near(fences, index, fix, REACH)
    return doubt & PENDING != 0 or not _is_near(fences, index, fix, 1.0)


@njit(cache=True, nogil=True, inline="always")
def _note_turn(states: States, fences: Fences, slot: int, index: int, fix: Fix, is_exit: bool) -> None:
    """Writes down time and place of the crossing, between the row's last fix and this one."""
    row, t = fix.row, 1.0
    x0, y0 = states.lon_deg[row], states.lat_deg[row]
    if states.is_known[row] and index >= 0 and fix.number >= 0:
        t = crossing(fences.shapes, index, x0, y0, fix.lon, fix.lat, is_exit)
    if t < 0.0 or t == 1.0:  # never met: the fence itself changed since the last fix
        states.turn_ms[row, slot] = fix.time_ms
        states.turn_lat[row, slot], states.turn_lon[row, slot] = fix.lat, fix.lon
        return
    before = states.time_ms[row]
    states.turn_ms[row, slot] = before + np.int64(np.rint(t * (fix.time_ms - before)))
    states.turn_lat[row, slot] = y0 + t * (fix.lat - y0)
    states.turn_lon[row, slot] = short_way(x0 + t * short_way(fix.lon - x0))


@njit(cache=True, nogil=True, inline="always")
def _tell(
    states: States,
    slot: int,
    index: int,
    fix: Fix,
    kind: int,
    event: NDArray[np.int64],
    place: NDArray[np.float64],
) -> None:
    """Writes an event of what a slot says."""
    row = fix.row
    event[ROW], event[HANDLE], event[KIND] = row, states.handle[row, slot], kind
    event[CAUSE] = FENCE_CHANGED if index < 0 or fix.number < 0 else MOVED
    event[VISIT], event[TIME] = states.visit[row, slot], states.turn_ms[row, slot]
    event[FIX_TIME], event[FIX] = fix.fix_time_ms, fix.number
    event[ENTERED], event[LEFT] = states.entered_ms[row, slot], event[TIME] if kind == EXIT else -1
    place[0], place[1] = states.turn_lat[row, slot], states.turn_lon[row, slot]


@njit(cache=True, nogil=True, inline="always")
def _copy_slot(states: States, row: int, source: int, target: int) -> None:
    states.handle[row, target] = states.handle[row, source]
    states.visit[row, target] = states.visit[row, source]
    states.entered_ms[row, target] = states.entered_ms[row, source]
    states.doubt[row, target] = states.doubt[row, source]
    states.turn_ms[row, target] = states.turn_ms[row, source]
    states.turn_lat[row, target] = states.turn_lat[row, source]
    states.turn_lon[row, target] = states.turn_lon[row, source]
    if states.doubt[row, source] & STILL:
        states.still_lat[row, target] = states.still_lat[row, source]
        states.still_lon[row, target] = states.still_lon[row, source]
        states.still_m[row, target] = states.still_m[row, source]


@njit(cache=True, nogil=True, inline="always")
def _leaves(states: States, fences: Fences, slot: int, index: int, fix: Fix) -> bool:
    """Whether a vehicle believed inside has left, now that its fix is outside; notes the crossing and the doubt that remains."""
    row = fix.row
    if index < 0 or not states.doubt[row, slot] & PENDING:
        _note_turn(states, fences, slot, index, fix, True)
    if index >= 0 and not _is_proved(states, fences, slot, index, fix):
        states.doubt[row, slot] |= PENDING
        return False
    states.doubt[row, slot] = OUTSIDE | (_stand(states, slot, fix) if index >= 0 else 0)
    return True


@njit(cache=True, nogil=True, inline="always")
def _close_visits(
    states: States,
    fences: Fences,
    fix: Fix,
    hits: NDArray[np.int32],
    whole: NDArray[np.int64],
    places: NDArray[np.float64],
    n: int,
) -> int:
    """Brings a row's slots up to date, but for enters; writes exits from n on and returns the new n."""
    row, kept, hit = fix.row, 0, 0
    for slot in range(states.used[row]):
        handle, doubt = states.handle[row, slot], states.doubt[row, slot]
        while hit < hits.size and fences.handles[hits[hit]] < handle:
            hit += 1
        is_hit = hit < hits.size and fences.handles[hits[hit]] == handle
        index = hits[hit] if is_hit else index_of(fences.handles, fences.is_gone, handle)
        is_inside = doubt & OUTSIDE == 0
        was_hit = is_inside != (doubt & PENDING != 0)
        if fix.number < 0 and index >= 0 and was_hit == is_hit:
            pass  # the edit changed nothing for this vehicle
        elif is_inside == is_hit:
            states.doubt[row, slot] = doubt & (OUTSIDE | STILL) if index >= 0 else OUTSIDE
        elif is_inside and _leaves(states, fences, slot, index, fix):
            _tell(states, slot, index, fix, EXIT, whole[n], places[n])
            n += 1
        if is_hit or states.doubt[row, slot] != OUTSIDE:  # outside beyond doubt needs no slot
            if kept < slot:
                _copy_slot(states, row, slot, kept)
            kept += 1
    states.used[row] = kept
    return n


@njit(cache=True, nogil=True, inline="always")
def _slot_of(states: States, row: int, handle: int) -> int:
    """The slot of a fence, a new one, believed outside, if it had none."""
    used = states.used[row]
    slot = used
    while slot > 0 and states.handle[row, slot - 1] >= handle:
        slot -= 1
    if slot == used or states.handle[row, slot] != handle:
        for later in range(used, slot, -1):
            _copy_slot(states, row, later - 1, later)
        states.handle[row, slot], states.doubt[row, slot] = handle, OUTSIDE
        states.used[row] += 1
    return int(slot)


@njit(cache=True, nogil=True, inline="always")
def _open_visits(
    states: States,
    fences: Fences,
    fix: Fix,
    hits: NDArray[np.int32],
    whole: NDArray[np.int64],
    places: NDArray[np.float64],
    n: int,
    next_visit: int,
) -> tuple[int, int]:
    """Believes or notes that a row is inside its hits; writes enters from n on, and returns the new n and next visit id."""
    row = fix.row
    for index in hits:
        slot = _slot_of(states, row, fences.handles[index])
        is_pending = states.doubt[row, slot] & PENDING
        if not states.doubt[row, slot] & OUTSIDE or (is_pending and fix.number < 0):
            continue
        if not is_pending:
            _note_turn(states, fences, slot, index, fix, False)
        if not _is_proved(states, fences, slot, index, fix):
            states.doubt[row, slot] |= PENDING
            continue
        states.doubt[row, slot] = _stand(states, slot, fix)
        states.visit[row, slot], states.entered_ms[row, slot] = next_visit, states.turn_ms[row, slot]
        _tell(states, slot, index, fix, ENTER, whole[n], places[n])
        n += 1
        next_visit += 1
    return n, next_visit


@njit(cache=True, nogil=True)
def _is_unchanged(
    states: States, row: int, handles: NDArray[np.int32], hits: NDArray[np.int32], start: int, stop: int
) -> bool:
    """Whether a row is believed inside its hits and nothing else, and has no slot for another side."""
    if states.used[row] != stop - start:
        return False
    for slot in range(stop - start):
        if states.handle[row, slot] != handles[hits[start + slot]] or states.doubt[row, slot] & ~STILL:
            return False
    return True


@njit(cache=True, nogil=True)
def find(
    states: States,
    fences: Fences,
    rows: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    accuracy_m: NDArray[np.float64],
    offsets: NDArray[np.int64],
    hits: NDArray[np.int32],
    begin: int,
    next_visit: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], int, int]:
    """Events of fixes in order, from fix `begin` to the first for which the slots may not suffice; updates `states`.

    Returns whole numbers int64[e, 10], places float64[e, 2] (latitude, longitude), the next visit id and the next fix.
    """
    whole, places = np.empty((16, EVENT_COLUMNS), np.int64), np.empty((16, 2))
    states, fences, hits = borrowed(states), borrowed(fences), borrowed(hits)
    n = 0
    for i in range(begin, rows.size):
        row, start, stop = rows[i], offsets[i], offsets[i + 1]
        _let_move(states, row, lat_deg[i], lon_deg[i], accuracy_m[i])
        if not _is_unchanged(states, row, fences.handles, hits, start, stop):
            most = states.used[row] + stop - start
            if most > states.handle.shape[1]:
                return whole[:n], places[:n], next_visit, i
            whole, places, own = with_room(whole, n, most), with_room(places, n, most), hits[start:stop]
            fix = Fix(row, i, time_ms[i], time_ms[i], lat_deg[i], lon_deg[i], accuracy_m[i])
            n = _close_visits(states, fences, fix, own, whole, places, n)
            n, next_visit = _open_visits(states, fences, fix, own, whole, places, n, next_visit)
        states.is_known[row] = True
        states.time_ms[row], states.lat_deg[row], states.lon_deg[row] = time_ms[i], lat_deg[i], lon_deg[i]
    return whole[:n], places[:n], next_visit, rows.size


@njit(cache=True, nogil=True)
def index_of_each(fences: Fences, wanted: NDArray[np.int32], index: NDArray[np.int32]) -> None:
    """Writes the index of each handle to `index`, int32 like `wanted`; -1 where the set has none."""
    for i in range(wanted.size):
        index[i] = index_of(fences.handles, fences.is_gone, wanted[i])


@njit(cache=True, nogil=True)
def _names_one_of(states: States, row: int, handles: NDArray[np.int32]) -> bool:
    """Whether a slot of a row names one of some handles; both ascend."""
    i, slot = 0, 0
    while slot < states.used[row] and i < handles.size:
        handle = states.handle[row, slot]
        if handle == handles[i]:
            return True
        if handle < handles[i]:
            slot += 1
        else:
            i += 1
    return False


@njit(cache=True, nogil=True)
def touched(
    states: States,
    rows: NDArray[np.int32],
    fleet_number: NDArray[np.int32],
    handles: NDArray[np.int32],
    box_fleet: NDArray[np.int32],
    boxes: NDArray[np.float64],
    found: NDArray[np.int32],
) -> int:
    """Writes which places in `rows` edits can make a difference to, to `found`; returns how many.

    These are the rows with a slot for an edited fence (`handles`, ascending), and those that stand in the box (`boxes` [b, 4]: west, south, east,
    north) of a new or changed one of their fleet. Of all others both sides of every fence are as they were.
    """
    n = 0
    for i in range(rows.size):
        row = rows[i]
        if not states.is_known[row]:
            continue
        is_touched = _names_one_of(states, row, handles)
        lat, lon = states.lat_deg[row], states.lon_deg[row]
        for b in range(box_fleet.size):
            if (boxes[b, 0] <= lon) & (lon <= boxes[b, 2]) & (boxes[b, 1] <= lat) & (lat <= boxes[b, 3]):
                is_touched |= box_fleet[b] == fleet_number[i]
        if is_touched:
            found[n] = i
            n += 1
    return n


@njit(cache=True, nogil=True)
def refresh(
    states: States,
    fences: Fences,
    rows: NDArray[np.int32],
    now_ms: int,
    offsets: NDArray[np.int64],
    hits: NDArray[np.int32],
    next_visit: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """As `find`, for known rows that stay where they are while the fences change; the slots must suffice."""
    whole, places = np.empty((16, EVENT_COLUMNS), np.int64), np.empty((16, 2))
    states, fences, hits = borrowed(states), borrowed(fences), borrowed(hits)
    n = 0
    for i in range(rows.size):
        row, start, stop = rows[i], offsets[i], offsets[i + 1]
        if _is_unchanged(states, row, fences.handles, hits, start, stop):
            continue
        most = states.used[row] + stop - start
        whole, places, own = with_room(whole, n, most), with_room(places, n, most), hits[start:stop]
        # without an accuracy the side it is on is believed
        fix = Fix(row, -1, now_ms, states.time_ms[row], states.lat_deg[row], states.lon_deg[row], 0.0)
        n = _close_visits(states, fences, fix, own, whole, places, n)
        n, next_visit = _open_visits(states, fences, fix, own, whole, places, n, next_visit)
    return whole[:n], places[:n], next_visit
