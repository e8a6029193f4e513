"""`/v1/shares`: a read-only view of some vehicles for somebody without a token of his own, until it expires or is taken back.

The link carries its token behind the `#`, which browsers send to nobody; the page takes it out of the address bar at once.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.access.access_store import AccessStore, Share
from haulcast.access.token_api import Enforce
from haulcast.doors.http_access import WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import checked_id, checked_name, checked_object, json_body, page_asked_for
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import MOST_SHARED_VEHICLES
from haulcast.errors import RequestError

MOST_BYTES = 65_536
MOST_NAME_BYTES = 3_000  # of all vehicles together: the token stands in a link
SHORTEST_S, LONGEST_S = 60, 366 * 86_400

MakeToken = Callable[[Claims], str]


def routes(
    store: AccessStore, verify: Verify, make_token: MakeToken, enforce: Enforce, now_ms: Callable[[], int]
) -> list[Route]:
    """The routes."""
    api = _ShareApi(store, verify, make_token, enforce, now_ms)
    return [
        resource("/v1/shares", GET=api.page, POST=api.create),
        resource("/v1/shares/{share_id}", DELETE=api.delete),
    ]


class _ShareApi:
    def __init__(
        self,
        store: AccessStore,
        verify: Verify,
        make_token: MakeToken,
        enforce: Enforce,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._verify = verify
        self._make_token = make_token
        self._enforce = enforce
        self._now_ms = now_ms

    async def page(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        page = page_asked_for(request)
        shares = await self._store.shares(fleet, page.after, page.limit + 1)
        shown = shares[: page.limit]
        answer: dict[str, Any] = {"shares": [_shown(share) for share in shown]}
        if len(shares) > page.limit:
            answer["next"] = "/v1/shares?" + urlencode({"limit": page.limit, "after": shown[-1].share_id})
        return Response(orjson.dumps(answer), media_type="application/json")

    async def create(self, request: Request) -> Response:
        maker = admitted(request, self._verify, WRITERS)
        body = checked_object(
            await json_body(request, MOST_BYTES), "body", frozenset({"name", "vehicles", "lasts_s"})
        )
        now_ms = self._now_ms()
        expires_ms = now_ms + _lasts_s(body.get("lasts_s")) * 1000
        share = Share(
            fleet=maker.fleet,
            share_id=secrets.token_hex(8),
            name=checked_name(body.get("name", "")),
            vehicles=_vehicles(body.get("vehicles")),
            created_by=maker.subject or maker.role,
            created=_moment(now_ms),
            expires=_moment(expires_ms),
        )
        token = self._make_token(
            Claims(
                share.fleet,
                "viewer",
                expires_ms=expires_ms,
                vehicles=frozenset(share.vehicles),
                subject=f"share {share.share_id}",
                token_id=share.share_id,
                issued_ms=now_ms,
            )
        )
        await self._store.add_share(share)
        answer = {**_shown(share), "token": token, "link": f"/#token={token}"}
        headers = {"Location": f"/v1/shares/{share.share_id}", "Cache-Control": "no-store"}
        return Response(orjson.dumps(answer), 201, headers, "application/json")

    async def delete(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        share_id = checked_id(request.path_params["share_id"])
        self._enforce(await self._store.delete_share(fleet, share_id, self._now_ms()))
        return Response(status_code=204)


def _lasts_s(value: Any) -> int:
    if type(value) is not int or not SHORTEST_S <= value <= LONGEST_S:
        allowed = f"a whole number from {SHORTEST_S} to {LONGEST_S}"
        raise RequestError("out_of_range", f"lasts_s has to be {allowed}", field="lasts_s")
    return value


def _vehicles(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_SHARED_VEHICLES:
        reason = f"vehicles has to be a list of 1 to {MOST_SHARED_VEHICLES} ids"
        raise RequestError("wrong_type", reason, field="vehicles")
    vehicles = tuple(dict.fromkeys(checked_id(vehicle, "vehicles") for vehicle in value))
    if sum(len(orjson.dumps(vehicle)) for vehicle in vehicles) > MOST_NAME_BYTES:
        reason = f"the ids have more than {MOST_NAME_BYTES} bytes together; make two shares of them"
        raise RequestError("out_of_range", reason, field="vehicles")
    return vehicles


def _shown(share: Share) -> dict[str, Any]:
    return {
        "id": share.share_id,
        "name": share.name,
        "vehicles": share.vehicles,
        "created_by": share.created_by,
        "created_at": share.created,
        "expires_at": share.expires,
    }


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)
