r"""What a plan saves against what people do without a search, and against VROOM at its fastest.

    python -m benchmarks.savings --instances solomon/instances --trips sf_cabs_trips.csv.xz --seconds 1 --json

Two sets: instances in Solomon's format, and days of small fleets made of real pick-ups (`--trips`: hired trips of San Francisco cabs of one Friday as
parcels, see `savings_cases`; they are taxis' passengers, for no open set of freight pick-ups could be had). Every plan carries everything, keeps all limits (an
independent checker walks it), may use as many vehicles as it likes, and is made for the least distance; `time` is the duration of all routes, waiting and service
included, which nobody was asked to save: with `--save time` it is what costs, for all but VROOM, which does not reckon with waiting. Percentages are means over the cases of both sets, `solomon_...` and `trips_...` over one. `arrival_order`: each load, in the order in which
they come (of Solomon's: of the customers' numbers), is put where it costs least, and never moved. `nearest_neighbour`: one vehicle after the other drives to the nearest stop that it
can still make. VROOM: `exploration_level=0`, one thread. Without `--instances` and `--trips` both sets are made ones: a clone needs no data.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.report import arguments_of, report, say
from benchmarks.savings_cases import (
    Case,
    case_of_instance,
    cases_of_trips,
    groups_of,
    made_trips,
    read_trips,
    saving_time,
)
from benchmarks.solver_instances import made_instances, read_instances
from geo import route_baselines, route_search
from geo.route_check import broken_limits, timetable
from geo.route_task import NONE, RouteTask

OTHERS = ("arrival_order", "nearest_neighbour", "vroom")
SCALE = 100
"""VROOM reckons in whole numbers: a unit here is so many of its."""
ROUNDING_S = 0.1
"""How much later our matrices may find VROOM, which rounds each leg."""

Plan = dict[int, list[int]]


class Total(NamedTuple):
    """What a plan comes to."""

    distance: float
    time: float
    holds: bool


def total_of(task: RouteTask, plan: Plan, rounding_s: float = 0.0) -> Total:
    """Walk a plan."""
    if rounding_s:
        task = _later(task, rounding_s)
    tables = [timetable(task, vehicle, stops) for vehicle, stops in plan.items()]
    served = sorted(stop for table in tables for stop in table.stops)
    holds = served == list(range(len(task.stops.place))) and not broken_limits(task, plan)
    return Total(
        sum(table.distance_m for table in tables),
        sum(table.end_s - table.start_s for table in tables),
        holds,
    )


def _later(task: RouteTask, seconds: float) -> RouteTask:
    stops = task.stops.__class__(
        task.stops.place, task.stops.opens_s, task.stops.closes_s + seconds, task.stops.service_s
    )
    return RouteTask(stops, task.loads, task.vehicles, task.time_s, task.distance_m, task.load_of)


def vroom_plan(task: RouteTask) -> Plan:
    """VROOM's at its fastest setting, for the least distance."""
    import vroom  # noqa: PLC0415 - not everyone who runs benchmarks has it

    asked: Any = vroom.Input()
    asked.set_durations_matrix("car", _whole(task.time_s[0]).astype(np.uint32))
    asked.set_distances_matrix("car", _whole(task.distance_m[0]).astype(np.uint32))
    is_by_way = bool(task.vehicles.cost_per_m.any())
    asked.set_costs_matrix(
        "car", _whole(task.distance_m[0] if is_by_way else task.time_s[0]).astype(np.uint32)
    )
    begin_s = min(float(task.vehicles.from_s.min()), 0.0)
    for vehicle in range(len(task.vehicles.start)):
        until_s = min(float(task.vehicles.until_s[vehicle]), 1e6)
        shift = vroom.TimeWindow(0, int((until_s - begin_s) * SCALE))
        room = [int(amount) for amount in task.vehicles.capacity[vehicle]]
        ends = int(task.vehicles.start[vehicle]), int(task.vehicles.end[vehicle])
        asked.add_vehicle(
            vroom.Vehicle(vehicle, start=ends[0], end=ends[1], capacity=room, time_window=shift)
        )
    for load in range(len(task.loads.pickup)):
        asked.add_job(_vroom_job(vroom, task, load, begin_s))
    steps = asked.solve(exploration_level=0, nb_threads=1).routes
    visits = steps[steps["type"].isin(["job", "pickup", "delivery"])]
    return {int(vehicle): [int(i) for i in rows["id"]] for vehicle, rows in visits.groupby("vehicle_id")}


def _vroom_job(vroom: Any, task: RouteTask, load: int, begin_s: float) -> Any:
    """Ids are the numbers of stops."""

    def step(kind: Any, stop: int, **more: Any) -> Any:
        opens_s, closes_s = float(task.stops.opens_s[stop]), float(task.stops.closes_s[stop])
        window = vroom.TimeWindow(int((opens_s - begin_s) * SCALE), int((closes_s - begin_s) * SCALE))
        service = int(task.stops.service_s[stop] * SCALE)
        place = int(task.stops.place[stop])
        return kind(stop, place, default_service=service, time_windows=[window], **more)

    amount = vroom.Amount([int(amount) for amount in task.loads.amounts[load]])
    pickup, delivery = int(task.loads.pickup[load]), int(task.loads.delivery[load])
    if pickup == NONE:
        return step(vroom.Job, delivery, delivery=amount)
    ends = step(vroom.ShipmentStep, pickup), step(vroom.ShipmentStep, delivery)
    return vroom.Shipment(*ends, amount=amount)


def _whole(values: Any) -> Any:
    return np.rint(values * SCALE).astype(np.int64)


def totals_of(case: Case, seconds: float, seed: int, others: Sequence[str]) -> dict[str, Total]:
    """Ours, and each other's."""
    task = case.task
    found = route_search.search(task, seed=seed, seconds=seconds, clock=time.process_time)
    totals = {"ours": total_of(task, {vehicle: list(stops) for vehicle, stops in found.routes.items()})}
    for name in others:
        if name == "arrival_order":
            totals[name] = total_of(task, route_baselines.in_arrival_order(task))
        elif name == "nearest_neighbour":
            totals[name] = total_of(task, route_baselines.by_nearest_neighbour(task))
        else:
            totals[name] = total_of(task, vroom_plan(task), ROUNDING_S)
    return totals


def figures_of(
    cases: Sequence[Case], totals: Sequence[dict[str, Total]], others: Sequence[str]
) -> dict[str, float]:
    """One seed's figures: percent saved, of both sets and of each."""
    figures: dict[str, float] = {}
    for group in ("", *groups_of(cases)):
        here = [own for case, own in zip(cases, totals, strict=True) if group in ("", case.group)]
        prefix = f"{group}_" if group else ""
        for name in others:
            for what, key in (("distance", "percent"), ("time", "time_percent")):
                saved = [100 * (1 - getattr(own["ours"], what) / getattr(own[name], what)) for own in here]
                figures[f"{prefix}vs_{name}_{key}"] = round(statistics.fmean(saved), 3)
    figures["infeasible"] = sum(not own["ours"].holds for own in totals)
    figures["others_infeasible"] = sum(not own[name].holds for own in totals for name in others)
    return figures


def cases_of(chosen: argparse.Namespace) -> list[Case]:
    """Both sets."""
    if chosen.instances:
        instances = read_instances(chosen.instances, chosen.only, None)
    else:
        instances = made_instances(chosen.seed, 60)
    trips = read_trips(chosen.trips, chosen.day) if chosen.trips else made_trips(chosen.seed, 2000)
    say(
        f"{len(trips.start_s)} trips, ways {trips.circuity:.2f} times as the crow flies at {trips.speed_mps:.1f} m/s"
    )
    days = cases_of_trips(trips, chosen.days, chosen.loads, chosen.seed)
    cases = [*(case_of_instance(instance) for instance in instances), *days]
    return cases if chosen.save == "distance" else [saving_time(case) for case in cases]


def _main(chosen: argparse.Namespace) -> int:
    cases = cases_of(chosen)
    others = [name for name in OTHERS if name != "vroom" or (find_spec("vroom") and not chosen.no_peers)]
    route_search.warm_up()
    route_baselines.warm_up()
    say(f"{len(cases)} cases, {chosen.seconds:g} CPU-seconds each, beside {', '.join(others)}")
    runs = []
    for seed in range(chosen.seed, chosen.seed + chosen.repetitions):
        totals = [totals_of(case, chosen.seconds, seed, others) for case in cases]
        runs.append(figures_of(cases, totals, others))
        say(f"seed {seed}: {runs[-1]}")
    infeasible = int(sum(run["infeasible"] for run in runs))
    figures: dict[str, Any] = {
        "infeasible": infeasible,
        "cases": {group: sum(case.group == group for case in cases) for group in groups_of(cases)},
        "loads_of_trips": chosen.loads,
        "seconds": chosen.seconds,
        "save": chosen.save,
    }
    report(figures, runs, [key for key in runs[0] if key != "infeasible"], chosen.seed)
    return 1 if infeasible else 0


def main() -> int:
    """Parse, run, report; 1 when a plan of ours breaks a limit or leaves something out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=Path, metavar="DIR", help="files in Solomon's format")
    parser.add_argument("--only", default="*", metavar="GLOB", help="names of instances")
    parser.add_argument("--trips", type=Path, metavar="F", help="hired trips as CSV, or its .xz")
    parser.add_argument("--day", default="2008-05-30", help="of the trips, by the clock there")
    parser.add_argument("--days", type=int, default=8, help="small fleets' days made of it")
    parser.add_argument("--loads", type=int, default=150, help="of each")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time for each case and seed")
    parser.add_argument("--save", choices=("distance", "time"), default="distance", help="what costs")
    parser.add_argument("--no-peers", action="store_true")
    return _main(arguments_of(parser))


if __name__ == "__main__":
    sys.exit(main())
