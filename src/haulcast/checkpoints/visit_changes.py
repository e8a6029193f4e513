"""What events say of visits: the facts of fences, put together to one change a visit."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from geo.fence_events import NONE, Kind
from haulcast.tracking.event_documents import EventDocument

Place = tuple[float, float]
"""Latitude and longitude in degrees."""


@dataclass(frozen=True, slots=True)
class VisitChange:
    """How a visit is to be stored.

    Attributes:
        entered: where it began; None: as stored.
        has_entered_then: `entered` counts only if the stored visit began at another time.
        left_ms: when it ended; None: it lasts.
        left: where; None: as stored, if it has ended.
        is_withdrawn: it never was.
    """

    fleet: str
    visit: int
    vehicle: str
    fence: str
    fence_name: str
    entered_ms: int
    entered: Place | None = None
    has_entered_then: bool = False
    left_ms: int | None = None
    left: Place | None = None
    is_withdrawn: bool = False


def visit_changes(events: Iterable[EventDocument]) -> list[VisitChange]:
    """One change of each visit that these events are about, in the order of the events; rules' and routes' events and those of pairs are none."""
    changes: dict[tuple[str, int], VisitChange] = {}
    for event in events:
        if "rule" in event.said or "route" in event.said or "fence" not in event.said or event.visit == NONE:
            continue
        change, key = _change(event), (event.fleet, event.visit)
        before = changes.get(key)
        changes[key] = change if before is None or before.is_withdrawn else _joined(before, change)
    return list(changes.values())


def _change(event: EventDocument) -> VisitChange:
    said = event.said
    time_ms, place = int(said["time_ms"]), (float(said["lat"]), float(said["lon"]))
    entered_ms = time_ms if event.kind == Kind.ENTER or event.entered_ms == NONE else event.entered_ms
    change = VisitChange(
        event.fleet, event.visit, said["vehicle"], said["fence"], said["name"], entered_ms,
        is_withdrawn=event.kind == Kind.WITHDRAWN,
    )  # fmt: skip
    here = None if math.isnan(place[0]) else place
    if event.kind == Kind.ENTER:
        return replace(change, entered=here)
    if event.kind == Kind.EXIT:
        return replace(change, left_ms=time_ms, left=here)
    left_ms = None if event.left_ms == NONE else event.left_ms
    if time_ms != entered_ms:
        return replace(change, left_ms=left_ms, left=here)
    # of one that has not ended after all it may be the place where it was told to have ended
    return replace(change, left_ms=left_ms, entered=here, has_entered_then=left_ms is None)


def _joined(before: VisitChange, after: VisitChange) -> VisitChange:
    """Both in one."""
    is_same_begin = before.entered_ms == after.entered_ms
    if after.entered is None or (after.has_entered_then and is_same_begin and before.entered is not None):
        after = replace(after, entered=before.entered, has_entered_then=before.has_entered_then)
    if after.left_ms is not None and after.left is None:
        after = replace(after, left=before.left)
    return after
