"""The frozen set of the routes that are driven now, which steps go by, kept beside the route book.

After a change of the book a new set is made in a thread beside the one in force, and swapped in whole; changes made meanwhile share the
next. Only the routes that have changed are made into arrays anew. Every method is called from the event loop's thread.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace

import structlog

from geo.travel_time import TravelTimes
from haulcast.routes.route import Route
from haulcast.routes.route_book import RouteBook
from haulcast.routes.route_set import (
    NO_ROUTES,
    RoutePart,
    RouteSet,
    build_route_set,
    joined_paces,
    route_part,
)
from haulcast.routes.travel import Travel

PACES_S = 5.0
REST_S = 0.02  # after a build, or as long as it took: changes in quick succession share the next
RETRY_S = 1.0

log = structlog.get_logger()

Whose = tuple[str, str]
"""Fleet and vehicle id."""


class ActiveRoutes:
    """What the routes are. `current` is the set in force; it is never changed, only replaced by a newer one.

    Args:
        row_of: the row of (fleet, vehicle id), made if there is none.
        on_swap: called when `current` is another set.
    """

    def __init__(
        self,
        book: RouteBook,
        travel: Travel,
        row_of: Callable[[str, str], int],
        now_ms: Callable[[], int],
        on_swap: Callable[[], None] = lambda: None,
    ) -> None:
        self.current: RouteSet = NO_ROUTES
        self._book = book
        self._travel = travel
        self._row_of = row_of
        self._now_ms = now_ms
        self._on_swap = on_swap
        self._parts: dict[Whose, RoutePart] = {}
        self._dirty: dict[Whose, None] = {}
        self._has_dirty = asyncio.Event()
        self._changes = self._built = self._version = 0
        self._swapped = asyncio.Event()
        book.listeners.append(self.touch)
        for route in book.all_active():
            self.touch(route.fleet, route.vehicle)

    def touch(self, fleet: str, vehicle: str) -> None:
        """This vehicle's active route may be another. In force only after `settled`, while `run` runs."""
        self._changes += 1
        self._dirty[fleet, vehicle] = None
        self._has_dirty.set()

    async def settled(self) -> None:
        """Return when `current` holds every change made before this call; while `run` runs."""
        wanted = self._changes
        while self._built < wanted:
            self._swapped.clear()
            await self._swapped.wait()

    async def run(self) -> None:
        """Make sets as the book changes, and bring the paces up to date every few seconds, for ever."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + PACES_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await self._has_dirty.wait()
            try:
                if loop.time() >= due_s:
                    due_s = loop.time() + PACES_S
                    self.refresh_paces()
                if self._dirty:
                    begun_s = loop.time()
                    await self.build()
                    await asyncio.sleep(max(REST_S, loop.time() - begun_s))
            except Exception:  # the next change, or the next round, tries again
                log.exception("route_set_not_built", routes=len(self._parts))
                await asyncio.sleep(RETRY_S)

    async def build(self) -> None:
        """Make the set of what the book says now, in a thread, and swap it in."""
        changes, dirty = self._changes, self._dirty
        self._dirty = {}
        self._has_dirty.clear()
        try:
            wanted = {whose: self._book.active(*whose) for whose in dirty}
            fleets = {fleet for fleet, _ in (*self._parts, *wanted)}
            times = {fleet: self._travel.times(fleet) for fleet in fleets}
            for whose in self._stale(times):
                wanted[whose] = self._book.active(*whose)
            rows = {whose: self._row_of(*whose) for whose, route in wanted.items() if route is not None}
            paces = {fleet: self._travel.paces(fleet, self._now_ms()) for fleet in fleets}
            before, version = self.current, self._version + 1
            parts = await asyncio.to_thread(_changed, self._parts, wanted, rows, times, version)
            made = await asyncio.to_thread(build_route_set, list(parts.values()), version, paces, before)
        except BaseException:
            self._dirty = {**dirty, **self._dirty}
            self._has_dirty.set()
            raise
        self._version, self._parts, self.current = version, parts, made
        self._built = changes
        self._swapped.set()
        self._on_swap()

    def refresh_paces(self) -> None:
        """Put the current speeds into the set in force; where a fleet has learned anew, its routes are made anew."""
        fleets = {fleet for fleet, _ in self._parts}
        if not fleets:
            return
        times = {fleet: self._travel.times(fleet) for fleet in fleets}
        for whose in (stale := self._stale(times)):
            self.touch(*whose)
        if not stale:
            paces = {fleet: self._travel.paces(fleet, self._now_ms()) for fleet in fleets}
            self.current = replace(self.current, paces=joined_paces(paces, self.current.parts))

    def _stale(self, times: Mapping[str, TravelTimes]) -> list[Whose]:
        return [whose for whose, part in self._parts.items() if part.times is not times[whose[0]]]


def _changed(
    parts: Mapping[Whose, RoutePart],
    wanted: Mapping[Whose, Route | None],
    rows: Mapping[Whose, int],
    times: Mapping[str, TravelTimes],
    version: int,
) -> dict[Whose, RoutePart]:
    """All parts, with those that are wanted otherwise made anew; a line that is the same keeps its arrays."""
    found = dict(parts)
    for whose, route in wanted.items():
        before = found.get(whose)
        if route is None:
            found.pop(whose, None)
        elif before is None or before.route != route or before.times is not times[whose[0]]:
            found[whose] = route_part(route, rows[whose], times[whose[0]], version, before)
    return found
