"""Who of a fleet will be on duty, and free, at any time of the next eight hours: what is served."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HORIZONS_S: Final = np.array([5, 10, 15, 30, 60, 90, 120, 180, 240, 360, 480]) * 60.0
MOST_S: Final = float(HORIZONS_S[-1])
LIKELY: Final = 0.8
"""A driver is said to be free when it is as likely as this for the first time."""
MAYBE: Final = 0.5
"""Of one that is never so likely free the likeliest time is said, but none below this."""

ROUTE: Final = "route"
MODEL: Final = "model"
OWN: Final = "own"
FLEET: Final = "fleet"
NOTHING: Final = "none"


class Chance(NamedTuple):
    """Of one driver at one horizon.

    Attributes:
        p_on_duty, p_free: probabilities, the second of being on duty and free; NaN is not known.
    """

    p_on_duty: float
    p_free: float


class FreeIn(NamedTuple):
    """When a driver will be free.

    Attributes:
        seconds: from now; 0: it is free.
        p_free: how likely it is free then.
    """

    seconds: float
    p_free: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one fleet, frozen. Rows are drivers.

    Attributes:
        vehicles: ids.
        at_s: Unix seconds, when it was made.
        horizons_s: float64[h], ascending; the first is 0, which is now.
        p_on_duty, p_free: float64[n, h]; NaN where nothing is known.
        state: int8[n], `span_tracker.State` now.
        basis: str[n], what it is by: "route", "model", "own" rates of the hour of the week, the "fleet" or "none".
        free_in_s: float64[n], seconds until it is free; NaN: that is not likely within eight hours.
        free_in_p: float64[n], how likely it is free then.
        unknown: float64[2, h], the two of one that has never been heard of: those of the fleet.
        version: of the model; None: there is none.
    """

    vehicles: list[str]
    at_s: float
    horizons_s: Floats
    p_on_duty: Floats
    p_free: Floats
    state: NDArray[np.int8]
    basis: NDArray[np.str_]
    free_in_s: Floats
    free_in_p: Floats
    unknown: Floats
    version: str | None = None
    _numbers: dict[str, int] = field(default_factory=dict, repr=False)

    def number_of(self, vehicle: str) -> int | None:
        """The row of a driver; None: it is not in it."""
        if not self._numbers and self.vehicles:
            self._numbers.update({name: number for number, name in enumerate(self.vehicles)})
        return self._numbers.get(vehicle)

    def basis_of(self, number: int | None) -> str:
        """What is said of a driver is by this."""
        if number is None:
            return NOTHING if np.isnan(self.unknown).any() else FLEET
        return str(self.basis[number])

    def at(self, number: int | None, horizon_s: float) -> Chance:
        """A driver's chances so many seconds after `at_s`, on a line between two horizons; beyond the last one as at that.

        Args:
            number: of the driver; None: one that is not in it.
            horizon_s: not negative.
        """
        columns = self.unknown if number is None else (self.p_on_duty[number], self.p_free[number])
        return Chance(*(float(np.interp(horizon_s, self.horizons_s, column)) for column in columns))


def free_in(horizons_s: Floats, p_free: Floats) -> tuple[Floats, Floats]:
    """When each driver is as likely free as LIKELY for the first time, or likeliest if that is MAYBE; and how likely.

    Args:
        horizons_s: float64[h], the first is now.
        p_free: float64[n, h].

    Returns:
        Seconds, and probabilities; NaN: never.
    """
    n = len(p_free)
    known = np.where(np.isnan(p_free), -1.0, p_free)
    is_likely = known >= LIKELY
    first = np.argmax(is_likely, axis=1)
    ever = is_likely[np.arange(n), first]
    best = np.argmax(known, axis=1)
    at = np.where(ever, first, best)
    found, seconds = known[np.arange(n), at], horizons_s[at].copy()
    # on the line between two horizons LIKELY is crossed before the second
    crossed = np.flatnonzero(ever & (at > 0))
    before = at[crossed] - 1
    low = np.maximum(known[crossed, before], 0.0)
    share = (LIKELY - low) / (found[crossed] - low)
    seconds[crossed] = horizons_s[before] + share * (horizons_s[before + 1] - horizons_s[before])
    found[crossed] = LIKELY
    never = found < MAYBE
    seconds[never] = found[never] = np.nan
    return seconds, found
