"""The routes that are driven now, of all fleets, as frozen arrays: made beside the set in force, and swapped in whole."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from geo.route_etas import ROUTE_STOP
from geo.route_progress import RouteLineError, RouteLines, join_lines, places_along, route_lines
from geo.travel_time import TravelTimes, sphere_points
from haulcast.routes.route import Route
from haulcast.routes.stop_place import StopPlace

NONE = -1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RoutePart:
    """One route, made into arrays once.

    Attributes:
        row: its vehicle's.
        changed: version of the set in which it first was as it is.
        line: of one line; None: it has none.
        line_key: the same for the same line, also in another run; 0: there is no line.
        stops: ROUTE_STOP of every stop, in the route's order; `along_m` only of those that are not over, `pace_row` as of `times`.
        times: by which its stops have their rows of paces.
    """

    route: Route
    row: int
    changed: int
    line: RouteLines | None
    line_key: int
    stops: NDArray[np.void]
    times: TravelTimes


@dataclass(frozen=True, slots=True)
class RouteSet:
    """Routes by number, which is the index in `parts`; a number has a meaning in this set only. k routes, n stops, m points of lines.

    Attributes:
        version: grows with each set.
        row: int32[k], the vehicle of each.
        changed: int64[k], see `RoutePart`.
        lines: all lines.
        line: int32[k], the number of each route's line, or NONE.
        first_point: int64[k], where in `lines` it begins; 0 without one.
        offsets: int64[k + 1], of the stops.
        stops: ROUTE_STOP[n]; `pace_row` counts in `paces`.
        per_road_m: float64[k], 1 / circuity.
        pace_base: int32[k], where in `paces` the route's fleet begins.
        paces: float32[r, 168], one fleet after the other.
    """

    version: int
    parts: tuple[RoutePart, ...] = ()
    row: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    changed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lines: RouteLines = field(default_factory=lambda: route_lines([]))
    line: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    first_point: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    stops: NDArray[np.void] = field(default_factory=lambda: np.zeros(0, ROUTE_STOP))
    per_road_m: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    pace_base: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    paces: NDArray[np.float32] = field(default_factory=lambda: np.zeros((1, 168), np.float32))

    def __len__(self) -> int:
        return len(self.parts)


NO_ROUTES = RouteSet(0)


def route_part(
    route: Route, row: int, times: TravelTimes, version: int, before: RoutePart | None = None
) -> RoutePart:
    """One route with its vehicle's row, first so in the set of this version; what `before` has of the same line is taken from it."""
    if before is not None and (before.route.line is route.line or before.route.line == route.line):
        line, line_key = before.line, before.line_key
    else:
        line, line_key = _line(route)
    places = [stop.place for stop in route.stops]
    lat_deg = np.array([place.lat_deg for place in places], np.float64)
    lon_deg = np.array([place.lon_deg for place in places], np.float64)
    stops = np.zeros(len(places), ROUTE_STOP)
    for name, column in zip("xyz", sphere_points(lat_deg, lon_deg).T, strict=True):
        stops[name] = column
    stops["along_m"] = np.nan
    if line is not None:
        _set_along(stops, route, line, before)
    stops["opens_s"] = [_or(place.opens_ms, -np.inf) / 1000 for place in places]
    stops["closes_s"] = [_or(place.closes_ms, np.inf) / 1000 for place in places]
    stops["service_s"] = [place.service_s for place in places]
    stops["pace_row"] = times.rows_of(lat_deg, lon_deg)
    return RoutePart(route, row, version, line, line_key, stops, times)


def _line(route: Route) -> tuple[RouteLines | None, int]:
    if len(route.line) < 2:
        return None, 0
    positions = np.array(route.line, np.float64)
    try:
        return route_lines([positions]), zlib.crc32(positions.tobytes()) + 1
    except RouteLineError as error:  # it must not keep the other routes from being in force
        log.warning("route_without_line", fleet=route.fleet, route=route.route_id, reason=str(error))
        return None, 0


def _set_along(stops: NDArray[np.void], route: Route, line: RouteLines, before: RoutePart | None) -> None:
    """Where on the line the stops ahead are; as before while they are the same and the line is."""
    ahead = [i for i, stop in enumerate(route.stops) if not stop.is_over]
    places = [route.stops[i].place for i in ahead]
    if before is not None and before.line is line:
        known = {stop.stop_id: (stop.place, i) for i, stop in enumerate(before.route.stops)}
        of_before = [known.get(route.stops[i].stop_id) for i in ahead]
        if all(
            found is not None and _is_same_place(found[0], place)
            for found, place in zip(of_before, places, strict=True)
        ):
            stops["along_m"][ahead] = [before.stops["along_m"][found[1]] for found in of_before if found]
            return
    lat_deg = np.array([place.lat_deg for place in places], np.float64)
    lon_deg = np.array([place.lon_deg for place in places], np.float64)
    stops["along_m"][ahead] = places_along(line, 0, lat_deg, lon_deg)


def _is_same_place(a: StopPlace, b: StopPlace) -> bool:
    return (a.lat_deg, a.lon_deg) == (b.lat_deg, b.lon_deg)


def build_route_set(
    parts: Sequence[RoutePart], version: int, paces: Mapping[str, NDArray[np.float32]], before: RouteSet
) -> RouteSet:
    """The set of these parts.

    Args:
        parts: in the order of their numbers.
        version: higher than any before.
        paces: the table of each fleet that has one of them.
        before: an earlier set; while its lines are the same they are taken from it.
    """
    if not parts:
        return RouteSet(version)
    own_lines = [part.line for part in parts if part.line is not None]
    same = [part.line for part in before.parts if part.line is not None]
    is_same = len(own_lines) == len(same) and all(a is b for a, b in zip(own_lines, same, strict=True))
    lines = before.lines if is_same else join_lines(own_lines)
    has_line = np.array([part.line is not None for part in parts])
    line = np.where(has_line, np.cumsum(has_line) - 1, NONE).astype(np.int32)
    table, base = _joined(paces, [part.route.fleet for part in parts])
    counts = [len(part.stops) for part in parts]
    stops = np.concatenate([part.stops for part in parts])
    stops["pace_row"] += np.repeat(base, counts)
    return RouteSet(
        version,
        tuple(parts),
        np.array([part.row for part in parts], np.int32),
        np.array([part.changed for part in parts], np.int64),
        lines,
        line,
        np.where(has_line, lines.offsets[line], 0),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        stops,
        np.array([1.0 / part.times.circuity for part in parts]),
        base,
        table,
    )


def joined_paces(paces: Mapping[str, NDArray[np.float32]], parts: Sequence[RoutePart]) -> NDArray[np.float32]:
    """The table of a set of these parts."""
    return _joined(paces, [part.route.fleet for part in parts])[0]


def _joined(
    paces: Mapping[str, NDArray[np.float32]], fleets: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The tables of these fleets, one after the other, and where each route's begins."""
    named = sorted(set(fleets))
    tables = [paces[fleet] for fleet in named]
    begins = np.cumsum([0, *map(len, tables)])
    place = dict(zip(named, begins.tolist(), strict=False))
    return np.concatenate(tables), np.array([place[fleet] for fleet in fleets], np.int32)


def _or(given: int | None, unknown: float) -> float:
    return unknown if given is None else given
