"""The outbox in PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from haulcast.database.pool import Database
from haulcast.events.event_store_postgres import rows_done
from haulcast.webhooks.outbox import DeadLetter, Delivery, Owner, WebhookStatus

_ONE = "fleet = $1 AND webhook_id = $2"
_OWNED = f"{_ONE} AND EXISTS (SELECT 1 FROM webhooks WHERE {_ONE} AND created = $3)"  # noqa: S608 - no input in it
_WANTED = """
    events.fleet = webhooks.fleet AND events.number > webhooks.delivered_number
    AND (kinds IS NULL OR kind = ANY(kinds)) AND (fences IS NULL OR fence_id = ANY(fences))
    AND (rules IS NULL OR rule_id = ANY(rules))
    AND (vehicles IS NULL OR vehicle_id = ANY(vehicles) OR other_id = ANY(vehicles))
"""
_KEEP = """
    INSERT INTO webhook_deliveries (fleet, webhook_id, number, event_id, document, tries, next_ms, failed_ms, error)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (fleet, webhook_id, number) DO UPDATE
    SET tries = excluded.tries, next_ms = excluded.next_ms, failed_ms = excluded.failed_ms, error = excluded.error
"""
_STATUS = f"""
    SELECT last_success_ms, last_error_ms, last_error,
        (SELECT count(*) FROM (SELECT 1 FROM events WHERE {_WANTED} LIMIT $3) AS found) AS backlog,
        (SELECT count(*) FROM webhook_deliveries WHERE {_ONE} AND next_ms IS NOT NULL) AS waiting,
        (SELECT count(*) FROM webhook_deliveries WHERE {_ONE} AND next_ms IS NULL) AS dead
    FROM webhooks WHERE {_ONE}
"""  # noqa: S608 - no input in it
_BACKLOG = f"""
    SELECT coalesce(sum((SELECT count(*) FROM (SELECT 1 FROM events WHERE {_WANTED} LIMIT $1) AS found)), 0)
        + (SELECT count(*) FROM webhook_deliveries WHERE next_ms IS NOT NULL)
    FROM webhooks WHERE NOT is_paused
"""  # noqa: S608 - no input in it


class PostgresOutbox:
    """The table `webhook_deliveries`, and the places in `webhooks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, owner: Owner, now_ms: int) -> Delivery | None:
        """See `Outbox`."""
        query = f"""
            SELECT number, event_id, document, tries FROM webhook_deliveries
            WHERE {_OWNED} AND next_ms <= $4 ORDER BY number LIMIT 1
        """  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            row = await connection.fetchrow(query, *owner, now_ms)
        return None if row is None else Delivery(*row)

    async def next_due_ms(self, owner: Owner) -> int | None:
        """See `Outbox`."""
        query = f"SELECT min(next_ms) FROM webhook_deliveries WHERE {_OWNED}"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            found: int | None = await connection.fetchval(query, *owner)
            return found

    async def delivered(self, owner: Owner, delivery: Delivery, now_ms: int) -> None:
        """See `Outbox`."""
        async with self._noting(
            owner, "delivered_number = greatest(delivered_number, $4), last_success_ms = $5", delivery.number, now_ms
        ) as connection:  # fmt: skip
            if connection and delivery.tries:
                query = f"DELETE FROM webhook_deliveries WHERE {_ONE} AND number = $3"  # noqa: S608 - no input in it
                await connection.execute(query, owner.fleet, owner.webhook_id, delivery.number)

    async def failed(
        self, owner: Owner, delivery: Delivery, error: str, next_ms: int | None, now_ms: int
    ) -> None:
        """See `Outbox`."""
        async with self._noting(
            owner,
            "delivered_number = greatest(delivered_number, $4), last_error_ms = $5, last_error = $6",
            delivery.number,
            now_ms,
            error,
        ) as connection:
            if connection:
                await connection.execute(
                    _KEEP, owner.fleet, owner.webhook_id, delivery.number, delivery.event_id, delivery.document,
                    delivery.tries + 1, next_ms, now_ms, error,
                )  # fmt: skip

    async def gone(self, owner: Owner, reason: str, now_ms: int) -> None:
        """See `Outbox`."""
        change = (
            "is_paused = true, pause_reason = $4, last_error = $4, last_error_ms = $5,"
            " version = version + 1, updated = greatest(now(), updated)"
        )
        async with self._noting(owner, change, reason, now_ms):
            pass

    async def passed(self, owner: Owner, number: int) -> None:
        """See `Outbox`."""
        async with self._noting(owner, "delivered_number = greatest(delivered_number, $4)", number):
            pass

    @asynccontextmanager
    async def _noting(self, owner: Owner, change: str, *values: Any) -> AsyncIterator[Any]:
        """A change of the webhook, and what the block does on the connection, in one transaction; None: the owner is gone.

        It does not wait for the disk: what a crash of the database takes away is sent again.
        """
        query = f"UPDATE webhooks SET {change} WHERE {_ONE} AND created = $3"  # noqa: S608 - constants of this file
        async with self._database.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL synchronous_commit = off")
            is_there = rows_done(await connection.execute(query, *owner, *values))
            yield connection if is_there else None

    async def hurry(self, owner: Owner, now_ms: int) -> None:
        """See `Outbox`."""
        query = f"UPDATE webhook_deliveries SET next_ms = $4 WHERE {_OWNED} AND next_ms > $4"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            await connection.execute(query, *owner, now_ms)

    async def status(self, fleet: str, webhook_id: str, most: int) -> WebhookStatus | None:
        """See `Outbox`."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_STATUS, fleet, webhook_id, most)
        return None if row is None else WebhookStatus(*row)

    async def backlog(self, most: int) -> int:
        """See `Outbox`."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(_BACKLOG, most))

    async def dead(self, fleet: str, webhook_id: str, after: int, limit: int) -> Sequence[DeadLetter]:
        """See `Outbox`."""
        query = f"""
            SELECT number, event_id, document, tries, failed_ms, error FROM webhook_deliveries
            WHERE {_ONE} AND number > $3 AND next_ms IS NULL ORDER BY number LIMIT $4
        """  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            return [
                DeadLetter(*row) for row in await connection.fetch(query, fleet, webhook_id, after, limit)
            ]

    async def redeliver(
        self, fleet: str, webhook_id: str, event_ids: Sequence[str] | None, now_ms: int
    ) -> int:
        """See `Outbox`."""
        query = f"""
            UPDATE webhook_deliveries SET next_ms = $3, tries = 1
            WHERE {_ONE} AND next_ms IS NULL AND ($4::text[] IS NULL OR event_id = ANY($4))
        """  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            return rows_done(await connection.execute(query, fleet, webhook_id, now_ms, event_ids))

    async def forget_dead(self, before_ms: int, limit: int) -> int:
        """See `Outbox`."""
        query = """
            DELETE FROM webhook_deliveries WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM webhook_deliveries WHERE next_ms IS NULL AND failed_ms < $1 LIMIT $2
            ))
        """
        async with self._database.connection() as connection:
            return rows_done(await connection.execute(query, before_ms, limit))
