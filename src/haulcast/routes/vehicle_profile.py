"""What a vehicle can carry, who may drive it how long, and what it costs: as much of it as planning has to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class VehicleProfile:
    """Of a vehicle of a fleet. One that nobody described has the profile of no arguments: room for nothing that has a size.

    Attributes:
        capacity: room in each dimension of `Load.size`.
        skills: what it can do that a load may need.
        start, end: (lat_deg, lon_deg) of the depots; None: where it is, and wherever the last stop was.
        shift_opens_ms, shift_closes_ms: when it may drive, UTC epoch; None: always.
        most_drive_s: driving in a shift; None: as much as it likes.
        break_after_s, break_s: after so much driving a break of so long; None: none.
        fixed_cost, cost_per_km, cost_per_hour: in the fleet's currency, of a route that is driven, its way and its duration.
    """

    capacity: Mapping[str, float] = field(default_factory=dict)
    skills: frozenset[str] = frozenset()
    start: tuple[float, float] | None = None
    end: tuple[float, float] | None = None
    shift_opens_ms: int | None = None
    shift_closes_ms: int | None = None
    most_drive_s: float | None = None
    break_after_s: float | None = None
    break_s: float = 0.0
    fixed_cost: float = 0.0
    cost_per_km: float = 1.0
    cost_per_hour: float = 0.0


PLAIN = VehicleProfile()
