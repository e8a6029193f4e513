"""Events, and visits that have ended, go with the days of the history."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from haulcast.errors import StoreError
from haulcast.events.event_store import EventStore
from haulcast.events.visit_store import VisitStore

LOOK_EVERY_S: Final = 600.0
PORTION: Final = 1_000
PAUSE_S: Final = 0.02  # between two portions, so that who writes has the disk for most of the time
_DAY_MS: Final = 86_400_000

log = structlog.get_logger()

Forget = Callable[[int, int], Awaitable[int]]


async def keep_forgetting(
    events: EventStore, visits: VisitStore, history_days: int, now_ms: Callable[[], int]
) -> None:
    """Drop what ended more than `history_days` ago, for ever; 0: nothing is dropped, and this returns."""
    while history_days:
        try:
            await forget_old(events, visits, now_ms() - history_days * _DAY_MS)
        except StoreError as error:
            log.warning("old_events_not_forgotten", reason=error.reason)
        except Exception:
            log.exception("old_events_not_forgotten")
        await asyncio.sleep(LOOK_EVERY_S)


async def forget_old(
    events: EventStore, visits: VisitStore, before_ms: int, pause_s: float = PAUSE_S
) -> tuple[int, int]:
    """Drop events of before this moment, and visits that ended before it; how many of each.

    Raises:
        StoreError: the store cannot be reached; what was dropped before stays so.
    """
    dropped = (
        await _all(events.forget_before, before_ms, pause_s),
        await _all(visits.forget_before, before_ms, pause_s),
    )
    if any(dropped):
        log.info("old_events_forgotten", events=dropped[0], visits=dropped[1])
    return dropped


async def _all(forget: Forget, before_ms: int, pause_s: float) -> int:
    """In portions, so that no transaction is long."""
    total = 0
    while found := await forget(before_ms, PORTION):
        total += found
        if found < PORTION:
            break
        await asyncio.sleep(pause_s)
    return total
