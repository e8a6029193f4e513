r"""What the live route kernels cost over a whole fleet, and whether they are right.

    python -m benchmarks.insertion --vehicles 10000 --stops 8 --json

Vehicles drive seeded random walks of so many stops, 30 km apart, over 300 x 300 km, with windows around their plan; speeds differ by cell and hour of the week. A request
is one load with a pickup of five hours and a delivery of fifteen, of which the five best vehicles are asked. All in one thread. `p50_ms`, `p99_ms`: a request; `p99_cpu_ms`: in CPU time;
`eta_ns_per_vehicle`: times and slack of all routes anew; `resequence_20_us`: 20 stops from a random order, median;
`progress_ns_per_fix`: one fix of each vehicle on a line of 1,000 points.
Of `oracle_cases` random small fleets `different` are answered otherwise than by trying everything, with `infeasible` insertions that are not allowed. `order_optima_percent`: of
routes with 8 movable stops, those for which the descent alone finds the best order; up to 7 all orders are tried.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.insertion_cases import NOW_S, count_differences, travel_times
from benchmarks.report import arguments_of, report, say
from benchmarks.resequence_cases import COSTS, OrderCase, random_route
from geo.cells import cells_of
from geo.resequence import StopOrder, resequence
from geo.route_insertion import InsertionSearch, Load, Place
from geo.route_progress import RouteLimits, follow_lines, fresh_progress, route_lines, start_line
from geo.route_times import LiveRoutes, live_routes
from geo.travel_time import DrivenLegs, TravelTimes, learned_travel_times

KEYS = (
    "p50_ms",
    "p99_ms",
    "p99_cpu_ms",
    "eta_ns_per_vehicle",
    "resequence_20_us",
    "resequence_8_us",
    "progress_ns_per_fix",
    "feasible_percent",
    "reasons_ms",
)
_SOUTH, _WEST, _SIZE_DEG = 45.0, 9.0, 2.7
_DRIFT_DEG = 0.27


def cpu_seconds(work: Callable[..., object], *arguments: Any) -> float:
    """How much of this thread's time a call takes, whatever else the machine does."""
    begin = time.thread_time()
    work(*arguments)
    return time.thread_time() - begin


def seconds(work: Callable[..., object], *arguments: Any, **options: Any) -> float:
    """How long a call takes."""
    begin = time.perf_counter()
    work(*arguments, **options)
    return time.perf_counter() - begin


def fleet_travel(rng: np.random.Generator) -> TravelTimes:
    """Learned from legs all over the area: slow mornings and evenings, slow and fast cells."""
    count = 300_000
    lat, lon = rng.uniform(_SOUTH, _SOUTH + _SIZE_DEG, count), rng.uniform(_WEST, _WEST + _SIZE_DEG, count)
    cell, hour = cells_of(lat, lon, 6), rng.integers(0, 168, count)
    level = 10.0 + cell % 1009 / 1009 * 15.0
    rush = np.where(np.isin(hour % 24, [7, 8, 16, 17, 18]), 0.6, 1.0)
    return learned_travel_times(DrivenLegs(cell, hour, level * rush * rng.uniform(0.8, 1.2, count)))


def fleet_routes(rng: np.random.Generator, travel: TravelTimes, vehicles: int, stops: int) -> LiveRoutes:
    """Random walks with windows that their plan keeps."""
    shape = (vehicles, stops + 1)
    steps = rng.normal(0, _DRIFT_DEG, (2, *shape))
    steps[:, :, 0] = rng.uniform(0, _SIZE_DEG, (2, vehicles))
    lat, lon = np.clip(np.cumsum(steps, axis=2), 0, _SIZE_DEG) + np.array([_SOUTH, _WEST])[:, None, None]
    aboard = rng.integers(0, 16, shape).astype(float)
    change = np.diff(aboard, axis=1, prepend=0.0)
    columns: dict[str, Any] = {
        "lat_deg": lat.ravel(),
        "lon_deg": lon.ravel(),
        "service_s": 900.0,
        "change": np.stack([change.ravel(), np.zeros(change.size)], 1),
        "capacity": [[24.0, 10.0]],
        "skills": 1 << rng.integers(0, 5, vehicles),
        "most_drive_s": 20 * 3600.0,
    }
    offsets = np.arange(vehicles + 1) * shape[1]
    opens = np.full(shape, NOW_S)
    planned = live_routes(travel, offsets, opens_s=opens.ravel(), **columns)
    ready = planned.stops["ready_s"].reshape(shape)
    opens[:, 1:] = ready[:, 1:] - rng.uniform(0, 7_200, (vehicles, stops))
    closes = ready + rng.uniform(1_200, 14_400, shape)
    return live_routes(travel, offsets, opens_s=opens.ravel(), closes_s=closes.ravel(), **columns)


def random_load(rng: np.random.Generator) -> Load:
    """Anywhere, in some hours."""
    corner, far = (_SOUTH, _WEST), (_SOUTH + _SIZE_DEG, _WEST + _SIZE_DEG)
    (lat, lon), (to_lat, to_lon) = rng.uniform(corner, far, (2, 2)).tolist()
    pickup = Place(lat, lon, NOW_S + 1_800, NOW_S + 18_000, 900.0)
    delivery = Place(to_lat, to_lon, NOW_S + 3_600, NOW_S + 54_000, 900.0)
    return Load(pickup, delivery, (8.0, 1.0))


def time_insertion(rng: np.random.Generator, vehicles: int, stops: int, requests: int) -> dict[str, float]:
    """Requests, and times of all routes."""
    travel = fleet_travel(rng)
    routes, paces = fleet_routes(rng, travel, vehicles, stops), travel.paces()
    search = InsertionSearch(travel, paces)
    loads = [random_load(rng) for _ in range(requests + 5)]
    took = np.array([seconds(search.best, routes, load, 5) for load in loads][5:])
    cpu = np.array([cpu_seconds(search.best, routes, load, 5) for load in loads][5:])
    updates = [seconds(routes.update, paces, are_new=False) for _ in range(30)]
    reasons = search.reasons(routes, loads[0])
    return {
        "p50_ms": float(np.percentile(took, 50)) * 1e3,
        "p99_ms": float(np.percentile(took, 99)) * 1e3,
        "p99_cpu_ms": float(np.percentile(cpu, 99)) * 1e3,
        "eta_ns_per_vehicle": min(updates) / vehicles * 1e9,
        "feasible_percent": float((reasons == 0).mean()) * 100,
        "reasons_ms": min(seconds(search.reasons, routes, loads[0]) for _ in range(5)) * 1e3,
    }


def better_order(case: OrderCase, travel: TravelTimes, paces: NDArray[np.float32], most: int) -> StopOrder:
    """Its answer, all orders tried of up to `most` movable stops."""
    return resequence(
        case.stops,
        paces,
        case.pickup_of,
        case.change,
        [case.capacity],
        frozen=case.frozen,
        returns=case.returns,
        costs=COSTS,
        circuity=travel.circuity,
        try_all_of=most,
    )


def time_resequence(rng: np.random.Generator, movable: int, most: int) -> float:
    """Median seconds of 200 routes from random orders."""
    travel = travel_times(rng)
    paces = travel.paces()
    cases = [random_route(rng, travel, movable) for _ in range(200)]
    took = [min(seconds(better_order, case, travel, paces, most) for _ in range(3)) for case in cases]
    return float(np.median(took))


def order_optima(rng: np.random.Generator, cases: int) -> dict[str, float]:
    """How often the descent alone finds the best order of 8 stops, and what it costs more on average."""
    travel = travel_times(rng)
    paces = travel.paces()
    gaps = []
    for _ in range(cases):
        case = random_route(rng, travel, 8)
        best = better_order(case, travel, paces, 8).cost
        gaps.append(better_order(case, travel, paces, 0).cost / best - 1.0)
    return {
        "order_optima_percent": float((np.array(gaps) < 1e-6).mean()) * 100,
        "order_median_gap_percent": float(np.median(gaps)) * 100,
    }


def time_progress(rng: np.random.Generator, vehicles: int) -> float:
    """Seconds for one fix of each vehicle, each 300 m further than the last, with 5 m of jitter, on 100 lines of 1,000 points."""
    lines = [
        np.stack(
            (9 + np.cumsum(rng.uniform(0, 0.002, 1_000)), 45 + np.cumsum(rng.normal(0, 0.001, 1_000))), 1
        )
        for _ in range(100)
    ]
    made, states = route_lines(lines), fresh_progress(vehicles)
    line = rng.integers(0, 100, vehicles)
    for row in range(vehicles):
        start_line(states, row, int(line[row]))
    rows, speed = np.arange(vehicles, dtype=np.int32), np.full(vehicles, 20.0)
    took = []
    for tick in range(20):
        place = np.array([lines[i][30 + 3 * tick] for i in line]) + rng.normal(0, 5e-5, (vehicles, 2))
        columns = (
            np.full(vehicles, 15_000 * (tick + 1)),
            place[:, 1].copy(),
            place[:, 0].copy(),
            speed,
            speed,
        )
        took.append(seconds(follow_lines, made, states, rows, *columns, RouteLimits()))
    return float(np.median(took[1:]))


def run(arguments: argparse.Namespace, seed: int) -> dict[str, float]:
    """One run, each figure."""
    rng = np.random.default_rng(seed)
    figures = time_insertion(rng, arguments.vehicles, arguments.stops, arguments.requests)
    figures["resequence_20_us"] = time_resequence(rng, 20, 0) * 1e6
    figures["resequence_8_us"] = time_resequence(rng, 8, 8) * 1e6
    figures["progress_ns_per_fix"] = time_progress(rng, arguments.vehicles) / arguments.vehicles * 1e9
    say(f"seed {seed}: {figures}")
    return figures


def main() -> int:
    """Print the report; 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vehicles", type=int, default=10_000)
    parser.add_argument("--stops", type=int, default=8, help="of each vehicle, besides where it is")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--oracle-cases", type=int, default=100_000)
    arguments = arguments_of(parser)
    run(arguments, arguments.seed)  # compiles
    runs = [run(arguments, arguments.seed + i) for i in range(arguments.repetitions)]
    say(f"{arguments.oracle_cases} cases against brute force")
    different, infeasible, first = count_differences(arguments.seed, arguments.oracle_cases)
    for text in first:
        say(text)
    figures = {
        "vehicles": arguments.vehicles,
        "stops": arguments.stops,
        "oracle_cases": arguments.oracle_cases,
        "different": different,
        "infeasible": infeasible,
        **order_optima(np.random.default_rng(arguments.seed), 200),
    }
    report(figures, runs, KEYS, arguments.seed)
    return 1 if different or infeasible else 0


if __name__ == "__main__":
    sys.exit(main())
