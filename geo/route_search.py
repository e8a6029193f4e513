"""Good routes for a whole task, in any time that there is. The face of `geo.kernels.route_search`.

    found = search(task, iterations=100_000, seed=1)
    found = search(task, seconds=1.0, clock=time.process_time, warm_start=found.routes)

With a budget of iterations the same task and seed give the same plan, everywhere. With one of seconds, as many as there is time for.
Each load alone is either carried in full by one vehicle or left out; the search runs in the calling thread without the GIL, and looks at
the clock and at `should_stop` every 10 ms or so.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.kernels import route_search as kernel
from geo.route_check import Timetable, timetable
from geo.route_left_out import LeftOut, why_left_out
from geo.route_plan import KernelTask, Routes, empty_plan, kernel_task, mended, routes_of, set_routes
from geo.route_task import NONE, RouteTask, loads_of, route_task, stops_of, vehicles_of

FIRST_TEMPERATURE, WARM_TEMPERATURE, LAST_TEMPERATURE = 0.25, 0.1, 0.02
"""In mean costs of a leg from anywhere to anywhere, which makes them the same for every unit; found on Solomon's instances. A warm start is not melted down."""

CHUNK_S = 0.01
CHUNK = 256
"""Iterations between two looks at `should_stop` when there is no clock."""
MOST_CHUNK = 100_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is.

    Attributes:
        share: of its budget, 0 to 1.
        iterations: so far.
        cost: of the best plan so far, with what is left out.
        left_out: how many loads are in no route of the plan in hand.
    """

    share: float
    iterations: int
    cost: float
    left_out: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found.

    Attributes:
        timetables: of each vehicle with stops.
        left_out: loads that are in no route, and why.
        cost: of all routes, and what it costs to leave out loads that may be.
        iterations: how many there were.
        is_stopped: `should_stop` ended it before its budget did.
    """

    timetables: tuple[Timetable, ...]
    left_out: tuple[LeftOut, ...]
    cost: float
    iterations: int
    is_stopped: bool

    @property
    def routes(self) -> dict[int, tuple[int, ...]]:
        """The stops in order, by vehicle."""
        return {table.vehicle: table.stops for table in self.timetables}


class SearchBudgetError(ValueError):
    """Neither iterations nor seconds with a clock, or both."""


def search(
    task: RouteTask,
    *,
    seed: int = 1,
    iterations: int | None = None,
    seconds: float | None = None,
    clock: Callable[[], float] | None = None,
    warm_start: Routes | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Found:
    """The best plan that the search finds.

    Args:
        task: what there is to do.
        seed: any number; another one, another way through the same space.
        iterations: the budget, or
        seconds: likewise, of `clock`.
        clock: seconds from any moment, of wall or of CPU time.
        warm_start: routes to begin with, by vehicle. Loads that break a limit there are taken out of them, and tried elsewhere.
        on_progress: called every `CHUNK` iterations or 10 ms.
        should_stop: asked as often; once it says yes, the best plan so far is returned.

    Raises:
        SearchBudgetError: not exactly one budget; seconds without a clock.
        RouteTaskError: the warm start has a vehicle or a stop that the task does not have.
    """
    budget = _Budget(iterations, seconds, clock)
    if len(task.loads.pickup) == 0 or len(task.vehicles.start) == 0:
        return _found(task, {}, 0, is_stopped=False)
    hunt = _Hunt(kernel_task(task), mended(task, warm_start or {}), seed)
    hunt.begin(FIRST_TEMPERATURE if not warm_start else WARM_TEMPERATURE)
    is_stopped = False
    while (share := budget.share(hunt.iterations)) < 1:
        if on_progress is not None:
            on_progress(hunt.progress(share))
        if is_stopped := should_stop is not None and should_stop():
            break
        hunt.go_on(share, budget.chunk)
    if on_progress is not None and not is_stopped:
        on_progress(hunt.progress(1.0))
    return _found(task, hunt.routes, hunt.iterations, is_stopped=is_stopped)


class _Budget:
    """Iterations or seconds; how much is used, and how far to go before the next look."""

    def __init__(
        self, iterations: int | None, seconds: float | None, clock: Callable[[], float] | None
    ) -> None:
        if (iterations is None) == (seconds is None):
            raise SearchBudgetError("one budget is needed: iterations, or seconds with a clock")
        if seconds is not None and clock is None:
            raise SearchBudgetError("a budget of seconds needs a clock")
        if min(iterations or 0, seconds or 0) < 0:
            raise SearchBudgetError("a budget is 0 or more")
        self._iterations, self._seconds, self._clock = iterations, seconds, clock
        self._began = self._last = clock() if clock is not None else 0.0
        self.chunk = CHUNK // 16 if seconds is not None else CHUNK

    def share(self, done: int) -> float:
        """How much is used up, from 0 to 1; the chunk fits what is left."""
        if self._iterations is not None:
            self.chunk = min(CHUNK, self._iterations - done)
            return min(1.0, done / self._iterations) if self._iterations else 1.0
        if self._clock is None or self._seconds is None:  # the constructor has checked
            return 1.0
        now = self._clock()
        took_s, left_s, self._last = now - self._last, self._began + self._seconds - now, now
        if took_s > 0 and done > 1:
            faster = min(CHUNK_S, max(left_s, 0.0)) / took_s
            self.chunk = max(1, min(int(self.chunk * min(faster, 4.0)), MOST_CHUNK))
        return 1.0 if left_s <= 0 else 1.0 - left_s / self._seconds


class _Hunt:
    """The kernels' arrays of one search."""

    def __init__(self, task: KernelTask, routes: Routes, seed: int) -> None:
        self._task = task
        self._plan, self._kept = empty_plan(task), empty_plan(task)
        for plan in (self._plan, self._kept):
            set_routes(task, plan, routes)
        loads, vehicles = len(task.task.loads), len(task.routes)
        served = self._plan.stops["load"][[stop for stops in routes.values() for stop in stops]]
        out = np.setdiff1d(np.arange(loads, dtype=np.int32), served)
        self._search = kernel.RouteSearch(
            random=np.array([_mixed(seed)], np.uint64),
            costs=np.zeros(2),
            counts=np.array([0, 0, len(out), len(out)]),
            out=np.zeros(loads, np.int32),
            kept_out=np.zeros(loads, np.int32),
            order=np.zeros(loads),
            is_touched=np.zeros(vehicles, np.bool_),
            is_tried=np.zeros(vehicles, np.bool_),
        )
        self._search.out[: len(out)] = self._search.kept_out[: len(out)] = out
        cost = self._plan.routes["cost"].sum() + task.task.loads["left_out_cost"][out].sum()
        self._search.costs[:] = cost
        self._best = np.ascontiguousarray(self._plan.stops["next"])
        self._first = self._last = 0.0

    @property
    def iterations(self) -> int:
        return int(self._search.counts[0])

    @property
    def routes(self) -> dict[int, list[int]]:
        return routes_of(self._task, self._best)

    def begin(self, first: float) -> None:
        """Make a first plan of what is out, and set the temperatures."""
        self._improve(1, 0.0)
        mean = _mean_leg(self._task)
        self._first, self._last = first * mean, LAST_TEMPERATURE * mean

    def go_on(self, share: float, iterations: int) -> None:
        """So many iterations, at the temperature of that share of the budget."""
        cooled = (self._last / self._first) ** share if self._first > 0 else 1.0
        self._improve(iterations, self._first * cooled)

    def progress(self, share: float) -> Progress:
        out = int(self._search.counts[kernel.OUT])
        return Progress(share, self.iterations, float(self._search.costs[1]), out)

    def _improve(self, iterations: int, temperature: float) -> None:
        kernel.improve(
            self._task.task, self._plan, self._kept, self._search, self._best, iterations, temperature
        )


def _mixed(seed: int) -> int:
    """A state of the random numbers in which near seeds are far apart (splitmix64, Steele 2014), and never 0."""
    z = (seed + 1) * 0x9E3779B97F4A7C15 % 2**64
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31 or 1


def _mean_leg(task: KernelTask) -> float:
    """The mean cost from the place of one stop to that of another."""
    count = len(task.stops) - 2 * len(task.routes)
    places = task.stops["place"][:count]
    costs = task.task.legs["cost"][:, places[:, None], places]
    known = costs[np.isfinite(costs) & (places[:, None] != places)[None]]
    return float(known.mean()) if len(known) else 0.0


def _found(task: RouteTask, routes: Routes, iterations: int, *, is_stopped: bool) -> Found:
    tables = tuple(timetable(task, vehicle, stops) for vehicle, stops in routes.items())
    served = task.load_of[[stop for stops in routes.values() for stop in stops]]
    out = np.setdiff1d(np.arange(len(task.loads.pickup)), served)
    left_out = tuple(why_left_out(task, int(load), routes.keys()) for load in out)
    may_leave: NDArray[np.float64] = task.loads.left_out_cost[out]
    cost = sum(table.cost for table in tables) + float(may_leave[np.isfinite(may_leave)].sum())
    return Found(tables, left_out, cost, iterations, is_stopped)


def warm_up() -> None:
    """Compile, or load from the cache, what `search` calls."""
    way = np.ones((3, 3))
    stops = stops_of([1, 2, 1, 2])
    loads = loads_of([0, 2, NONE], [1, NONE, 3])
    task = route_task(stops, loads, vehicles_of([0], [0], break_after_s=9.0, cost_per_s=1.0), way, way)
    search(task, iterations=2, warm_start={0: (0, 1)})
