"""The newest fixes of each vehicle, so that one that comes late is evaluated where it belongs. The face of `geo.kernels.late_fixes`.

A vehicle's fixes are kept in two halves, and with each what was known of the vehicle before it. A late fix is put among them by its
time, and all are evaluated again from the older half's beginning, by the same rules as ever: so what is known in the end is what the same
fixes in their right order would have left. A half grows for `window_ms` or three eighths of `fixes_per_row`; when a third
one begins, the oldest is dropped. So the last `window_ms` can be reached, if they hold no more fixes than a half does.

Which of them are believed is decided anew each time, by the filter's rule in the order of time; so fixes that it refused for a jump, in
order of arrival, are put among them too. A vehicle is open while that leaves the filter elsewhere than it is. What it sends then is not for the
live path, even if it is in order: it is put among the others as if it came late. Who is not open, and sends in order, is told what
the order of time would tell.

Fences that were edited since the older half began are left out: what is known of them stays (see `Replay.is_settled`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.fence_events import FenceEvents, join_events
from geo.fence_match import FenceHits, FencePlaces, match_fences
from geo.fence_set import FenceSet, build_fence_set
from geo.fence_transitions import FenceState, OpenVisits, find_transitions
from geo.kernels import late_fixes as kernel
from geo.kernels.fence_transitions import States
from geo.kernels.plausible_fixes import FIX
from geo.kernels.track_filter import NEVER_MS, TRACK_ROW, FilterLimits
from geo.zero_rows import zero_rows

__all__ = ["FIRST_NEW", "FIX", "LateFixes", "Replay", "warm_up"]

FIRST_NEW = 2**62
"""Visits that a replay has begun are numbered from here on."""

LEAST_FIXES = 16
_SLOT_COLUMNS = (
    "handle", "visit", "entered_ms", "doubt", "turn_ms", "turn_lat", "turn_lon",
    "still_lat", "still_lon", "still_m",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Replay:
    """What vehicles did, evaluated again; k vehicles.

    Attributes:
        rows: int32[k], the vehicles.
        since_ms: int64[k], the last fix before what was evaluated again; far in the past where there was none.
        opened: visits that were open then; `row` is the place in `rows`.
        events: what happened from then on; `row` is the place in `rows`, visits begun have ids from FIRST_NEW up by one.
        begun: how many those are.
    """

    rows: NDArray[np.int32]
    since_ms: NDArray[np.int64]
    opened: OpenVisits
    events: FenceEvents
    begun: int
    _fence_set: FenceSet
    _version: NDArray[np.int64]
    _fixes: tuple[NDArray[np.void], NDArray[np.int64], NDArray[np.int64]]  # merged, offsets, cuts
    _states: tuple[FenceState, FenceState, FenceState]  # before the older half, before the newer, at the end

    @property
    def has_settled(self) -> bool:
        """Whether any fence was edited since."""
        return bool((self._version != self._fence_set.version).any())

    def is_settled(self, place: NDArray[np.integer], handle: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether nothing may be said anew of these fences and vehicles, because the fence was edited since."""
        is_settled: NDArray[np.bool_] = self._fence_set.since_of(handle) > self._version[place]
        return is_settled


class LateFixes:
    """What is kept of all vehicles: 32 bytes a fix and about 680 more a vehicle, of those only that have sent something.

    Args:
        fixes_per_row: most fixes kept of one vehicle, 16 at the least.
        window_ms: how long a half grows.
    """

    def __init__(self, fixes_per_row: int, window_ms: int) -> None:
        self._capacity = max(fixes_per_row, LEAST_FIXES)
        self._window_ms = window_ms
        self._head = np.zeros(0, kernel.HEAD)
        self._fixes = np.zeros((0, self._capacity + kernel.SPARE), FIX)
        self._older, self._newer = FenceState(0), FenceState(0)
        self._turn = 0
        self._open = 0
        self._version = -1
        self._has_fences = np.zeros(0, np.bool_)

    def ensure_rows(self, rows: int) -> None:
        """Make room for rows 0 to rows - 1; new ones have sent nothing."""
        old = len(self._head)
        if rows > old:
            size = max(rows, 2 * old, 64)
            head, fixes = np.zeros(size, kernel.HEAD), zero_rows((size, self._fixes.shape[1]), FIX)
            used = np.flatnonzero(self._head["count"])
            head["open_ms"] = NEVER_MS
            head[:old], fixes[used] = self._head, self._fixes[used]  # what was never written takes no memory
            self._head, self._fixes = head, fixes
            self._older.ensure_rows(size)
            self._newer.ensure_rows(size)

    def forget(self, row: int) -> None:
        """The vehicle is gone."""
        if row < len(self._head):
            self._open -= self._count_open(np.array([row]))
            self._head["count"][row], self._head["open_ms"][row] = 0, NEVER_MS

    def has_fences(self, fleet_number: NDArray[np.integer]) -> NDArray[np.bool_]:
        """bool: whether fixes of vehicles of these fleets are kept."""
        has_fences: NDArray[np.bool_] = np.append(self._has_fences, False)[
            np.minimum(fleet_number, len(self._has_fences))
        ]
        return has_fences

    def is_open(self, rows: NDArray[np.integer], time_ms: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """bool: which of these fixes, which are in order, are of open vehicles, and to be put among their other fixes; None: none is."""
        if not self._open:
            return None
        head = self._head[rows]
        is_open: NDArray[np.bool_] = (head["open_ms"] >= time_ms) & (head["count"] > 0)
        return is_open if is_open.any() else None

    def _count_open(self, rows: NDArray[np.integer]) -> int:
        return int(np.count_nonzero(self._head["open_ms"][rows] != NEVER_MS))

    def counts(self, rows: NDArray[np.integer]) -> NDArray[np.int32]:
        """int32: how many fixes are kept of these vehicles."""
        counts: NDArray[np.int32] = self._head["count"][rows]
        return counts

    def since_ms(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """int64: fixes of later than this can be put among those kept; far in the past where all can, in the future where none."""
        states = self._older.states
        since_ms = np.where(states.is_known[rows], states.time_ms[rows], -FIRST_NEW)
        return np.where(self.counts(rows) > 0, since_ms, FIRST_NEW)

    def append(
        self,
        state: FenceState,
        fence_set: FenceSet,
        fleet_number: NDArray[np.int32],
        columns: tuple[NDArray[Any], ...],
        begin: int,
    ) -> int:
        """Keep fixes that are in order, before `state` hears of them; only those of fleets with fences.

        Args:
            state: what is known of the vehicles before these fixes.
            fence_set: in force.
            fleet_number: int32[n], the vehicles' fleets.
            columns: row int32[n], time_ms int64[n], lat_deg, lon_deg and accuracy_m float64[n].
            begin: the first fix to keep.

        Returns:
            The first fix that was not kept: tell `state` of those before it, then go on.
        """
        if fence_set.version != self._version:
            self._version = fence_set.version
            self._has_fences = _has_fences(fence_set)
        slots = state.states.handle.shape[1]
        self._older.ensure_slots(slots)
        self._newer.ensure_slots(slots)
        self._turn += 1
        row, time_ms, lat_deg, lon_deg, accuracy_m = columns
        return kernel.append(
            self._head, self._fixes, self._older.states, self._newer.states, state.states,
            row, fleet_number, time_ms, lat_deg, lon_deg, accuracy_m,
            self._has_fences, begin, self._turn, fence_set.version, self._window_ms,
        )  # fmt: skip

    def replay(
        self,
        fence_set: FenceSet,
        fleet_number: NDArray[np.int32],
        rows: NDArray[np.int32],
        late: NDArray[np.void],
        late_offsets: NDArray[np.int64],
        track: NDArray[np.void],
        limits: FilterLimits,
    ) -> tuple[Replay, int]:
        """Evaluate vehicles again with their late fixes. Changes nothing before `keep`.

        A late fix of a time that is known is dropped. Of all, late or not, the filter's rule on jumps is asked again, now that they are in
        order: so a fix where the vehicle cannot have been is left out, until others that come late bear it out.

        Args:
            fence_set: in force.
            fleet_number: int32, of each row.
            rows: int32[k], vehicles of which fixes are kept, each once.
            late: FIX[n], late ones, implausible ones and those of open vehicles, of later than `since_ms`, by vehicle and time.
            late_offsets: int64[k + 1], where each vehicle's begin.
            track: of the filter, by row (`geo.track_filter.TrackState`).
            limits: of the filter.

        Returns:
            The vehicles for which there was something to evaluate, and how many of `late` are left out as impossible.
        """
        total = int(self.counts(rows).sum()) + len(late)
        merged, is_believed = np.empty(total, FIX), np.empty(total, np.bool_)
        offsets, cuts = np.empty(len(rows) + 1, np.int64), np.zeros((len(rows), 4), np.int64)
        implausible = kernel.merge(
            self._head, self._fixes, self._older.states, self._newer.states, rows,
            late, late_offsets, track, limits, merged, is_believed, offsets, cuts,
        )  # fmt: skip
        has_some = np.diff(offsets) > 0
        rows, cuts, offsets = rows[has_some], cuts[has_some], np.append(0, offsets[1:][has_some])
        fixes = merged[: offsets[-1]], offsets, cuts
        since_ms, version = self.since_ms(rows), self._head["version"][rows]
        state = self._older.taken(rows)
        state.next_visit = FIRST_NEW
        opened = state.open_visits(_places(rows))
        events, states = _evaluate(state, fence_set, fleet_number[rows], fixes, is_believed[: len(fixes[0])])
        begun = state.next_visit - FIRST_NEW
        replay = Replay(rows, since_ms, opened, events, begun, fence_set, version, fixes, states)
        return replay, implausible

    def keep(self, replay: Replay, state: FenceState, visit_of: NDArray[np.int64]) -> None:
        """Let what was evaluated again be what is known.

        Args:
            replay: the last one; of these vehicles nothing else has come since.
            state: what is known of all vehicles; updated.
            visit_of: int64[replay.begun], the ids of the visits that it has begun.
        """
        for target, source in zip((self._older, self._newer, state), replay._states, strict=True):  # noqa: SLF001 - made above
            visit = source.states.visit
            is_new = visit >= FIRST_NEW
            visit[is_new] = visit_of[visit[is_new] - FIRST_NEW]
            if replay.has_settled:
                _carry(source, target, replay)
            target.put(replay.rows, source)
        before = self._count_open(replay.rows)
        kernel.put_back(self._head, self._fixes, replay.rows, *replay._fixes)  # noqa: SLF001
        self._open += self._count_open(replay.rows) - before


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses; after `fence_transitions.warm_up`."""
    kept, state, fence_set = LateFixes(LEAST_FIXES, 1), FenceState(0), build_fence_set([], 0)
    kept.ensure_rows(1)
    state.ensure_rows(1)
    row, time_ms, place = np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1)
    kept.append(state, fence_set, row, (row, time_ms, place, place, place), 0)
    limits = FilterLimits(0, 0, 1.0, 1.0, 1.0, 1.0, 1.0)
    track = np.zeros(1, TRACK_ROW)
    replay, _ = kept.replay(fence_set, row, row, np.zeros(1, FIX), np.array([0, 1]), track, limits)
    kept.keep(replay, state, np.zeros(replay.begun, np.int64))


def _has_fences(fence_set: FenceSet) -> NDArray[np.bool_]:
    """Bool by fleet number: whether a fleet has, or had a while ago, a fence."""
    tables = [table for table in (fence_set.table, fence_set.edited) if table is not None]
    has_fences = np.zeros(max(len(table.fleet_root) for table in tables), np.bool_)
    for table in tables:
        has_fences[: len(table.fleet_root)] |= table.fleet_root >= 0
    return has_fences


def _evaluate(
    state: FenceState,
    fence_set: FenceSet,
    fleets: NDArray[np.int32],
    fixes: tuple[NDArray[np.void], NDArray[np.int64], NDArray[np.int64]],
    is_believed: NDArray[np.bool_],
) -> tuple[FenceEvents, tuple[FenceState, FenceState, FenceState]]:
    """Events of all fixes that are believed, and the states before each half and at the end; `state` is the one at the beginning."""
    merged, offsets, cuts = fixes
    place = np.repeat(_places(fleets), np.diff(offsets))
    index = np.arange(len(merged)) - offsets[place]
    part = (index >= cuts[place, 0]).astype(np.int8) + (index >= cuts[place, 1])
    order = np.argsort(part, kind="stable")
    order = order[is_believed[order]]
    merged, place = merged[order], place[order]
    columns = tuple(np.ascontiguousarray(merged[name]) for name in ("time_ms", "lat", "lon", "accuracy_m"))
    time_ms, lat_deg, lon_deg, accuracy_m = columns
    hits = match_fences(fence_set, fleets[place], lat_deg, lon_deg, FencePlaces(), place)
    parts, states, begin = [], [], 0
    for end in np.searchsorted(part[order], [1, 2, 3]).tolist():
        if begin < end:
            parts.append(
                find_transitions(
                    state, fence_set, place[:end], time_ms[:end], lat_deg[:end], lon_deg[:end],
                    FenceHits(hits.offsets[: end + 1], hits.fence), accuracy_m[:end], begin,
                )
            )  # fmt: skip
        states.append(state.taken(_places(fleets)))
        begin = end
    older, newer, last = states
    return join_events(parts), (older, newer, last)


def _places(values: NDArray[Any]) -> NDArray[np.int32]:
    return np.arange(len(values), dtype=np.int32)


def _carry(source: FenceState, target: FenceState, replay: Replay) -> None:
    """Of settled fences, put what `target` says into `source`."""
    places = _places(replay.rows)
    kept = _slots(target.states, replay.rows, places, replay.is_settled)
    if not (len(kept[0]) or _slots(source.states, places, places, replay.is_settled)[0].size):
        return
    own = _slots(source.states, places, places, lambda *slot: ~replay.is_settled(*slot))
    place, values = _joined(own, kept)
    counts = np.bincount(place, minlength=len(places))
    source.ensure_slots(int(counts.max(initial=0)))
    slot = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
    for name, column in zip(_SLOT_COLUMNS, values, strict=True):
        getattr(source.states, name)[place, slot] = column
    source.states.used[places] = counts


Slots = tuple[NDArray[np.int64], list[NDArray[Any]]]


def _slots(
    states: States,
    rows: NDArray[np.int32],
    places: NDArray[np.int32],
    is_wanted: Callable[[NDArray[np.integer], NDArray[np.int32]], NDArray[np.bool_]],
) -> Slots:
    """Some slots in use of some vehicles: the vehicle's place, and the columns of the slots."""
    i, slot = np.nonzero(np.arange(states.handle.shape[1]) < states.used[rows][:, None])
    wanted = is_wanted(places[i], states.handle[rows[i], slot])
    i, slot = i[wanted], slot[wanted]
    return i, [getattr(states, name)[rows[i], slot] for name in _SLOT_COLUMNS]


def _joined(one: Slots, other: Slots) -> Slots:
    """Both, by place and handle."""
    place = np.concatenate([one[0], other[0]])
    columns = [np.concatenate(pair) for pair in zip(one[1], other[1], strict=True)]
    order = np.lexsort((columns[0], place))
    return place[order], [column[order] for column in columns]
