"""What predictions turned out to be: samples go into the store, are joined to what came when their moment is over, and are judged.

A sample waits in the store and nowhere else, so a restart loses none; what came is read from the drivers' spans. All of it happens behind the hub's
back: `on_forecast` chooses, and `run` does the rest twice a minute.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import numpy as np
import orjson
import structlog

from haulcast import clock
from haulcast.availability.alerts import LEAST_ACCURACY, Alert, judged
from haulcast.availability.figures import AllFigures
from haulcast.availability.outcome_store import KEPT_MS, OutcomeStore
from haulcast.availability.outcome_store_postgres import PostgresOutcomeStore
from haulcast.availability.outcomes import QUESTIONS, Outcome, Sample
from haulcast.availability.rolling import WINDOW_MS, Quality, Rolling
from haulcast.availability.sampling import Sampling, Served
from haulcast.database.pool import Database
from haulcast.errors import StoreError

LOOK_EVERY_S: Final = 30.0
JOIN_DELAY_MS: Final = 120_000
"""After its moment a sample waits for so long, for spans are written behind the hub's back; after a start so long at the least, for what devices kept."""
JUDGE_EVERY_MS: Final = 300_000
"""Each fleet; a tenth of a second for a large one."""
FORGET_EVERY_MS: Final = 3_600_000
MOST_WAITING: Final = 100_000
"""Samples kept in memory while the store is away; of more the oldest are dropped, and counted."""
PORTION: Final = 1_000

log = structlog.get_logger("haulcast.availability")

Tell = Callable[[str, str, bytes], None]
"""Tells a fleet's live subscribers: of (fleet, what it is about, frame); of one that cannot be told now the newest about the same is told later."""


class Monitoring:
    """The samples and figures of all fleets.

    Args:
        store: where samples wait, and outcomes and alerts are kept.
        random: chooses the samples.
        tell: hears of alerts.
        now_ms: the time.
        join_delay_ms: see `JOIN_DELAY_MS`.
    """

    def __init__(
        self, store: OutcomeStore, *, random: np.random.Generator, tell: Tell, now_ms: Callable[[], int],
        join_delay_ms: int,
    ) -> None:  # fmt: skip
        self._store = store
        self._sampling = Sampling(random)
        self._tell = tell
        self._now_ms = now_ms
        self._join_delay_ms = join_delay_ms
        self._join_from_ms = now_ms() + join_delay_ms
        self._waiting: deque[tuple[str, Sample]] = deque()
        self._rolling: dict[str, Rolling] = {}
        self._alerts: dict[str, dict[tuple[str, int], Alert]] = {}
        self._pending: dict[str, int] = {}
        self._is_restored = False
        self._forget_at_ms = 0
        self._judge_at_ms: dict[str, int] = {}
        self._counts = dict.fromkeys(("sampled", "dropped", "outcomes", "drifts"), 0)

    @property
    def counters(self) -> dict[str, Any]:
        """Since the start; and of the last day, over all fleets, by horizon in seconds."""
        scores = {
            f"{question}_{name}": _pooled(
                [one.judgement.figures for one in self._rolling.values()], question, name
            )
            for question in QUESTIONS
            for name in ("accuracy", "brier")
        }
        pending = len(self._waiting) + sum(self._pending.values())
        return {
            **self._counts,
            "pending": pending,
            "degraded": sum(map(len, self._alerts.values())),
            **scores,
        }

    def on_forecast(self, fleet: str, served: Served) -> None:
        """Keep some of what was just served of a fleet. To be called where the event loop runs; takes microseconds."""
        for sample in self._sampling.choose(fleet, served):
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self._counts["dropped"] += 1
            self._waiting.append((fleet, sample))
            self._counts["sampled"] += 1

    def quality(self, fleet: str) -> Quality:
        """As it was when `look` was last done; of a fleet without outcomes there are no figures."""
        rolling, now_ms = self._rolling.get(fleet, Rolling()), self._now_ms()
        alerts = sorted(
            self._alerts.get(fleet, {}).values(),
            key=lambda one: (QUESTIONS.index(one.question), one.horizon_s),
        )
        return Quality(
            now_ms - WINDOW_MS, now_ms, rolling.judgement, tuple(alerts), self._pending.get(fleet, 0)
        )

    async def run(self) -> None:
        """Look again and again; ends by cancellation."""
        is_away = False
        while True:
            try:
                await self.look()
                is_away = False
            except StoreError as error:
                if not is_away:
                    log.warning("availability_not_judged", reason=error.reason)
                is_away = True
            except Exception:
                log.exception("availability_not_judged")
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Store what was sampled, join what is due, and judge.

        Raises:
            StoreError: the store cannot be reached; what was not done is done the next time.
        """
        await self.store_samples()
        now_ms = self._now_ms()
        if not self._is_restored:
            await self._restore(now_ms)
        self._pending = await self._store.pending()
        if now_ms >= self._join_from_ms:
            for fleet in list(self._pending):
                await self._join(fleet, now_ms - self._join_delay_ms)
        for fleet, rolling in self._rolling.items():
            if now_ms < self._judge_at_ms.get(fleet, now_ms):
                continue
            figures = await asyncio.to_thread(rolling.judge, now_ms)
            self._judge_at_ms[fleet] = now_ms + JUDGE_EVERY_MS
            for alert in judged(figures, self._alerts.get(fleet, {}).values(), now_ms):
                await self._raise(fleet, alert)
        if now_ms >= self._forget_at_ms:
            await self._store.forget(now_ms - KEPT_MS)
            self._forget_at_ms = now_ms + FORGET_EVERY_MS

    async def store_samples(self) -> None:
        """Write down what was sampled; while that fails it waits here.

        Raises:
            StoreError: the store cannot be reached.
        """
        while self._waiting:
            portion = [self._waiting.popleft() for _ in range(min(PORTION, len(self._waiting)))]
            try:
                await self._store.add(portion)
            except BaseException:
                self._waiting.extendleft(reversed(portion))
                raise

    async def _restore(self, now_ms: int) -> None:
        """The last day's outcomes, and the alerts that last."""
        restored: dict[str, Rolling] = {}
        for fleet in await self._store.fleets(now_ms - WINDOW_MS):
            rolling, from_ms = restored.setdefault(fleet, Rolling()), now_ms - WINDOW_MS
            while found := await self._store.read(fleet, from_ms, now_ms, PORTION):
                await asyncio.to_thread(rolling.add, found)
                from_ms = found[-1].sample.due_ms + 1
        for fleet, alert in await self._store.alerts(None, now_ms):
            if alert.end_ms is None:
                self._alerts.setdefault(fleet, {})[alert.key] = alert
        self._rolling, self._is_restored = restored, True
        self._judge_at_ms.clear()

    async def _join(self, fleet: str, before_ms: int) -> None:
        """What came of a fleet's samples whose moments were before."""
        try:
            while outcomes := await self._store.settle(fleet, before_ms, PORTION):
                self._pending[fleet] = max(0, self._pending.get(fleet, 0) - len(outcomes))
                await self._take(fleet, outcomes)
        except StoreError:
            self._is_restored = False  # nobody knows what was written down last; it is read again
            raise

    async def _take(self, fleet: str, outcomes: Sequence[Outcome]) -> None:
        self._counts["outcomes"] += len(outcomes)
        rolling = self._rolling.setdefault(fleet, Rolling())
        for question, horizon_s, _ in await asyncio.to_thread(rolling.add, outcomes):
            self._counts["drifts"] += 1
            log.warning("availability_drift", fleet=fleet, question=question, horizon_minutes=horizon_s // 60)

    async def _raise(self, fleet: str, alert: Alert) -> None:
        """Write it down, then tell: what was told is not told again after a restart."""
        await self._store.put_alert(fleet, alert)
        lasting = self._alerts.setdefault(fleet, {})
        event = "availability_degraded" if alert.end_ms is None else "availability_recovered"
        if alert.end_ms is None:
            lasting[alert.key] = alert
        else:
            lasting.pop(alert.key, None)
        log.warning(event, fleet=fleet, **alert.document())
        frame = {
            "type": "availability_alert",
            "event": event,
            **alert.document(),
            "least_accuracy": LEAST_ACCURACY,
        }
        self._tell(fleet, f"availability {alert.question} {alert.horizon_s}", orjson.dumps(frame))


def _pooled(figures: Sequence[AllFigures], question: str, name: str) -> dict[str, float]:
    """The mean over the outcomes of all fleets, by horizon."""
    sums: dict[int, tuple[int, float]] = {}
    for key, one in ((key, one) for found in figures for key, one in found.items()):
        if key[0] == question:
            n, total = sums.get(key[1], (0, 0.0))
            sums[key[1]] = n + one.n, total + one.n * getattr(one, name)
    return {str(horizon_s): total / n for horizon_s, (n, total) in sorted(sums.items())}


@contextlib.asynccontextmanager
async def open_monitoring(
    database: Database, tell: Tell, seed: int | None = None
) -> AsyncIterator[Monitoring]:
    """The monitoring of a hub, at work for the time of the block; at its end what was sampled is written down once more.

    Args:
        database: where everything is kept.
        tell: tells a fleet's live subscribers of alerts.
        seed: of the choice of samples; None: another at each start.
    """
    monitoring = Monitoring(
        PostgresOutcomeStore(database), random=np.random.default_rng(seed), tell=tell, now_ms=clock.epoch_ms,
        join_delay_ms=JOIN_DELAY_MS,
    )  # fmt: skip
    task = asyncio.create_task(monitoring.run(), name="availability monitoring")
    try:
        yield monitoring
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with contextlib.suppress(StoreError):
            await monitoring.store_samples()
