"""A hub's fences over HTTP without the hub: real routes, a real database, tokens that say `fleet/role`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
from starlette.applications import Starlette

from haulcast.database.pool import Database
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import TokenError
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.fences.fence_api import routes
from haulcast.fences.fence_edits import FenceEdits, fence_edits
from haulcast.fences.fence_store_postgres import PostgresFenceStore

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1], [1, 0], [0, 0]]]}
BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
FLEETS = {"acme": 0, "globex": 1}


def square(lon: float, lat: float = 0.0) -> dict:
    """A square of one degree whose south-west corner is given."""
    corners = [[lon, lat], [lon + 1, lat], [lon + 1, lat + 1], [lon, lat + 1], [lon, lat]]
    return {"type": "Polygon", "coordinates": [corners]}


def feature(geometry: dict | None = None, fence_id: str | None = None, **properties) -> dict:
    """A Feature."""
    named = {} if fence_id is None else {"id": fence_id}
    return {"type": "Feature", **named, "geometry": geometry or SQUARE, "properties": properties}


def verify(token: str) -> Claims:
    """Claims of `fleet/role`."""
    fleet, slash, role = token.partition("/")
    if not slash:
        raise TokenError("bad_token" if token else "no_token", "no")
    return Claims(fleet, role)


@dataclass
class FenceApp:
    """One hub's fences, and clients of its fleets."""

    edits: FenceEdits
    app: Starlette
    swaps: list[int]
    database: Database

    @property
    def catalogue(self) -> FenceCatalogue:
        return self.edits.catalogue

    def client(self, token: str = "acme/dispatcher") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers)

    def ids(self, fleet: str = "acme") -> set[str]:
        """The ids of a fleet's fences in the set in force."""
        handles = self.catalogue.current.handles.tolist()
        return {self.catalogue.id_of(h) for h in handles if self.catalogue.fleet_of(h) == fleet}

    def bounds(self, fence_id: str) -> list[float]:
        """West, south, east and north of a fence in the set in force."""
        current = self.catalogue.current
        index = [self.catalogue.id_of(handle) for handle in current.handles.tolist()].index(fence_id)
        return current.shapes.bounds[index].round(6).tolist()


@asynccontextmanager
async def fence_app(database: Database) -> AsyncIterator[FenceApp]:
    """The app on a database; what is stored already is in force at once."""
    swaps: list[int] = []
    catalogue = FenceCatalogue(FLEETS.__getitem__, lambda: swaps.append(1))
    async with fence_edits(PostgresFenceStore(database), catalogue) as edits:
        new_ids = (f"made-{number}" for number in range(1000))
        app = Starlette(
            routes=routes(edits, verify, new_ids.__next__), exception_handlers=exception_handlers()
        )
        yield FenceApp(edits, app, swaps, database)
