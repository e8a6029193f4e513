"""A made-up day of full truck loads, the greedy dispatcher, and a walk of routes that knows nothing of the kernels: what `benchmarks.dispatch` stands on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.insertion_cases import NOW_S, TOLERANCE_S, Stop, drive, straight
from geo.route_insertion import Load, LoadRows, Place
from geo.route_times import LiveRoutes, live_routes
from geo.travel_time import TravelTimes

SOUTH, WEST, SIZE_DEG = 45.0, 9.0, 2.7
SHIFT_S = 16 * 3600.0
SERVICE_S = 900.0


class Day(NamedTuple):
    """Vehicles, half of which are on their way to unload, and loads that each fill one."""

    routes: LiveRoutes
    loads: list[Load]
    travel: TravelTimes


def made_day(rng: np.random.Generator, travel: TravelTimes, vehicles: int, loads: int) -> Day:
    """Anywhere in 300 x 300 km; pickups open within eight hours and stay open for four, deliveries are due within the shift."""
    corner, far = (SOUTH, WEST), (SOUTH + SIZE_DEG, WEST + SIZE_DEG)
    is_under_way = rng.random(vehicles) < 0.5
    counts = 1 + is_under_way
    offsets = np.concatenate([[0], np.cumsum(counts)])
    n = int(offsets[-1])
    places = rng.uniform(corner, far, (n, 2))
    change = np.zeros(n)
    change[offsets[:-1]] = is_under_way
    last = offsets[1:] - 1
    change[last[is_under_way]] = -1.0
    routes = live_routes(
        travel,
        offsets,
        lat_deg=places[:, 0],
        lon_deg=places[:, 1],
        opens_s=NOW_S,
        service_s=np.where(np.isin(np.arange(n), offsets[:-1]), 0.0, SERVICE_S),
        change=change[:, None],
        capacity=[[1.0]],
        skills=1 << rng.integers(0, 2, vehicles),
        ends_s=NOW_S + SHIFT_S,
    )
    return Day(routes, [_load(rng, corner, far) for _ in range(loads)], travel)


def _load(rng: np.random.Generator, corner: tuple[float, float], far: tuple[float, float]) -> Load:
    (lat, lon), (to_lat, to_lon) = rng.uniform(corner, far, (2, 2)).tolist()
    opens_s = NOW_S + float(rng.uniform(0, 8 * 3600.0))
    pickup = Place(lat, lon, opens_s, opens_s + 4 * 3600.0, SERVICE_S)
    delivery = Place(to_lat, to_lon, NOW_S, NOW_S + SHIFT_S, SERVICE_S)
    return Load(pickup, delivery, (1.0,), int(rng.choice([0, 0, 0, 1])))


class Walk(NamedTuple):
    """What routes come to: metres as the crow flies with nothing aboard, and stops or shifts that are late, or overloads."""

    empty_m: float
    way_m: float
    broken: int


def stop_of(record: NDArray[np.void]) -> Stop:
    """A stop of the kernels, for the walk."""
    x, y, z, _, service_s, row, opens_s, closes_s, *_ = record.item()
    return Stop((x, y, z), row, opens_s, closes_s, service_s, ())


def walked(plans: list[list[tuple[Stop, int]]], paces: list[list[float]], ends_s: float) -> Walk:
    """Drive each plan: stops, and what each adds to what is aboard."""
    empty_m = way_m = 0.0
    broken = 0
    for plan in plans:
        (before, aboard), *rest = plan
        clock_s = before.opens_s + before.service_s
        for stop, change in rest:
            leg_m = straight(before.point, stop.point)
            way_m, empty_m = way_m + leg_m, empty_m + leg_m * (aboard == 0)
            begins_s = max(drive(paces, before, stop, clock_s), stop.opens_s)
            aboard += change
            broken += (begins_s > stop.closes_s + TOLERANCE_S) + (not 0 <= aboard <= 1)
            clock_s, before = begins_s + stop.service_s, stop
        broken += len(rest) > 0 and clock_s > ends_s + TOLERANCE_S
    return Walk(empty_m, way_m, broken)


def greedy(day: Day, rows: LoadRows, paces: list[list[float]]) -> list[list[tuple[Stop, int]]]:
    """A dispatcher who gives each load, as they come in, to the nearest vehicle that can have it behind all else that it does."""
    plans = initial_plans(day)
    ends = np.array([plan[-1][0].point for plan in plans])
    free_s = np.array([_over_s(plan, paces) for plan in plans])
    skills = day.routes.vehicles["skills"]
    for number, load in enumerate(day.loads):
        pickup, delivery = (stop_of(rows.ends[2 * number + end]) for end in range(2))
        for vehicle in np.argsort(((ends - pickup.point) ** 2).sum(axis=1), kind="stable").tolist():
            if (int(skills[vehicle]) & load.needs) != load.needs:
                continue
            there_s = max(drive(paces, plans[vehicle][-1][0], pickup, free_s[vehicle]), pickup.opens_s)
            if there_s > pickup.closes_s:
                continue
            done_s = max(drive(paces, pickup, delivery, there_s + pickup.service_s), delivery.opens_s)
            if done_s > delivery.closes_s or done_s + delivery.service_s > NOW_S + SHIFT_S:
                continue
            plans[vehicle] += [(pickup, 1), (delivery, -1)]
            ends[vehicle], free_s[vehicle] = delivery.point, done_s + delivery.service_s
            break
    return plans


def initial_plans(day: Day) -> list[list[tuple[Stop, int]]]:
    """What the vehicles have to do already."""
    plans = []
    for first, end in zip(day.routes.offsets, day.routes.offsets[1:], strict=False):
        stops = [stop_of(day.routes.stops[at]) for at in range(first, end)]
        aboard = len(stops) - 1
        plans.append([(stops[0], aboard), *((stop, -1) for stop in stops[1:])])
    return plans


def _over_s(plan: list[tuple[Stop, int]], paces: list[list[float]]) -> float:
    (before, _), *rest = plan
    clock_s = before.opens_s + before.service_s
    for stop, _ in rest:
        clock_s = max(drive(paces, before, stop, clock_s), stop.opens_s) + stop.service_s
        before = stop
    return clock_s


def plans_of(
    routes: LiveRoutes, origin: NDArray[np.int64], rows: LoadRows, day: Day
) -> list[list[tuple[Stop, int]]]:
    """Assigned routes as plans: the stops as they were given, in the order that was found."""
    plans, before = [], initial_plans(day)
    for vehicle, (first, end) in enumerate(zip(routes.offsets, routes.offsets[1:], strict=False)):
        plan = []
        for code in origin[first:end].tolist():
            if code >= 0:
                plan.append(before[vehicle][code - int(day.routes.offsets[vehicle])])
            else:
                plan.append((stop_of(rows.ends[~code]), 1 if ~code % 2 == 0 else -1))
        plans.append(plan)
    return plans
