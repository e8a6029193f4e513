"""What is said of each driver for each horizon, and by what: the route that it drives, the fleet's model, its own past, the fleet's. Pure; runs in a thread.

A route that is known is the backbone: until its end the driver is on duty and busy. When that is follows from the route's ETAs, with a spread. Afterwards, and for everybody
else, P(on duty) and P(free | on duty) are the model's; without one they go from the state now to what is usual at that hour of the week. Hours of service cap all of it.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.availability import features, free_by_route
from haulcast.availability.forecast import (
    FLEET,
    HORIZONS_S,
    MODEL,
    NOTHING,
    OWN,
    ROUTE,
    Forecast,
    free_in,
)
from haulcast.availability.learning import Past
from haulcast.availability.span_tracker import State
from haulcast.availability.usual_rates import Rates, fleet_rates_at, own_rates

Floats = NDArray[np.float64]

AT_ONCE: Final = 1_000
"""Drivers whose features are in memory at a time, some 4 MB."""
STATE_LASTS_S: Final = 2 * 3_600.0
"""The mean time for which the state now says more than the hour of the week, where nothing was learned."""
LIMIT_S: Final = 1_800.0
"""After a limit of hours of service the chance goes to nothing within so long."""


class Probabilities(Protocol):
    """What was learned (`learning.AvailabilityModel`)."""

    def probabilities(self, rows: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Of being on duty, and of being on duty and free, for each row of features."""


class LiveModel(Protocol):
    """A model in force: its version, itself, and from where places and hours were measured as it was learned."""

    @property
    def version(self) -> str: ...  # noqa: D102 - said above
    @property
    def model(self) -> Probabilities: ...  # noqa: D102
    @property
    def origin(self) -> tuple[float, float]: ...  # noqa: D102
    @property
    def zone_s(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Drivers:
    """The drivers of a fleet at a moment, as columns.

    Attributes:
        vehicles: ids.
        number: int64[n], in `Past`.
        state: int8[n], `State`.
        done_s: float64[n], Unix seconds at which each one's route ends; NaN: it has none, or nobody knows.
        closes_s: float64[n], when its shift ends; infinite: at no time.
        drive_left_s: float64[n], how long it may drive yet; infinite: as long as it likes.
        at_s: Unix seconds.
        spread: how much further apart routes end than expected, 1 before it is learned.
    """

    vehicles: list[str]
    number: NDArray[np.int64]
    state: NDArray[np.int8]
    done_s: Floats
    closes_s: Floats
    drive_left_s: Floats
    at_s: float
    spread: float = 1.0


class _Said(NamedTuple):
    """float64[n, h] each, and by what, str[n]."""

    p_on: Floats
    p_free: Floats
    basis: NDArray[np.str_]


def forecast(drivers: Drivers, past: Past, model: LiveModel | None) -> Forecast:
    """What is known now of the next eight hours; blocks for some ms a thousand drivers, mostly without the lock."""
    said = _usual(drivers, past, is_learned=model is not None)
    if model is not None:
        said = _learned(drivers, past, model, said)
    p_on, p_free, basis = _capped(drivers, _by_routes(drivers, said))
    is_known = basis != NOTHING
    on, free = drivers.state != State.OFF, drivers.state == State.FREE
    now = np.stack((np.where(is_known, on, np.nan), np.where(is_known, free, np.nan)))
    horizons_s = np.concatenate(([0.0], HORIZONS_S))
    p_on, p_free = (np.concatenate((begin[:, None], p), axis=1) for begin, p in zip(now, (p_on, p_free), strict=True))  # fmt: skip
    version = None if model is None else model.version
    return Forecast(
        drivers.vehicles, drivers.at_s, horizons_s, p_on, p_free, drivers.state, basis, *free_in(horizons_s, p_free),
        _of_unknown(past, drivers.at_s), version,
    )  # fmt: skip


def _of_unknown(past: Past, at_s: float) -> Floats:
    """Of a driver of the fleet that nobody has heard of: it is off duty, and then as others are."""
    fleet = fleet_rates_at(past.rates, at_s + HORIZONS_S, at_s)
    p_on = (1 - np.exp(-HORIZONS_S / STATE_LASTS_S)) * fleet.duty
    begin = np.where(np.isnan(p_on[:1]), np.nan, 0.0)
    return np.stack([np.concatenate((begin, p)) for p in (p_on, p_on * (1 - fleet.busy))])


def _usual(drivers: Drivers, past: Past, *, is_learned: bool) -> _Said:
    """From the state now to what is usual at that hour of the week: its own, else the fleet's. Of who has a past of its own a model knows more."""
    then_s = drivers.at_s + HORIZONS_S
    if is_learned:
        own = Rates(*np.full((2, len(drivers.number), len(HORIZONS_S)), np.nan))
    else:
        own = own_rates(past, drivers.number, then_s, drivers.at_s)
    fleet = fleet_rates_at(past.rates, then_s, drivers.at_s)
    is_own: NDArray[np.bool_] = np.logical_not(np.isnan(own.duty).any(axis=1))
    duty = np.where(is_own[:, None], own.duty, fleet.duty)
    busy = np.where(is_own[:, None] & ~np.isnan(own.busy), own.busy, fleet.busy)
    now = np.exp(-HORIZONS_S / STATE_LASTS_S)
    on, free = (drivers.state != State.OFF).reshape(-1, 1), (drivers.state == State.FREE).reshape(-1, 1)
    p_on = now * on + (1 - now) * duty
    free_share = np.where(on, now * free + (1 - now) * (1 - busy), 1 - busy)
    basis = np.where(is_own, OWN, FLEET)
    basis[np.isnan(p_on).any(axis=1)] = NOTHING
    return _Said(p_on, p_on * free_share, basis)


def _learned(drivers: Drivers, past: Past, model: LiveModel, usual: _Said) -> _Said:
    """The model's word of who has a past: a duty that has ended. Of others it was taught nothing."""
    duty = past.duty
    first, end = duty.offsets[drivers.number], duty.offsets[drivers.number + 1]
    has_past = end > first
    has_past[has_past] = duty.end_s[first[has_past]] <= drivers.at_s
    known = np.flatnonzero(has_past)
    p_on, p_free, basis = usual.p_on.copy(), usual.p_free.copy(), usual.basis.copy()
    for begin in range(0, len(known), AT_ONCE):
        own = known[begin : begin + AT_ONCE]
        driver = np.repeat(drivers.number[own], len(HORIZONS_S))
        horizon_s = np.tile(HORIZONS_S, len(own))
        at_s = np.full(len(driver), drivers.at_s)
        rows = features(driver, at_s, horizon_s, past.duty, past.busy, past.rates, past.zone_s)
        on, free = model.model.probabilities(rows)
        p_on[own] = on.reshape(len(own), -1)
        p_free[own] = np.minimum(on, free).reshape(len(own), -1)
    basis[known] = MODEL
    return _Said(p_on, p_free, basis)


def _by_routes(drivers: Drivers, said: _Said) -> _Said:
    """Until its route is done a driver is on duty and busy; who has just ended one is free for a while."""
    own = np.flatnonzero(~np.isnan(drivers.done_s) & (drivers.state == State.BUSY))
    if not len(own):
        return said
    p_on, p_free, basis = said.p_on.copy(), said.p_free.copy(), said.basis.copy()
    p_on[own], p_free[own] = free_by_route(
        drivers.done_s[own] - drivers.at_s, HORIZONS_S, said.p_on[own], said.p_free[own], drivers.spread
    )
    basis[own] = ROUTE
    return _Said(p_on, p_free, basis)


def _capped(drivers: Drivers, said: _Said) -> _Said:
    """Nobody is on duty for long after its shift has closed, or when it may drive no more; a shift that has been over says nothing of the next."""
    closes_s = np.where(drivers.closes_s + LIMIT_S < drivers.at_s, np.inf, drivers.closes_s)
    is_on = drivers.state != State.OFF
    ends_s = np.minimum(closes_s - drivers.at_s, np.where(is_on, drivers.drive_left_s, np.inf))
    own = np.flatnonzero(np.isfinite(ends_s))
    if not len(own):
        return said
    cap = 1.0 - np.clip((HORIZONS_S - ends_s[own, None]) / LIMIT_S, 0.0, 1.0)
    p_on, p_free = said.p_on.copy(), said.p_free.copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        kept = np.where(p_on[own] > cap, cap / p_on[own], 1.0)
    p_on[own] *= kept
    p_free[own] *= kept
    return _Said(p_on, p_free, said.basis)
