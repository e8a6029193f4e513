"""Passes through fences between two fixes, for the rules that wait for them."""

from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import Cause, Kind
from geo.fence_passes import FencePasses
from geo.geodesy import geodesic_distance_m
from haulcast.rules.rule import Rule, RuleKind
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.rule_set import NO_RULES
from haulcast.rules.telling import Telling
from haulcast.rules.turn import Place, Turn

MOST_GAP_MS = 300_000
"""Between fixes further apart than this nobody knows the way; a straight line proves nothing."""

MOST_SPEED_MPS = 100.0
"""A way that was faster is a jump of the receiver, not a drive."""

PROVES_AT = 3.0
"""So many times the uncertainty of its length, a way is a drive and not jitter. Where no accuracy is known, every way is."""


PASSES_KEPT = 16
"""Of each vehicle, so that a late fix which makes a visit of one does not have it told again."""


class Pass(NamedTuple):
    """A pass that was told, and to which rules."""

    handle: int
    entered_ms: int
    left_ms: int
    rules: frozenset[str]


class _Ways(NamedTuple):
    """From a vehicle's fix to its next one; arrays of equal length."""

    fix: NDArray[np.intp]
    time0_ms: NDArray[np.int64]
    lat0_deg: NDArray[np.float64]
    lon0_deg: NDArray[np.float64]
    accuracy0_m: NDArray[np.float64]


class CrossWatch:
    """Tells of vehicles that were inside a fence between two fixes only; who was inside at a fix has a visit."""

    def __init__(self, scope: RuleScope) -> None:
        self._scope = scope
        self._passes = FencePasses()
        self._rules = NO_RULES
        self._fleets: set[str] = set()  # that have such rules
        self._is_watched: dict[int, bool] = {}  # by fleet number
        self._told: dict[int, deque[Pass]] = {}  # by row, the newest

    def forget(self, row: int) -> None:
        """The vehicle is gone."""
        self._told.pop(row, None)

    def has_told(self, rule: Rule, row: int, handle: int, entered_ms: int, left_ms: int) -> bool:
        """Whether a rule has been told of a pass through this fence with a moment in common with this visit."""
        return any(
            told.handle == handle
            and told.entered_ms <= left_ms
            and entered_ms <= told.left_ms
            and rule.rule_id in told.rules
            for told in self._told.get(row, ())
        )

    def look(self, turn: Turn, telling: Telling) -> None:
        """Tell the passes of a batch, by fix. Each gets a visit id of its own, which all rules about it share.

        A rule is asked whether it is on when the vehicle leaves.
        """
        if self._scope.rules is not self._rules:
            self._rules = self._scope.rules
            self._fleets = {rule.fleet for rule in self._rules.rules if rule.kind is RuleKind.CROSS}
            self._is_watched.clear()
        if not self._fleets:
            return
        ways = self._ways(turn)
        if not len(ways.fix):
            return
        batch, fix = turn.batch, ways.fix
        passes = self._passes.find(
            turn.fence_set, turn.fleet_number[batch.row[fix]],
            ways.lat0_deg, ways.lon0_deg, batch.lat_deg[fix], batch.lon_deg[fix],
        )  # fmt: skip
        columns = (passes.way, turn.fence_set.handles[passes.fence], passes.enter, passes.leave)
        for way, handle, enter, leave in zip(*(column.tolist() for column in columns), strict=True):
            rules = self._rules_about(handle, int(batch.row[fix[way]]))
            if rules and _is_drive(turn, ways, way) and not _has_visit(turn, int(fix[way]), handle):
                told = _tell(turn, telling, rules, ways, way, handle, enter, leave)
                if told is not None:
                    row = int(batch.row[fix[way]])
                    self._told.setdefault(row, deque(maxlen=PASSES_KEPT)).append(told)

    def _ways(self, turn: Turn) -> _Ways:
        """The ways to the fixes of vehicles whose fleet has such rules, where they are short enough."""
        batch = turn.batch
        watched = np.flatnonzero(self._watched(turn))
        order = watched[np.argsort(batch.row[watched], kind="stable")]
        row = batch.row[order]
        is_first = np.diff(row, prepend=-1) != 0
        before = np.roll(order, 1)
        last = turn.last

        def begin(of_last: NDArray[Any], of_batch: NDArray[Any]) -> NDArray[Any]:
            return np.where(is_first, of_last[row], of_batch[before])

        time0_ms = begin(last.time_ms, batch.time_ms)
        is_way = (~is_first | last.is_known[row]) & (batch.time_ms[order] - time0_ms <= MOST_GAP_MS)
        columns: tuple[NDArray[Any], ...] = (
            order,
            time0_ms,
            begin(last.lat_deg, batch.lat_deg),
            begin(last.lon_deg, batch.lon_deg),
            begin(last.accuracy_m, batch.accuracy_m),
        )
        in_order = np.flatnonzero(is_way)[np.argsort(order[is_way])]
        return _Ways(*(column[in_order] for column in columns))

    def _watched(self, turn: Turn) -> NDArray[np.bool_]:
        """bool[n]: whether the fleet of each fix has such rules."""
        row = turn.batch.row
        numbers, first, place = np.unique(turn.fleet_number[row], return_index=True, return_inverse=True)
        answers = []
        for number, fix in zip(numbers.tolist(), first.tolist(), strict=True):
            if number not in self._is_watched:
                self._is_watched[number] = self._scope.vehicle(int(row[fix])).fleet in self._fleets
            answers.append(self._is_watched[number])
        return np.array(answers, np.bool_)[place]

    def _rules_about(self, handle: int, row: int) -> list[Rule]:
        return [rule for rule in self._scope.of_visit(handle, row) if rule.kind is RuleKind.CROSS]


def _is_drive(turn: Turn, ways: _Ways, way: int) -> bool:
    """Whether the way is longer than its uncertainty, and not faster than anybody drives."""
    batch, fix = turn.batch, ways.fix[way]
    length_m = geodesic_distance_m(
        ways.lat0_deg[way], ways.lon0_deg[way], batch.lat_deg[fix], batch.lon_deg[fix]
    )
    doubt_m = np.hypot(np.nan_to_num(ways.accuracy0_m[way]), np.nan_to_num(batch.accuracy_m[fix]))
    seconds = (batch.time_ms[fix] - ways.time0_ms[way]) / 1000
    return bool(PROVES_AT * doubt_m < length_m <= MOST_SPEED_MPS * seconds)


def _has_visit(turn: Turn, fix: int, handle: int) -> bool:
    """Whether a visit is believed that is older than the fix and was not ended before it: its end tells of the drive."""
    facts, row, time_ms = turn.facts, turn.batch.row[fix], turn.batch.time_ms[fix]
    visits = turn.fence_state.open_visits(turn.batch.row[fix : fix + 1])
    lasts = (visits.handle == handle) & (visits.entered_ms < time_ms)
    is_exit = (facts.row == row) & (facts.handle == handle) & (facts.kind == Kind.EXIT)
    ended = is_exit & (facts.fix >= fix) & (facts.entered_ms < time_ms)
    return bool(lasts.any() or ended.any())


def _tell(
    turn: Turn,
    telling: Telling,
    rules: list[Rule],
    ways: _Ways,
    way: int,
    handle: int,
    enter: float,
    leave: float,
) -> Pass | None:
    """One pass, to all rules that are on when it ends; None: there are none."""
    batch, fix = turn.batch, int(ways.fix[way])
    begin_ms, end_ms = int(ways.time0_ms[way]), int(batch.time_ms[fix])
    entered_ms, left_ms = (begin_ms + round(part * (end_ms - begin_ms)) for part in (enter, leave))
    rules = [rule for rule in rules if rule.is_on(left_ms)]
    if not rules:
        return None
    lat0, lon0 = float(ways.lat0_deg[way]), float(ways.lon0_deg[way])
    east = (float(batch.lon_deg[fix]) - lon0 + 180.0) % 360.0 - 180.0
    lon = (lon0 + leave * east + 180.0) % 360.0 - 180.0
    place = Place(lat0 + leave * (float(batch.lat_deg[fix]) - lat0), lon, end_ms)
    visit = turn.fence_state.next_visit
    turn.fence_state.next_visit += 1
    for rule in rules:
        telling.tell(
            rule, Kind.CROSS, Cause.MOVED, int(batch.row[fix]), handle, visit, left_ms, place,
            entered_ms=entered_ms, left_ms=left_ms, fix=fix,
        )  # fmt: skip
    return Pass(handle, entered_ms, left_ms, frozenset(rule.rule_id for rule in rules))
