"""Why a load is in no route, and which vehicle and which stop that fails for."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from geo.route_check import Broken, Limit, first_broken, timetable
from geo.route_task import NONE, RouteTask


class Reason(StrEnum):
    """Why a load is left out; the first ones hold for the load alone, whatever else there is to do."""

    NO_VEHICLE = "no vehicle"
    """There is none at all."""
    SKILLS = "skills"
    CAPACITY = "capacity"
    NO_WAY = "no way"
    WINDOW = "window"
    SHIFT = "shift"
    DRIVING = "driving"
    COST = "cost"
    """A vehicle that has nothing to do could take it, but leaving it out costs less."""
    TAKEN = "taken"
    """Vehicles that could take it alone have other loads, beside which none found room for it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A load that is in no route.

    Attributes:
        load: which.
        reason: what keeps it from the vehicle that comes closest to it.
        vehicle: that vehicle, or NONE.
        stop: where it fails, or NONE.
        text: in words.
    """

    load: int
    reason: Reason
    vehicle: int
    stop: int
    text: str


_ORDER = list(Limit)


def why_left_out(task: RouteTask, load: int, used: Collection[int]) -> LeftOut:
    """Why a load is in no route of a plan in which these vehicles have routes."""
    stops = [int(column[load]) for column in (task.loads.pickup, task.loads.delivery) if column[load] != NONE]
    only = int(task.loads.only[load])
    vehicles = (
        [only] if only != NONE else sorted(range(len(task.vehicles.start)), key=lambda one: one in used)
    )
    closest: Broken | None = None
    for vehicle in vehicles:
        broken = first_broken(task, vehicle, stops)
        if broken is None:
            return _why_not_there(task, load, stops, vehicle, used)
        if closest is None or _ORDER.index(broken.limit) > _ORDER.index(closest.limit):
            closest = broken
    if closest is None:
        return LeftOut(load, Reason.NO_VEHICLE, NONE, NONE, "there is no vehicle")
    return LeftOut(load, Reason(closest.limit.value), closest.vehicle, closest.stop, closest.text)


def _why_not_there(
    task: RouteTask, load: int, stops: list[int], vehicle: int, used: Collection[int]
) -> LeftOut:
    worth = float(task.loads.left_out_cost[load])
    if vehicle in used:
        text = f"vehicle {vehicle} could take load {load} alone, but found no room for it beside what it has"
        return LeftOut(load, Reason.TAKEN, vehicle, NONE, text)
    cost = timetable(task, vehicle, stops).cost
    text = f"vehicle {vehicle} could take load {load} alone for {cost:g}; to leave it out costs {worth:g}"
    return LeftOut(load, Reason.COST, vehicle, NONE, text)
