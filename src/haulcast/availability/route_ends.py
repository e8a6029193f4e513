"""When drivers will be done with the routes that they drive: the routes' ETAs, with what was learned of how long stops take and how far such ETAs are off."""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.availability import ROUTE_SPREAD_S, ROUTE_SPREAD_SHARE
from haulcast.routes.route import Route

Floats = NDArray[np.float64]
Ends = Callable[[], tuple[NDArray[np.int32], Floats]]

PlaceKey = tuple[float, float]

GUESSED_S: Final = 600.0
"""A route teaches by what was said of its end when at least so much was left."""
CANCELLED_S: Final = 900.0
"""One that is gone while more was left was cancelled, and teaches nothing."""
PRIOR: Final = 20.0
"""Ends that would have to be as far off as the default, before what was seen counts as much."""
LEAST_SPREAD, MOST_SPREAD = 0.3, 5.0


def place_key(lat_deg: float, lon_deg: float) -> PlaceKey:
    """The same for places within some ten metres."""
    return round(lat_deg, 4), round(lon_deg, 4)


class RouteEnds:
    """Columns by row, of all fleets.

    Args:
        ends: the rows that drive a route now, and when each will be done (`RouteWatch.ends`).

    Attributes:
        spread: how much further off ends are than `ROUTE_SPREAD_S` and `ROUTE_SPREAD_SHARE` say, as a factor.
    """

    def __init__(self, ends: Ends) -> None:
        self.spread = 1.0
        self._ends = ends
        self._dwells: dict[str, Mapping[PlaceKey, float]] = {}
        self._routes: dict[int, Route] = {}
        self._more_s: dict[int, float] = {}
        self._guesses: dict[int, tuple[float, float]] = {}
        self._newest: dict[int, float] = {}
        self._errors, self._count = PRIOR, PRIOR

    def follow(self, row: int, route: Route | None) -> None:
        """The row's active route is this one now; None: it has none."""
        self._routes.pop(row, None)
        self._more_s.pop(row, None)
        if route is not None:
            self._routes[row] = route
            if more_s := self._beyond_plan_s(route):
                self._more_s[row] = more_s

    def take_dwells(self, fleet: str, dwells: Mapping[PlaceKey, float]) -> None:
        """These are the usual seconds at the fleet's places from now on."""
        self._dwells[fleet] = dwells
        for row, route in list(self._routes.items()):
            if route.fleet == fleet:
                self.follow(row, route)

    def _beyond_plan_s(self, route: Route) -> float:
        """How much longer the stops ahead usually take than is planned."""
        known, more_s = self._dwells.get(route.fleet, {}), 0.0
        for stop in route.ahead if known else ():
            place = stop.place
            more_s += known.get(place_key(place.lat_deg, place.lon_deg), place.service_s) - place.service_s
        return more_s

    def done_s(self, rows: NDArray[np.intp]) -> Floats:
        """float64[n]: when each of these rows will be done, Unix seconds; NaN: it drives no route, or nobody knows."""
        driving, ends_s = self._ends()
        found = np.full(max(int(rows.max(initial=-1)), int(driving.max(initial=-1))) + 1, np.nan)
        found[driving] = ends_s
        for row, more_s in self._more_s.items():
            if row < len(found):
                found[row] += more_s
        return found[rows]

    def learn(self, at_s: float) -> None:
        """Compare what was said of routes that have ended since with when that was."""
        driving, ends_s = self._ends()
        known = ~np.isnan(ends_s)
        now = dict(zip(driving[known].tolist(), ends_s[known].tolist(), strict=True))
        for row in [row for row in self._guesses if row not in now]:
            said_s, end_s = self._guesses.pop(row)
            if self._newest.get(row, np.inf) - at_s < CANCELLED_S:
                self._learn_one(end_s - said_s, at_s - end_s)
        for row, end_s in now.items():
            if row not in self._guesses and end_s - at_s >= GUESSED_S:
                self._guesses[row] = (at_s, end_s)
        self._newest = now

    def _learn_one(self, left_s: float, late_s: float) -> None:
        self._errors += (late_s / (ROUTE_SPREAD_S + ROUTE_SPREAD_SHARE * left_s)) ** 2
        self._count += 1.0
        if self._count > 50 * PRIOR:  # what was long ago counts less and less
            self._errors, self._count = self._errors / 2, self._count / 2
        self.spread = float(np.clip(np.sqrt(self._errors / self._count), LEAST_SPREAD, MOST_SPREAD))
