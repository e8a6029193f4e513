"""`/v1/loads` over HTTP; what is answered is stored and in the book."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.doors.http_access import READERS, WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.problems import problem_response
from haulcast.doors.request_fields import (
    body_within,
    checked_id,
    edition_asked_for,
    json_body,
    merged,
    patched,
)
from haulcast.errors import NotFoundError
from haulcast.routes.asking import filter_asked_for
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.load_documents import document_of_load, load_of_document, read_loads
from haulcast.routes.route_edits import RouteEdits
from haulcast.routes.route_store import ANY, NEW

MOST_LOAD_BYTES = 65_536
MOST_LOADS_BYTES = 8 * 2**20  # a thousand of ordinary size, many times over
LINES_MEDIA_TYPE = "application/x-ndjson"


def routes(
    edits: RouteEdits, verify: Verify, new_id: Callable[[], str] = lambda: secrets.token_hex(8)
) -> list[Route]:
    """The routes; `new_id` names a load that is posted without an id."""
    api = _LoadApi(edits, verify, new_id)
    return [
        resource("/v1/loads", GET=api.page, POST=api.create),
        resource("/v1/loads:import", POST=api.create_all),
        resource("/v1/loads/{load_id:path}", GET=api.read, PUT=api.put, PATCH=api.patch, DELETE=api.cancel),
    ]


class _LoadApi:
    def __init__(self, edits: RouteEdits, verify: Verify, new_id: Callable[[], str]) -> None:
        self._edits = edits
        self._verify = verify
        self._new_id = new_id

    async def page(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        asked, query = filter_asked_for(request, [status.value for status in LoadStatus])
        found = await self._edits.store.page_of_loads(fleet, asked._replace(limit=asked.limit + 1))
        shown = found[: asked.limit]
        answer: dict[str, Any] = {"loads": [document_of_load(load) for load in shown]}
        if len(found) > asked.limit:
            answer["next"] = "/v1/loads?" + urlencode({**query, "after": shown[-1].load_id})
        return Response(orjson.dumps(answer), media_type="application/json")

    async def read(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        return _load(await self._found(fleet, _path_id(request)))

    async def create(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        document = await json_body(request, MOST_LOAD_BYTES)
        if isinstance(document, dict) and document.get("id") is None:
            document["id"] = self._new_id()
        load, _ = await self._edits.put_load(load_of_document(document, fleet), NEW)
        return _load(load, 201)

    async def create_all(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        body = await body_within(request, MOST_LOADS_BYTES)
        read = await asyncio.to_thread(read_loads, body, fleet, self._new_id, lines=kind == LINES_MEDIA_TYPE)
        if read.wrong:
            detail = f"{read.wrong} of {read.wrong + len(read.loads)} loads cannot be taken, so none was"
            return problem_response(400, "bad_loads", detail, errors=read.errors, wrong=read.wrong)
        made = await self._edits.create_loads(fleet, read.loads)
        request.state.changed = f"/v1/loads ({len(made)} new)"
        answer = {"loads": [document_of_load(load) for load in made]}
        return Response(orjson.dumps(answer), 201, media_type="application/json")

    async def put(self, request: Request) -> Response:
        fleet, load_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        stated = load_of_document(await json_body(request, MOST_LOAD_BYTES), fleet, load_id)
        load, is_new = await self._edits.put_load(stated, edition_asked_for(request))
        return _load(load, 201 if is_new else 200)

    async def patch(self, request: Request) -> Response:
        fleet, load_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        patch = await json_body(request, MOST_LOAD_BYTES)

        async def attempt(expected: str | None) -> Response:
            found = await self._found(fleet, load_id)
            stated = load_of_document(merged(document_of_load(found), patch), fleet, load_id)
            load, _ = await self._edits.put_load(stated, expected or found.edition)
            return _load(load)

        return await patched(request, f"load {load_id!r}", attempt)

    async def cancel(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        await self._edits.cancel_load(fleet, _path_id(request), edition_asked_for(request) or ANY)
        return Response(status_code=204)

    async def _found(self, fleet: str, load_id: str) -> Load:
        load = self._edits.book.load(fleet, load_id) or await self._edits.store.find_load(fleet, load_id)
        if load is None:
            raise NotFoundError("no_such_load", f"there is no load {load_id!r} in this fleet")
        return load


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["load_id"])


def _load(load: Load, status: int = 200) -> Response:
    headers = {"ETag": f'"{load.edition}"', "Location": f"/v1/loads/{quote(load.load_id, safe='')}"}
    return Response(orjson.dumps(document_of_load(load)), status, headers, "application/json")
