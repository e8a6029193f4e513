"""`/v1/vehicles/{id}/availability` and `/v1/vehicles/{id}/duty` over HTTP: who will be free, and drivers' own word."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.availability.availability_documents import document_of, state_name
from haulcast.availability.forecast import MOST_S
from haulcast.availability.serving import Serving
from haulcast.availability.span_tracker import State, Word
from haulcast.doors.http_access import READERS, WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource
from haulcast.doors.request_fields import checked_id, checked_object, json_body
from haulcast.errors import ForbiddenError, NotFoundError, RequestError

MOST_BODY_BYTES: Final = 4_096
USUAL_MIN: Final = "60"
MOST_MIN: Final = int(MOST_S // 60)
MOST_HORIZONS: Final = 20
WORDS: Final = {"off": Word.OFF, "free": Word.FREE, "busy": Word.BUSY}
SPEAKERS: Final = WRITERS | {"device"}

FindVehicle = Callable[[str, str], Awaitable[Any]]
"""A vehicle's record by (fleet, vehicle id), None if there is none."""
IsSeen = Callable[[str, str], bool]
"""Whether (fleet, vehicle id) is on the map."""
Say = Callable[[str, str, Word], State]
"""Takes somebody's word of (fleet, vehicle id); what it is then."""


def routes(serving: Serving, say: Say, verify: Verify, find_vehicle: FindVehicle, is_seen: IsSeen, now_ms: Callable[[], int]) -> list[Route]:  # fmt: skip
    """The routes, to stand before those of `/v1/vehicles/{id}`."""
    api = _AvailabilityApi(serving, say, verify, find_vehicle, is_seen, now_ms)
    return [
        resource("/v1/vehicles/{vehicle_id:path}/availability", GET=api.read),
        resource("/v1/vehicles/{vehicle_id:path}/duty", POST=api.say),
    ]


class _AvailabilityApi:
    def __init__(
        self, serving: Serving, say: Say, verify: Verify, find_vehicle: FindVehicle, is_seen: IsSeen, now_ms: Callable[[], int]
    ) -> None:  # fmt: skip
        self._serving = serving
        self._say = say
        self._verify = verify
        self._find_vehicle = find_vehicle
        self._is_seen = is_seen
        self._now_ms = now_ms

    async def read(self, request: Request) -> Response:
        fleet, vehicle = admitted(request, self._verify, READERS).fleet, _path_id(request)
        horizons_min = _horizons(request)
        await self._check(fleet, vehicle)
        forecast = await self._serving.current(fleet, vehicle)
        return _answer(document_of(forecast, vehicle, horizons_min, self._now_ms()))

    async def say(self, request: Request) -> Response:
        claims, vehicle = admitted(request, self._verify, SPEAKERS), _path_id(request)
        if claims.role == "device" and claims.vehicle != vehicle:
            reason = f"this token is of vehicle {claims.vehicle!r}; it may not speak of {vehicle!r}"
            raise ForbiddenError("other_vehicle", reason)
        said = checked_object(await json_body(request, MOST_BODY_BYTES), "body", frozenset({"state"}))
        word = said.get("state")
        if not isinstance(word, str) or word not in WORDS:
            allowed = ", ".join(WORDS)
            raise RequestError("out_of_range", f"state is {str(word)[:80]!r}; allowed are {allowed}", field="state")  # fmt: skip
        if claims.role != "device":
            await self._check(claims.fleet, vehicle)
        state = self._say(claims.fleet, vehicle, WORDS[word])
        return _answer({"vehicle": vehicle, "state": state_name(state)})

    async def _check(self, fleet: str, vehicle: str) -> None:
        if not self._is_seen(fleet, vehicle) and await self._find_vehicle(fleet, vehicle) is None:
            raise NotFoundError("no_such_vehicle", f"there is no vehicle {vehicle!r} in this fleet")


def _horizons(request: Request) -> list[int]:
    """`horizon_minutes` of the query: whole minutes, several by commas or as several of that name."""
    texts = ",".join(request.query_params.getlist("horizon_minutes") or [USUAL_MIN]).split(",")
    for text in texts:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= MOST_MIN):
            reason = f"horizon_minutes has {text[:80]!r}; allowed are whole numbers from 1 to {MOST_MIN}"
            raise RequestError("out_of_range", reason, field="horizon_minutes")
    if len(texts) > MOST_HORIZONS:
        reason = f"{len(texts)} horizons are asked for; allowed are {MOST_HORIZONS}"
        raise RequestError("out_of_range", reason, field="horizon_minutes")
    return [int(text) for text in texts]


def _path_id(request: Request) -> str:
    return checked_id(request.path_params["vehicle_id"])


def _answer(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")
