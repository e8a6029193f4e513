"""A route as a JSON document, in and out.

A stop of a load may leave its place out: it is the load's. `plan`, `progress` and `edition`, and of stops `state`, `eta`, `late_s`,
`arrived` and `left`, come from the hub, and are ignored when they come back. A member that is null is as if it were absent.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from haulcast.doors.request_fields import checked_id, checked_object
from haulcast.errors import RequestError, TooLargeError
from haulcast.routes.document_fields import (
    LAT,
    LON,
    PLACE_MEMBERS,
    agreed_id,
    document_of_place,
    needed,
    number,
    place_of,
    stated_members,
    time_ms,
)
from haulcast.routes.load import Load
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind
from haulcast.routes.stop_place import StopPlace

MOST_STOPS = 1_000
MOST_LINE_POINTS = 100_000

_STOP_OURS = frozenset({"state", "eta", "late_s", "arrived", "left"})
_STOP_MEMBERS = frozenset({"id", "kind", "load", "planned"}) | PLACE_MEMBERS | _STOP_OURS
_OURS = frozenset({"plan", "progress", "edition"})
_MEMBERS = frozenset({"id", "vehicle", "status", "stops", "line"}) | _OURS


@dataclass(frozen=True, slots=True)
class RouteOutlook:
    """What is known of an active route while it is driven.

    Attributes:
        etas_ms: by stop id, when service can begin there, UTC epoch.
        late_s: by stop id, how much after the window closes that is; 0: not late.
        progress: `is_off_route`, `left_m`, `along_m` and `time` (ms), as they go out; None: no fix since it is active.
    """

    etas_ms: Mapping[str, int] = field(default_factory=dict)
    late_s: Mapping[str, float] = field(default_factory=dict)
    progress: Mapping[str, Any] | None = None


OutlookOf = Callable[[str, str], RouteOutlook | None]
"""Of (fleet, route id); None: it is not driven."""


def route_of_document(
    document: Any,
    fleet: str,
    load_of: Callable[[str], Load | None],
    new_id: Callable[[], str],
    route_id: str | None = None,
    before: Route | None = None,
) -> Route:
    """What a document says, checked but for what the fleet's loads and routes have to say to it (`RouteEdits.put_route`).

    Args:
        document: parsed JSON.
        fleet: whose route it is.
        load_of: a load by id, for the places of stops that leave theirs out.
        new_id: names a stop without an id.
        route_id: the id, where it is known from elsewhere; the document may then leave its own out.
        before: the route that it replaces, whose status and plan it keeps when it does not say another.

    Raises:
        RequestError: a missing, unknown or wrong member.
        TooLargeError: more stops, or points of the line, than allowed.
    """
    members = stated_members(document, "route", _MEMBERS)
    route_id = agreed_id(members.get("id"), route_id)
    usual = RouteStatus.PLANNED if before is None else before.status
    stops = needed(members, "stops", "stops")
    if not isinstance(stops, list):
        raise RequestError("wrong_type", "stops has to be a list", field="stops")
    if len(stops) > MOST_STOPS:
        reason = f"the route has {len(stops)} stops; allowed are {MOST_STOPS}"
        raise TooLargeError("too_many_stops", reason, field="stops")
    seen: set[str] = set()
    return Route(
        fleet=fleet,
        route_id=route_id,
        vehicle=checked_id(needed(members, "vehicle", "vehicle"), "vehicle"),
        stops=tuple(_stop(stop, f"stops[{i}]", load_of, new_id, seen) for i, stop in enumerate(stops)),
        status=RouteStatus(_one_of(members.get("status", usual), "status", list(RouteStatus))),
        line=_line(members["line"]) if "line" in members else (),
        plan="" if before is None else before.plan,
    )


def document_of_route(route: Route, outlook: RouteOutlook | None = None) -> dict[str, Any]:
    """The route as a document; what it has not is left out."""
    outlook = outlook or RouteOutlook()
    document: dict[str, Any] = {
        "id": route.route_id,
        "vehicle": route.vehicle,
        "status": route.status.value,
        "stops": [_document_of_stop(stop, outlook) for stop in route.stops],
    }
    if route.line:
        document["line"] = {"type": "LineString", "coordinates": route.line}
    if route.plan:
        document["plan"] = route.plan
    if outlook.progress is not None:
        document["progress"] = outlook.progress
    return {**document, "edition": route.edition}


def _document_of_stop(stop: RouteStop, outlook: RouteOutlook) -> dict[str, Any]:
    optional = {
        "planned": stop.planned_ms,
        "eta": None if stop.is_over else outlook.etas_ms.get(stop.stop_id),
        "late_s": None if stop.is_over else outlook.late_s.get(stop.stop_id),
        "arrived": stop.arrived_ms,
        "left": stop.left_ms,
    }
    return {
        "id": stop.stop_id,
        "kind": stop.kind.value,
        **({"load": stop.load} if stop.load else {}),
        **document_of_place(stop.place),
        "state": stop.state.value,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _stop(
    value: Any, place: str, load_of: Callable[[str], Load | None], new_id: Callable[[], str], seen: set[str]
) -> RouteStop:
    members = stated_members(value, place, _STOP_MEMBERS)
    stop_id = checked_id(members.get("id", None) or new_id(), f"{place}.id")
    if stop_id in seen:
        reason = f"{place}.id is {stop_id!r}, which a stop before it has; each stop needs its own"
        raise RequestError("same_id", reason, field=f"{place}.id")
    seen.add(stop_id)
    load = checked_id(members["load"], f"{place}.load") if "load" in members else ""
    usual = None if load else StopKind.STOP.value
    kind = StopKind(_one_of(members.get("kind", usual), f"{place}.kind", list(StopKind)))
    if kind is StopKind.STOP and load:
        raise RequestError(
            "unused_field", f"{place}.load: a stop of kind 'stop' has none", field=f"{place}.load"
        )
    if kind is not StopKind.STOP and not load:
        raise RequestError(
            "missing_field", f"{place}.load is missing; a {kind} needs it", field=f"{place}.load"
        )
    return RouteStop(
        stop_id=stop_id,
        kind=kind,
        place=_place(members, place, kind, load_of(load) if load else None),
        load=load,
        planned_ms=time_ms(members["planned"], f"{place}.planned") if "planned" in members else None,
    )


def _place(members: Mapping[str, Any], field: str, kind: StopKind, load: Load | None) -> StopPlace:
    own = {name: members[name] for name in PLACE_MEMBERS & members.keys()}
    of_load = None if load is None else load.pickup if kind is StopKind.PICKUP else load.delivery
    return place_of(own, field) if own or of_load is None else of_load


def _line(value: Any) -> tuple[tuple[float, float], ...]:
    members = checked_object(value, "line")
    points = members.get("coordinates")
    if members.get("type") != "LineString" or not isinstance(points, list | tuple) or len(points) < 2:
        reason = "line has to be a GeoJSON LineString of at least 2 positions"
        raise RequestError("bad_geometry", reason, field="line")
    if len(points) > MOST_LINE_POINTS:
        reason = f"line has {len(points)} positions; allowed are {MOST_LINE_POINTS}"
        raise TooLargeError("too_many_vertices", reason, field="line")
    return tuple(_position(point, f"line.coordinates[{index}]") for index, point in enumerate(points))


def _position(point: Any, field: str) -> tuple[float, float]:
    if not isinstance(point, list | tuple) or not 2 <= len(point) <= 4:
        reason = f"{field} has to be a position: [longitude, latitude]"
        raise RequestError("bad_geometry", reason, field=field)
    return number(point[0], field, LON), number(point[1], field, LAT)


def _one_of(value: Any, field: str, allowed: Collection[str]) -> str:
    if isinstance(value, str) and value in allowed:
        return value
    words = ", ".join(str(one) for one in allowed)
    if value is None:
        raise RequestError("missing_field", f"{field} is missing; allowed are {words}", field=field)
    raise RequestError("out_of_range", f"{field} is {str(value)[:80]!r}; allowed are {words}", field=field)
