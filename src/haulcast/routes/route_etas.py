"""When each vehicle will be at the stops ahead of it, and which of them it will reach too late.

A route is looked at again a second after it was looked at last if its vehicle has moved, else after five: so that a vehicle that says nothing counts as standing
where it is, and current speeds count. All that are due are one call of a kernel.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import NONE, Cause, Kind
from geo.route_etas import route_etas
from geo.travel_time import sphere_points
from haulcast.routes.route_set import NO_ROUTES, RouteSet
from haulcast.routes.route_telling import RouteTelling

MOVED_MS = 1_000
STANDING_MS = 5_000
MOST_AT_ONCE = 20_000  # routes in one step, some ms
NEAR_M = 1_000.0  # pace rows are cells some km across: so near the last place looked up it is the same

_NEVER_MS = -(2**62)


class NewestFixes(Protocol):
    """The newest fix of every vehicle as columns, index = row."""

    is_known: NDArray[np.bool_]
    time_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]


class Risk(NamedTuple):
    """That lateness of a stop (an index in the set's stops) is told now, or is over."""

    route: int
    stop: int
    is_told: bool


class RouteEtas:
    """Arrays beside those of a `RouteSet`; `use` brings them to another set.

    Args:
        late_risk_s: lateness is told when a stop will be reached so long after its window has closed.

    Attributes:
        eta_s: float64[stops], Unix seconds; NaN: not driven to, or not known.
        is_ahead: bool[stops], driven to.
        is_risky: bool[stops], lateness was told, and it has not been good since.
    """

    def __init__(self, late_risk_s: float) -> None:
        self.eta_s = np.empty(0)
        self.is_ahead = np.empty(0, np.bool_)
        self.is_risky = np.empty(0, np.bool_)
        self._late_risk_s = late_risk_s
        self._set = NO_ROUTES
        self._free_s = np.empty(0)
        self._done_ms = self._due_ms = np.empty(0, np.int64)
        self._looked_up = np.empty((0, 3))  # where each vehicle was when its pace row was
        self._pace_row = np.empty(0, np.int32)  # counted in its fleet's own table

    def use(self, route_set: RouteSet, before: NDArray[np.int32]) -> None:
        """Go on with another set.

        Args:
            route_set: that one.
            before: int32[k], the number in the old set of each route that is the same in both; NONE of the others, of which `set_route` has to tell.
        """
        old, kept = self._set, np.flatnonzero(before != NONE)
        of_old = before[kept]
        into, out_of = _stops_of(route_set, kept), _stops_of(old, of_old)
        self.eta_s = _moved(self.eta_s, len(route_set.stops), into, out_of, np.nan)
        self.is_ahead = _moved(self.is_ahead, len(route_set.stops), into, out_of, False)
        self.is_risky = _moved(self.is_risky, len(route_set.stops), into, out_of, False)
        k = len(route_set)
        self._free_s = _moved(self._free_s, k, kept, of_old, 0.0)
        self._done_ms = _moved(self._done_ms, k, kept, of_old, _NEVER_MS)
        self._due_ms = _moved(self._due_ms, k, kept, of_old, _NEVER_MS)
        self._looked_up = _moved(self._looked_up, k, kept, of_old, np.nan)
        self._pace_row = _moved(self._pace_row, k, kept, of_old, 0)
        self._set = route_set

    def take_paces(self, route_set: RouteSet) -> None:
        """The same set with other paces."""
        self._set = route_set

    def set_route(
        self, number: int, is_ahead: Sequence[bool], is_risky: Sequence[bool], free_s: float
    ) -> None:
        """A route is another, or something happened at its stops: it is due."""
        own = slice(int(self._set.offsets[number]), int(self._set.offsets[number + 1]))
        self.is_ahead[own], self.is_risky[own] = is_ahead, is_risky
        self._free_s[number], self._due_ms[number] = free_s, _NEVER_MS
        self.eta_s[own] = np.where(is_ahead, self.eta_s[own], np.nan)

    def on_moved(self, numbers: NDArray[np.int32]) -> None:
        """The vehicles of these routes have moved; several in a row of one are one."""
        is_last = np.ones(len(numbers), np.bool_)
        np.not_equal(numbers[1:], numbers[:-1], out=is_last[:-1])
        numbers = numbers[is_last]
        self._due_ms[numbers] = np.minimum(self._due_ms[numbers], self._done_ms[numbers] + MOVED_MS)

    def refresh(
        self, states: NDArray[np.void], last: NewestFixes, started_ms: int, now_ms: int,
        moved: NDArray[np.int32], telling: RouteTelling,
    ) -> list[Risk]:  # fmt: skip
        """Look at the routes that are due, and tell of stops that will be reached too late; what has changed of that.

        Args:
            states: PROGRESS[rows].
            last: the newest fixes, with those of this step.
            started_ms: when the hub began to step; vehicles' clocks stand still before.
            now_ms: the time of the step.
            moved: the rows of this step's fixes.
            telling: what is told goes there.
        """
        due = np.flatnonzero(self._due_ms <= now_ms)[:MOST_AT_ONCE].astype(np.int32)
        if not len(due):
            return []
        self._done_ms[due], self._due_ms[due] = now_ms, now_ms + STANDING_MS
        due = due[last.is_known[self._set.row[due]]]
        rows = self._set.row[due]
        silence_ms = now_ms - np.maximum(last.received_ms[rows], started_ms)
        clock_s = (last.time_ms[rows] + np.maximum(silence_ms, 0)) / 1000.0
        at = last.lat_deg[rows], last.lon_deg[rows]
        route_etas(
            states, self._set.row, self._set.offsets, self._set.stops, self.is_ahead, self._set.per_road_m,
            due, *at, self._pace_rows(due, *at), np.maximum(clock_s, self._free_s[due]), self._set.paces, self.eta_s,
        )  # fmt: skip
        return self._tell_risks(due, clock_s, last, moved, telling)

    def _pace_rows(
        self, due: NDArray[np.int32], lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64]
    ) -> NDArray[np.int32]:
        """The row of paces around each vehicle; looked up where it has come away from where it was when that was done last."""
        points = sphere_points(lat_deg, lon_deg)
        away_m = np.linalg.norm(points - self._looked_up[due], axis=1)
        stale = np.flatnonzero(~(away_m <= NEAR_M))
        bases = self._set.pace_base[due[stale]]
        for base in np.unique(bases).tolist():
            own = stale[bases == base]
            times = self._set.parts[due[own[0]]].times
            self._pace_row[due[own]] = times.rows_of(lat_deg[own], lon_deg[own])
            self._looked_up[due[own]] = points[own]
        return self._pace_row[due] + self._set.pace_base[due]

    def _tell_risks(
        self, due: NDArray[np.int32], clock_s: NDArray[np.float64], last: NewestFixes,
        moved: NDArray[np.int32], telling: RouteTelling,
    ) -> list[Risk]:  # fmt: skip
        counts = np.diff(self._set.offsets)[due]
        stops, place = _stops_of(self._set, due), np.repeat(np.arange(len(due)), counts)
        eta_s = self.eta_s[stops]
        eta_s = np.where(
            np.isnan(eta_s), clock_s[place], eta_s
        )  # who has passed it by is not there before now
        late_s = eta_s - self._set.stops["closes_s"][stops]
        is_ahead, was_risky = self.is_ahead[stops], self.is_risky[stops]
        is_new = is_ahead & ~was_risky & (late_s > self._late_risk_s)
        is_good = was_risky & (~is_ahead | (late_s <= 0.0))
        self.is_risky[stops[is_new]], self.is_risky[stops[is_good]] = True, False
        for i in np.flatnonzero(is_new).tolist():
            route = int(due[place[i]])
            row = int(self._set.row[route])
            telling.tell(
                row=row, kind=Kind.LATE_RISK, cause=Cause.MOVED if row in moved else Cause.TIMER,
                time_ms=int(clock_s[place[i]] * 1000), lat_deg=float(last.lat_deg[row]), lon_deg=float(last.lon_deg[row]),
                fix_time_ms=int(last.time_ms[row]), route=route, stop=int(stops[i] - self._set.offsets[route]), value=float(late_s[i]),
            )  # fmt: skip
        return [
            Risk(int(due[place[i]]), int(stops[i]), bool(is_new[i]))
            for i in np.flatnonzero(is_new | is_good).tolist()
        ]

    def ends_s(self) -> NDArray[np.float64]:
        """float64[k]: when each route of the set will be done, service at its last stop too, Unix seconds; NaN: not known."""
        last = self._set.offsets[1:] - 1
        stops = self._set.stops[last]
        served_s = np.maximum(self.eta_s[last], stops["opens_s"]) + stops["service_s"]
        waits_s = np.where(self._free_s > 0.0, self._free_s, np.nan)  # it is at the last one
        return np.where(self.is_ahead[last], served_s, waits_s)

    def of_route(self, number: int) -> list[tuple[float, float]]:
        """Of each stop of a route when it will be reached, Unix seconds, and how long after its window has closed; NaN: not known."""
        own = slice(int(self._set.offsets[number]), int(self._set.offsets[number + 1]))
        late_s = np.maximum(0.0, self.eta_s[own] - self._set.stops["closes_s"][own])
        return list(zip(self.eta_s[own].tolist(), late_s.tolist(), strict=True))


def _stops_of(route_set: RouteSet, numbers: NDArray[np.integer]) -> NDArray[np.int64]:
    """The stops of some routes, route after route, as indices in the set."""
    counts = np.diff(route_set.offsets)[numbers]
    begins = np.cumsum(counts) - counts
    found: NDArray[np.int64] = np.arange(int(counts.sum())) + np.repeat(
        route_set.offsets[:-1][numbers] - begins, counts
    )
    return found


def _moved(
    values: NDArray[Any], size: int, into: NDArray[np.int64], out_of: NDArray[Any], unknown: float
) -> NDArray[Any]:
    moved = np.full((size, *values.shape[1:]), unknown, values.dtype)
    moved[into] = values[out_of]
    return moved
