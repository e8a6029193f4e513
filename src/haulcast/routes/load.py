"""What is carried: from a pickup to a delivery, or one of them alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from haulcast.routes.stop_place import StopPlace


class LoadStatus(StrEnum):
    """How far a load has come."""

    OPEN = "open"  # on no route
    PLANNED = "planned"  # on the route of `vehicle`, not picked up
    ON_BOARD = "on_board"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Load:
    """A load of a fleet.

    Attributes:
        pickup: None: it is on board from the start of the route that delivers it.
        delivery: None: it is brought to where the route ends.
        size: how much of each dimension, for example {"kg": 800, "pallets": 2}. What a vehicle's profile does not name it has no room for.
        needs: skills that the vehicle has to have.
        vehicle: on whose route it is; empty while OPEN.
        left_out_cost: what it costs to leave it out of a plan, in the fleet's currency; None: it is left out only when it cannot be carried.
        edition: names this state of it and no other.
    """

    fleet: str
    load_id: str
    pickup: StopPlace | None
    delivery: StopPlace | None
    size: Mapping[str, float] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()
    status: LoadStatus = LoadStatus.OPEN
    vehicle: str = ""
    left_out_cost: float | None = None
    edition: str = ""
