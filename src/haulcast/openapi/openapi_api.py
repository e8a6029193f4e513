"""`/openapi.json` and `/docs`: open to everybody, because the source is."""

from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from haulcast.doors.http_routes import resource
from haulcast.doors.web_folder import WebFolder, read_folder, sent, web_file
from haulcast.openapi.document import document

WEB = Path(__file__).parent / "web"


def routes() -> list[Route]:
    """The routes. The document is written once."""
    description, files = web_file(orjson.dumps(document()), "application/json"), read_folder(WEB)

    async def described(request: Request) -> Response:
        return await sent(description, request)

    async def page(request: Request) -> Response:
        return await sent(files["index.html"], request)

    return [
        resource("/openapi.json", GET=described),
        resource("/docs", GET=page),
        WebFolder("/docs/", files),
    ]
