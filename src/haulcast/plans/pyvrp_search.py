"""PyVRP as the searcher of a plan, where it is installed (`pip install haulcast[pyvrp]`): for large batches of plain tasks.

It reckons in whole numbers: tenths of a second rounded up, metres, and ten-millionths of the currency. It holds the GIL more than our own search, so
that maps may hear of things some milliseconds later while it runs.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from typing import Any, Final

import numpy as np

from geo.route_task import AMOUNT_UNITS, NONE, RouteTask
from haulcast.errors import RequestError

TICKS: Final = 10
"""A second."""
MONEY: Final = 10_000_000
"""A unit of the currency."""
FOR_EVER: Final = 2**42
ANY_ROOM: Final = 2**52
DEAREST: Final = 10**15
"""To leave out what has to be carried: less than any way to carry it, far from overflowing."""


def pyvrp_routes(
    task: RouteTask, seconds: float, seed: int, clock_s: Callable[[], float], should_stop: Callable[[], bool]
) -> dict[int, list[int]]:
    """Stops in order by vehicle; rounding may break a limit by a moment.

    Raises:
        RequestError: it is not installed, or has no words for something in the task.
    """
    if importlib.util.find_spec("pyvrp") is None:
        reason = (
            "solver is pyvrp, which is not installed here; pip install 'haulcast[pyvrp]', or leave solver out"
        )
        raise RequestError("no_pyvrp", reason, field="solver")
    if reason := why_not(task):
        raise RequestError(
            "not_for_pyvrp", f"pyvrp cannot plan this: {reason}; leave solver out", field="solver"
        )
    import pyvrp  # noqa: PLC0415 - not everyone has it

    until_s = clock_s() + seconds

    def is_over(best_cost: int) -> bool:  # noqa: ARG001 - so it is called
        return clock_s() >= until_s or should_stop()

    groups = _alike(task)
    loads = _possible(task)
    clients = [load for load in loads if NONE in (task.loads.pickup[load], task.loads.delivery[load])]
    pairs = [load for load in loads if NONE not in (task.loads.pickup[load], task.loads.delivery[load])]
    if not loads or not groups:
        return {}
    data = _problem(pyvrp, task, groups, clients, pairs)
    best = pyvrp.solve(data, is_over, seed=seed, collect_stats=False).best
    kinds = pyvrp.ActivityType
    stop_of: dict[Any, Callable[[int], int]] = {
        kinds.CLIENT: lambda i: int(max(task.loads.pickup[clients[i]], task.loads.delivery[clients[i]])),
        kinds.PICKUP: lambda i: int(task.loads.pickup[pairs[i]]),
        kinds.DELIVERY: lambda i: int(task.loads.delivery[pairs[i]]),
    }
    free = [list(group) for group in groups]
    routes = {}
    for route in best.routes():
        vehicle = free[route.vehicle_type()].pop(0)
        routes[vehicle] = [stop_of[one.type](one.idx) for one in route if one.type in stop_of]
    return routes


def why_not(task: RouteTask) -> str:
    """What of a task it has no words for; empty: nothing."""
    vehicles, loads = task.vehicles, task.loads
    every = np.bitwise_and.reduce(vehicles.skills) if len(vehicles.skills) else np.uint64(0)
    found = {
        "a load is bound to one vehicle, as what is on board is": (loads.only != NONE).any(),
        "a load needs a skill that not every vehicle has": (loads.needs & ~every).any(),
        "a vehicle has no depot at its start or end": (
            (vehicles.start == NONE) | (vehicles.end == NONE)
        ).any(),
        "a vehicle takes breaks": np.isfinite(vehicles.break_after_s).any(),
        "a vehicle has a driving limit": np.isfinite(vehicles.most_drive_s).any(),
        "there is no way between some places": not np.isfinite(task.time_s + task.distance_m).all(),
    }
    return next((reason for reason, is_so in found.items() if is_so), "")


def _alike(task: RouteTask) -> list[list[int]]:
    """Vehicles in groups that do not differ."""
    rows: defaultdict[tuple[Any, ...], list[int]] = defaultdict(list)
    columns = [getattr(task.vehicles, name) for name in type(task.vehicles).__dataclass_fields__]
    for vehicle in range(len(task.vehicles.start)):
        rows[tuple(column[vehicle].tobytes() for column in columns)].append(vehicle)
    return list(rows.values())


def _possible(task: RouteTask) -> list[int]:
    """The loads that are not too late before anything begins."""
    stops = np.c_[task.loads.pickup, task.loads.delivery]
    closes_s = np.where(stops == NONE, np.inf, task.stops.closes_s[stops]).min(axis=1)
    return [int(load) for load in np.flatnonzero(closes_s >= 0)]


def _problem(
    pyvrp: Any, task: RouteTask, groups: list[list[int]], clients: list[int], pairs: list[int]
) -> Any:
    vehicles = task.vehicles
    depots = sorted({int(place) for place in chain(vehicles.start, vehicles.end)})
    kinds = range(len(task.time_s))
    way = [np.rint(task.distance_m[kind]).astype(np.int64) for kind in kinds]
    time = [np.ceil(task.time_s[kind] * TICKS).astype(np.int64) for kind in kinds]
    return pyvrp.ProblemData(
        [pyvrp.Location(0.0, 0.0) for _ in range(task.time_s.shape[1])],
        [pyvrp.Client(**_client(task, load)) for load in clients],
        [pyvrp.Depot(place) for place in depots],
        [_vehicles(pyvrp, task, group, depots) for group in groups],
        way,
        time,
        shipments=[pyvrp.Shipment(**_shipment(task, load)) for load in pairs],
    )


def _vehicles(pyvrp: Any, task: RouteTask, group: list[int], depots: list[int]) -> Any:
    one, vehicles = group[0], task.vehicles
    return pyvrp.VehicleType(
        len(group),
        [_amount(amount) for amount in vehicles.capacity[one]],
        start_depot=depots.index(int(vehicles.start[one])),
        end_depot=depots.index(int(vehicles.end[one])),
        fixed_cost=_money(vehicles.fixed_cost[one]),
        tw_early=_ticks(vehicles.from_s[one]),
        tw_late=_ticks(vehicles.until_s[one]),
        unit_distance_cost=_money(vehicles.cost_per_m[one]),
        unit_duration_cost=_money(vehicles.cost_per_s[one] / TICKS),
        profile=int(vehicles.kind[one]),
    )


def _client(task: RouteTask, load: int) -> dict[str, Any]:
    is_pickup = task.loads.delivery[load] == NONE
    stop = int(max(task.loads.pickup[load], task.loads.delivery[load]))
    amounts = [_amount(amount) for amount in task.loads.amounts[load]]
    return {**_window(task, stop), "pickup" if is_pickup else "delivery": amounts, **_prize(task, load)}


def _shipment(task: RouteTask, load: int) -> dict[str, Any]:
    ends = {"pickup": int(task.loads.pickup[load]), "delivery": int(task.loads.delivery[load])}
    windows = {
        f"{kind}_{name}": value for kind, stop in ends.items() for name, value in _window(task, stop).items()
    }
    return {
        **windows,
        "amount": [_amount(amount) for amount in task.loads.amounts[load]],
        **_prize(task, load),
    }


def _window(task: RouteTask, stop: int) -> dict[str, int]:
    stops = task.stops
    return {
        "location": int(stops.place[stop]),
        "tw_early": _ticks(stops.opens_s[stop]),
        "tw_late": _ticks(stops.closes_s[stop]),
        "service_duration": _ticks(stops.service_s[stop]),
    }


def _prize(task: RouteTask, load: int) -> dict[str, Any]:
    """Nothing is required, or one load that has no way would leave no plan at all."""
    return {"prize": min(_money(min(task.loads.left_out_cost[load], DEAREST)), DEAREST), "required": False}


def _ticks(seconds: float) -> int:
    return int(min(max(seconds, 0.0) * TICKS, FOR_EVER))


def _money(cost: float) -> int:
    return round(float(cost) * MONEY)


def _amount(amount: float) -> int:
    return int(min(round(float(min(amount, ANY_ROOM)) * AMOUNT_UNITS), ANY_ROOM))
