"""The events of a step in the words of docs/protocol.md, each with an id of its own: for maps, for the store, for webhooks."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from geo.fence_events import NONE, Cause, Kind
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.tracking.step import StepResult

KINDS = tuple(kind.name.lower() for kind in Kind)
CAUSES = tuple(cause.name.lower() for cause in Cause)
VALUES = {
    Kind.OVERSPEED: "speed_mps", Kind.NEAR: "distance_m", Kind.APART: "distance_m", Kind.OFF_ROUTE: "distance_m",
    Kind.LATE_RISK: "late_s",
}  # fmt: skip

Label = Callable[[int], tuple[str, str]]
RouteLabel = Callable[[int, int], tuple[str, str]]


class EventDocument(NamedTuple):
    """An event that is told; its numbers as in `geo.fence_events.FenceEvents`.

    Attributes:
        number: goes up by one with each event of a run, and from run to run.
        said: what it says, without offset and type.
        body: the same as a JSON object.
    """

    number: int
    row: int
    other_row: int
    fleet_number: int
    fleet: str
    kind: int
    visit: int
    entered_ms: int
    left_ms: int
    said: dict[str, Any]
    body: bytes

    @property
    def event_id(self) -> str:
        """Its id: text that sorts as the events were told."""
        return event_id(self.number)


class _Event(NamedTuple):
    """A row of `FenceEvents`."""

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
    rule: int
    other: int
    value: float
    route: int
    stop: int


class EventDocuments:
    """Makes each step's documents once, for whoever asks first.

    Args:
        fence_label: id and name of a fence by its handle, also of one that has just been deleted.
        rule_label: id and name of a rule by its number in the rule set of the step that is told.
        first: number of the first event: higher than any that was ever given.
        route_label: ids of a route and its stop by their numbers in the route set of the step that is told.
    """

    def __init__(
        self,
        rows: VehicleRows,
        fence_label: Label,
        rule_label: Label,
        first: int,
        route_label: RouteLabel = lambda _route, _stop: ("", ""),
    ) -> None:
        self._rows = rows
        self._fence_label = fence_label
        self._rule_label = rule_label
        self._route_label = route_label
        self._next = first
        self._of: StepResult | None = None
        self._made: Sequence[EventDocument] = ()

    def of(self, result: StepResult) -> Sequence[EventDocument]:
        """The events of the newest step, in its order."""
        if not len(result.events):
            return ()
        if self._of is not result:
            columns = (getattr(result.events, name).tolist() for name in _Event._fields)
            self._made = [self._document(_Event(*values)) for values in zip(*columns, strict=True)]
            self._of = result
        return self._made

    def _document(self, event: _Event) -> EventDocument:
        number, self._next = self._next, self._next + 1
        said = {"id": event_id(number), **self._said(event)}
        return EventDocument(
            number,
            event.row,
            event.other,
            int(self._rows.fleet_number[event.row]),
            self._rows.fleet_of(event.row),
            event.kind,
            event.visit,
            event.entered_ms,
            event.left_ms,
            said,
            orjson.dumps(said),
        )

    def _said(self, event: _Event) -> dict[str, Any]:
        said: dict[str, Any] = {"event": KINDS[event.kind], "cause": CAUSES[event.cause]}
        if event.rule != NONE:
            said["rule"], said["rule_name"] = self._rule_label(event.rule)
        if event.route != NONE:
            said["route"], stop = self._route_label(event.route, event.stop)
            if stop:
                said["stop"] = stop
        if event.visit != NONE:
            said["visit"] = event.visit
        said["vehicle"] = self._rows.vehicle_of[event.row]
        if event.handle != NONE:
            said["fence"], said["name"] = self._fence_label(event.handle)
        if event.other != NONE:
            said["other"] = self._rows.vehicle_of[event.other]
        said |= {
            "time_ms": event.time_ms,
            "lat": round(event.lat_deg, 6),
            "lon": round(event.lon_deg, 6),
            "fix_time_ms": event.fix_time_ms,
        }
        if event.kind != Kind.ENTER and event.entered_ms != NONE:
            said["entered_ms"] = event.entered_ms
        if event.kind == Kind.CORRECTED:
            said["left_ms"] = None if event.left_ms == NONE else event.left_ms
        if event.kind in VALUES:
            said[VALUES[Kind(event.kind)]] = round(event.value, 2)
        return said


def event_id(number: int) -> str:
    """The id of the event of this number."""
    return f"{number:016x}"
