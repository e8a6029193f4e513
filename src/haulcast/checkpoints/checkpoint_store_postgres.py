"""Checkpoints in PostgreSQL, and events and visits in the same transaction."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from haulcast.checkpoints import event_rows
from haulcast.checkpoints.checkpoint_store import NUMBERS, Checkpoints, DeletedVehicle
from haulcast.database.pool import Database
from haulcast.tracking.event_documents import EventDocument

PORTION = 2_000

_TYPES: dict[type, str] = {np.int64: "bigint", np.float64: "float8"}
_NUMBERS = ", ".join(NUMBERS)
_ARRAYS = ", ".join(f"${i}::{_TYPES[dtype]}[]" for i, dtype in enumerate(NUMBERS.values(), start=6))
_CHANGE = ", ".join(f"{name} = excluded.{name}" for name in ("visits", "pairs", "route", *NUMBERS))

# The lock on the vehicles makes a deletion wait, or this statement see that it has happened.
_SAVE = f"""
    WITH incoming AS MATERIALIZED (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], {_ARRAYS})
            WITH ORDINALITY AS incoming (fleet, vehicle_id, visits, pairs, route, {_NUMBERS}, place)
    ), known AS MATERIALIZED (
        SELECT incoming.* FROM incoming JOIN vehicles USING (fleet, vehicle_id) FOR KEY SHARE OF vehicles
    ), saved AS (
        INSERT INTO checkpoints (fleet, vehicle_id, visits, pairs, route, {_NUMBERS})
        SELECT fleet, vehicle_id, visits::jsonb, pairs::jsonb, route::jsonb, {_NUMBERS} FROM known
        ON CONFLICT (fleet, vehicle_id) DO UPDATE SET {_CHANGE}
    )
    SELECT place - 1 AS place FROM incoming WHERE place NOT IN (SELECT place FROM known)
"""  # noqa: S608 - no input in it
_READ = f"SELECT fleet, vehicle_id, visits::text, pairs::text, route::text, {_NUMBERS} FROM checkpoints"  # noqa: S608 - no input in it


class PostgresCheckpointStore:
    """The table `checkpoints`, whose rows hang on those of `vehicles`; `events` and `visits`, which hang on nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(
        self,
        checkpoints: Checkpoints,
        events: Sequence[EventDocument] = (),
        deleted: Sequence[DeletedVehicle] = (),
    ) -> Sequence[int]:
        """See `CheckpointStore`."""
        async with self._database.connection() as connection:
            if not events and not deleted:  # one statement is a transaction by itself
                return await _save(connection, checkpoints)
            async with connection.transaction():
                missing = await _save(connection, checkpoints) if len(checkpoints) else []
                unknown = {(checkpoints.fleet[i], checkpoints.vehicle[i]) for i in missing}
                kept = [event for event in events if (event.fleet, event.said["vehicle"]) not in unknown]
                if kept:
                    await event_rows.write_events(connection, kept)
                for vehicle in deleted:
                    await event_rows.end_visits(connection, *vehicle)
        return missing

    async def newest_event(self) -> int:
        """See `CheckpointStore`."""
        async with self._database.connection() as connection:
            return await event_rows.newest_event(connection)

    async def read_all(self) -> AsyncIterator[Checkpoints]:
        """See `CheckpointStore`."""
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(_READ)
            while rows := await cursor.fetch(PORTION):
                fleet, vehicle, visits, pairs, route, *columns = zip(*rows, strict=True)
                numbers: dict[str, NDArray[Any]] = {
                    name: np.array(column, dtype)
                    for (name, dtype), column in zip(NUMBERS.items(), columns, strict=True)
                }
                yield Checkpoints(fleet, vehicle, visits, pairs, route, numbers)


async def _save(connection: Any, checkpoints: Checkpoints) -> list[int]:
    columns = [checkpoints.numbers[name].tolist() for name in NUMBERS]
    missing = await connection.fetch(
        _SAVE, checkpoints.fleet, checkpoints.vehicle, checkpoints.visits, checkpoints.pairs, checkpoints.route, *columns
    )  # fmt: skip
    return [row["place"] for row in missing]
