"""Which fixes are taken: all reasons against each as bits, and the fix that a vehicle holds back until the next.

A fix is refused for any reason but `OUT_OF_ORDER`: one that is merely late is taken for history and moves no marker.

Whether a vehicle can have been somewhere is asked here in order of arrival, because the map cannot wait. What lasts, history and visits, goes by
the order of time (`geo.late_fixes`, `geo.plausible_fixes`); so a fix that is refused for a jump alone is handed on too.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.kernels import track_filter as kernel
from geo.kernels.track_filter import FilterLimits
from geo.positions import COLUMNS, PositionBatch, concatenate, from_columns, position_batch
from geo.zero_rows import zero_rows

__all__ = [
    "SEQUENCES",
    "FilterLimits",
    "FilterResult",
    "Reason",
    "Refusals",
    "TrackState",
    "filter_track",
    "warm_up",
]


class Reason(IntFlag):
    """Why a fix was refused (or, for OUT_OF_ORDER alone, taken late). Bits, because a fix can have several."""

    INVALID_COORDINATE = kernel.INVALID_COORDINATE
    NULL_ISLAND = kernel.NULL_ISLAND
    FUTURE = kernel.FUTURE
    STALE = kernel.STALE
    DUPLICATE = kernel.DUPLICATE
    OUT_OF_ORDER = kernel.OUT_OF_ORDER
    IMPOSSIBLE_JUMP = kernel.IMPOSSIBLE_JUMP
    POOR_ACCURACY = kernel.POOR_ACCURACY
    RATE_LIMITED = kernel.RATE_LIMITED
    UNSTORABLE = kernel.UNSTORABLE


REASON_NAMES: tuple[str, ...] = tuple((reason.name or "").lower() for reason in Reason)
"""Names as the wire has them; index = number of the bit."""


SEQUENCES = np.dtype([("top_seq", np.int64), ("window", np.uint64), ("handled_seq", np.int64)])
"""What is known of one vehicle's sequences: the fields of TRACK_ROW of these names."""


@dataclass(frozen=True, slots=True)
class Refusals:
    """Refused fixes as columns of equal length.

    Attributes:
        row: int32.
        seq: int64.
        reasons: uint32, bits of `Reason`.
        source: int64, the index in the batch; below zero: of no batch at hand, it was held back from an earlier one.
    """

    row: NDArray[np.int32]
    seq: NDArray[np.int64]
    reasons: NDArray[np.uint32]
    source: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, chosen: NDArray[Any]) -> "Refusals":
        """Those at these indices, or where this mask is true."""
        return Refusals(self.row[chosen], self.seq[chosen], self.reasons[chosen], self.source[chosen])

    def counts(self) -> NDArray[np.int64]:
        """How many carry each reason, index = number of the bit; a fix with two reasons counts under both."""
        return np.array([np.count_nonzero(self.reasons & reason.value) for reason in Reason], np.int64)


@dataclass(frozen=True, slots=True)
class FilterResult:
    """What became of a batch.

    Attributes:
        accepted: the fixes taken, in the order of the track; a held fix stands before the one that bore it out.
        is_late: bool beside `accepted`: taken, but older than the newest.
        refused: the rest, but for those held back.
        implausible: those of `refused` that are refused for a jump alone; None: there are none.
        kept: what is to be kept, the accepted ones and the implausible ones; of each vehicle in order of arrival if there are of both.
    """

    accepted: PositionBatch
    is_late: NDArray[np.bool_]
    refused: Refusals
    implausible: PositionBatch | None
    kept: PositionBatch

    @property
    def in_order(self) -> PositionBatch:
        """The fixes taken that are newer than those before."""
        return self.accepted.take(np.flatnonzero(~self.is_late)) if self.is_late.any() else self.accepted

    @property
    def out_of_turn(self) -> PositionBatch | None:
        """The others that are kept, late or implausible; None: there are none."""
        late = self.accepted.take(np.flatnonzero(self.is_late)) if self.is_late.any() else None
        parts = [part for part in (late, self.implausible) if part is not None]
        return concatenate(parts) if parts else None


class TrackState:
    """What the filter knows of each vehicle: newest fix, sequences taken, the held fix, the token bucket."""

    def __init__(self) -> None:
        self.track = np.empty(0, kernel.TRACK_ROW)
        self._held = position_batch(0)
        self._held_attributes: dict[int, bytes] = {}
        self._given_up = np.empty(0, np.int64)  # rows

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles; new ones have sent nothing and have a full bucket."""
        old = len(self.track)
        if rows <= old:
            return
        size = max(rows, 2 * old, 64)
        fresh = np.zeros(size - old, kernel.TRACK_ROW)
        fresh["newest_ms"] = kernel.NEVER_MS
        fresh["top_seq"] = fresh["handled_seq"] = -1
        fresh["held_source"] = kernel.NO_SOURCE
        fresh["tokens"] = np.inf  # cut to the burst at the first fix
        self.track = np.concatenate([self.track, fresh])
        held, grown = self.held(), from_columns(zero_rows(size, dtype) for dtype in COLUMNS.values())
        for name in COLUMNS:  # of those only, and the rest takes no memory
            getattr(grown, name)[held] = getattr(self._held, name)[held]
        self._held = grown

    def handled_seq(self, row: NDArray[np.integer]) -> NDArray[np.int64]:
        """The highest sequence of each row up to which every fix was taken or refused; -1: none."""
        track = self.track[row]
        held = (track["held_source"] != kernel.NO_SOURCE) & (track["held_seq"] >= 0)
        handled: NDArray[np.int64] = track["handled_seq"]
        return np.where(held, np.minimum(handled, track["held_seq"] - 1), handled)

    def sequences(self, rows: NDArray[np.integer]) -> NDArray[np.void]:
        """A copy of what is known of the sequences of these rows, as SEQUENCES; `handled_seq` as the method has it."""
        known = np.empty(len(rows), SEQUENCES)
        track = self.track[rows]
        known["top_seq"], known["window"] = track["top_seq"], track["window"]
        known["handled_seq"] = self.handled_seq(rows)
        return known

    def is_taken(self, rows: NDArray[np.integer], seq: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these sequences of these rows are remembered as taken."""
        track = self.track[rows]
        back = track["top_seq"] - seq
        is_near = (seq >= 0) & (back >= 0) & (back < kernel.WINDOW)
        bits: NDArray[np.uint64] = track["window"] >> np.where(is_near, back, 0).astype(np.uint64)
        return np.where(is_near, bits & np.uint64(1), 0).astype(np.bool_)

    def untake(self, batch: PositionBatch, handled_seq: NDArray[np.int64]) -> None:
        """Let these fixes come again: they were taken, and then not kept. They come late, and move nothing a second time.

        All sequences of their rows are forgotten, so older ones pass once more too; who keeps fixes has to tell those apart.

        Args:
            batch: the fixes.
            handled_seq: beside them, the highest sequence of the row up to which what was taken is kept, or refused.
        """
        self.track["top_seq"][batch.row] = -1
        self.track["window"][batch.row] = 0
        self.track["handled_seq"][batch.row] = handled_seq
        is_newest = batch.time_ms == self.track["newest_ms"][batch.row]
        self.track["newest_is_lost"][batch.row[is_newest]] = 1

    def held_seq(self, row: NDArray[np.integer]) -> NDArray[np.int64]:
        """The sequence of the fix that each row holds back; -1: none, or it has no sequence."""
        has_held = (
            self.track["held_source"][row] != kernel.NO_SOURCE
        )  # by column: a whole row is twenty times as long
        held: NDArray[np.int64] = np.where(has_held, self.track["held_seq"][row], -1)
        return held

    def let_go_held(self, rows: NDArray[np.integer]) -> int:
        """Forget what these rows hold back, if it has a sequence, without a decision: it will come again. Returns how many."""
        rows = rows[self.held_seq(rows) >= 0]
        self.track["held_source"][rows] = kernel.NO_SOURCE
        for row in rows.tolist():
            self._held_attributes.pop(row, None)
        return len(rows)

    def is_held(self, refused: Refusals) -> NDArray[np.bool_]:
        """Which of these are a fix that its row holds back, sent again: what becomes of it is not decided."""
        held_seq = self.held_seq(refused.row)
        is_same: NDArray[np.bool_] = (held_seq >= 0) & (held_seq == refused.seq)
        return is_same

    def held(self) -> NDArray[np.int64]:
        """The rows that hold a fix back."""
        return np.flatnonzero(self.track["held_source"] != kernel.NO_SOURCE)

    def holds(self, row: NDArray[np.integer], time_ms: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each row holds back its fix of that time."""
        track = self.track[row]
        is_held: NDArray[np.bool_] = (track["held_source"] != kernel.NO_SOURCE) & (
            track["held_ms"] == time_ms
        )
        return is_held

    def give_up_held(self, rows: NDArray[np.integer]) -> int:
        """Let the next `filter_track` first refuse what these rows hold back, because no further fix will come, or not soon; returns how many."""
        rows = rows[self.track["held_source"][rows] != kernel.NO_SOURCE]
        self._given_up = np.union1d(self._given_up, rows)
        return len(rows)

    def give_up_held_before(self, now_ms: int) -> int:
        """Give up what was held back before `now_ms`, by our clock; returns how many."""
        rows = self.held()
        return self.give_up_held(rows[self.track["held_since_ms"][rows] < now_ms])

    @property
    def has_given_up(self) -> bool:
        """Whether there is something to refuse without further fixes."""
        return len(self._given_up) > 0

    def given_up(self) -> PositionBatch:
        """A copy of what the next `filter_track` will refuse as given up."""
        rows = self._given_up[self.track["held_source"][self._given_up] != kernel.NO_SOURCE]
        return from_columns(getattr(self._held, name)[rows] for name in COLUMNS)

    def _refuse_given_up(self) -> NDArray[np.void]:
        rows, self._given_up = self._given_up, np.empty(0, np.int64)
        rows = rows[self.track["held_source"][rows] != kernel.NO_SOURCE]
        seq = self.track["held_seq"][rows]
        self.track["held_source"][rows] = kernel.NO_SOURCE
        self.track["handled_seq"][rows] = np.maximum(self.track["handled_seq"][rows], seq)
        refused = np.empty(len(rows), kernel.REFUSED)
        refused["source"], refused["row"], refused["seq"] = -1 - rows, rows, seq
        refused["reasons"] = Reason.IMPOSSIBLE_JUMP
        return refused

    def _keep_held(self, batch: PositionBatch, rows: NDArray[np.int32]) -> None:
        """Copy the fixes that this batch left held back out of it, since the batch does not outlive the step."""
        for row in np.unique(rows).tolist():
            source = int(self.track["held_source"][row])
            if source < 0:
                continue
            for name in COLUMNS:
                getattr(self._held, name)[row] = getattr(batch, name)[source]
            self._held_attributes.pop(row, None)
            if source in batch.attributes:
                self._held_attributes[row] = batch.attributes[source]
            self.track["held_source"][row] = -1 - row

    def _taken(self, batch: PositionBatch, order: NDArray[np.int64]) -> PositionBatch:
        if len(order) == len(batch) and (order == np.arange(len(batch))).all():
            return batch
        released = order < 0
        if not released.any():
            return batch.take(order)
        rows = -1 - order[released]
        attributes = {
            i: self._held_attributes.pop(int(row))
            for i, row in enumerate(rows)
            if int(row) in self._held_attributes
        }
        held = from_columns((getattr(self._held, name)[rows] for name in COLUMNS), attributes)
        index = order.copy()
        index[released] = len(batch) + np.arange(len(rows))
        return concatenate([batch, held]).take(index)


def filter_track(state: TrackState, batch: PositionBatch, now_ms: int, limits: FilterLimits) -> FilterResult:
    """Filter a batch in order of arrival and bring `state` up to date; rows must be below `state.ensure_rows`."""
    given_up = state._refuse_given_up() if state.has_given_up else None  # noqa: SLF001 - the state and its filter are one thing in two words
    order = np.empty(2 * len(batch), np.int64)
    is_late = np.empty(2 * len(batch), np.bool_)
    refused = np.empty(2 * len(batch), kernel.REFUSED)
    held_rows = np.empty(len(batch), np.int32)
    taken, refusal_count, holds = kernel.filter_fixes(
        batch.row, batch.seq, batch.time_ms, batch.lat_deg, batch.lon_deg, batch.accuracy_m,
        now_ms, limits, state.track, order, is_late, refused, held_rows,
    )  # fmt: skip
    order, refused = order[:taken], refused[:refusal_count]
    if given_up is not None:
        refused = np.concatenate([given_up, refused])
    accepted, implausible, kept = _parted(state, batch, order, refused)
    state._keep_held(batch, held_rows[:holds])  # noqa: SLF001
    refusals = Refusals(*(refused[name].copy() for name in ("row", "seq", "reasons", "source")))
    return FilterResult(accepted, is_late[:taken], refusals, implausible, kept)


def _parted(
    state: TrackState, batch: PositionBatch, order: NDArray[np.int64], refused: NDArray[np.void]
) -> tuple[PositionBatch, PositionBatch | None, PositionBatch]:
    """The fixes taken, those that are refused for a jump alone, and both."""
    jumps = refused["source"]
    if len(jumps):
        jumps = jumps[refused["reasons"] == kernel.IMPOSSIBLE_JUMP]
    if not len(jumps):
        accepted = state._taken(batch, order)  # noqa: SLF001
        return accepted, None, accepted
    source = np.sort(np.concatenate([order, jumps]))
    kept = state._taken(batch, source)  # noqa: SLF001
    return kept.take(np.searchsorted(source, order)), kept.take(np.searchsorted(source, jumps)), kept


def warm_up() -> None:
    """Compile, or load from the cache, what `filter_track` calls."""
    state = TrackState()
    state.ensure_rows(1)
    filter_track(state, position_batch(1), 0, FilterLimits(0, 0, 1.0, 1.0, 1.0, 1.0, 1.0))
