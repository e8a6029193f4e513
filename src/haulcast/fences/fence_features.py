"""A fence as a GeoJSON Feature (RFC 7946), in and out.

A circle is a Point with `properties.radius_m`, a corridor a LineString or MultiLineString with `properties.width_m`. Of the other properties only `name`, `tags` and `attributes` are the user's;
`version`, `created_at` and `updated_at` come from the hub, and are ignored when they come back.
"""

from typing import Any

import orjson

from geo.fence_area import Area, AreaError, area_as_geojson, checked_area
from haulcast.doors.request_fields import (
    checked_attributes,
    checked_id,
    checked_name,
    checked_object,
    checked_tags,
)
from haulcast.errors import RequestError, TooLargeError
from haulcast.fences.fence_store import FenceDraft, FenceRecord

MOST_VERTICES = 250_000  # four times the most detailed ocean of Natural Earth
SHAPES = ("Polygon", "MultiPolygon", "Point", "LineString", "MultiLineString")
METRES = {
    "radius_m": ("a circle of a Point", {"Point"}),
    "width_m": ("a corridor of a line", {"LineString", "MultiLineString"}),
}
"""What each measure makes of which geometries."""

_MEMBERS = frozenset({"type", "id", "geometry", "properties", "bbox"})
_OURS = frozenset({"version", "created_at", "updated_at"})
_PROPERTIES = frozenset({"name", "tags", "attributes", *METRES}) | _OURS


def fence_of_feature(feature: Any, *, repair: bool, fence_id: str | None = None) -> tuple[FenceDraft, Area]:
    """What a Feature says, checked.

    Args:
        feature: parsed JSON.
        repair: make invalid rings valid instead of refusing them.
        fence_id: the id, where it is known from elsewhere; the feature may then leave its own out.

    Raises:
        RequestError: a missing, unknown or wrong member; an area that is none, with the reason and the place.
        TooLargeError: more vertices or attributes than allowed.
    """
    members = checked_object(feature, "feature", _MEMBERS)
    if members.get("type") != "Feature":
        raise RequestError(
            "wrong_type", f"type is {members.get('type')!r}; it has to be 'Feature'", field="type"
        )
    fence_id = _agreed_id(members.get("id"), fence_id)
    stated = checked_object(members.get("properties") or {}, "properties", _PROPERTIES)
    properties = {name: value for name, value in stated.items() if value is not None}
    metres = {name: properties[name] for name in METRES if name in properties}
    area = _area(members.get("geometry"), metres, repair=repair)
    draft = FenceDraft(
        fence_id=fence_id,
        name=checked_name(properties.get("name", fence_id)),
        area=orjson.dumps(area_as_geojson(area)).decode(),
        tags=checked_tags(properties.get("tags", [])),
        attributes=checked_attributes(properties.get("attributes", {})),
    )
    return draft, area


def feature_of_record(record: FenceRecord) -> dict[str, Any]:
    """A stored fence as a Feature."""
    geometry = orjson.loads(record.area)
    metres = {name: geometry.pop(name) for name in METRES if name in geometry}
    properties = {
        "name": record.name,
        "tags": list(record.tags),
        "attributes": record.attributes,
        **metres,
        "version": record.version,
        "created_at": record.created,
        "updated_at": record.updated,
    }
    return {"type": "Feature", "id": record.fence_id, "geometry": geometry, "properties": properties}


def _agreed_id(stated: Any, known: str | None) -> str:
    if type(stated) is int:
        stated = str(stated)  # GeoJSON has ids that are numbers
    if known is None:
        if stated is None:
            raise RequestError("missing_field", "the feature has no id", field="id")
        return checked_id(stated)
    if stated is not None and stated != known:
        raise RequestError(
            "other_id", f"the feature's id is {str(stated)[:200]!r}, the path's is {known!r}", field="id"
        )
    return checked_id(known)


def _area(geometry: Any, metres: dict[str, Any], *, repair: bool) -> Area:
    members = checked_object(geometry, "geometry")
    if members.get("type") not in SHAPES:
        kind = str(members.get("type"))[:80]
        raise RequestError(
            "bad_geometry", f"geometry is a {kind!r}; allowed are {', '.join(SHAPES)}", field="geometry"
        )
    vertices = _count_positions(members.get("coordinates"))
    if vertices > MOST_VERTICES:
        raise TooLargeError(
            "too_many_vertices",
            f"the geometry has {vertices} vertices; allowed are {MOST_VERTICES}",
            field="geometry",
        )
    for name in metres:
        makes, kinds = METRES[name]
        if members["type"] not in kinds:
            raise RequestError("bad_geometry", f"{name} makes {makes}; this is none", field=name)
    stated = {name: value for name, value in members.items() if name not in METRES}
    try:
        return checked_area({**stated, **metres}, repair=repair)
    except AreaError as error:
        field = error.place if error.place in METRES else "geometry"
        raise RequestError("bad_geometry", str(error), field=field) from error


def _count_positions(coordinates: Any) -> int:
    """How many positions there are in nested lists; a list that holds no list counts as one."""
    count, waiting = 0, [coordinates]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list) and part and isinstance(part[0], list):
            waiting.extend(part)
        else:
            count += 1
    return count
