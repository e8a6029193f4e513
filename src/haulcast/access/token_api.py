"""`/v1/revocations`: an admin takes tokens back. In force when it is answered, on open sockets too."""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.access.access_store import AccessStore
from haulcast.doors.http_access import ADMINS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import checked_id, checked_object, json_body
from haulcast.doors.revocations import EVERYBODY, Revocation
from haulcast.errors import RequestError

MOST_BYTES = 4_096
_MEMBERS = frozenset({"token_id", "vehicle", "everybody", "before_ms"})

Enforce = Callable[[Revocation], None]
"""Puts a stored revocation in force, and closes the sockets that it concerns."""


def routes(store: AccessStore, verify: Verify, enforce: Enforce, now_ms: Callable[[], int]) -> list[Route]:
    """The routes."""

    async def listed(request: Request) -> Response:
        fleet = admitted(request, verify, ADMINS).fleet
        found = [_shown(revocation) for revocation in await store.revocations(fleet)]
        return Response(orjson.dumps({"revocations": found}), media_type="application/json")

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
        if "before_ms" in stated:
            raise RequestError(
                "bad_revocation", "a single token is revoked whole; leave it out", field="before_ms"
            )
        return Revocation(fleet, checked_id(stated["token_id"], "token_id"), "", now_ms)
    if stated.get("everybody", True) is not True:
        raise RequestError("wrong_type", "everybody can only be true", field="everybody")
    before_ms = stated.get("before_ms", now_ms)
    if type(before_ms) is not int or not 0 < before_ms <= now_ms:
        reason = f"before_ms has to be epoch milliseconds, not later than now, {now_ms}"
        raise RequestError("out_of_range", reason, field="before_ms")
    vehicle = checked_id(stated["vehicle"], "vehicle") if "vehicle" in stated else EVERYBODY
    return Revocation(fleet, "", vehicle, before_ms)


def _target(revocation: Revocation) -> str:
    if revocation.token_id:
        return f"token {revocation.token_id}"
    return f"tokens of {revocation.vehicle or 'everybody'} before {revocation.before_ms}"


def _shown(revocation: Revocation) -> dict[str, Any]:
    if revocation.token_id:
        return {"token_id": revocation.token_id, "revoked_ms": revocation.before_ms}
    whom = {"vehicle": revocation.vehicle} if revocation.vehicle != EVERYBODY else {"everybody": True}
    return {**whom, "before_ms": revocation.before_ms}
