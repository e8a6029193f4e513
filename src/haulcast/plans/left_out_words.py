"""Why a load is in no route, in the words and numbers of the fleet: which limit, where, of which vehicle."""

from math import isinf
from typing import Any

import numpy as np

from geo.route_check import timetable
from geo.route_left_out import LeftOut, Reason
from geo.route_task import AMOUNT_UNITS, NONE
from haulcast.doors.time_fields import iso_texts
from haulcast.plans.plan_scope import Errand, PlannedVehicle
from haulcast.plans.plan_task import PlanOutline, PlanTask


def document_of_left_out(planned: PlanTask, one: LeftOut) -> dict[str, Any]:
    """`load`, `constraint`, `text`, and as far as they apply `vehicle`, `stop`, `value` and `limit`."""
    outline = planned.outline
    errand = outline.scope.errands[one.load]
    vehicle = None if one.vehicle == NONE else outline.scope.vehicles[one.vehicle]
    said: dict[str, Any] = {"load": errand.name, "constraint": one.reason.value.replace(" ", "_")}
    if vehicle is not None:
        said["vehicle"] = vehicle.vehicle
    if one.stop != NONE:
        said["stop"] = outline.stops[one.stop][1].value
    value, limit, text = _words(planned, one, errand, vehicle)
    said |= {name: number for name, number in (("value", value), ("limit", limit)) if number is not None}
    still = f"; it is still on {errand.bound}" if errand.bound else ""
    return {**said, "text": text + still}


Words = tuple[float | None, float | None, str]


def _words(planned: PlanTask, one: LeftOut, errand: Errand, vehicle: PlannedVehicle | None) -> Words:
    if vehicle is None:
        return None, None, "there is no vehicle"
    name, load = vehicle.vehicle, errand.name
    worth = float(planned.task.loads.left_out_cost[one.load])
    where = f"its {planned.outline.stops[one.stop][1]}" if one.stop != NONE else "its end"
    match one.reason:
        case Reason.SKILLS:
            missing = sorted((errand.load.needs if errand.load else frozenset()) - vehicle.profile.skills)
            return (
                None,
                None,
                f"no vehicle has all that load {load} needs; {name} is without {', '.join(missing)}",
            )
        case Reason.CAPACITY:
            return _too_large(planned, one, errand, name)
        case Reason.NO_WAY:
            return None, None, f"there is no way for {name} to {where}"
        case Reason.TAKEN:
            dear = "" if isinf(worth) else f" for less than the {worth:.2f} that it costs to leave it out"
            text = f"{name} could take load {load} alone, but found no room for it beside what it has{dear}"
            return None, None if isinf(worth) else worth, text
        case Reason.COST:
            cost = _cost(planned, one)
            return (
                cost,
                worth,
                f"{name} could take load {load} for {cost:.2f}; to leave it out costs {worth:.2f}",
            )
        case _:
            return _too_late(planned, one, name)


def _stops_alone(planned: PlanTask, load: int) -> list[int]:
    loads = planned.task.loads
    return [int(column[load]) for column in (loads.pickup, loads.delivery) if column[load] != NONE]


def _cost(planned: PlanTask, one: LeftOut) -> float:
    return timetable(planned.task, one.vehicle, _stops_alone(planned, one.load)).cost


def _too_large(planned: PlanTask, one: LeftOut, errand: Errand, name: str) -> Words:
    amounts, room = planned.task.loads.amounts[one.load], planned.task.vehicles.capacity[one.vehicle]
    over = np.flatnonzero(np.rint(amounts * AMOUNT_UNITS) > np.rint(room * AMOUNT_UNITS))
    d = int(over[0]) if len(over) else 0
    unit = planned.outline.dimensions[d] if planned.outline.dimensions else ""
    text = (
        f"load {errand.name} has {amounts[d]:g} {unit}; {name}, which comes closest, has room for {room[d]:g}"
    )
    return float(amounts[d]), float(room[d]), text


def _too_late(planned: PlanTask, one: LeftOut, name: str) -> Words:
    """A window, a shift or a driving limit: what it would come to, alone."""
    task, outline = planned.task, planned.outline
    stops = _stops_alone(planned, one.load)
    table = timetable(task, one.vehicle, stops)
    if one.reason is Reason.DRIVING:
        most_s = float(task.vehicles.most_drive_s[one.vehicle])
        return (
            table.drive_s,
            most_s,
            f"{name} would drive {table.drive_s / 60:.0f} minutes; it may {most_s / 60:.0f}",
        )
    if one.reason is Reason.SHIFT:
        until_s = float(task.vehicles.until_s[one.vehicle])
        value, limit = _moment_ms(outline, table.end_s), _moment_ms(outline, until_s)
        return value, limit, f"{name} would be at its end at {_iso(value)}; it may drive until {_iso(limit)}"
    place = stops.index(one.stop) if one.stop in stops else 0
    closes_s = float(task.stops.closes_s[stops[place]])
    value, limit = _moment_ms(outline, table.arrive_s[place]), _moment_ms(outline, closes_s)
    kind = outline.stops[stops[place]][1]
    return (
        value,
        limit,
        f"{name} can be at its {kind} at {_iso(value)} at the earliest; that closes at {_iso(limit)}",
    )


def _moment_ms(outline: PlanOutline, seconds: float) -> int:
    return outline.scope.departs_ms + round(1000 * seconds)


def _iso(time_ms: int) -> str:
    return iso_texts(np.array([time_ms], np.int64))[0]
