"""A fleet in a book, where its vehicles are, and a walk of routes that knows nothing of the kernels."""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import numpy as np
from starlette.applications import Starlette

from geo.travel_time import TravelTimes, untaught_travel_times
from haulcast.database.pool import Database
from haulcast.dispatch.dispatch_api import routes
from haulcast.dispatch.fleets import Asked, DispatchFacts, DispatchFleets, SeenVehicles, Selected
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import TokenError
from haulcast.routes.load import Load
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.route_book import RouteBook
from haulcast.routes.route_edits import RouteEdits, route_edits
from haulcast.routes.route_store_postgres import PostgresRouteStore
from haulcast.routes.stop_fences import HubFences
from haulcast.routes.stop_place import StopPlace
from haulcast.routes.vehicle_profile import VehicleProfile

NOW_MS = 1_700_000_000_000
NOW_S = NOW_MS / 1000
STALE_S = 900.0
TRAVEL = untaught_travel_times()
S_PER_M = TRAVEL.circuity / TRAVEL.limits.default_mps
RADIUS_M = 6_371_008.8


class Untaught:
    """`routes.travel.Travel` of fleets that have not driven yet."""

    def __init__(self) -> None:
        self._paces = TRAVEL.paces()

    def times(self, fleet: str) -> TravelTimes:
        return TRAVEL

    def paces(self, fleet: str, now_ms: int) -> np.ndarray:
        return self._paces


def straight_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle metres between (lat, lon)."""
    (lat, lon), (to_lat, to_lon) = (tuple(map(math.radians, one)) for one in (a, b))
    h = math.sin((to_lat - lat) / 2) ** 2
    h += math.cos(lat) * math.cos(to_lat) * math.sin((to_lon - lon) / 2) ** 2
    return 2 * RADIUS_M * math.asin(math.sqrt(h))


def place(lat: float, lon: float, opens_s: float | None = None, closes_s: float | None = None, service_s: float = 0.0) -> StopPlace:  # fmt: skip
    """A window is in seconds from now."""
    opens, closes = (None if t is None else NOW_MS + round(t * 1000) for t in (opens_s, closes_s))
    return StopPlace(lat, lon, opens_ms=opens, closes_ms=closes, service_s=service_s)


def load(load_id: str, pickup: StopPlace, delivery: StopPlace | None, kg: float = 100.0, **members) -> Load:
    return Load("acme", load_id, pickup, delivery, {"kg": kg} if kg else {}, **members)


def stops_of(one: Load, state: StopState = StopState.AHEAD) -> list[RouteStop]:
    """Pickup and delivery."""
    return [
        RouteStop(f"{one.load_id}-p", StopKind.PICKUP, one.pickup, one.load_id, state),
        RouteStop(f"{one.load_id}-d", StopKind.DELIVERY, one.delivery, one.load_id),
    ]


def route(vehicle: str, stops: Sequence[RouteStop], **members) -> Route:
    status = members.pop("status", RouteStatus.ACTIVE)
    return Route("acme", f"r-{vehicle}", vehicle, tuple(stops), status, edition="1", **members)


@dataclass
class World:
    """A fleet, acme, as dispatching sees it."""

    book: RouteBook = field(default_factory=RouteBook)
    places: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    availability: dict[str, float] = field(default_factory=dict)
    asked_horizons: list[float] = field(default_factory=list)
    change_cost: float = 0.0
    now_ms: int = NOW_MS

    def __post_init__(self) -> None:
        def available(fleet: str, vehicle: str, horizon_s: float) -> float | None:
            self.asked_horizons.append(horizon_s)
            return self.availability.get(vehicle)

        facts = DispatchFacts(
            self.book, Untaught(), self.seen, lambda _, vehicle: self.tags.get(vehicle, ()), available
        )
        self.fleets = DispatchFleets(facts, STALE_S, self.change_cost)

    def seen(self, fleet: str) -> SeenVehicles:
        places = self.places if fleet == "acme" else {}
        table = np.array(list(places.values()), np.float64).reshape(-1, 3)
        return SeenVehicles(list(places), table[:, 0], table[:, 1], table[:, 2].astype(np.int64))

    def vehicle(self, name: str, lat: float, lon: float, ago_s: float = 0.0, **profile) -> None:
        """One that is seen, with room for a ton unless its profile says otherwise."""
        self.places[name] = (lat, lon, self.now_ms - round(ago_s * 1000))
        self.book.put_profile("acme", name, VehicleProfile(**{"capacity": {"kg": 1000.0}, **profile}))

    def drive(self, vehicle: str, *stops: RouteStop, loads: Sequence[Load] = (), **members) -> Route:
        for one in loads:
            self.book.put_load(one)
        made = route(vehicle, stops, **members)
        self.book.put_route(made)
        return made

    def asked(self, *needs: str, selected: Selected | None = None):
        return self.fleets.asked("acme", selected, frozenset(needs), self.now_ms)


def ways(asked: Asked, vehicle: str) -> list[str]:
    """The ids of the stops of a vehicle's columns."""
    at = asked.columns.numbers[vehicle]
    first, end = asked.live.offsets[at : at + 2]
    return [stop.stop_id if stop else "-" for stop in asked.columns.stops[first:end]]


@dataclass
class Walked:
    """What a drive along a route comes to; `wrong` is every limit that it breaks."""

    begins_s: dict[str, float]
    ends_s: float
    way_m: float
    driven_s: float
    wrong: list[str]


def walk(world: World, made: Route | None, vehicle: str, stops: Sequence[RouteStop]) -> Walked:
    """Drive the stops ahead from where the vehicle is, with constant speed on straight lines."""
    profile = world.book.profile("acme", vehicle)
    lat, lon, _ = world.places[vehicle]
    at, clock_s = (lat, lon), max(world.now_ms / 1000, (profile.shift_opens_ms or 0) / 1000)
    ahead = [stop for stop in stops if stop.state is StopState.AHEAD]
    for stop in stops:
        if stop.state is StopState.ARRIVED:
            begins_ms = max(stop.arrived_ms, stop.place.opens_ms or 0)
            clock_s = max(clock_s, begins_ms / 1000 + stop.place.service_s)
    sizes = {one.load_id: one.size for one in world.book.loads("acme")}
    picked = {stop.load for stop in ahead if stop.kind is StopKind.PICKUP}
    aboard: dict[str, float] = {}
    for stop in ahead:
        if stop.kind is StopKind.DELIVERY and stop.load not in picked:
            for name, amount in sizes[stop.load].items():
                aboard[name] = aboard.get(name, 0) + amount
    found = Walked({}, clock_s, 0.0, 0.0, [])
    legs = [((stop.place.lat_deg, stop.place.lon_deg), stop) for stop in ahead]
    legs += [(profile.end, None)] if profile.end else []
    for to, stop in legs:
        way_m = straight_m(at, to)
        found.way_m, found.driven_s = found.way_m + way_m * TRAVEL.circuity, found.driven_s + way_m * S_PER_M
        clock_s, at = clock_s + way_m * S_PER_M, to
        if stop is None:
            continue
        if stop.place.opens_ms is not None:
            clock_s = max(clock_s, stop.place.opens_ms / 1000)
        found.begins_s[stop.stop_id] = clock_s
        if stop.place.closes_ms is not None and clock_s > stop.place.closes_ms / 1000 + 0.05:
            found.wrong.append(f"{stop.stop_id} is late")
        clock_s += stop.place.service_s
        sign = {StopKind.PICKUP: 1, StopKind.DELIVERY: -1, StopKind.STOP: 0}[stop.kind]
        for name, amount in sizes.get(stop.load, {}).items():
            aboard[name] = aboard.get(name, 0) + sign * amount
            if aboard[name] > profile.capacity.get(name, 0.0) + 1e-6:
                found.wrong.append(f"{stop.stop_id} overloads {name}")
    found.ends_s = clock_s
    if profile.most_drive_s is not None and found.driven_s > profile.most_drive_s + 0.05:
        found.wrong.append("drives too much")
    if profile.shift_closes_ms is not None and clock_s > profile.shift_closes_ms / 1000 + 0.05:
        found.wrong.append("shift is over")
    return found


def verify(token: str) -> Claims:
    """Claims of `fleet/role`."""
    fleet, slash, role = token.partition("/")
    if not slash:
        raise TokenError("bad_token" if token else "no_token", "no")
    return Claims(fleet, role)


@dataclass
class DispatchApp:
    """The routes over HTTP, on a real database."""

    world: World
    edits: RouteEdits
    app: Starlette
    on_record: set[str]

    def client(self, token: str = "acme/dispatcher") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers)


async def _nothing(fleet: str, what: object) -> None:
    pass


@asynccontextmanager
async def dispatch_app(database: Database) -> AsyncIterator[DispatchApp]:
    """The app on a database, without the fences of its stops."""
    fences = HubFences(lambda _fleet, _fence: True, _nothing, _nothing)
    async with route_edits(PostgresRouteStore(database), RouteBook(), fences) as edits:
        world = World(edits.book)
        on_record: set[str] = set()

        async def find_vehicle(fleet: str, vehicle: str) -> str | None:
            return vehicle if vehicle in on_record else None

        ids = (f"new-{number}" for number in range(10_000))
        app = Starlette(
            routes=routes(world.fleets, edits, verify, find_vehicle, lambda: world.now_ms, ids.__next__),
            exception_handlers=exception_handlers(),
        )
        yield DispatchApp(world, edits, app, on_record)
