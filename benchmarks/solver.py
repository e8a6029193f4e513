r"""How far routes are from the best known, beside PyVRP and VROOM on the same instances in the same run, and whether each keeps every limit.

    python -m benchmarks.solver --instances solomon/instances --best-known best_known.csv --seconds 1 --json

The budget is CPU time of the one thread that searches, for us and for PyVRP alike, so that what else a machine does moves the figures little;
VROOM (exploration 5) takes what it takes, see `vroom_cpu_s`. A gap is that of the distance, recomputed from the routes, to the smaller column
of `--best-known`, which is wrong for some: `mean_gap_to_seen_percent` is to the best that is known or that anyone found in this run. Every plan
is walked by an independent checker; `infeasible` counts ours that break a limit or leave someone out. Without `--instances` there are made ones,
and all gaps are to the best of this run: a clone needs no data.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.report import arguments_of, report, say
from benchmarks.solver_instances import Instance, made_instances, read_instances, task_of
from benchmarks.solver_peers import Peer, Routes, peers
from geo.route_check import broken_limits
from geo.route_search import search, warm_up
from geo.route_task import RouteTask

OURS = "haulcast"
PEER_ROUNDING = 0.1
"""How much later our matrices may find a peer that rounds each leg: windows close so much later where its routes are judged."""

DISTRIBUTIONS = {"pyvrp": "pyvrp", "vroom": "pyvroom"}


class Answer(NamedTuple):
    """One solver's routes for one instance.

    Attributes:
        distance: recomputed from them.
        cpu_s: that it took.
        holds: they keep every limit and serve everyone.
    """

    distance: float
    cpu_s: float
    holds: bool


def solve_ours(task: RouteTask, seconds: float, seed: int) -> Routes:
    """`route_search` for so many CPU-seconds."""
    found = search(task, seed=seed, seconds=seconds, clock=time.process_time)
    return {vehicle: list(stops) for vehicle, stops in found.routes.items()}


def judge(instance: Instance, routes: Routes, cpu_s: float, rounding: float = 0.0) -> Answer:
    """Walk the routes."""
    table = instance.table.copy()
    table[:, 4] += rounding
    task = task_of(instance._replace(table=table))
    served = sorted(stop for stops in routes.values() for stop in stops)
    holds = served == list(range(len(table) - 1)) and not broken_limits(task, routes)
    ways = [[0, *(stop + 1 for stop in stops), 0] for stops in routes.values()]
    distance = sum(float(instance.distance[leg]) for way in ways for leg in pairwise(way))
    return Answer(distance, cpu_s, holds)


def answers_of(
    instances: Sequence[Instance], seconds: float, seed: int, solvers: dict[str, Peer]
) -> dict[str, list[Answer]]:
    """Every solver's answer for every instance, ours first, one after the other."""
    answers: dict[str, list[Answer]] = {OURS: [], **{name: [] for name in solvers}}
    for instance in instances:
        task = task_of(instance)
        began = time.process_time()
        routes = solve_ours(task, seconds, seed)
        answers[OURS].append(judge(instance, routes, time.process_time() - began))
        for name, solve in solvers.items():
            began = time.process_time()
            routes = solve(instance, seconds, seed)
            took_s = time.process_time() - began
            answers[name].append(judge(instance, routes, took_s, PEER_ROUNDING))
    return answers


def gaps_of(answers: Sequence[Answer], best: Sequence[float]) -> list[float]:
    """Percent above the best."""
    return [100 * (answer.distance / least - 1) for answer, least in zip(answers, best, strict=True)]


def figures_of(
    instances: Sequence[Instance], answers: dict[str, list[Answer]], best: Sequence[float]
) -> dict[str, float]:
    """One seed's figures of every solver: gaps to `best`, CPU time, and what breaks a limit."""
    figures: dict[str, float] = {}
    for name, own in answers.items():
        prefix = "" if name == OURS else f"{name}_"
        gaps = gaps_of(own, best)
        figures[f"{prefix}mean_gap_percent"] = statistics.fmean(gaps)
        figures[f"{prefix}worst_gap_percent"] = max(gaps)
        figures[f"{prefix}cpu_s"] = statistics.fmean(answer.cpu_s for answer in own)
        figures[f"{prefix}infeasible"] = sum(not answer.holds for answer in own)
        for group in sorted({instance.group for instance in instances}):
            here = [gap for instance, gap in zip(instances, gaps, strict=True) if instance.group == group]
            figures[f"{prefix}{group.lower()}_gap_percent"] = statistics.fmean(here)
    return figures


def best_seen(runs: Sequence[dict[str, list[Answer]]], known: Sequence[float]) -> list[float]:
    """For each instance the least distance that is known, or that anyone found with routes that hold."""
    own = [answers for run in runs for answers in run.values()]
    found = [known, *([answer.distance if answer.holds else np.nan for answer in answers] for answers in own)]
    return [float(least) for least in np.nanmin(np.array(found), axis=0)]


def _worst(
    instances: Sequence[Instance], runs: Sequence[dict[str, list[Answer]]], best: Sequence[float]
) -> dict[str, float]:
    means = np.mean([gaps_of(answers[OURS], best) for answers in runs], axis=0)
    order = np.argsort(-means)[:5]
    return {instances[i].name: round(float(means[i]), 3) for i in order}


def _main(chosen: argparse.Namespace) -> int:
    if chosen.instances:
        instances = read_instances(chosen.instances, chosen.only, chosen.best_known)
    else:
        instances = made_instances(chosen.seed, chosen.customers)
    if not instances:
        say(f"no instance of {chosen.instances} has a name like {chosen.only}")
        return 2
    warm_up()
    solvers = {} if chosen.no_peers else peers()
    say(
        f"{len(instances)} instances, {chosen.seconds:g} s each, {chosen.seeds} seeds, peers: {', '.join(solvers) or 'none'}"
    )
    answers = []
    for run in range(chosen.seeds):
        asked = {name: peer for name, peer in solvers.items() if name != "vroom" or run == 0}
        answers.append(answers_of(instances, chosen.seconds, chosen.seed + run, asked))
        if run and "vroom" in solvers:
            answers[run]["vroom"] = answers[0]["vroom"]
        say(f"seed {chosen.seed + run} done")
    known = [instance.best_known for instance in instances]
    seen = best_seen(answers, known)
    best = [least if np.isnan(quoted) else quoted for quoted, least in zip(known, seen, strict=True)]
    runs = [
        {
            **figures_of(instances, one, best),
            "mean_gap_to_seen_percent": statistics.fmean(gaps_of(one[OURS], seen)),
            "worst_gap_to_seen_percent": max(gaps_of(one[OURS], seen)),
        }
        for one in answers
    ]
    infeasible = sum(int(run["infeasible"]) for run in runs)
    figures: dict[str, Any] = {
        "infeasible": infeasible,
        "instances": len(instances),
        "seconds": chosen.seconds,
        "largest_mean_gaps_percent": _worst(instances, answers, best),
        "peers": {name: version(DISTRIBUTIONS[name]) for name in solvers},
    }
    keys = [key for key in runs[0] if key != "infeasible"]
    report(figures, runs, keys, chosen.seed)
    return 1 if infeasible else 0


def main() -> int:
    """Parse, run, report; 1 when a plan of ours breaks a limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=Path, metavar="DIR", help="files in Solomon's format")
    parser.add_argument("--best-known", type=Path, metavar="CSV")
    parser.add_argument("--only", default="*", metavar="GLOB", help="names of instances")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time for each instance and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--customers", type=int, default=60, help="of each made instance")
    return _main(arguments_of(parser))


if __name__ == "__main__":
    sys.exit(main())
