"""One route a path, whatever its methods, so that a 405 answer lists them all."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FILE_METHODS = ("GET", "HEAD")

Endpoint = Callable[[Request], Awaitable[Response]]


def resource(path: str, **endpoints: Endpoint) -> Route:
    """A route of one path; `endpoints` by method name in capitals. HEAD is answered where GET is."""

    async def dispatch(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, dispatch, methods=list(endpoints))


class Pages(Mount):
    """The files of a folder, for what no route is there for."""

    def __init__(self, path: str, directory: Path) -> None:
        super().__init__(path, _Files(directory=directory, html=True))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Never whole: a route of this path comes first, also when it only says which methods it has."""
        match, child = super().matches(scope)
        return (Match.PARTIAL if match is Match.FULL else match), child


class _Files(StaticFiles):
    """What is no file is 404 whatever the method."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["method"] in _FILE_METHODS:
            return await super().get_response(path, scope)
        await super().get_response(path, {**scope, "method": "HEAD"})
        raise HTTPException(405, headers={"Allow": ", ".join(_FILE_METHODS)})
