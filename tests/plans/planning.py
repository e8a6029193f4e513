"""A fleet to plan for: a book, a publisher as small as can be, travel as the crow flies, and plans around them in real threads."""

import asyncio
import itertools
import time
from dataclasses import replace

import orjson

from geo.travel_time import untaught_travel_times
from haulcast.errors import ConflictError
from haulcast.plans.plan_jobs import PlanJobs, PlanSurroundings
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route import RouteStatus, StopState
from haulcast.routes.route_book import RouteBook
from haulcast.routes.stop_place import StopPlace
from haulcast.routes.vehicle_profile import VehicleProfile

FLEET = "acme"
NOW_MS = 1_790_000_000_000
HOUR_MS = 3_600_000
METRE = 1 / 111_195.0  # in degrees of latitude


class CrowTravel:
    """Implements `haulcast.routes.travel.Travel`: one speed everywhere."""

    def __init__(self):
        self._times = untaught_travel_times()

    def times(self, fleet):
        return self._times

    def paces(self, fleet, now_ms):
        return self._times.paces()

    async def matrix(self, fleet, lat_deg, lon_deg, departs_ms):
        return self._times.matrix(lat_deg, lon_deg, departs_ms / 1000)


class SmallEdits:
    """Publishes as `RouteEdits` does, without a store."""

    def __init__(self):
        self.book = RouteBook()
        self._editions = itertools.count(1)
        self.published = []

    def put(self, *things):
        for thing in things:
            one = replace(thing, edition=str(next(self._editions)))
            (self.book.put_load if isinstance(one, Load) else self.book.put_route)(one)
        return things

    async def publish(self, fleet, routes, expected, withdrawn=()):
        await asyncio.sleep(0)
        for route_id, edition in expected.items():
            known = self.book.route(fleet, route_id)
            if known is None or known.edition != edition:
                raise ConflictError("other_edition", f"route {route_id!r} was changed")
        before = {
            stop.load for route_id in expected for stop in self.book.route(fleet, route_id).ahead if stop.load
        }
        self.put(
            *(
                replace(self.book.route(fleet, route_id), status=RouteStatus.CANCELLED)
                for route_id in withdrawn
            )
        )
        self.put(*routes)
        whose = {stop.load: route.vehicle for route in routes for stop in route.ahead if stop.load}
        for load_id in before | whose.keys():
            load = self.book.load(fleet, load_id)
            if load.status in (LoadStatus.OPEN, LoadStatus.PLANNED):
                status = LoadStatus.PLANNED if load_id in whose else LoadStatus.OPEN
                self.put(replace(load, status=status, vehicle=whose.get(load_id, "")))
        self.published.extend(routes)
        return [self.book.route(fleet, route.route_id) or route for route in routes]


class MemoryPlanStore:
    """Implements `PlanStore`."""

    def __init__(self):
        self.plans = {}

    async def put(self, plan):
        kept = {
            name: orjson.loads(orjson.dumps(getattr(plan, name))) for name in ("ask", "summary", "result")
        }
        self.plans[plan.fleet, plan.plan_id] = replace(plan, **kept)

    async def find(self, fleet, plan_id):
        return self.plans.get((fleet, plan_id))

    async def page(self, fleet, before, limit):
        found = sorted(
            (plan for plan in self.plans.values() if plan.fleet == fleet),
            key=lambda p: p.plan_id,
            reverse=True,
        )
        return [replace(plan, result=None) for plan in found if not before or plan.plan_id < before][:limit]

    async def mark_accepted(self, fleet, plan_id, time_ms):
        self.plans[fleet, plan_id] = replace(
            self.plans[fleet, plan_id], state="accepted", accepted_ms=time_ms
        )

    async def lose_unfinished(self, reason, time_ms):
        return 0

    async def forget(self, fleet, before_ms):
        return None


class Fleet:
    """Vehicles with places, loads, and plans of them."""

    def __init__(self, store=None, at_once=2):
        self.edits = SmallEdits()
        self.book = self.edits.book
        self.places = {}
        self.told = []
        self.now_ms = NOW_MS
        ids = itertools.count()
        self.around = PlanSurroundings(
            edits=self.edits,
            travel=CrowTravel(),
            where=lambda fleet, vehicle: self.places.get(vehicle),
            chosen=self._chosen,
            tell=lambda fleet, plan_id, said: self.told.append((fleet, plan_id, said)),
            now_ms=lambda: self.now_ms,
            clock_s=time.monotonic,
            new_id=lambda: f"{next(ids):08x}",
        )
        self.jobs = PlanJobs(store or MemoryPlanStore(), self.around, at_once)

    async def _chosen(self, fleet, ask):
        return list(self.places) if ask.vehicles is None else list(ask.vehicles)

    def vehicle(self, name, north_m=0.0, **profile):
        self.places[name] = (10.0 + north_m * METRE, 20.0)
        self.book.put_profile(FLEET, name, VehicleProfile(**{"capacity": {"kg": 1000.0}, **profile}))

    def load(self, name, from_m=None, to_m=None, kg=100.0, **more):
        ends = {
            key: None if metres is None else place(metres)
            for key, metres in (("pickup", from_m), ("delivery", to_m))
        }
        self.edits.put(Load(FLEET, name, **{**ends, "size": {"kg": kg}, **more}))

    async def planned(self, ask):
        plan = await self.jobs.begin(FLEET, ask)
        return await self.jobs.finished(FLEET, plan.plan_id)


def place(north_m, **more):
    """A place so many metres north of where all begins."""
    return StopPlace(10.0 + north_m * METRE, 20.0, **more)


def done(route, count):
    """The route with its first stops done."""
    stops = [replace(stop, state=StopState.DONE, left_ms=NOW_MS) for stop in route.stops[:count]]
    return replace(route, stops=(*stops, *route.stops[count:]))
