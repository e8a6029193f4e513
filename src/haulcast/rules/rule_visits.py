"""Visits that rules wait for: entering, staying, leaving, and the moments at which time alone makes a rule fire."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import NONE, Cause, Kind
from haulcast.rules.firing import next_firing
from haulcast.rules.rule import Rule, RuleKind
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.telling import Telling
from haulcast.rules.turn import OpenVisit, Place, Turn

NEVER = 2**62  # later than every clock, and a sum with a clock does not overflow

_KINDS = {
    RuleKind.ENTER: Kind.ENTER,
    RuleKind.EXIT: Kind.EXIT,
    RuleKind.DWELL: Kind.DWELL,
    RuleKind.CROSS: Kind.CROSS,
    RuleKind.UNAUTHORISED: Kind.UNAUTHORISED,
}
HasPassed = Callable[[Rule, int, int, int, int], bool]

_WHILE_INSIDE = frozenset({RuleKind.ENTER, RuleKind.DWELL, RuleKind.UNAUTHORISED})


@dataclass(slots=True)
class Watch:
    """A rule that waits for a visit to last.

    Attributes:
        rule: which.
        deadline_ms: when it fires next, by the vehicle's clock; NEVER: not any more.
        has_fired: whether it has in this visit.
    """

    rule: Rule
    deadline_ms: int
    has_fired: bool


@dataclass(slots=True)
class Visit:
    """An open visit that rules are about."""

    handle: int
    visit: int
    entered_ms: int
    watches: list[Watch]


class RuleVisits:
    """The open visits that rules are about, of every vehicle.

    Args:
        scope: which rules are about which fence and vehicle.
        has_passed: whether a rule was told, as a pass, of what a late fix makes a visit: rule, row, handle, entered_ms, left_ms.

    Attributes:
        told_ms: int64 by row: the time of the newest event that came without a fix; for checkpoints.
    """

    def __init__(self, scope: RuleScope, has_passed: HasPassed = lambda *_: False) -> None:
        self.told_ms = np.zeros(0, np.int64)
        self._scope = scope
        self._has_passed = has_passed
        self._open: dict[int, dict[int, Visit]] = {}  # by row and visit id
        self._deadline_ms = np.zeros(0, np.int64)  # the earliest of each row
        self._waiting: set[int] = set()  # rows that have one

    @property
    def is_waiting(self) -> bool:
        """Whether time alone can make a rule fire."""
        return bool(self._waiting)

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles."""
        old = len(self.told_ms)
        if rows > old:
            more = max(rows, 2 * old) - old
            self.told_ms = np.concatenate([self.told_ms, np.zeros(more, np.int64)])
            self._deadline_ms = np.concatenate([self._deadline_ms, np.full(more, NEVER)])

    def forget(self, row: int) -> None:
        """The vehicle is gone, and its visits with it."""
        self._open.pop(row, None)
        if row < len(self.told_ms):
            self.told_ms[row] = 0
            self._note_deadline(row)

    def visit_in(self, row: int, handle: int) -> Visit | None:
        """The vehicle's open visit of a fence, if rules are about it."""
        return next((visit for visit in self._open.get(row, {}).values() if visit.handle == handle), None)

    def take_fact(self, turn: Turn, fact: int, telling: Telling) -> None:
        """What a fact means for the rules."""
        facts = turn.facts
        row, kind = int(facts.row[fact]), int(facts.kind[fact])
        if kind == Kind.ENTER:
            self._enter(turn, fact, telling)
        elif kind == Kind.EXIT:
            self._leave(turn, fact, telling)
        elif kind == Kind.CORRECTED:
            self._correct(turn, fact)
        elif kind == Kind.WITHDRAWN:
            self._close(row, int(facts.visit[fact]))

    def fire_until(self, turn: Turn, row: int, until_ms: int, telling: Telling) -> None:
        """Tell what is due of a vehicle by this time of its clock."""
        for visit in self._open[row].values():
            self._fire(turn, row, visit, until_ms, telling)
        self._note_deadline(row)

    def due_rows(self, turn: Turn) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """The rows for which something is due now, and their clocks."""
        if not self._waiting:
            return np.empty(0, np.intp), np.empty(0, np.int64)
        clocks = turn.clocks_ms()
        size = min(len(clocks), len(self._deadline_ms))
        rows = np.flatnonzero(self._deadline_ms[:size] <= clocks[:size])
        return rows, clocks[rows]

    def restore(self, visits: Iterable[OpenVisit], clock_ms: NDArray[np.int64]) -> None:
        """The hub has started: these visits were open, and all was told until `clock_ms` (by row) or `told_ms`."""
        for opened in visits:
            self._go_on(opened, int(clock_ms[opened.row]))

    def look_again(self, turn: Turn, opened: OpenVisit, telling: Telling) -> None:
        """Other rules are about an open visit than before, or may be.

        A rule that is as it was goes on. A new one says at once how it is, and of what happens it says what happens from now on.
        """
        row = opened.row
        clock_ms = turn.clock_before_ms(row)
        old_visit = self._close(row, opened.visit)
        old = {watch.rule.rule_id: watch for watch in old_visit.watches} if old_visit else {}
        visit = self._open_again(opened)
        for watch in visit.watches if visit else ():
            before = old.get(watch.rule.rule_id)
            if before is not None and before.rule == watch.rule:
                watch.has_fired, watch.deadline_ms = before.has_fired, before.deadline_ms
                continue
            watch.has_fired = before is not None and before.has_fired and before.rule.kind is watch.rule.kind
            watch.deadline_ms = _next(watch.rule, opened.entered_ms, clock_ms)
            # What it told in hours that have ended is not how it is now.
            is_told = watch.has_fired and before is not None and before.rule.is_on(clock_ms)
            if visit and not is_told and _is_so(watch.rule, opened.entered_ms, clock_ms):
                self._tell_state(telling, watch.rule, Cause.RULE_CHANGED, turn, row, visit, clock_ms)
                watch.has_fired = True
        self._note_deadline(row)

    def _enter(self, turn: Turn, fact: int, telling: Telling) -> None:
        facts = turn.facts
        row, entered_ms = int(facts.row[fact]), int(facts.entered_ms[fact])
        visit = self._open_again(OpenVisit(row, int(facts.handle[fact]), int(facts.visit[fact]), entered_ms))
        for watch in visit.watches if visit else ():
            watch.deadline_ms = _next(watch.rule, entered_ms, entered_ms - 1)
            if watch.deadline_ms == entered_ms:
                _tell_fact(telling, watch.rule, _KINDS[watch.rule.kind], turn, fact)
                watch.has_fired, watch.deadline_ms = True, _next(watch.rule, entered_ms, entered_ms)
        if visit:
            self._note_deadline(row)

    def _leave(self, turn: Turn, fact: int, telling: Telling) -> None:
        """A visit ends with this fact; what was due before it is told too."""
        row, left_ms = int(turn.facts.row[fact]), int(turn.facts.time_ms[fact])
        visit = self._close(row, int(turn.facts.visit[fact]))
        if visit is None:
            return
        self._fire(turn, row, visit, _proven_ms(turn, fact, left_ms), telling)
        cause = turn.facts.cause[fact]
        for rule in self._scope.of_visit(visit.handle, row):
            tells = rule.kind is RuleKind.EXIT or (
                rule.kind is RuleKind.CROSS
                and cause != Cause.FENCE_CHANGED
                and not (
                    cause == Cause.LATE
                    and self._has_passed(rule, row, visit.handle, visit.entered_ms, left_ms)
                )
            )
            if tells and rule.is_on(left_ms):
                _tell_fact(telling, rule, _KINDS[rule.kind], turn, fact)

    def _correct(self, turn: Turn, fact: int) -> None:
        """A visit began at another time than was told, or has not ended. What has fired stays told, and does not fire again.

        That an open one has ended is said by an exit, which follows.
        """
        facts = turn.facts
        row, handle, number, entered_ms, left_ms = (
            int(column[fact])
            for column in (facts.row, facts.handle, facts.visit, facts.entered_ms, facts.left_ms)
        )
        visit = self._open.get(row, {}).get(number)
        if visit is None:
            if left_ms == NONE:
                self._go_on(OpenVisit(row, handle, number, entered_ms), entered_ms)
        elif entered_ms != visit.entered_ms:
            visit.entered_ms = entered_ms
            for watch in visit.watches:
                if not watch.has_fired:
                    watch.deadline_ms = _next(watch.rule, entered_ms, entered_ms - 1)
            self._note_deadline(row)

    def _go_on(self, opened: OpenVisit, until_ms: int) -> None:
        """A visit was open that is not known here: all was told until then, or `told_ms`."""
        visit = self._open_again(opened)
        until_ms = max(until_ms, int(self.told_ms[opened.row]))
        for watch in visit.watches if visit else ():
            first_ms = _next(watch.rule, opened.entered_ms, opened.entered_ms - 1)
            watch.has_fired = first_ms <= until_ms
            watch.deadline_ms = _next(watch.rule, opened.entered_ms, until_ms)
        self._note_deadline(opened.row)

    def _open_again(self, opened: OpenVisit) -> Visit | None:
        """The visit, now open here, with what waits for it to last; None: no rule is about it."""
        row, handle, number, entered_ms = opened
        rules = self._scope.of_visit(handle, row)
        if not rules:
            return None
        watches = [Watch(rule, NEVER, has_fired=False) for rule in rules if rule.kind in _WHILE_INSIDE]
        visit = self._open.setdefault(row, {})[number] = Visit(handle, number, entered_ms, watches)
        return visit

    def _close(self, row: int, number: int) -> Visit | None:
        visits = self._open.get(row, {})
        visit = visits.pop(number, None)
        if visit is not None:
            if not visits:
                del self._open[row]
            self._note_deadline(row)
        return visit

    def _fire(self, turn: Turn, row: int, visit: Visit, until_ms: int, telling: Telling) -> None:
        for watch in visit.watches:
            while (time_ms := watch.deadline_ms) <= until_ms:
                cause = _cause(watch.rule, visit, time_ms)
                self._tell_state(telling, watch.rule, cause, turn, row, visit, time_ms)
                watch.has_fired, watch.deadline_ms = True, _next(watch.rule, visit.entered_ms, time_ms)

    def _tell_state(
        self, telling: Telling, rule: Rule, cause: Cause, turn: Turn, row: int, visit: Visit, time_ms: int
    ) -> None:
        self.told_ms[row] = max(self.told_ms[row], time_ms)
        telling.tell(
            rule, _KINDS[rule.kind], cause, row, visit.handle, visit.visit, time_ms,
            turn.place(row, time_ms), entered_ms=visit.entered_ms,
        )  # fmt: skip

    def _note_deadline(self, row: int) -> None:
        visits = self._open.get(row, {}).values()
        earliest = min((watch.deadline_ms for visit in visits for watch in visit.watches), default=NEVER)
        self._deadline_ms[row] = earliest
        if earliest < NEVER:
            self._waiting.add(row)
        else:
            self._waiting.discard(row)


def _proven_ms(turn: Turn, fact: int, left_ms: int) -> int:
    """Until when a visit is known to have lasted: an edit of a fence ends it by the hub's clock, not by the vehicle's."""
    facts = turn.facts
    if facts.cause[fact] != Cause.FENCE_CHANGED or facts.fix[fact] != NONE:
        return left_ms
    return min(left_ms, turn.clock_before_ms(int(facts.row[fact])))


def _tell_fact(telling: Telling, rule: Rule, kind: Kind, turn: Turn, fact: int) -> None:
    """A rule says the same as a fact, at its place."""
    facts = turn.facts
    place = Place(float(facts.lat_deg[fact]), float(facts.lon_deg[fact]), int(facts.fix_time_ms[fact]))
    telling.tell(
        rule, kind, int(facts.cause[fact]), int(facts.row[fact]), int(facts.handle[fact]), int(facts.visit[fact]),
        int(facts.time_ms[fact]), place, entered_ms=int(facts.entered_ms[fact]),
        left_ms=int(facts.left_ms[fact]), fix=int(facts.fix[fact]), with_fact=fact,
    )  # fmt: skip


def _cause(rule: Rule, visit: Visit, time_ms: int) -> Cause:
    """Why a rule fires at a time that no fact has."""
    if rule.kind is RuleKind.DWELL:
        return Cause.TIMER
    return Cause.LATE if time_ms == visit.entered_ms else Cause.SCHEDULE


def _next(rule: Rule, entered_ms: int, after_ms: int) -> int:
    moment = next_firing(rule, entered_ms, after_ms)
    return NEVER if moment is None else moment


def _is_so(rule: Rule, entered_ms: int, at_ms: int) -> bool:
    """Whether what the rule waits for is the case, for those kinds that say how it is."""
    if rule.kind is RuleKind.UNAUTHORISED:
        return rule.is_on(at_ms)
    begin_ms = at_ms - round(rule.dwell_s * 1000)
    if rule.kind is not RuleKind.DWELL or entered_ms > begin_ms:
        return False
    return rule.is_on(at_ms) and (rule.schedule is None or rule.schedule.is_on_throughout(begin_ms, at_ms))
