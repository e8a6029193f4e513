"""Days are made ahead, and dropped when they are too old."""

import asyncio
from collections.abc import Callable

import structlog

from haulcast.errors import StoreError
from haulcast.history.history_store import DAY_MS, HistoryStore

LOOK_EVERY_S = 600.0

log = structlog.get_logger()


async def keep_days(store: HistoryStore, history_days: int, now_ms: Callable[[], int]) -> None:
    """Look after the days of the history, for ever; `history_days` 0: nothing is dropped."""
    while True:
        try:
            await look_after_days(store, history_days, now_ms())
        except StoreError as error:
            log.warning("history_days_not_kept", reason=error.reason)
        except Exception:
            log.exception("history_days_not_kept")
        await asyncio.sleep(LOOK_EVERY_S)


async def look_after_days(store: HistoryStore, history_days: int, now_ms: int) -> None:
    """Make today's and tomorrow's, drop those that ended more than `history_days` ago.

    Raises:
        StoreError: the store cannot be reached.
    """
    for time_ms in (now_ms, now_ms + DAY_MS):
        await store.prepare(time_ms)
    if history_days and (dropped := await store.drop_before(now_ms - history_days * DAY_MS)):
        log.info("history_days_dropped", days=dropped)
