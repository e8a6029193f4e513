r"""What plans gain by knowing the hours of the traffic.

    python -m benchmarks.traffic --trips sf_cabs_trips_to_2008-06-02.csv.xz --json

The data are hired trips of San Francisco's taxis, 17 days of May 2008 (CRAWDAD epfl/mobility): no open set of trucks has so many. What they taught are speeds by H3 cell and hour
of the week. Each run is some working days: pick-ups at places and times where taxis were hired between 7 and 19 o'clock, each with a window of an hour around its time and five minutes of
service, vehicles from a depot and back. Two plans are made of it by the same search with the same seed and iterations, so as to be on duty for the least time with no stop late:

- with averages: each cell has one speed, the median of working days from 6 to 20 o'clock (so what nobody drives at night does not count against it);
- with the hours: each row of the matrix is that of the moment at which the plan leaves the place, in rounds.

Both are driven under the same learned traffic, hour by hour. Each vehicle leaves its depot when its own plan says, as late as it can; where it comes too early it waits.
`lateness_saved_percent`: of the seconds that services begin after their windows; `duty_saved_percent`: of the time between leaving the depot and being back. `heldout_*`: plans with what the
days before the last eight taught, driven under what those eight taught; `heldout_bias_percent_*`: how far the predicted times of these eight days' trips are off, hour by hour. `plan_time_ratio`: CPU time of the plan with the hours over that with averages.
`static_kernel_ratio`: CPU time of `eta_update` over that of the same passes with a constant time for each leg; `static_kernel_ratio_new_paces`: when the table has just changed.
"""

import argparse
import lzma
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.insertion import fleet_routes, fleet_travel
from benchmarks.report import arguments_of, report, say
from geo.cells import cells_of
from geo.kernels.travel_time import MONDAY, WEEK_HOURS, travels
from geo.route_check import timetable
from geo.route_search import search
from geo.route_task import RouteTask, loads_of, route_task, stops_of, vehicles_of
from geo.travel_time import (
    DrivenLegs,
    TravelLimits,
    TravelTimes,
    learned_travel_times,
    sphere_points,
)

KEYS = (
    "lateness_saved_percent",
    "duty_saved_percent",
    "heldout_lateness_saved_percent",
    "heldout_duty_saved_percent",
    "late_s_averages",
    "late_s_hours",
    "late_stops_averages",
    "late_stops_hours",
    "duty_h_averages",
    "duty_h_hours",
    "heldout_bias_percent_averages",
    "heldout_bias_percent_hours",
    "plan_time_ratio",
    "static_kernel_ratio",
    "static_kernel_ratio_new_paces",
)
LOCAL_S = -7 * 3600  # of San Francisco in May
DAY_S = 86_400
SHIFT = (6, 20)  # hours of the local day
PICK_UPS = (7, 19)
WINDOW_S, SERVICE_S = 3_600.0, 300.0
DEPOT = (37.7400, -122.3900)  # among the warehouses of Bayview
LIMITS = TravelLimits(resolution=7)  # cells of some 2.5 km: it is one city
ROUNDS = (0.6, 0.1, 0.1, 0.1, 0.1)
"""Shares of the iterations."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trips:
    """Hired trips as columns; times are Unix seconds."""

    start_s: Floats
    end_s: Floats
    lat: Floats
    lon: Floats
    end_lat: Floats
    end_lon: Floats
    way_m: Floats

    def some(self, which: NDArray[np.bool_]) -> "Trips":
        """These of them."""
        return Trips(*(getattr(self, name)[which] for name in Trips.__slots__))

    @property
    def day(self) -> NDArray[np.int64]:
        """The local day of each."""
        return ((self.start_s + LOCAL_S) // DAY_S).astype(np.int64)


def read_trips(path: str) -> Trips:
    """Those that a vehicle can have driven."""
    with lzma.open(path, "rt") as file:
        rows = np.loadtxt(file, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4, 5, 6, 8))
    start_s, end_s, lat, lon, end_lat, end_lon, km = rows.T
    trips = Trips(start_s, end_s, lat, lon, end_lat, end_lon, km * 1000.0)
    lasts_s = trips.end_s - trips.start_s
    crow_m = crow_of(trips)
    is_drive = (lasts_s > 120) & (lasts_s < 7200) & (crow_m > 500)
    is_drive &= (trips.way_m >= crow_m) & (trips.way_m < 4 * crow_m)
    speed = trips.way_m / np.maximum(lasts_s, 1)
    return trips.some(is_drive & (speed > 1) & (speed < 40))


def crow_of(trips: Trips) -> Floats:
    """Metres as the crow flies."""
    ends = sphere_points(trips.end_lat, trips.end_lon) - sphere_points(trips.lat, trips.lon)
    return np.asarray(np.linalg.norm(ends, axis=1))


def taught_by(trips: Trips) -> TravelTimes:
    """Each trip is a leg: its speed counts half where it began and half where it ended, as ways do."""
    cells = [
        cells_of(*at, LIMITS.resolution) for at in ((trips.lat, trips.lon), (trips.end_lat, trips.end_lon))
    ]
    hour = (trips.start_s // 3600).astype(np.int64)
    speed = trips.way_m / (trips.end_s - trips.start_s)
    legs = DrivenLegs(np.concatenate(cells), np.tile((hour + MONDAY) % WEEK_HOURS, 2), np.tile(speed, 2))
    return learned_travel_times(legs, trips.way_m / crow_of(trips), LIMITS)


def averaged(travel: TravelTimes) -> NDArray[np.float32]:
    """The pace table in which every hour of a cell is the mean pace of working days within the shift."""
    of_week = np.arange(WEEK_HOURS)
    local = (of_week + LOCAL_S // 3600) % WEEK_HOURS
    counts = (local // 24 < 5) & (local % 24 >= SHIFT[0]) & (local % 24 < SHIFT[1])
    paces = travel.paces()
    return np.repeat(paces[:, counts].mean(1, keepdims=True), WEEK_HOURS, 1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Day:
    """A day's work. Places: the depot once for each vehicle, then the stops."""

    lat: Floats
    lon: Floats
    opens_s: Floats
    closes_s: Floats
    vehicles: int
    begin_s: float
    end_s: float


def day_of(trips: Trips, day: int, stops: int, vehicles: int, rng: np.random.Generator) -> Day:
    """Pick-ups of one local day."""
    midnight_s = float(day * DAY_S - LOCAL_S)
    clock_s = trips.start_s - midnight_s
    found = np.flatnonzero((clock_s >= PICK_UPS[0] * 3600) & (clock_s < PICK_UPS[1] * 3600))
    chosen = rng.choice(found, stops, replace=False)
    depot = np.tile(np.array(DEPOT)[:, None], vehicles)
    return Day(
        np.r_[depot[0], trips.lat[chosen]],
        np.r_[depot[1], trips.lon[chosen]],
        trips.start_s[chosen] - WINDOW_S / 2,
        trips.start_s[chosen] + WINDOW_S / 2,
        vehicles,
        midnight_s + SHIFT[0] * 3600,
        midnight_s + SHIFT[1] * 3600,
    )


class Roads:
    """Drives a day's routes under one table of paces."""

    def __init__(self, day: Day, travel: TravelTimes, paces: NDArray[np.float32]) -> None:
        self.day, self.travel, self.paces = day, travel, paces
        self.rows = travel.rows_of(day.lat, day.lon)
        self.points = sphere_points(day.lat, day.lon)

    def arrives_s(self, begin: int, end: int, leaves_s: float) -> float:
        """From place to place."""
        found = np.empty(1)
        way_m = np.array([float(np.linalg.norm(self.points[begin] - self.points[end]))])
        rows = self.rows[begin : begin + 1], self.rows[end : end + 1]
        travels(self.paces, *rows, way_m, np.array([leaves_s]), False, found)
        return float(found[0])

    def drive(self, vehicle: int, stops: list[int], start_s: float) -> tuple[list[float], Floats, float]:
        """When each place is left, how late each service begins, when the vehicle is back."""
        day, at, clock_s, left, late = self.day, vehicle, start_s, [start_s], []
        for stop in stops:
            begins_s = max(self.arrives_s(at, day.vehicles + stop, clock_s), float(day.opens_s[stop]))
            late.append(max(0.0, begins_s - float(day.closes_s[stop])))
            clock_s, at = begins_s + SERVICE_S, day.vehicles + stop
            left.append(clock_s)
        return left, np.array(late), self.arrives_s(at, vehicle, clock_s)

    def latest_start_s(self, vehicle: int, stops: list[int]) -> float:
        """As late as it can be without getting any stop later than it is, or the end."""
        low_s, high_s = self.day.begin_s, float(self.day.closes_s[stops[0]])
        _, late, end_s = self.drive(vehicle, stops, low_s)
        for _ in range(24):
            middle_s = (low_s + high_s) / 2
            _, later, ends_s = self.drive(vehicle, stops, middle_s)
            is_fine = ends_s <= end_s + 1e-3 and (later <= late + 1e-3).all()
            low_s, high_s = (middle_s, high_s) if is_fine else (low_s, middle_s)
        return low_s


@dataclass(frozen=True, slots=True)
class Plan:
    """Routes, and when each vehicle leaves its depot."""

    routes: dict[int, list[int]]
    starts_s: dict[int, float]


@dataclass(frozen=True, slots=True)
class Driven:
    """What became of a plan."""

    late_s: float
    late_stops: int
    duty_s: float


def driven(plan: Plan, roads: Roads) -> Driven:
    """Each vehicle leaves when the plan says."""
    late_s, late_stops, duty_s = 0.0, 0, 0.0
    for vehicle, stops in plan.routes.items():
        _, late, end_s = roads.drive(vehicle, stops, plan.starts_s[vehicle])
        late_s += float(late.sum())
        late_stops += int((late > 1.0).sum())
        duty_s += end_s - plan.starts_s[vehicle]
    return Driven(late_s, late_stops, duty_s)


def task_of(day: Day, time_s: Floats, distance_m: Floats) -> RouteTask:
    """Least duty; metres count a little, so that of equal ones the shorter is taken. Times count from the day's begin."""
    stops = len(day.opens_s)
    opens_s, closes_s = day.opens_s - day.begin_s, day.closes_s - day.begin_s
    columns = stops_of(
        day.vehicles + np.arange(stops), opens_s=opens_s, closes_s=closes_s, service_s=SERVICE_S
    )
    depots = np.arange(day.vehicles)
    vehicles = vehicles_of(
        depots,
        depots,
        until_s=day.end_s - day.begin_s,
        cost_per_s=1.0,
        cost_per_m=0.001,
        capacity=[[0.0]] * day.vehicles,
    )
    return route_task(columns, loads_of(np.arange(stops), -1), vehicles, time_s, distance_m)


def plan_with_averages(roads: Roads, iterations: int, seed: int) -> Plan:
    """One search; its own timetable says when to leave."""
    day = roads.day
    task = task_of(day, *roads.travel.matrix(day.lat, day.lon, day.begin_s, roads.paces))
    found = search(task, iterations=iterations, seed=seed)
    require_all(found.left_out)
    tables = (timetable(task, vehicle, stops) for vehicle, stops in found.routes.items())
    return Plan(
        {v: list(stops) for v, stops in found.routes.items()},
        {table.vehicle: day.begin_s + table.start_s for table in tables},
    )


def plan_with_hours(roads: Roads, iterations: int, seed: int) -> Plan:
    """In rounds: a matrix of the moments at which the last plan left each place, a search that begins with that plan, the plan's own hours. The best round."""
    day = roads.day
    leaves_s = np.r_[np.full(day.vehicles, day.begin_s + 3600.0), (day.opens_s + day.closes_s) / 2]
    best: tuple[tuple[int, float], Plan] | None = None
    routes: dict[int, list[int]] = {}
    for number, share in enumerate(ROUNDS):
        task = task_of(day, *roads.travel.matrix(day.lat, day.lon, leaves_s, roads.paces))
        found = search(task, iterations=int(share * iterations), seed=seed + number, warm_start=routes)
        require_all(found.left_out)
        routes = {vehicle: list(stops) for vehicle, stops in found.routes.items()}
        plan = Plan(routes, {v: roads.latest_start_s(v, stops) for v, stops in routes.items()})
        for vehicle, stops in routes.items():
            left, _, _ = roads.drive(vehicle, stops, plan.starts_s[vehicle])
            leaves_s[[vehicle, *(day.vehicles + stop for stop in stops)]] = left
        outcome = driven(plan, roads)
        worth = round(outcome.late_s / 60), outcome.duty_s
        if best is None or worth < best[0]:
            best = worth, plan
    if best is None:
        sys.exit("no round")
    return best[1]


def require_all(left_out: tuple[Any, ...]) -> None:
    """A benchmark that leaves work undone says nothing."""
    if left_out:
        sys.exit(
            f"{len(left_out)} stops are in no route, the first because: {left_out[0]}; give it more --vehicles"
        )


def saved(before: float, after: float) -> float:
    """Percent."""
    return 100.0 * (1.0 - after / before) if before else 0.0


def cpu_s(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of this thread, and the result."""
    begin = time.thread_time()
    result = work()
    return time.thread_time() - begin, result


def compare(day: Day, travel: TravelTimes, real: TravelTimes, iterations: int, seed: int) -> Floats:
    """Both plans with what `travel` knows, driven under `real`: seconds late, stops late, seconds on duty of each, and their CPU times."""
    average, hourly = Roads(day, travel, averaged(travel)), Roads(day, travel, travel.paces())
    took, plain = cpu_s(lambda: plan_with_averages(average, iterations, seed))
    took_too, timed = cpu_s(lambda: plan_with_hours(hourly, iterations, seed))
    roads = Roads(day, real, real.paces())
    outcomes = driven(plain, roads), driven(timed, roads)
    rows = [(o.late_s, o.late_stops, o.duty_s, s) for o, s in zip(outcomes, (took, took_too), strict=True)]
    return np.array(rows, np.float64)


@njit
def static_times(stops: Any, legs_s: Any, offsets: Any) -> None:
    """What `eta_update` does, where a leg takes the same time at every hour."""
    for route in range(len(offsets) - 1):
        first, end = offsets[route], offsets[route + 1]
        ready_s, driven_s = stops[first].opens_s, 0.0
        stops[first].ready_s, stops[first].driven_s = ready_s, driven_s
        left_s = ready_s + stops[first].service_s
        for at in range(first + 1, end):
            driven_s += legs_s[at]
            ready_s = max(left_s + legs_s[at], stops[at].opens_s)
            stops[at].ready_s, stops[at].driven_s = ready_s, driven_s
            left_s = ready_s + stops[at].service_s
        latest_s = max(stops[end - 1].closes_s, ready_s)
        stops[end - 1].latest_s = latest_s
        for at in range(end - 1, first, -1):
            closes_s = max(stops[at - 1].closes_s, stops[at - 1].ready_s)
            latest_s = min(latest_s - legs_s[at] - stops[at - 1].service_s, closes_s)
            stops[at - 1].latest_s = latest_s


def hourly_bias(travel: TravelTimes, trips: Trips) -> dict[str, float]:
    """By how much the median prediction of trips that taught nothing is off in an hour of the shift on working days, root of the mean square in percent."""
    local_s = trips.start_s + LOCAL_S
    hour = (local_s % DAY_S // 3600).astype(np.int64)
    is_work = ((local_s // DAY_S + 3) % 7 < 5) & (hour >= SHIFT[0]) & (hour < SHIFT[1])
    some, hour, way_m = trips.some(is_work), hour[is_work], crow_of(trips)[is_work]
    rows = travel.rows_of(some.lat, some.lon), travel.rows_of(some.end_lat, some.end_lon)
    found, bias = np.empty(len(way_m)), {}
    for name, paces in (("averages", averaged(travel)), ("hours", travel.paces())):
        travels(paces, *rows, way_m, some.start_s.copy(), False, found)
        off = np.log((found - some.start_s) / (some.end_s - some.start_s))
        medians = [np.median(off[hour == each]) for each in range(*SHIFT)]
        bias[f"heldout_bias_percent_{name}"] = 100 * float(np.sqrt(np.mean(np.square(medians))))
    return bias


def kernel_ratios(rng: np.random.Generator) -> dict[str, float]:
    """Times of 10,000 routes of 8 stops, with the hours and without; the least of many."""
    travel = fleet_travel(rng)
    routes, paces = fleet_routes(rng, travel, 10_000, 8), travel.paces()
    routes.update(paces)
    legs_s = np.diff(routes.arrival_s(paces), prepend=0.0)
    still = routes.stops.copy()
    static_times(still, legs_s, routes.offsets)
    runs = [
        (
            cpu_s(lambda: static_times(still, legs_s, routes.offsets))[0],
            cpu_s(lambda: routes.update(paces, are_new=False))[0],
            cpu_s(lambda: routes.update(paces))[0],
        )
        for _ in range(40)
    ]
    static, known, fresh = np.array(runs).min(0)
    return {
        "static_kernel_ratio": float(known / static),
        "static_kernel_ratio_new_paces": float(fresh / static),
    }


def run(trips: Trips, days: list[int], arguments: argparse.Namespace, seed: int) -> dict[str, float]:
    """Some days, summed."""
    rng, last = np.random.default_rng(seed), trips.day.max() - 7
    taught = taught_by(trips)
    before, after = taught_by(trips.some(trips.day < last)), taught_by(trips.some(trips.day >= last))
    same, held = np.zeros((2, 4)), np.zeros((2, 4))
    for i in range(arguments.days):
        day = days[(seed * arguments.days + i) % len(days)]
        work = day_of(trips, day, arguments.stops, arguments.vehicles, rng)
        same += compare(work, taught, taught, arguments.iterations, seed + i)
        held += compare(work, before, after, arguments.iterations, seed + i)
        say(f"seed {seed}, day {day}: {np.round(same, 1).tolist()}, held out: {np.round(held, 1).tolist()}")
    (late, stops, duty, took), (late_too, stops_too, duty_too, took_too) = same.tolist()
    return {
        "lateness_saved_percent": saved(late, late_too),
        "duty_saved_percent": saved(duty, duty_too),
        "heldout_lateness_saved_percent": saved(held[0, 0], held[1, 0]),
        "heldout_duty_saved_percent": saved(held[0, 2], held[1, 2]),
        "late_s_averages": late / arguments.days,
        "late_s_hours": late_too / arguments.days,
        "late_stops_averages": stops / arguments.days,
        "late_stops_hours": stops_too / arguments.days,
        "duty_h_averages": duty / arguments.days / 3600,
        "duty_h_hours": duty_too / arguments.days / 3600,
        "plan_time_ratio": took_too / took,
        **hourly_bias(before, trips.some(trips.day >= last)),
        **kernel_ratios(rng),
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.traffic", description=__doc__)
    parser.add_argument("--trips", required=True, help="hired trips, CSV in xz")
    parser.add_argument("--stops", type=int, default=200)
    parser.add_argument("--vehicles", type=int, default=30)
    parser.add_argument("--days", type=int, default=4, help="of each run")
    parser.add_argument("--iterations", type=int, default=50_000, help="of each plan's search")
    arguments = arguments_of(parser)
    trips = read_trips(arguments.trips)
    days, counts = np.unique(trips.day, return_counts=True)
    working = days[(counts > 5_000) & ((days + 3) % 7 < 5)].tolist()
    runs = [run(trips, working, arguments, arguments.seed + i) for i in range(arguments.repetitions)]
    figures = {
        "data": f"{len(trips.start_s)} hired trips of San Francisco taxis, 2008",
        "days_of_data": len(days),
        "days": arguments.days,
        "stops": arguments.stops,
        "vehicles": arguments.vehicles,
        "iterations": arguments.iterations,
    }
    report(figures, runs, KEYS, arguments.seed)


if __name__ == "__main__":
    main()
