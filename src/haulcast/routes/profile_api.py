"""`/v1/vehicles/{id}/profile` over HTTP. A vehicle may have one before it first reports."""

from urllib.parse import quote

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.doors.http_access import READERS, WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import checked_id, edition_asked_for, json_body
from haulcast.errors import NotFoundError
from haulcast.routes.profile_documents import document_of_profile, profile_of_document
from haulcast.routes.route_edits import RouteEdits
from haulcast.routes.route_store import ANY
from haulcast.routes.vehicle_profile import VehicleProfile

MOST_PROFILE_BYTES = 65_536


def routes(edits: RouteEdits, verify: Verify) -> list[Route]:
    """The routes, to stand before those of `/v1/vehicles/{id}`."""
    api = _ProfileApi(edits, verify)
    path = "/v1/vehicles/{vehicle_id:path}/profile"
    return [resource(path, GET=api.read, PUT=api.put, DELETE=api.delete)]


class _ProfileApi:
    def __init__(self, edits: RouteEdits, verify: Verify) -> None:
        self._edits = edits
        self._verify = verify

    async def read(self, request: Request) -> Response:
        fleet, vehicle = admitted(request, self._verify, READERS).fleet, _path_id(request)
        stored = await self._edits.store.find_profile(fleet, vehicle)
        if stored is None:
            raise NotFoundError("no_such_profile", f"there is no profile of vehicle {vehicle!r}")
        return _profile(vehicle, stored.profile, stored.edition)

    async def put(self, request: Request) -> Response:
        fleet, vehicle = admitted(request, self._verify, WRITERS).fleet, _path_id(request)
        profile = profile_of_document(await json_body(request, MOST_PROFILE_BYTES))
        edition, is_new = await self._edits.put_profile(fleet, vehicle, profile, edition_asked_for(request))
        return _profile(vehicle, profile, edition, 201 if is_new else 200)

    async def delete(self, request: Request) -> Response:
        fleet = admitted(request, self._verify, WRITERS).fleet
        await self._edits.delete_profile(fleet, _path_id(request), edition_asked_for(request) or ANY)
        return Response(status_code=204)


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["vehicle_id"])


def _profile(vehicle: str, profile: VehicleProfile, edition: str, status: int = 200) -> Response:
    headers = {"ETag": f'"{edition}"', "Location": f"/v1/vehicles/{quote(vehicle, safe='')}/profile"}
    return Response(
        orjson.dumps(document_of_profile(vehicle, profile, edition)), status, headers, "application/json"
    )
