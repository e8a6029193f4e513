"""`/v1/availability/quality` over HTTP: how good predictions have been for a day."""

from collections.abc import Callable

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.availability.quality_documents import document_of_quality
from haulcast.availability.rolling import Quality
from haulcast.doors.http_access import WRITERS, Verify, admitted
from haulcast.doors.http_routes import resource


def routes(quality_of: Callable[[str], Quality], verify: Verify) -> list[Route]:
    """The route; `quality_of` a fleet."""

    async def read(request: Request) -> Response:
        quality = quality_of(admitted(request, verify, WRITERS).fleet)
        return Response(orjson.dumps(document_of_quality(quality)), media_type="application/json")

    return [resource("/v1/availability/quality", GET=read)]
