"""Who is on duty, and who is busy, while it happens: out of fixes, routes and drivers' words.

A driver is on duty from its first fix (or word) until its device has been silent for `gap_s`; the end is that long after the last fix, which is when it is known, so that what
is learned later looked no further than the hub did. A fix that comes late, but with a time within the gap, shows that the duty went on. Silence is counted by when fixes come,
ends stand in the fixes' own time. Only who changes becomes an object, and only on its way into the store.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.positions import PositionBatch
from haulcast.availability.span_store import BUSY, DUTY, StoredSpan

Rows = NDArray[np.intp]

NEVER: Final = -(2**62)
LASTS: Final = 2**62
SPAN: Final = np.dtype(
    [("begin_ms", "i8"), ("end_ms", "i8"), ("begin_lat", "f8"), ("begin_lon", "f8"), ("end_lat", "f8"), ("end_lon", "f8"), ("is_said", "?")]
)  # fmt: skip
"""A driver's newest span of a kind: `begin_ms` NEVER is none, `end_ms` LASTS while it lasts."""


class Word(IntEnum):
    """What a driver, or a dispatcher, said last; it holds until the next one, or until the duty ends."""

    NONE = -1
    OFF = 0
    BUSY = 1
    FREE = 2


class State(IntEnum):
    """What a driver is. The numbers are those of `Word`."""

    OFF = 0
    BUSY = 1
    FREE = 2


class Closed(NamedTuple):
    """Spans that another one has followed: nothing changes them any more.

    Attributes:
        row: int[n].
        kind: of all.
        spans: SPAN[n].
    """

    row: Rows
    kind: int
    spans: NDArray[np.void]


class SpanTracker:
    """The newest duty span and the newest busy span of every row.

    Args:
        gap_s: a device that is silent for so long is off duty.
        listeners: each is given each lot of spans that others have followed.
    """

    def __init__(self, gap_s: float, *listeners: Callable[[Closed], None]) -> None:
        self.listeners = list(listeners)
        self._gap_ms = int(gap_s * 1000)
        self.spans = np.zeros((2, 0), SPAN)
        self.is_dirty = np.zeros((2, 0), np.bool_)
        self._word = np.zeros(0, np.int8)
        self._has_route = np.zeros(0, np.bool_)
        self._seen_ms = np.zeros(0, np.int64)
        self._heard_ms = np.zeros(0, np.int64)
        self._seen_at = np.zeros((0, 2))
        self.driven_s = np.zeros(0)

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles; of new ones nothing is known."""
        old = len(self._word)
        if rows <= old:
            return
        more = max(rows, 2 * old, 64) - old
        unknown = np.zeros((2, more), SPAN)
        unknown["begin_ms"] = unknown["end_ms"] = NEVER
        self.spans = np.concatenate((self.spans, unknown), axis=1)
        self.is_dirty = np.concatenate((self.is_dirty, np.zeros((2, more), np.bool_)), axis=1)
        self._word = np.append(self._word, np.full(more, Word.NONE, np.int8))
        self._has_route = np.append(self._has_route, np.zeros(more, np.bool_))
        self._seen_ms = np.append(self._seen_ms, np.full(more, NEVER, np.int64))
        self._heard_ms = np.append(self._heard_ms, np.full(more, NEVER, np.int64))
        self._seen_at = np.concatenate((self._seen_at, np.full((more, 2), np.nan)))
        self.driven_s = np.append(self.driven_s, np.zeros(more))

    def states(self, rows: Rows) -> NDArray[np.int8]:
        """int8[n], `State` of each."""
        on = self.spans["end_ms"][DUTY, rows] == LASTS
        busy = self.spans["end_ms"][BUSY, rows] == LASTS
        return np.where(on, np.where(busy, State.BUSY, State.FREE), State.OFF).astype(np.int8)

    def is_known(self, rows: Rows) -> NDArray[np.bool_]:
        """bool[n]: whether a fix or a word of it has come, or its newest duty is remembered."""
        return np.not_equal(self._seen_ms[rows], NEVER)

    def take(self, batch: PositionBatch, now_ms: int) -> None:
        """Fixes in the order of each track, none older than one that was taken before."""
        if not len(batch):
            return
        order = np.argsort(batch.row, kind="stable")
        row, time_ms = batch.row[order].astype(np.intp), batch.time_ms[order]
        at = np.stack((batch.lat_deg, batch.lon_deg), 1)[order]
        self.ensure_rows(int(row[-1]) + 1)
        is_first = np.diff(row, prepend=-1) != 0
        before_ms = np.where(is_first, self._seen_ms[row], np.roll(time_ms, 1))
        before_at = np.where(is_first[:, None], self._seen_at[row], np.roll(at, 1, axis=0))
        is_gap = time_ms - before_ms > self._gap_ms
        goes_on = is_first & ~is_gap & (self._word[row] != Word.OFF)
        off = row[goes_on & (self.spans["end_ms"][DUTY, row] != LASTS)]
        if len(off):
            self._go_on(off)
        begins = np.flatnonzero(is_gap)
        if len(begins):
            self._begin_duty(row[begins], time_ms[begins], at[begins], before_ms[begins], before_at[begins])
        self._count_driving(row, time_ms - before_ms, batch.speed_mps[order], is_gap)
        self._seen_ms[row], self._seen_at[row], self._heard_ms[row] = time_ms, at, now_ms
        changed = np.union1d(off, row[begins]) if len(off) or len(begins) else off
        if len(changed):
            self._set_busy(changed, self._seen_ms[changed])

    def look(self, now_ms: int) -> None:
        """End the duty of whose device has been silent for too long."""
        on = np.flatnonzero(self.spans["end_ms"][DUTY] == LASTS)
        silent = on[now_ms - self._heard_ms[on] >= self._gap_ms]
        if len(silent):
            self._end_duty(silent, self._seen_ms[silent] + self._gap_ms, is_said=False)
            self._word[silent] = Word.NONE

    def say(self, row: int, word: Word, now_ms: int) -> None:
        """Somebody's word of this driver."""
        self.ensure_rows(row + 1)
        rows, at_ms = np.array([row]), np.array([self._clock_ms(row, now_ms)])
        is_on = self.spans["end_ms"][DUTY, row] == LASTS
        # a word is a sign of life, from which silence counts
        self._word[row], self._seen_ms[row], self._heard_ms[row] = word, at_ms[0], now_ms
        if word is Word.OFF:
            if is_on:
                self._end_duty(rows, at_ms, is_said=True)
            return
        if not is_on:
            self._close(DUTY, rows)
            self._begin(DUTY, rows, at_ms, self._seen_at[rows])
        self._set_busy(rows, at_ms)
        if self.spans["begin_ms"][BUSY, row] != NEVER:
            self.spans["is_said"][BUSY, row] = self.is_dirty[BUSY, row] = True

    def follow(self, row: int, now_ms: int, *, has_route: bool) -> None:
        """It has, or has no more, an active route with stops that are not over."""
        self.ensure_rows(row + 1)
        if self._has_route[row] != has_route:
            self._has_route[row] = has_route
            self._set_busy(np.array([row]), np.array([self._clock_ms(row, now_ms)]))

    def forget(self, row: int, now_ms: int) -> None:
        """The vehicle is deleted: what lasts ends, and who comes under its name begins anew."""
        if row >= len(self._word):
            return
        rows = np.array([row])
        if self.spans["end_ms"][DUTY, row] == LASTS:
            self._end_duty(rows, np.array([self._clock_ms(row, now_ms)]), is_said=False)
        self._word[row] = Word.NONE
        self._seen_ms[row] = self._heard_ms[row] = NEVER

    def settle(self) -> None:
        """All that an earlier run remembered, and all routes, are told: who has no route any more is not busy because of it."""
        on = np.flatnonzero(self.spans["end_ms"][DUTY] == LASTS)
        self._set_busy(on, self._seen_ms[on])

    def restore(
        self, row: int, span: StoredSpan, seen: tuple[int, int, float, float] | None, now_ms: int
    ) -> None:
        """What an earlier run stored of its newest span; before the first fix.

        Args:
            row: the vehicle's.
            span: the newest of its kind.
            seen: of its newest fix the time, when it was received, and where it was; None: there is none.
            now_ms: the time.
        """
        self.ensure_rows(row + 1)
        end_ms = LASTS if span.end_ms is None else span.end_ms
        self.spans[span.kind, row] = (span.begin_ms, end_ms, *span[4:8], span.is_said)
        if span.kind == DUTY:
            last_ms = span.begin_ms if span.end_ms is None else span.end_ms - self._gap_ms
            time_ms, received_ms, *place = seen or (last_ms, now_ms, *span[4:6])
            said_ms = span.end_ms if span.is_said and span.end_ms is not None else span.begin_ms
            self._seen_ms[row] = max(time_ms, said_ms)
            self._heard_ms[row], self._seen_at[row] = received_ms, place
            if span.end_ms is not None and span.is_said:
                self._word[row] = Word.OFF
        elif span.is_said and self.spans["end_ms"][DUTY, row] == LASTS:
            is_in_duty = span.begin_ms >= self.spans["begin_ms"][DUTY, row]
            self._word[row] = Word.NONE if not is_in_duty else Word.BUSY if end_ms == LASTS else Word.FREE

    def _clock_ms(self, row: int, now_ms: int) -> int:
        """The time of its last fix, and what has passed since that was received."""
        if self._seen_ms[row] == NEVER:
            return now_ms
        return int(self._seen_ms[row] + max(0, now_ms - self._heard_ms[row]))

    def _go_on(self, rows: Rows) -> None:
        """Silence was none: the fixes were on their way. The busy span that ended with the duty goes on, too, if it still should."""
        ended = self.spans["end_ms"][DUTY, rows]
        duty = rows[ended != NEVER]
        self._set_end(DUTY, duty, LASTS, np.full((len(duty), 2), np.nan), is_said=False)
        busy = rows[(self.spans["end_ms"][BUSY, rows] == ended) & (ended != NEVER) & self._has_route[rows]]
        self._set_end(BUSY, busy, LASTS, np.full((len(busy), 2), np.nan), is_said=False)

    def _begin_duty(
        self, row: Rows, time_ms: NDArray[np.int64], at: NDArray[np.float64],
        before_ms: NDArray[np.int64], before_at: NDArray[np.float64],
    ) -> None:  # fmt: skip
        """Each of these fixes comes after a gap; several may be of one row, in order of time."""
        own, first = np.unique(row, return_index=True)
        last = np.append(first[1:], len(row)) - 1
        on = self.spans["end_ms"][DUTY, own] == LASTS
        begun = first[on]
        self._seen_at[own[on]] = before_at[begun]
        self._end_duty(own[on], before_ms[begun] + self._gap_ms, is_said=False)
        self._word[own] = Word.NONE
        self._close(DUTY, own)
        between = np.flatnonzero(row[1:] == row[:-1])  # begun and over within this batch
        if len(between):
            spans = np.zeros(len(between), SPAN)
            spans["begin_ms"], spans["end_ms"] = time_ms[between], before_ms[between + 1] + self._gap_ms
            spans["begin_lat"], spans["begin_lon"] = at[between].T
            spans["end_lat"], spans["end_lon"] = before_at[between + 1].T
            self._tell(Closed(row[between], DUTY, spans))
        self._begin(DUTY, own, time_ms[last], at[last])

    def _end_duty(self, rows: Rows, end_ms: NDArray[np.int64], *, is_said: bool) -> None:
        self._set_end(DUTY, rows, end_ms, self._seen_at[rows], is_said=is_said)
        busy = self.spans["end_ms"][BUSY, rows] == LASTS
        self._set_end(BUSY, rows[busy], end_ms[busy], self._seen_at[rows[busy]], is_said=False)

    def _set_busy(self, rows: Rows, at_ms: NDArray[np.int64]) -> None:
        """Bring these rows to what route and word say, as of each one's moment."""
        word = self._word[rows]
        wants = (word == Word.BUSY) | ((word != Word.FREE) & self._has_route[rows])
        wants &= self.spans["end_ms"][DUTY, rows] == LASTS
        lasts = self.spans["end_ms"][BUSY, rows] == LASTS
        begins, ends = wants & ~lasts, lasts & ~wants
        if begins.any():
            self._close(BUSY, rows[begins])
            self._begin(BUSY, rows[begins], at_ms[begins], self._seen_at[rows[begins]])
        if ends.any():
            self._set_end(BUSY, rows[ends], at_ms[ends], self._seen_at[rows[ends]], is_said=False)

    def _begin(self, kind: int, rows: Rows, at_ms: NDArray[np.int64], at: NDArray[np.float64]) -> None:
        """Clocks go back a little when fixes come late, spans do not: none begins before the last one has ended."""
        spans = np.zeros(len(rows), SPAN)
        spans["begin_ms"] = np.maximum(at_ms, self.spans["end_ms"][kind, rows])
        spans["end_ms"] = LASTS
        spans["begin_lat"], spans["begin_lon"] = at.T
        spans["end_lat"] = spans["end_lon"] = np.nan
        self.spans[kind, rows] = spans
        self.is_dirty[kind, rows] = True

    def _set_end(self, kind: int, rows: Rows, end_ms: Any, at: NDArray[np.float64], *, is_said: bool) -> None:
        if not len(rows):
            return
        self.spans["end_ms"][kind, rows] = np.maximum(end_ms, self.spans["begin_ms"][kind, rows])
        self.spans["end_lat"][kind, rows], self.spans["end_lon"][kind, rows] = at.T
        self.spans["is_said"][kind, rows] = is_said
        self.is_dirty[kind, rows] = True

    def _close(self, kind: int, rows: Rows) -> None:
        known = rows[self.spans["begin_ms"][kind, rows] != NEVER]
        if len(known):
            self._tell(Closed(known, kind, self.spans[kind, known]))

    def _tell(self, closed: Closed) -> None:
        for listener in self.listeners:
            listener(closed)

    def _count_driving(
        self, row: Rows, passed_ms: NDArray[np.int64], speed_mps: NDArray[np.float64], is_gap: NDArray[np.bool_]
    ) -> None:  # fmt: skip
        """Seconds driven since the last long rest; for hours of service."""
        self.driven_s[row[passed_ms > REST_MS]] = 0.0
        moves = (speed_mps > STANDS_MPS) & ~is_gap & (passed_ms > 0)
        np.add.at(self.driven_s, row[moves], passed_ms[moves] / 1000.0)


REST_MS: Final = 3 * 3_600_000
"""A rest so long ends a shift; as in the features of `geo.availability`."""
STANDS_MPS: Final = 1.0


def stored_spans(closed: Closed, names: Sequence[str]) -> list[StoredSpan]:
    """As they are stored; `names` are all rows' vehicle ids."""
    return [
        StoredSpan(names[row], closed.kind, span[0], None if span[1] == LASTS else span[1], *span[2:])
        for row, span in zip(closed.row.tolist(), closed.spans.tolist(), strict=True)
    ]
