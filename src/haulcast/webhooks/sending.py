"""All webhooks of a hub, sending: who there is, and who is woken when events are stored."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import Any, Final

import structlog
from starlette.routing import Route

from haulcast import clock
from haulcast.database.pool import Database
from haulcast.doors.http_access import Verify
from haulcast.errors import StoreError
from haulcast.events.event_store import EventStore
from haulcast.events.event_store_postgres import PostgresEventStore
from haulcast.histogram import Histogram
from haulcast.settings import Settings, listed
from haulcast.webhooks import webhook_api
from haulcast.webhooks.allowed_addresses import AllowedAddresses
from haulcast.webhooks.attempts import Attempts
from haulcast.webhooks.guarded_connections import Resolve, guarded_pools
from haulcast.webhooks.outbox import Outbox
from haulcast.webhooks.outbox_postgres import PostgresOutbox
from haulcast.webhooks.retry_times import RetryTimes
from haulcast.webhooks.webhook import WebhookRecord
from haulcast.webhooks.webhook_sender import SendingCounters, SendingTools, WebhookSender
from haulcast.webhooks.webhook_store import WebhookStore
from haulcast.webhooks.webhook_store_postgres import PostgresWebhookStore

AT_ONCE: Final = 200
"""Attempts under way, of all fleets; one fleet has ten webhooks at most."""
READS_AT_ONCE: Final = 2
TIMEOUT_S: Final = 15.0
LOOK_EVERY_S: Final = 2.0
"""In case nobody said that events were stored."""
LOOK_PAUSE_S: Final = 0.05
READ_AGAIN_S: Final = 30.0
"""The webhooks themselves, in case another hub has changed some."""
COUNT_EVERY_S: Final = 15.0
COUNTED_UP_TO: Final = 10_000
STOP_S: Final = 3.0
DEAD_DAYS: Final = 30
DEAD_PORTION: Final = 1_000
_DAY_MS: Final = 86_400_000

_log = structlog.get_logger("haulcast.webhooks")


class WebhookSending:
    """The senders, one for each webhook that is not paused.

    Args:
        store: who there is.
        events: what was stored.
        outbox: what becomes of it.
        tools: makes what the senders share, given how they ask for the newest number and say that one is gone.
    """

    def __init__(
        self,
        store: WebhookStore,
        events: EventStore,
        outbox: Outbox,
        tools: Callable[[Callable[[], int], Callable[[], None]], SendingTools],
        allowed: AllowedAddresses,
    ) -> None:
        self.store = store
        self.outbox = outbox
        self.allowed = allowed
        self._events = events
        self._tools = tools(lambda: self._newest, self.on_changed)
        self._senders: dict[tuple[str, str], tuple[WebhookSender, asyncio.Task[None]]] = {}
        self._known = 0
        self._backlog = 0
        self._newest = 0
        self._is_changed = True
        self._read_again_s = 0.0
        self._woken = asyncio.Event()

    @property
    def counters(self) -> dict[str, Any]:
        """Since the start; `backlog` is of some seconds ago, each webhook's counted up to 10,000."""
        counts = self._tools.counters
        return {
            "known": self._known, "sending": len(self._senders), "delivered": counts.delivered, "failed": counts.failed,
            "dead": counts.dead, "gone": counts.paused, "backlog": self._backlog,
        }  # fmt: skip

    @property
    def delays(self) -> Histogram:
        """From the event's own time until it arrived, a histogram in seconds."""
        return self._tools.counters.delays

    def routes(self, verify: Verify) -> list[Route]:
        """`/v1/webhooks`."""
        return webhook_api.routes(
            self.store, self.outbox, self.allowed, self.on_changed, self.on_redeliver, verify, clock.epoch_ms
        )

    def on_events_stored(self) -> None:
        """Events were committed."""
        self._woken.set()

    def on_changed(self) -> None:
        """A webhook was made, changed or deleted."""
        self._is_changed = True
        self._woken.set()

    def on_redeliver(self, fleet: str, webhook_id: str) -> None:
        """Dead letters are due again."""
        found = self._senders.get((fleet, webhook_id))
        if found:
            found[0].wake(is_due=True)

    async def run(self) -> None:
        """Look after the senders; ends by cancellation."""
        is_away = False
        while True:
            self._woken.clear()
            try:
                await self._look()
                is_away = False
            except StoreError as error:
                if not is_away:
                    _log.warning("webhooks_wait", reason=error.reason)
                is_away = True
                await asyncio.sleep(LOOK_EVERY_S)
            except Exception:  # noqa: BLE001  logged; the others are to be sent
                _log.exception("webhooks_wait")
            await asyncio.sleep(LOOK_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), LOOK_EVERY_S)

    async def _look(self) -> None:
        if self._is_changed or clock.monotonic_s() >= self._read_again_s:
            self._is_changed = False
            try:
                records = await self.store.everything()
            except BaseException:
                self._is_changed = True
                raise
            self._read_again_s = clock.monotonic_s() + READ_AGAIN_S
            if not self._senders:
                self._newest = await self._events.newest_number()
            await self._keep(records)
        if self._senders:
            found = await self._events.fleets_after(self._newest)
            self._newest = max([self._newest, *(number for _, number in found)])
            fleets = {fleet for fleet, _ in found}
            for (fleet, _), (sender, _) in self._senders.items():
                if fleet in fleets:
                    sender.wake()

    async def _keep(self, records: Sequence[WebhookRecord]) -> None:
        """Senders for these webhooks and no others; one that was changed goes on where it was."""
        self._known = len(records)
        wanted = {
            (record.webhook.fleet, record.webhook.webhook_id): record
            for record in records
            if not record.webhook.is_paused
        }
        for key, (sender, task) in list(self._senders.items()):
            record = wanted.get(key)
            if task.done() or record is None or record.edition != sender.record.edition:
                del self._senders[key]
                await _ended(sender, task, within_s=0.0)  # cut off, so that nobody waits; it is sent again
                if record is not None and record.created == sender.record.created:
                    self._start(key, record, max(record.delivered_number, sender.place))
        for key, record in wanted.items():
            if key not in self._senders:
                self._start(key, record, record.delivered_number)

    def _start(self, key: tuple[str, str], record: WebhookRecord, place: int) -> None:
        sender = WebhookSender(record, self._tools, place)
        self._senders[key] = sender, asyncio.create_task(sender.run(), name="webhook")

    async def watch(self) -> None:
        """Count the backlog, and forget dead letters that are old; ends by cancellation."""
        while True:
            try:
                self._backlog = await self.outbox.backlog(COUNTED_UP_TO) if self._senders else 0
                if self._known:  # a portion each time is more than dies
                    await self.outbox.forget_dead(clock.epoch_ms() - DEAD_DAYS * _DAY_MS, DEAD_PORTION)
            except StoreError:
                pass  # `run` says so
            except Exception:  # noqa: BLE001  logged; the next count may go well
                _log.exception("webhooks_not_counted")
            await asyncio.sleep(COUNT_EVERY_S)

    async def stop(self) -> None:
        """Let what is under way end, for a moment; what is cut off is sent again after the next start."""
        ending = [_ended(sender, task, STOP_S) for sender, task in self._senders.values()]
        self._senders.clear()
        await asyncio.gather(*ending)


async def _ended(sender: WebhookSender, task: asyncio.Task[None], within_s: float) -> None:
    sender.stop()
    await asyncio.wait([task], timeout=within_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def webhook_sending(
    database: Database,
    settings: Settings,
    *,
    retry_times: RetryTimes | None = None,
    timeout_s: float = TIMEOUT_S,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[WebhookSending]:
    """All webhooks, sending for the time of the block.

    Args:
        database: where events, webhooks and the outbox are.
        settings: of the hub.
        retry_times: None: the usual ones.
        timeout_s: of an attempt.
        resolve: looks names up; None: as the system does.
        tls: whom to trust; None: the usual authorities.

    Raises:
        SettingError: `webhook_private_networks` names no networks.
    """
    allowed = AllowedAddresses(listed(settings.webhook_private_networks))
    events, outbox = PostgresEventStore(database), PostgresOutbox(database)
    async with guarded_pools(allowed, AT_ONCE, resolve, tls) as pools:

        def tools(newest: Callable[[], int], on_gone: Callable[[], None]) -> SendingTools:
            return SendingTools(
                events, outbox, Attempts(pools, timeout_s), retry_times or RetryTimes(Random()),  # noqa: S311 - of waits
                asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(READS_AT_ONCE), clock.epoch_ms, newest, on_gone,
                SendingCounters(),
            )  # fmt: skip

        sending = WebhookSending(PostgresWebhookStore(database), events, outbox, tools, allowed)
        tasks = [asyncio.create_task(sending.run()), asyncio.create_task(sending.watch())]
        try:
            yield sending
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await sending.stop()
