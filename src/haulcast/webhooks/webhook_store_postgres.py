"""Webhooks in PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from haulcast.database.editions import other_edition
from haulcast.database.pool import Database
from haulcast.errors import ConflictError, NotFoundError, TooLargeError
from haulcast.events.event_store import EventFilter
from haulcast.webhooks.webhook import Webhook, WebhookRecord

_SAID = (
    "fleet", "webhook_id", "url", "kinds", "fences", "rules", "vehicles", "is_paused", "pause_reason", "secret", "old_secret",
    "old_secret_until_ms",
)  # fmt: skip
_COLUMNS = ", ".join((*_SAID, "version", "created", "updated", "delivered_number"))
_ONE = "fleet = $1 AND webhook_id = $2"
# What begins to be stored meanwhile has a larger number, and is sent.
_INSERT = f"""
    INSERT INTO webhooks ({", ".join(_SAID)}, delivered_number)
    SELECT {", ".join(f"${place}" for place in range(1, len(_SAID) + 1))}, coalesce((SELECT max(number) FROM events), 0)
    RETURNING {_COLUMNS}
"""  # noqa: S608 - no input in it
_CHANGE = f"""
    UPDATE webhooks SET {", ".join(f"{name} = ${place}" for place, name in enumerate(_SAID, 1) if place > 2)},
        version = version + 1, updated = greatest(now(), updated)
    WHERE {_ONE} RETURNING {_COLUMNS}
"""  # noqa: S608 - no input in it


class PostgresWebhookStore:
    """The table `webhooks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, fleet: str, after: str, limit: int) -> Sequence[WebhookRecord]:
        """See `WebhookStore`."""
        query = f"SELECT {_COLUMNS} FROM webhooks WHERE fleet = $1 AND webhook_id > $2 ORDER BY webhook_id LIMIT $3"  # noqa: S608 - no input in it
        async with self._database.connection() as connection:
            return [_record(row) for row in await connection.fetch(query, fleet, after, limit)]

    async def find(self, fleet: str, webhook_id: str) -> WebhookRecord | None:
        """See `WebhookStore`."""
        async with self._database.connection() as connection:
            return await _find(connection, fleet, webhook_id)

    async def everything(self) -> Sequence[WebhookRecord]:
        """See `WebhookStore`."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(f"SELECT {_COLUMNS} FROM webhooks")  # noqa: S608 - no input in it
        return [_record(row) for row in rows]

    async def create(self, webhook: Webhook, most: int) -> WebhookRecord:
        """See `WebhookStore`."""
        try:
            async with self._database.connection() as connection, connection.transaction():
                # one after the other, so that the count holds
                await connection.execute(
                    "SELECT pg_advisory_xact_lock(hashtext('webhooks ' || $1))", webhook.fleet
                )
                count = await connection.fetchval(
                    "SELECT count(*) FROM webhooks WHERE fleet = $1 AND webhook_id <> $2", webhook.fleet, webhook.webhook_id
                )  # fmt: skip
                if count >= most:
                    raise TooLargeError(
                        "too_many_webhooks", f"the fleet has {count} webhooks; allowed are {most}"
                    )
                return _record(await connection.fetchrow(_INSERT, *_row(webhook)))
        except asyncpg.UniqueViolationError as error:
            reason = f"there is a webhook {webhook.webhook_id!r} already; PUT /v1/webhooks/<id> replaces it"
            raise ConflictError("webhook_exists", reason, field="id") from error

    async def replace(self, webhook: Webhook, expected: str) -> WebhookRecord:
        """See `WebhookStore`."""
        async with self._database.connection() as connection, connection.transaction():
            found = await _find(connection, webhook.fleet, webhook.webhook_id, lock=True)
            if found is None or expected not in {"*", found.edition}:
                raise other_edition(f"webhook {webhook.webhook_id!r}", found.edition if found else None)
            return _record(await connection.fetchrow(_CHANGE, *_row(webhook)))

    async def delete(self, fleet: str, webhook_id: str, expected: str = "*") -> None:
        """See `WebhookStore`."""
        async with self._database.connection() as connection, connection.transaction():
            found = await _find(connection, fleet, webhook_id, lock=True)
            if found is None:
                raise NotFoundError("no_such_webhook", f"there is no webhook {webhook_id!r} in this fleet")
            if expected not in {"*", found.edition}:
                raise other_edition(f"webhook {webhook_id!r}", found.edition)
            await connection.execute(f"DELETE FROM webhooks WHERE {_ONE}", fleet, webhook_id)  # noqa: S608 - no input in it


async def _find(connection: Any, fleet: str, webhook_id: str, *, lock: bool = False) -> WebhookRecord | None:
    query = f"SELECT {_COLUMNS} FROM webhooks WHERE {_ONE}"  # noqa: S608 - no input in it
    row = await connection.fetchrow(query + " FOR UPDATE" if lock else query, fleet, webhook_id)
    return None if row is None else _record(row)


def _row(webhook: Webhook) -> tuple[Any, ...]:
    asked = webhook.asked
    return (
        webhook.fleet, webhook.webhook_id, webhook.url, asked.kinds, asked.fences, asked.rules, asked.vehicles,
        webhook.is_paused, webhook.pause_reason, webhook.secret, webhook.old_secret, webhook.old_secret_until_ms,
    )  # fmt: skip


def _record(row: Any) -> WebhookRecord:
    asked = EventFilter(
        vehicles=_texts(row["vehicles"]), fences=_texts(row["fences"]), rules=_texts(row["rules"]), kinds=_texts(row["kinds"])
    )  # fmt: skip
    names = (
        "fleet", "webhook_id", "url", "is_paused", "secret", "pause_reason", "old_secret", "old_secret_until_ms",
    )  # fmt: skip
    webhook = Webhook(asked=asked, **{name: row[name] for name in names})
    return WebhookRecord(webhook, row["version"], row["created"], row["updated"], row["delivered_number"])


def _texts(column: list[str] | None) -> tuple[str, ...] | None:
    return None if column is None else tuple(column)
