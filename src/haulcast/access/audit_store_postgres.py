"""The audit log in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import datetime

from haulcast.access.audit_store import AuditRecord
from haulcast.database.pool import Database

_NAMES = ", ".join(field.name for field in fields(AuditRecord))
_ADD = f"INSERT INTO audit ({_NAMES}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"  # noqa: S608 - no input in it
_PAGE = f"""
    SELECT audit_id, {_NAMES} FROM audit WHERE fleet = $1 AND ($2::bigint IS NULL OR audit_id < $2)
    ORDER BY audit_id DESC LIMIT $3
"""  # noqa: S608 - no input in it


class PostgresAuditStore:
    """The table `audit`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, records: Sequence[AuditRecord]) -> None:
        """See `AuditStore`."""
        async with self._database.connection() as connection:
            await connection.executemany(_ADD, [astuple(record) for record in records])

    async def page(self, fleet: str, before: int | None, limit: int) -> Sequence[tuple[int, AuditRecord]]:
        """See `AuditStore`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_PAGE, fleet, before, limit)
        return [(row[0], AuditRecord(*row[1:])) for row in map(tuple, rows)]

    async def forget(self, before: datetime) -> int:
        """See `AuditStore`."""
        async with self._database.connection() as connection:
            done = await connection.execute("DELETE FROM audit WHERE time < $1", before)
        return int(str(done).rpartition(" ")[2])
