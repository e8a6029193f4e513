"""The routes of a fleet's vehicles as columns: who is where, what each has to do yet, and what each may and can."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.route_insertion import Load as LoadRow
from geo.route_insertion import Place
from geo.route_times import LiveRoutes, live_routes
from geo.travel_time import TravelTimes
from haulcast.routes.load import Load
from haulcast.routes.route import Route, RouteStop, StopKind, StopState
from haulcast.routes.route_book import RouteBook
from haulcast.routes.stop_place import StopPlace
from haulcast.routes.vehicle_profile import VehicleProfile

NO_ROOM: Final = "\0"
"""A dimension that no vehicle has room in: of sizes that no profile names."""


class VehicleFacts(NamedTuple):
    """A vehicle, as it is in the book.

    Attributes:
        route: which a load would go into: the active one, else the planned one that begins first; None: it has none.
        sizes: of the loads of its stops ahead.
    """

    vehicle: str
    profile: VehicleProfile
    route: Route | None
    sizes: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class FleetRoutes:
    """Routes of k vehicles, in the order of their ids, with n rows in all.

    Attributes:
        facts: of each vehicle.
        numbers: which one a vehicle is.
        live: their routes; a first row is where the vehicle is, which has to be set, and a last one its end depot, where it has one.
        stops: for each row its stop; None of the first and of the depot.
        dimensions: the columns of room, NO_ROOM the last.
        busy_until_s: float64[k], when the stop where it is now is over, or its shift begins, whichever is later; -inf: it is free.
        ends_s: float64[k], when its shift ends.
        depot: float64[k, 2], degrees; NaN without one.
        has_skill: which vehicles have it, bool[k], by skill.
    """

    facts: Sequence[VehicleFacts]
    numbers: Mapping[str, int]
    live: LiveRoutes
    stops: Sequence[RouteStop | None]
    dimensions: tuple[str, ...]
    busy_until_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    depot: NDArray[np.float64]
    has_skill: Mapping[str, NDArray[np.bool_]]

    def row_of_load(self, load: Load, needs: int) -> LoadRow:
        """A load that has both ends, as a search takes it; `needs` are bits."""
        room = set(self.dimensions)
        amounts = [load.size.get(name, 0.0) for name in self.dimensions[:-1]]
        amounts.append(sum(amount for name, amount in load.size.items() if name not in room))
        ends = [_place(end) for end in (load.pickup, load.delivery) if end is not None]
        return LoadRow(ends[0], ends[1], tuple(min(amount, 1e9) for amount in amounts), needs)


def facts_of(book: RouteBook, fleet: str, vehicle: str, planned: Route | None) -> VehicleFacts:
    """What the book says of a vehicle; `planned` is what it drives when it has no active route."""
    route = book.active(fleet, vehicle) or planned
    sizes = {}
    for stop in () if route is None else route.ahead:
        load = book.load(fleet, stop.load) if stop.load else None
        if load is not None:
            sizes[stop.load] = load.size
    return VehicleFacts(vehicle, book.profile(fleet, vehicle), route, sizes)


def built(facts: Sequence[VehicleFacts], travel: TravelTimes, change_cost: float) -> FleetRoutes:
    """The columns. Blocks: some 10 us a stop.

    Args:
        facts: of each vehicle, in the order of their ids.
        travel: tells pace rows.
        change_cost: of a route that its driver has been told.
    """
    room = sorted({name for one in facts for name in one.profile.capacity})
    dimensions = (*room, NO_ROOM)
    table = _Rows(dimensions)
    for one in facts:
        table.add(one)
    profiles = [one.profile for one in facts]
    closes = [np.inf if one.shift_closes_ms is None else one.shift_closes_ms / 1000 for one in profiles]
    live = live_routes(
        travel,
        table.offsets,
        **table.columns(),
        capacity=_amounts([one.capacity for one in profiles], dimensions),
        returns=[one.end is not None for one in profiles],
        cost_per_m=[one.cost_per_km / 1000 for one in profiles],
        cost_per_s=[one.cost_per_hour / 3600 for one in profiles],
        fixed_cost=[one.fixed_cost for one in profiles],
        change_cost=change_cost,
        most_drive_s=[np.inf if one.most_drive_s is None else one.most_drive_s for one in profiles],
        ends_s=closes,
    )
    skills = {skill for one in profiles for skill in one.skills}
    return FleetRoutes(
        facts=facts,
        numbers={one.vehicle: number for number, one in enumerate(facts)},
        live=live,
        stops=table.stops,
        dimensions=dimensions,
        busy_until_s=np.array([_busy_until_s(one) for one in facts], np.float64),
        ends_s=np.array(closes, np.float64),
        depot=np.array([one.start or (np.nan, np.nan) for one in profiles], np.float64).reshape(-1, 2),
        has_skill={skill: np.array([skill in one.skills for one in profiles]) for skill in skills},
    )


class _Rows:
    """Rows of routes, put together one vehicle after another."""

    def __init__(self, dimensions: tuple[str, ...]) -> None:
        self.offsets = [0]
        self.stops: list[RouteStop | None] = []
        self._places: list[Place] = []
        self._change: list[Mapping[str, float]] = []
        self._dimensions = dimensions

    def add(self, facts: VehicleFacts) -> None:
        ahead = [] if facts.route is None else [s for s in facts.route.stops if s.state is StopState.AHEAD]
        picked_up = {stop.load for stop in ahead if stop.kind is StopKind.PICKUP}
        aboard: dict[str, float] = {}
        for stop in ahead:
            if stop.kind is StopKind.DELIVERY and stop.load not in picked_up:
                for name, amount in facts.sizes.get(stop.load, {}).items():
                    aboard[name] = aboard.get(name, 0.0) + amount
        self._row(None, Place(0.0, 0.0), aboard)
        for stop in ahead:
            size = facts.sizes.get(stop.load, {})
            sign = 1.0 if stop.kind is StopKind.PICKUP else -1.0
            self._row(stop, _place(stop.place), {name: sign * amount for name, amount in size.items()})
        if facts.profile.end is not None:
            self._row(None, Place(*facts.profile.end), {})
        self.offsets.append(len(self._places))

    def _row(self, stop: RouteStop | None, place: Place, change: Mapping[str, float]) -> None:
        self.stops.append(stop)
        self._places.append(place)
        self._change.append(change)

    def columns(self) -> dict[str, Any]:
        """Those of `live_routes` that are of stops."""
        table = np.array(self._places, np.float64).reshape(-1, 5)
        table[:, 2] = np.where(np.isfinite(table[:, 2]), table[:, 2], 0.0)
        names = ("lat_deg", "lon_deg", "opens_s", "closes_s", "service_s")
        columns: dict[str, Any] = dict(zip(names, table.T, strict=True))
        return columns | {"change": _amounts(self._change, self._dimensions)}


def _amounts(sizes: Iterable[Mapping[str, float]], dimensions: tuple[str, ...]) -> NDArray[np.float64]:
    """float64[n, dimensions]; what no profile names is in no column: it is on a vehicle already, and nothing more of it will be."""
    rows = [[size.get(name, 0.0) for name in dimensions] for size in sizes]
    return np.clip(np.array(rows, np.float64).reshape(-1, len(dimensions)), -1e9, 1e9)


def _place(place: StopPlace) -> Place:
    return Place(
        place.lat_deg,
        place.lon_deg,
        0.0 if place.opens_ms is None else place.opens_ms / 1000,
        np.inf if place.closes_ms is None else place.closes_ms / 1000,
        place.service_s,
    )


def _busy_until_s(facts: VehicleFacts) -> float:
    """When the vehicle is done where it stands, by the service of the stops that it has reached, and on duty."""
    opens_ms = facts.profile.shift_opens_ms
    until_s = -np.inf if opens_ms is None else opens_ms / 1000
    for stop in () if facts.route is None else facts.route.ahead:
        if stop.state is StopState.ARRIVED and stop.arrived_ms is not None:
            begins_ms = max(stop.arrived_ms, stop.place.opens_ms or stop.arrived_ms)
            until_s = max(until_s, begins_ms / 1000 + stop.place.service_s)
    return float(until_s)
