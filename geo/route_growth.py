"""Live routes with loads put into them, and one route with a load at every place. The face of `geo.kernels.route_growth`."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.kernels import route_growth as kernel
from geo.kernels.route_times import FIXED, LIVE_LEG
from geo.route_insertion import InsertionSearch, Load, LoadRows, Place
from geo.route_times import LiveRoutes, live_routes
from geo.travel_time import untaught_travel_times


class GrownRoutes(NamedTuple):
    """Routes with loads in them.

    Attributes:
        routes: their times are right by the table of paces that was given.
        origin: int64[n], the row of each stop in the routes before; of a load's stops the complement (~) of the row in `LoadRows.ends`.
    """

    routes: LiveRoutes
    origin: NDArray[np.int64]


class RoutePlaces(NamedTuple):
    """One route of s stops with a load at each of p pairs of places.

    Attributes:
        stops: LIVE_STOP[p, s + 2], with their times.
        free: int64[p, s + 2, D].
        origin: int64[p, s + 2], as of `GrownRoutes`.
        pairs: int32[p, 2], after which of the route's stops the pickup and the delivery come.
    """

    stops: NDArray[np.void]
    free: NDArray[np.int64]
    origin: NDArray[np.int64]
    pairs: NDArray[np.int32]


def grown(
    routes: LiveRoutes,
    loads: LoadRows,
    which: NDArray[np.int32],
    chosen: NDArray[np.void],
    paces: NDArray[np.float32],
) -> GrownRoutes:
    """The routes with some loads in them, at most one a route; from now on a further insertion costs these routes neither `fixed_cost` nor `change_cost`.

    Args:
        routes: stay as they are.
        loads: as they were searched for.
        which: int32[m], some of them.
        chosen: FOUND[m], where each goes; no vehicle twice.
        paces: the table of the last update.
    """
    k, n, dimensions = len(routes.vehicles), len(routes.stops), routes.free.shape[1]
    load_of, after = np.full(k, -1, np.int32), np.zeros((2, k), np.int32)
    load_of[chosen["vehicle"]] = which
    after[:, chosen["vehicle"]] = chosen["pickup_after"], chosen["delivery_after"]
    size = n + 2 * len(which)
    new = replace(
        routes,
        offsets=np.zeros(k + 1, np.int64),
        stops=np.zeros(size, routes.stops.dtype),
        legs=np.zeros(size, LIVE_LEG),
        vehicles=routes.vehicles.copy(),
        free=np.zeros((size, dimensions), np.int64),
        most_free=routes.most_free.copy(),
        points=np.zeros((4, size), np.float32),
        balls=routes.balls.copy(),
    )
    origin = np.zeros(size, np.int64)
    before = routes.stops, routes.legs, routes.offsets, routes.free, routes.points, new.balls
    after_them = new.stops, new.legs, new.offsets, new.free, new.most_free, new.points, origin
    fill: Any = kernel.grow
    fill(*before, load_of, *after, loads.ends, loads.amounts, paces, *after_them)
    new.vehicles["fixed_cost"][load_of >= 0] = 0.0
    new.balls[FIXED, load_of >= 0] = 0.0
    return GrownRoutes(new, origin)


def places_of(
    routes: LiveRoutes, route: int, loads: LoadRows, load: int, paces: NDArray[np.float32]
) -> RoutePlaces:
    """One route with one of the loads at every place, whether it is allowed there or not."""
    first, end = (int(row) for row in routes.offsets[route : route + 2])
    last = end - 2 if routes.vehicles["returns"][route] and end - first > 1 else end - 1
    pairs = (last - first + 1) * (last - first + 2) // 2
    length = end - first + 2
    stops = np.zeros(pairs * length, routes.stops.dtype)
    free = np.zeros((pairs * length, routes.free.shape[1]), np.int64)
    origin, after = np.zeros(pairs * length, np.int64), np.zeros((pairs, 2), np.int32)
    ends, legs = loads.ends[2 * load : 2 * load + 2], np.zeros(length, LIVE_LEG)
    fill: Any = kernel.all_places
    route_rows = routes.stops, routes.free, first, end, last
    fill(*route_rows, load, ends, loads.amounts[load], paces, legs, stops, free, origin, after)
    shape = pairs, length
    return RoutePlaces(stops.reshape(shape), free.reshape(*shape, -1), origin.reshape(shape), after)


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    travel = untaught_travel_times()
    paces = travel.paces()
    routes = live_routes(travel, [0, 2], lat_deg=[0.0, 1.0], lon_deg=0.0, opens_s=0.0, capacity=[[1.0]])
    search = InsertionSearch(travel, paces)
    loads = search.rows_of(routes, [Load(Place(0.2, 0.0), Place(0.8, 0.0), (1.0,))])
    found = search.nothing(routes, 1, 1)
    search.fill(routes, loads, found)
    grown(routes, loads, np.zeros(1, np.int32), found.best[:, 0], paces)
    places_of(routes, 0, loads, 0, paces)
