"""How changes of routes and loads are worked out on the book, written whole, and taken into it. `RouteEdits` says which, and in what order."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from haulcast.errors import ConflictError, TooLargeError
from haulcast.routes.following import load_on, loads_ahead, loads_named, loads_touched
from haulcast.routes.load import Load
from haulcast.routes.route import Route, RouteStatus
from haulcast.routes.route_book import ROUTES_OVER, RouteBook
from haulcast.routes.route_checks import check_route
from haulcast.routes.route_store import LoadWrite, RouteStore, RouteWrite
from haulcast.routes.stop_fences import StopFences

MOST_LOADS = 100_000  # of a fleet, that are not over
MOST_ROUTES = 20_000


class Change(NamedTuple):
    """A route as it is and as it shall be."""

    before: Route | None
    after: Route
    expected: str | None


class RouteWrites:
    """What `RouteEdits` works with; the fleet's write order is its business."""

    def __init__(self, store: RouteStore, book: RouteBook, fences: StopFences) -> None:
        self.store = store
        self.book = book
        self._fences = fences
        self._on_route: defaultdict[str, dict[str, str]] = defaultdict(
            dict
        )  # by fleet and load: where it is ahead

    def route_with(self, load: Load) -> Route | None:
        """The route on which a load is ahead."""
        route_id = self._on_route[load.fleet].get(load.load_id)
        return None if route_id is None else self.book.route(load.fleet, route_id)

    def check_room(self, fleet: str, loads: int = 0, routes: int = 0) -> None:
        """Look whether so many more may be there.

        Raises:
            TooLargeError: no.
        """
        known = self.book.sizes(fleet)
        for what, has, more, most in zip(
            ("loads", "routes"), known, (loads, routes), (MOST_LOADS, MOST_ROUTES), strict=True
        ):
            if more and has + more > most:
                reason = f"the fleet has {has} {what} that are not over; allowed are {most}"
                raise TooLargeError(f"too_many_{what}", reason)

    def checked(self, fleet: str, changes: list[Change]) -> list[Change]:
        """The changes, when all of them together can be.

        Raises:
            RequestError, ConflictError: as `route_checks.check_route` of any; a load would be on two routes, or a vehicle on two.
            TooLargeError: there would be more routes than there may.
        """
        changed = {change.after.route_id for change in changes}
        claimed: dict[str, str] = {}
        for _, route, _ in changes:
            if route.status in ROUTES_OVER:
                continue
            check_route(route, lambda load_id: self.book.load(fleet, load_id))
            for load_id in loads_ahead(route):
                elsewhere = self._on_route[fleet].get(load_id, route.route_id)
                other = claimed.setdefault(load_id, route.route_id if elsewhere in changed else elsewhere)
                if other != route.route_id:
                    reason = f"load {load_id!r} is on route {other!r} already; it cannot be on {route.route_id!r} too"
                    raise ConflictError("load_planned", reason, field="stops")
            active = self.book.active(fleet, route.vehicle)
            if route.status is RouteStatus.ACTIVE and active is not None and active.route_id not in changed:
                reason = f"vehicle {route.vehicle!r} has an active route already, {active.route_id!r}; it can have one"
                raise ConflictError("vehicle_has_route", reason, field="vehicle")
        self.check_room(fleet, routes=sum(change.before is None for change in changes))
        return changes

    async def apply(
        self, fleet: str, changes: Sequence[Change], loads: Sequence[LoadWrite] = ()
    ) -> tuple[Sequence[Load], Sequence[Route]]:
        """Into the store and then into the book; the fences first. The loads that follow come after those that are given."""
        loads = [*self._followed(fleet, changes, loads)]
        await asyncio.sleep(0)  # many take some 10 ms to work out; ticks run in between
        await self._fences.ensure(fleet, (change.after for change in changes))
        routes = [
            RouteWrite(after, expected, keeps_line=before is not None and after.line == before.line)
            for before, after, expected in changes
        ]
        written_loads, written_routes = await self.store.write(fleet, loads, routes)
        for load in written_loads:
            self.book.put_load(load)
        for change, route in zip(changes, written_routes, strict=True):
            self._take(change.before, route)
        return written_loads, written_routes

    def _followed(
        self, fleet: str, changes: Sequence[Change], loads: Sequence[LoadWrite]
    ) -> Iterator[LoadWrite]:
        """These loads, and those that the changed routes name, as the routes make them."""
        after = {change.after.route_id: change.after for change in changes}
        touched = {load_id for change in changes for load_id in loads_touched(change.before, change.after)}
        named_by = {load_id: route for route in after.values() for load_id in loads_named([route]) & touched}
        ahead_on = {load_id: route for route in after.values() for load_id in loads_ahead(route)}

        def followed(load: Load) -> Load:
            elsewhere = self._on_route[fleet].get(load.load_id)
            if load.load_id not in ahead_on and elsewhere is not None and elsewhere not in after:
                return load_on(load, self.book.route(fleet, elsewhere))
            return load_on(load, ahead_on.get(load.load_id, named_by.get(load.load_id)))

        for write in loads:
            yield LoadWrite(followed(write.load), write.expected)
        given = {write.load.load_id for write in loads}
        for load_id in sorted(touched - given):
            known = self.book.load(fleet, load_id)
            if known is not None and (now := followed(known)) != known:
                yield LoadWrite(now, known.edition)

    def _take(self, before: Route | None, after: Route) -> None:
        """A route into the book, and into what is counted of it."""
        self.book.put_route(after)
        self._fences.count(before, after)
        on_route = self._on_route[after.fleet]
        for load_id in set() if before is None else loads_ahead(before):
            if on_route.get(load_id) == after.route_id:
                del on_route[load_id]
        on_route.update(dict.fromkeys(loads_ahead(after), after.route_id))

    async def take_stored(self, fleet: str | None) -> set[str]:
        """All of a fleet, or of all, into the book, and nothing else of that fleet; the fleets that have routes."""
        loads = [load async for portion in self.store.loads(fleet) for load in portion]
        routes = [route async for portion in self.store.routes(fleet) for route in portion]
        profiles = [stored async for portion in self.store.profiles(fleet) for stored in portion]
        if fleet is not None:
            self._forget(fleet, {one.load_id for one in loads}, {one.route_id for one in routes}, {one.vehicle for one in profiles})  # fmt: skip
        for load in loads:
            self.book.put_load(load)
        for route in routes:
            self._take(self.book.route(route.fleet, route.route_id), route)
        for stored in profiles:
            self.book.put_profile(stored.fleet, stored.vehicle, stored.profile)
        return {route.fleet for route in routes}

    def _forget(self, fleet: str, loads: set[str], routes: set[str], profiles: set[str]) -> None:
        """Take what is not among these out of the book."""
        self._on_route[fleet].clear()
        for load in [load for load in self.book.loads(fleet) if load.load_id not in loads]:
            self.book.remove_load(fleet, load.load_id)
        for route in [route for route in self.book.routes(fleet) if route.route_id not in routes]:
            self.book.remove_route(fleet, route.route_id)
            self._fences.count(route, None)
        for vehicle in set(self.book.profiled(fleet)) - profiles:
            self.book.put_profile(fleet, vehicle, None)
