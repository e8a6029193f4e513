"""`/v1/rules` over HTTP; a write is answered when steps go by it."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.doors.http_access import READERS, WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import (
    checked_id,
    edition_asked_for,
    json_body,
    merged,
    page_asked_for,
    patched,
)
from haulcast.errors import NotFoundError
from haulcast.rules.rule_documents import rule_of_document
from haulcast.rules.rule_edits import RuleEdits
from haulcast.rules.rule_store import FenceFacts, RuleRecord

MOST_RULE_BYTES = 2 * 2**20  # three full lists of ids of the longest kind

FenceTags = Callable[[str, str], Sequence[str]]
"""The tags of (fleet, fence id); none of a fence that is not there."""


def routes(
    edits: RuleEdits,
    verify: Verify,
    fence_tags: FenceTags,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> list[Route]:
    """The routes; `new_id` names a rule that is posted without an id."""
    api = _RuleApi(edits, verify, fence_tags, new_id)
    return [
        resource("/v1/rules", GET=api.page, POST=api.create),
        resource("/v1/rules/{rule_id:path}", GET=api.read, PUT=api.put, PATCH=api.patch, DELETE=api.delete),
    ]


class _RuleApi:
    def __init__(
        self, edits: RuleEdits, verify: Verify, fence_tags: FenceTags, new_id: Callable[[], str]
    ) -> None:
        self._edits = edits
        self._store = edits.store
        self._verify = verify
        self._fence_tags = fence_tags
        self._new_id = new_id

    async def page(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        page = page_asked_for(request)
        asked: dict[str, Any] = {"limit": page.limit}
        fence = None
        if "fence" in request.query_params:
            fence_id = checked_id(request.query_params["fence"], "fence")
            fence = FenceFacts(fence_id, self._fence_tags(fleet, fence_id))
            asked["fence"] = fence_id
        records = await self._store.page(fleet, page.after, page.limit + 1, fence)
        shown = records[: page.limit]
        answer: dict[str, Any] = {"rules": [_shown(record) for record in shown]}
        if len(records) > page.limit:
            answer["next"] = "/v1/rules?" + urlencode({**asked, "after": shown[-1].rule_id})
        return Response(orjson.dumps(answer), media_type="application/json")

    async def read(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        return _rule(await self._found(fleet, _path_id(request)))

    async def create(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        document = await json_body(request, MOST_RULE_BYTES)
        if isinstance(document, dict) and document.get("id") is None:
            document["id"] = self._new_id()
        rule = await asyncio.to_thread(rule_of_document, document, fleet)
        return _rule(await self._edits.create(rule), 201)

    async def put(self, request: Request) -> Response:
        fleet, rule_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        document = await json_body(request, MOST_RULE_BYTES)
        rule = await asyncio.to_thread(rule_of_document, document, fleet, rule_id)
        record, is_new = await self._edits.put(rule, edition_asked_for(request))
        return _rule(record, 201 if is_new else 200)

    async def patch(self, request: Request) -> Response:
        fleet, rule_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        patch = await json_body(request, MOST_RULE_BYTES)

        async def attempt(expected: str | None) -> Response:
            found = await self._found(fleet, rule_id)
            document = merged(found.document, patch)
            rule = await asyncio.to_thread(rule_of_document, document, fleet, rule_id)
            record, _ = await self._edits.put(rule, expected or found.edition)
            return _rule(record)

        return await patched(request, f"rule {rule_id!r}", attempt)

    async def delete(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        await self._edits.delete(fleet, _path_id(request), edition_asked_for(request) or "*")
        return Response(status_code=204)

    async def _found(self, fleet: str, rule_id: str) -> RuleRecord:
        record = await self._store.find(fleet, rule_id)
        if record is None:
            raise NotFoundError("no_such_rule", f"there is no rule {rule_id!r} in this fleet")
        return record


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["rule_id"])


def _shown(record: RuleRecord) -> dict[str, Any]:
    return {
        **record.document,
        "version": record.version,
        "created_at": record.created,
        "updated_at": record.updated,
    }


def _rule(record: RuleRecord, status: int = 200) -> Response:
    headers = {"ETag": f'"{record.edition}"', "Location": f"/v1/rules/{quote(record.rule_id, safe='')}"}
    return Response(orjson.dumps(_shown(record)), status, headers, "application/json")
