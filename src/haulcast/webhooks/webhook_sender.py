"""One webhook's deliveries, one after the other.

What is due for another try goes first, then the fleet's events in the order of storing. An event whose delivery fails is put aside with a
time for its next try, and the receiver is left alone for a while, longer with each failure in a row. So one event that a receiver cannot
take holds up the others for a moment only, and of a receiver that is down only those few wait that it was tried with; all others are
still where they were.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import orjson
import structlog

from haulcast.errors import StoreError
from haulcast.events.event_store import EventStore, StoredEvent
from haulcast.histogram import AGE_BOUNDS_S, Histogram
from haulcast.webhooks.attempts import Attempts, Outcome, Verdict
from haulcast.webhooks.cloud_events import MEDIA_TYPE, cloud_event
from haulcast.webhooks.outbox import Delivery, Outbox, Owner
from haulcast.webhooks.retry_times import RetryTimes
from haulcast.webhooks.signatures import signed_headers
from haulcast.webhooks.webhook import WebhookRecord

PAGE: Final = 50
"""Events that are held in memory for one webhook."""
PASSED_AT_LEAST: Final = 1_000
"""Events that nobody asked for, after which the place is noted anyway."""
STORE_AGAIN_S: Final = 1.0
DOWN_AFTER: Final = 3
"""Failures in a row that say that the receiver, and not the event, is to blame."""

_log = structlog.get_logger("haulcast.webhooks")


@dataclass(slots=True)
class SendingCounters:
    """What has become of deliveries since the start; `delays` are from the event's own time until it arrived."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    paused: int = 0
    delays: Histogram = field(default_factory=lambda: Histogram(AGE_BOUNDS_S))


@dataclass(frozen=True, slots=True)
class SendingTools:
    """What all senders share.

    Attributes:
        at_once: places for attempts, so that all together hold a bounded number of connections.
        reading: places for reads, so that the database has connections left for who writes.
        newest: the newest event's number, of which all before are stored.
        on_gone: called when a webhook has paused itself.
    """

    events: EventStore
    outbox: Outbox
    attempts: Attempts
    retry_times: RetryTimes
    at_once: asyncio.Semaphore
    reading: asyncio.Semaphore
    now_ms: Callable[[], int]
    newest: Callable[[], int]
    on_gone: Callable[[], None]
    counters: SendingCounters


class WebhookSender:
    """Sends what one webhook asks for, until it is stopped, or the receiver says that it is gone.

    Args:
        record: the webhook, which is not paused.
        tools: what all share.
        place: events up to this number are behind it.
    """

    def __init__(self, record: WebhookRecord, tools: SendingTools, place: int) -> None:
        self.record = record
        self.place = place
        self._tools = tools
        self._webhook = record.webhook
        self._owner = Owner(self._webhook.fleet, self._webhook.webhook_id, record.created)
        self._read_up_to = place
        self._ready: deque[StoredEvent] = deque()
        self._due_ms: int | None = 0  # unknown: look
        self._failures = 0
        self._woken = asyncio.Event()
        self._is_stopping = False

    def wake(self, *, is_due: bool = False) -> None:
        """There may be more to send; `is_due`: also of what waited."""
        if is_due:
            self._due_ms = 0
        self._woken.set()

    def stop(self) -> None:
        """Come to an end after the attempt that is under way."""
        self._is_stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Send; ends after `stop`, when the receiver is gone, or by cancellation."""
        while not self._is_stopping:
            try:
                pause_s = await self._turn()
            except StoreError:
                pause_s = STORE_AGAIN_S
            except Exception:  # noqa: BLE001  logged; a webhook never ends by an error
                _log.exception("webhook_failed", fleet=self._owner.fleet, webhook=self._owner.webhook_id)
                pause_s = self._tools.retry_times.longest_pause_s
            if pause_s is None:
                return
            await self._rest(pause_s)

    async def _rest(self, pause_s: float) -> None:
        """Wait so long; a stop ends it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                while not self._is_stopping and pause_s:
                    self._woken.clear()
                    await self._woken.wait()

    async def _turn(self) -> float | None:
        """One delivery, or the wait for one; the seconds to rest after it, or None: the receiver is gone."""
        self._woken.clear()
        delivery = await self._next()
        if delivery is None:
            await self._wait()
            return 0.0
        outcome = await self._attempt(delivery)
        self._count(delivery, outcome)
        if outcome.verdict is Verdict.DELIVERED:
            await self._noted(
                lambda: self._tools.outbox.delivered(self._owner, delivery, self._tools.now_ms())
            )
            self._pass(delivery)
            await self._is_back()
            return 0.0
        if outcome.verdict is Verdict.GONE:
            reason = f"the receiver {outcome.error}: it wants no more"
            await self._noted(lambda: self._tools.outbox.gone(self._owner, reason, self._tools.now_ms()))
            self._tools.on_gone()
            return None
        return await self._put_aside(delivery, outcome)

    async def _wait(self) -> None:
        """Until something is stored, or a try is due."""
        wait_s = None if self._due_ms is None else max((self._due_ms - self._tools.now_ms()) / 1000, 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._woken.wait()

    async def _next(self) -> Delivery | None:
        now_ms = self._tools.now_ms()
        if self._due_ms is not None and self._due_ms <= now_ms:
            async with self._tools.reading:
                found = await self._tools.outbox.due(self._owner, now_ms)
                if found is not None:
                    return found
                self._due_ms = await self._tools.outbox.next_due_ms(self._owner)
        if not self._ready and self._read_up_to < self._tools.newest():
            await self._read()
        return Delivery(*self._ready[0]) if self._ready else None

    async def _read(self) -> None:
        """The next events that are asked for; what nobody asked for is passed."""
        newest = self._tools.newest()
        async with self._tools.reading:
            found = await self._tools.events.page(
                self._owner.fleet, self._webhook.asked, self._read_up_to, PAGE
            )
        self._ready.extend(found)
        last = found[-1].number if found else 0
        self._read_up_to = last if len(found) == PAGE else max(last, newest)
        if not found and self._read_up_to - self.place >= PASSED_AT_LEAST:
            await self._tools.outbox.passed(self._owner, self._read_up_to)
            self.place = self._read_up_to

    async def _attempt(self, delivery: Delivery) -> Outcome:
        tools, webhook = self._tools, self._webhook
        try:
            body, time_ms = cloud_event(webhook.fleet, delivery.document)
        except (orjson.JSONDecodeError, KeyError, TypeError, OverflowError):
            return Outcome(Verdict.NEVER, "the stored event cannot be read")
        async with tools.at_once:
            now_ms = tools.now_ms()
            headers = signed_headers(delivery.event_id, now_ms // 1000, body, webhook.secrets_at(now_ms))
            outcome = await tools.attempts.post(
                webhook.url, {"Content-Type": MEDIA_TYPE, **headers}, body, now_ms
            )
        if outcome.verdict is Verdict.DELIVERED:
            tools.counters.delays.add_one((tools.now_ms() - time_ms) / 1000)
        return outcome

    async def _put_aside(self, delivery: Delivery, outcome: Outcome) -> float:
        """Note the failure; the seconds in which the receiver is left alone."""
        times, now_ms = self._tools.retry_times, self._tools.now_ms()
        self._failures += 1
        next_ms = None
        if outcome.verdict is Verdict.LATER:
            next_s = times.next_s(delivery.tries + 1, outcome.retry_after_s)
            next_ms = None if next_s is None else now_ms + int(next_s * 1000)
        if next_ms is None:
            self._tools.counters.dead += 1
        else:
            self._due_ms = next_ms if self._due_ms is None else min(self._due_ms, next_ms)
        outbox = self._tools.outbox
        await self._noted(lambda: outbox.failed(self._owner, delivery, outcome.error, next_ms, now_ms))
        self._pass(delivery)
        return times.pause_after_s(self._failures, outcome.retry_after_s)

    async def _is_back(self) -> None:
        """After an outage what waits is due at once, so that it comes before what is newer."""
        if self._failures >= DOWN_AFTER:
            await self._noted(lambda: self._tools.outbox.hurry(self._owner, self._tools.now_ms()))
            self._due_ms = 0
        self._failures = 0

    def _pass(self, delivery: Delivery) -> None:
        if not delivery.tries:
            self._ready.popleft()
            self.place = delivery.number

    def _count(self, delivery: Delivery, outcome: Outcome) -> None:
        counters = self._tools.counters
        if outcome.verdict is Verdict.DELIVERED:
            counters.delivered += 1
            return
        counters.failed += 1
        counters.paused += outcome.verdict is Verdict.GONE
        _log.info(
            "webhook_not_delivered", fleet=self._owner.fleet, webhook=self._owner.webhook_id,
            tries=delivery.tries + 1, error=outcome.error,
        )  # fmt: skip

    async def _noted(self, note: Callable[[], Awaitable[None]]) -> None:
        """Note what has come of an attempt, which was made; while the store is away, again and again."""
        while True:
            try:
                return await note()
            except StoreError:
                await asyncio.sleep(STORE_AGAIN_S)
