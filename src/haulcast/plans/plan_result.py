"""What a search found, as the document that is kept: routes with stops and times, what is left out, and what it saves."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from geo.route_check import Timetable
from haulcast.plans.left_out_words import document_of_left_out
from haulcast.plans.plan_scope import PlannedVehicle
from haulcast.plans.plan_search import Figures, PlanAnswer, late_of
from haulcast.plans.plan_task import PlanTask, place_of
from haulcast.routes.route import StopState
from haulcast.routes.stop_place import StopPlace

Document = dict[str, Any]


def summary_of(answer: PlanAnswer) -> Document:
    """The figures, without the routes."""
    return {
        "routes": len(answer.found.timetables),
        "loads": sum(
            len(set(answer.task.load_of[list(table.stops)].tolist())) for table in answer.found.timetables
        ),
        **_rounded(answer.figures),
        "iterations": answer.found.iterations,
        "is_stopped": answer.found.is_stopped,
        "is_late": answer.is_eased,
        "savings": {name: _saved(answer.figures, other) for name, other in answer.beside.items()},
    }


def result_of(plan_id: str, planned: PlanTask, answer: PlanAnswer) -> Document:
    """Routes, what is left out, and the editions that all of it is based on."""
    tables = {table.vehicle: table for table in answer.found.timetables}
    routes = []
    for k, one in enumerate(planned.outline.scope.vehicles):
        if k in tables or one.route is not None or one.withdrawn:
            routes.append(_route_of(f"{plan_id}-{k}", planned, one, tables.get(k)))
    unassigned = [document_of_left_out(planned, one) for one in answer.found.left_out]
    return {"routes": routes, "unassigned": unassigned, "basis": _basis_of(planned)}


def _route_of(route_id: str, planned: PlanTask, one: PlannedVehicle, table: Timetable | None) -> Document:
    frozen = (
        [] if one.route is None else [stop for stop in one.route.stops if stop.state is not StopState.AHEAD]
    )
    said: Document = {
        "id": one.route.route_id if one.route else route_id,
        "vehicle": one.vehicle,
        "status": "planned" if one.route is None and (one.waits or one.withdrawn) else "active",
        "is_new": one.route is None,
        "frozen_stops": [stop.stop_id for stop in frozen],
        "stops": [],
    }
    if table is None:
        return said
    said["stops"] = list(_stops_of(planned, one, table, {stop.stop_id for stop in frozen}))
    start_ms = planned.outline.scope.departs_ms
    return said | {
        "starts": start_ms + round(1000 * table.start_s),
        "ends": start_ms + round(1000 * table.end_s),
        "distance_m": round(table.distance_m, 1),
        "drive_s": round(table.drive_s, 1),
        "break_s": round(table.break_s, 1),
        "cost": round(table.cost, 4),
    }


def _stops_of(
    planned: PlanTask, one: PlannedVehicle, table: Timetable, taken: set[str]
) -> Iterator[Document]:
    """Those that the vehicle's route has already keep their ids, others get numbers."""
    outline = planned.outline
    stops = [outline.stops[stop] for stop in table.stops]
    own = {stop.stop_id for stop in one.route.stops} if one.route else set()
    taken = taken | {
        was.stop_id for errand, kind in stops if (was := errand.was.get(kind)) and was.stop_id in own
    }
    numbers = (str(number) for number in range(1, 10**9) if str(number) not in taken)
    late_s = late_of(planned.task, table)
    for (errand, kind), begin_s, leave_s, late in zip(
        stops, table.begin_s, table.leave_s, late_s, strict=True
    ):
        was = errand.was.get(kind)
        said: Document = {
            "id": was.stop_id if was is not None and was.stop_id in own else next(numbers),
            "kind": (was.kind if was is not None else kind).value,
            **document_of_place(place_of(errand, kind)),
            "planned": outline.scope.departs_ms + round(1000 * begin_s),
            "leaves": outline.scope.departs_ms + round(1000 * leave_s),
        }
        if load_id := errand.load.load_id if errand.load else (was.load if was else ""):
            said["load"] = load_id
        if late:
            said["late_s"] = round(late, 1)
        yield said


def document_of_place(place: StopPlace) -> Document:
    """A stop place as it goes out."""
    said: Document = {
        "lat": place.lat_deg,
        "lon": place.lon_deg,
        "radius_m": place.radius_m,
        "service_s": place.service_s,
    }
    optional = {"name": place.name, "fence": place.fence}
    said |= {name: text for name, text in optional.items() if text}
    windows = {"opens": place.opens_ms, "closes": place.closes_ms}
    return said | {name: time_ms for name, time_ms in windows.items() if time_ms is not None}


def _basis_of(planned: PlanTask) -> Document:
    """What has to be as it was for the plan to be accepted."""
    scope = planned.outline.scope
    replaced = [route for one in scope.vehicles for route in (one.route, *one.withdrawn) if route is not None]
    return {
        "routes": {route.route_id: route.edition for route in replaced},
        "withdrawn": [route.route_id for one in scope.vehicles for route in one.withdrawn],
        "loads": {errand.load.load_id: errand.load.edition for errand in scope.errands if errand.load},
        "active": {one.vehicle: _active_id(one) for one in scope.vehicles},
        "departs": scope.departs_ms,
    }


def _active_id(one: PlannedVehicle) -> str:
    if one.route is not None:
        return one.route.route_id
    return next((route.route_id for route in one.waits if route.status == "active"), "")


def _rounded(figures: Figures) -> Document:
    return {name: round(value, 4) for name, value in asdict(figures).items()}


def _saved(ours: Figures, other: Figures) -> Document:
    """How much less of distance and time; unknown where the other carries less, for then it is no measure."""
    said = _rounded(other)
    if other.left_out <= ours.left_out:
        for name in ("distance", "time"):
            key = "duration_s" if name == "time" else "distance_m"
            mine, theirs = getattr(ours, key), getattr(other, key)
            said[f"{name}_saved_percent"] = round(100 * (1 - mine / theirs), 2) if theirs > 0 else 0.0
    return said
