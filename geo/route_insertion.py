"""Where a load fits best into the routes that a fleet drives now, and what keeps it out of the others. The face of `geo.kernels.route_insertion`.

The pickup goes after a planned stop, the delivery after the same or a later one; the order of the planned stops stays. An insertion is allowed when the
vehicle has the skills, has room from pickup to delivery in every dimension, both stops begin within their windows, no planned stop begins after
its window or, if it is late already, later than planned, and driving in all keeps within the vehicle's limit. Travel times are those of the hour.

It costs the vehicle's `cost_per_m` for each metre that the way gets longer, `cost_per_s` for each second that its last stop ends later, and `fixed_cost` if
it had nothing to do. A detour by which the model saves metres or time, through faster cells say, counts as none. The search is exact: no
allowed insertion is cheaper than what it finds.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.kernels import route_insertion as kernel
from geo.kernels.route_times import LIVE_STOP
from geo.route_times import LiveRouteError, LiveRoutes, amounts, live_routes
from geo.travel_time import TravelTimes, sphere_points, untaught_travel_times


class Reason(IntEnum):
    """What keeps a load out of a route: that which the place fails for where it gets furthest in this order."""

    FITS = kernel.FITS
    SKILLS = kernel.SKILLS  # the vehicle lacks one
    CAPACITY = kernel.CAPACITY  # no stop is left with enough room
    PICKUP_LATE = kernel.PICKUP_LATE  # it cannot be at the pickup before it closes
    DELIVERY_LATE = kernel.DELIVERY_LATE
    STOP_LATE = kernel.STOP_LATE  # a planned stop would be late
    DRIVING = kernel.DRIVING  # the vehicle would drive more than it may


class Place(NamedTuple):
    """One end of a load: where, and when service may begin there; Unix seconds."""

    lat_deg: float
    lon_deg: float
    opens_s: float = 0.0
    closes_s: float = np.inf
    service_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be carried: `amounts` of each dimension of capacity, `needs` are bits that the vehicle's skills must have."""

    pickup: Place
    delivery: Place
    amounts: tuple[float, ...]
    needs: int = 0


@dataclass(frozen=True, slots=True)
class Insertion:
    """A load's best place in one route.

    Attributes:
        vehicle: the route.
        pickup_after, delivery_after: after which of its stops, 0 is the first; if both are equal, the delivery follows the pickup.
        cost: see the module.
        extra_m: by road.
        extra_s: by how much the last stop ends later.
        pickup_s, delivery_s: when service begins there.
        slack_s: by how much the vehicle may be late on the way then without being late at any stop; infinite if no stop closes.
        slack_eaten_s: how much less that is than before; 0 if it was infinite.
    """

    vehicle: int
    pickup_after: int
    delivery_after: int
    cost: float
    extra_m: float
    extra_s: float
    pickup_s: float
    delivery_s: float
    slack_s: float
    slack_eaten_s: float


class InsertionSearch:
    """Asks for the routes of a fleet, by one table of paces, by which the routes' times are right."""

    def __init__(self, travel: TravelTimes, paces: NDArray[np.float32]) -> None:
        self._travel = travel
        self._paces = paces
        self._least = float(paces.min())

    def best(self, routes: LiveRoutes, load: Load, most: int = 1) -> list[Insertion]:
        """The cheapest insertion into each of the `most` cheapest vehicles, the cheapest first; fewer if it fits into fewer.

        Raises:
            LiveRouteError: a load that does not fit the routes' dimensions, or cannot be.
        """
        if most < 1:
            raise LiveRouteError(f"most is {most}; at least 1 is allowed")
        found = np.zeros(min(most, len(routes.vehicles)), kernel.FOUND)
        if not len(found):
            return []
        search: Any = kernel.best_insertions
        kept = search(*_columns(routes), *self._asked(routes, load), found)
        return [_insertion(record, routes.circuity) for record in found[:kept]]

    def reasons(self, routes: LiveRoutes, load: Load) -> NDArray[np.int8]:
        """What keeps the load out of each route, int8[k], `Reason`.

        Raises:
            LiveRouteError: as of `best`.
        """
        reasons = np.zeros(len(routes.vehicles), np.int8)
        search: Any = kernel.insertion_reasons
        search(*_columns(routes), *self._asked(routes, load), reasons)
        return reasons

    def _asked(self, routes: LiveRoutes, load: Load) -> tuple[Any, ...]:
        """What the kernels ask for: both ends as stops, size, needs, paces."""
        ends = np.zeros(2, LIVE_STOP)
        lat, lon = (np.array([end[axis] for end in (load.pickup, load.delivery)]) for axis in (0, 1))
        if not (np.abs(lat) <= 90).all() or not (np.abs(lon) <= 180).all():
            raise LiveRouteError("a load's places must be within +-90, +-180 degrees")
        points, rows = sphere_points(lat, lon), self._travel.rows_of(lat, lon)
        for end, place in enumerate((load.pickup, load.delivery)):
            if np.isnan(place[2:]).any() or not 0 <= place.service_s < np.inf or place.opens_s == np.inf:
                raise LiveRouteError(
                    f"a load's window and service must be numbers, service_s at least 0: {place}"
                )
            ends[end] = (
                *points[end],
                0.0,
                place.service_s,
                rows[end],
                place.opens_s,
                place.closes_s,
                0,
                0,
                0,
            )
        size = amounts(load.amounts, "amounts", 1, routes.free.shape[1])[0]
        if (size < 0).any():
            raise LiveRouteError(f"amounts[{int(np.argmax(size < 0))}] must be at least 0")
        return ends, size, np.uint64(load.needs), self._paces, self._least


def _columns(routes: LiveRoutes) -> tuple[Any, ...]:
    return routes.stops, routes.legs, routes.vehicles, routes.offsets, routes.free, routes.most_free


def _insertion(found: Any, circuity: float) -> Insertion:
    vehicle, pickup_after, delivery_after, _, cost, extra_m, *times = found.item()
    return Insertion(vehicle, pickup_after, delivery_after, cost, extra_m * circuity, *times)


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    travel = untaught_travel_times()
    routes = live_routes(travel, [0, 2], lat_deg=[0.0, 1.0], lon_deg=0.0, opens_s=0.0, capacity=[[1.0]])
    search = InsertionSearch(travel, travel.paces())
    load = Load(Place(0.2, 0.0), Place(0.8, 0.0), (1.0,))
    search.best(routes, load)
    search.reasons(routes, load)
