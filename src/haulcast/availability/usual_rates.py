"""How often a driver, or its fleet, was on duty and busy at an hour of the week: what is said while nothing was learned. Pure."""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.availability import SLOT_S, FleetRates
from geo.span_weaving import spent_s
from haulcast.availability.learning import Past

Floats = NDArray[np.float64]

DAY_S: Final = 86_400.0
WEEK_S: Final = 7 * DAY_S
WEEKS: Final = 4
AROUND_S: Final = 1_800.0
"""Half of the time around the same hour of a former week."""


class Rates(NamedTuple):
    """Shares of the time, float64 of any shape; NaN is not known.

    Attributes:
        duty: on duty.
        busy: of that, busy.
    """

    duty: Floats
    busy: Floats


def own_rates(past: Past, driver: NDArray[np.int64], then_s: Floats, at_s: float) -> Rates:
    """Of each driver (float64[n, h]) at the moments `then_s`, float64[h], by the four weeks before `at_s` that it was known in; a week at least."""
    duty_s, busy_s, asked_s = (np.zeros((len(driver), len(then_s))) for _ in range(3))
    first = past.duty.offsets[driver]
    has_any = first < past.duty.offsets[driver + 1]
    known_s = np.full(len(driver), np.inf)
    known_s[has_any] = past.duty.begin_s[first[has_any]]
    for week in range(1, WEEKS + 1):
        middle_s = then_s - week * WEEK_S
        is_known = (known_s[:, None] <= middle_s - AROUND_S) & (middle_s + AROUND_S <= at_s)
        around = middle_s - AROUND_S, middle_s + AROUND_S
        duty_s += is_known * spent_s(past.duty, driver, *around)
        busy_s += is_known * spent_s(past.busy, driver, *around)
        asked_s += is_known * 2 * AROUND_S
    with np.errstate(invalid="ignore", divide="ignore"):
        return Rates(duty_s / asked_s, np.minimum(1.0, busy_s / duty_s))


def fleet_rates_at(rates: FleetRates, then_s: Floats, at_s: float) -> Rates:
    """Of the fleet at these moments, float64[h]: as at this hour of former weeks; else of former days; else as it was on the whole."""
    duty, busy = (np.array([_mean(sums, rates, moment, at_s) for moment in then_s.tolist()]) for sums in (rates.duty, rates.busy))  # fmt: skip
    return Rates(duty, busy)


def _mean(sums: Floats, rates: FleetRates, then_s: float, at_s: float) -> float:
    slots = len(sums) - 1
    if slots < 1:
        return np.nan
    for step_s, times in ((WEEK_S, WEEKS), (DAY_S, 7)):
        found = []
        for before in range(1, times + 1):
            middle_s = then_s - before * step_s
            first = int(np.floor((middle_s - AROUND_S - rates.first_s) / SLOT_S))
            end = int(np.floor((middle_s + AROUND_S - rates.first_s) / SLOT_S))
            if first >= 0 and end <= slots and middle_s + AROUND_S <= at_s:
                found.append(float(sums[end] - sums[first]) / (end - first))
        if found:
            return float(np.mean(found))
    return float(sums[-1]) / slots
