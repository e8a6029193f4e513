"""Events and visits of a database, put together: the routes that read them, and the chore that forgets them."""

from collections.abc import Callable

from starlette.routing import Route

from haulcast.database.pool import Database
from haulcast.doors.http_access import Verify
from haulcast.events import event_api, visit_api
from haulcast.events.event_store_postgres import PostgresEventStore
from haulcast.events.forgetting import keep_forgetting
from haulcast.events.visit_api import Find
from haulcast.events.visit_store_postgres import PostgresVisitStore


def routes(
    database: Database, verify: Verify, find_vehicle: Find, find_fence: Find, now_ms: Callable[[], int]
) -> list[Route]:
    """All routes, to stand before those of `/v1/vehicles/{id}` and `/v1/fences/{id}`."""
    return [
        *event_api.routes(PostgresEventStore(database), verify),
        *visit_api.routes(PostgresVisitStore(database), verify, find_vehicle, find_fence, now_ms),
    ]


async def forgetting(database: Database, history_days: int, now_ms: Callable[[], int]) -> None:
    """Drop what is older than `history_days`, for ever; 0: nothing is dropped, and this returns."""
    await keep_forgetting(PostgresEventStore(database), PostgresVisitStore(database), history_days, now_ms)
