"""What is asked of dispatching, and what it answers, as JSON documents. Times are milliseconds since 1970."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from haulcast.dispatch.assignment import Assignment, LeftOut, Placed
from haulcast.dispatch.fleets import Asked, Selected
from haulcast.dispatch.recommending import Driver, End, Recommendation
from haulcast.dispatch.refusing import Refusal
from haulcast.doors.request_fields import checked_id, checked_object, checked_tags
from haulcast.errors import RequestError
from haulcast.routes.load import Load
from haulcast.routes.load_documents import load_of_document

MOST_DRIVERS: Final = 50
USUAL_DRIVERS: Final = 5
MOST_IDS: Final = 5_000
MOST_VEHICLES: Final = 1_000
MOST_TAGS: Final = 100
NEW_LOAD: Final = "new"
"""The id of a load that is asked about without one."""


@dataclass(frozen=True, slots=True)
class WhoShould:
    """`/v1/dispatch/recommend`: a load, or its id, and who is asked."""

    load: Load | str
    most: int
    selected: Selected | None


@dataclass(frozen=True, slots=True)
class Assign:
    """`/v1/dispatch/assign`: ids of loads, None for all open ones; whether it counts; who is asked."""

    loads: tuple[str, ...] | None
    commit: bool
    selected: Selected | None


def recommend_asked(document: Any, fleet: str) -> WhoShould:
    """Read a request.

    Raises:
        RequestError: a missing, unknown or wrong member.
    """
    members = _stated(document, "body", frozenset({"load", "k", "vehicles"}))
    load = members.get("load")
    if load is None:
        raise RequestError("missing_field", "load is missing: an id, or a whole load", field="load")
    most = members.get("k", USUAL_DRIVERS)
    if isinstance(most, bool) or not isinstance(most, int):
        raise RequestError("wrong_type", "k has to be a whole number", field="k")
    if not 1 <= most <= MOST_DRIVERS:
        raise RequestError("out_of_range", f"k is {most}; allowed is 1 to {MOST_DRIVERS}", field="k")
    if isinstance(load, dict):
        asked: Load | str = load_of_document(load, fleet, None if load.get("id") is not None else NEW_LOAD)
    else:
        asked = checked_id(load, "load")
    return WhoShould(asked, most, _selected(members.get("vehicles")))


def assign_asked(document: Any) -> Assign:
    """Read a request.

    Raises:
        RequestError: a missing, unknown or wrong member.
    """
    members = _stated(document, "body", frozenset({"loads", "commit", "vehicles"}))
    loads, commit = members.get("loads"), members.get("commit", False)
    if loads is None:
        raise RequestError("missing_field", "loads is missing: ids, or open for all that are", field="loads")
    if loads != "open" and not (isinstance(loads, list) and 1 <= len(loads) <= MOST_IDS):
        reason = f"loads has to be open, or a list of 1 to {MOST_IDS} ids"
        raise RequestError("bad_ids", reason, field="loads")
    if not isinstance(commit, bool):
        raise RequestError("wrong_type", "commit has to be true or false", field="commit")
    ids = None if loads == "open" else tuple(dict.fromkeys(checked_id(one, "loads") for one in loads))
    return Assign(ids, commit, _selected(members.get("vehicles")))


def shown_recommendation(asked: Asked, load_id: str, found: Recommendation) -> dict[str, Any]:
    """The best drivers, or why there is none."""
    answer: dict[str, Any] = {
        "load": load_id,
        "at": asked.now_ms,
        **_asked(asked),
        "drivers": [_driver(one) for one in found.drivers],
    }
    if not found.drivers:
        answer["refused"] = found.refused
        answer["nearest"] = [_refusal(one) for one in found.nearest]
    return answer


def shown_assignment(
    asked: Asked, found: Assignment, one_ended: list[LeftOut], *, committed: bool
) -> dict[str, Any]:
    """Who gets what, and who nothing."""
    return {
        "at": asked.now_ms,
        **_asked(asked),
        "committed": committed,
        "assigned": [_placed(one) for one in found.placed],
        "unassigned": [{"load": one.load, "why": one.why, "refused": one.refused} for one in (*found.left_out, *one_ended)],
        "routes": [route.route_id for route in found.routes],
    }  # fmt: skip


def _stated(document: Any, what: str, known: frozenset[str]) -> Mapping[str, Any]:
    return {name: one for name, one in checked_object(document, what, known).items() if one is not None}


def _selected(given: Any) -> Selected | None:
    if given is None:
        return None
    members = _stated(given, "vehicles", frozenset({"ids", "tags"}))
    ids, tags = members.get("ids", []), members.get("tags", [])
    if not isinstance(ids, list) or len(ids) > MOST_VEHICLES:
        reason = f"vehicles.ids has to be a list of at most {MOST_VEHICLES} ids"
        raise RequestError("bad_ids", reason, field="vehicles.ids")
    if not ids and not tags:
        reason = "vehicles names no id and no tag; without it all vehicles are asked"
        raise RequestError("missing_field", reason, field="vehicles")
    return Selected(
        frozenset(checked_id(one, "vehicles.ids") for one in ids),
        frozenset(checked_tags(tags, "vehicles.tags", MOST_TAGS)),
    )


def _asked(asked: Asked) -> dict[str, Any]:
    return {"asked": int(asked.is_asked.sum()), "not_asked": asked.not_asked}


def _driver(driver: Driver) -> dict[str, Any]:
    found = driver.insertion
    slack = {} if found.slack_s == float("inf") else {"slack_left_s": round(found.slack_s), "slack_eaten_s": round(found.slack_eaten_s)}  # fmt: skip
    return {
        "vehicle": driver.vehicle,
        **({"route": driver.route} if driver.route else {}),
        "pickup": _end(driver.pickup, driver.pickup_after),
        "delivery": _end(driver.delivery, driver.delivery_after),
        "extra_m": round(found.extra_m),
        "extra_s": round(found.extra_s),
        "cost": round(found.cost, 3),
        **slack,
        **({} if driver.availability is None else {"availability": driver.availability}),
        "reasons": driver.reasons,
        "why": ", ".join(driver.reasons),
    }


def _end(end: End, after: str) -> dict[str, Any]:
    return {
        "eta": round(end.eta_s * 1000),
        "begins": round(end.begins_s * 1000),
        **({"after": after} if after else {}),
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
    stop = {"stop": refusal.stop} if refusal.stop else {}
    return {"vehicle": refusal.vehicle, "constraint": refusal.constraint, **stop, "why": refusal.words}


def _placed(placed: Placed) -> dict[str, Any]:
    return {
        "load": placed.load,
        "vehicle": placed.vehicle,
        "route": placed.route,
        "pickup": round(placed.pickup_s * 1000),
        "delivery": round(placed.delivery_s * 1000),
        "extra_m": round(placed.extra_m),
        "extra_s": round(placed.extra_s),
        "cost": round(placed.cost, 3),
    }
