"""Learned travel times in PostgreSQL, a row a fleet."""

from haulcast.database.pool import Database
from haulcast.travel.travel_store import StoredTravel

_FIND = "SELECT fleet, made_ms, begin_ms, end_ms, legs, speeds FROM travel_times WHERE fleet = $1"
_PUT = """
    INSERT INTO travel_times (fleet, made_ms, begin_ms, end_ms, legs, speeds) VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (fleet) DO UPDATE SET made_ms = excluded.made_ms, begin_ms = excluded.begin_ms,
        end_ms = excluded.end_ms, legs = excluded.legs, speeds = excluded.speeds
    WHERE travel_times.made_ms <= excluded.made_ms
"""


class PostgresTravelStore:
    """The table `travel_times`; see `TravelStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def made(self) -> dict[str, int]:
        """See `TravelStore`."""
        async with self._database.connection() as connection:
            return dict(await connection.fetch("SELECT fleet, made_ms FROM travel_times"))

    async def find(self, fleet: str) -> StoredTravel | None:
        """See `TravelStore`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_FIND, fleet)
        return None if row is None else StoredTravel(*row)

    async def put(self, travel: StoredTravel) -> None:
        """See `TravelStore`."""
        async with self._database.connection() as connection:
            await connection.execute(
                _PUT, travel.fleet, travel.made_ms, travel.begin_ms, travel.end_ms, travel.legs, travel.table
            )  # fmt: skip
