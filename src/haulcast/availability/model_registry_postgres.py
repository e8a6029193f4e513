"""Which models there are, in PostgreSQL; their files lie in a folder (`model_file.py`)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import orjson

from haulcast.availability.model_registry import (
    ModelEntry,
    ModelStatus,
    entry_of,
    live_and_before,
    live_entry,
)
from haulcast.database.pool import Database
from haulcast.errors import ConflictError

_COLUMNS = "fleet, version, made_ms, file, checksum, card, status, live_ms"
_ADD = f"INSERT INTO availability_models ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8)"  # noqa: S608 - no input in it
_READ = f"""
    SELECT {_COLUMNS} FROM availability_models WHERE $1::text IS NULL OR fleet = $1
    ORDER BY fleet, made_ms DESC, version DESC
"""  # noqa: S608 - no input in it
_LIVE = f"SELECT {_COLUMNS} FROM availability_models WHERE status = 'live'"  # noqa: S608 - no input in it
# all rows of the fleet, always in the same order: who comes second waits here, and reads what the first has done
_HOLD = "SELECT 1 FROM availability_models WHERE fleet = $1 ORDER BY version FOR UPDATE"
_SET = "UPDATE availability_models SET status = $3, live_ms = $4 WHERE fleet = $1 AND version = $2"


class PostgresModelRegistry:
    """The table `availability_models`; see `ModelRegistry`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: ModelEntry) -> None:
        """See `ModelRegistry`."""
        card = orjson.dumps(dict(entry.card)).decode()
        values = (entry.made_ms, entry.file, entry.checksum, card, entry.status.value, entry.live_ms)
        try:
            async with self._database.connection() as connection:
                await connection.execute(_ADD, entry.fleet, entry.version, *values)
        except asyncpg.UniqueViolationError as error:
            raise ConflictError(
                "model_exists", f"fleet {entry.fleet!r} has a model {entry.version!r} already"
            ) from error

    async def entries(self, fleet: str | None = None) -> Sequence[ModelEntry]:
        """See `ModelRegistry`."""
        async with self._database.connection() as connection:
            return await _entries(connection, fleet)

    async def live(self) -> Mapping[str, ModelEntry]:
        """See `ModelRegistry`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_LIVE)
        return {row["fleet"]: _entry(row) for row in rows}

    async def promote(self, fleet: str, version: str, now_ms: int) -> ModelEntry | None:
        """See `ModelRegistry`."""
        async with self._database.connection() as connection, connection.transaction():
            entries = await _held(connection, fleet)
            chosen, before = entry_of(entries, fleet, version), live_entry(entries)
            if chosen != before:
                if before is not None:
                    await _set(connection, replace(before, status=ModelStatus.RETIRED))
                live_ms = max(now_ms, *(1 + (entry.live_ms or 0) for entry in entries))
                await _set(connection, replace(chosen, status=ModelStatus.LIVE, live_ms=live_ms))
        return before

    async def rollback(self, fleet: str) -> tuple[ModelEntry, ModelEntry]:
        """See `ModelRegistry`."""
        async with self._database.connection() as connection, connection.transaction():
            entries = await _held(connection, fleet)
            now, before = live_and_before(entries, fleet)
            retired = replace(now, status=ModelStatus.RETIRED, live_ms=None)
            again = replace(before, status=ModelStatus.LIVE)
            await _set(connection, retired)
            await _set(connection, again)
        return retired, again


async def _held(connection: Any, fleet: str) -> Sequence[ModelEntry]:
    """All models of a fleet, which nobody else changes before the transaction ends."""
    await connection.execute(_HOLD, fleet)
    return await _entries(connection, fleet)


async def _entries(connection: Any, fleet: str | None) -> Sequence[ModelEntry]:
    return [_entry(row) for row in await connection.fetch(_READ, fleet)]


async def _set(connection: Any, entry: ModelEntry) -> None:
    await connection.execute(_SET, entry.fleet, entry.version, entry.status.value, entry.live_ms)


def _entry(row: Mapping[str, Any]) -> ModelEntry:
    return ModelEntry(**{**row, "card": orjson.loads(row["card"]), "status": ModelStatus(row["status"])})
