"""Revocations and shares in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

from haulcast.access.access_store import RevocationKey, Share
from haulcast.database.pool import Database
from haulcast.doors.revocations import Revocation
from haulcast.errors import NotFoundError

_REVOKE = """
    INSERT INTO revocations (fleet, token_id, vehicle_id, before_ms) VALUES ($1, $2, $3, $4)
    ON CONFLICT (fleet, token_id, vehicle_id) DO UPDATE
    SET before_ms = greatest(revocations.before_ms, excluded.before_ms)
"""
_REVOCATIONS = "SELECT fleet, token_id, vehicle_id, before_ms FROM revocations"
_REVOCATION_PAGE = """
    SELECT fleet, token_id, vehicle_id, before_ms FROM revocations
    WHERE fleet = $1 AND ($2::text IS NULL OR (token_id, vehicle_id) > ($2, $3::text))
    ORDER BY token_id, vehicle_id LIMIT $4
"""
_COLUMNS = "fleet, share_id, name, vehicles, created_by, created, expires"


class PostgresAccessStore:
    """The tables `revocations` and `shares`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revoke(self, revocation: Revocation) -> None:
        """See `AccessStore`."""
        async with self._database.connection() as connection:
            await connection.execute(_REVOKE, *_row(revocation))

    async def revocations(self) -> Sequence[Revocation]:
        """See `AccessStore`."""
        async with self._database.connection() as connection:
            return [Revocation(*row) for row in await connection.fetch(_REVOCATIONS)]

    async def revocation_page(
        self, fleet: str, after: RevocationKey | None, limit: int
    ) -> Sequence[Revocation]:
        """See `AccessStore`."""
        place = (None, None) if after is None else after
        async with self._database.connection() as connection:
            rows = await connection.fetch(_REVOCATION_PAGE, fleet, *place, limit)
        return [Revocation(*row) for row in rows]

    async def add_share(self, share: Share) -> None:
        """See `AccessStore`."""
        statement = f"INSERT INTO shares ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)"  # noqa: S608 - no input in it
        row = (
            share.fleet,
            share.share_id,
            share.name,
            share.vehicles,
            share.created_by,
            share.created,
            share.expires,
        )
        async with self._database.connection() as connection:
            await connection.execute(statement, *row)

    async def shares(self, fleet: str, after: str, limit: int) -> Sequence[Share]:
        """See `AccessStore`."""
        query = f"SELECT {_COLUMNS} FROM shares WHERE fleet = $1 AND share_id > $2 ORDER BY share_id LIMIT $3"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            return [_share(row) for row in await connection.fetch(query, fleet, after, limit)]

    async def delete_share(self, fleet: str, share_id: str, now_ms: int) -> Revocation:
        """See `AccessStore`."""
        statement = "DELETE FROM shares WHERE fleet = $1 AND share_id = $2 RETURNING share_id"
        revocation = Revocation(fleet, share_id, "", now_ms)
        async with self._database.connection() as connection, connection.transaction():
            if await connection.fetchval(statement, fleet, share_id) is None:
                raise NotFoundError("no_such_share", f"there is no share {share_id!r} in this fleet")
            await connection.execute(_REVOKE, *_row(revocation))
        return revocation


def _row(revocation: Revocation) -> tuple[str, str, str, int]:
    return revocation.fleet, revocation.token_id, revocation.vehicle, revocation.before_ms


def _share(row: Any) -> Share:
    values = dict(row)
    return Share(**{**values, "vehicles": tuple(values["vehicles"])})
