"""Which stops vehicles reach and leave: an arrival is a visit of the stop's fence, by the facts of the step.

A vehicle arrives at the first stop ahead with that fence, and at those right after it with the same one; it departs with the visit's end. Stops before it stay ahead: a
dispatcher decides. One that is inside already when its route becomes active, or is edited, has arrived. A visit that ends because its fence was edited is no
departure. What a late fix corrects or withdraws afterwards changes no stop.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from geo.fence_events import NONE, Cause, FenceEvents, Kind
from geo.fence_transitions import FenceState
from haulcast.routes.route import RouteStop, StopState
from haulcast.routes.route_drive import Drive, at_fence
from haulcast.routes.route_etas import NewestFixes
from haulcast.routes.route_telling import RouteTelling
from haulcast.routes.stop_fences import fence_of
from haulcast.routes.stop_marks import StopMark, can_be_served


class Fact(NamedTuple):
    """An enter or exit, with the columns of `geo.fence_events.FenceEvents`."""

    row: int
    handle: int
    kind: int
    cause: int
    visit: int
    time_ms: int
    lat_deg: float
    lon_deg: float
    fix_time_ms: int
    fix: int
    entered_ms: int
    left_ms: int


class FleetMark(NamedTuple):
    """A mark to be stored, and whose."""

    fleet: str
    mark: StopMark


class StopArrivals:
    """Tells of arrivals and departures.

    Args:
        fence_id_of: the id of a fence by its handle.

    Attributes:
        marks: what was told and nobody has taken to the store yet.
    """

    def __init__(self, fence_id_of: Callable[[int], str]) -> None:
        self.marks: list[FleetMark] = []
        self._fence_id_of = fence_id_of
        self._look_ms: dict[
            int, int
        ] = {}  # rows whose open visits are to be looked at, and since when they count

    def look_again(self, row: int, since_ms: int) -> None:
        """The stops of this row are others: who is inside already arrives, not before this time."""
        self._look_ms.setdefault(row, since_ms)

    def take(
        self, facts: FenceEvents, of_interest: Iterable[int], drives: dict[int, Drive], telling: RouteTelling
    ) -> set[int]:
        """Some of the facts, by their indices, in order; the rows at whose stops something happened."""
        changed: set[int] = set()
        for i in of_interest:
            drive, fence_id = drives[int(facts.row[i])], self._fence_id_of(int(facts.handle[i]))
            if fence_id not in drive.fences and facts.kind[i] != Kind.WITHDRAWN:
                continue  # most: a vehicle on its way comes by the stops of others
            fact = Fact(*(getattr(facts, name)[i].item() for name in Fact._fields))
            if fact.kind == Kind.WITHDRAWN:  # the stop ends with any visit now
                drive.forget_visit(fact.visit)
                continue
            if fact.kind == Kind.EXIT:
                found = fact.cause != Cause.FENCE_CHANGED and self._depart(drive, fact, fence_id, telling)
                if found:  # another stop may be where the vehicle still is
                    self.look_again(fact.row, fact.time_ms)
            elif fact.time_ms < drive.since_ms:  # of before the route; it counts if it lasts still
                self.look_again(fact.row, drive.since_ms)
                continue
            else:
                found = self._arrive(drive, fact, fence_id, telling)
            if found:
                changed.add(fact.row)
        return changed

    def look(
        self, drives: dict[int, Drive], visits: FenceState, last: NewestFixes, telling: RouteTelling
    ) -> set[int]:
        """Where `look_again` was said: who is inside already; the rows at whose stops something happened."""
        changed: set[int] = set()
        asked, self._look_ms = self._look_ms, {}
        for row, since_ms in asked.items():
            drive = drives.get(row)
            if drive is None or not last.is_known[row]:
                continue
            at = float(last.lat_deg[row]), float(last.lon_deg[row]), int(last.time_ms[row]), NONE
            opened = visits.open_visits(np.array([row]))
            for handle, visit, entered_ms in zip(*(c.tolist() for c in opened[1:]), strict=True):
                time_ms = max(since_ms, entered_ms)
                fact = Fact(
                    row, handle, Kind.ENTER, Cause.ROUTE_CHANGED, visit, time_ms, *at, entered_ms, NONE
                )
                if self._arrive(drive, fact, self._fence_id_of(handle), telling):
                    changed.add(row)
        return changed

    def _arrive(self, drive: Drive, fact: Fact, fence_id: str, telling: RouteTelling) -> bool:
        ahead = drive.route.ahead
        fences = (fence_of(stop.place) if _can_be_here(drive, stop) else "" for stop in ahead)
        here = at_fence(ahead, fences, fence_id)
        reached = [stop for stop in here if stop.state is StopState.AHEAD]
        for stop in reached:
            self._tell(drive, stop, fact, Kind.ARRIVED, telling)
        if fact.cause != Cause.LATE:  # else it may be an earlier visit than the one that lasts
            for stop in here:
                drive.set_visit(stop.stop_id, fact.visit)
        return bool(reached)

    def _depart(self, drive: Drive, fact: Fact, fence_id: str, telling: RouteTelling) -> bool:
        left = [
            stop
            for stop in drive.route.ahead
            if stop.state is StopState.ARRIVED
            and fence_of(stop.place) == fence_id
            and _is_end(drive, stop, fact)
        ]
        for stop in left:
            self._tell(drive, stop, fact, Kind.DEPARTED, telling)
        return bool(left)

    def _tell(self, drive: Drive, stop: RouteStop, fact: Fact, kind: Kind, telling: RouteTelling) -> None:
        state = StopState.ARRIVED if kind is Kind.ARRIVED else StopState.DONE
        self.marks.append(FleetMark(drive.route.fleet, drive.mark(stop, state, fact.time_ms)))
        drive.set_visit(stop.stop_id, fact.visit if kind is Kind.ARRIVED else NONE)
        entered_ms = fact.time_ms if fact.entered_ms == NONE else fact.entered_ms
        said = fact._asdict() | {"kind": kind, "entered_ms": entered_ms}
        telling.tell(**said, route=drive.number, stop=drive.number_of(stop.stop_id))


def _can_be_here(drive: Drive, stop: RouteStop) -> bool:
    return stop.state is StopState.ARRIVED or can_be_served(drive.route, stop)


def _is_end(drive: Drive, stop: RouteStop, fact: Fact) -> bool:
    """Whether the visit that ends is the one by which the vehicle arrived there; if that is not known, one that ends later."""
    visit = drive.visits.get(stop.stop_id)
    return fact.time_ms >= (stop.arrived_ms or 0) if visit is None else visit == fact.visit
