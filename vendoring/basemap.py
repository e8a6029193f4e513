"""The page's basemap: land, borders, states, counties and places in one small file that needs no tile server.

`basemap.json` keeps TopoJSON's idea, that a border is stored once as an arc, and nothing else of it:

    {"topologies": [{"scale", "translate", "arcs": [[x0, y0, dx, dy, ...], ...],
                     "polygons": {"land": [[[arc, ...], ...], ...]}, "lines": {"borders": [arc, ...], ...}}],
     "labels": {"countries": [[name, lon, lat, size], ...], "states": ..., "counties": ..., "places": ...}}

An arc of ~i is arc i backwards. The United States are left out of the world's land, because their own topology is finer.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vendoring.places import read_places

UNITED_STATES = "840"
US_PLACE, WORLD_PLACE = 15_000, 250_000
"""Places of at least so many inhabitants are named, in the United States and elsewhere."""

Json = dict[str, Any]


def make_basemap(world_atlas: Path, us_atlas: Path, cities: Path) -> Json:
    """What `basemap.json` holds, from three unpacked packages."""
    world = json.loads((world_atlas / "countries-50m.json").read_text())
    states = json.loads((us_atlas / "counties-10m.json").read_text())
    countries = world["objects"]["countries"]["geometries"]
    abroad = [country for country in countries if country.get("id") != UNITED_STATES]
    us_states, us_counties = (states["objects"][name]["geometries"] for name in ("states", "counties"))
    between_states = _shared(us_states)
    return {
        "topologies": [
            _topology(world, {"land": abroad}, {"borders": _shared(countries)}),
            _topology(
                states,
                {"land": states["objects"]["nation"]["geometries"]},
                {"states": between_states, "counties": _shared(us_counties) - between_states},
            ),
        ],
        "labels": {
            "countries": _labels(world, countries),
            "states": _labels(states, us_states),
            "counties": _labels(states, us_counties),
            "places": [
                [place.name, place.lon_deg, place.lat_deg, place.inhabitants]
                for place in read_places(cities / "cities.pbf")
                if place.inhabitants >= (US_PLACE if place.country == "US" else WORLD_PLACE)
            ],
        },
    }


def _polygons(geometry: Json) -> list[list[list[int]]]:
    """A geometry as polygons, each a list of rings, each a list of arcs."""
    if geometry["type"] == "Polygon":
        return [geometry["arcs"]]
    return list(geometry["arcs"]) if geometry["type"] == "MultiPolygon" else []


def _arcs(geometry: Json) -> Iterator[int]:
    for polygon in _polygons(geometry):
        for ring in polygon:
            for arc in ring:
                yield arc if arc >= 0 else ~arc


def _shared(geometries: Iterable[Json]) -> set[int]:
    """The arcs that two of these areas have in common: what is between them, without the coast."""
    users = Counter(arc for geometry in geometries for arc in set(_arcs(geometry)))
    return {arc for arc, count in users.items() if count > 1}


def _topology(whole: Json, areas: dict[str, list[Json]], lines: dict[str, set[int]]) -> Json:
    """What is left of a topology when only these areas and lines are wanted; arcs are numbered anew."""
    used = {arc for geometries in areas.values() for geometry in geometries for arc in _arcs(geometry)}
    used = used.union(*lines.values())
    number = {old: new for new, old in enumerate(sorted(used))}

    def anew(arc: int) -> int:
        return number[arc] if arc >= 0 else ~number[~arc]

    return {
        "scale": whole["transform"]["scale"],
        "translate": whole["transform"]["translate"],
        "arcs": [[step for point in whole["arcs"][old] for step in point] for old in number],
        "polygons": {
            name: [
                [[anew(arc) for arc in ring] for ring in polygon]
                for geometry in geometries
                for polygon in _polygons(geometry)
            ]
            for name, geometries in areas.items()
        },
        "lines": {name: sorted(number[arc] for arc in arcs) for name, arcs in lines.items()},
    }


def _labels(whole: Json, geometries: list[Json]) -> list[list[Any]]:
    """Name, place and size in square degrees of each area; the place is the centroid of its largest part."""
    labels = []
    for geometry in geometries:
        parts = [_centroid(_ring(whole, polygon[0])) for polygon in _polygons(geometry)]
        if parts:
            area, lon, lat = max(parts)
            labels.append([geometry["properties"]["name"], round(lon, 3), round(lat, 3), round(area, 2)])
    return labels


def _ring(whole: Json, arcs: list[int]) -> list[tuple[float, float]]:
    (scale_x, scale_y), (left, bottom) = whole["transform"]["scale"], whole["transform"]["translate"]
    ring: list[tuple[float, float]] = []
    for arc in arcs:
        x = y = 0
        line = []
        for dx, dy in whole["arcs"][arc if arc >= 0 else ~arc]:
            x, y = x + dx, y + dy
            line.append((x * scale_x + left, y * scale_y + bottom))
        ring += line if arc >= 0 else line[::-1]
    return ring


def _centroid(ring: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Area and centroid of a ring in the plane of longitude and latitude (the shoelace formula)."""
    doubled = sum_x = sum_y = 0.0
    for (x0, y0), (x1, y1) in zip(ring, [*ring[1:], ring[0]], strict=True):
        cross = x0 * y1 - x1 * y0
        doubled, sum_x, sum_y = doubled + cross, sum_x + (x0 + x1) * cross, sum_y + (y0 + y1) * cross
    if not doubled:
        return 0.0, *ring[0]
    return abs(doubled) / 2, sum_x / (3 * doubled), sum_y / (3 * doubled)
