"""Drivers' spans in PostgreSQL, a row each."""

import asyncio
from collections.abc import Sequence

import numpy as np

from haulcast.availability.span_store import MOST_MS, SpanColumns, StoredSpan
from haulcast.database.pool import Database

_COLUMNS = "vehicle, kind, begin_ms, end_ms, begin_lat, begin_lon, end_lat, end_lon, is_said"
_READ = """
    SELECT vehicle, kind, begin_ms, end_ms, coalesce(begin_lat, 'NaN'), coalesce(begin_lon, 'NaN'),
        coalesce(end_lat, 'NaN'), coalesce(end_lon, 'NaN'), is_said
    FROM driver_spans WHERE fleet = $1 AND begin_ms < $3 AND (end_ms IS NULL OR end_ms > $2) ORDER BY vehicle, kind, begin_ms
"""
_OVERLAPS = "fleet = $1 AND begin_ms < $3 AND (end_ms IS NULL OR end_ms > $2)"
_VEHICLES = f"SELECT DISTINCT vehicle FROM driver_spans WHERE {_OVERLAPS} ORDER BY vehicle"  # noqa: S608 - constants of this file
_NUMBERS = f"""
    SELECT dense_rank() OVER (ORDER BY vehicle) - 1, kind, begin_ms, coalesce(end_ms, {MOST_MS}), coalesce(begin_lat, 'NaN'),
        coalesce(begin_lon, 'NaN'), coalesce(end_lat, 'NaN'), coalesce(end_lon, 'NaN')
    FROM driver_spans WHERE {_OVERLAPS} ORDER BY vehicle, kind, begin_ms
"""  # noqa: S608 - constants of this file
_COPIED = np.dtype(
    [("fields", ">i2")] + [
        pair for name, kind in zip(("vehicle", "kind", "begin_ms", "end_ms", *"abcd"), (">i8", ">i2", ">i8", ">i8", *[">f8"] * 4), strict=True)
        for pair in ((f"{name}_bytes", ">i4"), (name, kind))
    ]
)  # fmt: skip
"""A row of PostgreSQL's binary COPY, whose columns are all of fixed width."""
_HEAD_BYTES, _TAIL_BYTES = 19, 2
_TYPES = (
    "text",
    "smallint",
    "bigint",
    "bigint",
    "float8",
    "float8",
    "float8",
    "float8",
    "boolean",
)
_PUT = f"""
    INSERT INTO driver_spans (fleet, {_COLUMNS})
    SELECT $1, vehicle, kind, begin_ms, end_ms, nullif(begin_lat, 'NaN'), nullif(begin_lon, 'NaN'),
        nullif(end_lat, 'NaN'), nullif(end_lon, 'NaN'), is_said
    FROM unnest({", ".join(f"${place + 2}::{name}[]" for place, name in enumerate(_TYPES))}) AS given ({_COLUMNS})
    ON CONFLICT (fleet, vehicle, kind, begin_ms) DO UPDATE SET end_ms = excluded.end_ms,
        begin_lat = excluded.begin_lat, begin_lon = excluded.begin_lon,
        end_lat = excluded.end_lat, end_lon = excluded.end_lon, is_said = excluded.is_said
"""  # noqa: S608 - constants of this file


class PostgresSpanStore:
    """The table `driver_spans`; see `SpanStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, fleet: str, from_ms: int, until_ms: int) -> list[StoredSpan]:
        """See `SpanStore`."""
        async with self._database.connection() as connection:
            return [StoredSpan(*row) for row in await connection.fetch(_READ, fleet, from_ms, until_ms)]

    async def columns(self, fleet: str, from_ms: int, until_ms: int) -> SpanColumns:
        """See `SpanStore`."""
        parts: list[bytes] = []

        async def take(part: bytes) -> None:
            parts.append(part)

        asked = fleet, from_ms, until_ms
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read", readonly=True):  # fmt: skip
            vehicles = [row[0] for row in await connection.fetch(_VEHICLES, *asked)]
            await connection.copy_from_query(_NUMBERS, *asked, output=take, format="binary")
        return await asyncio.to_thread(_columns, vehicles, parts)

    async def put(self, fleet: str, spans: Sequence[StoredSpan]) -> None:
        """See `SpanStore`."""
        newest = {(span.vehicle, span.kind, span.begin_ms): span for span in spans}
        if not newest:
            return
        columns = [list(column) for column in zip(*newest.values(), strict=True)]
        async with self._database.connection() as connection:
            await connection.execute(_PUT, fleet, *columns)

    async def fleets(self) -> list[str]:
        """See `SpanStore`."""
        async with self._database.connection() as connection:
            return [
                row[0] for row in await connection.fetch("SELECT DISTINCT fleet FROM driver_spans ORDER BY 1")
            ]

    async def forget(self, before_ms: int) -> int:
        """See `SpanStore`."""
        query = "DELETE FROM driver_spans WHERE end_ms < $1"
        async with self._database.connection() as connection:
            return int((await connection.execute(query, before_ms)).rpartition(" ")[2])


def _columns(vehicles: list[str], parts: list[bytes]) -> SpanColumns:
    body = b"".join(parts)[_HEAD_BYTES:-_TAIL_BYTES]
    rows = np.frombuffer(body, _COPIED)
    places = np.stack([rows[name].astype(np.float64) for name in "abcd"], axis=1)
    return SpanColumns(
        vehicles,
        rows["vehicle"].astype(np.int64),
        rows["kind"].astype(np.int16),
        rows["begin_ms"].astype(np.int64),
        rows["end_ms"].astype(np.int64),
        places,
    )
