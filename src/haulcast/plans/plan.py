"""A plan: what was asked for, how far it is, and what was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MOST_SECONDS: Final = 600.0
USUAL_SECONDS: Final = 10.0


class PlanState(StrEnum):
    """How far a plan is. One that is `found` or `cancelled` with routes can be accepted."""

    WAITING = "waiting"
    RUNNING = "running"
    FOUND = "found"
    CANCELLED = "cancelled"
    FAILED = "failed"
    LOST = "lost"  # the hub ended in the middle of it
    ACCEPTED = "accepted"


UNFINISHED = (PlanState.WAITING, PlanState.RUNNING)


class Cause(StrEnum):
    """Why there is a plan."""

    ASKED = "asked"
    LATE = "late"
    CANCELLED_LOAD = "cancelled_load"


class Solver(StrEnum):
    """Who searches."""

    HAULCAST = "haulcast"
    PYVRP = "pyvrp"


@dataclass(frozen=True, slots=True)
class PlanAsk:
    """What somebody wants planned.

    Attributes:
        loads: ids of open loads; None: all that are open.
        vehicles: ids; None: all with a profile, or of those
        tags: the ones with any of these tags; empty: all.
        departs_ms: nobody starts before, UTC epoch; None: now.
        seconds: how long to search.
        seed: another one, another way through the same space.
        solver: who searches.
        replan: what these vehicles have on their routes and have not done is planned anew too.
        cause: why.
    """

    loads: tuple[str, ...] | None = None
    vehicles: tuple[str, ...] | None = None
    tags: tuple[str, ...] = ()
    departs_ms: int | None = None
    seconds: float = USUAL_SECONDS
    seed: int = 1
    solver: Solver = Solver.HAULCAST
    replan: bool = False
    cause: Cause = Cause.ASKED


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of a fleet, as it is stored.

    Attributes:
        plan_id: begins with the time it was made, so that ids are in the order of time.
        ask: as `plan_documents.document_of_ask` makes it.
        reason: why it failed, was lost or is not whole, in words.
        made_ms, began_ms, ended_ms, accepted_ms: UTC epoch; None: not yet.
        summary: figures of what was found; empty: nothing yet.
        result: routes, what is left out, what it saves, and what it was based on; None: nothing yet, or not read.
    """

    fleet: str
    plan_id: str
    ask: Mapping[str, Any]
    state: PlanState
    made_ms: int
    reason: str = ""
    began_ms: int | None = None
    ended_ms: int | None = None
    accepted_ms: int | None = None
    summary: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
