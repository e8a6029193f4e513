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
HALF_HOURS = 48
"""How far back the course of on and off duty is compared with that of former days."""
COURSE_S = DAY_S / HALF_HOURS
KINDS = 7
"""Ways to weigh former days: see `_weigh_days`."""
FEW_S = 600.0
"""Times that differ by less are about the same."""
PRIOR_DAYS = 0.25
"""What a share is drawn to one half by, so that a few days which are hardly alike do not count as much as many."""


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
    """The state, since when, and how much of the time before; returns how many columns it filled."""
    is_on = k >= first and at_s < duty.end_s[k]
    out[0] = 1.0 if is_on else 0.0
    since_s = duty.begin_s[k] if is_on else (duty.end_s[k] if k >= first else np.nan)
    out[1] = (at_s - since_s) / MINUTE_S
    out[2] = _hour_of_day(at_s, zone_s)
    for j in range(len(SHARE_HOURS)):
        spent_s = SHARE_HOURS[j] * HOUR_S
        out[3 + j] = _spent_s(duty, first, k, at_s - spent_s, at_s) / spent_s
    return 3 + len(SHARE_HOURS)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _busy_features(
    duty: Spans, first: int, k: int, busy: Spans, begin: int, q: int, at_s: float, out: NDArray[np.float32], c: int
) -> int:  # fmt: skip
    """What the driver has carried of late."""
    is_busy = q >= begin and at_s < busy.end_s[q]
    over = q - 1 if is_busy else q
    out[c] = 1.0 if is_busy else 0.0
    out[c + 1] = (at_s - busy.begin_s[q]) / MINUTE_S if is_busy else np.nan
    out[c + 2] = (at_s - busy.end_s[over]) / MINUTE_S if over >= begin else np.nan
    for j in range(3):
        i = over - j
        out[c + 3 + j] = (busy.end_s[i] - busy.begin_s[i]) / MINUTE_S if i >= begin else np.nan
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
    duty: Spans, first: int, k: int, busy: Spans, begin: int, q: int, at_s: float, out: NDArray[np.float32], c: int
) -> int:  # fmt: skip
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
            place = busy.begin_xy[q] if is_busy else busy.end_xy[q]
            x, y = place[0], place[1]
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
def _fleet_features(rates: Rates, at_s: float, out: NDArray[np.float32], c: int) -> int:
    """The fleet in the last half hour, against the one before, and at this hour a day and a week ago."""
    for sums in (rates.duty, rates.busy):
        out[c] = _mean(sums, rates, at_s - 2 * NEAR_S, at_s)
        out[c + 1] = out[c] - _mean(sums, rates, at_s - 4 * NEAR_S, at_s - 2 * NEAR_S)
        c += 2
    for day in (1, 7):
        out[c] = _mean(rates.duty, rates, at_s - day * DAY_S - NEAR_S, at_s - day * DAY_S + NEAR_S)
        c += 1
    return c


@njit(cache=True, nogil=True, **UNCOUNTED)
def _draw_course(duty: Spans, first: int, k: int, at_s: float, course: NDArray[np.uint8]) -> None:
    """Fills the course: whether the driver was on duty so many half hours before the moment."""
    course[:] = 0
    for i in range(k, first - 1, -1):
        newest = max(0, int(np.floor((at_s - duty.end_s[i]) / COURSE_S)) + 1) if duty.end_s[i] <= at_s else 0
        if newest >= len(course):
            return
        for j in range(newest, min(int((at_s - duty.begin_s[i]) / COURSE_S) + 1, len(course))):
            course[j] = 1


@njit(cache=True, nogil=True, **UNCOUNTED)
def _weigh_days(
    duty: Spans, first: int, k: int, at_s: float, course: NDArray[np.uint8], weights: Floats, out: NDArray[np.float32], c: int
) -> int:  # fmt: skip
    """Fills the weights, float64[1 + days, KINDS], of each former day at this hour.

    Kinds: alike; those of the same state, a week ago for two; of these, those that it had lasted as long on; with the course of the last two,
    six, 24 hours alike, and with all of it. Columns: how long the state lasted yet on days of the same state, mean and least, minutes.
    """
    is_on = at_s < duty.end_s[k]
    age_s = at_s - (duty.begin_s[k] if is_on else duty.end_s[k]) + FEW_S
    lasted_s, least_s, days = 0.0, np.inf, 0
    for day in range(1, PAST_DAYS + 1):
        weights[day, :] = 0.0
        past_s = at_s - day * DAY_S
        if past_s < duty.begin_s[first]:
            continue
        two, six, all_hours = 0, 0, 0
        for j in range(HALF_HOURS):
            other = course[j] ^ course[day * HALF_HOURS + j]
            all_hours, six, two = all_hours + other, six + other * (j < 13), two + other * (j < 5)
        weights[day, 0] = 1.0
        i = _newest(duty.begin_s, first, k + 1, past_s)
        if (past_s < duty.end_s[i]) == is_on:
            past_age_s = past_s - (duty.begin_s[i] if is_on else duty.end_s[i]) + FEW_S
            weights[day, 1] = 2.0 if day % 7 == 0 else 1.0
            weights[day, 2] = weights[day, 1] * min(age_s, past_age_s) / max(age_s, past_age_s)
            end_s = duty.end_s[i] if is_on else (duty.begin_s[i + 1] if i < k else at_s)
            left_s = min(end_s, at_s) - past_s
            lasted_s, least_s, days = lasted_s + left_s, min(least_s, left_s), days + 1
        weights[day, 3], weights[day, 4] = np.exp(-two), np.exp(-six / 2)
        weights[day, 5] = np.exp(-all_hours / 4)
        weights[day, 6] = weights[day, 3] * weights[day, 4] * weights[day, 5]
    out[c] = lasted_s / days / MINUTE_S if days else np.nan
    out[c + 1] = least_s / MINUTE_S if days else np.nan
    return c + 2


@njit(cache=True, nogil=True, **UNCOUNTED)
def _ended_shares(duty: Spans, first: int, k: int, at_s: float, horizon_s: float) -> tuple[float, float]:
    """Of the driver's own spans (or rests) that lasted as long as this one has, the share that ended within the horizon; and of those at about this hour of the day."""
    is_on = at_s < duty.end_s[k]
    lasted_s = at_s - (duty.begin_s[k] if is_on else duty.end_s[k])
    longer, ended, near, near_ended = 0, 0, 0.0, 0.0
    for i in range(k - 1, max(first, k - RECENT_SPANS) - 1, -1):
        begin_s = duty.begin_s[i] if is_on else duty.end_s[i]
        long_s = (duty.end_s[i] if is_on else duty.begin_s[i + 1]) - begin_s
        if long_s > lasted_s:
            away = abs(at_s - begin_s - lasted_s) % DAY_S
            share = np.exp(-((min(away, DAY_S - away) / (2 * HOUR_S)) ** 2))
            longer, near = longer + 1, near + share
            if long_s < lasted_s + horizon_s:
                ended, near_ended = ended + 1, near_ended + share
    return (ended + 1.0) / (longer + 3.0), (near_ended + 0.2) / (near + 0.6)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _then_features(
    duty: Spans, first: int, k: int, weights: Floats, sums: Floats, at_s: float, horizon_s: float, out: NDArray[np.float32], c: int
) -> int:  # fmt: skip
    """The driver's own share on duty around the moment that is asked for, on former days: weighed in all ways, and on some days."""
    days = c + KINDS
    sums[:] = 0.0
    for j in range(len(NAMED_DAYS)):
        out[days + j] = np.nan
    for day in range(1, PAST_DAYS + 1):
        past_s = at_s + horizon_s - day * DAY_S
        if weights[day, 0] == 0.0 or past_s + NEAR_S > at_s:
            continue
        share = _spent_s(duty, first, k, past_s - NEAR_S, past_s + NEAR_S) / (2 * NEAR_S)
        for kind in range(KINDS):
            sums[kind, 0] += weights[day, kind] * share
            sums[kind, 1] += weights[day, kind]
        for j in range(len(NAMED_DAYS)):
            if NAMED_DAYS[j] == day:
                out[days + j] = share
    for kind in range(KINDS):
        out[c + kind] = (sums[kind, 0] + 0.5 * PRIOR_DAYS) / (sums[kind, 1] + PRIOR_DAYS)
    return days + len(NAMED_DAYS)


@njit(cache=True, nogil=True, **UNCOUNTED)
def _work_and_fleet_then(
    duty: Spans, first: int, k: int, busy: Spans, begin: int, q: int, rates: Rates, at_s: float, horizon_s: float, out: NDArray[np.float32], c: int
) -> int:  # fmt: skip
    """What share of its time on duty around that moment the driver was busy on some days; the fleet's shares on these, and on duty on all of them."""
    total, days = 0.0, 0
    for day in range(1, PAST_DAYS + 1):
        past_s = at_s + horizon_s - day * DAY_S
        share = _mean(rates.duty, rates, past_s - NEAR_S, past_s + NEAR_S)
        if past_s + NEAR_S <= at_s and not np.isnan(share):
            total, days = total + share, days + 1
    out[c] = total / days if days else np.nan
    c += 1
    for day in NAMED_DAYS:
        past_s = at_s + horizon_s - day * DAY_S
        from_s, until_s = past_s - NEAR_S, past_s + NEAR_S
        on_s = _spent_s(duty, first, k, from_s, until_s) if until_s <= at_s else 0.0
        out[c] = _spent_s(busy, begin, q, from_s, until_s) / on_s if on_s > 0 else np.nan
        c += 1
    for day in (1, 7):
        past_s = at_s + horizon_s - day * DAY_S
        is_past = past_s + NEAR_S <= at_s
        out[c] = _mean(rates.duty, rates, past_s - NEAR_S, past_s + NEAR_S) if is_past else np.nan
        out[c + 1] = _mean(rates.busy, rates, past_s - NEAR_S, past_s + NEAR_S) if is_past else np.nan
        c += 2
    return c


@njit(cache=True, nogil=True)
def features(
    driver: NDArray[np.int64], at_s: Floats, horizon_s: Floats, duties: Spans, busies: Spans, fleet: Rates, zone_s: float,
    out: NDArray[np.float32],
) -> int:  # fmt: skip
    """Fills `out`, float32[n, columns of `geo.availability.NAMES`]; returns the first index of a driver that there is not, or -1.

    What depends on no horizon is taken from the row before where that is of the same driver and moment.
    """
    duty, busy, rates = borrowed(duties), borrowed(busies), borrowed(fleet)
    course, weights = np.empty((PAST_DAYS + 1) * HALF_HOURS, np.uint8), np.empty((PAST_DAYS + 1, KINDS))
    sums, c = np.empty((KINDS, 2)), 0
    for i in range(len(driver)):
        if not 0 <= driver[i] < min(len(duty.offsets), len(busy.offsets)) - 1:
            return i
        first, end = duty.offsets[driver[i]], duty.offsets[driver[i] + 1]
        begin, stop = busy.offsets[driver[i]], busy.offsets[driver[i] + 1]
        k, q = _newest(duty.begin_s, first, end, at_s[i]), _newest(busy.begin_s, begin, stop, at_s[i])
        row = out[i]
        if i > 0 and driver[i] == driver[i - 1] and at_s[i] == at_s[i - 1]:
            row[:c] = out[i - 1, :c]
        else:
            c = _duty_features(duty, first, k, at_s[i], zone_s, row)
            c = _busy_features(duty, first, k, busy, begin, q, at_s[i], row, c)
            c = _place_features(duty, first, k, busy, begin, q, at_s[i], row, c)
            c = _fleet_features(rates, at_s[i], row, c)
            if k >= first:
                _draw_course(duty, first, k, at_s[i], course)
                _weigh_days(duty, first, k, at_s[i], course, weights, row, c)
            else:
                weights[:] = 0.0
                row[c : c + 2] = np.nan
            c += 2
        then_s = at_s[i] + horizon_s[i]
        row[c], row[c + 1] = horizon_s[i] / MINUTE_S, _hour_of_day(then_s, zone_s)
        row[c + 2] = np.mod(np.floor((then_s + zone_s) / DAY_S) + 3.0, 7.0)
        row[c + 3], row[c + 4] = (
            _ended_shares(duty, first, k, at_s[i], horizon_s[i]) if k >= first else (np.nan, np.nan)
        )
        d = _then_features(duty, first, k, weights, sums, at_s[i], horizon_s[i], row, c + 5)
        _work_and_fleet_then(duty, first, k, busy, begin, q, rates, at_s[i], horizon_s[i], row, d)
    return -1


class Trees(NamedTuple):
    """Nodes of trees: see `geo.availability.Trees`."""

    roots: NDArray[np.int32]
    depth: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    to_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    value: Floats


@njit(cache=True, nogil=True, inline="always", **UNCOUNTED)
def _beneath(row: NDArray[np.float32], trees: Trees, node: int | np.int32) -> np.int32:
    """Where the row goes from a node; from a leaf to itself. Without a branch: which way is as good as random, and a guess that fails costs more than the way."""
    found = row[trees.feature[node]]
    is_left = (found <= trees.threshold[node]) | (trees.to_left[node] & (found != found))  # noqa: PLR0124 - NaN
    return np.int32(trees.left[node] + np.int32(not is_left))


@njit(cache=True, nogil=True)
def scores(rows: NDArray[np.float32], forest: Trees, out: Floats) -> None:
    """Fills `out`, float64[n], with the sum of the leaves that each row reaches.

    Four trees are walked at a time, because each step waits for the memory of the one before; their leaves are added in the order of the trees,
    which makes the sums the same to the last bit as tree after tree.
    """
    trees = borrowed(forest)
    roots, depth, value = trees.roots, trees.depth, trees.value
    fours = len(roots) // 4 * 4
    for i in range(len(rows)):
        row, total = rows[i], 0.0
        for t in range(0, fours, 4):
            a, b, c, d = roots[t], roots[t + 1], roots[t + 2], roots[t + 3]
            for _ in range(max(depth[t], depth[t + 1], depth[t + 2], depth[t + 3])):
                a, b = _beneath(row, trees, a), _beneath(row, trees, b)
                c, d = _beneath(row, trees, c), _beneath(row, trees, d)
            total = total + value[a] + value[b] + value[c] + value[d]
        for t in range(fours, len(roots)):
            a = roots[t]
            for _ in range(depth[t]):
                a = _beneath(row, trees, a)
            total += value[a]
        out[i] = total


@njit(cache=True, nogil=True)
def calibrated(score: Floats, horizon_min: Floats, known_min: Floats, weights: Floats, out: Floats) -> None:
    """Fills `out`, float64[n], with the probabilities that calibrated log odds say: see `geo.availability.calibrated`."""
    last = len(known_min) - 1
    for i in range(len(score)):
        at = min(max(horizon_min[i], known_min[0]), known_min[last])
        k = min(max(_newest(known_min, 0, last + 1, at), 0), max(last - 1, 0))
        upper = min(k + 1, last)
        share = np.log(at / known_min[k]) / np.log(known_min[upper] / known_min[k]) if upper > k else 0.0
        a, b, c = (1 - share) * weights[k] + share * weights[upper]
        # ln p and ln(1 - p) of the log odds, exact at both ends
        p, rest = -np.log1p(np.exp(-score[i])), -np.log1p(np.exp(score[i]))
        out[i] = 1.0 / (1.0 + np.exp(-(a * p - b * rest + c)))
