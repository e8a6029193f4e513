"""What becomes of a route when its stops are reached, left or passed over, and when it ends. Nothing goes back."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState

_RANK = {StopState.AHEAD: 0, StopState.ARRIVED: 1, StopState.DONE: 2, StopState.SKIPPED: 2}


@dataclass(frozen=True, slots=True)
class StopMark:
    """That a stop was reached (ARRIVED), left (DONE) or passed over (SKIPPED).

    Attributes:
        time_ms: when, UTC epoch.
    """

    route_id: str
    stop_id: str
    state: StopState
    time_ms: int


def can_be_served(route: Route, stop: RouteStop) -> bool:
    """Whether being there can be an arrival: the stop is not over, and what is handed over there was picked up.

    Who drives by the delivery before the pickup has not arrived at it.
    """
    if stop.is_over or route.status is not RouteStatus.ACTIVE:
        return False
    if stop.kind is not StopKind.DELIVERY:
        return True
    pickup = stop_of(route, stop.load, StopKind.PICKUP)
    return pickup is None or pickup.state is StopState.DONE


def stop_of(route: Route, load_id: str, kind: StopKind) -> RouteStop | None:
    """Where the route picks up or delivers a load: the stop that is not passed over, if there is one."""
    found = None
    for stop in route.stops:
        if stop.load == load_id and stop.kind is kind:
            found = stop
            if stop.state is not StopState.SKIPPED:
                break
    return found


def marked(route: Route, marks: Iterable[StopMark]) -> Route:
    """The route after these marks, in their order; what cannot be is left out, so the same mark twice is once.

    A delivery goes where its pickup was passed over. The route is over with its last stop.
    """
    for mark in marks:
        stop = next((stop for stop in route.stops if stop.stop_id == mark.stop_id), None)
        if stop is None or _RANK[mark.state] <= _RANK[stop.state]:
            continue
        if mark.state is StopState.SKIPPED:
            route = _with(route, *_passed_over(route, stop))
        elif can_be_served(route, stop):
            route = _with(route, _reached(stop, mark))
    return closed(route)


def ended(route: Route, status: RouteStatus) -> Route:
    """The route DONE or CANCELLED; what is ahead is passed over."""
    ahead = [replace(stop, state=StopState.SKIPPED) for stop in route.ahead]
    return replace(_with(route, *ahead), status=status)


def closed(route: Route) -> Route:
    """The route in order, what is over first; over itself when nothing is ahead."""
    stops = tuple(sorted(route.stops, key=lambda stop: not stop.is_over))
    if route.ahead or route.status in (RouteStatus.DONE, RouteStatus.CANCELLED):
        return replace(route, stops=stops)
    was_driven = route.status is RouteStatus.ACTIVE or any(stop.state is StopState.DONE for stop in stops)
    return replace(route, stops=stops, status=RouteStatus.DONE if was_driven else RouteStatus.CANCELLED)


def without_load(route: Route, load_id: str) -> Route:
    """The route when a load was cancelled: its stops ahead are passed over."""
    ahead = [replace(stop, state=StopState.SKIPPED) for stop in route.ahead if stop.load == load_id]
    return closed(_with(route, *ahead))


def _passed_over(route: Route, stop: RouteStop) -> Iterable[RouteStop]:
    yield replace(stop, state=StopState.SKIPPED)
    if stop.kind is StopKind.PICKUP:
        for other in route.ahead:
            if other.load == stop.load and other.kind is StopKind.DELIVERY:
                yield replace(other, state=StopState.SKIPPED)


def _reached(stop: RouteStop, mark: StopMark) -> RouteStop:
    arrived_ms = mark.time_ms if stop.arrived_ms is None else stop.arrived_ms
    left_ms = max(arrived_ms, mark.time_ms) if mark.state is StopState.DONE else None
    return replace(stop, state=mark.state, arrived_ms=arrived_ms, left_ms=left_ms)


def _with(route: Route, *changed: RouteStop) -> Route:
    by_id = {stop.stop_id: stop for stop in changed}
    return replace(route, stops=tuple(by_id.get(stop.stop_id, stop) for stop in route.stops))
