"""What changed: who entered and who left which fence, when and where. The face of `geo.kernels.fence_transitions`.

A vehicle moves in a straight line of longitude and latitude (the short way around) from one evaluated fix to the next, at
constant speed. It enters at the first point of that line on the fence's boundary and leaves at the last.

Who is parked at a boundary is not to enter and leave with every wobble of the receiver. So a fix on the other side than the believed
one, of accuracy a and d from the boundary, has to prove it. The vehicle has moved when, since the fix that proved its last change of
this fence, one was further from that fix than three times both accuracies together; with no change yet, it has. If it has moved:
by d > a, or by being the second such fix in a row. If it may still stand where it was: by d > 3 a. A fix on the believed side again
drops what was pending. A vehicle's first fix, and one whose accuracy is NaN or 0, prove at once, and after the latter the
vehicle counts as moved. The event is the crossing to the first fix on the other side, whichever fix proved it.

So a vehicle that stands, with all its fixes within three accuracies of where it stands, has no two changes in the same direction,
whatever the shape of the fence and the order of the fixes: after its first change it never has moved, and by d > 3 a only the side on
which it truly is can be proved. Where the accuracy is the radius of 68 % of a normal distribution, 1 fix in 28,000 is further off.

Of the fixes near the one that proved the last change, one that with three times its accuracy lies within three times that one's
takes its place: it knows better where the vehicle is, and whoever has moved by the old place has by the new one.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import FenceEvents, fence_events, join_events, no_events
from geo.fence_match import FenceHits, FencePlaces, as_column, match_fences
from geo.fence_match import warm_up as warm_up_match
from geo.fence_set import FenceSet, build_fence_set
from geo.kernels import fence_transitions as kernel
from geo.zero_rows import zero_rows

_SLOTS = 4
_MOST_BOXES = (
    64  # with more edits it takes as long to find the vehicles that they can touch as to look at all
)


class OpenVisits(NamedTuple):
    """Visits that have not ended, as columns: row int32, handle int32, visit int64, entered_ms int64."""

    row: NDArray[np.int32]
    handle: NDArray[np.int32]
    visit: NDArray[np.int64]
    entered_ms: NDArray[np.int64]


class Slots(NamedTuple):
    """All that is believed and in doubt of vehicles and fences, as columns: row int32, the others as in `States` of the kernel.

    Where doubt is 0 the vehicle is inside, and the columns after it mean nothing.
    """

    row: NDArray[np.int32]
    handle: NDArray[np.int32]
    visit: NDArray[np.int64]
    entered_ms: NDArray[np.int64]
    doubt: NDArray[np.int8]
    turn_ms: NDArray[np.int64]
    turn_lat: NDArray[np.float64]
    turn_lon: NDArray[np.float64]
    still_lat: NDArray[np.float64]
    still_lon: NDArray[np.float64]
    still_m: NDArray[np.float64]


class FenceState:
    """What each vehicle is believed inside, and where it was last evaluated. Arrays by row, in `states`; they are replaced when they grow.

    Args:
        next_visit: id of the next visit; ids go up by one and stay below 2^53.
    """

    def __init__(self, next_visit: int) -> None:
        self.next_visit = next_visit
        self.states = _states(0, _SLOTS)

    def ensure_rows(self, rows: int) -> None:
        """Make room for rows 0 to rows - 1; new ones are unknown and inside nothing."""
        if rows > len(self.states.used):
            self._grow(max(rows, 2 * len(self.states.used)), self.states.handle.shape[1])

    def ensure_slots(self, slots: int) -> None:
        """Make room for vehicles inside, or in doubt of, so many fences at once."""
        if slots > self.states.handle.shape[1]:
            self._grow(len(self.states.used), max(slots, 2 * self.states.handle.shape[1]))

    def inside(self, row: int) -> NDArray[np.int32]:
        """Handles of the fences that a vehicle is believed inside, ascending."""
        used = self.states.used[row]
        is_inside = self.states.doubt[row, :used] & kernel.OUTSIDE == 0
        inside: NDArray[np.int32] = self.states.handle[row, :used][is_inside]
        return inside

    def forget(self, row: int) -> None:
        """The vehicle is gone: it is nowhere, and its next fix is its first."""
        if row < len(self.states.used):
            self.states.used[row] = 0
            self.states.is_known[row] = False

    def open_visits(self, rows: NDArray[np.integer]) -> OpenVisits:
        """The open visits of these rows, in the order given, then by handle."""
        row, slot = self._in_use(rows)
        is_inside = self.states.doubt[row, slot] & kernel.OUTSIDE == 0
        row, slot = row[is_inside], slot[is_inside]
        return OpenVisits(row.astype(np.int32), *self._columns(OpenVisits._fields[1:], row, slot))

    def slots(self, rows: NDArray[np.integer]) -> Slots:
        """All that `restore` needs of these rows, in the order given, then by handle."""
        row, slot = self._in_use(rows)
        return Slots(row.astype(np.int32), *self._columns(Slots._fields[1:], row, slot))

    def taken(self, rows: NDArray[np.integer]) -> "FenceState":
        """A copy of these vehicles, in this order."""
        copy = FenceState(self.next_visit)
        copy.states = kernel.States(*(column[rows] for column in self.states))
        return copy

    def put(self, rows: NDArray[np.integer], other: "FenceState") -> None:
        """Let be known of these vehicles what `other` knows of its own, in this order."""
        slots = other.states.handle.shape[1]
        self.ensure_slots(slots)
        columns: Iterator[tuple[NDArray[Any], NDArray[Any]]] = zip(self.states, other.states, strict=True)
        for column, values in columns:
            if column.ndim == 1:
                column[rows] = values
            else:
                column[rows, :slots] = values

    def restore(
        self,
        rows: NDArray[np.int32],
        time_ms: NDArray[np.int64],
        lat_deg: NDArray[np.float64],
        lon_deg: NDArray[np.float64],
        known: Slots | OpenVisits,
    ) -> None:
        """Continue where an earlier run was: vehicles of fresh rows, where they were last evaluated, and what was known of them.

        With open visits only, these are beyond doubt. Visit ids go on above the highest restored one.
        """
        self.ensure_rows(int(rows.max(initial=-1)) + 1)
        order = np.lexsort((known.handle, known.row))
        row = known.row[order]
        _, first, counts = np.unique(row, return_index=True, return_counts=True)
        self.ensure_slots(int(counts.max(initial=0)))
        states = self.states
        slot = np.arange(len(row)) - np.repeat(first, counts)
        states.doubt[row, slot] = 0
        for name in known._fields[1:]:
            getattr(states, name)[row, slot] = getattr(known, name)[order]
        states.used[row[first]] = counts
        states.is_known[rows] = True
        states.time_ms[rows], states.lat_deg[rows], states.lon_deg[rows] = time_ms, lat_deg, lon_deg
        self.next_visit = max(self.next_visit, int(known.visit.max(initial=-1)) + 1)

    def _in_use(self, rows: NDArray[np.integer]) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Row and number of each slot in use of these rows."""
        place, slot = np.nonzero(np.arange(self.states.handle.shape[1]) < self.states.used[rows][:, None])
        return rows[place], slot

    def _columns(
        self, names: Iterable[str], row: NDArray[np.integer], slot: NDArray[np.integer]
    ) -> Iterator[NDArray[Any]]:
        return (getattr(self.states, name)[row, slot] for name in names)

    def _grow(self, rows: int, slots: int) -> None:
        grown = _states(rows, slots)
        used = np.flatnonzero(self.states.used)
        arrays: Iterator[tuple[NDArray[Any], NDArray[Any]]] = zip(self.states, grown, strict=True)
        for old, new in arrays:
            if old.ndim == 1:
                new[: len(old)] = old
            else:
                new[used, : old.shape[1]] = old[used]  # what was never written takes no memory
        self.states = grown


def find_transitions(
    state: FenceState,
    fence_set: FenceSet,
    row: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
    hits: FenceHits,
    accuracy_m: NDArray[np.floating] | None = None,
    begin: int = 0,
) -> FenceEvents:
    """Enters and exits of fixes, in order; of one vehicle there may be several. Updates `state`.

    A vehicle's first fix ever enters at its own time and place. A visit of a fence that is not in the set any more ends at the
    fix, with cause FENCE_CHANGED; `refresh_fences` right after a swap says it sooner.

    Args:
        state: all vehicles'.
        fence_set: the one that `hits` come from.
        row: int32[n], the vehicles.
        time_ms: int64[n], not before the vehicle's last evaluated fix.
        lat_deg: float64[n].
        lon_deg: float64[n].
        hits: from `match_fences` for these fixes.
        accuracy_m: float64[n], NaN or 0 where unknown; without it, all are.
        begin: the first fix to look at; those before it have been.
    """
    state.ensure_rows(int(row.max(initial=-1)) + 1)
    accuracy = np.zeros(len(row)) if accuracy_m is None else accuracy_m
    columns = (
        as_column(row, np.int32),
        as_column(time_ms, np.int64),
        as_column(lat_deg, float),
        as_column(lon_deg, float),
        as_column(accuracy, float),
        as_column(hits.offsets, np.int64),
        as_column(hits.fence, np.int32),
    )
    parts, done = [], begin
    while True:
        whole, places, state.next_visit, done = kernel.find(
            state.states, _fences(fence_set), *columns, done, state.next_visit
        )
        parts.append(_events(whole, places))
        if done == len(row):
            return join_events(parts)
        hits_of_fix = int(hits.offsets[done + 1] - hits.offsets[done])
        state.ensure_slots(int(state.states.used[row[done]]) + hits_of_fix)


def refresh_fences(
    state: FenceState,
    fence_set: FenceSet,
    rows: NDArray[np.int32],
    fleet_number: NDArray[np.int32],
    now_ms: int,
    since: int = -1,
    places: FencePlaces | None = None,
) -> FenceEvents:
    """Enters and exits because the fences changed: after a swap, for vehicles that stay where they were last seen.

    Where an edit changes the side of the last fix, that side is believed; elsewhere what is pending stays so. When the set knows what
    was edited since the last refresh, only vehicles that these edits can touch are looked at; the events are the same.

    Args:
        state: all vehicles'; updated.
        fence_set: the new one.
        rows: int32[n], vehicles to look at; those never evaluated have no events.
        fleet_number: int32[n], theirs.
        now_ms: the events' time.
        since: the version of the last refresh, or of the set that all of `rows` were evaluated with; -1: there was none.
        places: as `match_fences` has it.
    """
    state.ensure_rows(int(rows.max(initial=-1)) + 1)
    chosen = _touched(state, fence_set, rows, fleet_number, since)
    rows = as_column(rows[chosen], np.int32)
    at = state.states.lat_deg[rows], state.states.lon_deg[rows]
    hits = match_fences(fence_set, fleet_number[chosen], *at, places, rows)
    state.ensure_slots(int((state.states.used[rows] + np.diff(hits.offsets)).max(initial=0)))
    whole, where, state.next_visit = kernel.refresh(
        state.states, _fences(fence_set), rows, now_ms, hits.offsets, hits.fence, state.next_visit
    )
    return _events(whole, where)


def _touched(
    state: FenceState,
    fence_set: FenceSet,
    rows: NDArray[np.int32],
    fleet_number: NDArray[np.int32],
    since: int,
) -> NDArray[np.integer]:
    """Which places in `rows` hold known vehicles whose fences may have changed."""
    edited = fence_set.edited_since(since)
    if edited is None or len(edited) > _MOST_BOXES:
        return np.flatnonzero(state.states.is_known[rows])
    index = np.empty_like(edited)
    kernel.index_of_each(_fences(fence_set), edited, index)
    index = index[index >= 0]
    boxes = fence_set.shapes.bounds[index], fence_set.fleet_number[index]
    found = np.empty(len(rows), np.int32)
    columns = as_column(rows, np.int32), as_column(fleet_number, np.int32)
    count = kernel.touched(state.states, *columns, edited, boxes[1], boxes[0], found)
    return found[:count]


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses, `match_fences` included."""
    warm_up_match()
    state, empty = FenceState(0), build_fence_set([], 0)
    row, time_ms, place = np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1)
    hits = match_fences(empty, row, place, place)
    find_transitions(state, empty, row, time_ms, place, place, hits)
    for since in (-1, 0):
        refresh_fences(state, empty, row, row, 0, since)


def _fences(fence_set: FenceSet) -> kernel.Fences:
    return kernel.Fences(fence_set.shapes, fence_set.handles, fence_set.is_gone)


def _states(rows: int, slots: int) -> kernel.States:
    return kernel.States(
        used=zero_rows(rows, np.int32),
        handle=zero_rows((rows, slots), np.int32),
        visit=zero_rows((rows, slots), np.int64),
        entered_ms=zero_rows((rows, slots), np.int64),
        doubt=zero_rows((rows, slots), np.int8),
        turn_ms=zero_rows((rows, slots), np.int64),
        turn_lat=zero_rows((rows, slots), np.float64),
        turn_lon=zero_rows((rows, slots), np.float64),
        still_lat=zero_rows((rows, slots), np.float64),
        still_lon=zero_rows((rows, slots), np.float64),
        still_m=zero_rows((rows, slots), np.float64),
        is_known=zero_rows(rows, np.bool_),
        time_ms=zero_rows(rows, np.int64),
        lat_deg=zero_rows(rows, np.float64),
        lon_deg=zero_rows(rows, np.float64),
    )


def _events(whole: NDArray[np.int64], places: NDArray[np.float64]) -> FenceEvents:
    if not len(whole):
        return no_events()
    numbers, lat_lon = whole.T.copy(), places.T.copy()
    numbers.flags.writeable = lat_lon.flags.writeable = False
    return fence_events(
        row=numbers[kernel.ROW],
        handle=numbers[kernel.HANDLE],
        kind=numbers[kernel.KIND],
        cause=numbers[kernel.CAUSE],
        visit=numbers[kernel.VISIT],
        time_ms=numbers[kernel.TIME],
        lat_deg=lat_lon[0],
        lon_deg=lat_lon[1],
        fix_time_ms=numbers[kernel.FIX_TIME],
        fix=numbers[kernel.FIX],
        entered_ms=numbers[kernel.ENTERED],
        left_ms=numbers[kernel.LEFT],
    )
