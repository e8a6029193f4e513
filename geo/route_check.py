"""A route, walked stop by stop: its times, its cost, and the first limit that it breaks.

Plain Python that shares nothing with the kernels of the search, so that it can judge them, and any route that somebody made by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import ceil, inf, isinf

from geo.route_task import AMOUNT_UNITS, NONE, RouteTask

ROUNDING_S = 1e-5
"""Sums of times in another order differ by less."""


class Limit(StrEnum):
    """What a route can break, in the order of how far an ask for it got."""

    LOAD = "load"
    """A stop stands twice, without its partner, or before its pickup."""
    VEHICLE = "vehicle"
    """The load is bound to another vehicle."""
    SKILLS = "skills"
    CAPACITY = "capacity"
    NO_WAY = "no way"
    """There is no way from the place before."""
    WINDOW = "window"
    """The stop closes before the vehicle can be there."""
    SHIFT = "shift"
    """The vehicle cannot be at its end in time."""
    DRIVING = "driving"
    """More driving than allowed."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A limit that a route breaks.

    Attributes:
        limit: which.
        vehicle: whose route.
        stop: where, or NONE: of the route as a whole.
        text: in words.
    """

    limit: Limit
    vehicle: int
    stop: int
    text: str


@dataclass(frozen=True, slots=True)
class Timetable:
    """The times of one route.

    Attributes:
        vehicle: whose.
        stops: in order.
        start_s, end_s: of the whole; it starts as late as it can without ending later.
        arrive_s, begin_s, leave_s: at each stop; service begins, after waiting if need be, and ends.
        drive_s, break_s: in all.
        distance_m: in all.
        cost: in all.
    """

    vehicle: int
    stops: tuple[int, ...]
    start_s: float
    end_s: float
    arrive_s: tuple[float, ...]
    begin_s: tuple[float, ...]
    leave_s: tuple[float, ...]
    drive_s: float
    break_s: float
    distance_m: float
    cost: float


class _Walk:
    """One vehicle on its way along some stops, from a given moment on."""

    def __init__(self, task: RouteTask, vehicle: int, stops: Sequence[int]) -> None:
        self.task, self.vehicle, self.stops = task, vehicle, stops
        self.columns, self.who = task.stops, task.vehicles
        places = [
            int(self.who.start[vehicle]),
            *(int(place) for place in task.stops.place[list(stops)]),
            int(self.who.end[vehicle]),
        ]
        kind = self.who.kind[vehicle]
        legs = [(a, b) for a, b in pairwise(places)]
        self.legs_s = [0.0 if NONE in leg else float(task.time_s[kind][leg]) for leg in legs]
        self.legs_m = [0.0 if NONE in leg else float(task.distance_m[kind][leg]) for leg in legs]
        self.opens_s = [float(s) for s in task.stops.opens_s[list(stops)]]
        self.closes_s = [float(s) for s in task.stops.closes_s[list(stops)]]
        self.service_s = [float(s) for s in task.stops.service_s[list(stops)]]
        self.break_after_s = float(self.who.break_after_s[vehicle])
        self.break_s = float(self.who.break_s[vehicle])

    def from_moment(self, start_s: float) -> tuple[list[float], float, float]:
        """Arrival at each stop and, last, at the end, with the time of all breaks."""
        clock, driven_s, rested_s = start_s, float(self.who.driven_s[self.vehicle]), 0.0
        arrivals = []
        for i, leg_s in enumerate(self.legs_s):
            driven_s += leg_s
            breaks = max(0, ceil((driven_s - ROUNDING_S) / self.break_after_s) - 1) if driven_s < inf else 0
            rested_s += breaks * self.break_s
            driven_s -= breaks * self.break_after_s if breaks else 0.0
            clock += leg_s + breaks * self.break_s
            arrivals.append(clock)
            if i < len(self.stops):
                if self.opens_s[i] - clock >= self.break_s:
                    driven_s = 0.0
                clock = max(clock, self.opens_s[i]) + self.service_s[i]
        return arrivals, arrivals[-1], rested_s

    def start_s(self) -> float:
        """As late as it can be without ending later; with a break rule, so that it need not wait at its first stop."""
        from_s = float(self.who.from_s[self.vehicle])
        arrivals, end_s, _ = self.from_moment(from_s)
        if not isinf(self.break_after_s):
            return from_s + max(0.0, self.opens_s[0] - arrivals[0])
        latest_s = float(self.who.until_s[self.vehicle])
        for i in reversed(range(len(self.stops))):
            latest_s = min(latest_s - self.legs_s[i + 1] - self.service_s[i], self.closes_s[i])
        latest_s -= self.legs_s[0]
        return max(from_s, min(latest_s, end_s - sum(self.legs_s) - sum(self.service_s)))


def timetable(task: RouteTask, vehicle: int, stops: Sequence[int]) -> Timetable:
    """The times and the cost of a route with stops, also of one that breaks limits."""
    walk, who = _Walk(task, vehicle, stops), task.vehicles
    start_s = walk.start_s()
    arrivals, end_s, rested_s = walk.from_moment(start_s)
    begin_s = tuple(max(a, b) for a, b in zip(arrivals, walk.opens_s, strict=False))
    cost = float(who.fixed_cost[vehicle]) + float(who.cost_per_s[vehicle]) * (end_s - start_s)
    cost += float(who.cost_per_m[vehicle]) * sum(walk.legs_m)
    return Timetable(
        vehicle=vehicle,
        stops=tuple(int(stop) for stop in stops),
        start_s=start_s,
        end_s=end_s,
        arrive_s=tuple(arrivals[:-1]),
        begin_s=begin_s,
        leave_s=tuple(a + b for a, b in zip(begin_s, walk.service_s, strict=True)),
        drive_s=sum(walk.legs_s),
        break_s=rested_s,
        distance_m=sum(walk.legs_m),
        cost=cost,
    )


def first_broken(task: RouteTask, vehicle: int, stops: Sequence[int]) -> Broken | None:
    """The first limit that a route breaks, in the order of `Limit`; None: it keeps all."""
    if len(stops) == 0:
        return None
    loads = [int(load) for load in task.load_of[list(stops)]]
    for check in (_wrong_loads, _wrong_vehicle, _too_much):
        if broken := check(task, vehicle, stops, loads):
            return broken
    return _too_late(task, vehicle, stops)


def broken_limits(task: RouteTask, routes: Mapping[int, Sequence[int]]) -> list[Broken]:
    """The first broken limit of each route, and stops that are in two of them; none: the plan holds."""
    broken = [found for vehicle, stops in routes.items() if (found := first_broken(task, vehicle, stops))]
    owner: dict[int, int] = {}
    for vehicle, stops in routes.items():
        for stop in stops:
            if owner.setdefault(int(stop), vehicle) != vehicle:
                text = f"stop {stop} is in the routes of vehicles {owner[int(stop)]} and {vehicle}"
                broken.append(Broken(Limit.LOAD, vehicle, int(stop), text))
    return broken


def _wrong_loads(task: RouteTask, vehicle: int, stops: Sequence[int], loads: Sequence[int]) -> Broken | None:
    order = {int(stop): i for i, stop in enumerate(stops)}
    for i, (stop, load) in enumerate(zip(stops, loads, strict=True)):
        pickup, delivery = int(task.loads.pickup[load]), int(task.loads.delivery[load])
        text = ""
        if order[int(stop)] != i:
            text = f"stop {stop} stands twice"
        elif NONE not in (pickup, delivery):
            if pickup not in order or delivery not in order:
                text = f"stop {stop} of load {load} stands without its partner"
            elif order[pickup] > order[delivery]:
                text = f"load {load} is delivered before it is picked up"
        if text:
            return Broken(Limit.LOAD, vehicle, int(stop), text)
    return None


def _wrong_vehicle(
    task: RouteTask, vehicle: int, stops: Sequence[int], loads: Sequence[int]
) -> Broken | None:
    skills = int(task.vehicles.skills[vehicle])
    for stop, load in zip(stops, loads, strict=True):
        only, missing = int(task.loads.only[load]), int(task.loads.needs[load]) & ~skills
        if only not in (NONE, vehicle):
            text = f"load {load} is bound to vehicle {only}, not {vehicle}"
            return Broken(Limit.VEHICLE, vehicle, int(stop), text)
        if missing:
            bits = ", ".join(str(bit) for bit in range(64) if missing >> bit & 1)
            return Broken(
                Limit.SKILLS, vehicle, int(stop), f"load {load} needs skill {bits} of vehicle {vehicle}"
            )
    return None


def _units(amount: float) -> float:
    return amount if isinf(amount) else round(amount * AMOUNT_UNITS)


def _too_much(task: RouteTask, vehicle: int, stops: Sequence[int], loads: Sequence[int]) -> Broken | None:
    for d, most in enumerate(task.vehicles.capacity[vehicle].tolist()):
        amounts = {load: _units(float(task.loads.amounts[load, d])) for load in loads}
        aboard = sum(amount for load, amount in amounts.items() if task.loads.pickup[load] == NONE)
        if aboard > _units(most):
            text = f"vehicle {vehicle} starts with {aboard / AMOUNT_UNITS:g} of dimension {d}, its capacity is {most:g}"
            return Broken(Limit.CAPACITY, vehicle, int(stops[0]), text)
        for stop, load in zip(stops, loads, strict=True):
            aboard += amounts[load] if task.loads.pickup[load] == stop else -amounts[load]
            if aboard > _units(most):
                text = f"vehicle {vehicle} leaves stop {stop} with {aboard / AMOUNT_UNITS:g} of dimension {d}, its capacity is {most:g}"
                return Broken(Limit.CAPACITY, vehicle, int(stop), text)
    return None


def _too_late(task: RouteTask, vehicle: int, stops: Sequence[int]) -> Broken | None:
    table = timetable(task, vehicle, stops)
    for stop, arrive_s in zip(stops, table.arrive_s, strict=True):
        closes_s = float(task.stops.closes_s[stop])
        if isinf(arrive_s):
            return Broken(Limit.NO_WAY, vehicle, int(stop), f"vehicle {vehicle} has no way to stop {stop}")
        if arrive_s > closes_s + ROUNDING_S:
            text = f"vehicle {vehicle} is at stop {stop} at {arrive_s:.0f} s, it closes at {closes_s:.0f} s"
            return Broken(Limit.WINDOW, vehicle, int(stop), text)
    until_s, most_s = float(task.vehicles.until_s[vehicle]), float(task.vehicles.most_drive_s[vehicle])
    if isinf(table.end_s):
        return Broken(Limit.NO_WAY, vehicle, NONE, f"vehicle {vehicle} has no way to its end")
    if table.end_s > until_s + ROUNDING_S:
        text = f"vehicle {vehicle} is at its end at {table.end_s:.0f} s, its shift is until {until_s:.0f} s"
        return Broken(Limit.SHIFT, vehicle, NONE, text)
    if table.drive_s > most_s + ROUNDING_S:
        text = f"vehicle {vehicle} drives {table.drive_s:.0f} s, allowed are {most_s:.0f} s"
        return Broken(Limit.DRIVING, vehicle, NONE, text)
    return None
