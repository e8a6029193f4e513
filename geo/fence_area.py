"""What a fence may cover: polygons, multipolygons, circles and corridors, read from GeoJSON and checked.

Edges are straight in longitude and latitude (RFC 7946, 3.1.1); a circle is GeoJSON's Point with a `radius_m` beside the
coordinates, and holds what is at most that far away on WGS 84; a corridor is a LineString or MultiLineString with a `width_m`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import shapely

from geo.antimeridian import Ring, cut_polygon
from geo.area_error import AreaError
from geo.corridor import Corridor, Line

__all__ = [
    "Area",
    "AreaError",
    "Circle",
    "Corridor",
    "area_as_geojson",
    "checked_area",
    "polygon_of",
    "same_area",
]

MOST_RADIUS_M = 10_000_000.0


@dataclass(frozen=True, slots=True)
class Circle:
    """All within a distance of a point, geodesic on WGS 84.

    Raises:
        AreaError: not a position, or a radius outside (0, 10,000 km].
    """

    lat_deg: float
    lon_deg: float
    radius_m: float

    def __post_init__(self) -> None:
        if not (-90 <= self.lat_deg <= 90 and -180 <= self.lon_deg <= 180):
            raise AreaError("a centre lies within +-180, +-90", f"lon {self.lon_deg}, lat {self.lat_deg}")
        if not 0 < self.radius_m <= MOST_RADIUS_M:
            raise AreaError(
                f"radius_m is {self.radius_m}; allowed is more than 0, up to {MOST_RADIUS_M:.0f}", "radius_m"
            )


Area: TypeAlias = shapely.Polygon | shapely.MultiPolygon | Circle | Corridor


def checked_area(geojson_geometry: Mapping[str, Any], *, repair: bool) -> Area:
    """The area of a GeoJSON geometry: Polygon, MultiPolygon, Point with `radius_m`, LineString or MultiLineString with `width_m`.

    Altitudes are dropped.

    Args:
        geojson_geometry: as parsed from JSON.
        repair: make an area of rings that cross or are not closed (`shapely.make_valid`, its polygons) instead of refusing them;
            and leave out those of several lines that have no two distinct positions, if others have.

    Raises:
        AreaError: the reason and the place.
    """
    kind = geojson_geometry.get("type")
    coordinates = geojson_geometry.get("coordinates")
    if kind == "Point":
        lon, lat = _position(coordinates, "coordinates", 180.0)
        return Circle(lat, lon, _number(geojson_geometry.get("radius_m"), "radius_m"))
    if kind in {"LineString", "MultiLineString"}:
        return _corridor(kind, coordinates, geojson_geometry.get("width_m"), repair)
    if kind == "Polygon":
        polygons = [_polygon(coordinates, "coordinates", repair)]
    elif kind == "MultiPolygon":
        parts = _sequence(coordinates, "coordinates", 1, "polygon")
        polygons = [_polygon(part, f"coordinates[{i}]", repair) for i, part in enumerate(parts)]
    else:
        raise AreaError(
            f"type is {kind!r}; allowed are Polygon, MultiPolygon, Point with radius_m, "
            "LineString and MultiLineString with width_m",
            "type",
        )
    flat = [piece for pieces in polygons for piece in pieces]
    area = flat[0] if kind == "Polygon" and len(flat) == 1 else shapely.MultiPolygon(flat)
    return _valid(area, repair=repair)


def area_as_geojson(area: Area) -> dict[str, Any]:
    """The GeoJSON geometry that `checked_area` reads back to the same area."""
    if isinstance(area, Circle):
        return {"type": "Point", "coordinates": [area.lon_deg, area.lat_deg], "radius_m": area.radius_m}
    if isinstance(area, Corridor):
        lines = [[list(position) for position in line] for line in area.lines]
        line = {"type": "LineString", "coordinates": lines[0]}
        several = {"type": "MultiLineString", "coordinates": lines}
        return {**(line if len(lines) == 1 else several), "width_m": area.width_m}
    parts = [
        [shapely.get_coordinates(ring).tolist() for ring in shapely.get_rings(part)]
        for part in shapely.get_parts(area)
    ]
    return {"type": area.geom_type, "coordinates": parts if area.geom_type == "MultiPolygon" else parts[0]}


def same_area(one: Area, other: Area) -> bool:
    """Whether two areas are of one kind and equal. shapely 2.2 may crash when it compares with another class."""
    return type(one) is type(other) and bool(one == other)


def polygon_of(area: Area) -> shapely.Polygon | shapely.MultiPolygon | None:
    """What an area covers, in degrees; None for a circle, which no polygon equals."""
    if isinstance(area, Circle):
        return None
    return area.polygon if isinstance(area, Corridor) else area


def _valid(area: shapely.Geometry, *, repair: bool) -> Area:
    if not area.is_valid:
        if not repair:
            reason, _, place = shapely.is_valid_reason(area).rstrip("]").partition("[")
            lon, _, lat = place.partition(" ")
            raise AreaError(reason, f"lon {lon}, lat {lat}")
        polygons = [part for part in shapely.get_parts(shapely.make_valid(area)) if not part.is_empty]
        flat = [
            piece for part in polygons for piece in shapely.get_parts(part) if piece.geom_type == "Polygon"
        ]
        area = flat[0] if len(flat) == 1 else shapely.MultiPolygon(flat)
    if area.is_empty or area.area == 0.0:
        raise AreaError("the rings enclose no area", "coordinates")
    return area


def _corridor(kind: str, coordinates: Any, width_m: Any, repair: bool) -> Corridor:
    if kind == "LineString":
        lines = [_line(coordinates, "coordinates")]
    else:
        parts = _sequence(coordinates, "coordinates", 1, "line")
        if repair:  # recorders write segments of a single position
            parts = [part for part in parts if not isinstance(part, list) or _has_length(part)] or parts
        lines = [_line(part, f"coordinates[{i}]") for i, part in enumerate(parts)]
    return Corridor(tuple(lines), _number(width_m, "width_m"))


def _has_length(line: list[Any]) -> bool:
    return any(position != line[0] for position in line)


def _line(value: Any, place: str) -> Line:
    positions = _sequence(value, place, 2, "position")
    return tuple(_position(p, f"{place}[{i}]", 360.0) for i, p in enumerate(positions))


def _polygon(value: Any, place: str, repair: bool) -> list[shapely.Polygon]:
    rings = [
        _ring(ring, f"{place}[{i}]", repair) for i, ring in enumerate(_sequence(value, place, 1, "ring"))
    ]
    return cut_polygon(rings[0], rings[1:], partial(_valid, repair=repair))


def _ring(value: Any, place: str, repair: bool) -> Ring:
    positions = _sequence(value, place, 3 if repair else 4, "position")
    ring = np.array([_position(p, f"{place}[{i}]", 360.0) for i, p in enumerate(positions)])
    if (ring[0] != ring[-1]).any():
        if not repair:
            raise AreaError(
                "a ring ends with its first position; this one does not", f"{place}[{len(ring) - 1}]"
            )
        ring = np.concatenate([ring, ring[:1]])
    if len(ring) < 4:
        raise AreaError("a ring has at least 4 positions, the last equal to the first", place)
    return ring


def _position(value: Any, place: str, most_lon: float) -> tuple[float, float]:
    pair = _sequence(value, place, 2, "number")
    lon, lat = _number(pair[0], f"{place}[0]"), _number(pair[1], f"{place}[1]")
    if abs(lon) > most_lon:
        raise AreaError(f"longitude is {lon}; allowed is +-{most_lon:.0f}", f"{place}[0]")
    if abs(lat) > 90:
        raise AreaError(f"latitude is {lat}; allowed is +-90", f"{place}[1]")
    return lon, lat


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise AreaError(f"expected a finite number, found {value!r:.40}", place)
    return float(value)


def _sequence(value: Any, place: str, least: int, of_what: str) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or len(value) < least:
        found = f"a list of {len(value)}" if isinstance(value, list | tuple) else f"{value!r:.40}"
        raise AreaError(
            f"expected a list of at least {least} {of_what}{'s' * (least > 1)}, found {found}", place
        )
    return value
