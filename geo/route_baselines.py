"""Plans as people make them without a search, to say what a search saves. The face of `geo.kernels.route_baselines`.

    routes = in_arrival_order(task)
    routes = by_nearest_neighbour(task)

Both keep every limit and leave out what finds no place.
"""

from collections.abc import Sequence

import numpy as np

from geo.kernels import route_baselines as kernel
from geo.kernels import route_plan
from geo.route_plan import KernelTask, empty_plan, kernel_task, routes_of
from geo.route_task import NONE, RouteTask, loads_of, route_task, stops_of, vehicles_of


def in_arrival_order(task: RouteTask, order: Sequence[int] | None = None) -> dict[int, list[int]]:
    """The stops by vehicle when each load, as it comes, is put where it costs least, and none is moved afterwards.

    Args:
        task: what there is to do.
        order: in which the loads come; None: in their own.
    """
    loads = np.arange(len(task.loads.pickup)) if order is None else np.asarray(order, np.int64)
    arrays = kernel_task(task)
    plan = empty_plan(arrays)
    if len(loads) and len(arrays.routes):
        kernel.insert_in_order(arrays.task, plan, loads, np.ones(1, np.uint64))
    return _routes(arrays, plan)


def by_nearest_neighbour(task: RouteTask) -> dict[int, list[int]]:
    """The stops by vehicle when one after the other drives to the nearest stop that it can still make with all that it has aboard."""
    arrays = kernel_task(task)
    plan = empty_plan(arrays)
    if len(task.loads.pickup) and len(arrays.routes):
        room = np.zeros((2, len(task.loads.pickup)), np.bool_)
        kernel.nearest_in_turn(arrays.task, plan, *room)
    return _routes(arrays, plan)


def _routes(arrays: KernelTask, plan: route_plan.RoutePlan) -> dict[int, list[int]]:
    return routes_of(arrays, np.ascontiguousarray(plan.stops["next"]))


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    way = np.ones((3, 3))
    loads = loads_of([0, 2, NONE], [1, NONE, 3])
    task = route_task(stops_of([1, 2, 1, 2]), loads, vehicles_of([0], [0], break_after_s=9.0), way, way)
    in_arrival_order(task)
    by_nearest_neighbour(task)
