"""The route of a vehicle: its stops in order, what of them is done, and the line it should follow."""

from dataclasses import dataclass
from enum import StrEnum

from haulcast.routes.stop_place import StopPlace


class StopKind(StrEnum):
    """What happens there."""

    PICKUP = "pickup"
    DELIVERY = "delivery"
    STOP = "stop"  # neither: a depot, a break, a visit


class StopState(StrEnum):
    """How far a stop has come; none goes back."""

    AHEAD = "ahead"
    ARRIVED = "arrived"
    DONE = "done"
    SKIPPED = "skipped"  # cancelled, or passed over


class RouteStatus(StrEnum):
    """How far a route has come. A vehicle has one ACTIVE route at most."""

    PLANNED = "planned"
    ACTIVE = "active"
    DONE = "done"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RouteStop:
    """A stop of a route.

    Attributes:
        stop_id: of no other stop of the route.
        load: id of the load of a pickup or delivery; empty of others.
        planned_ms: when service begins by the plan; None: not planned.
        arrived_ms, left_ms: what came of it; None: not yet.
    """

    stop_id: str
    kind: StopKind
    place: StopPlace
    load: str = ""
    state: StopState = StopState.AHEAD
    planned_ms: int | None = None
    arrived_ms: int | None = None
    left_ms: int | None = None

    @property
    def is_over(self) -> bool:
        """Nothing more happens there."""
        return self.state in (StopState.DONE, StopState.SKIPPED)


@dataclass(frozen=True, slots=True)
class Route:
    """A route of a fleet.

    Attributes:
        stops: in the order in which they are driven; what is over comes first.
        line: (lon_deg, lat_deg) of the way that should be driven; empty: straight from stop to stop, and nobody is off it.
        plan: id of the plan that made it; empty: somebody made it by hand.
        edition: names this state of it and no other.
    """

    fleet: str
    route_id: str
    vehicle: str
    stops: tuple[RouteStop, ...]
    status: RouteStatus = RouteStatus.PLANNED
    line: tuple[tuple[float, float], ...] = ()
    plan: str = ""
    edition: str = ""

    @property
    def ahead(self) -> tuple[RouteStop, ...]:
        """The stops that are not over, in order."""
        return tuple(stop for stop in self.stops if not stop.is_over)
