"""`/v1/webhooks` over HTTP, for dispatchers and admins; who reads a URL often can write to it, so viewers see none."""

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.database.editions import other_edition
from haulcast.doors.http_access import WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import (
    checked_id,
    checked_object,
    edition_asked_for,
    json_body,
    merged,
    page_asked_for,
    patched,
)
from haulcast.errors import NotFoundError, RequestError
from haulcast.webhooks.allowed_addresses import AllowedAddresses
from haulcast.webhooks.outbox import DeadLetter, Outbox
from haulcast.webhooks.signatures import secret_of_text
from haulcast.webhooks.webhook import Webhook, WebhookRecord
from haulcast.webhooks.webhook_documents import (
    MOST_IDS,
    MOST_OVERLAP_S,
    NEW_SECRET_BYTES,
    OVERLAP_S,
    said_of,
    shown,
    webhook_of_document,
    with_secret,
)
from haulcast.webhooks.webhook_store import WebhookStore

MOST_WEBHOOKS = 10  # of a fleet
MOST_BYTES = 2**20
COUNTED_UP_TO = 10_000
_LARGEST = 2**63


def routes(
    store: WebhookStore,
    outbox: Outbox,
    allowed: AllowedAddresses,
    on_changed: Callable[[], None],
    on_redeliver: Callable[[str, str], None],
    verify: Verify,
    now_ms: Callable[[], int],
) -> list[Route]:
    """The routes; `on_changed` hears of every change, `on_redeliver` of (fleet, webhook id) with something due."""
    api = _WebhookApi(store, allowed, on_changed, verify, now_ms)
    letters = _DeadLetterApi(store, outbox, on_redeliver, verify, now_ms)
    one = "/v1/webhooks/{webhook_id:path}"
    return [
        resource("/v1/webhooks", GET=api.page, POST=api.create),
        resource(f"{one}/status", GET=letters.status),
        resource(f"{one}/dead-letters", GET=letters.page),
        resource(f"{one}/redeliver", POST=letters.redeliver),
        resource(f"{one}/secret", POST=api.change_secret),
        resource(one, GET=api.read, PUT=api.put, PATCH=api.patch, DELETE=api.delete),
    ]


class _WebhookApi:
    def __init__(
        self,
        store: WebhookStore,
        allowed: AllowedAddresses,
        on_changed: Callable[[], None],
        verify: Verify,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._allowed = allowed
        self._on_changed = on_changed
        self._verify = verify
        self._now_ms = now_ms

    async def page(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        page = page_asked_for(request)
        records = await self._store.page(fleet, page.after, page.limit + 1)
        some = records[: page.limit]
        answer: dict[str, Any] = {"webhooks": [shown(record, self._now_ms()) for record in some]}
        if len(records) > page.limit:
            after = some[-1].webhook.webhook_id
            answer["next"] = "/v1/webhooks?" + urlencode({"limit": page.limit, "after": after})
        return _json(answer)

    async def read(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        return self._answer(await found_webhook(self._store, fleet, _path_id(request)))

    async def create(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        document = await json_body(request, MOST_BYTES)
        if isinstance(document, dict) and document.get("id") is None:
            document["id"] = secrets.token_hex(8)
        webhook = await self._checked(document, fleet, None, None)
        record = await self._store.create(webhook, MOST_WEBHOOKS)
        return self._changed(record, 201, with_its_secret=True)

    async def put(self, request: Request) -> Response:
        fleet, webhook_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        document = await json_body(request, MOST_BYTES)
        if edition_asked_for(request) == "*" and await self._store.find(fleet, webhook_id) is None:
            raise other_edition(f"webhook {webhook_id!r}", None)

        async def attempt(expected: str | None) -> Response:
            before = await self._store.find(fleet, webhook_id)
            webhook = await self._checked(document, fleet, webhook_id, before)
            if before is None and expected is None:
                record = await self._store.create(webhook, MOST_WEBHOOKS)
                return self._changed(record, 201, with_its_secret=True)
            edition = before.edition if before else "*"  # the secret that stays is that one's
            return self._changed(await self._store.replace(webhook, expected or edition), 200)

        return await patched(request, f"webhook {webhook_id!r}", attempt)

    async def patch(self, request: Request) -> Response:
        fleet, webhook_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        patch = await json_body(request, MOST_BYTES)

        async def attempt(expected: str | None) -> Response:
            found = await found_webhook(self._store, fleet, webhook_id)
            document = merged(said_of(found.webhook), patch)
            webhook = await self._checked(document, fleet, webhook_id, found)
            return self._changed(await self._store.replace(webhook, expected or found.edition), 200)

        return await patched(request, f"webhook {webhook_id!r}", attempt)

    async def change_secret(self, request: Request) -> Response:
        fleet, webhook_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        said = checked_object(
            await json_body(request, MOST_BYTES), "body", frozenset({"secret", "overlap_s"})
        )
        secret = (
            secrets.token_bytes(NEW_SECRET_BYTES)
            if said.get("secret") is None
            else secret_of_text(said["secret"])
        )
        until_ms = self._now_ms() + _overlap_s(said.get("overlap_s", OVERLAP_S)) * 1000

        async def attempt(expected: str | None) -> Response:
            found = await found_webhook(self._store, fleet, webhook_id)
            webhook = with_secret(found.webhook, secret, until_ms)
            record = await self._store.replace(webhook, expected or found.edition)
            return self._changed(record, 200, with_its_secret=True)

        return await patched(request, f"webhook {webhook_id!r}", attempt)

    async def delete(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        await self._store.delete(fleet, _path_id(request), edition_asked_for(request) or "*")
        self._on_changed()
        return Response(status_code=204)

    async def _checked(
        self, document: Any, fleet: str, webhook_id: str | None, before: WebhookRecord | None
    ) -> Webhook:
        check = partial(webhook_of_document, document, fleet, webhook_id)
        return await asyncio.to_thread(
            check, None if before is None else before.webhook, self._allowed, self._now_ms()
        )

    def _changed(self, record: WebhookRecord, status: int, *, with_its_secret: bool = False) -> Response:
        self._on_changed()
        return self._answer(record, status, with_its_secret=with_its_secret)

    def _answer(self, record: WebhookRecord, status: int = 200, *, with_its_secret: bool = False) -> Response:
        headers = {
            "ETag": f'"{record.edition}"',
            "Location": f"/v1/webhooks/{quote(record.webhook.webhook_id, safe='')}",
            "Cache-Control": "no-store",
        }
        return _json(shown(record, self._now_ms(), with_its_secret=with_its_secret), status, headers)


class _DeadLetterApi:
    def __init__(
        self,
        store: WebhookStore,
        outbox: Outbox,
        on_redeliver: Callable[[str, str], None],
        verify: Verify,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._on_redeliver = on_redeliver
        self._verify = verify
        self._now_ms = now_ms

    async def status(self, request: Request) -> Response:
        fleet, webhook_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        status = await self._outbox.status(fleet, webhook_id, COUNTED_UP_TO)
        if status is None:
            raise _no_such(webhook_id)
        return _json(
            {
                "last_success_ms": status.last_success_ms,
                "last_error_ms": status.last_error_ms,
                "last_error": status.last_error,
                "backlog": status.backlog,
                "waiting": status.waiting,
                "dead": status.dead,
            }
        )

    async def page(self, request: Request) -> Response:
        fleet, webhook_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        page = page_asked_for(request)
        await found_webhook(self._store, fleet, webhook_id)
        letters = await self._outbox.dead(fleet, webhook_id, _number(page.after), page.limit + 1)
        some = letters[: page.limit]
        answer: dict[str, Any] = {"dead_letters": [_letter(letter) for letter in some]}
        if len(letters) > page.limit:
            query = urlencode({"limit": page.limit, "after": some[-1].number})
            answer["next"] = f"/v1/webhooks/{quote(webhook_id, safe='')}/dead-letters?{query}"
        return _json(answer)

    async def redeliver(self, request: Request) -> Response:
        fleet, webhook_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        said = checked_object(await json_body(request, MOST_BYTES), "body", frozenset({"events", "all"}))
        events, are_all = said.get("events"), said.get("all", False)
        if not isinstance(are_all, bool) or (events is None) != are_all:
            reason = 'the body has to be {"events": [ids]} or {"all": true}'
            raise RequestError("wrong_type", reason, field="events")
        if events is not None:
            if not isinstance(events, list) or not 1 <= len(events) <= MOST_IDS:
                raise RequestError(
                    "bad_list", f"events has to be a list of 1 to {MOST_IDS} ids", field="events"
                )
            events = [checked_id(event, "events") for event in events]
        await found_webhook(self._store, fleet, webhook_id)
        count = await self._outbox.redeliver(fleet, webhook_id, events, self._now_ms())
        self._on_redeliver(fleet, webhook_id)
        return _json({"due": count}, 202)


async def found_webhook(store: WebhookStore, fleet: str, webhook_id: str) -> WebhookRecord:
    """A webhook of the fleet.

    Raises:
        NotFoundError: there is none of this id.
    """
    record = await store.find(fleet, webhook_id)
    if record is None:
        raise _no_such(webhook_id)
    return record


def _no_such(webhook_id: str) -> NotFoundError:
    return NotFoundError("no_such_webhook", f"there is no webhook {webhook_id!r} in this fleet")


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["webhook_id"])


def _number(after: str) -> int:
    if not after:
        return 0
    if not (after.isascii() and after.isdigit() and len(after) < 20 and int(after) < _LARGEST):
        raise RequestError(
            "bad_place", f"after is {after[:80]!r}; take it from a page's next link", field="after"
        )
    return int(after)


def _overlap_s(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_OVERLAP_S:
        return value
    reason = f"overlap_s has to be a whole number from 0 to {MOST_OVERLAP_S}"
    raise RequestError("out_of_range", reason, field="overlap_s")


def _letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.event_id,
        "tries": letter.tries,
        "failed_ms": letter.failed_ms,
        "error": letter.error,
        "event": orjson.Fragment(letter.document),
    }


def _json(answer: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(answer), status, headers, "application/json")
