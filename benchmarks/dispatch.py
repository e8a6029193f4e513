r"""What it costs to give many loads to many vehicles at once, and what it saves.

    python -m benchmarks.dispatch --loads 1000 --vehicles 1000 --json

The day is made up (`benchmarks/dispatch_day.py`): full truck loads over 300 x 300 km with windows and needs, trucks of which half are on their way to unload, speeds by cell
and hour of the week. `total_ms`: from the loads as they are read to who gets what, every insertion of every round searched and every route timed, with `--workers` threads
of one process; `cpu_ms`: in CPU time.
`empty_km_saved_percent`: kilometres without a load, for each load that is carried, against a dispatcher who gives each load, as they come in, to the nearest vehicle that can have it
behind all else that it does, on the same day in the same run. Both plans are driven by an independent walk; `infeasible` counts what is late, overloaded or
longer than the shift there.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from benchmarks.dispatch_day import SHIFT_S, Day, greedy, made_day, plans_of, walked
from benchmarks.insertion import fleet_travel
from benchmarks.insertion_cases import NOW_S
from benchmarks.report import arguments_of, report, say
from geo.route_insertion import InsertionSearch
from haulcast.dispatch.assigning import Assigned, assign

KEYS = (
    "total_ms",
    "cpu_ms",
    "empty_km_saved_percent",
    "way_km_saved_percent",
    "assigned",
    "greedy_assigned",
    "rounds",
    "infeasible",
)
TRIES = 5


def timed(
    day: Day, search: InsertionSearch, paces: NDArray[np.float32], workers: int
) -> tuple[Assigned, float, float]:
    """The answer, and the least milliseconds and CPU milliseconds of some tries."""
    took = []
    with ThreadPoolExecutor(max(1, workers - 1)) as threads:
        for _ in range(TRIES + 1):
            begin, cpu = time.perf_counter(), time.process_time()
            rows = search.rows_of(day.routes, day.loads)
            most_cost = np.full(len(day.loads), np.inf)
            found = assign(search, day.routes, rows, most_cost, paces, threads, workers)
            took.append((time.perf_counter() - begin, time.process_time() - cpu))
    total_s, cpu_s = np.median(took[1:], axis=0)
    return found, float(total_s) * 1e3, float(cpu_s) * 1e3


def run(arguments: argparse.Namespace, seed: int) -> dict[str, float]:
    """One day, each figure."""
    rng = np.random.default_rng(seed)
    travel = fleet_travel(rng)
    day, paces = made_day(rng, travel, arguments.vehicles, arguments.loads), travel.paces()
    search = InsertionSearch(travel, paces)
    found, total_ms, cpu_ms = timed(day, search, paces, arguments.workers)
    rows, plain = search.rows_of(day.routes, day.loads), paces.astype(float).tolist()
    ours = walked(plans_of(found.routes, found.origin, rows, day), plain, NOW_S + SHIFT_S)
    nearest = greedy(day, rows, plain)
    theirs = walked(nearest, plain, NOW_S + SHIFT_S)
    given = len(found.placed)
    taken = (sum(map(len, nearest)) - len(day.routes.stops)) // 2
    missing = sum((int(day.routes.vehicles["skills"][one["vehicle"]]) & day.loads[load].needs) != day.loads[load].needs for load, one in zip(found.placed.tolist(), found.insertions, strict=True))  # fmt: skip
    figures = {
        "total_ms": total_ms,
        "cpu_ms": cpu_ms,
        "empty_km_saved_percent": 100 * (1 - (ours.empty_m / given) / (theirs.empty_m / taken)),
        "way_km_saved_percent": 100 * (1 - (ours.way_m / given) / (theirs.way_m / taken)),
        "assigned": float(given),
        "greedy_assigned": float(taken),
        "rounds": float(found.rounds),
        "infeasible": float(ours.broken + theirs.broken + missing),
    }
    say(f"seed {seed}: {figures}")
    return figures


def main() -> int:
    """Print the report; 1 if a plan breaks a limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loads", type=int, default=1_000)
    parser.add_argument("--vehicles", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2, help="threads that search side by side")
    arguments = arguments_of(parser)
    runs = [run(arguments, arguments.seed + i) for i in range(arguments.repetitions)]
    infeasible = sum(one["infeasible"] for one in runs)
    report({"loads": arguments.loads, "vehicles": arguments.vehicles, "workers": arguments.workers}, runs, KEYS, arguments.seed)  # fmt: skip
    return 1 if infeasible else 0


if __name__ == "__main__":
    sys.exit(main())
