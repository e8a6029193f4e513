"""A hub without sockets that drives routes: fixes in, what is told of routes out."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from geo.fence_area import Circle
from geo.fence_events import NONE
from geo.positions import PositionBatch, position_batch
from geo.route_progress import RouteLimits
from geo.track_filter import FilterLimits
from geo.travel_time import TravelLimits, untaught_travel_times
from haulcast.checkpoints.checkpoint_loop import CheckpointLoop
from haulcast.checkpoints.checkpoint_store_memory import MemoryCheckpointStore
from haulcast.checkpoints.restoring import first_number, restore_vehicles
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.fences.watch import FenceWatch
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.routes.active_routes import ActiveRoutes
from haulcast.routes.route import Route, RouteStatus, RouteStop, StopKind
from haulcast.routes.route_book import RouteBook
from haulcast.routes.route_watch import RouteWatch
from haulcast.routes.stop_fences import circle_of
from haulcast.routes.stop_marks import marked
from haulcast.routes.stop_place import StopPlace
from haulcast.tracking.event_documents import EventDocuments
from haulcast.tracking.step import HubState, step

LAT, LON, M_DEG = 45.0, 9.0, 111_195.0
NOW_MS = 1_790_000_000_000
LIMITS = FilterLimits(10**9, 10**9, 1e9, 1e9, 1e4, 1e6, 1e6)
MPS = 10.0


def at(east_m: float, north_m: float = 0.0) -> tuple[float, float]:
    """Latitude and longitude of a place by metres."""
    return LAT + north_m / M_DEG, LON + east_m / (M_DEG * math.cos(math.radians(LAT)))


def line(*metres: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """(lon, lat) of a line by metres east and north."""
    return tuple((lon, lat) for lat, lon in (at(*one) for one in metres))


def stop(stop_id: str, east_m: float, north_m: float = 0.0, *, kind: str = "stop", load: str = "", **place: Any) -> RouteStop:  # fmt: skip
    """A stop with a circle of 150 m."""
    return RouteStop(stop_id, StopKind(kind), StopPlace(*at(east_m, north_m), **place), load)


def route_of(*stops: RouteStop, route_id: str = "r", vehicle: str = "van", **members: Any) -> Route:
    """A route that is driven."""
    return Route("acme", route_id, vehicle, stops, RouteStatus.ACTIVE, **members)


class PlainTravel:
    """10 m/s, straight, everywhere."""

    def __init__(self) -> None:
        self.now = untaught_travel_times(TravelLimits(default_mps=MPS, default_circuity=1.0))

    def times(self, fleet):
        return self.now

    def paces(self, fleet, now_ms):
        return self.now.paces()


class Road:
    """One run of a hub with a fleet `acme`.

    Args:
        before: an earlier run, whose book, fences and store go on; it is not to be used any more.
        follows: whether the book hears of arrivals at once, as it does while the store is there.
    """

    def __init__(self, before: "Road | None" = None, *, follows: bool = True, late_fixes: int = 0, off_after_s: float = 60.0) -> None:  # fmt: skip
        self.follows = follows
        self.now_ms = before.now_ms if before else NOW_MS
        self.rows = VehicleRows()
        self.catalogue = before.catalogue if before else FenceCatalogue(self.rows.fleet_number_of)
        self.rows.fleet_number_of("acme")
        self.watch = RouteWatch(self.catalogue.id_of, RouteLimits(off_after_s=off_after_s))
        self.state = HubState(FenceWatch(1, late_fixes, 10**9), routes=self.watch)
        self.book, self.travel = (before.book if before else RouteBook()), PlainTravel()
        self.active = ActiveRoutes(self.book, self.travel, self.row_of, lambda: self.now_ms)
        self.store = before.store if before else MemoryCheckpointStore()
        self.marks: list[tuple[str, str]] = []
        self.heard: list[dict[str, Any]] = []  # everything that was told
        self._seq = before._seq if before else 0
        self._documents = EventDocuments(
            self.rows, lambda handle: (self.catalogue.id_of(handle), self.catalogue.name_of(handle)),
            lambda number: ("", ""), 1, self.watch.label,
        )  # fmt: skip
        self._saving = CheckpointLoop(
            self.store, self.state, self.rows, self.catalogue.id_of, 1e9, self.state.track.sequences, documents=self._documents
        )  # fmt: skip

    def row_of(self, fleet: str, vehicle: str) -> int:
        row = self.rows.row_of(fleet, vehicle)
        self.state.ensure_rows(len(self.rows), self.rows.fleet_number)
        return row

    async def put(self, *routes: Route) -> list[tuple]:
        """These are the book's now; what a step then tells."""
        for route in routes:
            for one in route.stops:
                if not one.place.fence:
                    circle = circle_of(one.place)
                    self.catalogue.put("acme", circle.fence_id, circle.name, Circle(circle.lat_deg, circle.lon_deg, circle.radius_m))  # fmt: skip
            self.book.put_route(route)
        await self.catalogue.settled()
        await self.active.build()
        return self.step(position_batch(0))

    async def settle(self) -> list[tuple]:
        """The set is the book's; what a step then tells."""
        await self.active.build()
        return self.step(position_batch(0))

    async def drive(self, *metres: tuple[float, float], vehicle: str = "van", every_s: float = 10.0, speed: float = math.nan, together: bool = False) -> list[tuple]:  # fmt: skip
        """Fixes at these places, one every so many seconds, each stepped by itself unless `together`: what is told."""
        fixes, told = [], []
        for one in metres:
            self.now_ms += int(every_s * 1000)
            fixes.append((vehicle, self.now_ms, *at(*one)))
            if not together:
                told += await self.send([fixes[-1]], speed=speed)
        return await self.send(fixes, speed=speed) if together else told

    async def send(
        self, *batches: list[tuple[str, int, float, float]], speed: float = math.nan
    ) -> list[tuple]:
        """Batches of fixes (vehicle, time, lat, lon), as they come: what is told."""
        told = []
        for fixes in batches:
            batch = position_batch(len(fixes))
            for i, (vehicle, time_ms, lat, lon) in enumerate(fixes):
                self._seq += 1
                batch.row[i], batch.seq[i] = self.row_of("acme", vehicle), self._seq
                batch.time_ms[i], batch.received_ms[i] = time_ms, self.now_ms
                batch.lat_deg[i], batch.lon_deg[i], batch.accuracy_m[i] = lat, lon, 5.0
            batch.speed_mps[:] = speed
            told += self.step(batch)
            if self.follows and self.marks:
                await self.active.build()
                told += self.step(position_batch(0))
        return told

    def step(self, batch: PositionBatch) -> list[tuple]:
        result = step(
            self.state, batch, self.catalogue.current, self.now_ms, LIMITS, route_set=self.active.current
        )
        self._saving.on_step(result)
        documents = self._documents.of(result)
        self.heard += [one.said for one in documents]
        self.marks = []
        for fleet, mark in self.watch.take_marks():
            self.marks.append((mark.stop_id, mark.state.value))
            route = self.book.route(fleet, mark.route_id)
            if self.follows and route is not None:
                self.book.put_route(marked(route, [mark]))
        return [self._said(one.said) for one in documents if "route" in one.said]

    @staticmethod
    def _said(said: dict[str, Any]) -> tuple:
        return tuple(said[name] for name in ("event", "stop") if name in said)

    async def wait(self, seconds: float) -> list[tuple]:
        """Time passes without a fix."""
        self.now_ms += int(seconds * 1000)
        return self.step(position_batch(0))

    async def restarted(self, **options: Any) -> "Road":
        """A hub that comes back after this one was killed, right after its last save."""
        await self._saving.save_rest()
        after = Road(self, follows=self.follows, **options)
        await after.active.build()
        await restore_vehicles(after.store, after.state, after.rows, after.catalogue.handle_of)
        await first_number(after.store, after.state, 1)
        return after

    def progress(self, vehicle: str = "van") -> Any:
        return self.watch.now_of(self.row_of("acme", vehicle))

    def edit(self, route_id: str = "r", **members: Any) -> Route:
        """The route as the book has it, with other members."""
        found = self.book.route("acme", route_id)
        assert found is not None
        return replace(found, **members)


def metres_between(
    begin: tuple[float, float], end: tuple[float, float], step_m: float
) -> list[tuple[float, float]]:
    """Places from begin to end, both included."""
    count = max(2, round(math.dist(begin, end) / step_m) + 1)
    return [tuple(one) for one in np.linspace(begin, end, count).tolist()]


__all__ = ["LAT", "LON", "NONE", "NOW_MS", "Road", "at", "line", "metres_between", "route_of", "stop"]
