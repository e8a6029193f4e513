"""A history that lasts as long as the process; for tests."""

import bisect
from collections import defaultdict
from collections.abc import Collection, Iterable

import numpy as np

from geo.positions import COLUMNS, PositionBatch, concatenate, position_batch
from haulcast.history.history_store import DAY_MS, FixKey, FleetFixes, HistoryPage, NameOf


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
        kept, keys = self._within(fleet, vehicle, begin_ms, end_ms)
        keys = keys[bisect.bisect_right(keys, after) :] if after else keys
        page = keys[:limit]
        fixes = concatenate([kept[key] for key in page]) if page else position_batch(0)
        copied = {name: getattr(fixes, name).copy() for name in COLUMNS}
        return HistoryPage(
            PositionBatch(**copied, attributes=fixes.attributes), page[-1] if len(keys) > limit else None
        )

    async def read_span(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, limit: int
    ) -> FleetFixes:
        """See `HistoryStore`."""
        found = sorted(
            (key.time_ms, vehicle, key)
            for vehicle in self._vehicles(fleet, vehicles)
            for key in self._fixes[fleet, vehicle]
            if begin_ms <= key.time_ms < end_ms
        )
        if len(found) >= limit:
            end_ms = found[limit - 1][0] + 1
        return self._fleet_fixes(fleet, [(vehicle, key) for at, vehicle, key in found if at < end_ms], end_ms)

    async def latest_before(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, count: int = 1
    ) -> FleetFixes:
        """See `HistoryStore`."""
        newest = []
        for vehicle in self._vehicles(fleet, vehicles):
            keys = [key for key in self._fixes[fleet, vehicle] if begin_ms <= key.time_ms < end_ms]
            newest += [(vehicle, key) for key in sorted(keys)[-count:]]
        newest.sort(key=lambda found: found[1].time_ms)
        return self._fleet_fixes(fleet, newest, end_ms)

    def _vehicles(self, fleet: str, vehicles: Collection[str] | None) -> list[str]:
        known = sorted(vehicle for owner, vehicle in self._fixes if owner == fleet)
        return known if vehicles is None else [vehicle for vehicle in known if vehicle in vehicles]

    def _fleet_fixes(self, fleet: str, found: Iterable[tuple[str, FixKey]], end_ms: int) -> FleetFixes:
        index: dict[str, int] = {}
        batches = []
        for vehicle, key in found:
            fix = self._fixes[fleet, vehicle][key]
            columns = {name: getattr(fix, name).copy() for name in COLUMNS}
            columns["row"][:] = index.setdefault(vehicle, len(index))
            batches.append(PositionBatch(**columns))
        return FleetFixes(list(index), concatenate(batches), end_ms)

    async def last(self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, count: int) -> PositionBatch:
        """See `HistoryStore`."""
        kept, keys = self._within(fleet, vehicle, begin_ms, end_ms)
        return concatenate([kept[key] for key in keys[max(0, len(keys) - count) :]])

    def _within(
        self, fleet: str, vehicle: str, begin_ms: int, end_ms: int
    ) -> tuple[dict[FixKey, PositionBatch], list[FixKey]]:
        kept = self._fixes.get((fleet, vehicle), {})
        return kept, sorted(key for key in kept if begin_ms <= key.time_ms < end_ms)

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
