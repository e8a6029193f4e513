"""Phone ids in PostgreSQL."""

import asyncpg

from haulcast.database.pool import Database
from haulcast.errors import NotFoundError

_PUT = """
    INSERT INTO phone_ids (fleet, vehicle_id, digest) VALUES ($1, $2, $3)
    ON CONFLICT (fleet, vehicle_id) DO UPDATE SET digest = excluded.digest, created = now()
"""


class PostgresPhoneIdStore:
    """The table `phone_ids`, whose rows hang on those of `vehicles`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, fleet: str, vehicle_id: str, digest: bytes) -> None:
        """See `PhoneIdStore`."""
        try:
            async with self._database.connection() as connection:
                await connection.execute(_PUT, fleet, vehicle_id, digest)
        except asyncpg.ForeignKeyViolationError as error:
            raise NotFoundError(
                "no_such_vehicle", f"there is no vehicle {vehicle_id!r} in this fleet"
            ) from error

    async def find(self, digest: bytes) -> tuple[str, str] | None:
        """See `PhoneIdStore`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                "SELECT fleet, vehicle_id FROM phone_ids WHERE digest = $1", digest
            )
        return None if row is None else (row["fleet"], row["vehicle_id"])

    async def delete(self, fleet: str, vehicle_id: str) -> None:
        """See `PhoneIdStore`."""
        query = "DELETE FROM phone_ids WHERE fleet = $1 AND vehicle_id = $2 RETURNING 1"
        async with self._database.connection() as connection:
            if await connection.fetchval(query, fleet, vehicle_id) is None:
                raise NotFoundError("no_such_phone_id", f"vehicle {vehicle_id!r} has no phone id")
