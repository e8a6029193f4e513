"""The members that loads, routes and profiles have in common, in and out of JSON: numbers, times, amounts, places."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from haulcast.doors.request_fields import checked_id, checked_name, checked_object
from haulcast.doors.time_fields import WHOLE, time_of
from haulcast.errors import RequestError
from haulcast.routes.stop_place import USUAL_RADIUS_M, StopPlace

MOST_DIMENSIONS = 8
MOST_DIMENSION_CHARACTERS = 64


class Range(NamedTuple):
    """The numbers that are allowed, ends included."""

    least: float
    most: float


LAT = Range(-90, 90)
LON = Range(-180, 180)
RADIUS_M = Range(10, 10_000)
SERVICE_S = Range(0, 604_800)  # a week
AMOUNT = Range(0, 1e9)  # what the search adds up exactly enough
COST = Range(0, 1e12)

PLACE_MEMBERS = frozenset({"lat", "lon", "name", "fence", "radius_m", "opens", "closes", "service_s"})
DEPOT_MEMBERS = frozenset({"lat", "lon"})


def stated_members(value: Any, field: str, known: frozenset[str]) -> dict[str, Any]:
    """The members of an object that are not null.

    Raises:
        RequestError: not an object, or an unknown member.
    """
    return {name: one for name, one in checked_object(value, field, known).items() if one is not None}


def number(value: Any, field: str, allowed: Range) -> float:
    """A number of a range.

    Raises:
        RequestError: anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError("wrong_type", f"{field} is {_shown(value)}; it has to be a number", field=field)
    if allowed.least <= value <= allowed.most:  # not so of NaN
        return float(value)
    reason = f"{field} is {_shown(value)}; allowed is {allowed.least:g} to {allowed.most:.12g}"
    raise RequestError("out_of_range", reason, field=field)


def needed(members: Mapping[str, Any], name: str, field: str) -> Any:
    """A member that has to be there.

    Raises:
        RequestError: it is not.
    """
    if name not in members:
        raise RequestError("missing_field", f"{field} is missing", field=field)
    return members[name]


def time_ms(value: Any, field: str) -> int:
    """A time: a text in ISO 8601 with an offset, or milliseconds since 1970.

    Raises:
        RequestError: anything else.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    is_text = isinstance(value, str) and not WHOLE.fullmatch(value)  # digits in a text are a query's way
    return time_of(str(value) if is_number or is_text else "", field)


def amounts(value: Any, field: str) -> dict[str, float]:
    """So much of each dimension, by name.

    Raises:
        RequestError: not an object of a few short names and amounts.
    """
    members = checked_object(value, field)
    if len(members) > MOST_DIMENSIONS:
        reason = f"{field} has {len(members)} dimensions; allowed are {MOST_DIMENSIONS}"
        raise RequestError("out_of_range", reason, field=field)
    for name in members:
        if not 1 <= len(name) <= MOST_DIMENSION_CHARACTERS or not name.isprintable():
            reason = f"{field} names a dimension {name[:80]!r}; allowed are 1 to {MOST_DIMENSION_CHARACTERS} printable characters"
            raise RequestError("bad_name", reason, field=field)
    return {name: number(one, f"{field}.{name}", AMOUNT) for name, one in members.items() if one is not None}


def place_of(value: Any, field: str) -> StopPlace:
    """A place.

    Raises:
        RequestError: a missing, unknown or wrong member, or a window that closes before it opens.
    """
    members = stated_members(value, field, PLACE_MEMBERS)
    times = {
        name: time_ms(members[name], f"{field}.{name}") if name in members else None
        for name in ("opens", "closes")
    }
    opens_ms, closes_ms = times["opens"], times["closes"]
    if opens_ms is not None and closes_ms is not None and closes_ms < opens_ms:
        reason = f"{field}.closes is before {field}.opens; it has to be the same or later"
        raise RequestError("bad_span", reason, field=f"{field}.closes")
    return StopPlace(
        lat_deg=number(needed(members, "lat", f"{field}.lat"), f"{field}.lat", LAT),
        lon_deg=number(needed(members, "lon", f"{field}.lon"), f"{field}.lon", LON),
        name=checked_name(members.get("name", ""), f"{field}.name"),
        fence=checked_id(members["fence"], f"{field}.fence") if "fence" in members else "",
        radius_m=number(members.get("radius_m", USUAL_RADIUS_M), f"{field}.radius_m", RADIUS_M),
        opens_ms=opens_ms,
        closes_ms=closes_ms,
        service_s=number(members.get("service_s", 0), f"{field}.service_s", SERVICE_S),
    )


def document_of_place(place: StopPlace) -> dict[str, Any]:
    """A place; what is not said of it is left out."""
    optional = {
        "name": place.name or None,
        "fence": place.fence or None,
        "opens": place.opens_ms,
        "closes": place.closes_ms,
    }
    return {
        "lat": place.lat_deg,
        "lon": place.lon_deg,
        **{name: value for name, value in optional.items() if value is not None},
        "radius_m": place.radius_m,
        "service_s": place.service_s,
    }


def depot_of(value: Any, field: str) -> tuple[float, float]:
    """(lat_deg, lon_deg) of a place with nothing else.

    Raises:
        RequestError: a missing, unknown or wrong member.
    """
    members = stated_members(value, field, DEPOT_MEMBERS)
    return (
        number(needed(members, "lat", f"{field}.lat"), f"{field}.lat", LAT),
        number(needed(members, "lon", f"{field}.lon"), f"{field}.lon", LON),
    )


def agreed_id(stated: Any, known: str | None) -> str:
    """The id of the body, or that of the path, which have to be the same.

    Raises:
        RequestError: there is none, it is no id, or they differ.
    """
    if known is None:
        if stated is None:
            raise RequestError("missing_field", "id is missing", field="id")
        return checked_id(stated)
    if stated is not None and stated != known:
        raise RequestError("other_id", f"id is {_shown(stated)}, the path's is {known!r}", field="id")
    return checked_id(known)


def _shown(value: Any) -> str:
    return repr(value)[:80]
