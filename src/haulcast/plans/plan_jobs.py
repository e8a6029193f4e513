"""Plans being searched: one at a time for each fleet, and so many at once in all, in threads of their own.

What a fleet hears of it, and what is stored, comes from the event loop's thread; a search's thread only reports and is told to stop.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import structlog

from geo.route_search import Progress
from haulcast.errors import ConflictError, HaulcastError, NotFoundError, RateError, StoreError
from haulcast.plans.accepting import RoutePublisher, accept
from haulcast.plans.plan import UNFINISHED, Plan, PlanAsk, PlanState
from haulcast.plans.plan_documents import document_of_ask
from haulcast.plans.plan_result import result_of, summary_of
from haulcast.plans.plan_scope import Where, freed, scope_of
from haulcast.plans.plan_search import SearchTools, search_plan
from haulcast.plans.plan_store import PlanStore
from haulcast.plans.plan_task import PlanOutline, outline_of, task_of
from haulcast.routes.route import Route
from haulcast.routes.travel import Travel

MOST_WAITING: Final = 10  # plans of a fleet that are not finished
TELL_EVERY_S: Final = 0.25
STORE_AGAIN_S: Final = 1.0
KEPT_MS: Final = 30 * 86_400_000
STOP_S: Final = 5.0
NEVER_BEGAN: Final = {"state": PlanState.CANCELLED, "reason": "cancelled before its turn came"}
LOST: Final = "the hub ended before the plan was found; ask again"

_log = structlog.get_logger("haulcast.plans")

Chosen = Callable[[str, PlanAsk], Awaitable[Sequence[str]]]
"""The vehicles of (fleet, ask); raises NotFoundError for one that is not there."""
Tell = Callable[[str, str, dict[str, Any]], None]
"""Tells a fleet's live subscribers of (fleet, plan id, what there is to say)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSurroundings:
    """What plans stand on."""

    edits: RoutePublisher
    travel: Travel
    where: Where
    chosen: Chosen
    tell: Tell
    now_ms: Callable[[], int]
    clock_s: Callable[[], float]
    new_id: Callable[[], str]


@dataclass(slots=True, eq=False)
class _Job:
    """A plan that is not finished, or not stored yet."""

    plan: Plan
    ask: PlanAsk
    task: asyncio.Task[None] | None = None
    is_stopping: bool = False
    told_s: float = field(default=float("-inf"))


class PlanJobs:
    """Asks for plans, in the order in which they came.

    Args:
        store: where plans are kept.
        around: what they stand on.
        at_once: searches at the same time, of all fleets.
    """

    def __init__(self, store: PlanStore, around: PlanSurroundings, at_once: int) -> None:
        self.store = store
        self._around = around
        self._threads = ThreadPoolExecutor(at_once, "haulcast-plan")
        self._room = asyncio.Semaphore(at_once)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._jobs: dict[tuple[str, str], _Job] = {}
        self._accepting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._is_over = False

    async def begin(self, fleet: str, ask: PlanAsk) -> Plan:
        """A new plan, waiting for its turn.

        Raises:
            RateError: the fleet has as many unfinished plans as it may.
            ClientError: the ask cannot be planned as it is.
        """
        await self._outline(fleet, ask)
        unfinished = sum(whose == fleet for whose, _ in self._jobs)
        if unfinished >= MOST_WAITING:
            reason = f"the fleet has {unfinished} plans that are not finished; allowed are {MOST_WAITING}"
            raise RateError("too_many_plans", reason, retry_s=max(1.0, ask.seconds))
        now_ms = self._around.now_ms()
        plan_id = f"{now_ms:012x}-{self._around.new_id()}"
        plan = Plan(fleet, plan_id, document_of_ask(ask), PlanState.WAITING, now_ms)
        job = self._jobs[fleet, plan_id] = _Job(plan, ask)
        try:
            await self.store.put(plan)
            await self.store.forget(fleet, now_ms - KEPT_MS)
        except BaseException:
            del self._jobs[fleet, plan_id]
            raise
        if not job.is_stopping:  # else somebody was quick to cancel it
            self._tell(job, {"state": plan.state.value})
            job.task = asyncio.create_task(self._run(job))
        return job.plan

    async def cancel(self, fleet: str, plan_id: str) -> Plan:
        """Stop a plan; it is over when this returns, and has what was found so far.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is finished.
        """
        job = self._jobs.get((fleet, plan_id))
        if job is None or job.plan.state not in UNFINISHED:
            plan = await self.find(fleet, plan_id)
            raise ConflictError(
                "plan_finished",
                f"plan {plan_id!r} is {plan.state}; only one that is not finished can be cancelled",
            )
        job.is_stopping = True
        if job.task is not None:
            if job.plan.state is PlanState.WAITING:
                job.task.cancel()
            await asyncio.wait([job.task])
        if job.plan.state in UNFINISHED:  # its task had not even begun
            await self._end(job, NEVER_BEGAN)
        return await self.find(fleet, plan_id)

    async def find(self, fleet: str, plan_id: str) -> Plan:
        """A plan as it is now.

        Raises:
            NotFoundError: there is none.
        """
        job = self._jobs.get((fleet, plan_id))
        plan = await self.store.find(fleet, plan_id) if job is None else job.plan
        if plan is None:
            raise NotFoundError("no_such_plan", f"there is no plan {plan_id!r} in this fleet")
        return plan

    async def page(self, fleet: str, before: str, limit: int) -> Sequence[Plan]:
        """See `PlanStore.page`; what is not stored yet is as it is now."""
        plans = await self.store.page(fleet, before, limit)
        return [job.plan if (job := self._jobs.get((fleet, plan.plan_id))) else plan for plan in plans]

    async def finished(self, fleet: str, plan_id: str) -> Plan:
        """A plan once it is finished."""
        job = self._jobs.get((fleet, plan_id))
        if job is not None and job.task is not None:
            await asyncio.wait([job.task])
        return await self.find(fleet, plan_id)

    async def accept(self, fleet: str, plan_id: str) -> tuple[Plan, Sequence[Route]]:
        """Put a plan in force.

        Raises:
            NotFoundError: there is none.
            ConflictError: see `accepting.accept`.
        """
        async with self._accepting[fleet]:
            plan = await self.find(fleet, plan_id)
            now_ms = self._around.now_ms()
            routes = await accept(self._around.edits, plan, now_ms)
            # a plan whose state is lost here cannot be accepted twice: its routes are at other editions now
            await self.store.mark_accepted(fleet, plan_id, now_ms)
        accepted = replace(plan, state=PlanState.ACCEPTED, accepted_ms=now_ms)
        self._around.tell(fleet, plan_id, {"state": accepted.state.value})
        return accepted, routes

    async def stop(self) -> None:
        """End all searches; the next start finds them lost."""
        self._is_over = True
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for job in self._jobs.values():
            job.is_stopping = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)

    async def _outline(self, fleet: str, ask: PlanAsk) -> PlanOutline:
        """What is to be planned, as the book is now; says what is too large, or cannot be."""
        around = self._around
        vehicles = await around.chosen(fleet, ask)
        times = around.travel.times(fleet)
        scope = scope_of(around.edits.book, fleet, ask, vehicles, around.where, around.now_ms())
        return await asyncio.to_thread(lambda: outline_of(freed(scope, times)))

    async def _run(self, job: _Job) -> None:
        fleet = job.plan.fleet
        try:
            async with self._turns[fleet], self._room:
                await self._become(job, state=PlanState.RUNNING, began_ms=self._around.now_ms())
                over: Mapping[str, Any] = await self._searched(job)
        except asyncio.CancelledError:
            if self._is_over or not job.is_stopping:
                raise
            over = NEVER_BEGAN
        except HaulcastError as error:
            over = {"state": PlanState.FAILED, "reason": error.reason}
        except Exception:  # noqa: BLE001  logged; the plan has failed, and says so
            _log.exception("plan_failed", fleet=fleet, plan=job.plan.plan_id)
            over = {
                "state": PlanState.FAILED,
                "reason": "something unforeseen happened; the log of the hub says what",
            }
        await self._end(job, over)

    async def _searched(self, job: _Job) -> dict[str, Any]:
        """What becomes of a plan whose turn has come."""
        around, fleet = self._around, job.plan.fleet
        outline = await self._outline(fleet, job.ask)
        lat_deg, lon_deg = outline.places.T.copy()
        ways = await around.travel.matrix(fleet, lat_deg, lon_deg, outline.scope.departs_ms)
        loop = asyncio.get_running_loop()
        tools = SearchTools(
            clock_s=around.clock_s,
            on_progress=lambda progress: self._report(loop, job, progress),
            should_stop=lambda: job.is_stopping,
        )

        def work() -> tuple[dict[str, Any], dict[str, Any]]:
            planned = task_of(outline, ways)
            answer = search_plan(planned, job.ask, tools)
            return summary_of(answer), result_of(job.plan.plan_id, planned, answer)

        summary, result = await loop.run_in_executor(self._threads, work)
        found = {"state": PlanState.FOUND, "summary": summary, "result": result}
        if not summary["is_stopped"]:
            return found
        return {
            **found,
            "state": PlanState.CANCELLED,
            "reason": "cancelled; this is what was found until then",
        }

    def _report(self, loop: asyncio.AbstractEventLoop, job: _Job, progress: Progress) -> None:
        """From the search's thread: tell the fleet now and then."""
        now_s = self._around.clock_s()
        if now_s - job.told_s >= TELL_EVERY_S:
            job.told_s = now_s
            said = {
                "share": round(progress.share, 3),
                "cost": round(progress.cost, 4),
                "left_out": progress.left_out,
            }
            loop.call_soon_threadsafe(self._tell, job, said)

    def _tell(self, job: _Job, said: dict[str, Any]) -> None:
        if "state" in said or job.plan.state is PlanState.RUNNING:
            state = {"state": job.plan.state.value}
            self._around.tell(job.plan.fleet, job.plan.plan_id, {**said, **state})

    async def _become(self, job: _Job, **changes: Any) -> None:
        job.plan = replace(job.plan, **changes)
        self._tell(job, {"state": job.plan.state.value})
        await self.store.put(job.plan)

    async def _end(self, job: _Job, over: Mapping[str, Any]) -> None:
        """Finish a plan; while the store is away it is kept here."""
        job.plan = replace(job.plan, ended_ms=self._around.now_ms(), **over)
        while True:
            try:
                await self.store.put(job.plan)
                break
            except StoreError as error:
                _log.warning("plan_not_stored_yet", plan=job.plan.plan_id, reason=error.reason)
                await asyncio.sleep(STORE_AGAIN_S)
        del self._jobs[job.plan.fleet, job.plan.plan_id]
        self._tell(job, {"state": job.plan.state.value})


@asynccontextmanager
async def plan_jobs(store: PlanStore, around: PlanSurroundings, at_once: int) -> AsyncIterator[PlanJobs]:
    """Plans for the time of the block; those that the last run left unfinished are lost.

    Raises:
        StoreError: the store cannot be reached.
    """
    lost = await store.lose_unfinished(LOST, around.now_ms())
    if lost:
        _log.warning("plans_lost", plans=lost)
    jobs = PlanJobs(store, around, at_once)
    try:
        yield jobs
    finally:
        await jobs.stop()
