"""Monitoring on a real database, with a clock of the test's own and forecasts that were written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from haulcast.availability.monitoring import Monitoring
from haulcast.availability.outcome_store_postgres import PostgresOutcomeStore
from haulcast.availability.outcomes import STATES, Outcome, Sample
from haulcast.availability.span_store import BUSY, DUTY, StoredSpan
from haulcast.availability.span_store_postgres import PostgresSpanStore

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS
RECORDED = Path(__file__).with_name("recorded_forecast.json")
NAN = float("nan")


@dataclass(frozen=True)
class Forecast:
    """What serving gives, as far as it is sampled."""

    vehicles: list[str]
    at_s: float
    horizons_s: np.ndarray
    p_on_duty: np.ndarray
    p_free: np.ndarray
    state: np.ndarray
    basis: np.ndarray
    version: str | None = None


def recorded(at_s: float, **more: Any) -> Forecast:
    """The recorded forecast of five drivers, as of another time."""
    said = orjson.loads(RECORDED.read_bytes())
    columns = {
        name: np.array([[NAN if p is None else p for p in row] for row in said[name]]) for name in ("p_on_duty", "p_free")
    }  # fmt: skip
    state = np.array([STATES.index(word) for word in said["state"]], np.int8)
    made = {
        "vehicles": said["vehicles"], "horizons_s": np.array(said["horizons_s"], float), "state": state,
        "basis": np.array(said["basis"]), "version": said["version"], **columns,
    }  # fmt: skip
    return Forecast(at_s=at_s, **(made | more))


def span(vehicle: str, kind: int, begin_ms: int, end_ms: int | None) -> StoredSpan:
    return StoredSpan(vehicle, kind, begin_ms, end_ms, NAN, NAN, NAN, NAN)


def on_duty(vehicle: str, begin_ms: int, end_ms: int | None) -> StoredSpan:
    return span(vehicle, DUTY, begin_ms, end_ms)


def busy(vehicle: str, begin_ms: int, end_ms: int | None) -> StoredSpan:
    return span(vehicle, BUSY, begin_ms, end_ms)


def sample(due_ms: int, vehicle: str = "a", **more: Any) -> Sample:
    values = {
        "horizon_s": 900,
        "state": 1,
        "p_on_duty": 0.75,
        "p_free": 0.5,
        "basis": "model",
        "version": "v1",
    }
    return Sample(due_ms, vehicle, **(values | more))


def outcomes(count: int, right: float, *, from_ms: int, seed: int = 0, **more: Any) -> list[Outcome]:
    """Of as many drivers, one a second; this share of the predictions of duty is right, and all of being free."""
    random = np.random.default_rng(seed)
    is_right = random.permutation(np.arange(count) < round(right * count)).tolist()
    return [
        Outcome(
            sample(from_ms + number * 1_000, f"d{number}", p_on_duty=0.75, p_free=0.0, **more), one, False
        )
        for number, one in enumerate(is_right)
    ]


@dataclass
class World:
    """A database, the time, and what was told."""

    database: Any
    now_ms: int = NOW_MS
    told: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = PostgresOutcomeStore(self.database)
        self.spans = PostgresSpanStore(self.database)

    def monitoring(self, seed: int = 0, **more: Any) -> Monitoring:
        """A hub's, as after a start."""
        return Monitoring(
            more.pop("store", self.store), random=np.random.default_rng(seed),
            tell=lambda fleet, key, frame: self.told.append((fleet, key, orjson.loads(frame))),
            now_ms=lambda: self.now_ms, **({"join_delay_ms": 0} | more),
        )  # fmt: skip

    async def settled(self, fleet: str, made: list[Outcome]) -> None:
        """Outcomes of before, from spans of a millisecond."""
        spans = []
        for (due_ms, vehicle, *_), on, free in made:
            spans += [on_duty(vehicle, due_ms, due_ms + 1)] * on + [busy(vehicle, due_ms, due_ms + 1)] * (
                not free
            )
        await self.spans.put(fleet, spans)
        await self.store.add([(fleet, one.sample) for one in made])
        await self.store.settle(fleet, max(one.sample.due_ms for one in made) + 1, len(made))


def expected(samples: Sequence[Sample], spans: Sequence[StoredSpan]) -> list[Outcome]:
    """What came, span by span."""

    def holds(sample: Sample, kind: int) -> bool:
        return any(
            one.vehicle == sample.vehicle and one.kind == kind
            and one.begin_ms <= sample.due_ms and (one.end_ms is None or sample.due_ms < one.end_ms)
            for one in spans
        )  # fmt: skip

    return [Outcome(one, holds(one, DUTY), holds(one, DUTY) and not holds(one, BUSY)) for one in samples]
