"""Events in PostgreSQL."""

from collections.abc import Collection, Sequence
from typing import Any

from haulcast.database.pool import Database
from haulcast.events.event_store import EventFilter, StoredEvent, TimedEvent

_SPAN = """
    SELECT time_ms, other_id, document FROM (
        SELECT number, time_ms, other_id, document FROM events
        WHERE fleet = $1 AND time_ms >= $2 AND time_ms < $3 AND ($4::text[] IS NULL OR vehicle_id = ANY ($4))
        ORDER BY time_ms FETCH FIRST $5 ROWS WITH TIES
    ) AS found ORDER BY time_ms, number
"""


class PostgresEventStore:
    """The table `events`, of which this is the reading side."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, fleet: str, asked: EventFilter, after: int | None, limit: int, *, newest_first: bool = False
    ) -> Sequence[StoredEvent]:
        """See `EventStore`."""
        values: list[Any] = [fleet, limit]
        conditions = ["fleet = $1", *_conditions(asked, values)]
        if after is not None:
            values.append(after)
            conditions.append(f"number {'<' if newest_first else '>'} ${len(values)}")
        query = f"""
            SELECT number, event_id, document FROM events WHERE {" AND ".join(conditions)}
            ORDER BY number {"DESC" if newest_first else ""} LIMIT $2
        """  # noqa: S608 - constants of this file; what users say is in the values
        async with self._database.connection() as connection:
            return [StoredEvent(*row) for row in await connection.fetch(query, *values)]

    async def span(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, limit: int
    ) -> Sequence[TimedEvent]:
        """See `EventStore`."""
        # no text of PostgreSQL's holds a NUL
        named = None if vehicles is None else [vehicle for vehicle in vehicles if "\0" not in vehicle]
        async with self._database.connection() as connection:
            return [
                TimedEvent(*row)
                for row in await connection.fetch(_SPAN, fleet, begin_ms, end_ms, named, limit)
            ]

    async def place_of(self, event_id: str, *, newest_first: bool = False) -> int | None:
        """See `EventStore`."""
        before, order = (">=", "") if newest_first else ("<=", "DESC")
        query = f"SELECT number FROM events WHERE event_id {before} $1 ORDER BY event_id {order} LIMIT 1"  # noqa: S608 - constants
        async with self._database.connection() as connection:
            found: int | None = await connection.fetchval(query, event_id)
            return found

    async def newest_number(self) -> int:
        """See `EventStore`."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval("SELECT max(number) FROM events") or 0)

    async def fleets_after(self, number: int) -> Sequence[tuple[str, int]]:
        """See `EventStore`."""
        query = "SELECT fleet, max(number) FROM events WHERE number > $1 GROUP BY fleet"
        async with self._database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, number)]

    async def forget_before(self, time_ms: int, limit: int) -> int:
        """See `EventStore`."""
        query = "DELETE FROM events WHERE number = ANY(ARRAY(SELECT number FROM events WHERE time_ms < $1 LIMIT $2))"
        async with self._database.connection() as connection:
            return rows_done(await connection.execute(query, time_ms, limit))


def rows_done(status: str) -> int:
    """How many rows a statement changed, by what PostgreSQL says of it."""
    return int(status.rpartition(" ")[2])


def _conditions(asked: EventFilter, values: list[Any]) -> list[str]:
    """Conditions for what is asked for; what they compare with is appended to `values`."""
    found = []
    for texts, condition in (
        (asked.vehicles, "(vehicle_id = ANY({0}::text[]) OR other_id = ANY({0}::text[]))"),
        (asked.fences, "fence_id = ANY({}::text[])"),
        (asked.rules, "rule_id = ANY({}::text[])"),
        (asked.routes, "route_id = ANY({}::text[])"),
        (asked.kinds, "kind = ANY({}::text[])"),
        (asked.begin_ms, "time_ms >= {}"),
        (asked.end_ms, "time_ms < {}"),
    ):
        if texts is not None:
            values.append(texts)
            found.append(condition.format(f"${len(values)}"))
    return found
