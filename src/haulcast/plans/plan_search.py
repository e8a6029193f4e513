"""The search of one plan, in a thread: twice where what is on the road cannot be in time, and beside it what people would do without one.

What is on a route already is never dropped to save a window. If the rest of the old routes keeps all limits, or the search finds a way that does, that is
the plan. Else the limits are eased as far as the old routes break them, so that the plan is late nowhere later than they are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from geo.route_baselines import by_nearest_neighbour, in_arrival_order
from geo.route_check import Timetable, broken_limits, timetable
from geo.route_plan import Routes
from geo.route_search import Found, Progress, search
from geo.route_task import RouteTask
from haulcast.plans.plan import PlanAsk, Solver
from haulcast.plans.plan_task import PlanTask, eased
from haulcast.plans.pyvrp_search import pyvrp_routes

FIRST_SHARE: Final = 0.5
"""Of the budget, for a plan that keeps all limits where the old routes do not."""

MANY: Final = 300
"""With more loads the search begins with the nearest-neighbour plan: to insert each where it costs least takes seconds where routes are long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTools:
    """What a search is given: seconds of any clock, somebody to hear of its progress, and when to stop."""

    clock_s: Callable[[], float]
    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Figures:
    """What some routes come to.

    Attributes:
        distance_m, duration_s, cost: of all; duration from the start of each to its end.
        late_s: past the end of windows, in all.
        left_out: loads in no route.
    """

    distance_m: float
    duration_s: float
    cost: float
    late_s: float
    left_out: int


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """What was found.

    Attributes:
        found: the plan.
        task: that it keeps the limits of.
        is_eased: that is not the one that was asked, but the eased one.
        figures: of the plan.
        beside: of other plans, by name.
    """

    found: Found
    task: RouteTask
    is_eased: bool
    figures: Figures
    beside: dict[str, Figures]


def search_plan(planned: PlanTask, ask: PlanAsk, tools: SearchTools) -> PlanAnswer:
    """Search. Blocks for as long as it was asked to: call it in a thread.

    Raises:
        RequestError: the solver cannot be had, or cannot express the task.
    """
    task, old = planned.task, planned.old
    if ask.solver is Solver.PYVRP:
        theirs = pyvrp_routes(task, ask.seconds, ask.seed, tools.clock_s, tools.should_stop)
        found = replace(search(task, iterations=0, warm_start=theirs), is_stopped=tools.should_stop())
        is_eased = False
    else:
        found, task, is_eased = _searched(planned, ask, tools)
    others: dict[str, Routes] = {"old_routes": old} if old else {}
    if not tools.should_stop():
        order = np.argsort(_opens_s(task), kind="stable").tolist()
        others["arrival_order"] = in_arrival_order(task, order)
        others["nearest_neighbour"] = by_nearest_neighbour(task)
    beside = {name: figures_of(planned.task, task, routes) for name, routes in others.items()}
    for name, routes in others.items():
        if beside[name].left_out == 0 and beside[name].cost < found.cost and not broken_limits(task, routes):
            found = _from(task, routes, found)
    return PlanAnswer(found, task, is_eased, figures_of(planned.task, task, found.routes), beside)


def _from(task: RouteTask, routes: Routes, found: Found) -> Found:
    """These routes, which a search of too short a time did not beat."""
    better = search(task, iterations=0, warm_start=routes)
    return replace(better, iterations=found.iterations, is_stopped=found.is_stopped)


def _searched(planned: PlanTask, ask: PlanAsk, tools: SearchTools) -> tuple[Found, RouteTask, bool]:
    task, old = planned.task, planned.old
    is_sound = not broken_limits(task, old)
    start = by_nearest_neighbour(task) if not old and len(task.loads.pickup) > MANY else old
    found = _search(task, ask, tools, start, 0.0, 1.0 if is_sound else FIRST_SHARE)
    if is_sound or not _is_promise_broken(planned, found):
        return found, task, False
    wider = eased(task, old)
    if found.is_stopped:
        return replace(search(wider, iterations=0, warm_start=old), is_stopped=True), wider, True
    return _search(wider, ask, tools, old, FIRST_SHARE, 1.0), wider, True


def _search(
    task: RouteTask, ask: PlanAsk, tools: SearchTools, start: Routes, share_from: float, share_to: float
) -> Found:
    def on_progress(progress: Progress) -> None:
        share = share_from + progress.share * (share_to - share_from)
        tools.on_progress(Progress(share, progress.iterations, progress.cost, progress.left_out))

    return search(
        task,
        seed=ask.seed,
        seconds=ask.seconds * (share_to - share_from),
        clock=tools.clock_s,
        warm_start=start,
        on_progress=on_progress,
        should_stop=tools.should_stop,
    )


def _is_promise_broken(planned: PlanTask, found: Found) -> bool:
    errands = planned.outline.scope.errands
    return any(errands[one.load].is_promised for one in found.left_out)


def _opens_s(task: RouteTask) -> NDArray[np.float64]:
    """When each load is there: its first window opens."""
    opens_s: NDArray[np.float64] = task.stops.opens_s[
        np.where(task.loads.pickup >= 0, task.loads.pickup, task.loads.delivery)
    ]
    return opens_s


def figures_of(asked: RouteTask, task: RouteTask, routes: Routes) -> Figures:
    """What routes come to: by the times of `task`, late by the windows of `asked`."""
    tables = [timetable(task, vehicle, stops) for vehicle, stops in routes.items() if len(stops)]
    served = {int(task.load_of[stop]) for table in tables for stop in table.stops}
    return Figures(
        sum(table.distance_m for table in tables),
        sum(table.end_s - table.start_s for table in tables),
        sum(table.cost for table in tables),
        sum(sum(late_of(asked, table)) for table in tables),
        len(task.loads.pickup) - len(served),
    )


def late_of(asked: RouteTask, table: Timetable) -> list[float]:
    """How late a vehicle is at each stop, seconds."""
    closes_s = asked.stops.closes_s[list(table.stops)].tolist()
    late_s = [
        max(0.0, arrive_s - close_s) for arrive_s, close_s in zip(table.arrive_s, closes_s, strict=True)
    ]
    return [seconds if seconds > 1e-3 else 0.0 for seconds in late_s]  # sums in another order differ by less
