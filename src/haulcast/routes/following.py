"""How a load follows the route that it is on, and a route what is said of it anew. Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from haulcast.errors import ConflictError, RequestError
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.route_book import LOADS_OVER, ROUTES_OVER
from haulcast.routes.stop_marks import closed, ended, stop_of


def loads_ahead(route: Route) -> set[str]:
    """The loads that have a stop ahead; a load may be ahead on one route only."""
    return set() if route.status in ROUTES_OVER else {stop.load for stop in route.ahead if stop.load}


def loads_named(routes: Iterable[Route]) -> set[str]:
    """The loads of any stop."""
    return {stop.load for route in routes for stop in route.stops if stop.load}


def loads_touched(before: Route | None, after: Route) -> set[str]:
    """The loads that may be other ones now; after marks those of the stops that were marked."""
    if before is None or (before.status, before.vehicle) != (after.status, after.vehicle):
        return loads_named([after] if before is None else [before, after])
    kept = {id(stop) for stop in before.stops} & {id(stop) for stop in after.stops}
    return {stop.load for stop in (*before.stops, *after.stops) if stop.load and id(stop) not in kept}


def load_on(load: Load, route: Route | None) -> Load:
    """The load as this route makes it; None: it is on none."""
    if load.status in LOADS_OVER:
        return load
    was_on_board = load.status is LoadStatus.ON_BOARD and load.pickup is not None
    if route is None:
        return load if was_on_board else replace(load, status=LoadStatus.OPEN, vehicle="")
    pickup = stop_of(route, load.load_id, StopKind.PICKUP)
    delivery = stop_of(route, load.load_id, StopKind.DELIVERY)
    is_on_board = was_on_board or (pickup is not None and pickup.state is StopState.DONE)
    if load.pickup is None:  # it is on board from the start of its route
        is_on_board = route.status is RouteStatus.ACTIVE and delivery is not None and not delivery.is_over
    vehicle = load.vehicle if was_on_board else route.vehicle
    if delivery is not None and delivery.state is StopState.DONE:
        return replace(load, status=LoadStatus.DELIVERED, vehicle=vehicle)
    if is_on_board:
        is_there = load.delivery is None and route.status is RouteStatus.DONE
        return replace(
            load, status=LoadStatus.DELIVERED if is_there else LoadStatus.ON_BOARD, vehicle=vehicle
        )
    if route.status in ROUTES_OVER or all(stop is None or stop.is_over for stop in (pickup, delivery)):
        return replace(load, status=LoadStatus.OPEN, vehicle="")
    return replace(load, status=LoadStatus.PLANNED, vehicle=vehicle)


def with_places(route: Route, load: Load) -> Route:
    """The route when its load's pickup and delivery are other ones."""
    places = {StopKind.PICKUP: load.pickup, StopKind.DELIVERY: load.delivery}

    def moved(stop: RouteStop) -> RouteStop:
        place = places.get(stop.kind)
        is_its = stop.load == load.load_id and stop.state is StopState.AHEAD and place is not None
        return replace(stop, place=place) if is_its and place is not None else stop

    return replace(route, stops=tuple(moved(stop) for stop in route.stops))


def continued(route: Route, before: Route | None) -> Route:
    """A route as somebody wants it, on top of how it is: what is over stays, whether it was said or not, and nothing goes back.

    Raises:
        RequestError: it has no stops.
        ConflictError: it is over, or changes its vehicle on the way.
    """
    if not route.stops and not (before and any(stop.is_over for stop in before.stops)):
        raise RequestError("missing_field", "the route has no stops; it needs one at least", field="stops")
    if before is None:
        return closed(route)
    name = f"route {route.route_id!r}"
    if before.status in ROUTES_OVER:
        raise ConflictError("route_over", f"{name} is {before.status}; make another", field="status")
    if before.vehicle != route.vehicle and any(stop.arrived_ms is not None for stop in before.stops):
        reason = (
            f"{name} has begun with vehicle {before.vehicle!r}; cancel it and make another for what is left"
        )
        raise ConflictError("route_begun", reason, field="vehicle")
    known = {stop.stop_id: stop for stop in before.stops}
    stops = [stop for stop in before.stops if stop.is_over]
    stops += [
        _not_back(stop, known) for stop in route.stops if not (stop.stop_id in known and known[stop.stop_id].is_over)
    ]  # fmt: skip
    after = replace(route, stops=tuple(stops))
    return ended(after, after.status) if after.status in ROUTES_OVER else closed(after)


def _not_back(stop: RouteStop, known: Mapping[str, RouteStop]) -> RouteStop:
    before = known.get(stop.stop_id)
    if before is None or before.state is StopState.AHEAD or stop.state is not StopState.AHEAD:
        return stop
    return replace(stop, state=before.state, arrived_ms=before.arrived_ms)
