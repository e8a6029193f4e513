"""Moving fences: vehicles that come near each other, or part, for the rules that wait for it."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from geo.fence_events import NONE, Cause, Kind
from geo.geodesy import geodesic_distance_m
from geo.proximity import OTHER, VEHICLE, Proximity, Turns
from haulcast.rules.rule import Distance, Rule, RuleKind
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.rule_set import NO_RULES
from haulcast.rules.telling import Telling
from haulcast.rules.turn import Place, Turn

SETTLED_A_STEP = 1_000
"""So many vehicles at most are put into the groups of new rules in one step, some milliseconds of it."""

ASKED_A_STEP = 10_000
"""And so many times about is a rule asked whether it is about a vehicle: a fleet may have as many rules."""

_UNKNOWN, _QUEUED, _SETTLED = 0, 1, 2  # standings of a row


class OpenPair(NamedTuple):
    """Two vehicles that are near each other, for a rule; what a checkpoint holds."""

    fleet: str
    rule_id: str
    row: int
    other: int
    visit: int
    entered_ms: int
    is_told: bool


@dataclass(slots=True)
class _Group:
    """A rule, and which of its pairs that are near it has not told because its schedule was off."""

    rule: Rule
    was_on: bool = True
    untold: set[int] = field(default_factory=set)

    @property
    def tells_at_begins(self) -> bool:
        """Whether it tells those near when its hours begin, or those are no more that it waited for."""
        is_near = self.rule.when is Distance.NEAR
        return is_near and (self.rule.schedule is not None or bool(self.untold))


class _Stay(NamedTuple):
    """A pair that is near."""

    group: int
    row: int
    other: int
    visit: int
    entered_ms: int


class NearWatch:
    """Tells of pairs of vehicles.

    A visit is the time from near to apart; its row is one of the rule's `vehicles`. Each vehicle is where it was last seen, however
    long ago that was.

    While a rule's schedule is off it says nothing. When it begins, those that are near are told with cause SCHEDULE, at the next
    step; an end of the schedule is not told. A new rule, or vehicle of a rule, tells those near with cause RULE_CHANGED at the next
    step; in a large fleet it takes hold of `SETTLED_A_STEP` vehicles a step, and of less if there are many rules. What a rule no longer is about is dropped in silence.
    """

    def __init__(self, scope: RuleScope) -> None:
        self._scope = scope
        self._rules = NO_RULES
        self._proximity = Proximity()
        self._groups: dict[int, _Group] = {}
        self._of_fleet: dict[str, list[int]] = {}  # groups
        self._stays: dict[int, _Stay] = {}  # by pair
        self._pairs_of: dict[int, set[int]] = {}  # by the row of their stay
        self._changed: set[int] = set()  # the rows of stays that have begun or ended
        self._standing = np.zeros(0, np.int8)  # by row; settled: it is in the groups that it belongs in
        self._queue: deque[int] = deque()  # rows to settle
        self._restored: dict[int, list[OpenPair]] = {}  # by row, and again by other

    @property
    def is_waiting(self) -> bool:
        """Whether a step without fixes can make a rule speak."""
        has_hours = any(group.tells_at_begins for group in self._groups.values())
        return bool(self._queue) or (has_hours and bool(self._stays))

    def forget(self, row: int) -> None:
        """The vehicle is gone, and its pairs with it, in silence."""
        self._remove([member.number for member in self._proximity.members_of(row)])
        self._standing[row : row + 1] = _UNKNOWN

    def reconsider(self, row: int) -> None:
        """What rules select the vehicle by has changed; the scope has forgotten it."""
        if self._groups and row < len(self._standing):
            self._enqueue([row])

    def pairs_of(self, row: int) -> list[OpenPair]:
        """The pairs that are near, whose `row` this is; for `restore`."""
        pairs = []
        for pair in self._pairs_of.get(row, ()):
            stay = self._stays[pair]
            group = self._groups[stay.group]
            is_told = pair not in group.untold
            pairs.append(OpenPair(group.rule.fleet, group.rule.rule_id, *stay[1:], is_told))
        return pairs

    def take_changed(self) -> list[int]:
        """The rows whose `pairs_of` has changed since this was asked last; most of that is told to nobody."""
        rows, self._changed = list(self._changed), set()
        return rows

    def restore(self, pairs: Iterable[OpenPair]) -> None:
        """Before the first look: these were near. Those whose rule or vehicles are not there any more are dropped."""
        for pair in pairs:
            for row in (pair.row, pair.other):
                self._restored.setdefault(row, []).append(pair)

    def drop_restored(self) -> None:
        """No rule is about pairs: what an earlier run knew is not for rules that come later."""
        self._restored.clear()

    def look(self, turn: Turn, telling: Telling) -> None:
        """Tell who came near whom, or parted, in a batch."""
        if self._scope.rules is not self._rules:
            self._use_rules(turn)
        if not self._groups:
            self.drop_restored()
            return
        self._ensure_rows(len(turn.last.is_known))
        batch = turn.batch
        self._enqueue(np.unique(batch.row[self._standing[batch.row] == _UNKNOWN]).tolist())
        if self._queue:
            self._settle(turn, telling)
        turns = self._proximity.move(batch.row, batch.time_ms, batch.lat_deg, batch.lon_deg, batch.accuracy_m)
        self._take(turn, telling, turns)
        for number, group in self._groups.items():
            if group.tells_at_begins:
                self._look_at_hours(turn, telling, number, group)

    def _use_rules(self, turn: Turn) -> None:
        """Groups for the rules in force; a rule that selects the same pairs as before goes on."""
        self._rules = self._scope.rules
        wanted = {
            (rule.fleet, rule.rule_id): rule for rule in self._rules.rules if rule.kind is RuleKind.PROXIMITY
        }
        has_changed = False
        for number, group in list(self._groups.items()):
            key = group.rule.fleet, group.rule.rule_id
            if key in wanted and _pairs_of(wanted[key]) == _pairs_of(group.rule):
                group.rule = wanted.pop(key)
                continue
            self._remove(self._proximity.members_in(number))
            del self._groups[number]
            has_changed = True
        numbers = (number for number in range(len(self._groups) + len(wanted)) if number not in self._groups)
        for rule, number in zip(wanted.values(), list(numbers), strict=False):
            self._groups[number] = _Group(rule)
            self._proximity.set_distance(number, rule.distance_m)
        if has_changed or wanted:
            self._of_fleet = {}
            for number, group in self._groups.items():
                self._of_fleet.setdefault(group.rule.fleet, []).append(number)
            self._ensure_rows(len(turn.last.is_known))
            self._standing[:] = _UNKNOWN
            self._queue.clear()
            self._enqueue(self._known_rows(turn))

    def _ensure_rows(self, rows: int) -> None:
        if rows > len(self._standing):
            more = np.zeros(max(rows, 2 * len(self._standing)) - len(self._standing), np.int8)
            self._standing = np.concatenate([self._standing, more])

    def _enqueue(self, rows: list[int]) -> None:
        """Settle these rows soon; none is in the queue twice."""
        self._queue.extend(row for row in rows if self._standing[row] != _QUEUED)
        self._standing[rows] = _QUEUED

    def _known_rows(self, turn: Turn) -> list[int]:
        """All vehicles, seen before, of fleets that have such rules."""
        rows = np.flatnonzero(turn.last.is_known)
        numbers, first, place = np.unique(turn.fleet_number[rows], return_index=True, return_inverse=True)
        has_rules = [self._scope.vehicle(row).fleet in self._of_fleet for row in rows[first].tolist()]
        known: list[int] = rows[np.array(has_rules, np.bool_)[place]].tolist() if len(numbers) else []
        return known

    def _settle(self, turn: Turn, telling: Telling) -> None:
        """Put the next vehicles into the groups that they belong in, and tell who is near them there."""
        rows = self._next_rows()
        new = [part for row in rows for part in self._new_parts(row)]
        of, groups, sides = ([part[column] for part in new] for column in range(3))
        numbers = self._proximity.add(of, groups, sides)
        self._open_restored(turn, rows)
        at, last = np.array(of, np.intp), turn.last
        is_known = last.is_known[at]
        at = at[is_known]
        turns = self._proximity.arrive(
            numbers[is_known], last.time_ms[at], last.lat_deg[at], last.lon_deg[at], last.accuracy_m[at]
        )
        self._take(turn, telling, turns)
        if not self._queue:
            self._restored.clear()

    def _next_rows(self) -> list[int]:
        """Some rows of the queue, from now on settled."""
        rows: list[int] = []
        asked = 0
        while self._queue and len(rows) < SETTLED_A_STEP and asked < ASKED_A_STEP:
            row = self._queue.popleft()
            if self._standing[row] == _QUEUED:  # else it was deleted meanwhile, or is in the queue again
                self._standing[row] = _SETTLED
                rows.append(row)
                asked += len(self._of_fleet.get(self._scope.vehicle(row).fleet, ()))
        return rows

    def _new_parts(self, row: int) -> Iterator[tuple[int, int, int]]:
        """Row, group and sides of the groups that a vehicle belongs in and is not in; it leaves those it does not belong in."""
        fleet, vehicle_id, tags = self._scope.vehicle(row)
        wanted = {}
        for number in self._of_fleet.get(fleet, ()):
            rule = self._groups[number].rule
            sides = VEHICLE if rule.concerns(vehicle_id, tags) else 0
            sides |= OTHER if rule.others is None or rule.others.holds(vehicle_id, tags) else 0
            if sides:
                wanted[number] = sides
        for member in self._proximity.members_of(row):
            if wanted.get(member.group) == member.sides:
                del wanted[member.group]
            else:
                self._remove([member.number])
        for number, sides in wanted.items():
            yield row, number, sides

    def _remove(self, numbers: list[int]) -> None:
        for pair in self._proximity.remove(numbers) if numbers else ():
            if pair in self._stays:  # else it was in doubt only
                self._groups[self._end(pair).group].untold.discard(pair)

    def _begin(self, pair: int, stay: _Stay) -> None:
        self._stays[pair] = stay
        self._changed.add(stay.row)
        self._pairs_of.setdefault(stay.row, set()).add(pair)

    def _end(self, pair: int) -> _Stay:
        stay = self._stays.pop(pair)
        self._changed.add(stay.row)
        own = self._pairs_of[stay.row]
        own.discard(pair)
        if not own:
            del self._pairs_of[stay.row]
        return stay

    def _open_restored(self, turn: Turn, rows: list[int]) -> None:
        """Pairs of an earlier run go on, once both are in their group."""
        for pair in (pair for row in rows for pair in self._restored.pop(row, ())):
            key = pair.fleet, pair.rule_id
            parts = [
                member
                for either in (pair.row, pair.other)
                for member in self._proximity.members_of(either)
                if (self._groups[member.group].rule.fleet, self._groups[member.group].rule.rule_id) == key
            ]
            if len(parts) == 2:
                opened = self._proximity.open(parts[0].number, parts[1].number)
                self._begin(opened, _Stay(parts[0].group, *pair[2:6]))
                turn.fence_state.next_visit = max(turn.fence_state.next_visit, pair.visit + 1)
                if not pair.is_told:
                    self._groups[parts[0].group].untold.add(opened)
                for either in (pair.row, pair.other):
                    if pair in self._restored.get(either, ()):
                        self._restored[either].remove(pair)

    def _take(self, turn: Turn, telling: Telling, turns: Turns) -> None:
        """Pairs turned: tell those of rules that are on at that moment."""
        for pair, number, row, other, mover, is_near, fix, time_ms, lat, lon, apart_m in zip(
            *(column.tolist() for column in turns), strict=True
        ):
            group = self._groups[number]
            if fix == NONE:
                fix_time_ms, cause = time_ms, Cause.RULE_CHANGED
                at_ms = turn.clock_before_ms(mover)
            else:
                fix_time_ms, cause, at_ms = int(turn.batch.time_ms[fix]), Cause.MOVED, time_ms
            place = Place(lat, lon, fix_time_ms)
            if is_near:
                stay = _Stay(number, row, other, turn.fence_state.next_visit, at_ms)
                turn.fence_state.next_visit += 1
                self._begin(pair, stay)
                if group.rule.when is Distance.NEAR:
                    _tell(telling, group.rule, stay, cause, at_ms, place, NONE, fix, apart_m)
                    # Off then and on by now: its hours have begun meanwhile.
                    if not (group.rule.is_on(at_ms) and group.rule.is_on(turn.now_ms)):
                        group.untold.add(pair)
            else:
                stay = self._end(pair)
                group.untold.discard(pair)
                if group.rule.when is Distance.APART:
                    left_ms = max(at_ms, stay.entered_ms)  # the clocks of both need not agree
                    _tell(telling, group.rule, stay, cause, left_ms, place, left_ms, fix, apart_m)

    def _look_at_hours(self, turn: Turn, telling: Telling, number: int, group: _Group) -> None:
        """Tell those near when the schedule has begun."""
        is_on = group.rule.is_on(turn.now_ms)
        if group.was_on and not is_on:
            group.untold.update(pair for pair, stay in self._stays.items() if stay.group == number)
        group.was_on = is_on
        if not is_on:
            return
        cause = Cause.RULE_CHANGED if group.rule.schedule is None else Cause.SCHEDULE
        for pair in sorted(group.untold):
            stay = self._stays[pair]
            place, other = (turn.place(row, turn.now_ms) for row in (stay.row, stay.other))
            apart_m = geodesic_distance_m(place.lat_deg, place.lon_deg, other.lat_deg, other.lon_deg)
            _tell(telling, group.rule, stay, cause, turn.now_ms, place, NONE, NONE, apart_m)
        group.untold.clear()


def _pairs_of(rule: Rule) -> tuple[object, ...]:
    """What decides which pairs of vehicles a rule tells of."""
    return rule.vehicles, rule.others, rule.distance_m, rule.when


def _tell(
    telling: Telling,
    rule: Rule,
    stay: _Stay,
    cause: Cause,
    time_ms: int,
    place: Place,
    left_ms: int,
    fix: int,
    apart_m: float,
) -> None:
    """If the rule is on then."""
    if rule.is_on(time_ms):
        kind = Kind.NEAR if left_ms == NONE else Kind.APART
        telling.tell(
            rule, kind, cause, stay.row, NONE, stay.visit, time_ms, place,
            entered_ms=stay.entered_ms, left_ms=left_ms, fix=fix, other=stay.other, value=apart_m,
        )  # fmt: skip
