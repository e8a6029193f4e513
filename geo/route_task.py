"""What a fleet has to do, as columns: stops, the loads they belong to, vehicles, and the way between places.

    stops = stops_of(place=[1, 2], closes_s=[3600, 7200], service_s=300)
    loads = loads_of(pickup=[0], delivery=[1], amounts=[[1200.0]])
    vehicles = vehicles_of(start=[0], end=[0], capacity=[[8000.0]], cost_per_m=0.001)
    task = route_task(stops, loads, vehicles, time_s, distance_m)

A load has a pickup and a delivery, or only one of them: with a delivery alone it is on board when the route starts, with a pickup alone it
stays on board to its end. So a plan under way is a task like any other: what is done is left out, a vehicle starts where and when it will be
free, and what it has on board are deliveries bound to it (`only`). All times are seconds from one moment of the caller's choice.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

NONE = -1
"""No stop, no place, no vehicle in a column of them."""

ANY_SKILLS = 2**64 - 1
MOST_AMOUNT = 1e9
AMOUNT_UNITS = 1e6
"""Amounts are counted in millionths, so that sums of them are exact."""


class RouteTaskError(ValueError):
    """A task that says something impossible of itself: what, where, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Stops:
    """Columns over n stops.

    Attributes:
        place: int32[n], a row of the matrices.
        opens_s: float64[n], service begins no earlier; a vehicle that comes before waits.
        closes_s: float64[n], nor later.
        service_s: float64[n], how long it takes.
    """

    place: NDArray[np.int32]
    opens_s: NDArray[np.float64]
    closes_s: NDArray[np.float64]
    service_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Loads:
    """Columns over m loads.

    Attributes:
        pickup: int32[m], its stop, or NONE: on board from the start.
        delivery: int32[m], its stop, or NONE: on board to the end.
        amounts: float64[m, D], what it takes of each dimension of capacity: kg, m3, pallets.
        needs: uint64[m], bits that its vehicle's skills must have.
        only: int32[m], the one vehicle that may take it, or NONE: any.
        left_out_cost: float64[m], what it costs to leave it out; infinite: it is left out only when there is no way to take it.
    """

    pickup: NDArray[np.int32]
    delivery: NDArray[np.int32]
    amounts: NDArray[np.float64]
    needs: NDArray[np.uint64]
    only: NDArray[np.int32]
    left_out_cost: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Vehicles:
    """Columns over k vehicles. One that gets no stop costs nothing.

    Attributes:
        start: int32[k], a place, or NONE: begins where its first stop is.
        end: int32[k], a place, or NONE: ends where its last stop is.
        from_s: float64[k], it starts no earlier.
        until_s: float64[k], it is at its end no later.
        capacity: float64[k, D].
        skills: uint64[k], bits.
        kind: int32[k], which of the matrices are its own.
        most_drive_s: float64[k], driving at most, in all.
        break_after_s: float64[k], after so much driving there is a break, on the road if need be; infinite: none.
        break_s: float64[k], how long that is. Waiting that long at a stop counts as one, service does not.
        driven_s: float64[k], driving since the last break when it starts.
        fixed_cost: float64[k], if it has any stop.
        cost_per_m: float64[k].
        cost_per_s: float64[k], from its start, which is as late as it can be, to its end.
    """

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    from_s: NDArray[np.float64]
    until_s: NDArray[np.float64]
    capacity: NDArray[np.float64]
    skills: NDArray[np.uint64]
    kind: NDArray[np.int32]
    most_drive_s: NDArray[np.float64]
    break_after_s: NDArray[np.float64]
    break_s: NDArray[np.float64]
    driven_s: NDArray[np.float64]
    fixed_cost: NDArray[np.float64]
    cost_per_m: NDArray[np.float64]
    cost_per_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RouteTask:
    """A checked task; `route_task` makes it.

    Attributes:
        time_s: float64[h, p, p], driving from place to place, for each kind of vehicle; infinite: no way.
        distance_m: float64[h, p, p].
        load_of: int32[n], the load of each stop.
    """

    stops: Stops
    loads: Loads
    vehicles: Vehicles
    time_s: NDArray[np.float64]
    distance_m: NDArray[np.float64]
    load_of: NDArray[np.int32]


def stops_of(
    place: ArrayLike,
    *,
    opens_s: ArrayLike = -np.inf,
    closes_s: ArrayLike = np.inf,
    service_s: ArrayLike = 0.0,
) -> Stops:
    """Stops from columns; one value holds for all."""
    places = np.asarray(place, np.int32)
    count = len(places)
    return Stops(places, *(_column(value, count) for value in (opens_s, closes_s, service_s)))


def loads_of(
    pickup: ArrayLike,
    delivery: ArrayLike,
    *,
    amounts: ArrayLike = 0.0,
    needs: ArrayLike = 0,
    only: ArrayLike = NONE,
    left_out_cost: ArrayLike = np.inf,
) -> Loads:
    """Loads from columns; one value holds for all, `NONE` for a whole column of stops too."""
    count = max(np.size(pickup), np.size(delivery))
    pickups, deliveries = (_column(value, count, np.int32) for value in (pickup, delivery))
    bound, costs = _column(only, count, np.int32), _column(left_out_cost, count)
    return Loads(pickups, deliveries, _table(amounts, count), _column(needs, count, np.uint64), bound, costs)


def vehicles_of(
    start: ArrayLike,
    end: ArrayLike,
    *,
    from_s: ArrayLike = 0.0,
    until_s: ArrayLike = np.inf,
    capacity: ArrayLike = 0.0,
    skills: ArrayLike = 0,
    kind: ArrayLike = 0,
    most_drive_s: ArrayLike = np.inf,
    break_after_s: ArrayLike = np.inf,
    break_s: ArrayLike = 0.0,
    driven_s: ArrayLike = 0.0,
    fixed_cost: ArrayLike = 0.0,
    cost_per_m: ArrayLike = 0.0,
    cost_per_s: ArrayLike = 0.0,
) -> Vehicles:
    """Vehicles from columns; one value holds for all."""
    starts = np.asarray(start, np.int32)
    count = len(starts)
    begin, until = _column(from_s, count), _column(until_s, count)
    limits = (_column(value, count) for value in (most_drive_s, break_after_s, break_s, driven_s))
    costs = (_column(value, count) for value in (fixed_cost, cost_per_m, cost_per_s))
    kinds, bits = _column(kind, count, np.int32), _column(skills, count, np.uint64)
    ends = _column(end, count, np.int32)
    return Vehicles(starts, ends, begin, until, _table(capacity, count), bits, kinds, *limits, *costs)


def route_task(
    stops: Stops, loads: Loads, vehicles: Vehicles, time_s: ArrayLike, distance_m: ArrayLike
) -> RouteTask:
    """A checked task.

    Args:
        stops: each of one load.
        loads: what there is to carry.
        vehicles: who there is to carry it.
        time_s: float64[p, p] or, by kind of vehicle, [h, p, p].
        distance_m: likewise.

    Raises:
        RouteTaskError: something is out of its range; says what, where, and what is allowed. That a load cannot be
            carried is not an error: it is left out with the reason.
    """
    time, distance = (np.asarray(matrix, np.float64) for matrix in (time_s, distance_m))
    time, distance = (matrix[None] if matrix.ndim == 2 else matrix for matrix in (time, distance))
    _check_matrices(time, distance)
    places, kinds = time.shape[1], time.shape[0]
    _check_range("stops.place", stops.place, 0, places - 1)
    _check_range("stops.service_s", stops.service_s, 0.0, _FAR)
    _check_order("stops", "opens_s", stops.opens_s, "closes_s", stops.closes_s)
    _check_vehicles(vehicles, places, kinds)
    _check_loads(loads, len(stops.place), vehicles)
    load_of = np.full(len(stops.place), NONE, np.int32)
    for column in (loads.pickup, loads.delivery):
        load_of[column[column != NONE]] = np.flatnonzero(column != NONE)
    return RouteTask(stops, loads, vehicles, time, distance, load_of)


_FAR = 1e12
"""Some ten thousand years: what is more is a mistake."""


def _column(value: ArrayLike, count: int, dtype: type[Any] = np.float64) -> NDArray[Any]:
    try:
        return np.array(np.broadcast_to(np.asarray(value, dtype), (count,)))
    except (ValueError, OverflowError) as error:
        given = np.shape(value)
        raise RouteTaskError(f"a column of shape {given} where one value or {count} are allowed") from error


def _table(value: ArrayLike, count: int) -> NDArray[np.float64]:
    table = np.asarray(value, np.float64)
    table = np.broadcast_to(table, (count, 1)) if table.ndim == 0 else table
    if table.ndim != 2 or len(table) != count:
        raise RouteTaskError(f"a table of shape {table.shape} where ({count}, dimensions) is allowed")
    return np.array(table)


def _fail(name: str, values: NDArray[Any], is_wrong: NDArray[np.bool_], allowed: str) -> None:
    if is_wrong.any():
        where = tuple(int(i) for i in np.argwhere(is_wrong)[0])
        at = where[0] if len(where) == 1 else where
        raise RouteTaskError(f"{name}[{at}] is {values[where]}; allowed is {allowed}")


def _check_range(name: str, values: NDArray[Any], least: float, most: float, *, or_inf: bool = False) -> None:
    is_right = (values >= least) & (values <= most)
    if or_inf:
        is_right |= values == np.inf
    _fail(name, values, ~is_right, f"{least:g} to {most:g}" + (", or infinite" if or_inf else ""))


def _check_order(
    table: str, low_name: str, low: NDArray[np.float64], high_name: str, high: NDArray[np.float64]
) -> None:
    _fail(f"{table}.{low_name}", low, ~(low <= high) | (low == np.inf), f"a time up to {high_name}")
    _fail(f"{table}.{high_name}", high, high == -np.inf, f"a time from {low_name} on")


def _check_matrices(time_s: NDArray[np.float64], distance_m: NDArray[np.float64]) -> None:
    for name, matrix in (("time_s", time_s), ("distance_m", distance_m)):
        if matrix.ndim != 3 or matrix.shape[1] != matrix.shape[2] or matrix.shape != time_s.shape:
            raise RouteTaskError(
                f"{name} has the shape {matrix.shape}; allowed is (places, places), or (kinds, places, places), the same for both"
            )
        _check_range(name, matrix, 0.0, _FAR, or_inf=True)


def _check_vehicles(vehicles: Vehicles, places: int, kinds: int) -> None:
    _check_range("vehicles.start", vehicles.start, NONE, places - 1)
    _check_range("vehicles.end", vehicles.end, NONE, places - 1)
    _check_range("vehicles.kind", vehicles.kind, 0, kinds - 1)
    _check_range("vehicles.from_s", vehicles.from_s, -_FAR, _FAR)
    _check_order("vehicles", "from_s", vehicles.from_s, "until_s", vehicles.until_s)
    _check_range("vehicles.capacity", vehicles.capacity, 0.0, MOST_AMOUNT, or_inf=True)
    _check_range("vehicles.most_drive_s", vehicles.most_drive_s, 0.0, _FAR, or_inf=True)
    _fail(
        "vehicles.break_after_s",
        vehicles.break_after_s,
        ~(vehicles.break_after_s > 0),
        "more than 0, or infinite",
    )
    _check_range("vehicles.break_s", vehicles.break_s, 0.0, _FAR)
    _check_range("vehicles.driven_s", vehicles.driven_s, 0.0, _FAR)
    _fail(
        "vehicles.driven_s",
        vehicles.driven_s,
        vehicles.driven_s > vehicles.break_after_s,
        "up to break_after_s",
    )
    for name in ("fixed_cost", "cost_per_m", "cost_per_s"):
        _check_range(f"vehicles.{name}", getattr(vehicles, name), 0.0, _FAR)


def _check_loads(loads: Loads, stops: int, vehicles: Vehicles) -> None:
    _check_range("loads.pickup", loads.pickup, NONE, stops - 1)
    _check_range("loads.delivery", loads.delivery, NONE, stops - 1)
    has_none = (loads.pickup == NONE) & (loads.delivery == NONE)
    _fail("loads.pickup", loads.pickup, has_none, "a stop, as loads.delivery has none either")
    dimensions = (loads.amounts.shape[1], vehicles.capacity.shape[1])
    if dimensions[0] != dimensions[1]:
        raise RouteTaskError(
            f"loads.amounts has {dimensions[0]} dimensions and vehicles.capacity {dimensions[1]}; allowed is the same number"
        )
    _check_range("loads.amounts", loads.amounts, 0.0, MOST_AMOUNT)
    _check_range("loads.only", loads.only, NONE, len(vehicles.start) - 1)
    _check_range("loads.left_out_cost", loads.left_out_cost, 0.0, _FAR, or_inf=True)
    used = np.concatenate([loads.pickup, loads.delivery])
    times = np.bincount(used[used >= 0], minlength=stops)
    _fail("number of loads at stop", times, times != 1, "1")
