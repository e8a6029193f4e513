"""Visits over HTTP: `/v1/visits`, and what hangs under a vehicle and under a fence: visits, and the time inside."""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.doors.http_access import READERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import checked_id, flag_asked_for, limit_asked_for, page_asked_for
from haulcast.doors.time_fields import (
    LEAST_MS,
    MOST_MS,
    Span,
    span_asked_for,
    time_member,
    wants_iso,
)
from haulcast.errors import NotFoundError, RequestError
from haulcast.events.visit_store import TimeInside, Visit, VisitFilter, VisitKey, VisitStore

Find = Callable[[str, str], Awaitable[object]]
"""The record of (fleet, id) of a vehicle or of a fence, or None."""

_KEY = re.compile(r"(-?[0-9]{1,18})\.([0-9]{1,19})")
_LARGEST = 2**63


def routes(
    store: VisitStore, verify: Verify, find_vehicle: Find, find_fence: Find, now_ms: Callable[[], int]
) -> list[Route]:
    """The routes, to stand before those of `/v1/vehicles/{id}` and `/v1/fences/{id}`."""
    api = _VisitApi(store, verify, find_vehicle, find_fence, now_ms)
    return [
        resource("/v1/visits", GET=api.visits),
        resource("/v1/vehicles/{vehicle_id:path}/visits", GET=api.visits_of_vehicle),
        resource("/v1/vehicles/{vehicle_id:path}/time-in-zones", GET=api.time_in_zones),
        resource("/v1/fences/{fence_id:path}/visits", GET=api.visits_of_fence),
        resource("/v1/fences/{fence_id:path}/time-of-vehicles", GET=api.time_of_vehicles),
    ]


class _VisitApi:
    def __init__(
        self,
        store: VisitStore,
        verify: Verify,
        find_vehicle: Find,
        find_fence: Find,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._verify = verify
        self._find_vehicle = find_vehicle
        self._find_fence = find_fence
        self._now_ms = now_ms

    async def visits(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        return await self._page(
            request, fleet, "/v1/visits", _id_asked_for(request, "vehicle"), _id_asked_for(request, "fence")
        )

    async def visits_of_vehicle(self, request: Request) -> Response:
        fleet, vehicle = await self._vehicle(request)
        path = f"/v1/vehicles/{quote(vehicle, safe='')}/visits"
        return await self._page(request, fleet, path, vehicle, _id_asked_for(request, "fence"))

    async def visits_of_fence(self, request: Request) -> Response:
        fleet, fence = await self._fence(request)
        path = f"/v1/fences/{quote(fence, safe='')}/visits"
        return await self._page(request, fleet, path, _id_asked_for(request, "vehicle"), fence)

    async def _page(
        self, request: Request, fleet: str, path: str, vehicle: str | None, fence: str | None
    ) -> Response:
        span = span_asked_for(request, self._now_ms())
        limit, after, iso = limit_asked_for(request), _key_asked_for(request), wants_iso(request)
        asked = VisitFilter(span.begin_ms, span.end_ms, vehicle, fence, flag_asked_for(request, "open"))
        found = await self._store.page(fleet, asked, after, limit + 1)
        shown = found[:limit]
        answer: dict[str, Any] = {"visits": [visit_document(visit, iso=iso) for visit in shown]}
        if len(found) > limit:
            key = shown[-1].key
            answer["next"] = _next_link(request, path, span, limit, f"{key.entered_ms}.{key.visit}")
        return Response(orjson.dumps(answer), media_type="application/json")

    async def time_in_zones(self, request: Request) -> Response:
        fleet, vehicle = await self._vehicle(request)
        path = f"/v1/vehicles/{quote(vehicle, safe='')}/time-in-zones"
        read = partial(self._store.times_of_vehicle, fleet, vehicle)
        return await self._times(request, path, "fences", _time_in_zone, read)

    async def time_of_vehicles(self, request: Request) -> Response:
        fleet, fence = await self._fence(request)
        path = f"/v1/fences/{quote(fence, safe='')}/time-of-vehicles"
        read = partial(self._store.times_of_fence, fleet, fence)
        return await self._times(request, path, "vehicles", _time_of_vehicle, read)

    async def _times(
        self,
        request: Request,
        path: str,
        name: str,
        shown: Callable[[TimeInside], dict[str, Any]],
        read: Callable[[int, int, str, int], Awaitable[Sequence[TimeInside]]],
    ) -> Response:
        """A page of sums; what lasts counts until now, or until `to` where that is earlier."""
        now_ms, page = self._now_ms(), page_asked_for(request)
        span = span_asked_for(request, now_ms)
        counted = Span(span.begin_ms, max(span.begin_ms, min(span.end_ms, now_ms)))
        found = await read(counted.begin_ms, counted.end_ms, page.after, page.limit + 1)
        times = found[: page.limit]
        iso = wants_iso(request)
        answer: dict[str, Any] = {
            **time_member("from", counted.begin_ms, iso=iso),
            **time_member("to", counted.end_ms, iso=iso),
            name: [shown(time) for time in times],
        }
        if len(found) > page.limit:
            answer["next"] = _next_link(request, path, counted, page.limit, times[-1].name_id)
        return Response(orjson.dumps(answer), media_type="application/json")

    async def _vehicle(self, request: Request) -> tuple[str, str]:
        """The fleet of the asker, and the vehicle of the path, which has to be on record or to have a visit."""
        fleet = admitted(request, self._verify, READERS).fleet
        vehicle = checked_id(request.path_params["vehicle_id"])
        known = await self._find_vehicle(fleet, vehicle) is not None
        if not known and not await self._store.has_vehicle(fleet, vehicle):
            raise NotFoundError("no_such_vehicle", f"there is no vehicle {vehicle!r} in this fleet")
        return fleet, vehicle

    async def _fence(self, request: Request) -> tuple[str, str]:
        """The fleet of the asker, and the fence of the path, which has to be there or to have a visit; a deleted one may."""
        fleet = admitted(request, self._verify, READERS).fleet
        fence = checked_id(request.path_params["fence_id"])
        if await self._find_fence(fleet, fence) is None and not await self._store.has_fence(fleet, fence):
            raise NotFoundError("no_such_fence", f"there is no fence {fence!r} in this fleet")
        return fleet, fence


def visit_document(visit: Visit, *, iso: bool) -> dict[str, Any]:
    """A visit as JSON; `docs/reading.md` has the members."""
    document: dict[str, Any] = {
        "visit": visit.visit,
        "vehicle": visit.vehicle_id,
        "fence": visit.fence_id,
        "name": visit.fence_name,
        **time_member("entered", visit.entered_ms, iso=iso),
        **_place("entered", visit.entered_lat, visit.entered_lon),
        "is_open": visit.left_ms is None,
    }
    if visit.left_ms is not None:
        document |= time_member("left", visit.left_ms, iso=iso)
        document |= _place("left", visit.left_lat, visit.left_lon)
        document["duration_s"] = (visit.left_ms - visit.entered_ms) / 1000
    return document


def _place(name: str, lat: float | None, lon: float | None) -> dict[str, float]:
    return {} if lat is None or lon is None else {f"{name}_lat": lat, f"{name}_lon": lon}


def _time_in_zone(time: TimeInside) -> dict[str, Any]:
    return {"fence": time.name_id, "name": time.fence_name, **_sums(time)}


def _time_of_vehicle(time: TimeInside) -> dict[str, Any]:
    return {"vehicle": time.name_id, **_sums(time)}


def _sums(time: TimeInside) -> dict[str, Any]:
    return {"inside_s": time.inside_ms / 1000, "visits": time.visits, "is_open": time.is_open}


def _id_asked_for(request: Request, name: str) -> str | None:
    text = request.query_params.get(name)
    return None if text is None else checked_id(text, name)


def _key_asked_for(request: Request) -> VisitKey | None:
    """`after` of the query, as `next` links have it."""
    text = request.query_params.get("after")
    if text is None:
        return None
    found = _KEY.fullmatch(text)
    if found:
        key = VisitKey(int(found[1]), int(found[2]))
        if LEAST_MS <= key.entered_ms <= MOST_MS and key.visit < _LARGEST:
            return key
    raise RequestError("bad_place", f"after is {text[:80]!r}; take it from a page's next link", field="after")


def _next_link(request: Request, path: str, span: Span, limit: int, after: str) -> str:
    """The page after this one, which is of the same span whenever it is asked for."""
    place = {"from": span.begin_ms, "to": span.end_ms, "limit": limit, "after": after}
    return f"{path}?" + urlencode({**request.query_params, **place})
