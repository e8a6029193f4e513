"""Asks for plans and plans as JSON."""

from typing import Any, Final, cast

from haulcast.doors.request_fields import checked_id, checked_object, checked_tags
from haulcast.doors.time_fields import LEAST_MS, MOST_MS, time_of
from haulcast.errors import RequestError, TooLargeError
from haulcast.plans.plan import MOST_SECONDS, USUAL_SECONDS, Plan, PlanAsk, PlanState, Solver
from haulcast.plans.plan_task import MOST_ERRANDS, MOST_VEHICLES

MOST_SEED: Final = 2**53
_KNOWN: Final = frozenset({"loads", "vehicles", "departs", "seconds", "seed", "solver", "replan"})
_SELECTION: Final = frozenset({"ids", "tags"})


def ask_of_document(document: Any, most_seconds: float = MOST_SECONDS) -> PlanAsk:
    """What somebody asks for.

    Raises:
        RequestError: a member that is unknown, or has a value that is not allowed.
        TooLargeError: more loads or vehicles than can be planned at once.
    """
    given = {
        name: value
        for name, value in checked_object(document, "the body", _KNOWN).items()
        if value is not None
    }
    vehicles = checked_object(given.get("vehicles", {}), "vehicles", _SELECTION)
    if vehicles.get("ids") is not None and vehicles.get("tags") is not None:
        raise RequestError(
            "wrong_type", "vehicles has ids and tags; allowed is one of them", field="vehicles"
        )
    tags = vehicles.get("tags")
    solver = given.get("solver", Solver.HAULCAST.value)
    if solver not in list(Solver):
        allowed = ", ".join(Solver)
        raise RequestError(
            "out_of_range", f"solver is {str(solver)[:80]!r}; allowed are {allowed}", field="solver"
        )
    return PlanAsk(
        loads=_ids(given.get("loads"), "loads", MOST_ERRANDS),
        vehicles=_ids(vehicles.get("ids"), "vehicles.ids", MOST_VEHICLES),
        tags=() if tags is None else checked_tags(tags, "vehicles.tags"),
        departs_ms=_time(given["departs"]) if "departs" in given else None,
        seconds=_number(given.get("seconds", min(USUAL_SECONDS, most_seconds)), "seconds", 0.1, most_seconds),
        seed=int(_number(given.get("seed", 1), "seed", 0, MOST_SEED, is_whole=True)),
        solver=Solver(solver),
        replan=_flag(given.get("replan", False), "replan"),
    )


def document_of_ask(ask: PlanAsk) -> dict[str, Any]:
    """An ask as it is kept and goes out."""
    said: dict[str, Any] = {
        "seconds": ask.seconds,
        "seed": ask.seed,
        "solver": ask.solver.value,
        "replan": ask.replan,
        "cause": ask.cause.value,
    }
    if ask.loads is not None:
        said["loads"] = list(ask.loads)
    if ask.vehicles is not None or ask.tags:
        said["vehicles"] = {"tags": list(ask.tags)} if ask.tags else {"ids": list(ask.vehicles or ())}
    return said if ask.departs_ms is None else {**said, "departs": ask.departs_ms}


def document_of_plan(plan: Plan, *, is_short: bool = False) -> dict[str, Any]:
    """A plan as it goes out; a short one, as in a list, without its routes."""
    said: dict[str, Any] = {
        "id": plan.plan_id,
        "state": plan.state.value,
        "ask": plan.ask,
        "made": plan.made_ms,
    }
    times = {"began": plan.began_ms, "ended": plan.ended_ms, "accepted": plan.accepted_ms}
    said |= {name: time_ms for name, time_ms in times.items() if time_ms is not None}
    if plan.reason:
        said["reason"] = plan.reason
    if plan.summary:
        said["summary"] = plan.summary
    if plan.result and not is_short:
        said |= {name: plan.result[name] for name in ("routes", "unassigned")}
    return said


def can_be_accepted(plan: Plan) -> bool:
    """Whether there is something to accept that was not accepted yet."""
    return plan.state in (PlanState.FOUND, PlanState.CANCELLED) and plan.summary is not None


def _ids(value: Any, field: str, most: int) -> tuple[str, ...] | None:
    if value is None or value == "open":
        return None
    if not isinstance(value, list):
        raise RequestError("wrong_type", f"{field} has to be a list of ids", field=field)
    if len(value) > most:
        reason = f"{field} has {len(value)} ids; allowed are {most}: plan fewer at a time"
        raise TooLargeError("plan_too_large", reason, field=field)
    return tuple(dict.fromkeys(checked_id(one, field) for one in value))


def _time(value: Any) -> int:
    if isinstance(value, str):
        return time_of(value, "departs")
    if isinstance(value, int) and not isinstance(value, bool) and LEAST_MS <= value <= MOST_MS:
        return value
    allowed = "ISO 8601 with Z or an offset, or milliseconds since 1970"
    raise RequestError("bad_time", f"departs is {str(value)[:80]!r}; allowed is {allowed}", field="departs")


def _number(value: Any, field: str, least: float, most: float, *, is_whole: bool = False) -> float:
    is_number = isinstance(value, int) if is_whole else isinstance(value, int | float)
    if not is_number or isinstance(value, bool) or not least <= value <= most:
        kind = "a whole number" if is_whole else "a number"
        reason = f"{field} is {str(value)[:80]!r}; allowed is {kind} from {least:g} to {most:g}"
        raise RequestError("out_of_range", reason, field=field)
    return cast("float", value)


def _flag(value: Any, field: str) -> bool:
    if not isinstance(value, bool):
        raise RequestError(
            "wrong_type", f"{field} is {str(value)[:80]!r}; allowed are true and false", field=field
        )
    return value
