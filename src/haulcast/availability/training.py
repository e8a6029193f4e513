"""A fleet's model and its card, out of stored spans: learned on all but the last days, and judged on those."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from geo.availability import NAMES, fleet_rates
from haulcast import __version__
from haulcast.availability.learning import (
    FIRST_S,
    HELD_BACK,
    OPTIONS,
    ROUNDS,
    AvailabilityModel,
    LearningError,
    Past,
    learn,
)
from haulcast.availability.model_card import calibration_words, judged
from haulcast.availability.past import LatLon, joined_spans, middle, zone_of
from haulcast.availability.span_store import BUSY, DUTY, MOST_MS, SpanColumns, StoredSpan

DAY_S: Final = 86_400.0
JUDGED_SHARE: Final = 0.15  # of the span, and no less than a day
USUAL_EVERY_S: Final = 450.0
MOST_MOMENTS: Final = 1_500_000
"""Learned from unless it is said how often; some 400 bytes each."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is to be learned, and how.

    Attributes:
        from_s, until_s: the span, Unix seconds; nothing after it is looked at.
        every_s: a moment of each driver in so many seconds; 0: as many as are good.
        rounds: trees.
        seed: the same gives the same model.
        threads: of LightGBM.
    """

    from_s: float
    until_s: float
    every_s: float = 0.0
    rounds: int = ROUNDS
    seed: int = 1
    threads: int = 1


def trained(spans: SpanColumns, lesson: Lesson) -> tuple[AvailabilityModel, dict[str, Any]]:
    """The model of a fleet's spans, and its card without fleet and origin of the data.

    Raises:
        LearningError: too little to learn from, or LightGBM is not installed.
    """
    days = (lesson.until_s - lesson.from_s) / DAY_S
    judged_s = max(DAY_S, JUDGED_SHARE * days * DAY_S)
    learned_s = lesson.until_s - judged_s
    if learned_s - lesson.from_s <= FIRST_S:
        needed = f"more than {(FIRST_S + DAY_S) / DAY_S:.0f} are needed, of which the last is for judging"
        raise LearningError("span_short", f"{days:.1f} days to learn from; {needed}")
    origin, past = _past(spans, lesson.until_s)
    drivers = np.arange(past.duty.drivers)
    first_s, last_s = lesson.from_s + FIRST_S, learned_s - HELD_BACK * (learned_s - lesson.from_s)
    if not np.any((past.duty.begin_s < last_s) & (past.duty.end_s > first_s)):
        reason = f"nobody was on duty from {_iso(first_s)} to {_iso(last_s)}, of which trees would be learned"
        raise LearningError("no_spans", reason)
    every_s = lesson.every_s or max(USUAL_EVERY_S, len(drivers) * (learned_s - lesson.from_s) / MOST_MOMENTS)
    model = learn(
        past, drivers, lesson.from_s, learned_s, every_s, lesson.seed, lesson.rounds, lesson.threads
    )  # fmt: skip
    figures = judged(model, past, lesson.from_s, learned_s, lesson.until_s, lesson.seed)
    return model, _card(model, past, lesson, learned_s, every_s, origin) | {"figures": figures}


def _past(spans: SpanColumns, until_s: float) -> tuple[LatLon, Past]:
    """What was known of the drivers that there were until then, and where places are measured from."""
    known = spans.begin_ms < until_s * 1000
    vehicles, driver = np.unique(spans.vehicle[known], return_inverse=True)
    begin_s, kind, places = spans.begin_ms[known] / 1000, spans.kind[known], spans.places[known]
    end_s = np.where(spans.end_ms[known] >= MOST_MS, np.inf, spans.end_ms[known] / 1000)
    origin = middle(places[:, :2])
    duty, busy = (
        joined_spans(len(vehicles), driver[own], begin_s[own], end_s[own], places[own], origin)
        for own in (kind == DUTY, kind == BUSY)
    )
    return origin, Past(duty, busy, fleet_rates(duty, busy, until_s), zone_of(origin))


def columns_of(spans: Sequence[StoredSpan]) -> SpanColumns:
    """Spans of a fleet as columns, in their order."""
    vehicles = sorted({span.vehicle for span in spans})
    numbers = {vehicle: number for number, vehicle in enumerate(vehicles)}
    return SpanColumns(
        vehicles,
        np.array([numbers[span.vehicle] for span in spans], np.int64),
        np.array([span.kind for span in spans], np.int16),
        np.array([span.begin_ms for span in spans], np.int64),
        np.array([MOST_MS if span.end_ms is None else span.end_ms for span in spans], np.int64),
        np.array([span[4:8] for span in spans], np.float64).reshape(len(spans), 4),
    )


def _card(
    model: AvailabilityModel, past: Past, lesson: Lesson, learned_s: float, every_s: float, origin: LatLon
) -> dict[str, Any]:  # fmt: skip
    options = {"origin": list(origin), "zone_s": past.zone_s, **asdict(lesson), "every_s": every_s}
    return {
        "span": {
            "from": _iso(lesson.from_s),
            "learned_until": _iso(learned_s),
            "judged_until": _iso(lesson.until_s),
        },
        "drivers": past.duty.drivers,
        "duty_spans": len(past.duty.begin_s),
        "busy_spans": len(past.busy.begin_s),
        "features": list(NAMES),
        "options": options | {"lightgbm": OPTIONS},
        "calibration": calibration_words(model),
        "seed": lesson.seed,
        "versions": {
            "haulcast": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in ("numpy", "numba", "lightgbm")},
        },
    }


def _iso(time_s: float) -> str:
    return f"{datetime.fromtimestamp(time_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
