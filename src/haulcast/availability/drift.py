"""Whether predictions have become better or worse than they say of themselves.

What is watched is not the error, which is larger in hard hours than in easy ones every day, but its `excess` over what the probabilities themselves let
expect: 0 on average at any hour while they are right. Of one driver only outcomes that are a horizon apart are looked at, since those between tell the same again.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from haulcast.availability.adwin import Adwin
from haulcast.availability.figures import excess
from haulcast.availability.outcomes import QUESTIONS, Outcomes

LEAST: Final = -0.125  # of `excess`
RANGE: Final = 1.125
APART_MS: Final = 3_600_000
"""Of one driver, at the least."""
ONE_MS: Final = 86_400_000
"""What changes within a day of a drift belongs to it: predictions that went wrong are more so at some hours than at others."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How one question's predictions for one horizon hold.

    Attributes:
        excess: of the squared difference over what they let expect, on average of late; 0 is right, more is worse; NaN: no outcomes yet.
        times: how often it became another, since this was first watched.
        last_ms: the moment of the outcome that proved the last; None: none did.
    """

    excess: float
    times: int
    last_ms: int | None


class Drifted(NamedTuple):
    """That one question's predictions for one horizon became another, by the outcome of this moment."""

    question: str
    horizon_s: int
    at_ms: int


class DriftWatch:
    """Watches one fleet's outcomes."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, int], Adwin] = {}
        self._last_ms: dict[tuple[str, int], int] = {}
        self._times: dict[tuple[str, int], int] = {}
        self._next_ms: dict[tuple[int, int], int] = {}

    def add(self, outcomes: Outcomes) -> list[Drifted]:
        """Outcomes in the order of their moments; what drifted."""
        kept = outcomes.chosen(np.array([self._is_apart(*one) for one in _rows(outcomes)], np.bool_))
        drifted = []
        for place, question in enumerate(QUESTIONS):
            values = (excess(kept.p[:, place], kept.came[:, place]) - LEAST) / RANGE
            for (due_ms, _, horizon_s), value in zip(_rows(kept), values.tolist(), strict=True):
                key = question, horizon_s
                is_changed = self._windows.setdefault(key, Adwin()).add(value)
                if is_changed and due_ms >= self._last_ms.get(key, due_ms - ONE_MS) + ONE_MS:
                    self._last_ms[key] = due_ms
                    self._times[key] = self._times.get(key, 0) + 1
                    drifted.append(Drifted(*key, due_ms))
        return drifted

    def of(self, question: str, horizon_s: int) -> Drift:
        """As it is now."""
        key = question, horizon_s
        window = self._windows.get(key)
        if window is None:
            return Drift(math.nan, 0, None)
        return Drift(window.mean * RANGE + LEAST, self._times.get(key, 0), self._last_ms.get(key))

    def _is_apart(self, due_ms: int, driver: int, horizon_s: int) -> bool:
        if due_ms < self._next_ms.get((driver, horizon_s), due_ms):
            return False
        self._next_ms[driver, horizon_s] = due_ms + max(horizon_s * 1000, APART_MS)
        return True


def _rows(outcomes: Outcomes) -> list[tuple[int, int, int]]:
    return list(
        zip(outcomes.due_ms.tolist(), outcomes.driver.tolist(), outcomes.horizon_s.tolist(), strict=True)
    )
