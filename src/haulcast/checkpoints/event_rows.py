"""Events and visits as rows of PostgreSQL, written within the transaction of the checkpoints."""

from collections.abc import Sequence
from typing import Any

from haulcast.checkpoints.visit_changes import VisitChange, visit_changes
from haulcast.tracking.event_documents import EventDocument

_EVENTS = """
    INSERT INTO events (event_id, fleet, vehicle_id, other_id, fence_id, rule_id, route_id, kind, time_ms, document)
    SELECT event_id, fleet, vehicle_id, other_id, fence_id, rule_id, route_id, kind, time_ms, document::json
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[])
        WITH ORDINALITY AS told (event_id, fleet, vehicle_id, other_id, fence_id, rule_id, route_id, kind, time_ms, document, place)
    ORDER BY place
    ON CONFLICT (event_id) DO NOTHING
"""
_VISITS = """
    INSERT INTO visits AS kept
        (fleet, visit, vehicle_id, fence_id, fence_name, entered_ms, entered_lat, entered_lon, left_ms, left_lat, left_lon)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (fleet, visit) DO UPDATE SET
        entered_lat = CASE WHEN $12 AND (NOT $13 OR kept.entered_ms <> $6) THEN $7 ELSE kept.entered_lat END,
        entered_lon = CASE WHEN $12 AND (NOT $13 OR kept.entered_ms <> $6) THEN $8 ELSE kept.entered_lon END,
        left_lat = CASE WHEN $10::float8 IS NULL AND $9::bigint IS NOT NULL THEN kept.left_lat ELSE $10 END,
        left_lon = CASE WHEN $11::float8 IS NULL AND $9::bigint IS NOT NULL THEN kept.left_lon ELSE $11 END,
        entered_ms = $6,
        left_ms = $9
"""
_WITHDRAWN = "DELETE FROM visits WHERE (fleet, visit) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))"


_END = """
    UPDATE visits SET left_ms = greatest(entered_ms, (extract(epoch FROM now()) * 1000)::bigint)
    WHERE fleet = $1 AND vehicle_id = $2 AND visit < $3 AND left_ms IS NULL
"""


async def write_events(connection: Any, events: Sequence[EventDocument]) -> None:
    """Write events, in their order, and what they say of visits; those that are there already once more, which changes nothing.

    Args:
        connection: of asyncpg, in a transaction.
        events: all that the transaction stores.
    """
    columns = zip(*map(_row, events), strict=True)
    await connection.execute(_EVENTS, *columns)
    changes = visit_changes(events)
    withdrawn = [change for change in changes if change.is_withdrawn]
    if withdrawn:
        await connection.execute(_WITHDRAWN, [c.fleet for c in withdrawn], [c.visit for c in withdrawn])
    lasting = [_visit_row(change) for change in changes if not change.is_withdrawn]
    if lasting:
        await connection.executemany(_VISITS, lasting)


async def end_visits(connection: Any, fleet: str, vehicle: str, before_visit: int) -> None:
    """End, now, those visits of a deleted vehicle that last, as its deletion does with those that are stored by then."""
    await connection.execute(_END, fleet, vehicle, before_visit)


async def newest_event(connection: Any) -> int:
    """The highest number of an event, -1: there is none."""
    newest = await connection.fetchval("SELECT max(event_id) FROM events")
    return -1 if newest is None else int(newest, 16)


def _row(event: EventDocument) -> tuple[Any, ...]:
    said = event.said
    return (
        event.event_id, event.fleet, said["vehicle"], said.get("other"), said.get("fence"), said.get("rule"),
        said.get("route"), said["event"], said["time_ms"], event.body.decode(),
    )  # fmt: skip


def _visit_row(change: VisitChange) -> tuple[Any, ...]:
    entered, left = change.entered or (None, None), change.left or (None, None)
    return (
        change.fleet, change.visit, change.vehicle, change.fence, change.fence_name,
        change.entered_ms, *entered, change.left_ms, *left,
        change.entered is not None, change.has_entered_then,
    )  # fmt: skip
