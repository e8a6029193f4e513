"""A fleet's fixes of one span out of PostgreSQL: vehicle by vehicle along the primary key, and to Python as one value.

The primary key (vehicle, time_ms, seq) is the only index, so a span of a fleet is one descent for each of its vehicles and day, whatever
lies beside it in the table. An index by time would make every write dearer, and find the fixes of all other fleets too.
The server packs what it found into one byte string, which numpy reads as columns: no Python object a fix.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.positions import COLUMNS, PositionBatch, from_columns
from haulcast.database.pool import Database
from haulcast.history.copy_records import FIELDS
from haulcast.history.history_store import FleetFixes
from haulcast.history.packed_rows import packed

NAMES_AT_ONCE = 5_000

_PACKED = packed(FIELDS)
_ROW = np.dtype(list(FIELDS.items()))
_MINE = "known.fleet = $1 AND ($2::text[] IS NULL OR known.vehicle_id = ANY ($2))"

# The inner limit keeps the planner on the index, and one busy vehicle from being read further than the answer can reach.
# Ties at the limit are kept on both levels, so no millisecond is cut in two.
_SPAN = f"""
    SELECT string_agg({_PACKED}, '') FROM (
        SELECT fix.* FROM history_vehicles AS known CROSS JOIN LATERAL (
            SELECT {", ".join(FIELDS)} FROM fixes
            WHERE vehicle = known.number AND time_ms >= $3 AND time_ms < $4
            ORDER BY time_ms FETCH FIRST $5 ROWS WITH TIES
        ) AS fix
        WHERE {_MINE} ORDER BY time_ms FETCH FIRST $5 ROWS WITH TIES
    ) AS found
"""  # noqa: S608 - no input in it
_LATEST = f"""
    SELECT string_agg({_PACKED}, '') FROM history_vehicles AS known CROSS JOIN LATERAL (
        SELECT {", ".join(FIELDS)} FROM fixes
        WHERE vehicle = known.number AND time_ms >= $3 AND time_ms < $4
        ORDER BY time_ms DESC, seq DESC LIMIT $5
    ) AS fix
    WHERE {_MINE}
"""  # noqa: S608 - no input in it
_NAMES = "SELECT number, vehicle_id FROM history_vehicles WHERE number = ANY ($1::int[])"


class FleetReads:
    """See `HistoryStore.read_span` and `HistoryStore.latest_before`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names: dict[int, str] = {}  # of numbers; a number is never given out again

    async def span(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, limit: int
    ) -> FleetFixes:
        """See `HistoryStore.read_span`."""
        asked = (fleet, _listed(vehicles), begin_ms, end_ms, limit)
        async with self._database.connection() as connection:
            rows = await _fetch(connection, _SPAN, asked)
            found = await self._named(connection, rows, end_ms)
        is_cut = len(found.fixes) >= limit
        return FleetFixes(found.vehicles, found.fixes, int(found.fixes.time_ms[-1]) + 1) if is_cut else found

    async def latest(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, count: int
    ) -> FleetFixes:
        """See `HistoryStore.latest_before`."""
        async with self._database.connection() as connection:
            rows = await _fetch(connection, _LATEST, (fleet, _listed(vehicles), begin_ms, end_ms, count))
            return await self._named(connection, rows, end_ms)

    async def _named(self, connection: Any, rows: bytes, end_ms: int) -> FleetFixes:
        numbers, fixes = await asyncio.to_thread(_unpacked, rows)
        missing = [number for number in numbers if number not in self._names]
        for start in range(0, len(missing), NAMES_AT_ONCE):
            self._names.update(await connection.fetch(_NAMES, missing[start : start + NAMES_AT_ONCE]))
        return FleetFixes([self._names[number] for number in numbers], fixes, end_ms)


def _unpacked(found: bytes) -> tuple[list[int], PositionBatch]:
    """The vehicles' numbers, and the fixes in their order, with the index of the number as row."""
    rows = np.frombuffer(found, _ROW)
    numbers, row = np.unique(rows["vehicle"], return_inverse=True)
    named: dict[str, NDArray[Any]] = {name: rows[name] for name in FIELDS} | {"row": row}
    order = np.lexsort((rows["seq"], row, rows["time_ms"]))
    fixes = from_columns(named[name][order].astype(dtype) for name, dtype in COLUMNS.items())
    return numbers.tolist(), fixes


async def _fetch(connection: Any, query: str, arguments: tuple[Any, ...]) -> bytes:
    # compiling such a query takes longer than running it, and PostgreSQL guesses its cost too high
    async with connection.transaction(readonly=True):
        await connection.execute("SET LOCAL jit = off")
        return await connection.fetchval(query, *arguments) or b""


def _listed(vehicles: Collection[str] | None) -> list[str] | None:
    # no text of PostgreSQL's holds a NUL, so such a vehicle has no history
    return None if vehicles is None else [vehicle for vehicle in vehicles if "\0" not in vehicle]
