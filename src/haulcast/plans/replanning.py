"""Routes planned anew while they are driven: after a stop that will be late, or a load that was cancelled.

The vehicle and those near it are planned together, with all that is done frozen and the rest of their routes to begin with. What comes out is published only
when it is worth that drivers are told something else: less late, or cheaper by a threshold.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import cos, radians
from typing import Any, Final, Protocol

import structlog

from haulcast.errors import ConflictError, HaulcastError
from haulcast.plans.plan import Cause, Plan, PlanAsk, PlanState
from haulcast.plans.plan_scope import Where
from haulcast.routes.route import Route, RouteStatus, StopState
from haulcast.routes.route_book import RouteBook

SECONDS: Final = 2.0
GATHER_S: Final = 2.0
"""Stops that turn late together are planned together."""
AGAIN_S: Final = 300.0
"""A vehicle is not planned anew more often than that."""
COMPANY: Final = 3
"""Vehicles near the one in question that are planned with it, so that they can take something over."""
LESS_LATE_S: Final = 60.0
TRIES: Final = 3

_log = structlog.get_logger("haulcast.plans")


class Planner(Protocol):
    """As much of `PlanJobs` as this needs."""

    async def begin(self, fleet: str, ask: PlanAsk) -> Plan:
        """See `PlanJobs`."""

    async def finished(self, fleet: str, plan_id: str) -> Plan:
        """See `PlanJobs`."""

    async def accept(self, fleet: str, plan_id: str) -> tuple[Plan, Sequence[Route]]:
        """See `PlanJobs`."""


Record = Callable[[str, str, Sequence[str]], Awaitable[None]]
"""Writes down that (fleet, plan, routes) were planned anew."""


def is_worth(summary: Mapping[str, Any], threshold: float) -> bool:
    """Whether a new plan is so much better than what was to be driven: less late, or as late and cheaper by the threshold.

    What the old routes would carry and the new plan would not outweighs everything.
    """
    old = summary["savings"].get("old_routes")
    if old is None or summary["left_out"] > old["left_out"]:
        return False
    late_s = old["late_s"] - summary["late_s"]
    if late_s >= LESS_LATE_S:
        return True
    return bool(late_s >= 0.0 and old["cost"] - summary["cost"] > threshold)


class Replanning:
    """Hears what happens, and plans anew what it concerns.

    Args:
        planner: plans.
        book: whose routes.
        where: vehicles are.
        threshold: what a new plan has to save, in the fleet's currency.
        record: writes it down.
        clock_s: seconds of any clock.
    """

    def __init__(
        self, planner: Planner, book: RouteBook, where: Where, threshold: float, record: Record, clock_s: Callable[[], float]
    ) -> None:  # fmt: skip
        self._planner = planner
        self._book = book
        self._where = where
        self._threshold = threshold
        self._record = record
        self._clock_s = clock_s
        self._waiting: dict[str, dict[str, Cause]] = {}
        self._planned_s: dict[tuple[str, str], float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._skipped = {(route.fleet, route.vehicle): _skipped(route) for route in book.all_active()}
        book.listeners.append(self._on_route)

    def late(self, fleet: str, vehicle: str) -> None:
        """A stop of the vehicle's route will be late."""
        self._hear(fleet, vehicle, Cause.LATE)

    def _on_route(self, fleet: str, vehicle: str) -> None:
        """A vehicle's active route is another: when stops of it were cancelled, the rest may be driven better."""
        route, before = self._book.active(fleet, vehicle), self._skipped.pop((fleet, vehicle), None)
        if route is None:
            return
        now = self._skipped[fleet, vehicle] = _skipped(route)
        if before is not None and before[0] == now[0] and now[1] > before[1] and route.ahead:
            self._hear(fleet, vehicle, Cause.CANCELLED_LOAD)

    async def stop(self) -> None:
        """Plan nothing more."""
        self._book.listeners.remove(self._on_route)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hear(self, fleet: str, vehicle: str, cause: Cause) -> None:
        planned_s = self._planned_s.get((fleet, vehicle), float("-inf"))
        if cause is Cause.LATE and self._clock_s() - planned_s < AGAIN_S:
            return
        self._waiting.setdefault(fleet, {})[vehicle] = cause
        if fleet not in self._tasks:
            self._tasks[fleet] = asyncio.create_task(self._serve(fleet))

    async def _serve(self, fleet: str) -> None:
        """Plan what waits, until nothing does."""
        try:
            while self._waiting.get(fleet):
                await asyncio.sleep(GATHER_S)
                causes = self._waiting.pop(fleet)
                try:
                    for _ in range(TRIES):
                        if await self._did_plan(fleet, causes):
                            break
                except HaulcastError as error:
                    _log.warning("not_replanned", fleet=fleet, reason=error.reason)
                except Exception:  # noqa: BLE001  logged; the next ones are to be planned
                    _log.exception("not_replanned", fleet=fleet)
        finally:
            del self._tasks[fleet]

    async def _did_plan(self, fleet: str, causes: Mapping[str, Cause]) -> bool:
        """False: routes were changed meanwhile, by an arrival for one."""
        concerned = [vehicle for vehicle in causes if self._book.active(fleet, vehicle) is not None]
        if not concerned:
            return True
        now_s = self._clock_s()
        self._planned_s = {who: at_s for who, at_s in self._planned_s.items() if now_s - at_s < AGAIN_S}
        self._planned_s |= {(fleet, vehicle): now_s for vehicle in concerned}
        vehicles = tuple(dict.fromkeys([*concerned, *self._company(fleet, concerned)]))
        ask = PlanAsk(loads=(), vehicles=vehicles, seconds=SECONDS, replan=True, cause=causes[concerned[0]])
        plan = await self._planner.begin(fleet, ask)
        plan = await self._planner.finished(fleet, plan.plan_id)
        said = {"fleet": fleet, "plan": plan.plan_id, "cause": ask.cause.value, "vehicles": list(vehicles)}
        if plan.state is not PlanState.FOUND or plan.summary is None:
            _log.warning("not_replanned", **said, reason=plan.reason)
        elif not is_worth(plan.summary, self._threshold):
            _log.info("replan_not_worth_it", **said, threshold=self._threshold)
        else:
            try:
                _, routes = await self._planner.accept(fleet, plan.plan_id)
            except ConflictError as error:
                _log.info("replan_outdated", **said, reason=error.reason)
                return False
            await self._record(fleet, plan.plan_id, [route.route_id for route in routes])
            _log.info(
                "plan_replanned",
                **said,
                routes=len(routes),
                late_s=plan.summary["late_s"],
                cost=plan.summary["cost"],
            )
        return True

    def _company(self, fleet: str, concerned: Sequence[str]) -> list[str]:
        """The nearest others that drive a route."""
        centres = [where for vehicle in concerned if (where := self._where(fleet, vehicle)) is not None]
        others = []
        for route in self._book.routes(fleet):
            place = self._where(fleet, route.vehicle)
            if (
                route.status is RouteStatus.ACTIVE
                and route.vehicle not in concerned
                and place is not None
                and centres
            ):
                others.append((min(_apart(place, centre) for centre in centres), route.vehicle))
        return [vehicle for _, vehicle in sorted(others)[:COMPANY]]


def _skipped(route: Route) -> tuple[str, int]:
    return route.route_id, sum(stop.state is StopState.SKIPPED for stop in route.stops)


def _apart(a: tuple[float, float], b: tuple[float, float]) -> float:
    """By which places can be put in order of their distance, in degrees; the way round the world counts."""
    east = abs(a[1] - b[1])
    return (a[0] - b[0]) ** 2 + (min(east, 360.0 - east) * cos(radians((a[0] + b[0]) / 2))) ** 2
