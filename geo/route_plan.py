"""A route task as the kernels have it, and plans from and to them. The face of `geo.kernels.route_plan`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.kernels import route_plan as kernel
from geo.route_check import first_broken
from geo.route_task import AMOUNT_UNITS, NONE, RouteTask, RouteTaskError

ROUNDING_S = 1e-6
"""Windows, shifts and driving limits end so much later in the kernels: sums of times in another order differ by less."""

MOST_CAPACITY = 8e12
"""As infinite as int64 allows, in millionths."""

NEAR = 250
"""Neighbours of a load that the ruin looks at: more than it ever needs."""

Routes = Mapping[int, Sequence[int]]
"""The stops in order, by vehicle."""


@dataclass(frozen=True, slots=True)
class KernelTask:
    """A task in the kernels' terms.

    Attributes:
        task: as the kernels have it.
        stops: STOP[n + 2k], and
        routes: ROUTE[k], of the plan in which nothing is done.
    """

    task: kernel.RouteTask
    stops: NDArray[np.void]
    routes: NDArray[np.void]


def kernel_task(task: RouteTask) -> KernelTask:
    """The kernels' arrays of a task."""
    kinds, kind_of = _kinds(task)
    legs = _legs(task, kinds)
    nowhere = task.time_s.shape[1]
    routes = _route_records(task, kind_of)
    stops = _stop_records(task, nowhere)
    loads = np.zeros(len(task.loads.pickup), kernel.LOAD)
    for name in ("pickup", "delivery", "only", "needs", "left_out_cost"):
        loads[name] = getattr(task.loads, name)
    is_required = np.isinf(loads["left_out_cost"])
    loads["left_out_cost"][is_required] = _required_cost(task, legs)
    capacity = np.minimum(task.vehicles.capacity, MOST_CAPACITY)
    arrays = kernel.RouteTask(
        loads=loads,
        amounts=np.rint(task.loads.amounts * AMOUNT_UNITS).astype(np.int64),
        capacity=np.rint(capacity * AMOUNT_UNITS).astype(np.int64),
        legs=legs,
        near=_near(task),
        keys=_keys(task),
    )
    return KernelTask(arrays, stops, routes)


def empty_plan(task: KernelTask) -> kernel.RoutePlan:
    """The plan in which nothing is done."""
    vehicles, dimensions = task.task.capacity.shape
    rows = (len(task.stops), dimensions)
    return kernel.RoutePlan(
        stops=task.stops.copy(),
        routes=task.routes.copy(),
        at_start=np.zeros((vehicles, dimensions), np.int64),
        aboard=np.zeros(rows, np.int64),
        most_before=np.zeros(rows, np.int64),
        most_after=np.zeros(rows, np.int64),
        is_fresh=np.zeros(vehicles, np.bool_),
    )


def set_routes(task: KernelTask, plan: kernel.RoutePlan, routes: Routes) -> None:
    """Give an empty plan these routes, which keep all limits."""
    for vehicle, stops in routes.items():
        if len(stops):
            chain = np.asarray(stops, np.int32)
            kernel.set_route(task.task, plan, vehicle, np.unique(plan.stops["load"][chain]), chain)


def routes_of(task: KernelTask, following: NDArray[np.int32]) -> dict[int, list[int]]:
    """The routes with stops, from `next` of each stop."""
    ends = len(task.stops) - 2 * len(task.routes)
    routes = {}
    for vehicle in range(len(task.routes)):
        stops, at = [], int(following[ends + 2 * vehicle])
        while at < ends:
            stops.append(at)
            at = int(following[at])
        if stops:
            routes[vehicle] = stops
    return routes


def mended(task: RouteTask, routes: Routes) -> dict[int, list[int]]:
    """Routes without the loads whose stops are the first to break a limit, until none does.

    Raises:
        RouteTaskError: a vehicle or a stop that the task does not have.
    """
    _check_known("vehicle", routes, len(task.vehicles.start))
    for given in routes.values():
        _check_known("stop", given, len(task.stops.place))
    seen: set[int] = set()
    kept: dict[int, list[int]] = {}
    partner = np.full(len(task.stops.place), NONE)
    is_pair = (task.loads.pickup != NONE) & (task.loads.delivery != NONE)
    partner[task.loads.pickup[is_pair]] = task.loads.delivery[is_pair]
    partner[task.loads.delivery[is_pair]] = task.loads.pickup[is_pair]
    for vehicle, given in routes.items():
        stops = [int(stop) for stop in dict.fromkeys(given) if stop not in seen and partner[stop] not in seen]
        while broken := first_broken(task, vehicle, stops):
            gone = broken.stop if broken.stop != NONE else stops[-1]
            stops = [stop for stop in stops if stop not in (gone, partner[gone])]
        seen.update(stops)
        if stops:
            kept[int(vehicle)] = stops
    return kept


def _check_known(what: str, given: Iterable[int], count: int) -> None:
    for one in given:
        if not 0 <= one < count:
            raise RouteTaskError(f"routes have {what} {one}; allowed is 0 to {count - 1}")


def _kinds(task: RouteTask) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Each way to drive and to pay for it once, float64[h, 3]: kind, cost_per_m, cost_per_s; and that of each vehicle."""
    vehicles = task.vehicles
    rows = np.c_[vehicles.kind, vehicles.cost_per_m, vehicles.cost_per_s]
    kinds, kind_of = np.unique(rows, axis=0, return_inverse=True)
    return kinds, kind_of.reshape(-1).astype(np.int32)


def _legs(task: RouteTask, kinds: NDArray[np.float64]) -> NDArray[np.void]:
    """All legs, with one more place, no way from anywhere: for a start or an end that is where the first or last stop is."""
    places = task.time_s.shape[1]
    legs = np.zeros((len(kinds), places + 1, places + 1), kernel.LEG)
    for row, (kind, per_m, per_s) in zip(legs, kinds, strict=True):
        time_s, distance_m = task.time_s[int(kind)], task.distance_m[int(kind)]
        row["time_s"][:places, :places] = time_s
        with np.errstate(invalid="ignore"):
            cost = per_m * distance_m + per_s * time_s
        row["cost"][:places, :places] = np.where(np.isinf(time_s) | np.isinf(distance_m), np.inf, cost)
    return legs


def _stop_records(task: RouteTask, nowhere: int) -> NDArray[np.void]:
    count, vehicles = len(task.stops.place), len(task.vehicles.start)
    stops = np.zeros(count + 2 * vehicles, kernel.STOP)
    for name in ("next", "prev", "route", "load"):
        stops[name] = NONE
    stops["place"][:count] = task.stops.place
    stops["open_s"][:count] = task.stops.opens_s
    stops["close_s"][:count] = task.stops.closes_s
    stops["service_s"][:count] = task.stops.service_s
    stops["load"][:count] = task.load_of
    start = count + 2 * np.arange(vehicles)
    for ends, place in ((start, task.vehicles.start), (start + 1, task.vehicles.end)):
        stops["place"][ends] = np.where(place == NONE, nowhere, place)
        stops["route"][ends] = np.arange(vehicles)
        stops["open_s"][ends] = task.vehicles.from_s
        stops["close_s"][ends] = task.vehicles.until_s
    stops["next"][start], stops["prev"][start + 1] = start + 1, start
    stops["close_s"] += ROUNDING_S
    stops["ready_s"], stops["latest_s"] = stops["open_s"], stops["close_s"]
    return stops


def _route_records(task: RouteTask, kind_of: NDArray[np.int32]) -> NDArray[np.void]:
    vehicles = task.vehicles
    routes = np.zeros(len(vehicles.start), kernel.ROUTE)
    routes["kind"] = kind_of
    for name in ("skills", "fixed_cost", "cost_per_s", "break_after_s", "break_s", "driven_s"):
        routes[name] = getattr(vehicles, name)
    routes["most_drive_s"] = vehicles.most_drive_s + ROUNDING_S
    columns = [getattr(vehicles, name) for name in type(vehicles).__dataclass_fields__ if name != "skills"]
    skills = [(vehicles.skills >> np.uint64(shift)) & np.uint64(2**32 - 1) for shift in (0, 32)]
    bound = np.zeros(len(routes))  # whom a load waits for is like nobody else
    for vehicle in np.unique(task.loads.only[task.loads.only != NONE]):
        bound[vehicle] = vehicle + 1
    rows = np.column_stack([*columns, *skills, bound])
    if len(rows):
        routes["alike"] = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    return routes


def _required_cost(task: RouteTask, legs: NDArray[np.void]) -> float:
    """More than it can cost to carry one load more, and than all loads together that may be left out."""
    vehicles, may_leave = task.vehicles, task.loads.left_out_cost
    moments = np.concatenate([task.stops.opens_s, task.stops.closes_s, vehicles.from_s, vehicles.until_s])
    moments = moments[np.isfinite(moments)]
    known, times_s = legs["cost"][np.isfinite(legs["cost"])], legs["time_s"][np.isfinite(legs["time_s"])]
    most_s = (np.ptp(moments) if len(moments) else 0.0) + task.stops.service_s.sum()
    most_s += 4 * times_s.max(initial=0.0) + vehicles.break_s.max(initial=0.0)
    dearest = 1.0 + 4 * known.max(initial=0.0) + vehicles.fixed_cost.max(initial=0.0)
    dearest += vehicles.cost_per_s.max(initial=0.0) * most_s
    return float(dearest + may_leave[np.isfinite(may_leave)].sum())


def _near(task: RouteTask) -> NDArray[np.int32]:
    """The loads nearest to each by the driving time between their stops; a pair's is the mean of both."""
    loads = task.loads
    count = len(loads.pickup)
    ends = [
        np.where(a == NONE, b, a) for a, b in ((loads.pickup, loads.delivery), (loads.delivery, loads.pickup))
    ]
    apart = np.zeros((count, count))
    for end in ends:
        place = task.stops.place[end]
        apart += task.time_s[0][np.ix_(place, place)]
    apart += apart.T
    apart[np.arange(count), np.arange(count)] = -1.0
    kept = min(NEAR, count)
    if kept < count:
        nearest = np.argpartition(apart, kept - 1, axis=1)[:, :kept]
    else:
        nearest = np.broadcast_to(np.arange(count), (count, count))
    order = np.argsort(np.take_along_axis(apart, nearest, axis=1), axis=1, kind="stable")
    return np.take_along_axis(nearest, order, axis=1).astype(np.int32)


def _keys(task: RouteTask) -> NDArray[np.float64]:
    """By what loads are put in order, see `RouteTask.keys`."""
    loads, stops, vehicles = task.loads, task.stops, task.vehicles
    stop = np.where(loads.delivery == NONE, loads.pickup, loads.delivery)
    first = np.where(loads.pickup == NONE, loads.delivery, loads.pickup)
    most = np.maximum(vehicles.capacity.max(axis=0, initial=0.0), 1e-9)
    size = np.minimum(loads.amounts / most, 1.0).sum(axis=1)
    starts = np.unique(vehicles.start[vehicles.start != NONE])
    way = task.time_s[0][np.ix_(starts, stops.place[stop])]
    far = way.min(axis=0) if len(starts) else np.zeros(len(stop))
    width = np.minimum(
        stops.closes_s[stop] - stops.opens_s[stop], stops.closes_s[first] - stops.opens_s[first]
    )
    return np.ascontiguousarray(np.c_[size, far, width, stops.opens_s[first], stops.closes_s[stop]])
