"""Visits that rules wait for: entering, staying, leaving, and the moments at which time alone makes a rule fire."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import Cause, Kind
from haulcast.rules.firing import next_firing
from haulcast.rules.rule import Rule, RuleKind
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.telling import Telling
from haulcast.rules.turn import Place, Turn

NEVER = 2**62  # later than every clock, and a sum with a clock does not overflow

_KINDS = {
    RuleKind.ENTER: Kind.ENTER,
    RuleKind.EXIT: Kind.EXIT,
    RuleKind.DWELL: Kind.DWELL,
    RuleKind.CROSS: Kind.CROSS,
    RuleKind.UNAUTHORISED: Kind.UNAUTHORISED,
}
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


@dataclass(frozen=True, slots=True)
class Visit:
    """An open visit that rules are about."""

    handle: int
    visit: int
    entered_ms: int
    watches: list[Watch]


class RuleVisits:
    """The open visits that rules are about, of every vehicle.

    Attributes:
        told_ms: int64 by row: the time of the newest event that came without a fix; for checkpoints.
    """

    def __init__(self, scope: RuleScope) -> None:
        self.told_ms = np.zeros(0, np.int64)
        self._scope = scope
        self._open: dict[int, dict[int, Visit]] = {}  # by row and fence handle
        self._deadline_ms = np.zeros(0, np.int64)  # the earliest of each row
        self._waiting: set[int] = set()  # rows that have one

    @property
    def is_waiting(self) -> bool:
        """Whether time alone can make a rule fire."""
        return bool(self._waiting)

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles."""
        more = max(rows, 2 * len(self.told_ms)) - len(self.told_ms)
        if rows > len(self.told_ms):
            self.told_ms = np.concatenate([self.told_ms, np.zeros(more, np.int64)])
            self._deadline_ms = np.concatenate([self._deadline_ms, np.full(more, NEVER)])

    def forget(self, row: int) -> None:
        """The vehicle is gone, and its visits with it."""
        self._open.pop(row, None)
        if row < len(self.told_ms):
            self.told_ms[row] = 0
            self._note_deadline(row)

    def find(self, row: int, handle: int) -> Visit | None:
        """The open visit, if rules are about it."""
        return self._open.get(row, {}).get(handle)

    def enter(self, turn: Turn, fact: int, telling: Telling) -> None:
        """A visit begins with this fact."""
        facts = turn.facts
        row, handle, entered_ms = int(facts.row[fact]), int(facts.handle[fact]), int(facts.time_ms[fact])
        rules = self._scope.of_visit(handle, row)
        if not rules:
            return
        visit = Visit(handle, int(facts.visit[fact]), entered_ms, [])
        for rule in rules:
            if rule.kind not in _WHILE_INSIDE:
                continue
            watch = Watch(rule, _next(rule, entered_ms, entered_ms - 1), has_fired=False)
            if watch.deadline_ms == entered_ms:
                _tell_fact(telling, rule, turn, fact)
                watch.has_fired, watch.deadline_ms = True, _next(rule, entered_ms, entered_ms)
            visit.watches.append(watch)
        self._open.setdefault(row, {})[handle] = visit
        self._note_deadline(row)

    def leave(self, turn: Turn, fact: int, telling: Telling) -> None:
        """A visit ends with this fact; what was due before has been told."""
        facts = turn.facts
        row, handle, left_ms = int(facts.row[fact]), int(facts.handle[fact]), int(facts.time_ms[fact])
        visits = self._open.get(row)
        if visits is None or visits.pop(handle, None) is None:
            return
        if not visits:
            del self._open[row]
        self._note_deadline(row)
        for rule in self._scope.of_visit(handle, row):
            is_moved = facts.cause[fact] == Cause.MOVED
            tells = rule.kind is RuleKind.EXIT or (rule.kind is RuleKind.CROSS and is_moved)
            if tells and rule.is_on(left_ms):
                _tell_fact(telling, rule, turn, fact)

    def fire_until(self, turn: Turn, row: int, until_ms: int, telling: Telling) -> None:
        """Tell what is due by this time of the vehicle's clock, in order of time."""
        while self._deadline_ms[row] <= until_ms:
            due = ((watch, visit) for visit in self._open[row].values() for watch in visit.watches)
            watch, visit = min(due, key=lambda pair: pair[0].deadline_ms)
            time_ms = watch.deadline_ms
            cause = Cause.TIMER if watch.rule.kind is RuleKind.DWELL else Cause.SCHEDULE
            self._tell_state(telling, watch.rule, cause, turn, row, visit, time_ms)
            watch.has_fired, watch.deadline_ms = True, _next(watch.rule, visit.entered_ms, time_ms)
            self._note_deadline(row)

    def due_rows(self, turn: Turn) -> NDArray[np.intp]:
        """The rows for which something is due now."""
        if not self._waiting:
            return np.empty(0, np.intp)
        clocks = turn.clocks_ms()
        size = min(len(clocks), len(self._deadline_ms))
        return np.flatnonzero(self._deadline_ms[:size] <= clocks[:size])

    def restore(self, row: int, visits: Iterable[tuple[int, int, int]], clock_ms: int) -> None:
        """The hub has started: these visits (handle, visit, entered_ms) were open, and all was told until this time."""
        until_ms = max(clock_ms, int(self.told_ms[row]))
        self._open.pop(row, None)
        for visit in self._made(row, visits):
            for watch in visit.watches:
                first_ms = _next(watch.rule, visit.entered_ms, visit.entered_ms - 1)
                watch.has_fired = first_ms <= until_ms
                watch.deadline_ms = _next(watch.rule, visit.entered_ms, until_ms)
        self._note_deadline(row)

    def look_again(
        self, turn: Turn, row: int, visits: Iterable[tuple[int, int, int]], telling: Telling
    ) -> None:
        """The rules are other ones, or other ones are about these open visits (handle, visit, entered_ms) of a vehicle.

        A rule that is as it was goes on. A new one says at once how it is, and of what happens it says what happens from now on.
        """
        clock_ms = turn.clock_before_ms(row)
        before = {
            (visit.visit, watch.rule.rule_id): watch
            for visit in self._open.pop(row, {}).values()
            for watch in visit.watches
        }
        for visit in self._made(row, visits):
            for watch in visit.watches:
                old = before.get((visit.visit, watch.rule.rule_id))
                watch.has_fired = old is not None and old.has_fired
                if old is not None and old.rule == watch.rule:
                    watch.deadline_ms = old.deadline_ms
                    continue
                watch.deadline_ms = _next(watch.rule, visit.entered_ms, clock_ms)
                if not watch.has_fired and _is_so(watch.rule, visit.entered_ms, clock_ms):
                    self._tell_state(telling, watch.rule, Cause.RULE_CHANGED, turn, row, visit, clock_ms)
                    watch.has_fired = True
        self._note_deadline(row)

    def _made(self, row: int, visits: Iterable[tuple[int, int, int]]) -> Iterator[Visit]:
        """The visits that rules are about, now open here, with what waits for them to last."""
        for handle, number, entered_ms in visits:
            rules = self._scope.of_visit(handle, row)
            if rules:
                watches = [
                    Watch(rule, NEVER, has_fired=False) for rule in rules if rule.kind in _WHILE_INSIDE
                ]
                visit = Visit(handle, number, entered_ms, watches)
                self._open.setdefault(row, {})[handle] = visit
                yield visit

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


def _tell_fact(telling: Telling, rule: Rule, turn: Turn, fact: int) -> None:
    """A rule says the same as a fact, at its time and place."""
    facts = turn.facts
    place = Place(float(facts.lat_deg[fact]), float(facts.lon_deg[fact]), int(facts.fix_time_ms[fact]))
    telling.tell(
        rule, _KINDS[rule.kind], int(facts.cause[fact]), int(facts.row[fact]), int(facts.handle[fact]),
        int(facts.visit[fact]), int(facts.time_ms[fact]), place,
        entered_ms=int(facts.entered_ms[fact]), left_ms=int(facts.left_ms[fact]), fix=int(facts.fix[fact]),
    )  # fmt: skip


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
    if rule.schedule is None:
        return True
    first = next(rule.schedule.windows(begin_ms), None)
    return first is not None and first[0] == begin_ms and first[1] > at_ms
