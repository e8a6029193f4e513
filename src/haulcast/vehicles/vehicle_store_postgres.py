"""Vehicles in PostgreSQL."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import asyncpg
import orjson

from haulcast.database.pool import Database
from haulcast.errors import ConflictError, NotFoundError
from haulcast.vehicles.vehicle_store import VehicleDraft, VehicleRecord

PORTION = 1_000  # rows fetched at a time

_COLUMNS = "fleet, vehicle_id, name, tags, attributes, created, updated"
_INSERT = (
    "INSERT INTO vehicles (fleet, vehicle_id, name, tags, attributes) VALUES ($1, $2, $3, $4, $5::jsonb)"
)
_CHANGE = "name = $3, tags = $4, attributes = $5::jsonb, updated = greatest(now(), vehicles.updated)"


_END_VISITS = """
    UPDATE visits SET left_ms = greatest(entered_ms, (extract(epoch FROM now()) * 1000)::bigint)
    WHERE fleet = $1 AND vehicle_id = $2 AND left_ms IS NULL
"""


class PostgresVehicleStore:
    """The table `vehicles`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tags(
        self, fleet: str | None = None
    ) -> AsyncIterator[Sequence[tuple[str, str, tuple[str, ...]]]]:
        """See `VehicleStore`."""
        query = "SELECT fleet, vehicle_id, tags FROM vehicles WHERE tags <> '{}' AND ($1::text IS NULL OR fleet = $1)"
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(query, fleet)
            while rows := await cursor.fetch(PORTION):
                yield [(row["fleet"], row["vehicle_id"], tuple(row["tags"])) for row in rows]

    async def page(self, fleet: str, after: str, limit: int) -> Sequence[VehicleRecord]:
        """See `VehicleStore`."""
        query = f"SELECT {_COLUMNS} FROM vehicles WHERE fleet = $1 AND vehicle_id > $2 ORDER BY vehicle_id LIMIT $3"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            return [_record(row) for row in await connection.fetch(query, fleet, after, limit)]

    async def find(self, fleet: str, vehicle_id: str) -> VehicleRecord | None:
        """See `VehicleStore`."""
        query = f"SELECT {_COLUMNS} FROM vehicles WHERE fleet = $1 AND vehicle_id = $2"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            row = await connection.fetchrow(query, fleet, vehicle_id)
        return None if row is None else _record(row)

    async def create(self, fleet: str, draft: VehicleDraft) -> VehicleRecord:
        """See `VehicleStore`."""
        try:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(f"{_INSERT} RETURNING {_COLUMNS}", *_row(fleet, draft))
        except asyncpg.UniqueViolationError as error:
            reason = f"there is a vehicle {draft.vehicle_id!r} already; PUT /v1/vehicles/<id> replaces it"
            raise ConflictError("vehicle_exists", reason, field="id") from error
        return _record(row)

    async def put(self, fleet: str, draft: VehicleDraft) -> tuple[VehicleRecord, bool]:
        """See `VehicleStore`."""
        # A row that this statement inserted has no deleting transaction (xmax); one that it updated was locked by it.
        query = f"{_INSERT} ON CONFLICT (fleet, vehicle_id) DO UPDATE SET {_CHANGE} RETURNING {_COLUMNS}, xmax = 0 AS is_new"
        async with self._database.connection() as connection:
            row = dict(await connection.fetchrow(query, *_row(fleet, draft)))
        is_new = row.pop("is_new")
        return _record(row), is_new

    async def delete(self, fleet: str, vehicle_id: str) -> None:
        """See `VehicleStore`."""
        query = "DELETE FROM vehicles WHERE fleet = $1 AND vehicle_id = $2 RETURNING 1"
        async with self._database.connection() as connection, connection.transaction():
            if await connection.fetchval(query, fleet, vehicle_id) is None:
                raise NotFoundError("no_such_vehicle", f"there is no vehicle {vehicle_id!r} in this fleet")
            # a statement of its own: it sees what was stored while the first one waited
            await connection.execute(_END_VISITS, fleet, vehicle_id)

    async def add_missing(self, vehicles: Collection[tuple[str, str]]) -> None:
        """See `VehicleStore`."""
        # In order, so that of two hubs that add the same ones neither blocks the other for good.
        query = """
            INSERT INTO vehicles (fleet, vehicle_id, name, tags, attributes)
            SELECT fleet, vehicle_id, vehicle_id, '{}', '{}' FROM unnest($1::text[], $2::text[]) AS seen (fleet, vehicle_id)
            ON CONFLICT DO NOTHING
        """
        fleets, ids = zip(*sorted(vehicles), strict=True) if vehicles else ((), ())
        async with self._database.connection() as connection:
            await connection.execute(query, fleets, ids)


def _row(fleet: str, draft: VehicleDraft) -> tuple[str, str, str, list[str], str]:
    return fleet, draft.vehicle_id, draft.name, list(draft.tags), orjson.dumps(draft.attributes).decode()


def _record(row: Mapping[str, Any]) -> VehicleRecord:
    return VehicleRecord(**{**row, "attributes": orjson.loads(row["attributes"]), "tags": tuple(row["tags"])})
