"""The contract of a visit store, as far as it is read: who stayed in which fence, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay of a vehicle in a fence, as it is known now: late fixes correct it.

    Attributes:
        visit: its id, the same in all events about it.
        fence_name: as it was when the visit began.
        entered_ms, left_ms: of the crossings; `left_ms` is None while it lasts.
        entered_lat, entered_lon, left_lat, left_lon: degrees; None: not known.
    """

    visit: int
    vehicle_id: str
    fence_id: str
    fence_name: str
    entered_ms: int
    entered_lat: float | None
    entered_lon: float | None
    left_ms: int | None
    left_lat: float | None
    left_lon: float | None

    @property
    def key(self) -> "VisitKey":
        """Its place in a list."""
        return VisitKey(self.entered_ms, self.visit)


class VisitKey(NamedTuple):
    """A visit's place in its fleet's list, which is in this order."""

    entered_ms: int
    visit: int


@dataclass(frozen=True, slots=True)
class VisitFilter:
    """Which visits are wanted: those that have a moment with begin_ms <= moment < end_ms.

    Attributes:
        begin_ms, end_ms: the span.
        vehicle, fence: of this one only; None: of any.
        is_open: only those that last still.
    """

    begin_ms: int
    end_ms: int
    vehicle: str | None = None
    fence: str | None = None
    is_open: bool = False


class TimeInside(NamedTuple):
    """How long a vehicle was in a fence, in a span.

    Attributes:
        name_id: of the fence, or of the vehicle: what the sums are by.
        fence_name: of the fence, at the latest of the visits.
        visits: that have a moment in the span.
        inside_ms: of it, within the span; where visits overlap it counts once.
        is_open: whether one of them lasts still.
    """

    name_id: str
    fence_name: str
    visits: int
    inside_ms: int
    is_open: bool


class VisitStore(Protocol):
    """The visits of all fleets.

    - A visit is stored in one transaction with the event that tells of it.
    - Every method raises StoreError when the store cannot be reached.
    """

    async def page(
        self, fleet: str, asked: VisitFilter, after: VisitKey | None, limit: int
    ) -> Sequence[Visit]:
        """Up to `limit` of a fleet's visits in the order of their keys, those behind `after`."""

    async def times_of_vehicle(
        self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, after: str, limit: int
    ) -> Sequence[TimeInside]:
        """How long a vehicle was in each fence, those with ids behind `after`. What lasts still counts until `end_ms`."""

    async def times_of_fence(
        self, fleet: str, fence: str, begin_ms: int, end_ms: int, after: str, limit: int
    ) -> Sequence[TimeInside]:
        """How long each vehicle was in a fence, those with ids behind `after`. What lasts still counts until `end_ms`."""

    async def has_vehicle(self, fleet: str, vehicle: str) -> bool:
        """Whether a visit of this vehicle is kept."""

    async def has_fence(self, fleet: str, fence: str) -> bool:
        """Whether a visit of this fence is kept."""

    async def forget_before(self, time_ms: int, limit: int) -> int:
        """Drop up to `limit` visits of all fleets that ended before; returns how many."""
