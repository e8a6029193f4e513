"""The endpoints of phones and trackers. Each answers as its app expects it, and success only for what is decided and stored.

A fix that the hub refuses (stale, duplicate, ...) is answered as success: the app would only send it again, for ever. It is
counted under its reasons. One over the rate limit is not: the app has to keep it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import numpy as np
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from geo.track_filter import Reason
from haulcast.doors.http_routes import resource
from haulcast.doors.socket_session import Claims
from haulcast.doors.wire import reason_names
from haulcast.errors import NotFoundError, OverloadError, RequestError
from haulcast.phones.osmand_frames import OsmandReports, decode_osmand
from haulcast.phones.overland_frames import decode_overland
from haulcast.phones.owntracks_frames import decode_owntracks
from haulcast.phones.plain_frames import decode_plain
from haulcast.phones.report_body import report_body
from haulcast.phones.reported_fix import ReportedFix
from haulcast.phones.reporters import Reporters
from haulcast.phones.submissions import Receipt, Submissions
from haulcast.settings import Settings

MOST_REPORT_BYTES = 65_536
MOST_BATCH_BYTES = 1_048_576
"""Overland's largest batch, 1,000 points, is about 600 KB."""
MOST_BYTES_AT_ONCE = 16_384
"""A larger body takes more than about a millisecond to decode, and is decoded in a thread."""
JSON = "application/json"
ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")

P = ParamSpec("P")
T = TypeVar("T")


def routes(reporters: Reporters, submissions: Submissions, settings: Settings) -> list[Route]:
    """The routes of the HTTP port."""
    api = _PhoneApi(reporters, submissions, settings)
    return [
        resource("/osmand", **dict.fromkeys(ANY_METHOD, api.osmand)),
        resource("/owntracks", POST=api.owntracks),
        resource("/overland", POST=api.overland),
        resource("/v1/fixes", POST=api.plain),
    ]


def osmand_routes(reporters: Reporters, submissions: Submissions, settings: Settings) -> list[Route]:
    """The only route of the OsmAnd port: whatever the path."""
    api = _PhoneApi(reporters, submissions, settings)
    return [resource("/{path:path}", **dict.fromkeys(ANY_METHOD, api.osmand))]


class _PhoneApi:
    def __init__(self, reporters: Reporters, submissions: Submissions, settings: Settings) -> None:
        self._reporters = reporters
        self._submissions = submissions
        self._settings = settings

    async def osmand(self, request: Request) -> Response:
        has_header = "authorization" in request.headers
        claims = await self._reporters.authorized(request) if has_header else None
        body = await report_body(request, MOST_REPORT_BYTES)
        reports = await _decoded(
            body, decode_osmand, request.url.query, request.headers.get("content-type", ""), body,
            self._settings.frame_fixes, self._settings.osmand_speed_unit,
        )  # fmt: skip
        if claims is None:
            claims = await self._reporters.of_phone_id(reports.device)
        elif reports.device != claims.vehicle:
            claims = None
        if claims is None:
            raise _unknown_device(reports)
        await self._take(claims, reports.fixes)
        return Response()

    async def owntracks(self, request: Request) -> Response:
        claims = await self._reporters.authorized(request)
        device = request.query_params.get("d") or request.headers.get("x-limit-d", "")
        report = decode_owntracks(await report_body(request, MOST_REPORT_BYTES), device)
        if report.devices and claims.vehicle not in report.devices:
            raise _other_device("topic")
        await self._take(claims, [] if report.fix is None else [report.fix])
        return Response(b"[]", media_type=JSON)

    async def overland(self, request: Request) -> Response:
        claims = await self._reporters.authorized(request)
        body = await report_body(request, MOST_BATCH_BYTES)
        batch = await _decoded(body, decode_overland, body, self._settings.frame_fixes)
        if batch.devices - {claims.vehicle}:
            raise _other_device("device_id")
        await self._take(claims, batch.fixes)
        return Response(b'{"result":"ok"}', media_type=JSON)

    async def plain(self, request: Request) -> Response:
        claims = await self._reporters.authorized(request)
        body = await report_body(request, self._settings.frame_bytes)
        fixes = await _decoded(body, decode_plain, body, self._settings.frame_fixes)
        receipt = await self._submissions.submit(claims.fleet, claims.vehicle or "", fixes)
        return Response(orjson.dumps(_told(receipt)), media_type=JSON)

    async def _take(self, claims: Claims, fixes: Sequence[ReportedFix]) -> None:
        if not fixes:  # a heartbeat
            return
        receipt = await self._submissions.submit(claims.fleet, claims.vehicle or "", fixes)
        if (receipt.reasons & ~Reason.OUT_OF_ORDER == Reason.RATE_LIMITED).any():
            raise OverloadError(
                "rate_limited", "this device sends more than it may; send the same again later"
            )


async def _decoded(body: bytes, decode: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What a decoder says of a body, without holding the sockets up over a large one."""
    if len(body) <= MOST_BYTES_AT_ONCE:
        return decode(*arguments, **named)
    return await asyncio.to_thread(decode, *arguments, **named)


def _told(receipt: Receipt) -> dict[str, object]:
    refused = np.flatnonzero(receipt.reasons)
    held = np.flatnonzero(receipt.is_held)
    return {
        "accepted": len(receipt.reasons) - len(refused) - len(held),
        "held": held.tolist(),
        "rejects": [{"fix": int(i), "reasons": reason_names(int(receipt.reasons[i]))} for i in refused],
    }


def _unknown_device(reports: OsmandReports) -> RequestError | NotFoundError:
    """Without the id itself: where it should be a secret, a mistyped one nearly is."""
    reason = "this id is neither a phone id nor, with a token, the token's vehicle"
    if reports.is_json:
        return NotFoundError("unknown_device", reason, field="device_id")
    return RequestError("unknown_device", reason, field="id")


def _other_device(field: str) -> NotFoundError:
    reason = "this token or phone id reports for another device; type the vehicle's id in as the device id"
    return NotFoundError("unknown_device", reason, field=field)
