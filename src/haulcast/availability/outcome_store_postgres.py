"""Sampled predictions, what came of them, and alerts, in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

from haulcast.availability.alerts import Alert
from haulcast.availability.outcomes import Outcome, Sample
from haulcast.availability.span_store import BUSY, DUTY
from haulcast.database.pool import Database
from haulcast.events.event_store_postgres import rows_done

_COLUMNS = "due_ms, vehicle, horizon_s, state, p_on_duty, p_free, basis, version"
_ADD = f"""
    INSERT INTO availability_outcomes (fleet, {_COLUMNS})
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::smallint[], $6::real[], $7::real[], $8::text[], $9::text[])
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants of this file
_PENDING = "SELECT fleet, count(*) FROM availability_outcomes WHERE on_duty_then IS NULL GROUP BY fleet"
_HOLDS = """EXISTS (
    SELECT 1 FROM driver_spans WHERE (driver_spans.fleet, driver_spans.vehicle, kind) = (due.fleet, due.vehicle, {})
    AND begin_ms <= due_ms AND (end_ms IS NULL OR end_ms > due_ms)
)"""
_SETTLE = f"""
    WITH due AS (
        SELECT fleet, due_ms, vehicle, horizon_s FROM availability_outcomes
        WHERE fleet = $1 AND due_ms < $2 AND on_duty_then IS NULL ORDER BY due_ms LIMIT $3
    ), came AS (
        SELECT due.*, {_HOLDS.format(DUTY)} AS is_on, {_HOLDS.format(BUSY)} AS is_busy FROM due
    )
    UPDATE availability_outcomes AS kept SET on_duty_then = is_on, free_then = is_on AND NOT is_busy FROM came
    WHERE (kept.fleet, kept.due_ms, kept.vehicle, kept.horizon_s) = (came.fleet, came.due_ms, came.vehicle, came.horizon_s)
    RETURNING {", ".join(f"kept.{column}" for column in _COLUMNS.split(", "))}, on_duty_then, free_then
"""  # noqa: S608 - constants of this file
_READ = f"""
    SELECT {_COLUMNS}, on_duty_then, free_then FROM availability_outcomes
    WHERE fleet = $1 AND due_ms >= $2 AND due_ms < $3 AND on_duty_then IS NOT NULL
    ORDER BY due_ms FETCH FIRST $4 ROWS WITH TIES
"""  # noqa: S608 - constants of this file
_FLEETS = "SELECT DISTINCT fleet FROM availability_outcomes WHERE due_ms >= $1 AND on_duty_then IS NOT NULL ORDER BY fleet"
_BEGIN_ALERT = """
    INSERT INTO availability_alerts (fleet, question, horizon_s, begin_ms, end_ms, accuracy, accuracy_high, n)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""
_END_ALERT = "UPDATE availability_alerts SET end_ms = $4 WHERE (fleet, question, horizon_s) = ($1, $2, $3) AND end_ms IS NULL"
_ALERTS = """
    SELECT fleet, question, horizon_s, begin_ms, end_ms, accuracy, accuracy_high, n FROM availability_alerts
    WHERE ($1::text IS NULL OR fleet = $1) AND (end_ms IS NULL OR end_ms > $2) ORDER BY begin_ms, question, horizon_s
"""
_FORGET = (
    "DELETE FROM availability_outcomes WHERE due_ms < $1",
    "DELETE FROM availability_alerts WHERE end_ms < $1",
)


class PostgresOutcomeStore:
    """The tables `availability_outcomes` and `availability_alerts`; see `OutcomeStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, samples: Sequence[tuple[str, Sample]]) -> None:
        """See `OutcomeStore`."""
        if not samples:
            return
        columns = zip(*((fleet, *sample) for fleet, sample in samples), strict=True)
        async with self._database.connection() as connection:
            await connection.execute(_ADD, *map(list, columns))

    async def pending(self) -> dict[str, int]:
        """See `OutcomeStore`."""
        async with self._database.connection() as connection:
            return dict(await connection.fetch(_PENDING))

    async def settle(self, fleet: str, before_ms: int, limit: int) -> list[Outcome]:
        """See `OutcomeStore`."""
        async with self._database.connection() as connection:
            found = await connection.fetch(_SETTLE, fleet, before_ms, limit)
        return sorted(map(_outcome, found), key=lambda one: one.sample[:3])

    async def read(self, fleet: str, from_ms: int, until_ms: int, limit: int) -> list[Outcome]:
        """See `OutcomeStore`."""
        async with self._database.connection() as connection:
            found = await connection.fetch(_READ, fleet, from_ms, until_ms, limit)
        return list(map(_outcome, found))

    async def fleets(self, from_ms: int) -> list[str]:
        """See `OutcomeStore`."""
        async with self._database.connection() as connection:
            return [row[0] for row in await connection.fetch(_FLEETS, from_ms)]

    async def put_alert(self, fleet: str, alert: Alert) -> None:
        """See `OutcomeStore`."""
        async with self._database.connection() as connection:
            if alert.end_ms is None:
                await connection.execute(_BEGIN_ALERT, fleet, *astuple(alert))
            else:
                await connection.execute(_END_ALERT, fleet, *alert.key, alert.end_ms)

    async def alerts(self, fleet: str | None, from_ms: int) -> list[tuple[str, Alert]]:
        """See `OutcomeStore`."""
        async with self._database.connection() as connection:
            return [
                (row[0], Alert(*row[1:]))
                for row in map(tuple, await connection.fetch(_ALERTS, fleet, from_ms))
            ]

    async def forget(self, before_ms: int) -> int:
        """See `OutcomeStore`."""
        async with self._database.connection() as connection:
            return sum([rows_done(await connection.execute(query, before_ms)) for query in _FORGET])


def _outcome(row: Sequence[Any]) -> Outcome:
    *sample, on_duty, free = row
    return Outcome(Sample(*sample), on_duty, free)
