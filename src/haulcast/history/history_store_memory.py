"""A history that lasts as long as the process; for tests."""

import bisect
from collections import defaultdict

import numpy as np

from geo.positions import COLUMNS, PositionBatch, concatenate, position_batch
from haulcast.history.history_store import DAY_MS, FixKey, HistoryPage, NameOf


class MemoryHistoryStore:
    """See `HistoryStore`."""

    def __init__(self, name_of: NameOf) -> None:
        self._name_of = name_of
        self._fixes: dict[tuple[str, str], dict[FixKey, PositionBatch]] = defaultdict(dict)

    async def write(self, fixes: PositionBatch) -> int:
        """See `HistoryStore`."""
        fresh = 0
        for i in range(len(fixes)):
            kept = self._fixes[self._name_of(int(fixes.row[i]))]
            key = FixKey(int(fixes.time_ms[i]), int(fixes.seq[i]))
            if key not in kept:
                fresh += 1
                kept[key] = fixes.take(np.array([i]))
                kept[key].row[:] = 0
        return fresh

    async def read(
        self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, after: FixKey | None, limit: int
    ) -> HistoryPage:
        """See `HistoryStore`."""
        kept = self._fixes.get((fleet, vehicle), {})
        keys = sorted(key for key in kept if begin_ms <= key.time_ms < end_ms)
        keys = keys[bisect.bisect_right(keys, after) :] if after else keys
        page = keys[:limit]
        fixes = concatenate([kept[key] for key in page]) if page else position_batch(0)
        copied = {name: getattr(fixes, name).copy() for name in COLUMNS}
        return HistoryPage(
            PositionBatch(**copied, attributes=fixes.attributes), page[-1] if len(keys) > limit else None
        )

    async def prepare(self, time_ms: int) -> None:
        """See `HistoryStore`."""

    async def drop_before(self, time_ms: int) -> int:
        """See `HistoryStore`."""
        end_ms = time_ms // DAY_MS * DAY_MS
        days = set()
        for kept in self._fixes.values():
            old = [key for key in kept if key.time_ms < end_ms]
            days |= {key.time_ms // DAY_MS for key in old}
            for key in old:
                del kept[key]
        return len(days)

    async def purge(self, fleet: str, vehicle: str) -> int:
        """See `HistoryStore`."""
        return len(self._fixes.pop((fleet, vehicle), {}))
