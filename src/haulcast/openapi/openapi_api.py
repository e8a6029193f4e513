"""`/openapi.json` and `/docs`: open to everybody, because the source is."""

import hashlib
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute

from haulcast.doors.http_routes import Pages, resource
from haulcast.openapi.document import document

WEB = Path(__file__).parent / "web"


def routes() -> list[BaseRoute]:
    """The routes. The document is written once."""
    text = orjson.dumps(document())
    etag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}  # ask each time whether it is still the same

    async def described(request: Request) -> Response:
        asked = {
            tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")
        }
        if asked & {etag, "*"}:
            return Response(status_code=304, headers=headers)
        return Response(text, headers=headers, media_type="application/json")

    async def page(_request: Request) -> Response:
        return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})

    return [
        resource("/openapi.json", GET=described),
        resource("/docs", GET=page),
        Pages("/docs", WEB),
    ]
