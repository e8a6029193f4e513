"""Visits in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from haulcast.database.pool import Database
from haulcast.events.event_store_postgres import rows_done
from haulcast.events.visit_store import TimeInside, Visit, VisitFilter, VisitKey

LASTS = "9223372036854775807"
"""The end of a visit that lasts, in the index by ends: the largest bigint."""

_NAMES = ", ".join(field.name for field in fields(Visit))
_ENDS = f"coalesce(left_ms, {LASTS})"
# A visit that ended at the begin was there at that moment.
_IN_SPAN = f"fleet = $1 AND entered_ms < $3 AND {_ENDS} >= $2"


def _times(by: str, of: str) -> str:
    """A query of sums by one column, of one value of the other; overlapping visits are joined before they are summed."""
    return f"""
        WITH named AS (
            SELECT {by} AS name_id, fence_name, entered_ms, left_ms IS NULL AS is_open,
                   int8range(greatest(entered_ms, $2), greatest(least({_ENDS}, $3), entered_ms, $2)) AS part
            FROM visits WHERE {_IN_SPAN} AND {of} = $4 AND {by} > $5
        ), joined AS (
            SELECT name_id, (array_agg(fence_name ORDER BY entered_ms DESC))[1] AS fence_name, count(*) AS visits,
                   range_agg(part) AS parts, bool_or(is_open) AS is_open
            FROM named GROUP BY name_id ORDER BY name_id LIMIT $6
        )
        SELECT name_id, fence_name, visits,
               (SELECT coalesce(sum(upper(part) - lower(part)), 0)::bigint FROM unnest(parts) AS part), is_open
        FROM joined ORDER BY name_id
    """  # noqa: S608 - constants of this file


_TIMES_OF_VEHICLE = _times("fence_id", "vehicle_id")
_TIMES_OF_FENCE = _times("vehicle_id", "fence_id")


class PostgresVisitStore:
    """The table `visits`, of which this is the reading side."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, fleet: str, asked: VisitFilter, after: VisitKey | None, limit: int
    ) -> Sequence[Visit]:
        """See `VisitStore`."""
        values: list[Any] = [fleet, asked.begin_ms, asked.end_ms, limit]
        conditions = [_IN_SPAN]
        for value, condition in (
            (asked.vehicle, "vehicle_id = {}"),
            (asked.fence, "fence_id = {}"),
            (True if asked.is_open else None, "(left_ms IS NULL) = {}"),
        ):
            if value is not None:
                values.append(value)
                conditions.append(condition.format(f"${len(values)}"))
        if after is not None:
            values += after
            conditions.append(f"(entered_ms, visit) > (${len(values) - 1}, ${len(values)})")
        query = f"""
            SELECT {_NAMES} FROM visits WHERE {" AND ".join(conditions)} ORDER BY entered_ms, visit LIMIT $4
        """  # noqa: S608 - constants of this file; what users say is in the values
        async with self._database.connection() as connection:
            return [Visit(*row) for row in await connection.fetch(query, *values)]

    async def times_of_vehicle(
        self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, after: str, limit: int
    ) -> Sequence[TimeInside]:
        """See `VisitStore`."""
        return await self._times(_TIMES_OF_VEHICLE, fleet, begin_ms, end_ms, vehicle, after, limit)

    async def times_of_fence(
        self, fleet: str, fence: str, begin_ms: int, end_ms: int, after: str, limit: int
    ) -> Sequence[TimeInside]:
        """See `VisitStore`."""
        return await self._times(_TIMES_OF_FENCE, fleet, begin_ms, end_ms, fence, after, limit)

    async def _times(self, query: str, *values: Any) -> Sequence[TimeInside]:
        async with self._database.connection() as connection:
            return [TimeInside(*row) for row in await connection.fetch(query, *values)]

    async def has_vehicle(self, fleet: str, vehicle: str) -> bool:
        """See `VisitStore`."""
        query = "SELECT EXISTS (SELECT 1 FROM visits WHERE fleet = $1 AND vehicle_id = $2)"
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(query, fleet, vehicle))

    async def has_fence(self, fleet: str, fence: str) -> bool:
        """See `VisitStore`."""
        query = "SELECT EXISTS (SELECT 1 FROM visits WHERE fleet = $1 AND fence_id = $2)"
        async with self._database.connection() as connection:
            return bool(await connection.fetchval(query, fleet, fence))

    async def forget_before(self, time_ms: int, limit: int) -> int:
        """See `VisitStore`."""
        # who ended before entered before, too; that is what there is an index on
        query = """
            DELETE FROM visits WHERE (fleet, visit) IN (
                SELECT fleet, visit FROM visits WHERE entered_ms < $1 AND left_ms < $1 LIMIT $2
            )
        """
        async with self._database.connection() as connection:
            return rows_done(await connection.execute(query, time_ms, limit))
