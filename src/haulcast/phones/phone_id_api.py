"""`/v1/phone-ids/{vehicle}` over HTTP: give a vehicle a phone id, take it away."""

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.doors.http_access import WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import checked_id
from haulcast.phones.phone_id_store import PhoneIdStore, digest_of, new_phone_id


def routes(store: PhoneIdStore, verify: Verify) -> list[Route]:
    """The routes."""

    async def make(request: Request) -> Response:
        fleet, vehicle = admitted(request, verify, WRITERS).fleet, _vehicle(request)
        phone_id = new_phone_id()
        await store.put(fleet, vehicle, digest_of(phone_id))
        answer = orjson.dumps({"vehicle": vehicle, "phone_id": phone_id})
        return Response(answer, 201, {"Cache-Control": "no-store"}, "application/json")

    async def withdraw(request: Request) -> Response:
        fleet, vehicle = admitted(request, verify, WRITERS).fleet, _vehicle(request)
        await store.delete(fleet, vehicle)
        return Response(status_code=204)

    return [resource("/v1/phone-ids/{vehicle_id:path}", POST=make, DELETE=withdraw)]


def _vehicle(request: Request) -> str:
    return checked_id(request.path_params["vehicle_id"], "vehicle")
