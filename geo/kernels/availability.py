"""Features of a driver at a moment, and trees walked. `geo.availability` has the definitions."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geo.kernels.borrowed import UNCOUNTED, borrowed

Floats = NDArray[np.float64]

MINUTE_S = 60.0
HOUR_S = 3_600.0
DAY_S = 86_400.0
NEAR_S = 900.0
"""Half of the time around a moment of a former day."""
LONG_REST_S = 3 * HOUR_S
RECENT_SPANS = 40
PAST_DAYS = 14
SHARE_HOURS = np.array([3.0, 6.0, 12.0, 24.0, 72.0, 168.0])
BUSY_HOURS = np.array([0.5, 1.0, 3.0, 12.0, 72.0])
NAMED_DAYS = (1, 2, 3, 7)


class Spans(NamedTuple):
    """Times of being something, of all drivers: see `geo.availability.Spans`."""

    offsets: NDArray[np.int64]
    begin_s: Floats
    end_s: Floats
    begin_xy: Floats
    end_xy: Floats


class Rates(NamedTuple):
    """Shares of the fleet, sums that run up: see `geo.availability.FleetRates`."""

    first_s: float
    slot_s: float
    duty: Floats
    busy: Floats


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _newest(times: Floats, first: int, end: int, at_s: float) -> int:
    """The last index in [first, end) whose time is not after `at_s`; `first` - 1: none."""
    low, high = first, end
    while low < high:
        middle = (low + high) // 2
        if times[middle] <= at_s:
            low = middle + 1
        else:
            high = middle
    return low - 1


@njit(cache=True, nogil=True, **UNCOUNTED)
def _spent_s(spans: Spans, first: int, last: int, from_s: float, until_s: float) -> float:
    """Seconds of [from, until] that lie within the spans first to last."""
    spent, k = 0.0, _newest(spans.begin_s, first, last + 1, until_s)
    while k >= first and spans.end_s[k] > from_s:
        spent += max(0.0, min(spans.end_s[k], until_s) - max(spans.begin_s[k], from_s))
        k -= 1
    return spent


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _mean(sums: Floats, rates: Rates, from_s: float, until_s: float) -> float:
    """Mean of a fleet's share between two moments, NaN outside of what is known."""
    first, end = int((from_s - rates.first_s) / rates.slot_s), int((until_s - rates.first_s) / rates.slot_s)
    if first < 0 or end >= len(sums) or end <= first:
        return np.nan
    return float(sums[end] - sums[first]) / (end - first)


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _hour_of_day(time_s: float, zone_s: float) -> float:
    return float(np.mod(time_s + zone_s, DAY_S)) / HOUR_S


@njit(cache=True, nogil=True, **UNCOUNTED)
def _duty_features(
    duty: Spans, first: int, k: int, at_s: float, zone_s: float, out: NDArray[np.float32]
) -> int:
    """The state and the rhythm of spans and rests; returns how many columns it filled."""
    is_on = k >= first and at_s < duty.end_s[k]
    out[0] = 1.0 if is_on else 0.0
    since_s = duty.begin_s[k] if is_on else (duty.end_s[k] if k >= first else np.nan)
    out[1] = (at_s - since_s) / MINUTE_S
    out[2] = _hour_of_day(at_s, zone_s)
    out[3] = np.mod(np.floor((at_s + zone_s) / DAY_S) + 3.0, 7.0)
    out[4] = k - first + 1
    c, over = 5, k - 1 if is_on else k
    for j in range(3):
        out[c] = (duty.end_s[over - j] - duty.begin_s[over - j]) / MINUTE_S if over - j >= first else np.nan
        out[c + 1] = (duty.begin_s[k - j] - duty.end_s[k - j - 1]) / MINUTE_S if k - j > first else np.nan
        out[c + 2] = _hour_of_day(duty.begin_s[k - j], zone_s) if k - j >= first else np.nan
        c += 3
    return c


@njit(cache=True, nogil=True, **UNCOUNTED)
def _shift_features(
    duty: Spans, first: int, k: int, at_s: float, zone_s: float, out: NDArray[np.float32], c: int
) -> int:
    """A shift is the spans between two long rests: this one and the three before."""
    end, total_s, shifts, shown = k, 0.0, 0, 0
    for j in range(12):
        out[c + j] = np.nan
    i = k
    while i >= first and shifts < 12:
        is_begin = i == first or duty.begin_s[i] - duty.end_s[i - 1] > LONG_REST_S
        if is_begin:
            if shown == 0:
                out[c], out[c + 1] = (
                    (at_s - duty.begin_s[i]) / MINUTE_S,
                    _hour_of_day(duty.begin_s[i], zone_s),
                )
            else:
                total_s += duty.end_s[end] - duty.begin_s[i]
                shifts += 1
                if shown <= 3:
                    out[c + 2 + 3 * (shown - 1)] = (duty.end_s[end] - duty.begin_s[i]) / MINUTE_S
                    out[c + 3 + 3 * (shown - 1)] = (duty.begin_s[end + 1] - duty.end_s[end]) / MINUTE_S
                    out[c + 4 + 3 * (shown - 1)] = _hour_of_day(duty.end_s[end], zone_s)
            shown += 1
            end = i - 1
        i -= 1
    out[c + 11] = total_s / shifts / MINUTE_S if shifts else np.nan
    return c + 12


@njit(cache=True, nogil=True, **UNCOUNTED)
def _busy_features(
    duty: Spans,
    first: int,
    k: int,
    busy: Spans,
    begin: int,
    q: int,
    at_s: float,
    out: NDArray[np.float32],
    c: int,
) -> int:
    """What the driver has carried of late."""
    is_busy = q >= begin and at_s < busy.end_s[q]
    over = q - 1 if is_busy else q
    out[c] = 1.0 if is_busy else 0.0
    out[c + 1] = (at_s - busy.begin_s[q]) / MINUTE_S if is_busy else np.nan
    out[c + 2] = (at_s - busy.end_s[over]) / MINUTE_S if over >= begin else np.nan
    for j in range(3):
        out[c + 3 + j] = (
            (busy.end_s[over - j] - busy.begin_s[over - j]) / MINUTE_S if over - j >= begin else np.nan
        )
    span_s = duty.begin_s[k] if k >= first else at_s
    out[c + 6] = q - _newest(busy.begin_s, begin, q + 1, span_s)
    out[c + 7] = q - _newest(busy.begin_s, begin, q + 1, at_s - HOUR_S)
    out[c + 8] = q - _newest(busy.begin_s, begin, q + 1, at_s - 3 * HOUR_S)
    c += 9
    for hours in BUSY_HOURS:
        from_s = at_s - hours * HOUR_S
        on_s = _spent_s(duty, first, k, from_s, at_s)
        out[c] = _spent_s(busy, begin, q, from_s, at_s) / on_s if on_s > 0 else np.nan
        c += 1
    return c


@njit(cache=True, nogil=True, **UNCOUNTED)
def _place_features(
    duty: Spans,
    first: int,
    k: int,
    busy: Spans,
    begin: int,
    q: int,
    at_s: float,
    out: NDArray[np.float32],
    c: int,
) -> int:
    """Where the driver was last known to be, and how far that is from where long rests begin (kilometres)."""
    x, y, seen_s = np.nan, np.nan, -np.inf
    if k >= first:
        is_on = at_s < duty.end_s[k]
        x, y = (duty.begin_xy[k, 0], duty.begin_xy[k, 1]) if is_on else (duty.end_xy[k, 0], duty.end_xy[k, 1])
        seen_s = duty.begin_s[k] if is_on else duty.end_s[k]
    if q >= begin:
        is_busy = at_s < busy.end_s[q]
        last_s = busy.begin_s[q] if is_busy else busy.end_s[q]
        if last_s > seen_s:
            seen_s = last_s
            x, y = (
                (busy.begin_xy[q, 0], busy.begin_xy[q, 1])
                if is_busy
                else (busy.end_xy[q, 0], busy.end_xy[q, 1])
            )
    home_x, home_y, rests, i = 0.0, 0.0, 0, k
    while i > first and rests < 5:
        if duty.begin_s[i] - duty.end_s[i - 1] > LONG_REST_S:
            home_x, home_y, rests = home_x + duty.end_xy[i - 1, 0], home_y + duty.end_xy[i - 1, 1], rests + 1
        i -= 1
    out[c], out[c + 1], out[c + 2] = x, y, (at_s - seen_s) / MINUTE_S if seen_s > -np.inf else np.nan
    out[c + 3] = np.hypot(x - home_x / rests, y - home_y / rests) if rests else np.nan
    out[c + 4] = np.hypot(x - duty.end_xy[k - 1, 0], y - duty.end_xy[k - 1, 1]) if k > first else np.nan
    out[c + 5] = np.hypot(x - duty.begin_xy[k, 0], y - duty.begin_xy[k, 1]) if k >= first else np.nan
    out[c + 6], out[c + 7] = (home_x / rests, home_y / rests) if rests else (np.nan, np.nan)
    return c + 8


@njit(cache=True, nogil=True, **UNCOUNTED)
def _changed_share(duty: Spans, first: int, k: int, at_s: float, horizon_s: float) -> tuple[float, float]:
    """Of the driver's own spans (or rests) that lasted as long as this one has, the share that ended within the horizon; and how many they were."""
    is_on = at_s < duty.end_s[k]
    lasted_s = at_s - (duty.begin_s[k] if is_on else duty.end_s[k])
    longer, ended, i = 0, 0, k - 1
    while i >= first and k - i <= RECENT_SPANS:
        long_s = duty.end_s[i] - duty.begin_s[i] if is_on else duty.begin_s[i + 1] - duty.end_s[i]
        if long_s > lasted_s:
            longer += 1
            ended += 1 if long_s < lasted_s + horizon_s else 0
        i -= 1
    return (ended + 1.0) / (longer + 3.0), float(longer)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _horizon_features(
    duty: Spans, first: int, k: int, busy: Spans, begin: int, q: int, rates: Rates,
    at_s: float, horizon_s: float, zone_s: float, out: NDArray[np.float32], c: int,
) -> int:  # fmt: skip
    """What the driver, and the fleet, did at the hour that is asked for on former days."""
    then_s = at_s + horizon_s
    known_s = duty.begin_s[first] if k >= first else at_s
    out[c], out[c + 1] = horizon_s / MINUTE_S, _hour_of_day(then_s, zone_s)
    out[c + 2] = np.mod(np.floor((then_s + zone_s) / DAY_S) + 3.0, 7.0)
    out[c + 3], out[c + 4] = (
        _changed_share(duty, first, k, at_s, horizon_s) if k >= first else (np.nan, np.nan)
    )
    c += 5
    own, fleet, days, fleet_days = 0.0, 0.0, 0, 0
    for day in range(1, PAST_DAYS + 1):
        past_s = then_s - day * DAY_S
        if past_s + NEAR_S > at_s or past_s - NEAR_S < known_s:
            continue
        own += _spent_s(duty, first, k, past_s - NEAR_S, past_s + NEAR_S) / (2 * NEAR_S)
        days += 1
        share = _mean(rates.duty, rates, past_s - NEAR_S, past_s + NEAR_S)
        if not np.isnan(share):
            fleet, fleet_days = fleet + share, fleet_days + 1
    out[c] = own / days if days else np.nan
    out[c + 1] = fleet / fleet_days if fleet_days else np.nan
    c += 2
    for day in NAMED_DAYS:
        past_s = then_s - day * DAY_S
        from_s, until_s = past_s - NEAR_S, past_s + NEAR_S
        is_known = until_s <= at_s and from_s >= known_s
        on_s = _spent_s(duty, first, k, from_s, until_s) if is_known else np.nan
        out[c] = on_s / (2 * NEAR_S)
        out[c + 1] = _spent_s(busy, begin, q, from_s, until_s) / on_s if on_s > 0 else np.nan
        out[c + 2] = _mean(rates.duty, rates, from_s, until_s) if until_s <= at_s else np.nan
        out[c + 3] = _mean(rates.busy, rates, from_s, until_s) if until_s <= at_s else np.nan
        c += 4
    for day in (1, 7):  # how the fleet went on from this hour then
        past_s = at_s - day * DAY_S
        out[c] = _mean(rates.duty, rates, past_s - NEAR_S, past_s + NEAR_S)
        c += 1
    return c


@njit(cache=True, nogil=True, **UNCOUNTED)
def _to_change(duty: Spans, first: int, k: int, then_s: float, at_s: float) -> float:
    """Minutes from a former moment to the next change of the state after it, as far as it is known now."""
    i = _newest(duty.begin_s, first, k + 1, then_s)
    if i < first:
        return np.nan
    end_s = duty.end_s[i] if then_s < duty.end_s[i] else (duty.begin_s[i + 1] if i < k else at_s)
    return (min(end_s, at_s) - then_s) / MINUTE_S


@njit(cache=True, nogil=True)
def features(
    driver: NDArray[np.int64], at_s: Floats, horizon_s: Floats, duties: Spans, busies: Spans, fleet: Rates, zone_s: float,
    out: NDArray[np.float32],
) -> None:  # fmt: skip
    """Fills `out`, float32[n, columns of `geo.availability.NAMES`]."""
    duty, busy, rates = borrowed(duties), borrowed(busies), borrowed(fleet)
    for i in range(len(driver)):
        first, end = duty.offsets[driver[i]], duty.offsets[driver[i] + 1]
        begin, stop = busy.offsets[driver[i]], busy.offsets[driver[i] + 1]
        k, q = _newest(duty.begin_s, first, end, at_s[i]), _newest(busy.begin_s, begin, stop, at_s[i])
        row = out[i]
        c = _duty_features(duty, first, k, at_s[i], zone_s, row)
        c = _shift_features(duty, first, k, at_s[i], zone_s, row, c)
        for hours in SHARE_HOURS:
            row[c] = _spent_s(duty, first, k, at_s[i] - hours * HOUR_S, at_s[i]) / (hours * HOUR_S)
            c += 1
        c = _busy_features(duty, first, k, busy, begin, q, at_s[i], row, c)
        c = _place_features(duty, first, k, busy, begin, q, at_s[i], row, c)
        c = _horizon_features(duty, first, k, busy, begin, q, rates, at_s[i], horizon_s[i], zone_s, row, c)
        for day in (1, 2, 7):
            row[c] = _to_change(duty, first, k, at_s[i] + horizon_s[i] - day * DAY_S, at_s[i])
            c += 1
        for sums in (rates.duty, rates.busy):
            row[c] = _mean(sums, rates, at_s[i] - 2 * NEAR_S, at_s[i])
            row[c + 1] = row[c] - _mean(sums, rates, at_s[i] - 4 * NEAR_S, at_s[i] - 2 * NEAR_S)
            c += 2


@njit(cache=True, nogil=True)
def scores(
    rows: NDArray[np.float32], roots: NDArray[np.int32], feature: NDArray[np.int32], threshold: Floats,
    left: NDArray[np.int32], right: NDArray[np.int32], to_left: NDArray[np.bool_], value: Floats, out: Floats,
) -> None:  # fmt: skip
    """Fills `out`, float64[n], with the sum of the leaves that each row reaches.

    Trees are the outer loop, so that one tree stays in the cache for all rows; each row still adds its trees in their order, which makes the
    sums the same to the last bit as tree after tree for one row.
    """
    out[:] = 0.0
    for root in roots:
        for i in range(len(rows)):
            node = root
            while feature[node] >= 0:
                found = rows[i, feature[node]]
                is_left = to_left[node] if np.isnan(found) else found <= threshold[node]
                node = left[node] if is_left else right[node]
            out[i] += value[node]
