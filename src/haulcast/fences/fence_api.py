"""`/v1/fences` over HTTP. A fence is a GeoJSON Feature; a write is answered when ticks match against it."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from geo.corridor import MOST_WIDTH_M
from geo.fence_area import MOST_RADIUS_M
from haulcast.doors.http_access import READERS, WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.problems import problem_response
from haulcast.doors.request_fields import (
    body_within,
    checked_id,
    edition_asked_for,
    flag_asked_for,
    json_body,
    merged,
    number_asked_for,
    page_asked_for,
    patched,
)
from haulcast.errors import NotFoundError
from haulcast.fences.fence_edits import FenceEdits
from haulcast.fences.fence_features import feature_of_record, feature_text, fence_of_feature
from haulcast.fences.fence_import import (
    reader_of,
)
from haulcast.fences.fence_store import FenceRecord

MOST_FENCE_BYTES = 8 * 2**20  # the most detailed ocean of Natural Earth has 2.5 MB
MOST_SIZES = {"radius_m": MOST_RADIUS_M, "width_m": MOST_WIDTH_M}
MEDIA_TYPE = "application/geo+json"
PAGE_BYTES = (
    16 * 2**20
)  # of areas, after which a page ends, so that it is written in some ms and nobody's memory is filled
PORTION = 32  # fences read at a time; each can have 8 MB


def routes(
    edits: FenceEdits, verify: Verify, new_id: Callable[[], str] = lambda: secrets.token_hex(8)
) -> list[Route]:
    """The routes; `new_id` names a fence that is posted without an id."""
    api = _FenceApi(edits, verify, new_id)
    return [
        resource("/v1/fences", GET=api.page, POST=api.create),
        resource("/v1/fences:import", POST=api.put_all),
        resource("/v1/fences/{fence_id:path}", GET=api.read, PUT=api.put, PATCH=api.patch, DELETE=api.delete),
    ]


class _FenceApi:
    def __init__(self, edits: FenceEdits, verify: Verify, new_id: Callable[[], str]) -> None:
        self._edits = edits
        self._store = edits.store
        self._verify = verify
        self._new_id = new_id

    async def page(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        page = page_asked_for(request)
        records, is_more = await self._some(fleet, page.after, page.limit)
        features = await asyncio.to_thread(lambda: [feature_text(record) for record in records])
        collection: dict[str, Any] = {
            "type": "FeatureCollection",
            "features": list(map(orjson.Fragment, features)),
        }
        if is_more:
            collection["next"] = "/v1/fences?" + urlencode(
                {"limit": page.limit, "after": records[-1].fence_id}
            )
        return _json(collection)

    async def _some(self, fleet: str, after: str, limit: int) -> tuple[list[FenceRecord], bool]:
        """The fences of a page, fewer than `limit` when they are large, and whether there are more."""
        records: list[FenceRecord] = []
        size_bytes = 0
        while size_bytes < PAGE_BYTES:
            asked = min(PORTION, limit + 1 - len(records))
            found = await self._store.page(fleet, after, asked)
            for record in found:
                if len(records) == limit or (records and size_bytes >= PAGE_BYTES):
                    return records, True
                records.append(record)
                size_bytes += len(record.area)
            if len(found) < asked:
                return records, False
            after = found[-1].fence_id
        return records, True

    async def read(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        return _feature(await self._found(fleet, _path_id(request)))

    async def create(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        feature = await json_body(request, MOST_FENCE_BYTES)
        if isinstance(feature, dict) and feature.get("id") is None:
            feature["id"] = self._new_id()
        draft, area = await asyncio.to_thread(
            fence_of_feature, feature, repair=flag_asked_for(request, "repair")
        )
        return _feature(await self._edits.create(fleet, draft, area), 201)

    async def put(self, request: Request) -> Response:
        fleet, fence_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        feature = await json_body(request, MOST_FENCE_BYTES)
        repair = flag_asked_for(request, "repair")
        draft, area = await asyncio.to_thread(fence_of_feature, feature, repair=repair, fence_id=fence_id)
        record, is_new = await self._edits.put(fleet, draft, area, edition_asked_for(request))
        return _feature(record, 201 if is_new else 200)

    async def patch(self, request: Request) -> Response:
        fleet, fence_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        patch = await json_body(request, MOST_FENCE_BYTES)
        repair = flag_asked_for(request, "repair")

        async def attempt(expected: str | None) -> Response:
            found = await self._found(fleet, fence_id)
            feature = merged(feature_of_record(found), patch)
            draft, area = await asyncio.to_thread(fence_of_feature, feature, repair=repair, fence_id=fence_id)
            record, _ = await self._edits.put(fleet, draft, area, expected or found.edition)
            return _feature(record)

        return await patched(request, f"fence {fence_id!r}", attempt)

    async def delete(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        await self._edits.delete(fleet, _path_id(request), edition_asked_for(request) or "*")
        return Response(status_code=204)

    async def put_all(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        repair, skip_wrong = flag_asked_for(request, "repair"), flag_asked_for(request, "skip_wrong")
        sizes = {
            name: number
            for name, most in MOST_SIZES.items()
            if (number := number_asked_for(request, name, most)) is not None
        }
        reader, most_bytes = reader_of(
            request.headers.get("content-type", "").partition(";")[0].strip().lower()
        )
        body = await body_within(request, most_bytes)
        read = await asyncio.to_thread(reader, body, repair=repair, sizes=sizes)
        if read.wrong and not skip_wrong:
            total = read.wrong + len(read.fences)
            detail = f"{read.wrong} of {total} features cannot be taken, so none was"
            return problem_response(400, "bad_features", detail, errors=read.errors, wrong=read.wrong)
        created, changed = await self._edits.put_all(fleet, read.fences)
        unchanged = len(read.fences) - created - changed
        counts = {"created": created, "changed": changed, "unchanged": unchanged, "wrong": read.wrong}
        return _json({**counts, "errors": read.errors}, "application/json")

    async def _found(self, fleet: str, fence_id: str) -> FenceRecord:
        record = await self._store.find(fleet, fence_id)
        if record is None:
            raise NotFoundError("no_such_fence", f"there is no fence {fence_id!r} in this fleet")
        return record


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["fence_id"])


def _feature(record: FenceRecord, status: int = 200) -> Response:
    headers = {"ETag": f'"{record.edition}"', "Location": f"/v1/fences/{quote(record.fence_id, safe='')}"}
    return Response(feature_text(record), status, headers, MEDIA_TYPE)


def _json(value: Any, media_type: str = MEDIA_TYPE) -> Response:
    return Response(orjson.dumps(value), media_type=media_type)
