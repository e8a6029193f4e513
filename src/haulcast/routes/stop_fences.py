"""The fences whose visits are arrivals: one circle for each place that a route stops at and that names no fence.

A fence that we made is on record before it is there and until it is gone, so after a crash none is left behind, and a user's
is never taken for ours.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from haulcast.errors import RequestError
from haulcast.routes.route import Route
from haulcast.routes.route_book import ROUTES_OVER
from haulcast.routes.route_store import RouteStore
from haulcast.routes.stop_place import StopPlace

STOP_TAG = "stop"
KEPT_IDS = 131_072  # asked for again with each mark of a stop


class StopCircle(NamedTuple):
    """The fence of a place."""

    fence_id: str
    name: str
    lat_deg: float
    lon_deg: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class HubFences:
    """What the hub's fences do for stops.

    Attributes:
        has: whether the fleet has a fence of this id.
        make: create these, in force when it returns; raises StoreError.
        remove: delete those that are there, in force when it returns; raises StoreError.
    """

    has: Callable[[str, str], bool]
    make: Callable[[str, Sequence[StopCircle]], Awaitable[None]]
    remove: Callable[[str, Collection[str]], Awaitable[None]]


def fence_of(place: StopPlace) -> str:
    """The id of the fence whose visit is the arrival at a place; places within 0.1 m of each other share one."""
    return place.fence or _circle_id(place.lat_deg, place.lon_deg, place.radius_m)


def circle_of(place: StopPlace) -> StopCircle:
    """The circle of a place that names no fence."""
    fence_id = fence_of(place)
    return StopCircle(
        fence_id, place.name or fence_id, round(place.lat_deg, 6), round(place.lon_deg, 6), place.radius_m
    )


@lru_cache(maxsize=KEPT_IDS)
def _circle_id(lat_deg: float, lon_deg: float, radius_m: float) -> str:
    lat, lon = round(lat_deg, 6) + 0.0, round(lon_deg, 6) + 0.0  # + 0.0: -0.0 is the same place
    return f"stop-{lat:.6f},{lon:.6f},{radius_m:.10g}"


class StopFences:
    """Which fences are ours, and how many routes use each; the fleet's write order is the caller's business."""

    def __init__(self, store: RouteStore, fences: HubFences) -> None:
        self._store = store
        self._fences = fences
        self._ours: defaultdict[str, set[str]] = defaultdict(set)
        self._uses: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._maybe_idle: defaultdict[str, set[str]] = defaultdict(set)

    def check(self, fleet: str, place: StopPlace | None, field: str) -> None:
        """Look whether the fence that a place names is there.

        Raises:
            RequestError: it is not.
        """
        if place is not None and place.fence and not self._fences.has(fleet, place.fence):
            reason = f"{field} names the fence {place.fence!r}, which is not there"
            raise RequestError("no_such_fence", reason, field=field)

    async def read(self, fleet: str | None = None) -> None:
        """What is on record; all of it may be idle until routes are told of."""
        for whose, fence_id in await self._store.stop_fences(fleet):
            self._ours[whose].add(fence_id)
            self._maybe_idle[whose].add(fence_id)

    async def ensure(self, fleet: str, routes: Iterable[Route]) -> None:
        """Make what these routes need and is not there.

        Raises:
            StoreError: nobody knows what was made; `drop_idle` will see.
        """
        places = {
            fence_of(stop.place): stop.place
            for route in routes
            if route.status not in ROUTES_OVER
            for stop in route.stops
            if not stop.place.fence
        }
        missing = [
            circle_of(place) for fence_id, place in places.items() if not self._fences.has(fleet, fence_id)
        ]
        if missing:
            ids = {circle.fence_id for circle in missing}
            await self._store.add_stop_fences(fleet, ids)
            self._ours[fleet] |= ids
            self._maybe_idle[fleet] |= ids
            await self._fences.make(fleet, missing)

    def count(self, before: Route | None, after: Route | None) -> None:
        """A route is another one from now on; None: not there."""
        if after is not None:
            self._uses[after.fleet].update(_fences_of(after))
        if before is not None:
            uses = self._uses[before.fleet]
            for fence_id in _fences_of(before):
                uses[fence_id] -= 1
                if not uses[fence_id]:
                    del uses[fence_id]
                    self._maybe_idle[before.fleet].add(fence_id)

    def is_used(self, fleet: str, fence_id: str) -> bool:
        """Whether a route that is not over stops there."""
        return fence_id in self._uses[fleet]

    def fleets_with_idle(self) -> list[str]:
        """The fleets with fences that no route uses."""
        return [fleet for fleet in self._maybe_idle if self.idle(fleet)]

    def idle(self, fleet: str) -> set[str]:
        """Our fences that no route uses."""
        found = (self._maybe_idle[fleet] & self._ours[fleet]) - self._uses[fleet].keys()
        self._maybe_idle[fleet] = found
        return found

    async def drop_idle(self, fleet: str) -> None:
        """Delete our fences that no route uses.

        Raises:
            StoreError: the next time will try again.
        """
        if idle := set(self.idle(fleet)):
            await self._fences.remove(fleet, idle)
            await self._store.remove_stop_fences(fleet, idle)
            self._ours[fleet] -= idle
            self._maybe_idle[fleet] -= idle


def _fences_of(route: Route) -> set[str]:
    if route.status in ROUTES_OVER:
        return set()
    return {fence_of(stop.place) for stop in route.stops}
