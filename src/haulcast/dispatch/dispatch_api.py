"""`/v1/dispatch` over HTTP: which driver for which load."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.dispatch.assignment import Assignment, LeftOut, assignment
from haulcast.dispatch.dispatch_documents import (
    Assign,
    assign_asked,
    recommend_asked,
    shown_assignment,
    shown_recommendation,
)
from haulcast.dispatch.fleets import DispatchFleets, Selected
from haulcast.dispatch.recommending import recommended
from haulcast.doors.http_access import READERS, WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import json_body
from haulcast.errors import ConflictError, NotFoundError, PreconditionError, RequestError, TooLargeError
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route_edits import RouteEdits

MOST_BODY_BYTES: Final = 2 * 2**20
MOST_ASSIGNED: Final = 5_000
"""Loads in one request; a few seconds when none of them fits anywhere."""
WORKERS: Final = min(4, os.cpu_count() or 1)

FindVehicle = Callable[[str, str], Awaitable[Any]]
"""A vehicle's record by (fleet, vehicle id), None if there is none."""


def routes(
    fleets: DispatchFleets,
    edits: RouteEdits,
    verify: Verify,
    find_vehicle: FindVehicle,
    now_ms: Callable[[], int],
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> list[Route]:
    """The routes; `new_id` names the route of a vehicle that has none."""
    api = _DispatchApi(fleets, edits, verify, find_vehicle, now_ms, new_id)
    return [
        resource("/v1/dispatch/recommend", POST=api.recommend),
        resource("/v1/dispatch/assign", POST=api.assign),
    ]


class _DispatchApi:
    def __init__(
        self,
        fleets: DispatchFleets,
        edits: RouteEdits,
        verify: Verify,
        find_vehicle: FindVehicle,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._fleets = fleets
        self._edits = edits
        self._verify = verify
        self._find_vehicle = find_vehicle
        self._now_ms = now_ms
        self._new_id = new_id
        self._threads = ThreadPoolExecutor(max(1, WORKERS - 1), "dispatch")  # starts none before it is used

    async def recommend(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        wanted = recommend_asked(await json_body(request, MOST_BODY_BYTES), fleet)
        load = wanted.load if isinstance(wanted.load, Load) else self._open_load(fleet, wanted.load)
        if why := _one_end(load):
            raise ConflictError("one_ended_load", f"load {load.load_id!r} {why}", field="load")
        await self._check_vehicles(fleet, wanted.selected)
        async with self._fleets.asked(fleet, wanted.selected, load.needs, self._now_ms()) as asked:
            found = await asyncio.to_thread(recommended, asked, load, wanted.most, self._fleets.facts)
        return _answer(shown_recommendation(asked, load.load_id, found))

    async def assign(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        wanted = assign_asked(await json_body(request, MOST_BODY_BYTES))
        await self._check_vehicles(fleet, wanted.selected)
        needs = {skill for load in self._loads(fleet, wanted) for skill in load.needs}
        async with self._fleets.asked(fleet, wanted.selected, needs, self._now_ms()) as asked:
            given = [load for load in self._loads(fleet, wanted) if load.needs <= needs]
            loads = [load for load in given if not _one_end(load)]
            left = [LeftOut(load.load_id, {}, f"the load {why}") for load in given if (why := _one_end(load))]
            found = await asyncio.to_thread(assignment, asked, loads, self._new_id, self._threads, WORKERS)
            if wanted.commit and found.routes:
                await self._publish(fleet, loads, found)
        return _answer(shown_assignment(asked, found, left, committed=wanted.commit))

    async def _publish(self, fleet: str, loads: list[Load], found: Assignment) -> None:
        """All of it or, when something has changed meanwhile, nothing.

        Raises:
            ConflictError: says what.
        """
        placed = {one.load for one in found.placed}
        for load in loads:
            now = self._edits.book.load(fleet, load.load_id)
            if load.load_id in placed and (now is None or now.edition != load.edition):
                reason = f"load {load.load_id!r} was changed meanwhile; nothing was assigned, ask again"
                raise ConflictError("load_changed", reason, field="loads")
        try:
            await self._edits.publish(fleet, found.routes, found.expected)
        except (PreconditionError, RequestError) as error:
            reason = f"{error.reason}; nothing was assigned, ask again"
            raise ConflictError("route_changed", reason) from error

    def _loads(self, fleet: str, wanted: Assign) -> list[Load]:
        if wanted.loads is not None:
            return [self._open_load(fleet, load_id) for load_id in wanted.loads]
        found = [load for load in self._edits.book.loads(fleet) if load.status is LoadStatus.OPEN]
        if len(found) > MOST_ASSIGNED:
            reason = f"{len(found)} loads are open; allowed are {MOST_ASSIGNED} in one request, name some"
            raise TooLargeError("too_many_loads", reason, field="loads")
        return found

    def _open_load(self, fleet: str, load_id: str) -> Load:
        load = self._edits.book.load(fleet, load_id)
        if load is None:
            reason = f"there is no load {load_id!r} in this fleet that is not over"
            raise NotFoundError("no_such_load", reason, field="load")
        if load.status is not LoadStatus.OPEN:
            whose = f" with {load.vehicle!r}" if load.vehicle else ""
            reason = f"load {load_id!r} is {load.status.value}{whose}; only open loads are given away"
            raise ConflictError("load_not_open", reason, field="load")
        return load

    async def _check_vehicles(self, fleet: str, selected: Selected | None) -> None:
        """Who is named has to be known: on the map, in the book, or on record."""
        if selected is None:
            return
        facts = self._fleets.facts
        known = {*facts.seen(fleet).vehicles, *facts.book.profiled(fleet)}
        for vehicle in sorted(selected.ids - known):
            if await self._find_vehicle(fleet, vehicle) is None:
                raise NotFoundError(
                    "no_such_vehicle", f"there is no vehicle {vehicle!r} in this fleet", field="vehicles.ids"
                )


def _one_end(load: Load) -> str:
    """Why a load is not given away; empty: it can be."""
    missing = [name for name, end in (("pickup", load.pickup), ("delivery", load.delivery)) if end is None]
    return f"has no {missing[0]}; only loads with both ends are given away" if missing else ""


def _answer(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
