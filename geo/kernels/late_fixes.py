"""The newest fixes of each vehicle, kept so that one that comes late can be put among them."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.fence_transitions import States
from geo.kernels.track_filter import FilterLimits, is_plausible

FIX = np.dtype([("time_ms", np.int64), ("lat", np.float64), ("lon", np.float64), ("accuracy_m", np.float64)])

HEAD = np.dtype(
    [
        ("count", np.int32),  # fixes kept, ascending in time, the first ones of the row's
        ("middle", np.int32),  # where the newer half begins
        ("turn", np.int64),  # number of the last call of `append` that had a fix of this row
        ("version", np.int64),  # of the fence set when the older half began
        ("middle_version", np.int64),  # and when the newer half did
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
            elif count - middle >= half or (
                count > middle and time_ms[i] - fixes[row, middle].time_ms >= window_ms
            ):  # the older half goes
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


@njit(cache=True, nogil=True, inline="always")
def _agree(merged: NDArray[np.void], a: int, b: int, limits: FilterLimits) -> bool:
    one, other = merged[a], merged[b]
    return is_plausible(
        one.time_ms, one.lat, one.lon, one.accuracy_m,
        other.time_ms, other.lat, other.lon, other.accuracy_m, limits,
    )  # fmt: skip


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
def _believe(
    merged: NDArray[np.void], before: States, row: int, limits: FilterLimits, is_believed: NDArray[np.bool_]
) -> None:
    """Which fixes a vehicle can have been at, by the rule of the filter: a jump is borne out by the next fix or was none.

    The newest one has been taken by the filter, so it is believed.
    """
    last, held = -1, -1
    for i in range(merged.size):
        if last >= 0:
            follows = _agree(merged, last, i, limits)
        elif before.is_known[row]:
            fix = merged[i]
            follows = is_plausible(
                before.time_ms[row], before.lat_deg[row], before.lon_deg[row], np.nan,
                fix.time_ms, fix.lat, fix.lon, fix.accuracy_m, limits,
            )  # fmt: skip
        else:
            follows = True
        agrees = held >= 0 and _agree(merged, held, i, limits)
        is_believed[i] = follows or agrees or i + 1 == merged.size
        if agrees and not follows:
            is_believed[held] = True
        if follows or agrees:
            last, held = i, -1
        else:
            held = i


@njit(cache=True, nogil=True)
def merge(
    head: NDArray[np.void],
    fixes: NDArray[np.void],
    older: States,
    newer: States,
    rows: NDArray[np.int32],
    late: NDArray[np.void],
    late_offsets: NDArray[np.int64],
    limits: FilterLimits,
    merged: NDArray[np.void],
    is_believed: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    cuts: NDArray[np.int64],
) -> int:
    """Puts the late fixes of rows, by time, among those that are kept of them; returns how many of them are not believed.

    Row i has `late[late_offsets[i]:late_offsets[i + 1]]`, and gets `merged[offsets[i]:offsets[i + 1]]`, nothing when each late fix is of
    a time that is known. `cuts[i]` are where its two halves are to begin in there (what stands before is to be dropped) and
    whether the newer one is to begin where no half has begun before.
    """
    capacity = fixes.shape[1] - SPARE
    half = half_of(capacity)
    is_late = np.empty(merged.size, np.bool_)
    implausible = 0
    offsets[0] = 0
    for i in range(rows.size):
        row, begin = rows[i], offsets[i]
        own = fixes[row, : head[row].count]
        mine = late[late_offsets[i] : late_offsets[i + 1]]
        n = _merge_row(own, mine, merged[begin:], is_late[begin:])
        if n == own.size:
            offsets[i + 1] = begin
            continue
        offsets[i + 1] = begin + n
        _believe(merged[begin : begin + n], older, row, limits, is_believed[begin:])
        for k in range(begin, begin + n):
            implausible += is_late[k] and not is_believed[k]
        first, middle = max(0, n - 2 * half), 0
        while newer.is_known[row] and middle < n and merged[begin + middle].time_ms <= newer.time_ms[row]:
            middle += 1
        is_moved = middle > capacity // 2 or n - middle > capacity // 2
        if is_moved:
            middle = first + (n - first) // 2
        cuts[i, 0], cuts[i, 1], cuts[i, 2] = first if is_moved else 0, middle, is_moved
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
        first = offsets[i] + cuts[i, 0]
        count = offsets[i + 1] - first
        h = head[rows[i]]
        for k in range(count):
            fixes[rows[i], k] = merged[first + k]
        h.count = count
        h.middle = cuts[i, 1] - cuts[i, 0]
        if cuts[i, 2] != 0:
            h.middle_version = h.version
