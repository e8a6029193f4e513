"""What of a fleet's book goes into a plan: the loads to be carried, and for each vehicle what is frozen and where it goes on.

What is done stays as it is, and so does the stop where a vehicle stands. What it has on board are deliveries that only it can make. With `replan` the
rest of its routes is planned anew; without, it starts where and when they end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from geo.travel_time import TravelTimes
from haulcast.errors import NotFoundError, RequestError
from haulcast.plans.plan import PlanAsk
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.route_book import RouteBook
from haulcast.routes.stop_place import StopPlace
from haulcast.routes.vehicle_profile import VehicleProfile

LatLon = tuple[float, float]
Where = Callable[[str, str], LatLon | None]
"""The last position of (fleet, vehicle); None: it has sent none."""


@dataclass(frozen=True, slots=True, eq=False)
class Errand:
    """What is left to be done of a load, or a stop of a route that is of none.

    Attributes:
        load: None: of no load; its stop is the `delivery`.
        pickup, delivery: None: it has none, or that is done.
        was: the stops that a route has for it, by kind, so that they keep their ids.
        bound: the one vehicle that may do it; empty: any.
        is_promised: it is on a route, so it is not left out for being dear.
    """

    load: Load | None
    pickup: StopPlace | None
    delivery: StopPlace | None
    was: Mapping[StopKind, RouteStop] = field(default_factory=dict)
    bound: str = ""
    is_promised: bool = False

    @property
    def name(self) -> str:
        """The load's id, or the stop's."""
        return self.load.load_id if self.load else self.was[StopKind.STOP].stop_id


@dataclass(frozen=True, slots=True)
class PlannedVehicle:
    """A vehicle of a plan.

    Attributes:
        place: where it starts; None: wherever its first stop is.
        from_ms: it starts no earlier.
        aboard: what stays in it to the end, of each dimension.
        route: the one that is planned anew, under way; None: it gets a new one.
        withdrawn: routes whose stops are planned anew, and which then are no more.
        waits: routes that it drives before; it starts where they end.
        rest: the errands of `route` and `withdrawn`, and which of their stops, in the order in which they were to be done.
    """

    vehicle: str
    profile: VehicleProfile
    place: LatLon | None
    from_ms: int
    aboard: Mapping[str, float] = field(default_factory=dict)
    route: Route | None = None
    withdrawn: tuple[Route, ...] = ()
    waits: tuple[Route, ...] = ()
    rest: tuple[tuple[Errand, StopKind], ...] = ()


@dataclass(frozen=True, slots=True)
class PlanScope:
    """All of it, as the book was at one moment."""

    fleet: str
    departs_ms: int
    errands: tuple[Errand, ...]
    vehicles: tuple[PlannedVehicle, ...]


def scope_of(
    book: RouteBook, fleet: str, ask: PlanAsk, vehicles: Sequence[str], where: Where, now_ms: int
) -> PlanScope:
    """What of the book the ask is about; vehicles that drive something before are not `freed` yet.

    Raises:
        NotFoundError: a load that is not there.
        RequestError: a load that is not open.
    """
    departs_ms = max(ask.departs_ms or now_ms, now_ms)
    holdings = _holdings(book, fleet, vehicles)
    take = _rest_of if ask.replan else _after
    planned = tuple(
        take(book, fleet, vehicle, holdings[vehicle], where(fleet, vehicle), departs_ms)
        for vehicle in vehicles
    )
    old = dict.fromkeys(errand for one in planned for errand, _ in one.rest)
    return PlanScope(fleet, departs_ms, (*old, *_new_errands(book, fleet, ask)), planned)


class _Holdings(NamedTuple):
    """What a vehicle has: the route that it drives, those that it is to drive, first to last, and its loads."""

    active: Route | None
    waiting: tuple[Route, ...]
    loads: tuple[Load, ...]


def _holdings(book: RouteBook, fleet: str, vehicles: Sequence[str]) -> dict[str, _Holdings]:
    waiting: dict[str, list[Route]] = {vehicle: [] for vehicle in vehicles}
    loads: dict[str, list[Load]] = {vehicle: [] for vehicle in vehicles}
    for route in book.routes(fleet):
        if route.status is RouteStatus.PLANNED and route.vehicle in waiting:
            waiting[route.vehicle].append(route)
    for load in book.loads(fleet):
        if load.vehicle in loads:
            loads[load.vehicle].append(load)
    return {
        one: _Holdings(book.active(fleet, one), tuple(sorted(waiting[one], key=_begins)), tuple(loads[one]))
        for one in vehicles
    }


def _begins(route: Route) -> tuple[int, str]:
    return min((stop.planned_ms or 0 for stop in route.stops), default=0), route.route_id


def _new_errands(book: RouteBook, fleet: str, ask: PlanAsk) -> Iterator[Errand]:
    if ask.loads is None:
        loads = [load for load in book.loads(fleet) if load.status is LoadStatus.OPEN]
    else:
        loads = [_open_load(book, fleet, load_id) for load_id in ask.loads]
    for load in loads:
        yield Errand(load, load.pickup, load.delivery)


def _open_load(book: RouteBook, fleet: str, load_id: str) -> Load:
    load = book.load(fleet, load_id)
    if load is None:
        raise NotFoundError(
            "no_such_load", f"there is no load {load_id!r} to be carried in this fleet", field="loads"
        )
    if load.status is not LoadStatus.OPEN:
        raise RequestError(
            "load_not_open", f"load {load_id!r} is {load.status}; allowed are open loads", field="loads"
        )
    return load


def _after(
    book: RouteBook, fleet: str, vehicle: str, own: _Holdings, place: LatLon | None, departs_ms: int
) -> PlannedVehicle:
    """The vehicle where it is, with what it drives before."""
    profile = book.profile(fleet, vehicle)
    waits = tuple(route for route in (own.active, *own.waiting) if route is not None and route.ahead)
    start = place if waits else profile.start or place
    return PlannedVehicle(vehicle, profile, start, departs_ms, waits=waits)


def freed(scope: PlanScope, times: TravelTimes) -> PlanScope:
    """The scope with each vehicle where and when it has done what it drives before. Pure: call it in a thread."""
    return replace(scope, vehicles=tuple(_freed(one, times) for one in scope.vehicles))


def _freed(one: PlannedVehicle, times: TravelTimes) -> PlannedVehicle:
    stops = [stop for route in one.waits for stop in route.ahead]
    if not stops:
        return one
    last = stops[-1].place
    free_ms = _when_done(stops, one.place, one.from_ms, times)
    return replace(one, place=one.profile.end or (last.lat_deg, last.lon_deg), from_ms=free_ms)


def _when_done(stops: Sequence[RouteStop], place: LatLon | None, now_ms: int, times: TravelTimes) -> int:
    """When these stops are done, one after the other from here on. Ways are added up at the hour of leaving now."""
    places = [(stop.place.lat_deg, stop.place.lon_deg) for stop in stops]
    places.insert(0, place or places[0])
    lat, lon = np.array(places, np.float64).T
    clock_ms = float(now_ms)
    for i, stop in enumerate(stops):
        if stop.state is not StopState.ARRIVED:
            leg = slice(i, i + 2)
            clock_ms += 1000.0 * float(times.matrix(lat[leg], lon[leg], clock_ms / 1000.0).time_s[0, 1])
        clock_ms = max(clock_ms, float(stop.place.opens_ms or 0)) + 1000.0 * stop.place.service_s
    return int(clock_ms)


def _rest_of(
    book: RouteBook,
    fleet: str,
    vehicle: str,
    own: _Holdings,
    place: LatLon | None,
    departs_ms: int,
) -> PlannedVehicle:
    """The vehicle where it is, with what it has not done."""
    profile, (active, waiting, _) = book.profile(fleet, vehicle), own
    here = next((stop for stop in active.stops if stop.state is StopState.ARRIVED), None) if active else None
    if here is not None:
        place = here.place.lat_deg, here.place.lon_deg
        begins_ms = max(here.arrived_ms or departs_ms, here.place.opens_ms or 0)
        departs_ms = max(departs_ms, begins_ms + int(1000 * here.place.service_s))
    elif active is None or place is None:
        place = profile.start or place
    taken = {stop.load for stop in active.stops if _is_taken(stop)} if active else set()
    rest: list[tuple[Errand, StopKind]] = []
    for route in (*((active,) if active else ()), *waiting):
        rest.extend(_errands_of(book, vehicle, route, taken, is_under_way=route is active))
    named = {errand.load.load_id for errand, _ in rest if errand.load}
    aboard: dict[str, float] = {}
    for load in own.loads:
        is_aboard = load.status is LoadStatus.ON_BOARD or load.load_id in taken
        state = _delivery_state(active, load)
        if not is_aboard or load.load_id in named or state in (StopState.ARRIVED, StopState.DONE):
            continue
        if load.delivery is None or state is StopState.SKIPPED:  # somebody has decided that it stays aboard
            for name, amount in load.size.items():
                aboard[name] = aboard.get(name, 0.0) + amount
        else:
            errand = Errand(load, None, load.delivery, bound=vehicle, is_promised=True)
            rest.append((errand, StopKind.DELIVERY))
    return PlannedVehicle(vehicle, profile, place, departs_ms, aboard, active, waiting, rest=tuple(rest))


def _is_taken(stop: RouteStop) -> bool:
    return stop.kind is StopKind.PICKUP and stop.state in (StopState.ARRIVED, StopState.DONE)


def _delivery_state(route: Route | None, load: Load) -> StopState | None:
    """How far a load's delivery is on a route; None: it has none there."""
    for stop in route.stops if route else ():
        if stop.load == load.load_id and stop.kind is StopKind.DELIVERY:
            return stop.state
    return None


def _errands_of(
    book: RouteBook, vehicle: str, route: Route, taken: set[str], *, is_under_way: bool
) -> Iterator[tuple[Errand, StopKind]]:
    """What is ahead of a route, in order; both stops of a pair are of one errand."""
    errands: dict[str, Errand] = {}
    ahead = [stop for stop in route.stops if stop.state is StopState.AHEAD]
    for stop in ahead:
        load = book.load(route.fleet, stop.load) if stop.load else None
        if load is None:
            was = {StopKind.STOP: stop}
            yield Errand(None, None, stop.place, was, vehicle, is_promised=True), StopKind.STOP
            continue
        if load.load_id not in errands:
            was = {one.kind: one for one in ahead if one.load == load.load_id}
            pickup = (
                was[StopKind.PICKUP].place if StopKind.PICKUP in was and load.load_id not in taken else None
            )
            delivery = was[StopKind.DELIVERY].place if StopKind.DELIVERY in was else None
            is_bound = pickup is None and is_under_way
            errands[load.load_id] = Errand(
                load, pickup, delivery, was, vehicle if is_bound else "", is_promised=True
            )
        yield errands[load.load_id], stop.kind
