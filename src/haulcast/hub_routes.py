"""The routes station as the hub has it: its store, its book, its edits and the fences of its stops, and what it serves over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import orjson
import structlog
from starlette.routing import BaseRoute

from geo.fence_area import Circle, area_as_geojson
from haulcast import clock
from haulcast.database.pool import Database
from haulcast.doors.http_access import Verify
from haulcast.errors import StoreError
from haulcast.fences.fence_edits import FenceEdits
from haulcast.fences.fence_store import FenceDraft
from haulcast.routes import load_api, profile_api, route_api
from haulcast.routes.route_book import RouteBook
from haulcast.routes.route_documents import OutlookOf
from haulcast.routes.route_edits import RouteEdits, route_edits
from haulcast.routes.route_store import RouteStore
from haulcast.routes.route_store_postgres import PostgresRouteStore
from haulcast.routes.stop_fences import STOP_TAG, HubFences, StopCircle

FORGET_S: Final = 600.0
FORGET_PORTION: Final = 1_000
FORGET_PAUSE_S: Final = 0.02  # so that who writes has the disk for most of the time
_DAY_MS: Final = 86_400_000

log = structlog.get_logger("haulcast.routes")


class HubRoutes:
    """What others have of the station.

    Attributes:
        edits: the only writer of loads, routes and profiles; its `book` is what there is.
        outlook_of: what is known of an active route while it is driven, for its document; to be set before `routes` is asked.
    """

    def __init__(self, edits: RouteEdits) -> None:
        self.edits = edits
        self.outlook_of: OutlookOf = lambda _fleet, _route: None

    @property
    def book(self) -> RouteBook:
        """All that is not over."""
        return self.edits.book

    def routes(self, verify: Verify) -> Iterator[BaseRoute]:
        """The station's routes, to stand before those of `/v1/vehicles/{id}`."""
        yield from load_api.routes(self.edits, verify)
        yield from route_api.routes(self.edits, verify, clock.epoch_ms, self.outlook_of)
        yield from profile_api.routes(self.edits, verify)


@asynccontextmanager
async def hub_routes(
    database: Database, fence_edits: FenceEdits, history_days: int
) -> AsyncIterator[HubRoutes]:
    """The station for the time of the block, with all that is stored; what has been over for so many days is forgotten.

    Raises:
        StoreError: the store cannot be reached.
    """
    store = PostgresRouteStore(database)
    async with route_edits(store, RouteBook(), _fences(fence_edits)) as edits:
        fence_edits.while_unused = edits.while_unused
        forgetting = asyncio.create_task(_forgetting(store, history_days))
        try:
            yield HubRoutes(edits)
        finally:
            forgetting.cancel()


def _fences(edits: FenceEdits) -> HubFences:
    """What the fences station does for stops."""
    catalogue = edits.catalogue

    async def make(fleet: str, circles: Sequence[StopCircle]) -> None:
        await edits.put_all(fleet, [_fence_of(circle) for circle in circles])

    async def remove(fleet: str, fence_ids: Collection[str]) -> None:
        # one that somebody has put other tags on is not only a stop's any more
        ours = [fence_id for fence_id in fence_ids if catalogue.find_tags(fleet, fence_id) == (STOP_TAG,)]
        if ours:
            await edits.delete_all(fleet, ours)

    return HubFences(catalogue.has, make, remove)


def _fence_of(circle: StopCircle) -> tuple[FenceDraft, Circle]:
    area = Circle(circle.lat_deg, circle.lon_deg, circle.radius_m)
    text = orjson.dumps(area_as_geojson(area)).decode()
    return FenceDraft(circle.fence_id, circle.name, text, (STOP_TAG,)), area


async def _forgetting(store: RouteStore, history_days: int) -> None:
    """Drop what has been over for so many days, for ever, a portion after the other; 0: nothing is dropped, and this returns."""
    while history_days:
        try:
            await _forget(store, clock.epoch_ms() - history_days * _DAY_MS)
        except StoreError as error:
            log.warning("old_routes_not_forgotten", reason=error.reason)
        except Exception:
            log.exception("old_routes_not_forgotten")
        await asyncio.sleep(FORGET_S)


async def _forget(store: RouteStore, before_ms: int) -> None:
    dropped = -1
    while dropped:
        dropped = await store.forget(before_ms, FORGET_PORTION)
        await asyncio.sleep(FORGET_PAUSE_S)
