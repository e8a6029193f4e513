"""Rules in PostgreSQL."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import asyncpg
import orjson

from haulcast.database.editions import other_edition
from haulcast.database.pool import Database
from haulcast.errors import ConflictError, NotFoundError
from haulcast.rules.rule_store import FenceFacts, RuleRecord, StoredRule

PORTION = 200  # rows fetched at a time; a rule can name thousands of ids

_COLUMNS = "fleet, rule_id, document, version, created, updated"
_INSERT = "INSERT INTO rules (fleet, rule_id, document) VALUES ($1, $2, $3::jsonb)"
_CHANGE = "document = $3::jsonb, version = rules.version + 1, updated = greatest(now(), rules.updated)"
_PAGE = f"""
    SELECT {_COLUMNS} FROM rules
    WHERE fleet = $1 AND rule_id > $2 AND (
        $4::text IS NULL OR document #> '{{fences,ids}}' ? $4 OR document #> '{{fences,tags}}' ?| $5::text[]
    )
    ORDER BY rule_id LIMIT $3
"""  # noqa: S608 - no input in it


class PostgresRuleStore:
    """The table `rules`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rules(self, fleet: str | None = None) -> AsyncIterator[Sequence[StoredRule]]:
        """See `RuleStore`."""
        query = "SELECT fleet, rule_id, document FROM rules WHERE $1::text IS NULL OR fleet = $1"
        async with self._database.connection() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(query, fleet)
            while rows := await cursor.fetch(PORTION):
                yield [
                    StoredRule(row["fleet"], row["rule_id"], orjson.loads(row["document"])) for row in rows
                ]

    async def page(
        self, fleet: str, after: str, limit: int, fence: FenceFacts | None = None
    ) -> Sequence[RuleRecord]:
        """See `RuleStore`."""
        fence_id, tags = (None, []) if fence is None else (fence.fence_id, list(fence.tags))
        async with self._database.connection() as connection:
            rows = await connection.fetch(_PAGE, fleet, after, limit, fence_id, tags)
        return [_record(row) for row in rows]

    async def find(self, fleet: str, rule_id: str) -> RuleRecord | None:
        """See `RuleStore`."""
        async with self._database.connection() as connection:
            return await _find(connection, fleet, rule_id)

    async def create(self, fleet: str, document: Mapping[str, Any]) -> RuleRecord:
        """See `RuleStore`."""
        try:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(f"{_INSERT} RETURNING {_COLUMNS}", *_row(fleet, document))
        except asyncpg.UniqueViolationError as error:
            reason = f"there is a rule {document['id']!r} already; PUT /v1/rules/<id> replaces it"
            raise ConflictError("rule_exists", reason, field="id") from error
        return _record(row)

    async def replace(self, fleet: str, document: Mapping[str, Any], expected: str) -> RuleRecord:
        """See `RuleStore`."""
        query = f"UPDATE rules SET {_CHANGE} WHERE fleet = $1 AND rule_id = $2 RETURNING {_COLUMNS}"  # noqa: S608 - no input in it
        async with self._database.connection() as connection, connection.transaction():
            found = await _find(connection, fleet, document["id"], lock=True)
            if found is None or expected not in {"*", found.edition}:
                raise other_edition(f"rule {document['id']!r}", found.edition if found else None)
            return _record(await connection.fetchrow(query, *_row(fleet, document)))

    async def put(self, fleet: str, document: Mapping[str, Any]) -> tuple[RuleRecord, bool]:
        """See `RuleStore`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"{_INSERT} ON CONFLICT (fleet, rule_id) DO UPDATE SET {_CHANGE} RETURNING {_COLUMNS}",
                *_row(fleet, document),
            )
        return _record(row), row["version"] == 1  # a changed one has at least 2

    async def delete(self, fleet: str, rule_id: str, expected: str = "*") -> None:
        """See `RuleStore`."""
        async with self._database.connection() as connection, connection.transaction():
            found = await _find(connection, fleet, rule_id, lock=True)
            if found is None:
                raise NotFoundError("no_such_rule", f"there is no rule {rule_id!r} in this fleet")
            if expected not in {"*", found.edition}:
                raise other_edition(f"rule {rule_id!r}", found.edition)
            await connection.execute("DELETE FROM rules WHERE fleet = $1 AND rule_id = $2", fleet, rule_id)


async def _find(connection: Any, fleet: str, rule_id: str, *, lock: bool = False) -> RuleRecord | None:
    query = f"SELECT {_COLUMNS} FROM rules WHERE fleet = $1 AND rule_id = $2"  # noqa: S608 - no input in it
    row = await connection.fetchrow(query + " FOR UPDATE" if lock else query, fleet, rule_id)
    return None if row is None else _record(row)


def _row(fleet: str, document: Mapping[str, Any]) -> tuple[str, str, str]:
    return fleet, document["id"], orjson.dumps(document).decode()


def _record(row: Mapping[str, Any]) -> RuleRecord:
    return RuleRecord(**{**row, "document": orjson.loads(row["document"])})
