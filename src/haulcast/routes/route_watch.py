"""The stage of the step that knows the routes: who arrives and departs, who leaves the line of its route, and who will be late."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from geo.fence_events import NONE, Cause, FenceEvents, Kind, no_events
from geo.fence_match import as_column
from geo.fence_transitions import FenceState
from geo.positions import COLUMNS, PositionBatch
from geo.route_progress import (
    NEVER_MS,
    WENT_OFF,
    RouteLimits,
    follow_lines,
    fresh_progress,
    start_line,
)
from haulcast.routes.route_drive import Drive, remembered_drive
from haulcast.routes.route_etas import NewestFixes, RouteEtas
from haulcast.routes.route_set import NO_ROUTES, RouteSet
from haulcast.routes.route_telling import RouteTelling
from haulcast.routes.stop_arrivals import FleetMark, StopArrivals

NO_ROUTE = "null"
"""What is remembered of a vehicle without a route."""

LATE_RISK_S = 300.0
_OF_INTEREST = np.isin(np.arange(max(Kind) + 1), (Kind.ENTER, Kind.EXIT, Kind.WITHDRAWN))
_FOLLOWED = {
    name: COLUMNS[name] for name in ("row", "time_ms", "lat_deg", "lon_deg", "speed_mps", "accuracy_m")
}
_KEPT = ["edge", "along_m", "away_m", "is_off", "time_ms", "off_since_ms"]


class RouteNow(NamedTuple):
    """How far a vehicle has come on its active route.

    Attributes:
        stops: by id of those ahead, when each will be reached (UTC epoch, ms) and how long after its window has closed (s).
        along_m, left_m: on the line, from its begin and to its end; None: there is none, or it has not been on it.
        time_ms: of the fix that this is by; None: there was none yet.
    """

    route_id: str
    stops: dict[str, tuple[int, float]]
    is_off_route: bool
    along_m: float | None
    left_m: float | None
    time_ms: int | None


class RouteWatch:
    """Where every vehicle with an active route is on it. Who has none costs one lookup.

    Args:
        fence_id_of: the id of a fence by its handle.
        limits: when a vehicle is off its route.
        late_risk_s: see `RouteEtas`.
    """

    def __init__(
        self,
        fence_id_of: Callable[[int], str] = lambda _: "",
        limits: RouteLimits | None = None,
        late_risk_s: float = LATE_RISK_S,
    ) -> None:
        self.told = dict.fromkeys(
            (Kind.ARRIVED, Kind.DEPARTED, Kind.LATE_RISK, Kind.OFF_ROUTE, Kind.ON_ROUTE), 0
        )
        self._limits = limits or RouteLimits()
        self._etas = RouteEtas(late_risk_s)
        self._arrivals = StopArrivals(fence_id_of)
        self._set = NO_ROUTES
        self._drives: dict[int, Drive] = {}
        self._restored: dict[int, dict[str, Any]] = {}
        self._states = fresh_progress(0)
        self._route_of = np.empty(0, np.int32)
        self._first_point = np.empty(0, np.int64)  # of the row's line in the set
        self._started_ms = -1

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles."""
        old = len(self._route_of)
        if rows > old:
            more = max(rows, 2 * old, 64) - old
            self._states = np.concatenate([self._states, fresh_progress(more)])
            self._route_of = np.concatenate([self._route_of, np.full(more, NONE, np.int32)])
            self._first_point = np.concatenate([self._first_point, np.zeros(more, np.int64)])

    def forget(self, row: int) -> None:
        """The vehicle is gone; if its route is still there, whoever comes under its name begins anew on it."""
        if row in self._drives:
            start_line(self._states, row, int(self._states["line"][row]))

    @property
    def counters(self) -> dict[str, Any]:
        """Routes that are driven now, vehicles that are off theirs, and events told since the start by kind."""
        is_off = self._states["is_off"][self._set.row] != 0
        told = {kind.name.lower(): count for kind, count in self.told.items()}
        return {"active": len(self._drives), "off_route": int(np.count_nonzero(is_off)), "told": told}

    @property
    def is_waiting(self) -> bool:
        """Whether time alone can make a stop late, so that a step is wanted when no fix comes."""
        return len(self._set) > 0

    def label(self, route: int, stop: int) -> tuple[str, str]:
        """Ids of the route that has this number in the events of the newest step, and of its stop; empty: of none."""
        of_route = self._set.parts[route].route
        return of_route.route_id, of_route.stops[stop].stop_id if stop != NONE else ""

    def take_marks(self) -> Sequence[FleetMark]:
        """What was told of stops since this was asked last, or before a restart and is not in the book."""
        marks, self._arrivals.marks = self._arrivals.marks, []
        return marks

    def now_of(self, row: int) -> RouteNow | None:
        """How far the vehicle has come by now; None: it has no active route."""
        drive = self._drives.get(row)
        if drive is None:
            return None
        ids = (stop.stop_id for stop in drive.part.route.stops)
        known = zip(ids, self._etas.of_route(drive.number), strict=True)
        stops = {
            stop_id: (round(eta_s * 1000), late_s)
            for stop_id, (eta_s, late_s) in known
            if not math.isnan(eta_s)
        }
        state, line = self._states[row], drive.part.line
        is_placed = line is not None and state["edge"] != NONE
        along_m = float(state["along_m"]) if is_placed else None
        left_m = None if along_m is None or line is None else line.length_m(0) - along_m
        time_ms = None if state["time_ms"] == NEVER_MS else int(state["time_ms"])
        return RouteNow(drive.route.route_id, stops, bool(state["is_off"]), along_m, left_m, time_ms)

    def ends(self) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """The rows that drive a route, and when each will be done with it (Unix seconds; NaN is not known)."""
        return self._set.row, self._etas.ends_s()

    def remembered(self, rows: Sequence[int]) -> list[str]:
        """What the next run has to know of these rows, as JSON; for checkpoints."""
        if not self._drives:
            return [NO_ROUTE] * len(rows)
        texts, first_point = [], self._first_point[rows].tolist()
        for row, begin, (edge, *at) in zip(
            rows, first_point, self._states[rows][_KEPT].tolist(), strict=True
        ):
            drive = self._drives.get(row)
            place = orjson.dumps([edge if edge == NONE else edge - begin, *at]).decode()
            texts.append(NO_ROUTE if drive is None else f'{{"at":{place},{drive.remembered}')
        return texts

    def restore(self, rows: Iterable[int], texts: Iterable[str]) -> None:
        """Before the first step: what `remembered` said of fresh rows in an earlier run."""
        self._restored |= {
            row: orjson.loads(text) for row, text in zip(rows, texts, strict=True) if text != NO_ROUTE
        }

    def watch(
        self,
        route_set: RouteSet,
        batch: PositionBatch,
        facts: FenceEvents,
        visits: FenceState,
        last: NewestFixes,
        now_ms: int,
    ) -> FenceEvents:
        """What is to be told of routes.

        Args:
            route_set: the routes in force.
            batch: fixes in order of each track, none late.
            facts: enters and exits of this step.
            visits: those that are open after it.
            last: the newest fixes, with this batch.
            now_ms: the time of the step.
        """
        is_first = self._started_ms < 0
        if is_first:
            self._started_ms = now_ms
        if route_set is not self._set:
            self._use(route_set, now_ms, is_first=is_first)
        self._restored = {}
        if not len(route_set):
            return no_events()
        telling = RouteTelling()
        changed = self._take_facts(facts, telling) if len(facts) else set()
        changed |= self._arrivals.look(self._drives, visits, last, telling)
        self._follow(batch, telling)
        for row in changed:
            self._set_route(row)
        for risk in self._etas.refresh(self._states, last, self._started_ms, now_ms, batch.row, telling):
            drive = self._drives[int(route_set.row[risk.route])]
            stop = drive.part.route.stops[risk.stop - int(route_set.offsets[risk.route])]
            drive.set_risk(stop.stop_id, is_told=risk.is_told)
        events = telling.events()
        for kind in events.kind.tolist():
            self.told[Kind(kind)] += 1
        return events

    def _take_facts(self, facts: FenceEvents, telling: RouteTelling) -> set[int]:
        of_interest = (self._route_of[facts.row] != NONE) & _OF_INTEREST[facts.kind]
        return self._arrivals.take(facts, np.flatnonzero(of_interest).tolist(), self._drives, telling)

    def _follow(self, batch: PositionBatch, telling: RouteTelling) -> None:
        numbers = self._route_of[batch.row]
        own = np.flatnonzero(numbers != NONE)
        if not len(own):
            return
        columns = [getattr(batch, name) for name in _FOLLOWED]
        if len(own) < len(numbers):
            columns, numbers = [column[own] for column in columns], numbers[own]
        self._etas.on_moved(numbers)
        row, time_ms, lat_deg, lon_deg, speed_mps, accuracy_m = (
            as_column(column, dtype) for column, dtype in zip(columns, _FOLLOWED.values(), strict=True)
        )
        progress = follow_lines(
            self._set.lines, self._states, row, time_ms, lat_deg, lon_deg, speed_mps, accuracy_m, self._limits
        )
        for i in np.flatnonzero(progress.change).tolist():
            if int(time_ms[i]) > self._drives[int(row[i])].over_ms:  # by then nobody was to drive there
                continue
            went_off, fix = progress.change[i] == WENT_OFF, int(own[i])
            telling.tell(
                row=int(row[i]), kind=Kind.OFF_ROUTE if went_off else Kind.ON_ROUTE, cause=Cause.MOVED,
                time_ms=int(time_ms[i]), lat_deg=float(batch.lat_deg[fix]), lon_deg=float(batch.lon_deg[fix]),
                fix_time_ms=int(time_ms[i]), fix=fix, route=int(numbers[i]),
                value=float(self._states["away_m"][row[i]]) if went_off else np.nan,
            )  # fmt: skip

    def _use(self, route_set: RouteSet, now_ms: int, *, is_first: bool) -> None:
        """Go on with another set: rows whose route is the same go on where they are."""
        old, rows = self._set, route_set.row
        if route_set.version == old.version:  # other paces
            self._set = route_set
            self._etas.take_paces(route_set)
            return
        self.ensure_rows(int(rows.max(initial=-1)) + 1)
        before = self._route_of[rows]
        self._route_of[old.row] = NONE
        self._route_of[rows] = np.arange(len(rows), dtype=np.int32)
        for row in old.row[self._route_of[old.row] == NONE].tolist():
            del self._drives[row]
            start_line(self._states, row, NONE)
        states, first_point = self._states, self._first_point
        is_placed = states["edge"][rows] != NONE
        states["edge"][rows] += np.where(is_placed, route_set.first_point - first_point[rows], 0).astype(
            np.int32
        )
        first_point[rows] = route_set.first_point
        is_over = states["line"][rows] == NONE
        states["line"][rows] = np.where(is_over, NONE, route_set.line)
        self._set = route_set
        is_same = (before != NONE) & (route_set.changed <= old.version)
        self._etas.use(route_set, np.where(is_same, before, NONE).astype(np.int32))
        for number in np.flatnonzero(~is_same | (before != np.arange(len(rows)))).tolist():
            if is_same[number]:
                self._drives[int(rows[number])].number = number
            else:
                self._take_route(number, int(rows[number]), now_ms, since_ms=0 if is_first else now_ms)

    def _take_route(self, number: int, row: int, now_ms: int, since_ms: int) -> None:
        """A route is new, or another than before; if it is new, it is active since then."""
        part, drive = self._set.parts[number], self._drives.get(row)
        restored = self._restored.get(row)
        if drive is not None and drive.part.route.route_id == part.route.route_id:
            self._start(row, is_same_line=drive.part.line_key == part.line_key)
            drive.take(part)
        else:
            start_line(self._states, row, NONE)
            if restored is not None and restored["route"] == part.route.route_id:
                drive = remembered_drive(part, restored)
                self._put(row, restored["at"])
                self._start(row, is_same_line=restored["line"] == part.line_key)
                self._arrivals.marks += [FleetMark(part.route.fleet, mark) for mark in drive.marks]
            else:
                drive = Drive(part, since_ms)
            self._drives[row] = drive
        drive.number = number
        self._arrivals.look_again(row, now_ms)
        self._set_route(row)

    def _start(self, row: int, *, is_same_line: bool) -> None:
        """Look for the vehicle anew if the line is another; who was off its route is off it until it is found on the line."""
        if not is_same_line:
            is_off, time_ms = self._states["is_off"][row], self._states["time_ms"][row]
            start_line(self._states, row, NONE)
            self._states["is_off"][row], self._states["time_ms"][row] = is_off, time_ms

    def _set_route(self, row: int) -> None:
        """Bring the arrays to what the row's drive says."""
        drive = self._drives[row]
        self._states["line"][row] = NONE if drive.is_over else self._set.line[drive.number]
        is_risky = [stop.stop_id in drive.risks for stop in drive.part.route.stops]
        self._etas.set_route(drive.number, drive.is_ahead, is_risky, drive.free_s)

    def _put(self, row: int, at: Sequence[Any]) -> None:
        """A row's progress as `_remembered` said it; edges are counted from the line's begin there."""
        edge, *values = at
        self._states["edge"][row] = NONE if edge == NONE else edge + self._first_point[row]
        for name, value in zip(_KEPT[1:], values, strict=True):
            self._states[name][row] = np.nan if value is None else value
