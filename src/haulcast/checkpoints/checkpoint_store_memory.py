"""Checkpoints, events and visits in memory, for tests."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import numpy as np

from haulcast.checkpoints.checkpoint_store import NUMBERS, Checkpoints, DeletedVehicle
from haulcast.checkpoints.visit_changes import VisitChange, visit_changes
from haulcast.tracking.event_documents import EventDocument


class MemoryCheckpointStore:
    """A `CheckpointStore` that forgets everything with its process.

    Attributes:
        vehicles: on record, as (fleet, vehicle id); None: every one is.
        events: by number, in the order of storing.
        visits: by (fleet, visit), as last stored.
    """

    def __init__(self) -> None:
        self.vehicles: set[tuple[str, str]] | None = None
        self.events: dict[int, EventDocument] = {}
        self.visits: dict[tuple[str, int], VisitChange] = {}
        self._checkpoints: dict[tuple[str, str], Checkpoints] = {}

    async def save(
        self,
        checkpoints: Checkpoints,
        events: Sequence[EventDocument] = (),
        deleted: Sequence[DeletedVehicle] = (),
    ) -> Sequence[int]:
        """See `CheckpointStore`."""
        names = list(zip(checkpoints.fleet, checkpoints.vehicle, strict=True))
        missing = [
            i for i, name in enumerate(names) if self.vehicles is not None and name not in self.vehicles
        ]
        unknown = {names[i] for i in missing}
        for i, name in enumerate(names):
            if name not in unknown:
                self._checkpoints[name] = _one(checkpoints, i)
        kept = [event for event in events if (event.fleet, event.said["vehicle"]) not in unknown]
        for event in kept:
            self.events.setdefault(event.number, event)
        for change in visit_changes(kept):
            self._change(change)
        for fleet, vehicle, before_visit in deleted:
            for key, visit in self.visits.items():
                if (visit.fleet, visit.vehicle, visit.left_ms) == (fleet, vehicle, None) and key[
                    1
                ] < before_visit:
                    self.visits[key] = replace(visit, left_ms=visit.entered_ms)
        return missing

    async def newest_event(self) -> int:
        """See `CheckpointStore`."""
        return max(self.events, default=-1)

    async def read_all(self) -> AsyncIterator[Checkpoints]:
        """See `CheckpointStore`."""
        for name, checkpoint in list(self._checkpoints.items()):
            if self.vehicles is None or name in self.vehicles:
                yield checkpoint

    def _change(self, change: VisitChange) -> None:
        key = change.fleet, change.visit
        before = self.visits.get(key)
        if change.is_withdrawn:
            self.visits.pop(key, None)
            return
        if before is not None:
            is_same_begin = change.has_entered_then and before.entered_ms == change.entered_ms
            if change.entered is None or is_same_begin:
                change = replace(change, entered=before.entered)
            if change.left_ms is not None and change.left is None:
                change = replace(change, left=before.left)
            change = replace(change, fence_name=before.fence_name)
        self.visits[key] = replace(change, has_entered_then=False)


def _one(checkpoints: Checkpoints, i: int) -> Checkpoints:
    c = checkpoints
    numbers = {name: np.array(c.numbers[name][i : i + 1]) for name in NUMBERS}
    return Checkpoints([c.fleet[i]], [c.vehicle[i]], [c.visits[i]], [c.pairs[i]], [c.route[i]], numbers)
