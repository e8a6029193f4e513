"""What a model is worth, said beside it: figures of the last days, of which neither its trees nor its calibration saw anything.

`skill_vs_persistence` is 1 - Brier / Brier of calibrated persistence: the share with the state then of those that had the state now, in the days of learning, by
horizon. ECE (expected calibration error) has 15 bins of equal mass. What `_before` says is without the calibration.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from haulcast.availability.learning import (
    FIRST_S,
    PLAIN,
    AvailabilityModel,
    Calibration,
    Moments,
    Past,
    log_loss,
    moments,
)

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

HORIZONS_MIN: Final = (15, 30, 60, 120, 240, 480)
ASKED_EVERY_S: Final = 1_800.0
MOST_ASKED: Final = 300_000
BINS: Final = 15


def judged(
    model: AvailabilityModel, past: Past, from_s: float, learned_s: float, until_s: float, seed: int
) -> dict[str, Any]:
    """Figures of a model by outcome and horizon in minutes; null where there is nothing to tell of.

    Args:
        model: learned from before `learned_s`.
        past: of all that it is asked about.
        from_s: begin of the span that it was learned from, Unix seconds.
        learned_s: its end; after it the questions begin.
        until_s: no outcome is later.
        seed: of the moments.
    """
    random, drivers = np.random.default_rng(seed), np.arange(past.duty.drivers)
    horizons_s = np.array(HORIZONS_MIN) * 60.0

    def asked_of(begin_s: float, end_s: float) -> Moments:
        every_s = max(ASKED_EVERY_S, len(drivers) * len(horizons_s) * (end_s - begin_s) / MOST_ASKED)
        return moments(drivers, begin_s, end_s, every_s, random, horizons_s)

    learned, asked = asked_of(from_s + FIRST_S, learned_s), asked_of(learned_s, until_s)
    rows = asked.features(past)
    after, before = model.probabilities(rows), _uncalibrated(model).probabilities(rows)
    found: dict[str, Any] = {}
    for place, outcome in enumerate(("on_duty", "free")):
        came, rival = asked.outcomes(past)[place], _persistence(asked, learned, past, place)
        found[outcome] = {
            str(minutes): _figures(*(column[asked.horizon_s == minutes * 60] for column in columns))
            for minutes in HORIZONS_MIN
            for columns in [(after[place], before[place], rival, came)]
        }
    return found


def calibration_words(model: AvailabilityModel) -> dict[str, Any]:
    """What each outcome's calibration is, and whether it was kept."""

    def words(calibration: Calibration) -> dict[str, Any]:
        is_kept = not np.array_equal(calibration.weights, PLAIN.weights)
        return {
            "is_kept": is_kept,
            "horizons_min": calibration.horizons_min.tolist(),
            "weights": calibration.weights.tolist(),
        }

    return {"on_duty": words(model.on_duty.calibration), "free": words(model.free.calibration)}


def _uncalibrated(model: AvailabilityModel) -> AvailabilityModel:
    on_duty, free = (replace(one, calibration=PLAIN) for one in (model.on_duty, model.free))
    return replace(model, on_duty=on_duty, free=free)


def _persistence(asked: Moments, learned: Moments, past: Past, outcome: int) -> Floats:
    """Calibrated: the learned share of those in the same state, for each question's horizon."""
    now, was, became = _now(asked, past, outcome), _now(learned, past, outcome), learned.outcomes(past)[outcome]  # fmt: skip
    said = np.empty(len(now))
    for horizon_s in np.unique(asked.horizon_s):
        for state in (False, True):
            mine = (asked.horizon_s == horizon_s) & (now == state)
            theirs = became[(learned.horizon_s == horizon_s) & (was == state)]
            said[mine] = theirs.mean() if len(theirs) else float(state)
    return said


def _now(asked: Moments, past: Past, outcome: int) -> Booleans:
    return Moments(asked.driver, asked.at_s, np.zeros(len(asked.at_s))).outcomes(past)[outcome]


def _figures(after: Floats, before: Floats, rival: Floats, came: Booleans) -> Mapping[str, Any]:
    if not len(came):
        return {"n": 0}
    brier, rival_brier = _brier(after, came), _brier(rival, came)
    return {
        "n": len(came),
        "share": float(came.mean()),
        "accuracy": float(np.mean((after > 0.5) == came)),
        "brier": brier,
        "brier_before": _brier(before, came),
        "log_loss": log_loss(after, came),
        "log_loss_before": log_loss(before, came),
        "ece": _ece(after, came),
        "ece_before": _ece(before, came),
        "skill_vs_persistence": 1 - brier / rival_brier if rival_brier > 0 else None,
    }


def _brier(p: Floats, came: Booleans) -> float:
    return float(np.mean((p - came) ** 2))


def _ece(p: Floats, came: Booleans) -> float:
    order = np.argsort(p, kind="stable")
    bins = [index for index in np.array_split(order, BINS) if len(index)]
    return float(sum(abs(p[index].mean() - came[index].mean()) * len(index) for index in bins) / len(p))
