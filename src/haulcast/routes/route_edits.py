"""Every change of a load, a route or a vehicle's profile: first into the store, then into the book.

The order is `haulcast.database.write_order`'s. A change is worked out on the book, with the loads that follow their routes, and
written whole, in one transaction, on top of the editions it was worked out on. The fences of its stops are in force before.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import structlog

from haulcast.database.write_order import WriteOrder
from haulcast.errors import ConflictError, NotFoundError, StoreError
from haulcast.routes.following import continued, with_places
from haulcast.routes.load import Load, LoadStatus
from haulcast.routes.route import Route, RouteStatus
from haulcast.routes.route_book import LOADS_OVER, RouteBook
from haulcast.routes.route_store import ANY, NEW, LoadWrite, RouteStore, check_edition
from haulcast.routes.route_writes import Change, RouteWrites
from haulcast.routes.stop_fences import HubFences, StopFences, fence_of
from haulcast.routes.stop_marks import StopMark, ended, marked, without_load
from haulcast.routes.vehicle_profile import VehicleProfile

_log = structlog.get_logger()


class RouteEdits:
    """The only writer of the book, and of the fences of stops."""

    def __init__(self, store: RouteStore, book: RouteBook, fences: HubFences) -> None:
        self.store = store
        self.book = book
        self._fences = StopFences(store, fences)
        self._order = WriteOrder(self._read, "routes")
        self._writes = RouteWrites(store, book, self._fences)
        self._dropping: dict[str, asyncio.Task[None]] = {}

    async def put_load(self, load: Load, expected: str | None = None) -> tuple[Load, bool]:
        """A load created or changed; True: it is new. Status and vehicle stay what they are, and its stops ahead move with it.

        Raises:
            RequestError: a fence that is not there.
            ConflictError: it is over; it is planned and loses or gains a pickup or a delivery; with NEW, there is one.
            PreconditionError: it has another edition.
            TooLargeError: the fleet has as many loads as it may.
        """
        async with self._writing(load.fleet):
            known = await self._known_load(load.fleet, load.load_id)
            before = _agreed("load", load.load_id, known, expected)
            self._check_load(load, known)
            if known is None:
                self._writes.check_room(load.fleet, loads=1)
                load = replace(load, status=LoadStatus.OPEN, vehicle="")
            else:
                load = replace(load, status=known.status, vehicle=known.vehicle)
            route = self._writes.route_with(load)
            changes = [] if route is None else [Change(route, with_places(route, load), route.edition)]
            loads, _ = await self._writes.apply(load.fleet, changes, [LoadWrite(load, before)])
        return loads[0], known is None

    async def create_loads(self, fleet: str, loads: Sequence[Load]) -> Sequence[Load]:
        """Many new loads, all or none.

        Raises:
            RequestError, ConflictError, TooLargeError: as `put_load` with NEW, of any.
        """
        async with self._writing(fleet):
            for load in loads:
                self._check_load(load, None)
            self._writes.check_room(fleet, loads=len(loads))
            new = [LoadWrite(replace(load, status=LoadStatus.OPEN, vehicle=""), NEW) for load in loads]
            written, _ = await self._writes.apply(fleet, [], new)
        return written

    async def cancel_load(self, fleet: str, load_id: str, expected: str = ANY) -> Load:
        """A load cancelled, and its stops ahead passed over. Twice is as once.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is delivered.
            PreconditionError: it has another edition.
        """
        async with self._writing(fleet):
            known = await self._known_load(fleet, load_id)
            if known is None:
                raise NotFoundError("no_such_load", f"there is no load {load_id!r} in this fleet")
            check_edition("load", load_id, expected, known.edition)
            if known.status is LoadStatus.CANCELLED:
                return known
            if known.status in LOADS_OVER:
                raise _over("load", load_id, known.status)
            route = self._writes.route_with(known)
            changes = [] if route is None else [Change(route, without_load(route, load_id), route.edition)]
            write = LoadWrite(replace(known, status=LoadStatus.CANCELLED), known.edition)
            loads, _ = await self._writes.apply(fleet, changes, [write])
        return loads[0]

    async def put_route(self, route: Route, expected: str | None = None) -> tuple[Route, bool]:
        """A route created or changed, with its loads; True: it is new. What is over of it stays.

        Raises:
            RequestError: stops that cannot be, or a load or a fence that is not there.
            ConflictError: the route is over, or has begun with another vehicle; a load is on another route; the vehicle has
                another active route; with NEW, there is one.
            PreconditionError: it has another edition.
            TooLargeError: the fleet has as many routes as it may.
        """
        async with self._writing(route.fleet):
            known = await self._known_route(route.fleet, route.route_id)
            before = _agreed("route", route.route_id, known, expected)
            for stop in route.ahead:
                self._fences.check(route.fleet, stop.place, "stops")
            changes = self._writes.checked(route.fleet, [Change(known, continued(route, known), before)])
            _, routes = await self._writes.apply(route.fleet, changes)
        return routes[0], known is None

    async def cancel_route(self, fleet: str, route_id: str, expected: str = ANY) -> Route:
        """A route cancelled: what is ahead is passed over, and its loads that are not on board are open. Twice is as once.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is done.
            PreconditionError: it has another edition.
        """
        async with self._writing(fleet):
            known = await self._known_route(fleet, route_id)
            if known is None:
                raise NotFoundError("no_such_route", f"there is no route {route_id!r} in this fleet")
            check_edition("route", route_id, expected, known.edition)
            if known.status is RouteStatus.CANCELLED:
                return known
            if known.status is RouteStatus.DONE:
                raise _over("route", route_id, known.status)
            change = Change(known, ended(known, RouteStatus.CANCELLED), known.edition)
            _, routes = await self._writes.apply(fleet, [change])
        return routes[0]

    async def publish(
        self, fleet: str, routes: Sequence[Route], expected: Mapping[str, str], withdrawn: Sequence[str] = ()
    ) -> Sequence[Route]:
        """Many routes, with their loads, in one transaction: all or none.

        Args:
            fleet: whose.
            routes: as they shall be; one that `expected` does not name has to be new.
            expected: the edition of each route that is changed or withdrawn.
            withdrawn: routes that are cancelled.

        Returns:
            The routes with their new editions.

        Raises:
            RequestError, ConflictError, TooLargeError: as `put_route`, of any.
            PreconditionError: one has another edition by now.
        """
        async with self._writing(fleet):
            changes = [self._published(route, expected.get(route.route_id, NEW)) for route in routes]
            for route_id in withdrawn:
                known = self.book.route(fleet, route_id)
                check_edition("route", route_id, expected.get(route_id, ANY), _edition(known))
                if known is not None:
                    changes.append(Change(known, ended(known, RouteStatus.CANCELLED), known.edition))
            _, written = await self._writes.apply(fleet, self._writes.checked(fleet, changes))
        return written[: len(routes)]

    async def mark_stops(self, fleet: str, marks: Sequence[StopMark]) -> None:
        """Stops reached, left or passed over, in one transaction, with the loads and routes that follow.

        A mark that says nothing new, or nothing that can be, does nothing; see `stop_marks.marked`.
        """
        async with self._writing(fleet):
            of_route: dict[str, list[StopMark]] = {}
            for mark in marks:
                of_route.setdefault(mark.route_id, []).append(mark)
            changes = []
            for route_id, own in of_route.items():
                before = self.book.route(fleet, route_id)
                if before is not None and (after := marked(before, own)) != before:
                    changes.append(Change(before, after, before.edition))
            if changes:
                await self._writes.apply(fleet, changes)

    async def put_profile(
        self, fleet: str, vehicle: str, profile: VehicleProfile, expected: str | None = None
    ) -> tuple[str, bool]:
        """A vehicle's profile created or changed: its edition, and whether it is new. See `RouteStore.put_profile`."""
        async with self._order.of(fleet):
            edition, is_new = await self.store.put_profile(fleet, vehicle, profile, expected)
            self.book.put_profile(fleet, vehicle, profile)
        return edition, is_new

    async def delete_profile(self, fleet: str, vehicle: str, expected: str = ANY) -> None:
        """A profile removed. See `RouteStore.delete_profile`."""
        async with self._order.of(fleet):
            await self.store.delete_profile(fleet, vehicle, expected)
            self.book.put_profile(fleet, vehicle, None)

    async def read_all(self) -> None:
        """All that is stored into the book, at the start, with the fences that it needs and none that were left behind."""
        await self._fences.read()
        for fleet in await self._writes.take_stored(None):
            await self._fences.ensure(fleet, self.book.routes(fleet))
        for fleet in self._fences.fleets_with_idle():
            await self._fences.drop_idle(fleet)

    async def stop(self) -> None:
        """Give up reading again, and leave idle fences to the next start."""
        tasks = list(self._dropping.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._order.stop()

    @asynccontextmanager
    async def while_unused(self, fleet: str, fence_id: str) -> AsyncIterator[None]:
        """For the time of the block no route comes to stop at a fence, so that it can be deleted.

        Raises:
            ConflictError: a route that is not over stops there.
        """
        async with self._order.of(fleet):
            if self._fences.is_used(fleet, fence_id):
                names = (
                    route.route_id
                    for route in self.book.routes(fleet)
                    if any(fence_of(stop.place) == fence_id for stop in route.stops)
                )
                reason = f"route {next(names)!r} stops at the fence {fence_id!r}; it can be deleted when no route that is not over does"
                raise ConflictError("fence_in_use", reason)
            yield

    @asynccontextmanager
    async def _writing(self, fleet: str) -> AsyncIterator[None]:
        """A write of the fleet for the time of the block; then the fences that nobody needs any more go, behind its back."""
        try:
            async with self._order.of(fleet):
                yield
        finally:
            if fleet not in self._dropping and self._fences.idle(fleet):
                self._dropping[fleet] = asyncio.create_task(self._drop_idle(fleet))

    async def _drop_idle(self, fleet: str) -> None:
        try:
            async with self._order.of(fleet):
                await self._fences.drop_idle(fleet)
        except StoreError as error:
            _log.warning("stop_fences_not_dropped_yet", fleet=fleet, reason=error.reason)
        finally:
            del self._dropping[fleet]

    async def _known_load(self, fleet: str, load_id: str) -> Load | None:
        return self.book.load(fleet, load_id) or await self.store.find_load(fleet, load_id)

    async def _known_route(self, fleet: str, route_id: str) -> Route | None:
        return self.book.route(fleet, route_id) or await self.store.find_route(fleet, route_id)

    def _published(self, route: Route, expected: str) -> Change:
        known = self.book.route(route.fleet, route.route_id)
        if expected != NEW or known is not None:  # else the store sees whether it is new
            check_edition("route", route.route_id, expected, _edition(known))
        return Change(known, continued(route, known), NEW if known is None else known.edition)

    def _check_load(self, load: Load, known: Load | None) -> None:
        self._fences.check(load.fleet, load.pickup, "pickup")
        self._fences.check(load.fleet, load.delivery, "delivery")
        if known is None:
            return
        if known.status in LOADS_OVER:
            raise _over("load", load.load_id, known.status)
        before, after = ((one.pickup is None, one.delivery is None) for one in (known, load))
        if known.status is not LoadStatus.OPEN and before != after:
            reason = f"load {load.load_id!r} is {known.status} with {known.vehicle!r}; it can lose or gain a pickup or delivery while it is open"
            raise ConflictError(
                "load_planned", reason, field="delivery" if before[0] == after[0] else "pickup"
            )

    async def _read(self, fleet: str) -> None:
        """What a fleet has is what the store holds."""
        await self._fences.read(fleet)
        await self._writes.take_stored(fleet)
        await self._fences.ensure(fleet, self.book.routes(fleet))


def _agreed(what: str, key: str, known: Load | Route | None, expected: str | None) -> str:
    """The edition that a write replaces, when that is the one that is expected; NEW when there is none."""
    edition = _edition(known)
    if expected is not None:
        check_edition(what, key, expected, edition)
    return NEW if edition is None else edition


def _edition(known: Load | Route | None) -> str | None:
    return None if known is None else known.edition


def _over(what: str, key: str, status: str) -> ConflictError:
    return ConflictError(
        f"{what}_over", f"{what} {key!r} is {status}, which stays so; make another", field="id"
    )


@asynccontextmanager
async def route_edits(store: RouteStore, book: RouteBook, fences: HubFences) -> AsyncIterator[RouteEdits]:
    """Everything that is stored and not over in the book, and edits of it for the time of the block.

    Raises:
        StoreError: the store cannot be reached.
    """
    edits = RouteEdits(store, book, fences)
    await edits.read_all()
    try:
        yield edits
    finally:
        await edits.stop()
