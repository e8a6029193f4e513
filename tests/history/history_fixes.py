"""Fixes for tests of the history, and what a store holds of them."""

from collections.abc import Sequence

import numpy as np

from geo.positions import COLUMNS, PositionBatch, position_batch
from haulcast.history.history_store import FixKey, HistoryStore

DAY_MS = 86_400_000
NOON_MS = 20_780 * DAY_MS + DAY_MS // 2
EVER = (-(10**14), 10**15)
CONTENT = [name for name in COLUMNS if name != "row"]


def fixes_of(*keys: tuple[int, int, int], attributes: dict[int, bytes] | None = None) -> PositionBatch:
    """Of (row, seq, time_ms). The other values follow from these three, so the same key always has the same content."""
    batch = position_batch(len(keys))
    for i, (row, seq, time_ms) in enumerate(keys):
        random = np.random.default_rng([row, seq + 1, abs(time_ms)])
        batch.row[i], batch.seq[i], batch.time_ms[i] = row, seq, time_ms
        batch.received_ms[i] = time_ms + int(random.integers(0, 10**6))
        batch.lat_deg[i], batch.lon_deg[i] = random.uniform(-90, 90), random.uniform(-180, 180)
        for name in ("speed_mps", "heading_deg", "accuracy_m", "altitude_m"):
            getattr(batch, name)[i] = random.choice([np.nan, random.uniform(0, 300)])
    return PositionBatch(**{name: getattr(batch, name) for name in COLUMNS}, attributes=attributes or {})


def contents(fixes: PositionBatch) -> list[tuple]:
    """Each fix as a tuple that equals another one's exactly when all of both is the same, but for the row."""
    columns = [getattr(fixes, name).tolist() for name in CONTENT]
    return [
        (*map(repr, values), fixes.attributes.get(i)) for i, values in enumerate(zip(*columns, strict=True))
    ]


async def stored(
    store: HistoryStore, fleet: str, vehicle: str, span: Sequence[int] = EVER, limit: int = 1_000
) -> list[tuple]:
    """All fixes of a vehicle, read page by page."""
    found: list[tuple] = []
    after: FixKey | None = None
    while True:
        page = await store.read(fleet, vehicle, *span, after, limit)
        assert len(page.fixes) <= limit
        found += contents(page.fixes)
        if page.last_key is None:
            return found
        assert len(page.fixes) == limit
        after = page.last_key
