"""`/v1/vehicles` over HTTP."""

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
from haulcast.doors.request_fields import (
    checked_attributes,
    checked_id,
    checked_name,
    checked_object,
    checked_tags,
    json_body,
    page_asked_for,
)
from haulcast.errors import NotFoundError, RequestError
from haulcast.vehicles.vehicle_edits import VehicleEdits
from haulcast.vehicles.vehicle_store import VehicleDraft, VehicleRecord

MOST_VEHICLE_BYTES = 65_536

PositionOf = Callable[[str, str], dict[str, Any] | None]
"""The newest position of (fleet, vehicle) as it goes out, or None."""
Forget = Callable[[str, str], None]
"""Told of each (fleet, vehicle) that was deleted."""

_OURS = frozenset({"position", "created_at", "updated_at"})
_MEMBERS = frozenset({"id", "name", "tags", "attributes"}) | _OURS


def routes(
    edits: VehicleEdits,
    verify: Verify,
    position_of: PositionOf,
    forget: Forget,
    new_id: Callable[[], str] = lambda: secrets.token_hex(8),
) -> list[Route]:
    """The routes; `new_id` names a vehicle that is posted without an id."""
    api = _VehicleApi(edits, verify, position_of, forget, new_id)
    return [
        resource("/v1/vehicles", GET=api.page, POST=api.create),
        resource("/v1/vehicles/{vehicle_id:path}", GET=api.read, PUT=api.put, DELETE=api.delete),
    ]


class _VehicleApi:
    def __init__(
        self,
        edits: VehicleEdits,
        verify: Verify,
        position_of: PositionOf,
        forget: Forget,
        new_id: Callable[[], str],
    ) -> None:
        self._edits = edits
        self._store = edits.store
        self._verify = verify
        self._position_of = position_of
        self._forget = forget
        self._new_id = new_id

    async def page(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, READERS).fleet
        page = page_asked_for(request)
        records = await self._store.page(fleet, page.after, page.limit + 1)
        shown = records[: page.limit]
        answer: dict[str, Any] = {"vehicles": [self._shown(record) for record in shown]}
        if len(records) > page.limit:
            answer["next"] = "/v1/vehicles?" + urlencode({"limit": page.limit, "after": shown[-1].vehicle_id})
        return Response(orjson.dumps(answer), media_type="application/json")

    async def read(self, request: Request) -> Response:
        fleet, vehicle_id = admitted(request, self._verify, READERS).fleet, _path_id(request)
        record = await self._store.find(fleet, vehicle_id)
        if record is None:
            raise NotFoundError("no_such_vehicle", f"there is no vehicle {vehicle_id!r} in this fleet")
        return self._vehicle(record)

    async def create(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        body = await json_body(request, MOST_VEHICLE_BYTES)
        stated = body.get("id") if isinstance(body, dict) else None
        draft = _draft(body, self._new_id() if stated is None else checked_id(stated))
        return self._vehicle(await self._edits.create(fleet, draft), 201)

    async def put(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        draft = _draft(await json_body(request, MOST_VEHICLE_BYTES), _path_id(request))
        record, is_new = await self._edits.put(fleet, draft)
        return self._vehicle(record, 201 if is_new else 200)

    async def delete(self, request: Request) -> Response:
        fleet, vehicle_id = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        await self._edits.delete(fleet, vehicle_id)
        self._forget(fleet, vehicle_id)
        return Response(status_code=204)

    def _shown(self, record: VehicleRecord) -> dict[str, Any]:
        position = self._position_of(record.fleet, record.vehicle_id)
        return {
            "id": record.vehicle_id,
            "name": record.name,
            "tags": record.tags,
            "attributes": record.attributes,
            **({} if position is None else {"position": position}),
            "created_at": record.created,
            "updated_at": record.updated,
        }

    def _vehicle(self, record: VehicleRecord, status: int = 200) -> Response:
        location = f"/v1/vehicles/{quote(record.vehicle_id, safe='')}"
        return Response(orjson.dumps(self._shown(record)), status, {"Location": location}, "application/json")


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["vehicle_id"])


def _draft(body: Any, vehicle_id: str) -> VehicleDraft:
    stated = checked_object(body, "body", _MEMBERS)
    members = {name: value for name, value in stated.items() if value is not None}
    if members.get("id", vehicle_id) != vehicle_id:
        raise RequestError("other_id", f"the body's id is not the path's, {vehicle_id!r}", field="id")
    return VehicleDraft(
        vehicle_id=vehicle_id,
        name=checked_name(members.get("name", vehicle_id)),
        tags=checked_tags(members.get("tags", [])),
        attributes=checked_attributes(members.get("attributes", {})),
    )
