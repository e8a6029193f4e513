"""From the words of a fleet to the columns of a route task: dimensions and skills by name, times from the departure on, places each once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.route_check import timetable
from geo.route_plan import Routes
from geo.route_task import (
    MOST_AMOUNT,
    NONE,
    Loads,
    RouteTask,
    RouteTaskError,
    Stops,
    Vehicles,
    loads_of,
    route_task,
    stops_of,
    vehicles_of,
)
from geo.travel_time import TravelMatrix
from haulcast.errors import RequestError, TooLargeError
from haulcast.plans.plan_scope import Errand, LatLon, PlannedVehicle, PlanScope
from haulcast.routes.route import StopKind
from haulcast.routes.stop_place import StopPlace

MOST_ERRANDS: Final = 3_000
MOST_VEHICLES: Final = 500
MOST_LEGS: Final = 9_000_000
"""Ways between places, once for each distinct pair of costs a km and an hour; with all that hangs on it some 50 bytes each while a plan is searched."""
MOST_SKILLS: Final = 64


@dataclass(frozen=True, slots=True)
class PlanOutline:
    """What a task is made of before the ways between its places are known.

    Attributes:
        scope: whose words its numbers stand for: errands are its loads, vehicles its vehicles.
        stops: errand and kind of each of its stops.
        places: lat_deg and lon_deg, float64[p, 2], each once.
        place_of: the place of each stop, then of each vehicle's start and end; NONE: open.
        skills: the name of each bit.
        dimensions: the name of each dimension of capacity.
    """

    scope: PlanScope
    stops: tuple[tuple[Errand, StopKind], ...]
    places: NDArray[np.float64]
    place_of: NDArray[np.int32]
    skills: tuple[str, ...]
    dimensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanTask:
    """A task in numbers, beside its words.

    Attributes:
        outline: the words.
        task: the numbers; seconds from `outline.scope.departs_ms` on.
        old: what was to be done on the routes that are planned anew, by vehicle: where the search begins.
    """

    outline: PlanOutline
    task: RouteTask
    old: Routes


def outline_of(scope: PlanScope) -> PlanOutline:
    """The outline of a task.

    Raises:
        TooLargeError: more than can be planned at once; says how much is allowed.
        RequestError: more skills than there are bits.
    """
    _check_room(scope)
    stops = tuple(_stops_of(scope.errands))
    ends = [*(one.place for one in scope.vehicles), *(one.profile.end for one in scope.vehicles)]
    points: list[LatLon | None] = [*(_point(place_of(errand, kind)) for errand, kind in stops), *ends]
    number: dict[LatLon, int] = {}
    for point in points:
        if point is not None:
            number.setdefault(point, len(number))
    _check_legs(scope, len(number))
    skills = sorted({skill for errand in scope.errands if errand.load for skill in errand.load.needs})
    if len(skills) > MOST_SKILLS:
        reason = f"the loads of the plan need {len(skills)} different skills; allowed are {MOST_SKILLS} in one plan"
        raise RequestError("too_many_skills", reason, field="loads")
    sizes = {name for errand in scope.errands if errand.load for name in errand.load.size}
    dimensions = sorted(sizes | {name for one in scope.vehicles for name in one.aboard})
    places = np.array(list(number), np.float64).reshape(-1, 2)
    columns = np.array([NONE if point is None else number[point] for point in points], np.int32)
    return PlanOutline(scope, stops, places, columns, tuple(skills), tuple(dimensions))


def place_of(errand: Errand, kind: StopKind) -> StopPlace:
    """Where a stop of an errand is."""
    place = errand.pickup if kind is StopKind.PICKUP else errand.delivery
    if place is None:
        raise ValueError(f"errand {errand.name} has no {kind}")
    return place


def task_of(outline: PlanOutline, ways: TravelMatrix) -> PlanTask:
    """The task. Takes a moment for thousands of loads: call it in a thread.

    Raises:
        RequestError: something that the book holds cannot be planned with; says what, and what is allowed.
    """
    numbers = {stop: number for number, stop in enumerate(outline.stops)}
    try:
        stops = _stop_columns(outline)
        loads = _load_columns(outline, numbers)
        vehicles = _vehicle_columns(outline)
        task = route_task(stops, loads, vehicles, ways.time_s, ways.distance_m)
    except RouteTaskError as error:
        raise RequestError("cannot_plan", f"this cannot be planned: {error}") from error
    old = {
        k: [numbers[stop] for stop in one.rest] for k, one in enumerate(outline.scope.vehicles) if one.rest
    }
    return PlanTask(outline, task, old)


def eased(task: RouteTask, routes: Routes) -> RouteTask:
    """The same task with windows, shifts and driving limits as wide as these routes need: nobody comes later than by them."""
    closes_s = task.stops.closes_s.copy()
    until_s, drive_s = task.vehicles.until_s.copy(), task.vehicles.most_drive_s.copy()
    for vehicle, stops in routes.items():
        if not len(stops):
            continue
        table = timetable(task, vehicle, stops)
        for stop, arrive_s in zip(stops, table.arrive_s, strict=True):
            closes_s[stop] = max(closes_s[stop], arrive_s)
        until_s[vehicle] = max(until_s[vehicle], table.end_s)
        drive_s[vehicle] = max(drive_s[vehicle], table.drive_s)
    vehicles = replace(task.vehicles, until_s=until_s, most_drive_s=drive_s)
    return replace(task, stops=replace(task.stops, closes_s=closes_s), vehicles=vehicles)


def _check_room(scope: PlanScope) -> None:
    for what, count, most in (
        ("loads and stops", len(scope.errands), MOST_ERRANDS),
        ("vehicles", len(scope.vehicles), MOST_VEHICLES),
    ):
        if count > most:
            reason = f"the plan has {count} {what}; allowed are {most}: plan fewer at a time"
            raise TooLargeError("plan_too_large", reason, field="vehicles" if what == "vehicles" else "loads")


def _check_legs(scope: PlanScope, places: int) -> None:
    costs = len({(one.profile.cost_per_km, one.profile.cost_per_hour) for one in scope.vehicles})
    if costs * places**2 > MOST_LEGS:
        reason = (
            f"the plan has {places} places, and its vehicles {costs} different costs a km and an hour: {costs * places**2} ways;"
            f" allowed are {MOST_LEGS}: plan fewer loads at a time, or give vehicles the same costs"
        )
        raise TooLargeError("plan_too_large", reason, field="loads")


def _stops_of(errands: Sequence[Errand]) -> Iterator[tuple[Errand, StopKind]]:
    for errand in errands:
        if errand.pickup is not None:
            yield errand, StopKind.PICKUP
        if errand.delivery is not None:
            yield errand, StopKind.STOP if errand.load is None else StopKind.DELIVERY


def _point(place: StopPlace) -> LatLon:
    return place.lat_deg, place.lon_deg


def _stop_columns(outline: PlanOutline) -> Stops:
    start_ms = outline.scope.departs_ms
    places = [place_of(*stop) for stop in outline.stops]
    return stops_of(
        outline.place_of[: len(places)],
        opens_s=[_seconds(place.opens_ms, start_ms, -inf) for place in places],
        closes_s=[_seconds(place.closes_ms, start_ms, inf) for place in places],
        service_s=[place.service_s for place in places],
    )


def _load_columns(outline: PlanOutline, numbers: Mapping[tuple[Errand, StopKind], int]) -> Loads:
    vehicles = {one.vehicle: k for k, one in enumerate(outline.scope.vehicles)}
    bit = {skill: 1 << i for i, skill in enumerate(outline.skills)}
    errands = outline.scope.errands
    sizes = [errand.load.size if errand.load else {} for errand in errands]
    costs = [
        errand.load.left_out_cost if errand.load and not errand.is_promised else None for errand in errands
    ]
    return loads_of(
        [numbers.get((errand, StopKind.PICKUP), NONE) for errand in errands],
        [
            numbers.get((errand, StopKind.DELIVERY if errand.load else StopKind.STOP), NONE)
            for errand in errands
        ],
        amounts=_table(sizes, outline.dimensions),
        needs=np.array(
            [sum(bit[skill] for skill in (errand.load.needs if errand.load else ())) for errand in errands],
            np.uint64,
        ),
        only=[vehicles.get(errand.bound, NONE) for errand in errands],
        left_out_cost=[inf if cost is None else cost for cost in costs],
    )


def _vehicle_columns(outline: PlanOutline) -> Vehicles:
    vehicles, start_ms = outline.scope.vehicles, outline.scope.departs_ms
    bit = {skill: 1 << i for i, skill in enumerate(outline.skills)}
    profiles = [one.profile for one in vehicles]
    starts, ends = outline.place_of[len(outline.stops) :].reshape(2, -1)
    shifts = [_shift_s(one, start_ms) for one in vehicles]
    room = _table([one.profile.capacity for one in vehicles], outline.dimensions)
    return vehicles_of(
        starts,
        ends,
        from_s=[begin for begin, _ in shifts],
        until_s=[end for _, end in shifts],
        capacity=np.clip(
            room - _table([one.aboard for one in vehicles], outline.dimensions), 0.0, MOST_AMOUNT
        ),
        skills=np.array([sum(bit.get(skill, 0) for skill in one.skills) for one in profiles], np.uint64),
        most_drive_s=[inf if one.most_drive_s is None else one.most_drive_s for one in profiles],
        break_after_s=[inf if one.break_after_s is None else one.break_after_s for one in profiles],
        break_s=[one.break_s for one in profiles],
        fixed_cost=[
            0.0 if one.route else one.profile.fixed_cost for one in vehicles
        ],  # under way it is spent
        cost_per_m=[one.cost_per_km / 1000.0 for one in profiles],
        cost_per_s=[one.cost_per_hour / 3600.0 for one in profiles],
    )


def _shift_s(one: PlannedVehicle, start_ms: int) -> tuple[float, float]:
    """From when until when it may drive; nothing is left of a shift that is over."""
    begin_s = max(
        _seconds(one.from_ms, start_ms, 0.0), _seconds(one.profile.shift_opens_ms, start_ms, -inf), 0.0
    )
    return begin_s, max(begin_s, _seconds(one.profile.shift_closes_ms, start_ms, inf))


def _seconds(time_ms: int | None, start_ms: int, usual_s: float) -> float:
    return usual_s if time_ms is None else (time_ms - start_ms) / 1000.0


def _table(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> NDArray[np.float64]:
    """A column for each name; one of nothing when there is none."""
    table = np.zeros((len(rows), max(1, len(names))))
    for column, name in enumerate(names):
        table[:, column] = [row.get(name, 0.0) for row in rows]
    return table
