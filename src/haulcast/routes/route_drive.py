"""What is known of a vehicle on its active route beyond what the route book says: what was told, and is on its way into the store."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from haulcast.routes.route import Route, RouteStop, StopState
from haulcast.routes.route_set import NONE, RoutePart
from haulcast.routes.stop_fences import fence_of
from haulcast.routes.stop_marks import StopMark, marked


@dataclass(slots=True)
class Drive:
    """A vehicle on its active route.

    Attributes:
        part: the route as the set in force has it.
        since_ms: when the route became active; 0: before this run of the hub.
        marks: what was told of its stops and the book does not say yet, in order.
        risks: ids of the stops of which lateness was told, and which have not been good since.
        visits: by id of a stop where it has arrived, the visit that is the arrival; what is not there ends with any visit.
        number: the route's, in the set in force.
        fences: ids of the fences of its stops; visits of others are nothing to it.
        route: the route with `marks`.
    """

    part: RoutePart
    since_ms: int
    marks: list[StopMark] = field(default_factory=list)
    risks: set[str] = field(default_factory=set)
    visits: dict[str, int] = field(default_factory=dict)
    number: int = -1
    fences: frozenset[str] = field(init=False)
    route: Route = field(init=False)
    _remembered: str = ""

    def __post_init__(self) -> None:
        """See `take`."""
        self.take(self.part)

    def take(self, part: RoutePart) -> None:
        """The route is this by now: marks that it has, or that cannot be any more, are dropped."""
        self.part, route, left = part, part.route, []
        self.fences = frozenset(fence_of(stop.place) for stop in route.stops)
        self._remembered = ""
        for mark in self.marks:
            after = marked(route, [mark])
            if after != route:
                left.append(mark)
                route = after
        self.marks, self.route = left, route
        self.risks &= {stop.stop_id for stop in route.stops}
        arrived = {stop.stop_id for stop in route.stops if stop.state is StopState.ARRIVED}
        self.visits = {stop_id: visit for stop_id, visit in self.visits.items() if stop_id in arrived}

    def mark(self, stop: RouteStop, state: StopState, time_ms: int) -> StopMark:
        """It was told that a stop was reached or left."""
        mark = StopMark(self.part.route.route_id, stop.stop_id, state, time_ms)
        self.marks.append(mark)
        self._remembered = ""
        self.route = marked(self.route, [mark])
        return mark

    @property
    def is_over(self) -> bool:
        """Nothing is ahead."""
        return not self.route.ahead

    @property
    def over_ms(self) -> float:
        """When nothing was ahead any more; infinite: something is."""
        return max((stop.left_ms or 0 for stop in self.route.stops), default=0) if self.is_over else math.inf

    @property
    def is_ahead(self) -> list[bool]:
        """Of each stop in the order of `part`, whether it is driven to."""
        ahead = {stop.stop_id for stop in self.route.stops if stop.state is StopState.AHEAD}
        return [stop.stop_id in ahead for stop in self.part.route.stops]

    @property
    def free_s(self) -> float:
        """Before when it does not drive on, because of service where it has arrived; Unix seconds."""
        free_s = 0.0
        for stop in self.route.ahead:
            if stop.state is StopState.ARRIVED:
                begins_ms = max(stop.arrived_ms or 0, stop.place.opens_ms or 0)
                free_s = max(free_s, begins_ms / 1000) + stop.place.service_s
        return free_s

    def number_of(self, stop_id: str) -> int:
        """Which stop of `part` this is."""
        return next(i for i, stop in enumerate(self.part.route.stops) if stop.stop_id == stop_id)

    def set_visit(self, stop_id: str, visit: int) -> None:
        """By this visit it has arrived there; NONE: it has departed."""
        self._remembered = ""
        self.visits[stop_id] = visit
        if visit == NONE:
            del self.visits[stop_id]

    def forget_visit(self, visit: int) -> None:
        """This visit never was; the stop where it was the arrival ends with any."""
        self._remembered = ""
        self.visits = {stop_id: known for stop_id, known in self.visits.items() if known != visit}

    def set_risk(self, stop_id: str, *, is_told: bool) -> None:
        """Lateness of a stop was told, or is good again."""
        (self.risks.add if is_told else self.risks.discard)(stop_id)
        self._remembered = ""

    @property
    def remembered(self) -> str:
        """What the next run of the hub needs, as JSON without its first brace; it changes less often than it is asked for."""
        if not self._remembered:
            marks = [(mark.stop_id, mark.state, mark.time_ms) for mark in self.marks]
            said = {
                "route": self.part.route.route_id, "line": self.part.line_key, "since": self.since_ms,
                "marks": marks, "risks": sorted(self.risks), "visits": self.visits,
            }  # fmt: skip
            self._remembered = orjson.dumps(said).decode()[1:]
        return self._remembered


def remembered_drive(part: RoutePart, said: dict[str, Any]) -> Drive:
    """The other way round, of the same route."""
    route_id = part.route.route_id
    marks = [
        StopMark(route_id, stop_id, StopState(state), time_ms) for stop_id, state, time_ms in said["marks"]
    ]
    return Drive(part, said["since"], marks, set(said["risks"]), dict(said["visits"]))


def at_fence(stops: Sequence[RouteStop], fences: Iterable[str], fence_id: str) -> list[RouteStop]:
    """The stops ahead whose arrival is a visit of this fence: the first such one, and those right after it.

    Args:
        stops: in the order in which they are driven.
        fences: the id of the fence of each; empty: nobody can arrive there now.
        fence_id: this one.
    """
    found: list[RouteStop] = []
    for stop, own in zip(stops, fences, strict=True):
        if own == fence_id:
            found.append(stop)
        elif found:
            break
    return found
