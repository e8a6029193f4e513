"""Visits as they were told, and what fixes that came out of turn make of them: late ones, and those whose jump is judged in the order of time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import NONE, Cause, FenceEvents, Kind, fence_events, no_events
from geo.fence_set import FenceSet
from geo.fence_transitions import FenceState
from geo.late_fixes import FIRST_NEW, FIX, LateFixes, Replay
from geo.positions import PositionBatch
from geo.track_filter import FilterLimits

STEP_FIXES = 4_000
"""So many fixes are evaluated again in one step, a few ms; vehicles beyond that wait for the next."""

WAITING_FIXES = 200_000
"""So many of them may wait; those beyond change no visit."""


SAME_PLACE_DEG = 1e-5
"""About a metre."""

UNREAD_ENDS = 16
"""Enters and exits of a vehicle that are put by as they are, since mostly nobody asks for them."""


Said = tuple[Any, ...]
"""An enter or exit: row, handle, kind, visit, entered_ms, and its own time, place and fix time."""


class End(NamedTuple):
    """One end of a visit: when and where, and the time of the fix that proved it."""

    time_ms: int
    lat_deg: float  # NaN: not known any more, of a visit that began before the hub did
    lon_deg: float
    fix_time_ms: int

    def is_other(self, found: "End") -> bool:
        """Whether it is to be told anew."""
        apart_deg = max(abs(self.lat_deg - found.lat_deg), abs(self.lon_deg - found.lon_deg))
        return self.time_ms != found.time_ms or apart_deg > SAME_PLACE_DEG

    def placed(self, other: "End") -> "End":
        """The same, where the other end is if its own place is not known."""
        is_known = self.lat_deg == self.lat_deg
        return self if is_known else self._replace(lat_deg=other.lat_deg, lon_deg=other.lon_deg)


class Visit(NamedTuple):
    """A visit; `left` is None while it lasts."""

    handle: int
    visit: int
    entered: End
    left: End | None = None

    def overlaps(self, other: "Visit") -> bool:
        """Whether there was a moment of both."""
        return (other.left is None or self.entered.time_ms <= other.left.time_ms) and (
            self.left is None or other.entered.time_ms <= self.left.time_ms
        )


class LateVisits:
    """What was told of the time that late fixes can reach, and the fixes out of turn that wait to be looked at.

    Attributes:
        kept: the fixes of that time.
        unreached: those that came too late to change a visit, or when too many were waiting.
        implausible: those that, when they were looked at, were where the vehicle cannot have been; until others bear them out they
            change no visit either.
    """

    def __init__(self, kept: LateFixes) -> None:
        self.kept = kept
        self.unreached = 0
        self.implausible = 0
        self._told: dict[int, list[Visit]] = {}  # by row
        self._unread: dict[int, list[Said]] = {}  # by row, what was told since
        self._row = np.zeros(0, np.int32)  # of those that wait
        self._late = np.zeros(0, FIX)

    @property
    def is_waiting(self) -> bool:
        """Whether late fixes wait for the next step."""
        return len(self._row) > 0

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles."""
        self.kept.ensure_rows(rows)

    def forget(self, row: int) -> None:
        """The vehicle is gone."""
        self.kept.forget(row)
        self._told.pop(row, None)
        self._unread.pop(row, None)
        self._wait(self._row != row)

    def note(self, events: FenceEvents) -> None:
        """Remember enters and exits as they are told."""
        for said in _said(events):
            row = said[0]
            ends = self._unread.setdefault(row, [])
            ends.append(said)
            if len(ends) == UNREAD_ENDS:
                self._remember(row, self._relevant(row, int(self.kept.since_ms(np.array([row]))[0])))

    def correct(
        self,
        state: FenceState,
        fence_set: FenceSet,
        fleet_number: NDArray[np.int32],
        late: PositionBatch | None,
        track: NDArray[np.void],
        limits: FilterLimits,
    ) -> FenceEvents:
        """Evaluate vehicles again whose fixes came out of turn, and say what is other than told, with cause LATE.

        A visit keeps its id when a told one of the same fence overlaps it.

        Args:
            state: what is known of all vehicles; updated.
            fence_set: in force.
            fleet_number: int32, of each row.
            late: fixes out of turn: those that `FenceWatch.watch` names, and those of vehicles that are open; None: none.
            track: of the filter, by row.
            limits: of the filter.
        """
        if late is not None:
            self._queue(late, fleet_number)
        if not self.is_waiting:
            return no_events()
        replay, implausible = self.kept.replay(fence_set, fleet_number, *self._taken(), track, limits)
        self.implausible += implausible
        visit_of = np.zeros(replay.begun, np.int64)
        found = _found(replay)
        tellings: list[Telling] = []
        for place, (row, since_ms) in enumerate(
            zip(replay.rows.tolist(), replay.since_ms.tolist(), strict=True)
        ):
            if place in found or row in self._told or row in self._unread:
                told = self._relevant(row, since_ms)
                opened, ends = found.get(place, ([], []))
                tellings += self._compare(replay, place, told, opened, ends, state, visit_of)
        self.kept.keep(replay, state, visit_of)
        return _events(tellings)

    def _queue(self, late: PositionBatch, fleet_number: NDArray[np.int32]) -> None:
        concerned = np.flatnonzero(self.kept.has_fences(fleet_number[late.row]))
        more = np.empty(len(concerned), FIX)
        columns = late.time_ms, late.lat_deg, late.lon_deg, late.accuracy_m
        for name, column in zip(FIX.names or (), columns, strict=True):
            more[name] = column[concerned]
        self._row = np.concatenate([self._row, late.row[concerned]])
        self._late = np.concatenate([self._late, more])

    def _wait(self, is_waiting: NDArray[np.bool_]) -> None:
        """Let only these wait on."""
        self._row, self._late = self._row[is_waiting], self._late[is_waiting]

    def _taken(self) -> tuple[NDArray[np.int32], NDArray[np.void], NDArray[np.int64]]:
        """The vehicles whose turn it is, their late fixes by vehicle and time, and where each vehicle's begin."""
        before = len(self._row)
        self._wait(self._late["time_ms"] > self.kept.since_ms(self._row))
        self._wait(np.arange(len(self._row)) < WAITING_FIXES)
        self.unreached += before - len(self._row)
        rows, first, counts = np.unique(self._row, return_index=True, return_counts=True)
        by_arrival = np.argsort(first)
        costs = np.cumsum((counts + self.kept.counts(rows))[by_arrival])
        in_time = max(1, int(np.searchsorted(costs, STEP_FIXES, side="right")))
        rows = np.sort(rows[by_arrival[:in_time]])
        is_taken = np.isin(self._row, rows)
        row, late = self._row[is_taken], self._late[is_taken]
        self._wait(~is_taken)
        order = np.lexsort((late["time_ms"], row))
        offsets = np.append(np.searchsorted(row[order], rows), len(row))
        return rows, late[order], offsets

    def _compare(
        self,
        replay: Replay,
        place: int,
        told: list[Visit],
        opened: Sequence[Visit],
        ends: Sequence[Said],
        state: FenceState,
        visit_of: NDArray[np.int64],
    ) -> list["Telling"]:
        """What there is to tell of a vehicle; fills in the ids of the visits that began.

        Args:
            replay: of several vehicles.
            place: the vehicle's in there.
            told: what was told of it since.
            opened: what was open before.
            ends: what happened since.
            state: gives out ids.
            visit_of: the ids, by number in the replay.
        """
        row, known = int(replay.rows[place]), {visit.visit: visit for visit in told}
        opened = [known.get(visit.visit, visit) for visit in opened]
        told = told + [visit for visit in opened if visit.visit not in known]
        found = _applied([visit._replace(left=None) for visit in opened], ends)
        now: list[Visit] = []
        if replay.has_settled:
            now, told = _split(replay, place, told)
            _, found = _split(replay, place, found)
        tellings: list[Telling] = []
        for old, new in _pairs(told, found):
            if new is not None and new.visit >= FIRST_NEW:
                number = state.next_visit if old is None else old.visit
                state.next_visit += old is None
                visit_of[new.visit - FIRST_NEW] = number
                new = new._replace(visit=number)  # noqa: PLW2901
            if new is not None:
                now.append(new)
            tellings += _tellings(row, old, new)
        self._remember(row, now)
        return sorted(tellings, key=lambda telling: (telling.kind != Kind.WITHDRAWN, telling.time_ms))

    def _relevant(self, row: int, since_ms: int) -> list[Visit]:
        """What was told of a vehicle, without what had ended for certain by a fix of this time."""
        told = _applied(self._told.get(row, []), self._unread.pop(row, []))
        return [visit for visit in told if visit.left is None or visit.left.fix_time_ms > since_ms]

    def _remember(self, row: int, told: list[Visit]) -> None:
        if told:
            self._told[row] = told
        else:
            self._told.pop(row, None)


class Telling(NamedTuple):
    """An event, in the words of `FenceEvents`."""

    row: int
    handle: int
    kind: Kind
    visit: int
    time_ms: int
    lat_deg: float
    lon_deg: float
    fix_time_ms: int
    entered_ms: int
    left_ms: int


def _tellings(row: int, old: Visit | None, new: Visit | None) -> Iterator[Telling]:
    """What to say of a visit that was told as `old` and is `new`."""

    def tell(kind: Kind, visit: Visit, end: End, left: End | None) -> Telling:
        left_ms = NONE if left is None else left.time_ms
        return Telling(row, visit.handle, kind, visit.visit, *end, visit.entered.time_ms, left_ms)

    if new is None:
        if old is not None:
            yield tell(Kind.WITHDRAWN, old, old.entered, old.left)
        return
    left = new.left
    if old is None:
        yield tell(Kind.ENTER, new, new.entered, None)
    elif old.entered.is_other(new.entered):
        yield tell(Kind.CORRECTED, new, new.entered, left)
    elif old.left is not None and left is None:
        yield tell(Kind.CORRECTED, new, new.entered.placed(old.left), left)
    if left is not None and (old is None or old.left is None):
        yield tell(Kind.EXIT, new, left, left)
    elif left is not None and old is not None and old.left is not None and old.left.is_other(left):
        yield tell(Kind.CORRECTED, new, left, left)


def _pairs(told: Sequence[Visit], found: Sequence[Visit]) -> Iterator[tuple[Visit | None, Visit | None]]:
    """What is told beside what is found: by id, else the first of the same fence with a moment in common; None: there is none."""
    numbers = {visit.visit for visit in found}
    by_number = {visit.visit: visit for visit in told}
    rest = sorted((visit for visit in told if visit.visit not in numbers), key=lambda visit: visit.entered)
    for new in sorted(found, key=lambda visit: visit.entered):
        old = by_number.get(new.visit)
        if old is None:
            old = next((visit for visit in rest if visit.handle == new.handle and visit.overlaps(new)), None)
            if old is not None:
                rest.remove(old)
        yield old, new
    for old in rest:
        yield old, None


def _found(replay: Replay) -> dict[int, tuple[list[Visit], list[Said]]]:
    """By place, the visits that were open before what was evaluated again, and what happened then.

    Where the visits began is not known any more.
    """
    found: dict[int, tuple[list[Visit], list[Said]]] = {}
    for place, handle, visit, entered_ms in zip(*(column.tolist() for column in replay.opened), strict=True):
        entered = End(entered_ms, np.nan, np.nan, entered_ms)
        found.setdefault(place, ([], []))[0].append(Visit(handle, visit, entered))
    for said in _said(replay.events):
        found.setdefault(said[0], ([], []))[1].append(said)
    return found


def _split(replay: Replay, place: int, visits: list[Visit]) -> tuple[list[Visit], list[Visit]]:
    """Visits of fences of which nothing may be said anew, and the others."""
    handles = np.array([visit.handle for visit in visits], np.int32)
    is_settled = replay.is_settled(np.full(len(visits), place), handles).tolist()
    pairs = list(zip(visits, is_settled, strict=True))
    return [visit for visit, settled in pairs if settled], [visit for visit, settled in pairs if not settled]


def _said(events: FenceEvents) -> Iterable[Said]:
    columns = (
        events.row, events.handle, events.kind, events.visit, events.entered_ms,
        events.time_ms, events.lat_deg, events.lon_deg, events.fix_time_ms,
    )  # fmt: skip
    return zip(*(column.tolist() for column in columns), strict=True)


def _applied(visits: Iterable[Visit], ends: Iterable[Said]) -> list[Visit]:
    """The visits after what was said of them."""
    by_number = {visit.visit: visit for visit in visits}
    for _, handle, kind, number, entered_ms, *end in ends:
        if kind == Kind.ENTER:
            by_number[number] = Visit(handle, number, End(*end))
        else:
            unknown = Visit(handle, number, End(entered_ms, np.nan, np.nan, entered_ms))
            by_number[number] = by_number.get(number, unknown)._replace(left=End(*end))
    return list(by_number.values())


def _events(tellings: Sequence[Telling]) -> FenceEvents:
    if not tellings:
        return no_events()
    return fence_events(
        cause=Cause.LATE,
        **dict(zip(Telling._fields, map(np.array, zip(*tellings, strict=True)), strict=True)),
    )
