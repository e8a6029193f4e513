"""A better order of one vehicle's remaining stops. The face of `geo.kernels.resequence`.

An order costs `cost_per_m` for each metre, `cost_per_s` for each second to the end of its last stop, and `late_cost_per_s` for each second that service
at a stop begins after its window has closed, with the travel times of the real hours. The answer is never worse than the order that was given. With up to
`TRY_ALL` movable stops it is the best there is; with more, one that no move of up to three consecutive stops betters.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geo.kernels import resequence as kernel
from geo.route_times import LiveRouteError, amounts, live_routes
from geo.travel_time import untaught_travel_times

TRY_ALL: Final = 7
"""All orders of so many stops are tried: 5,040 without pickups, most of them not to their end."""

NONE: Final = -1


@dataclass(frozen=True, slots=True)
class StopOrder:
    """An order of a route's stops.

    Attributes:
        order: int32[n], the row of the stop at each place.
        cost_before, cost: of the order that was given, and of this one.
        is_best: all orders were tried.
    """

    order: NDArray[np.int32]
    cost_before: float
    cost: float
    is_best: bool


@dataclass(frozen=True, slots=True)
class OrderCosts:
    """What an order is judged by. A second late costs more than any detour of a minute."""

    cost_per_m: float = 0.001
    cost_per_s: float = 0.01
    late_cost_per_s: float = 10.0


def resequence(
    stops: NDArray[np.void],
    paces: NDArray[np.float32],
    pickup_of: ArrayLike,
    change: ArrayLike,
    capacity: ArrayLike,
    *,
    frozen: int = 1,
    returns: bool = False,
    costs: OrderCosts | None = None,
    circuity: float = 1.0,
    try_all_of: int = TRY_ALL,
) -> StopOrder:
    """A better order of the stops of one route.

    Args:
        stops: LIVE_STOP[n], a route of `LiveRoutes`, in the order that is planned; the first is where the vehicle is.
        paces: as of `TravelTimes.paces`.
        pickup_of: int[n], the row of the pickup that a delivery belongs to; NONE of all other stops.
        change: float[n, D], what each stop loads, negative what it unloads; of the first: what is aboard.
        capacity: float[D]. Where more is aboard already, nothing is added to it before it is unloaded.
        frozen: so many stops stay where they are, at the beginning; at least 1.
        returns: the last one stays where it is, too.
        costs: `OrderCosts()` unless told.
        circuity: metres by road over metres as the crow flies.
        try_all_of: with up to so many movable stops all orders are tried.

    Raises:
        LiveRouteError: columns that do not fit together, or a delivery before its pickup.
    """
    n, costs = len(stops), costs or OrderCosts()
    pickups = np.ascontiguousarray(pickup_of, np.int32)
    if not 1 <= frozen <= n or pickups.shape != (n,):
        raise LiveRouteError(
            f"frozen is {frozen}, pickup_of has {pickups.size} rows; allowed are 1 to {n}, and {n}"
        )
    order = np.arange(n, dtype=np.int32)
    if ((pickups < NONE) | (pickups >= order)).any():
        raise LiveRouteError("pickup_of must name a stop that comes before the delivery, or NONE")
    if np.bincount(pickups + 1)[1:].max(initial=0) > 1:
        raise LiveRouteError("pickup_of names a pickup of two deliveries; each has one")
    room = amounts(capacity, "capacity", 1)
    changes = amounts(change, "change", n, room.shape[1])
    last = n - 1 - returns
    if last <= frozen:
        cost = kernel.order_cost(stops, order, paces, *_costs(costs, circuity))
        return StopOrder(order, cost, cost, is_best=True)
    before, after = kernel.resequence(
        stops, changes, room[0], pickups, frozen, last, paces, _costs(costs, circuity), try_all_of, order
    )
    return StopOrder(order, before, after, last + 1 - frozen <= try_all_of)


def _costs(costs: OrderCosts, circuity: float) -> tuple[float, float, float]:
    return costs.cost_per_m * circuity, costs.cost_per_s, costs.late_cost_per_s


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    travel = untaught_travel_times()
    routes = live_routes(travel, [0, 4], lat_deg=[0, 1, 2, 3], lon_deg=0.0, opens_s=0.0, capacity=[[1.0]])
    resequence(routes.stops, travel.paces(), [NONE] * 4, 0.0, [1.0])
    resequence(routes.stops[:1], travel.paces(), [NONE], 0.0, [1.0])
