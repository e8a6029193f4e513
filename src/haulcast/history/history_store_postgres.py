"""The history in PostgreSQL: a table a day, filled by binary COPY, one index for "one vehicle, a span" and "once only"."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from geo.positions import PositionBatch
from haulcast.database.pool import Database
from haulcast.errors import RefusedFixesError, StoreError
from haulcast.history.copy_records import copy_records
from haulcast.history.fleet_reads import FleetReads
from haulcast.history.history_days import FIRST_DAY, LAST_DAY, HistoryDays, day_table
from haulcast.history.history_store import DAY_MS, FixKey, FleetFixes, HistoryPage, NameOf
from haulcast.history.packed_rows import FIX_BYTES, fixes_of

WRITE_TIMEOUT_S = 20.0
MOST_DAYS = 400  # in one write: each has locks of its own, of which a server has some thousands
BEFORE_ALL = FixKey(-(2**63), -(2**63))

_NEW_NUMBERS = """
    INSERT INTO history_vehicles (fleet, vehicle_id)
    SELECT fleet, vehicle_id FROM unnest($1::text[], $2::text[]) AS named (fleet, vehicle_id)
    WHERE NOT EXISTS (SELECT FROM history_vehicles AS known WHERE (known.fleet, known.vehicle_id) = (named.fleet, named.vehicle_id))
    ON CONFLICT DO NOTHING
"""
_FIND_NUMBERS = """
    SELECT number FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS named (fleet, vehicle_id, place)
    JOIN history_vehicles USING (fleet, vehicle_id) ORDER BY place
"""
_PACKED = f"""
    SELECT string_agg({FIX_BYTES}, '' ORDER BY time_ms, seq),
        array_agg(attributes::text ORDER BY time_ms, seq) FILTER (WHERE attributes IS NOT NULL)
"""
_OF_ONE = """
    SELECT * FROM fixes
    WHERE vehicle = (SELECT number FROM history_vehicles WHERE fleet = $1 AND vehicle_id = $2) AND time_ms >= $3 AND time_ms < $4
"""
_READ = f"{_PACKED} FROM ({_OF_ONE} AND (time_ms, seq) > ($5, $6) ORDER BY time_ms, seq LIMIT $7) AS found"
_LAST = f"{_PACKED} FROM ({_OF_ONE} ORDER BY time_ms DESC, seq DESC LIMIT $5) AS found"
_PURGE = "DELETE FROM fixes WHERE vehicle = (SELECT number FROM history_vehicles WHERE fleet = $1 AND vehicle_id = $2)"


class PostgresHistoryStore:
    """The tables `fixes` and `history_vehicles`; see `HistoryStore`.

    Fixes go straight into their day's table. Only when one of them is there already does the write go through a table of its own,
    from which just the new ones are taken over.
    """

    def __init__(self, database: Database, name_of: NameOf, write_timeout_s: float = WRITE_TIMEOUT_S) -> None:
        self._database = database
        self._name_of = name_of
        self._write_timeout_s = write_timeout_s
        self._days = HistoryDays(database)
        self._fleet_reads = FleetReads(database)
        self._number = np.zeros(0, np.int32)  # of each row's vehicle; 0: not known yet

    async def write(self, fixes: PositionBatch) -> int:
        """See `HistoryStore`."""
        if not len(fixes):
            return 0
        days = fixes.time_ms // DAY_MS
        found = np.unique(days)
        if found[0] < FIRST_DAY or found[-1] > LAST_DAY or len(found) > MOST_DAYS:
            reason = f"{len(found)} days from {found[0]} to {found[-1]} after 1970-01-01; allowed are {MOST_DAYS} of years 1 to 9999"
            raise RefusedFixesError("unstorable", reason, field="time_ms")
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._days.ensure(found.tolist())
                return await self._write(fixes, days, found)
        except TimeoutError as error:
            reason = f"a write of {len(fixes)} fixes took longer than {self._write_timeout_s:g} s"
            raise StoreError("history_slow", reason) from error

    async def _write(self, fixes: PositionBatch, days: NDArray[np.int64], found: NDArray[np.int64]) -> int:
        async with self._writing() as connection:
            numbers = await self._numbers_of(connection, fixes.row)
            try:
                await _copy_days(connection, numbers, fixes, days, found)
            except asyncpg.UniqueViolationError:
                return await _merge(connection, numbers, fixes)
        return len(fixes)

    async def read(
        self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, after: FixKey | None, limit: int
    ) -> HistoryPage:
        """See `HistoryStore`."""
        after = after or BEFORE_ALL
        begin_ms = max(begin_ms, after.time_ms)
        async with self._database.connection() as connection:
            found = await connection.fetchrow(_READ, fleet, vehicle, begin_ms, end_ms, *after, limit + 1)
        fixes = fixes_of(*found)
        if len(fixes) <= limit:
            return HistoryPage(fixes, None)
        fixes = fixes.take(np.arange(limit))
        return HistoryPage(fixes, FixKey(int(fixes.time_ms[-1]), int(fixes.seq[-1])))

    async def read_span(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, limit: int
    ) -> FleetFixes:
        """See `HistoryStore`."""
        return await self._fleet_reads.span(fleet, vehicles, begin_ms, end_ms, limit)

    async def latest_before(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, count: int = 1
    ) -> FleetFixes:
        """See `HistoryStore`."""
        return await self._fleet_reads.latest(fleet, vehicles, begin_ms, end_ms, count)

    async def last(self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, count: int) -> PositionBatch:
        """See `HistoryStore`."""
        async with self._database.connection() as connection:
            return fixes_of(*await connection.fetchrow(_LAST, fleet, vehicle, begin_ms, end_ms, count))

    async def prepare(self, time_ms: int) -> None:
        """See `HistoryStore`."""
        await self._days.ensure([time_ms // DAY_MS])

    async def drop_before(self, time_ms: int) -> int:
        """See `HistoryStore`."""
        return await self._days.drop_before(time_ms // DAY_MS)

    async def purge(self, fleet: str, vehicle: str) -> int:
        """See `HistoryStore`."""
        async with self._database.connection() as connection:
            return _count(await connection.execute(_PURGE, fleet, vehicle))

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Any]:
        """A connection; says in the contract's words what went wrong on it."""
        try:
            async with self._database.connection() as connection:
                yield connection
        except (
            asyncpg.DataError,
            asyncpg.IntegrityConstraintViolationError,
            asyncpg.ProgramLimitExceededError,
            asyncpg.UndefinedTableError,
        ) as error:
            if not _is_day_gone(error):
                raise RefusedFixesError("unstorable", f"the database refuses a fix: {error}") from error
            self._days.forget()  # dropped by another hub's retention, in between
            raise StoreError("history_day_gone", f"a day's table was dropped meanwhile: {error}") from error
        except asyncpg.TransactionRollbackError as error:  # of two writers that waited for each other
            raise StoreError("history_conflict", f"two writes were in each other's way: {error}") from error

    async def _numbers_of(self, connection: Any, rows: NDArray[np.int32]) -> NDArray[np.int32]:
        short = int(rows.max()) + 1 - len(self._number)
        if short > 0:
            self._number = np.concatenate([self._number, np.zeros(short + len(self._number), np.int32)])
        numbers = self._number[rows]
        if not numbers.all():
            missing = np.unique(rows[numbers == 0])
            fleets, vehicles = zip(*(self._name_of(row) for row in missing.tolist()), strict=True)
            await connection.execute(_NEW_NUMBERS, fleets, vehicles)
            self._number[missing] = [
                row["number"] for row in await connection.fetch(_FIND_NUMBERS, fleets, vehicles)
            ]
            numbers = self._number[rows]
        return numbers


async def _copy_days(
    connection: Any,
    numbers: NDArray[np.int32],
    fixes: PositionBatch,
    days: NDArray[np.int64],
    found: NDArray[np.int64],
) -> None:
    if len(found) == 1:  # a COPY is a transaction by itself
        await _copy(connection, day_table(int(found[0])), numbers, fixes)
        return
    async with connection.transaction():
        for day, index in zip(found.tolist(), _groups(days), strict=True):
            await _copy(connection, day_table(day), numbers[index], fixes.take(index))


def _groups(values: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """The indices of each distinct value, in ascending order of the values."""
    order = np.argsort(values, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(values[order])) + 1)


async def _copy(connection: Any, table: str, numbers: NDArray[np.int32], fixes: PositionBatch) -> None:
    source = memoryview(copy_records(numbers, fixes))  # bytes would be taken for a path
    await connection.copy_to_table(table, source=source, format="binary")


async def _merge(connection: Any, numbers: NDArray[np.int32], fixes: PositionBatch) -> int:
    """Store those that are not there yet."""
    async with connection.transaction():
        await connection.execute("CREATE TEMP TABLE arriving (LIKE fixes) ON COMMIT DROP")
        await _copy(connection, "arriving", numbers, fixes)
        merged = "INSERT INTO fixes SELECT * FROM arriving ON CONFLICT DO NOTHING"
        return _count(await connection.execute(merged))


def _is_day_gone(error: asyncpg.PostgresError) -> bool:
    """Whether a day has no table; a row that fits no partition is a violation too, but of no constraint that has a name."""
    if isinstance(error, asyncpg.CheckViolationError):
        return error.constraint_name is None
    return isinstance(error, asyncpg.UndefinedTableError)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
