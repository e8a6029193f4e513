"""Spans in a real PostgreSQL: what is put comes back, as objects and as columns, once, and not for ever."""

import numpy as np
import pytest
from test_span_tracker import GAP_MS, START_MS, batch

from haulcast.availability.dwell_store import PostgresDwellStore
from haulcast.availability.span_store import BUSY, DUTY, MOST_MS, StoredSpan
from haulcast.availability.span_store_postgres import PostgresSpanStore
from haulcast.availability.span_tracker import SpanTracker
from haulcast.availability.span_writer import SpanWriter
from haulcast.errors import StoreError
from haulcast.positions.vehicle_rows import VehicleRows

NAN = float("nan")


def shown(spans):
    """Comparable: NaN is not itself."""
    return [tuple(None if value != value else value for value in span) for span in spans]  # noqa: PLR0124 - NaN


async def test_spans_come_back(database):
    """A span that is put again takes the place of the first; a fleet sees its own; what overlaps a time is found, and no other."""
    store = PostgresSpanStore(database)
    first = StoredSpan("b", DUTY, 1_000, None, 1.0, 2.0, NAN, NAN)
    spans = [
        first,
        StoredSpan("a", BUSY, 500, 700, NAN, NAN, NAN, NAN, is_said=True),
        StoredSpan("ä", DUTY, 3_000, 4_000, 1, 2, 3, 4),
    ]
    await store.put("acme", spans)
    await store.put("other", [first])
    await store.put("acme", [])
    ended = first._replace(end_ms=2_000, end_lat_deg=5.0, end_lon_deg=6.0)
    await store.put("acme", [first, ended])
    assert await store.fleets() == ["acme", "other"]
    assert shown(await store.read("acme", 0, 10_000)) == shown([spans[1], ended, spans[2]])
    assert shown(await store.read("acme", 700, 3_000)) == shown([ended])
    assert shown(await store.read("other", 10**12, 10**13)) == shown([first])
    assert await store.forget(2_000) == 1
    assert await store.forget(10_000) == 2
    assert await store.fleets() == ["other"]


async def test_columns_are_the_spans(database):
    """Columns say what objects say, also of a fleet that has none."""
    store, random = PostgresSpanStore(database), np.random.default_rng(3)
    spans = [
        StoredSpan(
            f"v{i % 7}",
            i % 2,
            1_000 * i,
            None if i > 90 else 1_000 * i + 500,
            *random.uniform(-90, 90, 4).tolist(),
        )
        for i in range(100)
    ]
    await store.put("acme", [*spans, spans[0]._replace(vehicle="x y", begin_lat_deg=NAN)])
    columns, objects = await store.columns("acme", 200, 95_000), await store.read("acme", 200, 95_000)
    assert [columns.vehicles[number] for number in columns.vehicle] == [span.vehicle for span in objects]
    assert columns.kind.tolist() == [span.kind for span in objects]
    assert columns.begin_ms.tolist() == [span.begin_ms for span in objects]
    assert columns.end_ms.tolist() == [MOST_MS if span.end_ms is None else span.end_ms for span in objects]
    np.testing.assert_array_equal(columns.places, np.array([span[4:8] for span in objects]))
    nothing = await store.columns("nobody", 0, MOST_MS)
    assert (nothing.vehicles, len(nothing.vehicle), nothing.places.shape) == ([], 0, (0, 4))


async def test_nothing_is_lost_while_the_store_is_away(database):
    """What could not be written is written when the store is back, the newest of each span; and bounded, the oldest go first."""
    rows, store = VehicleRows(), PostgresSpanStore(database)
    tracker = SpanTracker(900.0)
    away = AwayStore(store)
    writer = SpanWriter(tracker, away, rows, lambda: 0)
    tracker.listeners.append(writer.closed)
    for name in ("a", "b"):
        rows.row_of("acme", name)
    tracker.take(batch([0, 1], [START_MS, START_MS]), START_MS)
    with pytest.raises(StoreError):
        await writer.flush()
    later_ms = START_MS + 3 * GAP_MS
    tracker.take(batch([0], [later_ms]), later_ms)
    with pytest.raises(StoreError):
        await writer.flush()
    away.is_away = False
    await writer.flush()
    found = [(span.vehicle, span.begin_ms, span.end_ms) for span in await store.read("acme", 0, MOST_MS)]
    assert found == [("a", START_MS, START_MS + GAP_MS), ("a", later_ms, None), ("b", START_MS, None)]
    puts = away.puts
    await writer.flush()
    assert away.puts == puts


class AwayStore:
    """A store that cannot be reached until it can."""

    def __init__(self, store):
        self.store, self.is_away, self.puts = store, True, 0

    async def put(self, fleet, spans):
        if self.is_away:
            raise StoreError("database_unreachable", "away")
        self.puts += 1
        await self.store.put(fleet, spans)


async def test_dwells_are_medians_of_what_routes_saw(database):
    """A place where somebody has been three times has its median; others, stops that were passed over and other fleets have none."""
    stop = '{{"place": {{"lat_deg": {lat}, "lon_deg": 9.00001}}, "arrived_ms": {arrived}, "left_ms": {left}}}'
    rows = [("acme", [stop.format(lat=45.00002, arrived=0, left=60_000 * (i + 1))]) for i in range(3)]
    rows += [
        (
            "acme",
            [stop.format(lat=46, arrived=0, left=60_000), stop.format(lat=45, arrived="null", left="null")],
        )
    ]
    rows += [("other", [stop.format(lat=45, arrived=0, left=9_000_000)]) for _ in range(3)]
    async with database.connection() as connection:
        for number, (fleet, stops) in enumerate(rows):
            await connection.execute(
                "INSERT INTO routes (fleet, route_id, vehicle, status, stops, plan) VALUES ($1, $2, 'v', 'done', $3, '')",
                fleet, f"r{number}", f"[{','.join(stops)}]",
            )  # fmt: skip
    assert await PostgresDwellStore(database).dwells("acme") == {(45.0, 9.0): 120.0}
