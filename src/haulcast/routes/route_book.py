"""All loads, routes and vehicle profiles that are not over, in memory. Every method is called from the event loop's thread."""

from collections.abc import Callable, Iterator
from typing import Any

from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route import Route, RouteStatus
from haulcast.routes.vehicle_profile import PLAIN, VehicleProfile

LOADS_OVER = (LoadStatus.DELIVERED, LoadStatus.CANCELLED)
ROUTES_OVER = (RouteStatus.DONE, RouteStatus.CANCELLED)


class RouteBook:
    """Written by `RouteEdits` alone, after the store; read by everybody. What is over leaves it.

    Attributes:
        version: goes up with each change.
        listeners: called with fleet and vehicle when that vehicle's active route, or its profile, is another.
    """

    def __init__(self) -> None:
        self.version = 0
        self.listeners: list[Callable[[str, str], None]] = []
        self._loads: dict[str, dict[str, Load]] = {}
        self._routes: dict[str, dict[str, Route]] = {}
        self._active: dict[tuple[str, str], str] = {}
        self._profiles: dict[tuple[str, str], VehicleProfile] = {}

    def load(self, fleet: str, load_id: str) -> Load | None:
        """One load, unless it is over."""
        return self._loads.get(fleet, {}).get(load_id)

    def loads(self, fleet: str) -> Iterator[Load]:
        """The fleet's, in order of id."""
        return _sorted(self._loads.get(fleet, {}))

    def route(self, fleet: str, route_id: str) -> Route | None:
        """One route, unless it is over."""
        return self._routes.get(fleet, {}).get(route_id)

    def routes(self, fleet: str) -> Iterator[Route]:
        """The fleet's, in order of id."""
        return _sorted(self._routes.get(fleet, {}))

    def active(self, fleet: str, vehicle: str) -> Route | None:
        """The route that a vehicle drives now."""
        route_id = self._active.get((fleet, vehicle))
        return None if route_id is None else self._routes[fleet][route_id]

    def all_active(self) -> Iterator[Route]:
        """The routes that are driven now, of all fleets."""
        for (fleet, _), route_id in self._active.items():
            yield self._routes[fleet][route_id]

    def profile(self, fleet: str, vehicle: str) -> VehicleProfile:
        """What is known of a vehicle."""
        return self._profiles.get((fleet, vehicle), PLAIN)

    def profiled(self, fleet: str) -> list[str]:
        """The fleet's vehicles that have a profile."""
        return [vehicle for whose, vehicle in self._profiles if whose == fleet]

    def all_profiled(self) -> Iterator[tuple[str, str]]:
        """Fleet and vehicle of every profile."""
        yield from self._profiles

    def sizes(self, fleet: str) -> tuple[int, int]:
        """How many loads and routes of the fleet it holds."""
        return len(self._loads.get(fleet, {})), len(self._routes.get(fleet, {}))

    def put_load(self, load: Load) -> None:
        """Take a load as it is now."""
        self.version += 1
        known = self._loads.setdefault(load.fleet, {})
        if load.status in LOADS_OVER:
            known.pop(load.load_id, None)
        else:
            known[load.load_id] = load

    def remove_load(self, fleet: str, load_id: str) -> None:
        """Forget a load that was deleted."""
        self.version += 1
        self._loads.get(fleet, {}).pop(load_id, None)

    def put_route(self, route: Route) -> None:
        """Take a route as it is now."""
        self.version += 1
        known, whose = self._routes.setdefault(route.fleet, {}), (route.fleet, route.vehicle)
        before = known.get(route.route_id)
        if route.status in ROUTES_OVER:
            known.pop(route.route_id, None)
        else:
            known[route.route_id] = route
        if before is not None and before.vehicle != route.vehicle:
            self._leave(route.fleet, before.vehicle, route.route_id)
        if route.status is RouteStatus.ACTIVE:
            self._active[whose] = route.route_id
            self._tell(*whose)
        else:
            self._leave(*whose, route.route_id)

    def remove_route(self, fleet: str, route_id: str) -> None:
        """Forget a route that was deleted."""
        self.version += 1
        removed = self._routes.get(fleet, {}).pop(route_id, None)
        if removed is not None:
            self._leave(fleet, removed.vehicle, route_id)

    def put_profile(self, fleet: str, vehicle: str, profile: VehicleProfile | None) -> None:
        """Take a vehicle's profile as it is now; None: it has none any more."""
        self.version += 1
        if profile is None:
            self._profiles.pop((fleet, vehicle), None)
        else:
            self._profiles[fleet, vehicle] = profile
        self._tell(fleet, vehicle)

    def _leave(self, fleet: str, vehicle: str, route_id: str) -> None:
        if self._active.get((fleet, vehicle)) == route_id:
            del self._active[fleet, vehicle]
            self._tell(fleet, vehicle)

    def _tell(self, fleet: str, vehicle: str) -> None:
        for listener in self.listeners:
            listener(fleet, vehicle)


def _sorted(known: dict[str, Any]) -> Iterator[Any]:
    return (known[key] for key in sorted(known))
