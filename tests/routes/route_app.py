"""The routes station over HTTP without the hub: real routes, a real database, tokens that say `fleet/role` or `fleet/device/vehicle`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from route_world import Fences, opened_edits
from starlette.applications import Starlette

from haulcast.database.pool import Database
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import TokenError
from haulcast.routes import load_api, profile_api, route_api
from haulcast.routes.route_documents import RouteOutlook
from haulcast.routes.route_edits import RouteEdits

NOW_MS = 1_800_000_000_000


def verify(token: str) -> Claims:
    """Claims of `fleet/role[/vehicle]`."""
    parts = token.split("/")
    if len(parts) < 2:
        raise TokenError("bad_token" if token else "no_token", "no")
    return Claims(*parts)


@dataclass
class RouteApp:
    """One hub's loads and routes, and clients of its fleets."""

    edits: RouteEdits
    app: Starlette
    fences: Fences
    outlooks: dict[str, RouteOutlook] = field(default_factory=dict)

    def client(self, token: str = "acme/dispatcher") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers, timeout=30)


@asynccontextmanager
async def route_app(database: Database) -> AsyncIterator[RouteApp]:
    """The app on a database."""
    fences = Fences()
    async with opened_edits(database, fences) as edits:
        found = RouteApp(edits, Starlette(), fences)
        new_ids = (f"made-{number}" for number in range(10_000))
        found.app = Starlette(
            routes=[
                *load_api.routes(edits, verify, new_ids.__next__),
                *route_api.routes(
                    edits,
                    verify,
                    lambda: NOW_MS,
                    lambda _, route: found.outlooks.get(route),
                    new_ids.__next__,
                ),
                *profile_api.routes(edits, verify),
            ],
            exception_handlers=exception_handlers(),
        )
        yield found
