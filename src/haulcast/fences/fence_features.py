"""A fence as a GeoJSON Feature (RFC 7946), in and out.

A circle is a Point with `properties.radius_m`, a corridor a LineString or MultiLineString with `properties.width_m`, or without a geometry
the encoded `properties.polyline` of a routing engine, which comes back as a LineString. Of the other properties only `name`, `tags` and `attributes` are the user's;
`version`, `created_at` and `updated_at` come from the hub, and are ignored when they come back.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from geo.fence_area import Area, AreaError, area_as_geojson, checked_area
from geo.polyline import decoded_polyline
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
POLYLINE = ("polyline", "polyline_precision")
NO_SIZES: Mapping[str, float] = MappingProxyType({})

_MEMBERS = frozenset({"type", "id", "geometry", "properties", "bbox"})
_OURS = frozenset({"version", "created_at", "updated_at"})
_PROPERTIES = frozenset({"name", "tags", "attributes", *METRES, *POLYLINE}) | _OURS


def fence_of_feature(
    feature: Any, *, repair: bool, fence_id: str | None = None, sizes: Mapping[str, float] = NO_SIZES
) -> tuple[FenceDraft, Area]:
    """What a Feature says, checked.

    Args:
        feature: parsed JSON.
        repair: make invalid rings valid instead of refusing them.
        fence_id: the id, where it is known from elsewhere; the feature may then leave its own out.
        sizes: `radius_m` of points and `width_m` of lines that say none.

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
    stated = members.get("properties")
    stated = checked_object({} if stated is None else stated, "properties", _PROPERTIES)
    properties = {name: value for name, value in stated.items() if value is not None}
    metres = {name: properties[name] for name in METRES if name in properties}
    geometry = _geometry(members.get("geometry"), properties)
    area = _area(geometry, metres, sizes, repair=repair)
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
    return _feature(record, geometry, metres)


def feature_text(record: FenceRecord) -> bytes:
    """The same as JSON. A polygon, which can be megabytes, is taken as it is stored, neither parsed nor written anew."""
    if any(f'"{name}"' in record.area for name in METRES):
        return orjson.dumps(feature_of_record(record))
    return orjson.dumps(_feature(record, orjson.Fragment(record.area), {}))


def _feature(record: FenceRecord, geometry: Any, metres: Mapping[str, float]) -> dict[str, Any]:
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


def _geometry(geometry: Any, properties: Mapping[str, Any]) -> Any:
    """The geometry, or the line that the polyline stands for."""
    found = [name for name in POLYLINE if name in properties]
    if not found:
        return geometry
    if geometry is not None:
        raise RequestError(
            "bad_geometry", "a polyline stands in place of a geometry; here are both", field=found[0]
        )
    text, precision = properties.get("polyline"), properties.get("polyline_precision")
    if not isinstance(text, str):
        raise RequestError("wrong_type", "polyline has to be a text", field="polyline")
    if type(precision) is not int:
        raise RequestError("wrong_type", "polyline_precision has to be 5 or 6", field="polyline_precision")
    try:
        line = decoded_polyline(text, precision)
    except AreaError as error:
        field = "polyline_precision" if error.place == "polyline_precision" else "polyline"
        raise RequestError("bad_geometry", str(error), field=field) from error
    _check_count(len(line))
    return {"type": "LineString", "coordinates": line.tolist()}


def _area(geometry: Any, metres: dict[str, Any], sizes: Mapping[str, float], *, repair: bool) -> Area:
    members = checked_object(geometry, "geometry")
    if members.get("type") not in SHAPES:
        kind = str(members.get("type"))[:80]
        raise RequestError(
            "bad_geometry", f"geometry is a {kind!r}; allowed are {', '.join(SHAPES)}", field="geometry"
        )
    _check_count(_count_positions(members.get("coordinates")))
    for name, (makes, kinds) in METRES.items():
        if members["type"] in kinds:
            metres = {name: sizes.get(name), **metres}
        elif name in metres:
            raise RequestError("bad_geometry", f"{name} makes {makes}; this is none", field=name)
    stated = {name: value for name, value in members.items() if name not in METRES}
    try:
        return checked_area({**stated, **metres}, repair=repair)
    except AreaError as error:
        field = error.place if error.place in METRES else "geometry"
        if metres.get(field, 0) is None:
            reason = f"{METRES[field][0]} needs {field}, of its own or for the whole import"
            raise RequestError("bad_geometry", reason, field=field) from error
        raise RequestError("bad_geometry", str(error), field=field) from error


def _check_count(vertices: int) -> None:
    if vertices > MOST_VERTICES:
        raise TooLargeError(
            "too_many_vertices",
            f"the geometry has {vertices} vertices; allowed are {MOST_VERTICES}",
            field="geometry",
        )


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
