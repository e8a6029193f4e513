"""Small random fleets with a load, and the answer by trying everything: what `geo.route_insertion` is held against.

All is written anew, in plain Python: travel is walked hour by hour, and each pair of places is a whole route, driven from its first stop.
"""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.cells import cells_of
from geo.route_insertion import InsertionSearch, Load, Place, Reason
from geo.route_times import LiveRoutes, live_routes
from geo.travel_time import DrivenLegs, TravelLimits, TravelTimes, learned_travel_times

NOW_S = 1_700_000_000.0
TOLERANCE_S = 0.01
_MEAN_RADIUS_M = 6_371_008.8


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop of a plain route."""

    point: tuple[float, float, float]
    pace_row: int
    opens_s: float
    closes_s: float
    service_s: float
    change: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A fleet, and a load to insert."""

    routes: LiveRoutes
    stops: list[list[Stop]]
    capacity: NDArray[np.int64]
    load: Load
    ends: tuple[Stop, Stop]


def travel_times(rng: np.random.Generator) -> TravelTimes:
    """Speeds that differ much by cell and hour, so that detours can save time; some cells are slow at all hours."""
    cells = np.sort(learned_cells(rng))
    none = DrivenLegs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    speed = rng.uniform(4.0, 30.0, (len(cells) + 1, 168)) * rng.choice([0.3, 1.0], (len(cells) + 1, 1))
    plain = learned_travel_times(none, limits=TravelLimits())
    return replace(
        plain, cells=cells, parent=np.zeros(len(cells) + 1, np.int32), speed_mps=speed.astype(np.float32)
    )


def learned_cells(rng: np.random.Generator) -> NDArray[np.int64]:
    """Some cells where the cases are."""
    return np.unique(cells_of(rng.uniform(45, 46, 60), rng.uniform(9, 10, 60), 6))


def pace_at(paces: list[list[float]], begin: int, end: int, time_s: float) -> float:
    """Seconds a straight metre takes on the way between two rows."""
    hour = (math.floor(time_s / 3600) + 72) % 168
    return paces[begin][hour] + paces[end][hour]


def straight(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """Great-circle metres."""
    return 2 * _MEAN_RADIUS_M * math.asin(math.dist(a, b) / 2 / _MEAN_RADIUS_M)


def drive(paces: list[list[float]], begin: Stop, end: Stop, time_s: float) -> float:
    """When who leaves `begin` arrives at `end`."""
    left = straight(begin.point, end.point)
    while True:
        pace = pace_at(paces, begin.pace_row, end.pace_row, time_s)
        until = (math.floor(time_s / 3600) + 1) * 3600.0
        if time_s + left * pace <= until:
            return time_s + left * pace
        left -= (until - time_s) / pace
        time_s = until


def random_case(rng: np.random.Generator, travel: TravelTimes) -> Case:
    """One to four vehicles with none to four stops each; some plans are late or overloaded already."""
    vehicles = int(rng.integers(1, 5))
    counts = rng.integers(1, 6, vehicles)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    n = int(offsets[-1])
    lat, lon = rng.uniform(45, 45 + rng.choice([0.1, 0.8]), n), rng.uniform(9, 10, n)
    spread = rng.choice([3_600.0, 14_400.0, 40_000.0])
    opens = NOW_S + rng.uniform(0, spread, n)
    closes = np.where(rng.random(n) < 0.3, np.inf, opens + rng.uniform(0, spread * 2, n))
    service = rng.integers(0, 20, n) * 60.0
    opens[offsets[:-1]] = NOW_S + rng.uniform(-600, 3600, vehicles)
    closes[offsets[:-1]] = np.inf
    change = rng.integers(-3, 4, (n, 2)).astype(float)
    change[offsets[:-1]] = rng.integers(0, 4, (vehicles, 2))
    capacity = rng.integers(3, 10, (vehicles, 2)).astype(float)
    routes = live_routes(
        travel,
        offsets,
        lat_deg=lat,
        lon_deg=lon,
        opens_s=opens,
        closes_s=closes,
        service_s=service,
        change=change,
        capacity=capacity,
        skills=rng.integers(0, 8, vehicles),
        returns=rng.random(vehicles) < 0.3,
        cost_per_m=rng.choice([0.0, 0.001, 1.0], vehicles, p=[0.1, 0.4, 0.5]),
        cost_per_s=rng.choice([0.0, 0.01, 1.0], vehicles),
        fixed_cost=rng.choice([0.0, 50.0], vehicles),
        most_drive_s=np.where(rng.random(vehicles) < 0.5, np.inf, rng.uniform(3_600, 30_000, vehicles)),
        change_cost=rng.choice([0.0, 20.0], vehicles),
        ends_s=np.where(rng.random(vehicles) < 0.6, np.inf, NOW_S + rng.uniform(3_600, 60_000, vehicles)),
    )
    units = np.rint(change * 1e6).astype(np.int64)
    stops = [
        [_stop(routes.stops[i], units[i]) for i in range(offsets[v], offsets[v + 1])] for v in range(vehicles)
    ]
    ends = []
    for sign in (1.0, -1.0):
        opens_s = NOW_S + float(rng.uniform(0, spread))
        closes_s = opens_s + float(rng.choice([600.0, 7_200.0, 80_000.0, math.inf]))
        ends.append(
            (
                Place(float(rng.uniform(45, 45.8)), float(rng.uniform(9, 10)), opens_s, closes_s, 300.0),
                int(sign),
            )
        )
    size = tuple(rng.integers(0, 4, 2).astype(float).tolist())
    load = Load(ends[0][0], ends[1][0], size, int(rng.choice([0, 0, 1, 2])))
    both = tuple(_place_stop(travel, place, sign, size) for place, sign in ends)
    return Case(routes, stops, np.rint(capacity * 1e6).astype(np.int64), load, (both[0], both[1]))


def _stop(record: Any, change: NDArray[np.int64]) -> Stop:
    x, y, z, _, service_s, row, opens_s, closes_s, *_ = record.item()
    return Stop((x, y, z), row, opens_s, closes_s, service_s, tuple(change.tolist()))


def _place_stop(travel: TravelTimes, place: Place, sign: int, size: tuple[float, ...]) -> Stop:
    lat, lon = math.radians(place.lat_deg), math.radians(place.lon_deg)
    point = (math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat))
    row = int(travel.rows_of(np.array([place.lat_deg]), np.array([place.lon_deg]))[0])
    rounded = [float(np.float32(axis * _MEAN_RADIUS_M)) for axis in point]
    change = tuple(sign * round(part * 1e6) for part in size)
    return Stop(
        (rounded[0], rounded[1], rounded[2]), row, place.opens_s, place.closes_s, place.service_s, change
    )


def replay(route: list[Stop], paces: list[list[float]]) -> tuple[list[float], float, float, float]:
    """Begin of service at each stop, when the last ends, seconds driven, straight metres."""
    clock, driven, way = route[0].opens_s, 0.0, 0.0
    begins = [clock]
    clock += route[0].service_s
    for before, here in pairwise(route):
        there = drive(paces, before, here, clock)
        driven += there - clock
        way += straight(before.point, here.point)
        begins.append(max(there, here.opens_s))
        clock = begins[-1] + here.service_s
    return begins, clock, driven, way


def judge(
    case: Case, vehicle: int, i: int, j: int, paces: list[list[float]]
) -> tuple[Reason, float, tuple[float, float]]:
    """Why the load may not go after stops i and j of a vehicle, or what it costs there and when its stops begin."""
    plan, record = case.stops[vehicle], case.routes.vehicles[vehicle]
    route = [*plan[: i + 1], case.ends[0], *plan[i + 1 : j + 1], case.ends[1], *plan[j + 1 :]]
    old_begins, old_end, _, old_way = replay(plan, paces)
    begins, end, driven, way = replay(route, paces)
    aboard = np.cumsum([stop.change for stop in route], axis=0)
    if (aboard[i + 1 : j + 2] > case.capacity[vehicle]).any():
        # where there is no room at the pickup, nothing else is asked
        full = int(np.argmax((aboard[i + 1 : j + 2] > case.capacity[vehicle]).any(axis=1))) + i + 1
    else:
        full = len(route)
    names = [*range(i + 1), None, *range(i + 1, j + 1), None, *range(j + 1, len(plan))]
    for at in range(i + 1, len(route)):
        if at == full:
            return Reason.CAPACITY, math.inf, (0, 0)
        old = names[at]
        if old is None and begins[at] > route[at].closes_s + TOLERANCE_S:
            return (Reason.PICKUP_LATE if at == i + 1 else Reason.DELIVERY_LATE), math.inf, (0, 0)
        if old is not None and begins[at] > max(route[at].closes_s, old_begins[old]) + TOLERANCE_S:
            return Reason.STOP_LATE, math.inf, (0, 0)
    if driven > record["most_drive_s"] + TOLERANCE_S:
        return Reason.DRIVING, math.inf, (0, 0)
    if end > max(record["ends_s"], old_end) + TOLERANCE_S:
        return Reason.SHIFT, math.inf, (0, 0)
    cost = record["fixed_cost"]
    cost += record["cost_per_m"] * max(0.0, way - old_way) + record["cost_per_s"] * max(0.0, end - old_end)
    return Reason.FITS, float(cost), (begins[i + 1], begins[j + 2])


def brute_force(case: Case, paces: list[list[float]]) -> list[tuple[Reason, float]]:
    """For each vehicle the furthest reason, or FITS and the least cost."""
    answers = []
    for vehicle, plan in enumerate(case.stops):
        record = case.routes.vehicles[vehicle]
        last = len(plan) - 2 if record["returns"] and len(plan) > 1 else len(plan) - 1
        if (int(record["skills"]) & case.load.needs) != case.load.needs:
            answers.append((Reason.SKILLS, math.inf))
            continue
        judged = [judge(case, vehicle, i, j, paces) for i in range(last + 1) for j in range(i, last + 1)]
        costs = [cost for reason, cost, _ in judged if reason == Reason.FITS]
        if costs:
            answers.append((Reason.FITS, min(costs)))
        else:
            answers.append((max(reason for reason, _, _ in judged), math.inf))
    return answers


def differences(case: Case, search: InsertionSearch, paces: list[list[float]]) -> list[str]:
    """What the kernels say otherwise than brute force; an insertion that is not allowed begins with `infeasible`."""
    wrong = []
    expected = brute_force(case, paces)
    reasons = search.reasons(case.routes, case.load).tolist()
    if reasons != [reason for reason, _ in expected]:
        wrong.append(f"reasons {reasons}, not {[int(reason) for reason, _ in expected]}")
    for most in (1, len(expected)):
        found = search.best(case.routes, case.load, most)
        best = sorted(cost for reason, cost in expected if reason == Reason.FITS)[:most]
        costs = [insertion.cost for insertion in found]
        if len(costs) != len(best) or not np.allclose(costs, best, rtol=1e-6, atol=0.05):
            wrong.append(f"costs {costs}, not {best}")
        for each in found:
            reason, cost, begins = judge(case, each.vehicle, each.pickup_after, each.delivery_after, paces)
            if reason != Reason.FITS:
                wrong.append(f"infeasible for {reason.name}: {each}")
            elif not np.allclose((each.pickup_s, each.delivery_s), begins, rtol=0, atol=0.05):
                wrong.append(f"begins {begins} at {cost}, not as in {each}")
    return wrong


def count_differences(seed: int, cases: int) -> tuple[int, int, list[str]]:
    """How many of so many cases differ, how many insertions are not allowed, and the first differences."""
    rng = np.random.default_rng(seed)
    first: list[str] = []
    different, infeasible = 0, 0
    for number in range(cases):
        if number % 500 == 0:
            travel = travel_times(rng)
            table = travel.paces()
            search, paces = InsertionSearch(travel, table), table.astype(np.float64).tolist()
        wrong = differences(random_case(rng, travel), search, paces)
        different += bool(wrong)
        infeasible += sum(text.startswith("infeasible") for text in wrong)
        first += [f"case {number}: {text}" for text in wrong][: max(0, 10 - len(first))]
    return different, infeasible, first
