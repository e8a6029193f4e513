"""Who will be on duty, and who will be free, foretold from real cabs' past: learned on the first days, asked about later days and about drivers never seen.

    python -m benchmarks.availability --trips F --sessions F --test-from 2008-05-28 --json

The data are San Francisco taxis of 2008, not trucks. `--test-trips` and `--test-sessions` are further files for the days after; without them the same
files are split at `--test-from` (local midnight). A share of the drivers is left out of learning altogether. Asked is once in half an hour a driver, on or
off duty, for 15, 30, 60, 120 and 240 minutes ahead. A file of sessions lacks those that had not ended when it was cut, so the last day of the
last file is left out. A session's end is known at its end, as from a driver who signs off.

`skill_vs_X` is 1 - Brier / Brier of X: `persistence` is the share with that state now who had it then, from the days of learning, by horizon; `majority` the share of all;
`hour_rate` the driver's own share in that hour of the week so far. ECE has 15 bins of equal mass. `change_accuracy` is over those whose state then is another than now.
"""

import argparse
import csv
import gzip
import lzma
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.report import arguments_of, report, say
from geo.availability import NAMES, Spans, fleet_rates, spans_of
from haulcast.availability.learning import Model, Moments, Past, learn, moments

HORIZONS_MIN = (15, 30, 60, 120, 240)
DAY_S = 86_400.0
BINS = 15
ASKED_EVERY_S = 1_800.0
HOUR_WEIGHT = 4.0  # hours that the fleet's share counts for in a driver's own
KEYS = ("predict_p99_us", "lightgbm_p99_us", "fleet_10k_x4_s")
Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]


def _rows(files: Iterable[Path]) -> Iterator[dict[str, str]]:
    for file in files:
        opened: Any = {".gz": gzip.open, ".xz": lzma.open}.get(file.suffix, open)
        with opened(file, "rt") as lines:
            yield from csv.DictReader(lines)


def _read(chosen: argparse.Namespace) -> tuple[Spans, Spans, float]:
    """Duty and hired spans of the same drivers, and until when they are whole."""
    sessions = list(_rows([chosen.sessions, *chosen.test_sessions]))
    number = {name: i for i, name in enumerate(sorted({row["vehicle"] for row in sessions}))}
    trips = [row for row in _rows([chosen.trips, *chosen.test_trips]) if row["vehicle"] in number]
    origin = (
        float(np.median([float(row["on_lat"]) for row in sessions])),
        float(np.median([float(row["on_lon"]) for row in sessions])),
    )

    def spans(rows: list[dict[str, str]], begin: str, end: str) -> Spans:
        def column(*names: str) -> Floats:
            return np.array([[float(row[name]) for name in names] for row in rows]).squeeze()

        who = [number[row["vehicle"]] for row in rows]
        prefixes = (begin.removesuffix("_ts"), end.removesuffix("_ts"))
        first, last = (column(f"{prefix}_lat", f"{prefix}_lon") for prefix in prefixes)
        return spans_of(len(number), who, column(begin), column(end), first, last, origin)

    duty = spans(sessions, "on_ts", "off_ts")
    return duty, spans(trips, "start_ts", "end_ts"), float(duty.end_s.max()) - DAY_S


def _brier(p: Floats, came: Booleans) -> float:
    return float(np.mean((p - came) ** 2))


def _ece(p: Floats, came: Booleans) -> float:
    bins = np.array_split(np.argsort(p, kind="stable"), BINS)
    return float(sum(abs(p[index].mean() - came[index].mean()) * len(index) for index in bins) / len(p))


def _judged(p: Floats, came: Booleans, now: Booleans, rivals: dict[str, Floats]) -> dict[str, float]:
    says = p > 0.5
    changed = came != now
    figures = {
        "accuracy": float(np.mean(says == came)),
        "balanced_accuracy": float((np.mean(says[came]) + np.mean(~says[~came])) / 2),
        "brier": _brier(p, came),
        "ece": _ece(p, came),
        "change_accuracy": float(np.mean(says[changed] == came[changed])),
    }
    return figures | {
        f"skill_vs_{name}": 1 - figures["brier"] / _brier(rival, came) for name, rival in rivals.items()
    }


def _now(asked: Moments, past: Past, outcome: int) -> Booleans:
    """The state at the moment itself."""
    return Moments(asked.driver, asked.at_s, np.zeros(len(asked.at_s))).outcomes(past)[outcome]


def _hour_rate(asked: Moments, past: Past, learned: Moments, outcome: int, drivers: int) -> Floats:
    """Each driver's share in that hour of the week over the days of learning, leaning on the fleet's."""

    def hour(of: Moments) -> NDArray[np.int64]:
        return ((of.at_s + of.horizon_s + past.zone_s) // 3600 % 168).astype(np.int64)

    came = learned.outcomes(past)[outcome]
    fleet = np.bincount(hour(learned), came, 168) / np.maximum(1, np.bincount(hour(learned), minlength=168))
    key, size = learned.driver * 168 + hour(learned), drivers * 168
    wanted = asked.driver * 168 + hour(asked)
    own, of = np.bincount(key, came, size), np.bincount(key, minlength=size)
    return np.asarray((own[wanted] + HOUR_WEIGHT * fleet[hour(asked)]) / (of[wanted] + HOUR_WEIGHT))


def _figures(
    model: Model, past: Past, asked: Moments, learned: Moments, outcome: int
) -> dict[str, dict[str, float]]:
    p, came, now = (
        model.probabilities(asked.features(past)),
        asked.outcomes(past)[outcome],
        _now(asked, past, outcome),
    )
    hour_rate = _hour_rate(asked, past, learned, outcome, past.duty.drivers)
    was, became = _now(learned, past, outcome), learned.outcomes(past)[outcome]
    found = {}
    for minutes in HORIZONS_MIN:
        mine, theirs = asked.horizon_s == minutes * 60, learned.horizon_s == minutes * 60
        kept, changed = became[theirs & was].mean(), became[theirs & ~was].mean()
        rivals = {
            "persistence": np.where(now[mine], kept, changed),
            "majority": np.full(mine.sum(), became[theirs].mean()),
            "hour_rate": hour_rate[mine],
        }
        found[str(minutes)] = _judged(p[mine], came[mine], now[mine], rivals)
    return found


def _serving(
    models: tuple[Model, Model], past: Past, asked: Moments, random: np.random.Generator
) -> dict[str, float]:
    """How long one prediction takes with its features, and those of a fleet of 10,000 for four horizons; beside LightGBM's own `predict`."""
    one = [
        Moments(asked.driver[i : i + 1], asked.at_s[i : i + 1], asked.horizon_s[i : i + 1])
        for i in random.integers(len(asked.at_s), size=5_000)
    ]
    fleet = random.integers(len(asked.at_s), size=40_000)
    many = Moments(asked.driver[fleet], asked.at_s[fleet], asked.horizon_s[fleet])
    times_us = [
        _time_s(lambda moment=moment: models[0].probabilities(moment.features(past))) * 1e6 for moment in one
    ]
    begin_s = time.perf_counter()
    rows = many.features(past)
    for model in models:
        model.probabilities(rows)
    fleet_s = time.perf_counter() - begin_s
    booster = models[0].peer
    alone = [moment.features(past) for moment in one[:1_000]]
    peer_us = [_time_s(lambda row=row: booster.predict(row, num_threads=1)) * 1e6 for row in alone]
    return {
        "predict_p99_us": float(np.percentile(times_us, 99)),
        "predict_p50_us": float(np.percentile(times_us, 50)),
        "lightgbm_p99_us": float(np.percentile(peer_us, 99)),
        "fleet_10k_x4_s": fleet_s,
        "differences": float(
            np.sum(models[0].trees.probabilities(rows) != booster.predict(rows, num_threads=1))
        ),
    }


def _time_s(done: Any) -> float:
    begin_s = time.perf_counter()
    done()
    return time.perf_counter() - begin_s


def main() -> int:
    """Parse, learn, ask, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trips", type=Path, required=True, help="vehicle,start_ts,end_ts and places")
    parser.add_argument("--sessions", type=Path, required=True, help="vehicle,on_ts,off_ts and places")
    parser.add_argument("--test-trips", type=Path, nargs="*", default=[])
    parser.add_argument("--test-sessions", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--test-from", required=True, help="day whose local midnight begins what is asked about, 2008-05-28"
    )
    parser.add_argument(
        "--zone-hours",
        type=float,
        default=-7.0,
        help="local time less UTC [%(default)s, San Francisco's summer]",
    )
    parser.add_argument(
        "--every-s", type=float, default=450.0, help="learn a moment of each driver in so many seconds"
    )
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument(
        "--unseen", type=float, default=0.15, help="share of the drivers that nothing is learned from"
    )
    return _main(arguments_of(parser))


def _main(chosen: argparse.Namespace) -> int:
    duty, busy, until_s = _read(chosen)
    zone_s = chosen.zone_hours * 3600
    split_s = datetime.fromisoformat(chosen.test_from).replace(tzinfo=UTC).timestamp() - zone_s
    past, first_s = Past(duty, busy, fleet_rates(duty, busy, until_s), zone_s), float(duty.begin_s.min())
    runs, figures = [], {}
    for run in range(chosen.repetitions):
        random = np.random.default_rng(chosen.seed + run)
        unseen = random.permutation(duty.drivers)[: int(chosen.unseen * duty.drivers)]
        seen = np.setdiff1d(np.arange(duty.drivers), unseen)
        models = learn(past, seen, first_s, split_s, chosen.every_s, chosen.seed + run, chosen.rounds)
        horizons_s = np.array(HORIZONS_MIN) * 60.0
        learned = moments(seen, first_s + DAY_S, split_s, ASKED_EVERY_S, random, horizons_s)
        asked = moments(np.arange(duty.drivers), split_s, until_s, ASKED_EVERY_S, random, horizons_s)
        is_new = np.isin(asked.driver, unseen)
        new = Moments(asked.driver[is_new], asked.at_s[is_new], asked.horizon_s[is_new])
        for place, name in enumerate(("on_duty", "free")):
            figures[name] = _figures(models[place], past, asked, learned, place)
            figures[f"{name}_unseen_drivers"] = _figures(models[place], past, new, learned, place)
            for minutes, found in figures[name].items():
                say(
                    f"run {run} {name:8} {minutes:>4} min: "
                    + ", ".join(f"{key} {value:.3f}" for key, value in found.items())
                )
        runs.append(_serving(models, past, asked, random))
        say(f"run {run}: " + ", ".join(f"{key} {value:.3f}" for key, value in runs[-1].items()))
    options = {name: str(value) for name, value in vars(chosen).items()}
    report(
        {"options": options, "features": len(NAMES), "asked": len(asked.at_s), **figures},
        runs,
        KEYS,
        chosen.seed,
    )
    return 1 if any(run["differences"] for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
