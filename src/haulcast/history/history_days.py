"""The days of the history in PostgreSQL: a table each, made when it is needed and dropped whole.

There is no table for "other days": what once lies there stands in the way of making its day, and is scanned each time.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import asyncpg
import structlog

from haulcast.database.pool import Database
from haulcast.history.history_store import DAY_MS

EPOCH_DAY = date(1970, 1, 1).toordinal()
FIRST_DAY, LAST_DAY = date.min.toordinal() - EPOCH_DAY, date.max.toordinal() - EPOCH_DAY
PREFIX = "fixes_"
MADE_AT_ONCE = 50  # in one transaction, which holds locks on all of them
LOCK = 0x6861756C  # of the making of days, among all hubs of a database; "haul" in ASCII
DROP_WAIT_MS = 1_000  # a drop waits for readers no longer, because whoever comes after it waits for it

_log = structlog.get_logger()


def day_table(day: int) -> str:
    """The table of a day, counted from 1970-01-01 UTC."""
    return PREFIX + date.fromordinal(EPOCH_DAY + day).isoformat().replace("-", "")


class HistoryDays:
    """Which days have a table, as far as this hub knows."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[int] = set()

    def forget(self) -> None:
        """Believe nothing: a table was not there."""
        self._known.clear()

    async def ensure(self, days: Iterable[int]) -> None:
        """Make the tables of these days that are not there yet.

        Raises:
            StoreError: the database cannot be reached.
        """
        missing = sorted(set(days) - self._known)
        for start in range(0, len(missing), MADE_AT_ONCE):
            await self._make(missing[start : start + MADE_AT_ONCE])

    async def _make(self, days: list[int]) -> None:
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            for day in days:
                table = day_table(day)
                if await connection.fetchval("SELECT to_regclass($1)", table) is not None:
                    continue
                # made apart and then attached, which lets writers and readers go on
                await connection.execute(f"CREATE TABLE {table} (LIKE fixes)")
                await connection.execute(
                    f"ALTER TABLE fixes ATTACH PARTITION {table} FOR VALUES FROM ({day * DAY_MS}) TO ({(day + 1) * DAY_MS})"
                )
        self._known.update(days)

    async def drop_before(self, day: int) -> int:
        """Drop the tables of all days before this one; returns how many. One that is being read for long stays for now.

        Raises:
            StoreError: the database cannot be reached.
        """
        dropped = 0
        async with self._database.connection() as connection:
            for old in [found for found in await _existing(connection) if found < day]:
                try:
                    async with connection.transaction():
                        await connection.execute(f"SET LOCAL lock_timeout = {DROP_WAIT_MS}")
                        await connection.execute(f"DROP TABLE IF EXISTS {day_table(old)}")
                except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                    _log.warning("history_day_in_use", table=day_table(old))
                    continue
                self._known.discard(old)
                dropped += 1
        return dropped


async def _existing(connection: Any) -> list[int]:
    names = await connection.fetch(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'fixes'::regclass"
    )
    texts = [name.removeprefix(PREFIX) for (name,) in names]
    return sorted(date.fromisoformat(text).toordinal() - EPOCH_DAY for text in texts)
