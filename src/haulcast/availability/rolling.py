"""The outcomes of one fleet's last day, and how good its predictions were in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from haulcast.availability.alerts import Alert
from haulcast.availability.drift import Drift, Drifted, DriftWatch
from haulcast.availability.figures import AllFigures, all_figures
from haulcast.availability.outcomes import Outcome, Outcomes, columns_of, joined

WINDOW_MS: Final = 86_400_000
"""A day, so that each hour of the day is in it once."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What is known of a fleet's predictions.

    Attributes:
        begin_ms, end_ms: the outcomes of these moments.
        judgement: of them.
        alerts: those that last.
        pending: samples whose moment has not come.
    """

    begin_ms: int
    end_ms: int
    judgement: "Judgement"
    alerts: tuple[Alert, ...]
    pending: int


class Judgement(NamedTuple):
    """Figures by question and horizon, and how the same drifted."""

    figures: AllFigures
    drifts: dict[tuple[str, int], Drift]


class Rolling:
    """A window over outcomes as they come in.

    Attributes:
        judgement: as `judge` last found it.
    """

    def __init__(self) -> None:
        self.judgement = Judgement({}, {})
        self._parts: list[Outcomes] = []
        self._numbers: dict[str, int] = {}
        self._drifts = DriftWatch()

    def add(self, outcomes: Sequence[Outcome]) -> list[Drifted]:
        """More of them, in the order of their moments; what drifted."""
        part = columns_of(outcomes, self._numbers)
        self._parts.append(part)
        return self._drifts.add(part)

    def judge(self, now_ms: int) -> AllFigures:
        """The figures of the last day; what is older is forgotten. A tenth of a second for 50,000 outcomes."""
        whole = joined(self._parts)
        kept = whole.chosen(whole.due_ms >= now_ms - WINDOW_MS)
        self._parts = [kept]
        figures = all_figures(kept)
        self.judgement = Judgement(figures, {key: self._drifts.of(*key) for key in figures})
        return figures
