"""When predictions are right too seldom, and when they are right again."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from haulcast.availability.figures import AllFigures

LEAST_ACCURACY: Final = 0.80
LEAST_OUTCOMES: Final = 200
"""Of fewer nothing is said."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A time in which one question's predictions for one horizon were too seldom right.

    Attributes:
        question: of `outcomes.QUESTIONS`.
        begin_ms: when it was seen.
        end_ms: when they were right again; None: it lasts.
        accuracy, accuracy_high: what it was then, with the upper bound; of `n` outcomes.
    """

    question: str
    horizon_s: int
    begin_ms: int
    end_ms: int | None
    accuracy: float
    accuracy_high: float
    n: int

    @property
    def key(self) -> tuple[str, int]:
        """What it is about; one alert at a time lasts of each."""
        return self.question, self.horizon_s

    def document(self) -> dict[str, Any]:
        """For people and machines."""
        return {
            "question": self.question, "horizon_minutes": self.horizon_s // 60, "begin_ms": self.begin_ms, "end_ms": self.end_ms,
            "accuracy": round(self.accuracy, 4), "accuracy_high": round(self.accuracy_high, 4), "n": self.n,
        }  # fmt: skip


def judged(figures: AllFigures, lasting: Iterable[Alert], now_ms: int) -> list[Alert]:
    """The alerts that begin, and those that end, by the figures of now.

    One begins when even the upper bound of the accuracy is below `LEAST_ACCURACY`, and ends when the accuracy itself is back there: between the two nothing
    is told twice. Of too few outcomes none begins and none ends.
    """
    known = {alert.key: alert for alert in lasting}
    changes = []
    for key, found in figures.items():
        if found.n < LEAST_OUTCOMES or math.isnan(found.accuracy):
            continue
        alert = known.get(key)
        if alert is None and found.accuracy_high < LEAST_ACCURACY:
            changes.append(Alert(*key, now_ms, None, found.accuracy, found.accuracy_high, found.n))
        elif alert is not None and found.accuracy >= LEAST_ACCURACY:
            changes.append(replace(alert, end_ms=now_ms))
    return changes
