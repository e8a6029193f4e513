"""Fences in PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import asyncpg
import orjson

from haulcast.database.editions import other_edition
from haulcast.database.pool import Database
from haulcast.errors import ConflictError, NotFoundError
from haulcast.fences.fence_store import FenceDraft, FenceRecord, StoredArea

PORTION = 1_000  # rows fetched at a time; some megabytes of ordinary polygons
IMPORT_TIMEOUT_S = 600.0

_COLUMNS = "fleet, fence_id, name, area, tags, attributes, version, created, updated"
_INSERT = "INSERT INTO fences (fleet, fence_id, name, area, tags, attributes) VALUES ($1, $2, $3, $4::jsonb, $5, $6::jsonb)"
_AGAIN = "version = fences.version + 1, updated = greatest(now(), fences.updated)"
_CHANGE = f"name = $3, area = $4::jsonb, tags = $5, attributes = $6::jsonb, {_AGAIN}"

_INCOMING = """
    CREATE TEMPORARY TABLE incoming (fence_id text COLLATE "C", name text, area jsonb, tags text[], attributes jsonb)
    ON COMMIT DROP
"""
# In order of id, so that of two imports at once one waits for the other and neither blocks both.
_MERGE_INCOMING = f"""
    WITH written AS (
        INSERT INTO fences (fleet, fence_id, name, area, tags, attributes)
        SELECT $1, fence_id, name, area, tags, attributes FROM incoming ORDER BY fence_id
        ON CONFLICT (fleet, fence_id) DO UPDATE
        SET name = excluded.name, area = excluded.area, tags = excluded.tags, attributes = excluded.attributes, {_AGAIN}
        WHERE (fences.name, fences.area, fences.tags, fences.attributes)
            IS DISTINCT FROM (excluded.name, excluded.area, excluded.tags, excluded.attributes)
        RETURNING version
    )
    SELECT count(*) FILTER (WHERE version = 1), count(*) FILTER (WHERE version > 1) FROM written
"""  # noqa: S608 - no input in it


class PostgresFenceStore:
    """The table `fences`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def areas(self, fleet: str | None = None) -> AsyncIterator[Sequence[StoredArea]]:
        """See `FenceStore`."""
        query = "SELECT fleet, fence_id, name, area, tags FROM fences WHERE $1::text IS NULL OR fleet = $1"
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(query, fleet)
            while rows := await cursor.fetch(PORTION):
                yield [StoredArea(**{**row, "tags": tuple(row["tags"])}) for row in rows]

    async def page(self, fleet: str, after: str, limit: int) -> Sequence[FenceRecord]:
        """See `FenceStore`."""
        query = f"SELECT {_COLUMNS} FROM fences WHERE fleet = $1 AND fence_id > $2 ORDER BY fence_id LIMIT $3"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            return [_record(row) for row in await connection.fetch(query, fleet, after, limit)]

    async def find(self, fleet: str, fence_id: str) -> FenceRecord | None:
        """See `FenceStore`."""
        async with self._database.connection() as connection:
            return await _find(connection, fleet, fence_id)

    async def create(self, fleet: str, draft: FenceDraft) -> FenceRecord:
        """See `FenceStore`."""
        try:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(f"{_INSERT} RETURNING {_COLUMNS}", *_row(fleet, draft))
        except asyncpg.UniqueViolationError as error:
            reason = f"there is a fence {draft.fence_id!r} already; PUT /v1/fences/<id> replaces it"
            raise ConflictError("fence_exists", reason, field="id") from error
        return _record(row)

    async def replace(self, fleet: str, draft: FenceDraft, expected: str) -> FenceRecord:
        """See `FenceStore`."""
        query = f"UPDATE fences SET {_CHANGE} WHERE fleet = $1 AND fence_id = $2 RETURNING {_COLUMNS}"  # noqa: S608 - no input in it
        async with self._database.connection() as connection, connection.transaction():
            found = await _find(connection, fleet, draft.fence_id, lock=True)
            if found is None or expected not in {"*", found.edition}:
                raise other_edition(f"fence {draft.fence_id!r}", found.edition if found else None)
            return _record(await connection.fetchrow(query, *_row(fleet, draft)))

    async def put(self, fleet: str, draft: FenceDraft) -> tuple[FenceRecord, bool]:
        """See `FenceStore`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"{_INSERT} ON CONFLICT (fleet, fence_id) DO UPDATE SET {_CHANGE} RETURNING {_COLUMNS}",
                *_row(fleet, draft),
            )
        return _record(row), row["version"] == 1  # a changed one has at least 2

    async def put_all(self, fleet: str, drafts: Sequence[FenceDraft]) -> tuple[int, int]:
        """See `FenceStore`."""
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute(_INCOMING)
            rows = _rows(fleet, drafts)
            await connection.copy_records_to_table("incoming", records=rows, timeout=IMPORT_TIMEOUT_S)
            created, changed = await connection.fetchrow(_MERGE_INCOMING, fleet, timeout=IMPORT_TIMEOUT_S)
        return created, changed

    async def delete(self, fleet: str, fence_id: str, expected: str = "*") -> None:
        """See `FenceStore`."""
        async with self._database.connection() as connection, connection.transaction():
            found = await _find(connection, fleet, fence_id, lock=True)
            if found is None:
                raise NotFoundError("no_such_fence", f"there is no fence {fence_id!r} in this fleet")
            if expected not in {"*", found.edition}:
                raise other_edition(f"fence {fence_id!r}", found.edition)
            await connection.execute("DELETE FROM fences WHERE fleet = $1 AND fence_id = $2", fleet, fence_id)

    async def delete_all(self, fleet: str, fence_ids: Collection[str]) -> None:
        """See `FenceStore`."""
        query = "DELETE FROM fences WHERE fleet = $1 AND fence_id = ANY ($2::text[])"
        async with self._database.connection() as connection:
            await connection.execute(query, fleet, list(fence_ids))


async def _find(connection: Any, fleet: str, fence_id: str, *, lock: bool = False) -> FenceRecord | None:
    query = f"SELECT {_COLUMNS} FROM fences WHERE fleet = $1 AND fence_id = $2"  # noqa: S608 - no input in it
    row = await connection.fetchrow(query + " FOR UPDATE" if lock else query, fleet, fence_id)
    return None if row is None else _record(row)


def _row(fleet: str, draft: FenceDraft) -> tuple[str, str, str, str, tuple[str, ...], str]:
    attributes = orjson.dumps(draft.attributes or {}).decode()
    return fleet, draft.fence_id, draft.name, draft.area, draft.tags, attributes


async def _rows(fleet: str, drafts: Sequence[FenceDraft]) -> AsyncIterator[tuple[Any, ...]]:
    """The rows of `incoming`; ticks run between portions of them."""
    for index, draft in enumerate(drafts):
        if not index % PORTION:
            await asyncio.sleep(0)
        yield _row(fleet, draft)[1:]


def _record(row: Mapping[str, Any]) -> FenceRecord:
    texts = {
        "attributes": orjson.loads(row["attributes"]),
        "tags": tuple(row["tags"]),
    }
    return FenceRecord(**{**row, **texts})
