"""How good predictions were, as one HTML page that needs nothing else: tables, and reliability plots as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from math import isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from haulcast.availability.alerts import LEAST_ACCURACY, Alert
from haulcast.availability.drift import DriftWatch
from haulcast.availability.figures import AllFigures, Figures, all_figures
from haulcast.availability.outcomes import Outcome, Outcomes, columns_of, joined
from haulcast.availability.reliability_plot import reliability_plot

DAY_MS: Final = 86_400_000
NAMES: Final = {"on_duty": "On duty", "free": "On duty and free"}
WORDS: Final = (
    "Skill is against persistence: what could be said by knowing the driver's state at the moment asked and nothing else. ECE has 15 bins of equal "
    "mass, the dots of the plots. Outcomes of one driver and day hang together, so the bounds are for as many independent ones as they tell as much as."
)
HEADS: Final = (
    "n", "independent", "came true", "accuracy", "95 % bounds", "Brier", "skill", "ECE", "changed", "right of these",
)  # fmt: skip
STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2733; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } caption { text-align: left; font-weight: 600 }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #d9e0e6; font-variant-numeric: tabular-nums }
td { white-space: nowrap }
th:first-child, td:first-child { text-align: left } .low { color: #b3261e; font-weight: 600 }
figure { display: inline-block; margin: 0 1rem 1rem 0 } figcaption { font-size: 13px }
"""


@dataclass(frozen=True, slots=True)
class Reported:
    """All outcomes of a fleet in a span, as columns.

    Attributes:
        outcomes: in the order of their moments.
        basis, version: int64[n], places in `labels`, of what each was made of and by which model.
        labels: the words.
    """

    outcomes: Outcomes
    basis: NDArray[np.int64]
    version: NDArray[np.int64]
    labels: tuple[str, ...]


class Gathering:
    """Outcomes as they are read, portion by portion; tuples of millions would not fit."""

    def __init__(self) -> None:
        self._parts: list[Outcomes] = []
        self._numbers: dict[str, int] = {}
        self._labels: dict[str, int] = {}
        self._words: list[NDArray[np.int64]] = []

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """The next ones."""
        self._parts.append(columns_of(outcomes, self._numbers))
        words = [
            (self._label(one.sample.basis), self._label(one.sample.version or "none")) for one in outcomes
        ]
        self._words.append(np.array(words, np.int64).reshape(-1, 2))

    def reported(self) -> Reported:
        """All so far."""
        words = np.concatenate(self._words) if self._words else np.zeros((0, 2), np.int64)
        return Reported(joined(self._parts), words[:, 0], words[:, 1], tuple(self._labels))

    def _label(self, word: str) -> int:
        return self._labels.setdefault(word, len(self._labels))


def page(fleet: str, begin_ms: int, end_ms: int, reported: Reported, alerts: Sequence[Alert]) -> str:
    """The page.

    Args:
        fleet: whose.
        begin_ms: the moments foretold are from here.
        end_ms: to before here.
        reported: what came.
        alerts: those that reach into the span.
    """
    outcomes, title = reported.outcomes, f"Availability predictions of {escape(fleet)}"
    figures = all_figures(outcomes)
    words = (
        f"{len(outcomes):,} sampled predictions of {len(np.unique(outcomes.driver)):,} drivers, for moments from {_time(begin_ms)} to {_time(end_ms)} (UTC), "
        f"each held against what came. {WORDS}"
    )
    parts = [
        f"<h1>{title}</h1><p>{words}</p>",
        *(_question(question, figures) for question in NAMES),
        _groups("By what they were made of", outcomes, reported.basis, reported.labels),
        _groups("By model", outcomes, reported.version, reported.labels),
        _days(outcomes), _drifts(outcomes), _alerts(alerts),
    ]  # fmt: skip
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{"".join(parts)}</body></html>\n'


def _question(question: str, figures: AllFigures) -> str:
    rows = {horizon_s: one for (asked, horizon_s), one in figures.items() if asked == question}
    plots = (
        f"<figure>{reliability_plot(one.bins)}<figcaption>{horizon_s // 60} minutes ahead, n = {one.n:,}</figcaption></figure>"
        for horizon_s, one in rows.items()
    )
    cells = [(str(horizon_s // 60), *_cells(one)) for horizon_s, one in rows.items()]
    return f"<h2>{NAMES[question]}</h2>{_table(('minutes ahead', *HEADS), cells)}{''.join(plots)}\n"


def _cells(one: Figures) -> tuple[str, ...]:
    accuracy = _share(one.accuracy)
    if one.accuracy < LEAST_ACCURACY:
        accuracy = f'<span class="low">{accuracy}</span>'
    return (
        f"{one.n:,}", f"{one.n_effective:,.0f}", _share(one.share), accuracy,
        f"{_share(one.accuracy_low)} to {_share(one.accuracy_high)}", f"{one.brier:.4f}", _said(one.skill), f"{one.ece:.4f}",
        f"{one.changed:,}", _share(one.changed_accuracy),
    )  # fmt: skip


def _groups(title: str, outcomes: Outcomes, group: NDArray[np.int64], labels: tuple[str, ...]) -> str:
    """The same figures of each group that there is."""
    cells = [
        (escape(labels[place]), NAMES[question], str(horizon_s // 60), *_cells(one))
        for place in np.unique(group).tolist()
        for (question, horizon_s), one in all_figures(outcomes.chosen(group == place)).items()
    ]
    return f"<h2>{title}</h2>{_table(('', 'question', 'minutes ahead', *HEADS), cells)}\n"


def _days(outcomes: Outcomes) -> str:
    """The accuracy of each day, by question and horizon."""
    day = outcomes.due_ms // DAY_MS
    keys = list(all_figures(outcomes))
    cells = []
    for one in np.unique(day).tolist():
        found = all_figures(outcomes.chosen(day == one))
        shares = (_share(found[key].accuracy) if key in found else "" for key in keys)
        cells.append((_time(one * DAY_MS)[:10], f"{int((day == one).sum()):,}", *shares))
    heads = ("day (UTC)", "n", *(f"{NAMES[question]}, {horizon_s // 60} min" for question, horizon_s in keys))
    return f"<h2>Accuracy by day</h2>{_table(heads, cells)}\n"


def _drifts(outcomes: Outcomes) -> str:
    watch = DriftWatch()
    drifted = watch.add(outcomes)
    cells = [
        (_time(one.at_ms), NAMES[one.question], str(one.horizon_s // 60))
        for one in sorted(drifted, key=lambda one: one.at_ms)
    ]
    words = (
        "When the squared differences became larger or smaller, against what the probabilities themselves let expect (ADWIN)."
        if cells
        else "Predictions have been as good as they said of themselves, or as bad, all the time."
    )
    return f"<h2>Drift</h2><p>{words}</p>{_table(('seen', 'question', 'minutes ahead'), cells)}\n"


def _alerts(alerts: Sequence[Alert]) -> str:
    cells = [
        (
            _time(one.begin_ms), "lasts" if one.end_ms is None else _time(one.end_ms), NAMES[one.question],
            str(one.horizon_s // 60), _share(one.accuracy), f"{one.n:,}",
        )
        for one in alerts
    ]  # fmt: skip
    heads = ("from", "to", "question", "minutes ahead", "accuracy then", "n")
    words = f"When accuracy was below {_share(LEAST_ACCURACY)}, bounds included."
    return f"<h2>Alerts</h2><p>{words if cells else 'None.'}</p>{_table(heads, cells)}\n"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Of cells that are HTML already; nothing of no rows."""
    if not rows:
        return ""
    top = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table>"


def _share(value: float) -> str:
    return "" if isnan(value) else f"{value * 100:.1f} %"


def _said(value: float) -> str:
    return "" if isnan(value) else f"{value:.3f}"


def _time(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%Y-%m-%d %H:%M}"
