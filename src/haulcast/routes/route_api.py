"""`/v1/routes` over HTTP, the route of a vehicle, and what a dispatcher says of stops; what is answered is stored and in the book.

A device reads the route of its vehicle, a shared view those of the vehicles that are shared.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette import routing
from starlette.requests import Request
from starlette.responses import Response

from haulcast.doors.http_access import READERS, WRITERS, Verify, admitted
from haulcast.doors.http_routes import Endpoint, resource
from haulcast.doors.request_fields import (
    body_within,
    checked_id,
    edition_asked_for,
    flag_asked_for,
    json_body,
    merged,
    patched,
)
from haulcast.errors import ConflictError, ForbiddenError, NotFoundError, RequestError
from haulcast.routes.asking import filter_asked_for
from haulcast.routes.document_fields import stated_members, time_ms
from haulcast.routes.route import Route, RouteStatus, StopState
from haulcast.routes.route_documents import OutlookOf, document_of_route, route_of_document
from haulcast.routes.route_edits import RouteEdits
from haulcast.routes.route_store import ANY, NEW, Asked
from haulcast.routes.stop_marks import StopMark, can_be_served

MOST_ROUTE_BYTES = 8 * 2**20  # the longest line and the most stops
MOST_MARK_BYTES = 1_024
AHEAD_MS = 60_000  # how far a dispatcher's clock may be before ours
MARKS: Mapping[str, StopState] = {
    "arrive": StopState.ARRIVED,
    "depart": StopState.DONE,
    "skip": StopState.SKIPPED,
}


def routes(
    edits: RouteEdits,
    verify: Verify,
    now_ms: Callable[[], int],
    outlook_of: OutlookOf = lambda _fleet, _route: None,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> list[routing.Route]:
    """The routes, to stand before those of `/v1/vehicles/{id}`; `new_id` names a route or a stop that is sent without an id."""
    api = _RouteApi(edits, verify, now_ms, outlook_of, new_id)
    route, stop = "/v1/routes/{route_id:path}", "stops/{stop_id:path}"
    return [
        resource("/v1/routes", GET=api.page, POST=api.create),
        *(resource(f"{route}/{stop}/{word}", POST=api.marking(state)) for word, state in MARKS.items()),
        resource(route, GET=api.read, PUT=api.put, PATCH=api.patch, DELETE=api.cancel),
        resource("/v1/vehicles/{vehicle_id:path}/route", GET=api.of_vehicle),
    ]


class _RouteApi:
    def __init__(
        self,
        edits: RouteEdits,
        verify: Verify,
        now_ms: Callable[[], int],
        outlook_of: OutlookOf,
        new_id: Callable[[], str],
    ) -> None:
        self._edits = edits
        self._book = edits.book
        self._verify = verify
        self._now_ms = now_ms
        self._outlook_of = outlook_of
        self._new_id = new_id

    async def page(self, request: Request) -> Response:
        claims = admitted(request, self._verify, READERS, shared=True)
        asked, query = filter_asked_for(request, [status.value for status in RouteStatus])
        asked = asked._replace(limit=asked.limit + 1, vehicles=claims.vehicles)
        if flag_asked_for(request, "off_route"):
            query["off_route"] = "true"
            found = list(islice(self._off_route(claims.fleet, asked), asked.limit))
        else:
            found = [*await self._edits.store.page_of_routes(claims.fleet, asked)]
        shown = found[: asked.limit - 1]
        answer: dict[str, Any] = {"routes": [self._shown(route) for route in shown]}
        if len(found) == asked.limit:
            answer["next"] = "/v1/routes?" + urlencode({**query, "after": shown[-1].route_id})
        return Response(orjson.dumps(answer), media_type="application/json")

    def _off_route(self, fleet: str, asked: Asked) -> Any:
        """The active routes whose vehicles are off them, in order of id."""
        for route in self._book.routes(fleet):
            if (
                route.status is RouteStatus.ACTIVE
                and asked.status in {"", RouteStatus.ACTIVE}
                and asked.vehicle in {"", route.vehicle}
                and (asked.vehicles is None or route.vehicle in asked.vehicles)
                and route.route_id.encode() > asked.after.encode()
                and self._is_off_route(route)
            ):
                yield route

    def _is_off_route(self, route: Route) -> bool:
        outlook = self._outlook_of(route.fleet, route.route_id)
        return bool(outlook and outlook.progress and outlook.progress["is_off_route"])

    async def read(self, request: Request) -> Response:
        claims = admitted(request, self._verify, READERS, shared=True)
        route = await self._found(claims.fleet, _path_id(request))
        if claims.vehicles is not None and route.vehicle not in claims.vehicles:
            raise _no_such_route(route.route_id)  # nor is it said that there is one
        return self._route(route)

    async def of_vehicle(self, request: Request) -> Response:
        claims = admitted(request, self._verify, READERS | {"device"}, shared=True)
        vehicle = checked_id(request.path_params["vehicle_id"])
        if claims.role == "device" and claims.vehicle != vehicle:
            raise ForbiddenError("other_vehicle", "a device may read the route of its own vehicle only")
        if claims.vehicles is not None and vehicle not in claims.vehicles:
            raise ForbiddenError("other_vehicle", "this shared view does not show that vehicle")
        route = self._book.active(claims.fleet, vehicle)
        if route is None:
            raise NotFoundError("no_active_route", f"vehicle {vehicle!r} has no active route")
        return self._route(route)

    async def create(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        document = await json_body(request, MOST_ROUTE_BYTES)
        if isinstance(document, dict) and document.get("id") is None:
            document["id"] = self._new_id()
        route, _ = await self._edits.put_route(await self._stated(document, fleet), NEW)
        return self._route(route, 201)

    async def put(self, request: Request) -> Response:
        fleet, route_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        document = await json_body(request, MOST_ROUTE_BYTES)
        stated = await self._stated(document, fleet, route_id, self._book.route(fleet, route_id))
        route, is_new = await self._edits.put_route(stated, edition_asked_for(request))
        return self._route(route, 201 if is_new else 200)

    async def patch(self, request: Request) -> Response:
        fleet, route_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        patch = await json_body(request, MOST_ROUTE_BYTES)

        async def attempt(expected: str | None) -> Response:
            found = await self._found(fleet, route_id)
            stated = await self._stated(merged(document_of_route(found), patch), fleet, route_id, found)
            route, _ = await self._edits.put_route(stated, expected or found.edition)
            return self._route(route)

        return await patched(request, f"route {route_id!r}", attempt)

    async def cancel(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        await self._edits.cancel_route(fleet, _path_id(request), edition_asked_for(request) or ANY)
        return Response(status_code=204)

    def marking(self, state: StopState) -> Endpoint:
        """The endpoint by which a dispatcher says that of a stop."""

        async def mark(request: Request) -> Response:
            fleet, route_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
            stop_id = checked_id(request.path_params["stop_id"])
            at_ms = await self._time_of_mark(request)
            self._check_mark(await self._found(fleet, route_id), stop_id, state)
            await self._edits.mark_stops(fleet, [StopMark(route_id, stop_id, state, at_ms)])
            request.state.changed = request.scope["path"]  # or the log would not say of which stop
            return self._route(await self._found(fleet, route_id))

        return mark

    async def _time_of_mark(self, request: Request) -> int:
        body = await body_within(request, MOST_MARK_BYTES)
        try:
            members = stated_members(orjson.loads(body or b"{}"), "body", frozenset({"time"}))
        except orjson.JSONDecodeError as error:
            raise RequestError("bad_json", f"the body is not JSON: {error}") from error
        now_ms = self._now_ms()
        at_ms = time_ms(members["time"], "time") if "time" in members else now_ms
        if at_ms > now_ms + AHEAD_MS:
            raise RequestError("bad_time", "time is in the future; allowed is up to now", field="time")
        return at_ms

    def _check_mark(self, route: Route, stop_id: str, state: StopState) -> None:
        """Say why a mark would do nothing, unless it was made already."""
        stop = next((stop for stop in route.stops if stop.stop_id == stop_id), None)
        if stop is None:
            raise NotFoundError("no_such_stop", f"route {route.route_id!r} has no stop {stop_id!r}")
        is_made = stop.state is state or (state is StopState.ARRIVED and stop.state is StopState.DONE)
        if is_made or (state is StopState.SKIPPED and not stop.is_over):
            return
        if stop.is_over:
            raise ConflictError("stop_over", f"stop {stop_id!r} is {stop.state}, which stays so")
        if not can_be_served(route, stop):
            is_active = route.status is RouteStatus.ACTIVE
            why = (
                f"its load {stop.load!r} is not picked up yet"
                if is_active
                else f"the route is {route.status}"
            )
            raise ConflictError("stop_not_due", f"nobody can be at stop {stop_id!r}: {why}")

    async def _stated(
        self, document: Any, fleet: str, route_id: str | None = None, before: Route | None = None
    ) -> Route:
        """Off the loop: a line has up to a hundred thousand positions."""

        def read() -> Route:
            return route_of_document(
                document,
                fleet,
                lambda load_id: self._book.load(fleet, load_id),
                self._new_id,
                route_id,
                before,
            )

        return await asyncio.to_thread(read)

    async def _found(self, fleet: str, route_id: str) -> Route:
        route = self._book.route(fleet, route_id) or await self._edits.store.find_route(fleet, route_id)
        if route is None:
            raise _no_such_route(route_id)
        return route

    def _shown(self, route: Route) -> dict[str, Any]:
        is_driven = route.status is RouteStatus.ACTIVE
        return document_of_route(route, self._outlook_of(route.fleet, route.route_id) if is_driven else None)

    def _route(self, route: Route, status: int = 200) -> Response:
        headers = {"ETag": f'"{route.edition}"', "Location": f"/v1/routes/{quote(route.route_id, safe='')}"}
        return Response(orjson.dumps(self._shown(route)), status, headers, "application/json")


def _no_such_route(route_id: str) -> NotFoundError:
    return NotFoundError("no_such_route", f"there is no route {route_id!r} in this fleet")


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["route_id"])
