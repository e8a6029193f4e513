"""The quality of predictions as JSON."""

import math
from typing import Any

from haulcast.availability.drift import Drift
from haulcast.availability.figures import Figures
from haulcast.availability.outcomes import QUESTIONS
from haulcast.availability.rolling import Quality


def document_of_quality(quality: Quality) -> dict[str, Any]:
    """All that is known, by question; horizons ascending."""
    judgement, alerts = quality.judgement, quality.alerts
    figures = {
        question: [
            document_of_figures(horizon_s, one) | {"drift": _drift(judgement.drifts[question, horizon_s])}
            for (asked, horizon_s), one in judgement.figures.items()
            if asked == question
        ]
        for question in QUESTIONS
    }
    return {
        "begin_ms": quality.begin_ms, "end_ms": quality.end_ms, "pending": quality.pending, "figures": figures,
        "alerts": {question: [one.document() for one in alerts if one.question == question] for question in QUESTIONS},
    }  # fmt: skip


def document_of_figures(horizon_s: int, figures: Figures) -> dict[str, Any]:
    """Figures of one horizon; what cannot be said is null."""
    numbers = {
        name: _number(getattr(figures, name))
        for name in (
            "share", "accuracy", "accuracy_low", "accuracy_high", "brier", "skill", "ece", "changed_accuracy",
        )
    }  # fmt: skip
    return {
        "horizon_minutes": horizon_s // 60, "n": figures.n, "n_effective": round(figures.n_effective, 1), **numbers,
        "changed": figures.changed,
        "reliability": [{"n": one.n, "p": _number(one.p), "share": _number(one.share)} for one in figures.bins],
    }  # fmt: skip


def _drift(drift: Drift) -> dict[str, Any]:
    return {"excess": _number(drift.excess), "times": drift.times, "last_ms": drift.last_ms}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
