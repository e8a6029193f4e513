"""Stored events and visits for tests, put there by SQL as whoever stores them does."""

import itertools
from typing import Any

import httpx
import orjson
from starlette.applications import Starlette

from haulcast.database.pool import Database
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import TokenError
from haulcast.events import event_api, visit_api
from haulcast.events.event_store_postgres import PostgresEventStore
from haulcast.events.visit_store_postgres import PostgresVisitStore

NOW_MS = 1_790_000_000_000
_numbers = itertools.count(1_790_000_000_000_000)


def event_document(event_id: str, kind: str = "enter", **members: Any) -> dict[str, Any]:
    """What the live socket says of an event, and its id."""
    return {
        "id": event_id, "event": kind, "cause": "moved", "visit": 1_790_000_000_000_001, "vehicle": "truck-7",
        "fence": "depot", "name": "Depot", "time_ms": NOW_MS, "lat": 52.1, "lon": 5.1, "fix_time_ms": NOW_MS, **members,
    }  # fmt: skip


async def store_event(
    database: Database, kind: str = "enter", *, fleet: str = "acme", event_id: str | None = None, **members: Any
) -> str:  # fmt: skip
    """Store one event; its id. A member that is None is left out."""
    event_id = event_id or f"{next(_numbers):016x}"
    found = {
        name: value for name, value in event_document(event_id, kind, **members).items() if value is not None
    }
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO events (event_id, fleet, vehicle_id, other_id, fence_id, rule_id, route_id, kind, time_ms, document)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            event_id, fleet, found["vehicle"], found.get("other"), found.get("fence"), found.get("rule"), found.get("route"), kind,
            found["time_ms"], orjson.dumps(found).decode(),
        )  # fmt: skip
    return event_id


async def store_visit(
    database: Database, entered_ms: int, left_ms: int | None, *, visit: int | None = None, fleet: str = "acme",
    vehicle: str = "truck-7", fence: str = "depot", name: str = "Depot",
) -> int:  # fmt: skip
    """Store one visit; its id."""
    visit = visit or next(_numbers)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO visits VALUES ($1, $2, $3, $4, $5, $6, 52.1, 5.1, $7, NULL, NULL)",
            fleet, visit, vehicle, fence, name, entered_ms, left_ms,
        )  # fmt: skip
    return visit


def verify(token: str) -> Claims:
    """Claims of `fleet/role`, or of `fleet/role/vehicle` those of a shared view."""
    fleet, *more = token.split("/")
    if not more:
        raise TokenError("bad_token" if token else "no_token", "no")
    return Claims(fleet, more[0], vehicles=frozenset(more[1:]) or None)


class EventApp:
    """The routes over a database; `parked` and the fence `empty` are on record in acme."""

    def __init__(self, database: Database, now_ms: int = NOW_MS) -> None:
        events, visits = PostgresEventStore(database), PostgresVisitStore(database)
        self.app = Starlette(
            routes=[
                *event_api.routes(events, verify),
                *visit_api.routes(visits, verify, self._find, self._find, lambda: now_ms),
            ],
            exception_handlers=exception_handlers(),
        )

    @staticmethod
    async def _find(fleet: str, name: str) -> object:
        return True if fleet == "acme" and name in {"parked", "empty"} else None

    def client(self, token: str = "acme/viewer") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://hub", headers=headers
        )


async def all_of(client: httpx.AsyncClient, path: str, name: str) -> list[dict[str, Any]]:
    """The things of every page, following the links."""
    things: list[dict[str, Any]] = []
    while path:
        answer = (await client.get(path)).raise_for_status().json()
        things += answer[name]
        path = answer.get("next")
    return things
