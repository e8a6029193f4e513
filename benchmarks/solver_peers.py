"""What the benchmark of the solver stands beside: PyVRP and VROOM, in this process and on one thread, if they are installed (`haulcast[bench]`).

Both reckon in whole numbers; a unit here is `1 / SCALE` of theirs. Their routes are judged like ours, by our matrices.
"""

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.solver_instances import Instance

SCALE = 1000
EXPLORATION = 5
"""VROOM's most thorough setting; how long it takes is its own choice."""

Routes = dict[int, list[int]]
"""Customers in order, counted from 0, by vehicle."""

Peer = Callable[[Instance, float, int], Routes]


def peers() -> dict[str, Peer]:
    """Those that are installed, by the name of their keys."""
    known: dict[str, tuple[str, Peer]] = {"pyvrp": ("pyvrp", solve_pyvrp), "vroom": ("vroom", solve_vroom)}
    return {name: peer for name, (module, peer) in known.items() if importlib.util.find_spec(module)}


def solve_pyvrp(instance: Instance, seconds: float, seed: int) -> Routes:
    """PyVRP for so many CPU-seconds; building its data is in them."""
    import pyvrp  # noqa: PLC0415  (not everyone who runs benchmarks has it)

    until = time.process_time() + seconds
    whole = _whole(instance)
    locations = [pyvrp.Location(float(x), float(y)) for x, y in whole[:, :2]]
    clients = [
        pyvrp.Client(
            i, [int(row[2])], service_duration=int(row[5]), tw_early=int(row[3]), tw_late=int(row[4])
        )
        for i, row in enumerate(whole[1:], 1)
    ]
    vehicle = pyvrp.VehicleType(
        instance.vehicles, [int(instance.capacity)], tw_early=int(whole[0, 3]), tw_late=int(whole[0, 4])
    )
    way: Any = _rounded(instance.distance * SCALE)
    data = pyvrp.ProblemData(locations, clients, [pyvrp.Depot(0)], [vehicle], [way], [way])

    def is_over(best_cost: int) -> bool:  # noqa: ARG001  (so it is called)
        return time.process_time() >= until

    best = pyvrp.solve(data, is_over, seed=seed, collect_stats=False).best
    routes: Routes = {}
    for number, route in enumerate(best.routes()):
        routes[number] = [stop.idx for stop in route if stop.type == pyvrp.ActivityType.CLIENT]
    return routes


def solve_vroom(instance: Instance, _seconds: float, _seed: int) -> Routes:
    """VROOM at its most thorough setting: it knows neither seeds nor a budget to fill."""
    import vroom  # noqa: PLC0415

    whole = _whole(instance)
    task: Any = vroom.Input()
    task.set_durations_matrix("car", _rounded(instance.distance * SCALE).astype(np.uint32))
    shift = vroom.TimeWindow(int(whole[0, 3]), int(whole[0, 4]))
    for number in range(instance.vehicles):
        task.add_vehicle(
            vroom.Vehicle(number, start=0, end=0, capacity=[int(instance.capacity)], time_window=shift)
        )
    for i, row in enumerate(whole[1:], 1):
        window = vroom.TimeWindow(int(row[3]), int(row[4]))
        amount = vroom.Amount([int(row[2])])
        task.add_job(vroom.Job(i, i, default_service=int(row[5]), delivery=amount, time_windows=[window]))
    steps = task.solve(exploration_level=EXPLORATION, nb_threads=1).routes
    jobs = steps[steps["type"] == "job"]
    return {int(vehicle): [int(i) - 1 for i in rows["id"]] for vehicle, rows in jobs.groupby("vehicle_id")}


def _whole(instance: Instance) -> NDArray[np.int64]:
    scaled = instance.table * SCALE
    scaled[:, 2] = instance.table[:, 2]
    return _rounded(scaled)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(values).astype(np.int64)
