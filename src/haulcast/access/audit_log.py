"""Writes down changes and refusals.

A change is stored before it is answered, so whoever heard of its success finds it in the log; only while the store is away does it
wait in memory, at most `MOST_WAITING` of them. Refusals are what others make us write: equal ones of a second are one record, and
beyond `MOST_KINDS` kinds a second they are only counted.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from haulcast import clock
from haulcast.access.audit_store import AuditRecord, AuditStore
from haulcast.doors.audit import Deed
from haulcast.errors import StoreError

FLUSH_S: Final = 1.0
MOST_KINDS: Final = 200
MOST_WAITING: Final = 10_000
FORGET_EVERY_S: Final = 3_600.0
MOST_TARGET_CHARACTERS: Final = 256

_log = structlog.get_logger("haulcast.audit")


class AuditLog:
    """Implements `doors.audit.Recorder`.

    Attributes:
        dropped: records that were lost because the store was away for too long.
    """

    def __init__(self, store: AuditStore) -> None:
        self.dropped = 0
        self._store = store
        self._waiting: list[AuditRecord] = []
        self._refusals: dict[AuditRecord, AuditRecord] = {}
        self._has_some = asyncio.Event()
        self._is_away = False

    async def changed(self, deed: Deed) -> None:
        """Store it now; while the store is away it waits."""
        record = _record(deed)
        try:
            await self._store.add([record])
        except StoreError as error:
            self._waiting.append(record)
            self._wait([], error)
        except Exception:  # noqa: BLE001  logged; the change is made, and its answer must say so
            _log.exception("audit_record_not_stored", action=record.action)

    def refused(self, deed: Deed) -> None:
        """Count it among the refusals of this second."""
        record = _record(deed)
        kind = replace(record, time=datetime.min.replace(tzinfo=UTC))
        if kind not in self._refusals and len(self._refusals) >= MOST_KINDS:
            kind = replace(
                kind, fleet="", subject="", role="", address="", action="others", target="", code=""
            )
            record = replace(kind, time=record.time)
        first = self._refusals.get(kind)
        self._refusals[kind] = record if first is None else replace(first, count=first.count + 1)
        self._has_some.set()

    async def keep_writing(self) -> None:
        """Store what waits, once a second; ends by cancellation."""
        while True:
            await self._has_some.wait()
            await asyncio.sleep(FLUSH_S)
            await self.flush()

    async def keep_forgetting(self, days: int) -> None:
        """Drop what is too old, once an hour; ends by cancellation."""
        while True:
            oldest = _moment(clock.epoch_ms()) - timedelta(days=days)
            with contextlib.suppress(StoreError):
                await self._store.forget(oldest)
            await asyncio.sleep(FORGET_EVERY_S)

    async def flush(self) -> None:
        """Store what waits, or go on waiting."""
        records = [*self._waiting, *self._refusals.values()]
        self._waiting, self._refusals = [], {}
        self._has_some.clear()
        if not records:
            return
        try:
            await self._store.add(records)
            self._is_away = False
        except StoreError as error:
            self._wait(records, error)
        except asyncio.CancelledError:
            self._waiting = [*records, *self._waiting]  # the last flush stores them, some perhaps twice
            raise
        except Exception:  # noqa: BLE001  logged; the next ones are to be stored
            _log.exception("audit_records_not_stored", records=len(records))

    def _wait(self, records: list[AuditRecord], error: StoreError) -> None:
        """Put these before what waits until the store is back; what there is no room for is dropped, oldest first."""
        if not self._is_away:
            self._is_away = True
            _log.warning("audit_waits", reason=error.reason)
        self._waiting = [*records, *self._waiting]
        too_many = len(self._waiting) - MOST_WAITING
        if too_many > 0:
            if not self.dropped:
                _log.error("audit_record_dropped", hint="the store has been away for too long")
            del self._waiting[:too_many]
            self.dropped += too_many
        self._has_some.set()


def _record(deed: Deed) -> AuditRecord:
    claims = deed.claims
    return AuditRecord(
        time=_moment(deed.time_ms),
        fleet="" if claims is None else claims.fleet,
        subject="" if claims is None else claims.subject or claims.vehicle or "",
        role="" if claims is None else claims.role,
        address=deed.address[:64],
        action=_text(deed.action),
        target=_text(deed.target),
        status=deed.status,
        code=deed.code,
    )


def _text(said: str) -> str:
    return said[:MOST_TARGET_CHARACTERS].replace("\0", "\ufffd").encode(errors="replace").decode()


def _moment(time_ms: int) -> datetime:
    return datetime.fromtimestamp(time_ms / 1000, UTC)


@contextlib.asynccontextmanager
async def audit_log(store: AuditStore, days: int) -> AsyncIterator[AuditLog]:
    """A log that writes for the time of the block, and the rest at its end."""
    audit = AuditLog(store)
    tasks = [asyncio.create_task(audit.keep_writing()), asyncio.create_task(audit.keep_forgetting(days))]
    try:
        yield audit
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await audit.flush()
