"""Where a load fits best into the routes that a fleet drives now, and what keeps it out of the others. The face of `geo.kernels.route_insertion`.

The pickup goes after a planned stop, the delivery after the same or a later one; the order of the planned stops stays. An insertion is allowed when the
vehicle has the skills, has room from pickup to delivery in every dimension, both stops begin within their windows, no planned stop begins after
its window or, if it is late already, later than planned, driving in all keeps within the vehicle's limit, and the last stop is over by its end. Travel times are
those of the hour.

It costs the vehicle's `cost_per_m` for each metre that the way gets longer, `cost_per_s` for each second that its last stop ends later, and `fixed_cost` if
it had nothing to do, else `change_cost`. A detour by which the model saves metres or time, through faster cells say, counts as none. The search is exact: no
allowed insertion is cheaper than what it finds.
"""

from collections.abc import Sequence
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
    SHIFT = kernel.SHIFT  # its last stop would be over too late


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


class LoadRows(NamedTuple):
    """Loads as the kernels take them; `InsertionSearch.rows_of` makes it.

    Attributes:
        ends: LIVE_STOP[2n], the pickup and the delivery of each.
        amounts: int64[n, D], in millionths.
        needs: uint64[n], bits.
    """

    ends: NDArray[np.void]
    amounts: NDArray[np.int64]
    needs: NDArray[np.uint64]


class Insertions(NamedTuple):
    """The cheapest insertions of n loads, the cheapest first.

    Attributes:
        best: FOUND[n, most], one record for each vehicle that is among the cheapest; `Insertion` has the fields, but for `extra_m`, which is as the crow flies.
        counts: int32[n], how many of them there are.
    """

    best: NDArray[np.void]
    counts: NDArray[np.int32]


class InsertionSearch:
    """Asks for the routes of a fleet, by one table of paces, by which the routes' times are right."""

    def __init__(self, travel: TravelTimes, paces: NDArray[np.float32]) -> None:
        self._travel = travel
        self._paces = paces
        self._least = paces.min(axis=1), 2.0 * float(paces.min())

    def best(self, routes: LiveRoutes, load: Load, most: int = 1) -> list[Insertion]:
        """The cheapest insertion into each of the `most` cheapest vehicles, the cheapest first; fewer if it fits into fewer.

        Raises:
            LiveRouteError: a load that does not fit the routes' dimensions, or cannot be.
        """
        found = self.nothing(routes, 1, most)
        self.fill(routes, self.rows_of(routes, [load]), found)
        return [insertion(record, routes.circuity) for record in found.best[0][: found.counts[0]]]

    def nothing(self, routes: LiveRoutes, loads: int, most: int) -> Insertions:
        """Room for the `most` cheapest insertions of so many loads.

        Raises:
            LiveRouteError: `most` is less than 1.
        """
        if most < 1:
            raise LiveRouteError(f"most is {most}; at least 1 is allowed")
        return Insertions(
            np.zeros((loads, min(most, len(routes.vehicles))), kernel.FOUND), np.zeros(loads, np.int32)
        )

    def fill(
        self,
        routes: LiveRoutes,
        loads: LoadRows,
        found: Insertions,
        which: NDArray[np.int32] | None = None,
        *,
        tells_slack: bool = True,
    ) -> None:
        """As `best`, for many loads, or for some of them: several threads may fill parts of the same.

        Args:
            routes: are only read.
            loads: of `rows_of`.
            found: of `nothing`.
            which: int32[m], some of the loads; None: all.
            tells_slack: without it both fields of slack stay 0.
        """
        if not found.best.shape[1]:
            return
        some = np.arange(len(found.counts), dtype=np.int32) if which is None else which
        search: Any = kernel.best_insertions
        columns = *_columns(routes), routes.points, routes.balls, *loads, self._paces, *self._least
        search(*columns, some, tells_slack, found.best, found.counts)

    def reasons(self, routes: LiveRoutes, load: Load) -> NDArray[np.int8]:
        """What keeps the load out of each route, int8[k], `Reason`.

        Raises:
            LiveRouteError: as of `best`.
        """
        reasons = np.zeros(len(routes.vehicles), np.int8)
        rows = self.rows_of(routes, [load])
        search: Any = kernel.insertion_reasons
        asked = rows.ends, rows.amounts[0], rows.needs[0], self._paces, *self._least
        search(*_columns(routes), *asked, reasons)
        return reasons

    def rows_of(self, routes: LiveRoutes, loads: Sequence[Load]) -> LoadRows:
        """Loads as the kernels take them.

        Raises:
            LiveRouteError: as of `best`.
        """
        places = [end for load in loads for end in (load.pickup, load.delivery)]
        table = np.array(places, np.float64).reshape(-1, 5).T
        lat, lon, opens_s, _, service_s = table
        if not ((np.abs(lat) <= 90) & (np.abs(lon) <= 180)).all():
            raise LiveRouteError("a load's places must be within +-90, +-180 degrees")
        wrong = (
            np.isnan(table[2:]).any(axis=0) | (opens_s == np.inf) | ~((service_s >= 0) & (service_s < np.inf))
        )
        if wrong.any():
            place = places[int(np.argmax(wrong))]
            raise LiveRouteError(
                f"a load's window and service must be numbers, service_s at least 0: {place}"
            )
        ends = np.zeros(len(places), LIVE_STOP)
        points = sphere_points(lat, lon).T
        for name, column in zip(
            ("x", "y", "z", "opens_s", "closes_s", "service_s"), (*points, *table[2:]), strict=True
        ):
            ends[name] = column
        ends["pace_row"] = self._travel.rows_of(lat, lon)
        dimensions = routes.free.shape[1]
        if any(len(load.amounts) not in (1, dimensions) for load in loads):
            raise LiveRouteError(f"amounts of a load must be {dimensions} numbers")
        given = [
            load.amounts if len(load.amounts) == dimensions else load.amounts * dimensions for load in loads
        ]
        sizes = amounts(given or np.empty((0, dimensions)), "amounts", len(loads), dimensions)
        if (sizes < 0).any():
            raise LiveRouteError(f"amounts[{int(np.argmax((sizes < 0).any(axis=1)))}] must be at least 0")
        return LoadRows(ends, sizes, np.array([load.needs for load in loads], np.uint64))


def _columns(routes: LiveRoutes) -> tuple[Any, ...]:
    return routes.stops, routes.legs, routes.vehicles, routes.offsets, routes.free, routes.most_free


def insertion(found: Any, circuity: float) -> Insertion:
    """A record of `Insertions.best`, with metres by road."""
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
