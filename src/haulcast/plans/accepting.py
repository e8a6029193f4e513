"""A plan put in force: its routes as the book holds them, published together or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from haulcast.errors import ConflictError, RequestError
from haulcast.plans.plan import Plan
from haulcast.plans.plan_documents import can_be_accepted
from haulcast.routes.load import LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind
from haulcast.routes.route_book import RouteBook
from haulcast.routes.stop_place import USUAL_RADIUS_M, StopPlace


class RoutePublisher(Protocol):
    """As much of `RouteEdits` as a plan needs."""

    book: RouteBook

    async def publish(
        self, fleet: str, routes: Sequence[Route], expected: Mapping[str, str], withdrawn: Sequence[str] = ()
    ) -> Sequence[Route]:
        """Write these routes and the states of their loads, and cancel what is withdrawn, in one transaction.

        Raises:
            ConflictError: a route is at another edition than expected; nothing was done.
        """


async def accept(edits: RoutePublisher, plan: Plan, now_ms: int) -> Sequence[Route]:
    """Put a plan in force.

    Raises:
        ConflictError: it has nothing to accept, was accepted already, or the book is no longer what it was based on; says which route or load.
    """
    if not can_be_accepted(plan) or plan.result is None:
        reason = f"plan {plan.plan_id!r} is {plan.state}; only one that was found, or cancelled with routes, can be accepted"
        raise ConflictError("plan_not_acceptable", reason)
    basis = plan.result["basis"]
    changed = list(_changed(edits.book, plan.fleet, basis))
    if changed:
        raise ConflictError(
            "plan_outdated", f"{'; '.join(changed[:10])}: since the plan was made; plan again"
        )
    routes = list(_routes_of(edits.book, plan, plan.result, now_ms))
    empty = [route.route_id for route in routes if not route.stops]
    withdrawn = [*basis["withdrawn"], *empty]
    published = [route for route in routes if route.stops]
    replaced = {*withdrawn, *(route.route_id for route in published)}
    expected = {route_id: edition for route_id, edition in basis["routes"].items() if route_id in replaced}
    try:
        return await edits.publish(plan.fleet, published, expected, withdrawn)
    except (ConflictError, RequestError) as error:  # a fence that a place names may be gone, too
        raise ConflictError("plan_outdated", f"{error.reason}; plan again") from error


def _changed(book: RouteBook, fleet: str, basis: Mapping[str, Any]) -> Iterator[str]:
    """What is no longer as the plan took it to be."""
    for route_id, edition in basis["routes"].items():
        route = book.route(fleet, route_id)
        if route is None or route.edition != edition:
            yield f"route {route_id!r} {'is over' if route is None else 'was changed'}"
    for vehicle, route_id in basis["active"].items():
        active = book.active(fleet, vehicle)
        if active is not None and active.route_id != route_id:
            yield f"vehicle {vehicle!r} drives route {active.route_id!r}"
    for load_id, edition in basis["loads"].items():
        load = book.load(fleet, load_id)
        if load is None or load.edition != edition:
            yield f"load {load_id!r} {'is over' if load is None else f'was changed and is {LoadStatus(load.status)}'}"


def _routes_of(book: RouteBook, plan: Plan, result: Mapping[str, Any], now_ms: int) -> Iterator[Route]:
    """The routes of the plan that are not as they were: what is frozen as the book has it, then the plan's stops."""
    for said in result["routes"]:
        stops = tuple(_stop_of(stop) for stop in said["stops"])
        old = None if said["is_new"] else book.route(plan.fleet, said["id"])
        if old is not None:
            frozen = set(said["frozen_stops"])
            whole = (*(stop for stop in old.stops if stop.stop_id in frozen), *stops)
            if [stop.stop_id for stop in whole] != [stop.stop_id for stop in old.stops]:
                status = RouteStatus.DONE if all(stop.is_over for stop in whole) else old.status
                yield replace(
                    old, stops=whole, status=status if whole else old.status, line=(), plan=plan.plan_id
                )
        elif stops:
            is_now = result["basis"]["departs"] <= now_ms
            status = RouteStatus(said["status"]) if is_now else RouteStatus.PLANNED
            yield Route(plan.fleet, said["id"], said["vehicle"], stops, status, plan=plan.plan_id)


def _stop_of(said: Mapping[str, Any]) -> RouteStop:
    place = StopPlace(
        said["lat"],
        said["lon"],
        said.get("name", ""),
        said.get("fence", ""),
        said.get("radius_m", USUAL_RADIUS_M),
        said.get("opens"),
        said.get("closes"),
        said.get("service_s", 0.0),
    )
    return RouteStop(
        said["id"], StopKind(said["kind"]), place, said.get("load", ""), planned_ms=said["planned"]
    )
