"""`/v1/revocations`: an admin takes tokens back. In force when it is answered, on open sockets too."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.access.access_store import AccessStore, RevocationKey
from haulcast.doors.http_access import ADMINS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import checked_id, checked_object, json_body, limit_asked_for
from haulcast.doors.revocations import EVERYBODY, Revocation
from haulcast.doors.time_fields import time_of
from haulcast.errors import RequestError

MOST_BYTES = 4_096
_MEMBERS = frozenset({"token_id", "vehicle", "everybody", "before", "before_ms"})

Enforce = Callable[[Revocation], None]
"""Puts a stored revocation in force, and closes the sockets that it concerns."""


def routes(store: AccessStore, verify: Verify, enforce: Enforce, now_ms: Callable[[], int]) -> list[Route]:
    """The routes."""

    async def listed(request: Request) -> Response:
        fleet = admitted(request, verify, ADMINS).fleet
        limit = limit_asked_for(request)
        found = await store.revocation_page(fleet, _key_asked_for(request), limit + 1)
        answer: dict[str, Any] = {"revocations": [_shown(revocation) for revocation in found[:limit]]}
        if len(found) > limit:
            answer["next"] = "/v1/revocations?" + urlencode(
                {"limit": limit, "after": _place(found[limit - 1])}
            )
        return Response(orjson.dumps(answer), media_type="application/json")

    async def revoke(request: Request) -> Response:
        fleet = admitted(request, verify, ADMINS).fleet
        revocation = _revocation(fleet, await json_body(request, MOST_BYTES), now_ms())
        await store.revoke(revocation)
        enforce(revocation)
        request.state.changed = _target(revocation)
        return Response(orjson.dumps(_shown(revocation)), 201, media_type="application/json")

    return [resource("/v1/revocations", GET=listed, POST=revoke)]


def _revocation(fleet: str, body: Any, now_ms: int) -> Revocation:
    stated = checked_object(body, "body", _MEMBERS)
    whom = stated.keys() & {"token_id", "vehicle", "everybody"}
    if len(whom) != 1:
        raise RequestError("bad_revocation", "exactly one of token_id, vehicle and everybody has to be given")
    if "token_id" in stated:
        for name in stated.keys() & {"before", "before_ms"}:
            raise RequestError("bad_revocation", "a single token is revoked whole; leave it out", field=name)
        return Revocation(fleet, checked_id(stated["token_id"], "token_id"), "", now_ms)
    if stated.get("everybody", True) is not True:
        raise RequestError("wrong_type", "everybody can only be true", field="everybody")
    before_ms = _before_ms(stated, now_ms)
    vehicle = checked_id(stated["vehicle"], "vehicle") if "vehicle" in stated else EVERYBODY
    return Revocation(fleet, "", vehicle, before_ms)


def _before_ms(stated: Mapping[str, Any], now_ms: int) -> int:
    """The moment, in either way of writing it."""
    if {"before", "before_ms"} <= stated.keys():
        raise RequestError("bad_revocation", "before and before_ms are the same; give one", field="before")
    name = "before" if "before" in stated else "before_ms"
    before_ms = stated.get(name, now_ms)
    if name == "before":
        before_ms = time_of(before_ms if isinstance(before_ms, str) else "", name)
    if type(before_ms) is not int or not 0 < before_ms <= now_ms:
        reason = f"{name} has to be a time after 1970 and not later than now, {now_ms} ms"
        raise RequestError("out_of_range", reason, field=name)
    return before_ms


def _key_asked_for(request: Request) -> RevocationKey | None:
    """`after` of the query, as `next` links have it."""
    text = request.query_params.get("after")
    if text is None:
        return None
    kind, _, name = text.partition(".")
    if kind not in {"token", "vehicle"} or "\0" in name or "." not in text:
        reason = f"after is {text[:80]!r}; take it from a page's next link"
        raise RequestError("bad_place", reason, field="after")
    return (name, "") if kind == "token" else ("", name)


def _place(revocation: Revocation) -> str:
    if revocation.token_id:
        return f"token.{revocation.token_id}"
    return f"vehicle.{revocation.vehicle}"


def _target(revocation: Revocation) -> str:
    if revocation.token_id:
        return f"token {revocation.token_id}"
    return f"tokens of {revocation.vehicle or 'everybody'} before {revocation.before_ms}"


def _shown(revocation: Revocation) -> dict[str, Any]:
    if revocation.token_id:
        return {"token_id": revocation.token_id, "revoked_ms": revocation.before_ms}
    whom = {"vehicle": revocation.vehicle} if revocation.vehicle != EVERYBODY else {"everybody": True}
    return {**whom, "before_ms": revocation.before_ms}
