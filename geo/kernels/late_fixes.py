"""The newest fixes of each vehicle, kept so that one that comes late can be put among them."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.fence_transitions import States
from geo.kernels.plausible_fixes import FIX, believe
from geo.kernels.track_filter import NEVER_MS, NO_SOURCE, FilterLimits, Track, is_plausible

ALWAYS_MS = 2**62

HEAD = np.dtype(
    [
        ("count", np.int32),  # fixes kept, ascending in time, the first ones of the row's
        ("middle", np.int32),  # where the newer half begins
        ("turn", np.int64),  # number of the last call of `append` that had a fix of this row
        ("version", np.int64),  # of the fence set when the older half began
        ("middle_version", np.int64),  # and when the newer half did
        ("accuracy_m", np.float64),  # of the last fix believed before the older half; NaN: not known
        ("middle_accuracy_m", np.float64),  # and before the newer half
        (
            "open_ms",
            np.int64,
        ),  # fixes in order up to this time are to be put among the others; NEVER_MS: none
    ]
)
"""What is kept of one vehicle. What was known of it before each half stands in two `States` beside."""

SPARE = 2
"""Places behind the fixes of a row, so that rows do not lie a power of two apart and drive each other out of the caches."""


@njit(cache=True, nogil=True)
def half_of(capacity: int) -> int:
    """Fixes after which a new half begins with the next batch; within a batch it may grow to half of the capacity."""
    return capacity * 3 // 8


@njit(cache=True, nogil=True, inline="always")
def _copy_row(source: States, s: int, target: States, t: int) -> None:
    target.used[t] = source.used[s]
    target.is_known[t] = source.is_known[s]
    target.time_ms[t] = source.time_ms[s]
    target.lat_deg[t], target.lon_deg[t] = source.lat_deg[s], source.lon_deg[s]
    for slot in range(source.used[s]):
        target.handle[t, slot] = source.handle[s, slot]
        target.visit[t, slot] = source.visit[s, slot]
        target.entered_ms[t, slot] = source.entered_ms[s, slot]
        target.doubt[t, slot] = source.doubt[s, slot]
        target.turn_ms[t, slot] = source.turn_ms[s, slot]
        target.turn_lat[t, slot] = source.turn_lat[s, slot]
        target.turn_lon[t, slot] = source.turn_lon[s, slot]
        target.still_lat[t, slot] = source.still_lat[s, slot]
        target.still_lon[t, slot] = source.still_lon[s, slot]
        target.still_m[t, slot] = source.still_m[s, slot]


@njit(cache=True, nogil=True)
def append(
    head: NDArray[np.void],
    fixes: NDArray[np.void],
    older: States,
    newer: States,
    live: States,
    rows: NDArray[np.int32],
    fleets: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    accuracy_m: NDArray[np.float64],
    has_fences: NDArray[np.bool_],
    begin: int,
    turn: int,
    version: int,
    window_ms: int,
) -> int:
    """Keeps fixes in order, from fix `begin` on, before `live` has heard of them; returns the first that found no room.

    A half begins only with a row's first fix of a turn, when `live` is what was known before it. `turn` is another each time.
    """
    capacity = fixes.shape[1] - SPARE
    half = half_of(capacity)
    for i in range(begin, rows.size):
        row, fleet = rows[i], fleets[i]
        h = head[row]
        if fleet >= has_fences.size or not has_fences[fleet]:
            h.count = 0
            continue
        if h.turn != turn:
            h.turn = turn
            count, middle = h.count, h.middle
            if count == 0:
                _copy_row(live, row, older, row)
                _copy_row(live, row, newer, row)
                h.middle = 0
                h.version = version
                h.middle_version = version
                h.accuracy_m = np.nan
                h.middle_accuracy_m = np.nan
            elif count - middle >= half or (
                count > middle and time_ms[i] - fixes[row, middle].time_ms >= window_ms
            ):  # the older half goes
                h.accuracy_m = h.middle_accuracy_m
                h.middle_accuracy_m = fixes[row, count - 1].accuracy_m
                for k in range(middle, count):
                    fixes[row, k - middle] = fixes[row, k]
                h.count = count - middle
                h.middle = count - middle
                _copy_row(newer, row, older, row)
                _copy_row(live, row, newer, row)
                h.version = h.middle_version
                h.middle_version = version
        elif h.count - h.middle == capacity // 2:
            return i
        f = fixes[row, h.count]
        f.time_ms = time_ms[i]
        f.lat = lat_deg[i]
        f.lon = lon_deg[i]
        f.accuracy_m = accuracy_m[i]
        h.count += 1
    return int(rows.size)


@njit(cache=True, nogil=True)
def _merge_row(
    own: NDArray[np.void], late: NDArray[np.void], merged: NDArray[np.void], is_late: NDArray[np.bool_]
) -> int:
    """Writes a row's fixes, and those that came late, by time, each time once; returns how many."""
    n, k = 0, 0
    for fix in range(late.size):
        time_ms = late[fix].time_ms
        while k < own.size and own[k].time_ms <= time_ms:
            merged[n], is_late[n] = own[k], False
            n, k = n + 1, k + 1
        if n == 0 or merged[n - 1].time_ms != time_ms:
            merged[n], is_late[n] = late[fix], True
            n += 1
    while k < own.size:
        merged[n], is_late[n] = own[k], False
        n, k = n + 1, k + 1
    return n


@njit(cache=True, nogil=True)
def _before(states: States, row: int, accuracy_m: float) -> NDArray[np.void]:
    """FIX[1]: the last fix believed before the kept ones; FIX[0]: there was none."""
    before = np.empty(1 if states.is_known[row] else 0, FIX)
    for k in range(before.size):
        before[k].time_ms = states.time_ms[row]
        before[k].lat = states.lat_deg[row]
        before[k].lon = states.lon_deg[row]
        before[k].accuracy_m = accuracy_m
    return before


@njit(cache=True, nogil=True)
def _open_ms(merged: NDArray[np.void], last: int, held: int, t: Track, limits: FilterLimits) -> int:
    """ALWAYS_MS: the filter stands elsewhere than it would in the order of time. What it holds back is not among the fixes yet.

    If it holds something back that would have taken the place of the last jump here, what comes next is in order unless it is older than that jump.
    """
    if last < 0 or merged[last].time_ms != t.newest_ms:
        return ALWAYS_MS
    if held < 0:
        return NEVER_MS
    tail = merged[held]
    if (
        t.held_source == NO_SOURCE
        or t.held_ms <= tail.time_ms
        or is_plausible(
            tail.time_ms, tail.lat, tail.lon, tail.accuracy_m,
            t.held_ms, t.held_lat, t.held_lon, t.held_accuracy, limits,
        )
    ):  # fmt: skip
        return ALWAYS_MS
    return int(tail.time_ms)


@njit(cache=True, nogil=True)
def _behind_believed(is_believed: NDArray[np.bool_], place: int, least: int) -> int:
    """The place not after this one, and not before `least`, that stands behind a fix which is believed; this one, if there is none."""
    k = place
    while k > least and not is_believed[k - 1]:
        k -= 1
    return k if k == 0 or is_believed[k - 1] else place


@njit(cache=True, nogil=True)
def merge(
    head: NDArray[np.void],
    fixes: NDArray[np.void],
    older: States,
    newer: States,
    rows: NDArray[np.int32],
    late: NDArray[np.void],
    late_offsets: NDArray[np.int64],
    track: NDArray[np.void],
    limits: FilterLimits,
    merged: NDArray[np.void],
    is_believed: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    cuts: NDArray[np.int64],
) -> int:
    """Puts the late fixes of rows, by time, among those that are kept of them; returns how many of them are not believed.

    Row i has `late[late_offsets[i]:late_offsets[i + 1]]`, and gets `merged[offsets[i]:offsets[i + 1]]`, nothing when each late fix is of
    a time that is known. `cuts[i]` are where its two halves are to begin in there (what stands before is to be dropped),
    whether the newer one is to begin where no half has begun before, and what `open_ms` becomes.

    A half begins behind a fix that is believed, if there is one near: then what the filter knew there is that fix and nothing held.
    """
    capacity = fixes.shape[1] - SPARE
    half = half_of(capacity)
    is_late = np.empty(merged.size, np.bool_)
    implausible = 0
    offsets[0] = 0
    for i in range(rows.size):
        row, begin = rows[i], offsets[i]
        own = fixes[row, : head[row].count]
        others = late[late_offsets[i] : late_offsets[i + 1]]
        n = _merge_row(own, others, merged[begin:], is_late[begin:])
        if n == own.size:
            offsets[i + 1] = begin
            continue
        offsets[i + 1] = begin + n
        believed = is_believed[begin : begin + n]
        mine = merged[begin : begin + n]
        last, held = believe(_before(older, row, head[row].accuracy_m), mine, limits, believed)
        cuts[i, 3] = _open_ms(mine, last, held, track[row], limits)
        for k in range(begin, begin + n):
            implausible += is_late[k] and not is_believed[k]
        middle = 0
        while newer.is_known[row] and middle < n and merged[begin + middle].time_ms <= newer.time_ms[row]:
            middle += 1
        first, middle = 0, _behind_believed(believed, middle, 0)
        is_moved = middle > capacity // 2 or n - middle > capacity // 2
        if is_moved:
            first = max(0, n - 2 * half)
            first = _behind_believed(believed, first, max(0, first - capacity // 16))
            middle = first + (n - first) // 2
            middle = _behind_believed(believed, middle, max(first, middle - capacity // 16))
        cuts[i, 0], cuts[i, 1], cuts[i, 2] = first, middle, is_moved
    return int(implausible)


@njit(cache=True, nogil=True)
def put_back(
    head: NDArray[np.void],
    fixes: NDArray[np.void],
    rows: NDArray[np.int32],
    merged: NDArray[np.void],
    offsets: NDArray[np.int64],
    cuts: NDArray[np.int64],
) -> None:
    """Keeps what `merge` made of each row."""
    for i in range(rows.size):
        first, middle = offsets[i] + cuts[i, 0], offsets[i] + cuts[i, 1]
        count = offsets[i + 1] - first
        h = head[rows[i]]
        if cuts[i, 1] > 0:
            h.middle_accuracy_m = merged[middle - 1].accuracy_m
        else:
            h.middle_accuracy_m = h.accuracy_m
        if cuts[i, 0] > 0:
            h.accuracy_m = merged[first - 1].accuracy_m
        for k in range(count):
            fixes[rows[i], k] = merged[first + k]
        h.count = count
        h.middle = middle - first
        h.open_ms = cuts[i, 3]
        if cuts[i, 2] != 0:
            h.middle_version = h.version
