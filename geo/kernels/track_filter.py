"""One pass over a batch of fixes: the reasons of each as bits, the fix that a vehicle holds back, what is taken."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

INVALID_COORDINATE = 1
NULL_ISLAND = 2
FUTURE = 4
STALE = 8
DUPLICATE = 16
OUT_OF_ORDER = 32
IMPOSSIBLE_JUMP = 64
POOR_ACCURACY = 128
RATE_LIMITED = 256
UNSTORABLE = 512  # said by the history, never by the filter

EARTH_RADIUS_M = 6371008.8  # IUGG mean radius
NULL_ISLAND_DEG = 1e-6
NEVER_MS = -(2**62)
NO_SOURCE = -(2**31)
WINDOW = 64  # sequences remembered at and below the highest one, as bits


class FilterLimits(NamedTuple):
    """What the filter refuses; see the settings of the same names."""

    future_ms: int
    late_ms: int
    speed_limit_mps: float
    jump_slack_m: float
    accuracy_limit_m: float
    device_rate_per_s: float
    device_burst: float


TRACK_ROW = np.dtype(
    [
        ("newest_ms", np.int64),  # the newest fix taken
        ("newest_lat", np.float64),
        ("newest_lon", np.float64),
        ("newest_accuracy", np.float64),
        ("top_seq", np.int64),  # highest sequence taken, and bit k of window: top_seq - k was taken
        ("window", np.uint64),
        ("handled_seq", np.int64),  # highest sequence taken or refused
        ("held_source", np.int32),  # the fix held back, NO_SOURCE: none
        ("newest_is_lost", np.int32),  # 1: the newest fix was taken, but not kept; it may come again
        ("held_seq", np.int64),
        ("held_ms", np.int64),
        ("held_since_ms", np.int64),  # by our clock
        ("held_lat", np.float64),
        ("held_lon", np.float64),
        ("held_accuracy", np.float64),
        ("tokens", np.float64),  # token bucket
        ("tokens_ms", np.int64),
    ]
)
"""What the filter knows of one vehicle. Records, not columns: a fix touches all of one vehicle's, one cache line or two."""

Track = Any
"""One record of TRACK_ROW. numba sees its fields; the type checker has no word for a record."""

REFUSED = np.dtype([("source", np.int64), ("row", np.int32), ("reasons", np.uint32), ("seq", np.int64)])
"""One refused fix: its source, its vehicle's row, its reasons as bits, its sequence."""


@njit(cache=True, nogil=True)
def distance_m(lat_a_deg: float, lon_a_deg: float, lat_b_deg: float, lon_b_deg: float) -> float:
    """Great-circle distance on the mean sphere by the haversine formula (0.6 % at worst from WGS 84)."""
    lat_a = math.radians(lat_a_deg)
    lat_b = math.radians(lat_b_deg)
    half_lat = math.sin((lat_b - lat_a) / 2)
    half_lon = math.sin(math.radians(lon_b_deg - lon_a_deg) / 2)
    square = half_lat * half_lat + math.cos(lat_a) * math.cos(lat_b) * half_lon * half_lon
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(square)))


@njit(cache=True, nogil=True)
def is_plausible(
    time_a: int,
    lat_a: float,
    lon_a: float,
    accuracy_a: float,
    time_b: int,
    lat_b: float,
    lon_b: float,
    accuracy_b: float,
    limits: FilterLimits,
) -> bool:
    """Whether a vehicle can have been at both; unknown accuracies allow nothing extra."""
    allowed_m = limits.jump_slack_m + limits.speed_limit_mps * abs(time_b - time_a) / 1000.0
    if accuracy_a > 0.0:
        allowed_m += accuracy_a
    if accuracy_b > 0.0:
        allowed_m += accuracy_b
    return distance_m(lat_a, lon_a, lat_b, lon_b) <= allowed_m


@njit(cache=True, nogil=True)
def _own_reasons(
    time_ms: int, lat: float, lon: float, accuracy: float, now_ms: int, limits: FilterLimits
) -> int:
    """The reasons that a fix carries by itself, whatever came before it."""
    bits = 0
    if not (abs(lat) <= 90.0 and abs(lon) <= 180.0):  # also catches NaN
        bits |= INVALID_COORDINATE
    elif abs(lat) < NULL_ISLAND_DEG and abs(lon) < NULL_ISLAND_DEG:
        bits |= NULL_ISLAND
    if time_ms > now_ms + limits.future_ms:
        bits |= FUTURE
    elif time_ms < now_ms - limits.late_ms:
        bits |= STALE
    if accuracy > limits.accuracy_limit_m:
        bits |= POOR_ACCURACY
    return bits


@njit(cache=True, nogil=True)
def _order_reasons(t: Track, seq: int, time_ms: int) -> int:
    """The reasons that come from what the vehicle has sent before."""
    bits = 0
    is_newest = time_ms == t.newest_ms
    is_again = is_newest and t.newest_is_lost != 0
    if time_ms < t.newest_ms or is_again:
        bits |= OUT_OF_ORDER
    back = t.top_seq - seq
    is_taken = seq >= 0 and 0 <= back < WINDOW and (t.window >> np.uint64(back)) & np.uint64(1) != 0
    is_held = t.held_source != NO_SOURCE and (time_ms == t.held_ms or (seq >= 0 and seq == t.held_seq))
    if (is_newest and not is_again) or is_taken or is_held:
        bits |= DUPLICATE
    return bits


@njit(cache=True, nogil=True)
def _spend_token(t: Track, now_ms: int, limits: FilterLimits) -> bool:
    """Fill and tap the bucket; whether there was a token."""
    elapsed_ms = max(0, now_ms - t.tokens_ms)
    t.tokens = min(limits.device_burst, t.tokens + elapsed_ms * limits.device_rate_per_s / 1000.0)
    t.tokens_ms = now_ms
    if t.tokens < 1.0:
        return False
    t.tokens -= 1.0
    return True


@njit(cache=True, nogil=True)
def _hold(t: Track, source: int, seq: int, time_ms: int, lat: float, lon: float, accuracy: float) -> None:
    t.held_source = source
    t.held_seq = seq
    t.held_ms = time_ms
    t.held_lat = lat
    t.held_lon = lon
    t.held_accuracy = accuracy


@njit(cache=True, nogil=True)
def _take(
    t: Track,
    source: int,
    seq: int,
    late: bool,
    taken: int,
    order: NDArray[np.int64],
    is_late: NDArray[np.bool_],
) -> int:
    order[taken] = source
    is_late[taken] = late
    if seq > t.top_seq:
        ahead = seq - t.top_seq
        known = ahead < WINDOW and t.top_seq >= 0
        t.window = (t.window << np.uint64(ahead) if known else np.uint64(0)) | np.uint64(1)
        t.top_seq = seq
    elif seq >= 0 and t.top_seq - seq < WINDOW:
        t.window |= np.uint64(1) << np.uint64(t.top_seq - seq)
    t.handled_seq = max(t.handled_seq, seq)
    return taken + 1


@njit(cache=True, nogil=True)
def _set_newest(t: Track, time_ms: int, lat: float, lon: float, accuracy: float) -> None:
    t.newest_ms = time_ms
    t.newest_lat = lat
    t.newest_lon = lon
    t.newest_accuracy = accuracy
    t.newest_is_lost = 0


@njit(cache=True, nogil=True)
def _refuse(
    t: Track, source: int, row: int, seq: int, reasons: int, count: int, refused: NDArray[np.void]
) -> int:
    refused[count].source = source
    refused[count].row = row
    refused[count].seq = seq
    refused[count].reasons = reasons
    t.handled_seq = max(t.handled_seq, seq)
    return count + 1


@njit(cache=True, nogil=True)
def filter_fixes(
    row: NDArray[np.int32],
    seq: NDArray[np.int64],
    time_ms: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    accuracy_m: NDArray[np.float64],
    now_ms: int,
    limits: FilterLimits,
    track: NDArray[np.void],
    order: NDArray[np.int64],
    is_late: NDArray[np.bool_],
    refused: NDArray[np.void],
    held_rows: NDArray[np.int32],
) -> tuple[int, int, int]:
    """Decide on each fix, in order of arrival, and bring `track` (TRACK_ROW per vehicle) up to date.

    The source of a fix is its index in the batch, or `-1 - row` for the one that `row` held from an earlier batch.
    An implausible jump is held, neither taken nor refused, until the vehicle's next fix: if that agrees with the
    held one and not with the track, the vehicle really is there and both are taken; else the held one is refused.

    Outputs: `order`, the sources taken, in the order of the track, `is_late` beside it, and `refused`. Each needs
    room for two entries a fix, because a fix can also decide on one held before. `held_rows` are the rows that have
    held back a fix of this batch, if only for a while; one entry a fix.

    Returns:
        (taken, refusals, holds): how many entries were written to `order`, to `refused` and to `held_rows`.
    """
    taken = 0
    refusals = 0
    holds = 0
    for i in range(row.size):
        r = row[i]
        t = track[r]
        time, lat, lon, accuracy = time_ms[i], lat_deg[i], lon_deg[i], accuracy_m[i]
        reasons = _own_reasons(time, lat, lon, accuracy, now_ms, limits) | _order_reasons(t, seq[i], time)
        if not _spend_token(t, now_ms, limits):
            reasons |= RATE_LIMITED
        if reasons & ~OUT_OF_ORDER:
            refusals = _refuse(t, i, r, seq[i], reasons, refusals, refused)
            continue
        if reasons & OUT_OF_ORDER:
            taken = _take(t, i, seq[i], True, taken, order, is_late)
            if time == t.newest_ms:
                t.newest_is_lost = 0
            continue
        follows = t.newest_ms == NEVER_MS or is_plausible(
            t.newest_ms, t.newest_lat, t.newest_lon, t.newest_accuracy, time, lat, lon, accuracy, limits
        )
        has_held = t.held_source != NO_SOURCE
        agrees = has_held and is_plausible(
            t.held_ms, t.held_lat, t.held_lon, t.held_accuracy, time, lat, lon, accuracy, limits
        )
        if not follows and not agrees:
            if has_held:  # neither the track nor this one bears it out
                refusals = _refuse(t, t.held_source, r, t.held_seq, IMPOSSIBLE_JUMP, refusals, refused)
            _hold(t, i, seq[i], time, lat, lon, accuracy)
            t.held_since_ms = now_ms
            held_rows[holds] = r
            holds += 1
            continue
        if agrees and not follows and t.held_ms < time:  # a real jump: both are where the vehicle is
            taken = _take(t, t.held_source, t.held_seq, False, taken, order, is_late)
            has_held = False
        taken = _take(t, i, seq[i], False, taken, order, is_late)
        _set_newest(t, time, lat, lon, accuracy)
        if has_held and agrees and t.held_ms > time:  # it had only arrived before the fix that leads to it
            taken = _take(t, t.held_source, t.held_seq, False, taken, order, is_late)
            _set_newest(t, t.held_ms, t.held_lat, t.held_lon, t.held_accuracy)
        elif has_held:
            refusals = _refuse(t, t.held_source, r, t.held_seq, IMPOSSIBLE_JUMP, refusals, refused)
        t.held_source = NO_SOURCE
    return taken, refusals, holds
