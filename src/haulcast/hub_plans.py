"""The plans station as the hub has it: its jobs, what it serves over HTTP, and what plans routes anew."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from starlette.routing import Route as HttpRoute

from geo.fence_events import Kind
from haulcast import clock
from haulcast.access.gate import Gate
from haulcast.database.pool import Database
from haulcast.doors.http_access import Verify
from haulcast.errors import NotFoundError
from haulcast.plans import plan_api
from haulcast.plans.plan import PlanAsk
from haulcast.plans.plan_jobs import Chosen, PlanJobs, PlanSurroundings, plan_jobs
from haulcast.plans.plan_scope import LatLon, Where
from haulcast.plans.plan_store_postgres import PostgresPlanStore
from haulcast.plans.replanning import Replanning
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.routes.route_edits import RouteEdits
from haulcast.routes.travel import Travel
from haulcast.settings import Settings
from haulcast.tracking.step import StepResult

FindVehicle = Callable[[str, str], Awaitable[object | None]]
"""What is on record of (fleet, vehicle), or None."""
TagsOf = Callable[[str, str], Collection[str]]
PositionOf = Callable[[str, str], dict[str, Any] | None]
TellPlan = Callable[[str, str, bytes], None]


@dataclass(frozen=True, slots=True)
class Planning:
    """Plans, and what hears of events.

    Attributes:
        jobs: the plans.
        replanning: None: it is off.
    """

    jobs: PlanJobs
    replanning: Replanning | None
    most_seconds: float

    def routes(self, verify: Verify) -> list[HttpRoute]:
        """`/v1/plans`."""
        return plan_api.routes(self.jobs, verify, self.most_seconds)

    def on_step(self, result: StepResult, rows: VehicleRows) -> None:
        """Hear which vehicles' stops will be late."""
        if self.replanning is None or not len(result.events):
            return
        for row in np.unique(result.events.row[result.events.kind == Kind.LATE_RISK]).tolist():
            self.replanning.late(rows.fleet_of(row), rows.vehicle_of[row])


@asynccontextmanager
async def planning(
    settings: Settings,
    database: Database,
    gate: Gate,
    edits: RouteEdits,
    travel: Travel,
    *,
    position_of: PositionOf,
    tags_of: TagsOf,
    find_vehicle: FindVehicle,
    tell: TellPlan,
) -> AsyncIterator[Planning]:
    """Plans for the time of the block.

    Args:
        settings: how many at once, how long, and whether routes are planned anew by themselves.
        database: where plans are kept.
        gate: writes down what the hub does by itself.
        edits: publishes routes.
        travel: knows how long ways take.
        position_of: the newest fix of (fleet, vehicle).
        tags_of: the tags of (fleet, vehicle).
        find_vehicle: what is on record of (fleet, vehicle).
        tell: tells a fleet's live subscribers of (fleet, plan id, frame).

    Raises:
        StoreError: the database cannot be reached.
    """

    def where(fleet: str, vehicle: str) -> LatLon | None:
        fix = position_of(fleet, vehicle)
        return None if fix is None else (fix["lat"], fix["lon"])

    async def record(fleet: str, plan_id: str, routes: Sequence[str]) -> None:
        await gate.hub_did(fleet, f"replan {plan_id}", ", ".join(routes))

    around = PlanSurroundings(
        edits=edits, travel=travel, where=where, chosen=_chooser(edits, where, tags_of, find_vehicle),
        tell=lambda fleet, plan_id, said: tell(fleet, plan_id, orjson.dumps({"type": "plan", "plan": plan_id, **said})),
        now_ms=clock.epoch_ms, clock_s=clock.monotonic_s, new_id=lambda: secrets.token_hex(4),
    )  # fmt: skip
    async with plan_jobs(PostgresPlanStore(database), around, settings.plans_at_once) as jobs:
        replanning = None
        if settings.replan == "on":
            replanning = Replanning(jobs, edits.book, where, settings.replan_saves, record, clock.monotonic_s)
        try:
            yield Planning(jobs, replanning, settings.plan_search_s)
        finally:
            if replanning is not None:
                await replanning.stop()


def _chooser(edits: RouteEdits, where: Where, tags_of: TagsOf, find_vehicle: FindVehicle) -> Chosen:
    """Finds the vehicles of an ask."""

    async def chosen(fleet: str, ask: PlanAsk) -> Sequence[str]:
        described = sorted(edits.book.profiled(fleet))
        if ask.vehicles is None:
            wanted = set(ask.tags)
            return [one for one in described if not wanted or wanted & set(tags_of(fleet, one))]
        for vehicle in set(ask.vehicles) - set(described):
            if where(fleet, vehicle) is None and await find_vehicle(fleet, vehicle) is None:
                reason = f"there is no vehicle {vehicle!r} in this fleet"
                raise NotFoundError("no_such_vehicle", reason, field="vehicles")
        return ask.vehicles

    return chosen
