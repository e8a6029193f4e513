"""Who will be on duty, and who will be free, foretold from real cabs' past: learned on the first days, asked about later days and about drivers never seen.

    python -m benchmarks.availability --trips F --sessions F --test-from 2008-05-28 --json

The data are San Francisco taxis of 2008, not trucks. `--test-trips` and `--test-sessions` are further files for the days after; without them the same
files are split at `--test-from` (local midnight), which with them is the end of the first. A share of the drivers is left out of learning altogether. Asked is once in half an hour a driver, on or
off duty, for 15, 30, 60, 120 and 240 minutes ahead. A file of sessions lacks those that had not ended when it was cut, so the last day of the
last file is left out. A session's end is known at its end, as from a driver who signs off.

`--simulated` asks about a simulated freight fleet instead, see `benchmarks.availability_simulated`; `free_by_chance_alone` is the most that could be known of it.

`predict_p99_us` is wall time with whatever else runs, `predict_cpu_p99_us` the thread's own.

`skill_vs_X` is 1 - Brier / Brier of X: `persistence` is the share with that state now who had it then, from the days of learning, by horizon; `majority` the share of all;
`hour_rate` the driver's own share in that hour of the week so far. ECE has 15 bins of equal mass. `change_accuracy` is over those whose state then is another than now.
"""

import argparse
import csv
import gzip
import lzma
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.availability_simulated import chance_alone, learned_backbone, simulate, with_routes
from benchmarks.report import arguments_of, report, say
from geo.availability import NAMES, Spans, fleet_rates, spans_of
from haulcast.availability.learning import PLAIN, ROUNDS, AvailabilityModel, Moments, Past, learn, moments

HORIZONS_MIN = (15, 30, 60, 120, 240)
HORIZONS_S = np.array(HORIZONS_MIN) * 60.0
SERVED_S = np.array([900.0, 1_800.0, 3_600.0, 14_400.0])
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

    def spans(given: list[dict[str, str]], begin: str, end: str) -> Spans:
        rows = _apart(given, begin, end)

        def column(*names: str) -> Floats:
            return np.array([[float(row[name]) for name in names] for row in rows]).squeeze()

        who = [number[row["vehicle"]] for row in rows]
        prefixes = (begin.removesuffix("_ts"), end.removesuffix("_ts"))
        first, last = (column(f"{prefix}_lat", f"{prefix}_lon") for prefix in prefixes)
        return spans_of(len(number), who, column(begin), column(end), first, last, origin)

    duty = spans(sessions, "on_ts", "off_ts")
    return duty, spans(trips, "start_ts", "end_ts"), float(duty.end_s.max()) - DAY_S


def _apart(rows: list[dict[str, str]], begin: str, end: str) -> list[dict[str, str]]:
    """In order, and without those that begin before one that is kept has ended: two files may both hold what was under way between them."""
    kept: list[dict[str, str]] = []
    last: dict[str, tuple[float, float]] = {}
    for row in sorted(rows, key=lambda row: (float(row[begin]), -float(row[end]))):
        begin_s, (was_s, until_s) = float(row[begin]), last.get(row["vehicle"], (-np.inf, -np.inf))
        if begin_s >= until_s and begin_s > was_s:
            kept.append(row)
            last[row["vehicle"]] = begin_s, float(row[end])
    return kept


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
    p: Floats, past: Past, asked: Moments, learned: Moments, outcome: int
) -> dict[str, dict[str, float]]:
    """Of what was said, by horizon, against what was known from the days of learning."""
    came, now = asked.outcomes(past)[outcome], _now(asked, past, outcome)
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
    model: AvailabilityModel, past: Past, asked: Moments, random: np.random.Generator
) -> dict[str, float]:
    """How long one prediction of P(on duty) takes with its features, and all of a fleet of 10,000 for four horizons; beside LightGBM's own `predict`."""
    alone = [asked.only(np.array([i])) for i in random.integers(len(asked.at_s), size=5_000)]
    fleet, count = random.integers(len(asked.at_s), size=10_000), len(SERVED_S)
    many = Moments(
        np.repeat(asked.driver[fleet], count), np.repeat(asked.at_s[fleet], count), np.tile(SERVED_S, 10_000)
    )
    times_us = [
        _time_s(lambda one=one: model.on_duty.probabilities(one.features(past))) * 1e6 for one in alone
    ]
    cpu_us = [
        _time_s(lambda one=one: model.on_duty.probabilities(one.features(past)), time.thread_time) * 1e6
        for one in alone
    ]
    fleet_s = min(_time_s(lambda: model.probabilities(many.features(past))) for _ in range(3))
    rows, booster = many.features(past), model.on_duty.peer
    peer_rows = [one.features(past) for one in alone[:1_000]]
    peer_us = [_time_s(lambda row=row: booster.predict(row, num_threads=1)) * 1e6 for row in peer_rows]
    return {
        "predict_p99_us": float(np.percentile(times_us, 99)),
        "predict_p50_us": float(np.percentile(times_us, 50)),
        "predict_cpu_p99_us": float(np.percentile(cpu_us, 99)),
        "lightgbm_p99_us": float(np.percentile(peer_us, 99)),
        "lightgbm_p50_us": float(np.percentile(peer_us, 50)),
        "features_us_a_row": _time_s(lambda: many.features(past)) * 1e6 / len(rows),
        "fleet_10k_x4_s": fleet_s,
        "lightgbm_10k_x4_s": _time_s(
            lambda: [one.peer.predict(rows, num_threads=1) for one in (model.on_duty, model.free)]
        ),
        "differences": float(
            np.sum(model.on_duty.trees.scores(rows) != booster.predict(rows, raw_score=True, num_threads=1))
        ),
    }


def _time_s(done: Any, clock: Callable[[], float] = time.perf_counter) -> float:
    begin_s = clock()
    done()
    return clock() - begin_s


def main() -> int:
    """Parse, learn, ask, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trips", type=Path, help="vehicle,start_ts,end_ts and places")
    parser.add_argument("--sessions", type=Path, help="vehicle,on_ts,off_ts and places")
    parser.add_argument("--test-trips", type=Path, nargs="*", default=[])
    parser.add_argument("--test-sessions", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--test-from",
        help="day whose local midnight begins what is asked about, 2008-05-28 [the end of --sessions]",
    )
    parser.add_argument(
        "--zone-hours",
        type=float,
        default=-7.0,
        help="local time less UTC [%(default)s, San Francisco's summer]",
    )
    parser.add_argument(
        "--every-s", type=float, default=600.0, help="learn a moment of each driver in so many seconds"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--unseen", type=float, default=0.15, help="share of the drivers that nothing is learned from"
    )
    parser.add_argument(
        "--simulated", action="store_true", help="instead: a simulated freight fleet whose routes are known"
    )
    parser.add_argument("--drivers", type=int, default=120, help="that are simulated")
    parser.add_argument(
        "--days", type=float, default=6.5, help="that are simulated; of the last 1.5 is asked"
    )
    parser.add_argument(
        "--wait-minutes", type=float, default=120.0, help="mean time to the next load, simulated"
    )
    chosen = arguments_of(parser)
    if chosen.simulated:
        return _simulated(chosen)
    if not (chosen.trips and chosen.sessions and (chosen.test_from or chosen.test_sessions)):
        parser.error("--trips and --sessions are needed, and --test-from or --test-sessions; or --simulated")
    return _main(chosen)


def _say(run: int, name: str, figures: dict[str, dict[str, float]]) -> None:
    for minutes, found in figures.items():
        words = ", ".join(f"{key} {value:.3f}" for key, value in found.items())
        say(f"run {run} {name:8} {minutes:>4} min: {words}")


def _simulated(chosen: argparse.Namespace) -> int:
    figures: dict[str, Any] = {}
    runs = []
    for run in range(chosen.repetitions):
        seed = chosen.seed + run
        found = simulate(chosen.drivers, chosen.days, chosen.wait_minutes * 60, seed)
        past, split_s = found.past(), (chosen.days - 1.5) * DAY_S
        drivers, until_s = np.arange(chosen.drivers), chosen.days * DAY_S
        model = learn(past, drivers, 0.0, split_s, chosen.every_s, seed, chosen.rounds)
        random = np.random.default_rng(seed)
        learned = moments(drivers, DAY_S, split_s, ASKED_EVERY_S, random, HORIZONS_S)
        asked = moments(drivers, split_s, until_s, ASKED_EVERY_S, random, HORIZONS_S)
        backbone = learned_backbone(found, split_s)
        said = with_routes(model, backbone, found, past, asked)
        for place, name in enumerate(("on_duty", "free")):
            figures[name] = _figures(said[place], past, asked, learned, place)
            _say(run, name, figures[name])
        best = chance_alone(found, chosen.wait_minutes * 60, asked)
        figures["free_by_chance_alone"] = _figures(best, past, asked, learned, 1)
        _say(run, "best", figures["free_by_chance_alone"])
        hour = figures["free"]["60"]
        runs.append({"free_accuracy_60": hour["accuracy"], "free_skill_60": hour["skill_vs_persistence"], "spread": backbone.spread})  # fmt: skip
    options = {name: str(value) for name, value in vars(chosen).items()}
    report({"options": options, "simulated": True, **figures}, runs, tuple(runs[0]), chosen.seed)
    return 0


def _main(chosen: argparse.Namespace) -> int:
    duty, busy, until_s = _read(chosen)
    zone_s = chosen.zone_hours * 3600
    if chosen.test_from:
        split_s = datetime.fromisoformat(chosen.test_from).replace(tzinfo=UTC).timestamp() - zone_s
    else:
        split_s = max(float(row["off_ts"]) for row in _rows([chosen.sessions]))
    past, first_s = Past(duty, busy, fleet_rates(duty, busy, until_s), zone_s), float(duty.begin_s.min())
    runs: list[dict[str, float]] = []
    figures: dict[str, Any] = {}
    for run in range(chosen.repetitions):
        random = np.random.default_rng(chosen.seed + run)
        unseen = random.permutation(duty.drivers)[: int(chosen.unseen * duty.drivers)]
        seen = np.setdiff1d(np.arange(duty.drivers), unseen)
        model = learn(past, seen, first_s, split_s, chosen.every_s, chosen.seed + run, chosen.rounds)
        learned = moments(seen, first_s + DAY_S, split_s, ASKED_EVERY_S, random, HORIZONS_S)
        asked = moments(np.arange(duty.drivers), split_s, until_s, ASKED_EVERY_S, random, HORIZONS_S)
        said, is_new = model.probabilities(asked.features(past)), np.isin(asked.driver, unseen)
        for place, name in enumerate(("on_duty", "free")):
            figures[name] = _figures(said[place], past, asked, learned, place)
            new = _figures(said[place][is_new], past, asked.only(is_new), learned, place)
            figures[f"{name}_unseen_drivers"] = new
            _say(run, name, figures[name])
        figures["calibration_kept"] = {
            name: getattr(model, name).calibration is not PLAIN for name in ("on_duty", "free")
        }
        runs.append(_serving(model, past, asked, random))
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
