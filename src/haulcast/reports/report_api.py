"""Reading it back over HTTP: `/v1/positions`, and what hangs under a vehicle: fixes, track, trips, stops, days."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from geo import plausible_fixes, stay_points, track_thinning
from geo.stay_points import DRIVING, STILL, StayLimits
from geo.track_filter import FilterLimits
from geo.track_thinning import MOST_TOLERANCE_M
from haulcast.doors.http_access import READERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import MOST_PAGE, checked_id, limit_asked_for, page_asked_for
from haulcast.doors.time_fields import Span, span_asked_for, wants_iso
from haulcast.errors import NotFoundError, RequestError
from haulcast.history.history_store import HistoryStore
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.reports.day_totals import date_at
from haulcast.reports.fix_documents import fix_documents
from haulcast.reports.gtfs_feed import GTFS_MEDIA_TYPE, gtfs_parts
from haulcast.reports.history_reader import FindVehicle, HistoryReader
from haulcast.reports.latest_positions import LatestPositions
from haulcast.reports.part_documents import part_document
from haulcast.reports.report_fields import (
    dates_asked_for,
    key_asked_for,
    next_link,
    number_asked_for,
    wants_implausible,
    zone_asked_for,
)
from haulcast.reports.stay_reports import days_report, parts_page
from haulcast.reports.thinned_pages import thinned_page
from haulcast.reports.track_api import track_response

MOST_STAY_DAYS = 31
USUAL_STAY = StayLimits()


def routes(
    store: HistoryStore | None,
    verify: Verify,
    rows: VehicleRows,
    last: LastPositions,
    find_vehicle: FindVehicle,
    now_ms: Callable[[], int],
    limits: FilterLimits,
) -> list[Route]:
    """The routes, to stand before those of `/v1/vehicles/{id}`. Without a store there are latest positions only.

    `limits` are the filter's: what a jump is.
    """
    reader = None if store is None else HistoryReader(store, find_vehicle, limits)
    api = _ReportApi(reader, verify, LatestPositions(rows, last), now_ms)
    return [
        resource("/v1/positions", GET=api.positions),
        resource("/v1/gtfs-rt/vehicle-positions", GET=api.gtfs_feed),
        *(
            resource(f"/v1/vehicles/{{vehicle_id:path}}/{name}", GET=endpoint)
            for name, endpoint in {
                "fixes": api.fixes,
                "track": api.track,
                "trips": api.trips,
                "stops": api.stops,
                "days": api.days,
            }.items()
        ),
    ]


class _ReportApi:
    def __init__(
        self,
        reader: HistoryReader | None,
        verify: Verify,
        latest: LatestPositions,
        now_ms: Callable[[], int],
    ) -> None:
        self._reader = reader
        self._verify = verify
        self._latest = latest
        self._now_ms = now_ms

    async def positions(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        page, ids, iso = page_asked_for(request), request.query_params.getlist("id"), wants_iso(request)
        if len(ids) > MOST_PAGE:
            raise RequestError(
                "too_many", f"id is given {len(ids)} times; allowed are {MOST_PAGE}", field="id"
            )
        found = self._latest.of(fleet, ids) if ids else self._latest.page(fleet, page.after, page.limit)
        answer: dict[str, Any] = {}
        if found.after is not None:
            query = {**request.query_params, "limit": page.limit, "after": found.after}
            answer["next"] = "/v1/positions?" + urlencode(query)
        return await _json(lambda: {"positions": fix_documents(found.fixes, found.ids, iso=iso), **answer})

    async def gtfs_feed(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        if request.method == "HEAD":
            return Response(media_type=GTFS_MEDIA_TYPE)
        return StreamingResponse(gtfs_parts(self._latest, fleet, self._now_ms()), media_type=GTFS_MEDIA_TYPE)

    async def fixes(self, request: Request) -> Response:
        fleet, vehicle, reader = self._asked(request)
        span = span_asked_for(request, self._now_ms())
        limit, after, iso = limit_asked_for(request), key_asked_for(request), wants_iso(request)
        tolerance_m = number_asked_for(request, "thin", None, 0.0, MOST_TOLERANCE_M)
        if wants_implausible(request):
            page = await reader.page(fleet, vehicle, span, after, limit)
            if not len(page.fixes):
                await reader.require(fleet, vehicle)
        else:
            page = await thinned_page(reader, fleet, vehicle, span, after, limit, tolerance_m)
        answer = self._next(request, vehicle, "fixes", span, page.last_key, limit)
        return await _json(lambda: {"fixes": fix_documents(page.fixes, iso=iso), **answer})

    async def track(self, request: Request) -> Response:
        fleet, vehicle, reader = self._asked(request)
        span = span_asked_for(request, self._now_ms())
        return await track_response(request, reader, fleet, vehicle, span)

    async def trips(self, request: Request) -> Response:
        return await self._parts(request, "trips", DRIVING)

    async def stops(self, request: Request) -> Response:
        return await self._parts(request, "stops", STILL)

    async def _parts(self, request: Request, name: str, kind: int) -> Response:
        fleet, vehicle, reader = self._asked(request)
        span = span_asked_for(request, self._now_ms(), MOST_STAY_DAYS)
        limit, after, iso = limit_asked_for(request), key_asked_for(request), wants_iso(request)
        limits = _limits_asked_for(request)
        page = await parts_page(reader, fleet, vehicle, span, after, limit, kind, limits)
        answer = self._next(request, vehicle, name, span, page.last_key, limit)
        return await _json(lambda: {name: [part_document(part, iso=iso) for part in page.parts], **answer})

    async def days(self, request: Request) -> Response:
        fleet, vehicle, reader = self._asked(request)
        zone = await asyncio.to_thread(zone_asked_for, request)
        first, last = dates_asked_for(request, date_at(self._now_ms(), zone))
        limit, iso = limit_asked_for(request, MOST_STAY_DAYS, MOST_STAY_DAYS), wants_iso(request)
        limits = _limits_asked_for(request)
        shown = min(last, first + timedelta(days=limit - 1))
        days = await days_report(reader, fleet, vehicle, first, shown, zone, limits, iso=iso)
        answer = {"time_zone": zone.key, "days": days}
        if shown < last:
            place = {"from": shown + timedelta(days=1), "to": last, "limit": limit}
            answer["next"] = next_link(request, vehicle, "days", **place)
        return await _json(lambda: answer)

    def _asked(self, request: Request) -> tuple[str, str, HistoryReader]:
        fleet = admitted(request, self._verify, READERS).fleet
        vehicle = checked_id(request.path_params["vehicle_id"])
        if self._reader is None:
            raise NotFoundError("no_history", "this hub keeps no history: its setting history is off")
        return fleet, vehicle, self._reader

    @staticmethod
    def _next(
        request: Request, vehicle: str, what: str, span: Span, key: tuple[int, int] | None, limit: int
    ) -> dict[str, str]:
        """The link to the page after this one, which is of the same span whenever it is asked for."""
        if key is None:
            return {}
        place = {"from": span.begin_ms, "to": span.end_ms, "limit": limit, "after": f"{key[0]}.{key[1]}"}
        return {"next": next_link(request, vehicle, what, **place)}


def _limits_asked_for(request: Request) -> StayLimits:
    return StayLimits(
        radius_m=number_asked_for(request, "radius_m", USUAL_STAY.radius_m, 10.0, 5_000.0),
        least_ms=int(
            1000 * number_asked_for(request, "minimum_s", USUAL_STAY.least_ms / 1000, 30.0, 21_600.0)
        ),
        gap_ms=int(1000 * number_asked_for(request, "gap_s", USUAL_STAY.gap_ms / 1000, 1.0, 86_400.0)),
    )


async def _json(document: Callable[[], dict[str, Any]]) -> Response:
    """The answer, made in a thread: a page has up to a thousand things."""
    text = await asyncio.to_thread(lambda: orjson.dumps(document()))
    return Response(text, media_type="application/json")


def warm_up() -> None:
    """Compile, or load from the cache, every kernel of the reports."""
    plausible_fixes.warm_up()
    stay_points.warm_up()
    track_thinning.warm_up()
