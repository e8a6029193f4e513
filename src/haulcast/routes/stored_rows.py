"""Loads, routes and profiles as rows: what was checked before it got there is read back as it was."""

from collections.abc import Mapping
from typing import Any

import orjson

from haulcast.database.editions import edition_of
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.route_store import StoredProfile
from haulcast.routes.stop_place import StopPlace
from haulcast.routes.vehicle_profile import VehicleProfile


def edition_of_row(row: Mapping[str, Any]) -> str:
    """The edition of any row."""
    return edition_of(row["version"], row["created"])


def load_of_row(row: Mapping[str, Any]) -> Load:
    """A row of `loads`."""
    return Load(
        fleet=row["fleet"],
        load_id=row["load_id"],
        pickup=_place(row["pickup"]),
        delivery=_place(row["delivery"]),
        size=orjson.loads(row["size"]),
        needs=frozenset(row["needs"]),
        status=LoadStatus(row["status"]),
        vehicle=row["vehicle"],
        left_out_cost=row["left_out_cost"],
        edition=edition_of_row(row),
    )


def row_of_load(load: Load) -> tuple[Any, ...]:
    """The values of a row of `loads`, from `load_id` to `left_out_cost`, as texts and numbers."""
    return (
        load.load_id,
        load.status.value,
        load.vehicle,
        None if load.pickup is None else _text(load.pickup),
        None if load.delivery is None else _text(load.delivery),
        _text(dict(load.size)),
        _text(sorted(load.needs)),
        load.left_out_cost,
    )


def route_of_row(row: Mapping[str, Any]) -> Route:
    """A row of `routes`."""
    return Route(
        fleet=row["fleet"],
        route_id=row["route_id"],
        vehicle=row["vehicle"],
        stops=tuple(_stop(stop) for stop in orjson.loads(row["stops"])),
        status=RouteStatus(row["status"]),
        line=tuple((lon, lat) for lon, lat in orjson.loads(row["line"] or "[]")),
        plan=row["plan"],
        edition=edition_of_row(row),
    )


def row_of_route(route: Route, *, keeps_line: bool) -> tuple[Any, ...]:
    """The values of a row of `routes`, from `route_id` to `plan`."""
    return (
        route.route_id,
        route.vehicle,
        route.status.value,
        _text(route.stops),
        None if keeps_line else _text(route.line),
        route.plan,
    )


def profile_of_row(row: Mapping[str, Any]) -> StoredProfile:
    """A row of `vehicle_profiles`."""
    members = orjson.loads(row["profile"])
    members["skills"] = frozenset(members["skills"])
    for depot in ("start", "end"):
        members[depot] = None if members[depot] is None else tuple(members[depot])
    return StoredProfile(row["fleet"], row["vehicle_id"], VehicleProfile(**members), edition_of_row(row))


def text_of_profile(profile: VehicleProfile) -> str:
    """The column `profile`."""
    return orjson.dumps(profile, default=_plain).decode()


def _stop(members: dict[str, Any]) -> RouteStop:
    return RouteStop(
        **{
            **members,
            "kind": StopKind(members["kind"]),
            "state": StopState(members["state"]),
            "place": StopPlace(**members["place"]),
        }
    )


def _place(text: str | None) -> StopPlace | None:
    return None if text is None else StopPlace(**orjson.loads(text))


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return dict(value)  # a mapping of another kind than dict
