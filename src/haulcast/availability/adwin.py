"""ADWIN: a window over a stream that forgets its older part when that had another mean.

Bifet and Gavalda, "Learning from time-changing data with adaptive windowing" (SDM 2007, doi:10.1137/1.9781611972771.42), in the form of exponential
buckets (ADWIN2): of values that came together only sums are kept, in runs of 1, 2, 4, ... values, so that a window of n costs O(log n) memory.
"""

import math
from collections import deque
from typing import Final, NamedTuple

CLOCK: Final = 32
"""Values between two looks for a change."""
MOST_RUNS: Final = 5
"""Runs of one length; of more the two oldest become one."""
LEAST_VALUES: Final = 10
"""In the whole window, before there is a look."""
LEAST_SIDE: Final = 5
"""On each side of a cut."""


class _Run(NamedTuple):
    """So many values that came together: their sum, and the sum of the squares of their distances from their mean."""

    n: int
    total: float
    squares: float


_NONE = _Run(0, 0.0, 0.0)


def _together(one: _Run, other: _Run) -> _Run:
    if not one.n:
        return other
    n = one.n + other.n
    apart = one.total / one.n - other.total / other.n
    between = one.n * other.n / n * apart * apart
    return _Run(n, one.total + other.total, one.squares + other.squares + between)


class Adwin:
    """The window.

    Args:
        delta: how probable a change may be where there was none, at each look; values are taken to be in [0, 1].

    Attributes:
        detections: how often an older part was forgotten.
    """

    def __init__(self, delta: float = 0.002) -> None:
        self.detections = 0
        self._delta = delta
        self._levels: list[deque[_Run]] = []  # of runs of 2**place values, each the oldest first
        self._ticks = 0

    @property
    def width(self) -> int:
        """How many values are in the window."""
        return sum(run.n for run in self._oldest_first())

    @property
    def mean(self) -> float:
        """Of the window; NaN while it is empty."""
        whole = self._whole()
        return whole.total / whole.n if whole.n else math.nan

    def add(self, value: float) -> bool:
        """One more value; whether an older part of the window was another and is forgotten now."""
        self._push(0, _Run(1, value, 0.0))
        self._ticks += 1
        if self._ticks % CLOCK:
            return False
        is_changed = False
        while self._has_cut():
            self._drop_oldest()
            is_changed = True
        self.detections += is_changed
        return is_changed

    def _push(self, place: int, run: _Run) -> None:
        if place == len(self._levels):
            self._levels.append(deque())
        level = self._levels[place]
        level.append(run)
        if len(level) > MOST_RUNS:
            first, second = level.popleft(), level.popleft()
            self._push(place + 1, _together(first, second))

    def _oldest_first(self) -> list[_Run]:
        return [run for level in reversed(self._levels) for run in level]

    def _whole(self) -> _Run:
        whole = _NONE
        for run in self._oldest_first():
            whole = _together(whole, run)
        return whole

    def _has_cut(self) -> bool:
        """Whether the window falls into two parts whose means are too far apart to be of one stream (theorem 3.1, with the variance)."""
        runs, whole = self._oldest_first(), self._whole()
        if whole.n <= LEAST_VALUES:
            return False
        confidence = math.log(2 * math.log(whole.n) / self._delta)
        variance = whole.squares / whole.n
        old_count, old_total = 0, 0.0
        for run in runs[:-1]:
            old_count, old_total = old_count + run.n, old_total + run.total
            new_count = whole.n - old_count
            if min(old_count, new_count) < LEAST_SIDE:
                continue
            apart = abs(old_total / old_count - (whole.total - old_total) / new_count)
            share = 1 / (old_count - LEAST_SIDE + 1) + 1 / (new_count - LEAST_SIDE + 1)
            if apart > math.sqrt(2 * share * variance * confidence) + 2 / 3 * share * confidence:
                return True
        return False

    def _drop_oldest(self) -> None:
        self._levels[-1].popleft()
        while self._levels and not self._levels[-1]:
            self._levels.pop()
