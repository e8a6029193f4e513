"""The fleets' routes as they are now: built when the book has changed, moved to where the vehicles are when somebody asks.

Who asks has a fleet for himself while he does: the columns are changed in place.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.route_insertion import InsertionSearch
from geo.route_times import LiveRoutes
from geo.travel_time import TravelTimes
from haulcast.dispatch.fleet_routes import FleetRoutes, VehicleFacts, built, facts_of
from haulcast.errors import RequestError
from haulcast.routes.route import Route, RouteStatus
from haulcast.routes.route_book import RouteBook
from haulcast.routes.travel import Travel

PORTION: Final = 500
"""So many vehicles are read from the book before the loop has its turn."""

MOST_NEEDS: Final = 60
"""Skills that the loads of one request may need in all; each is a bit, and one more says who is asked."""

_ASKED: Final = 63
NOT_ASKED: Final = ("no_position", "stale_position", "off_shift", "not_selected")
"""Why a vehicle is not asked, in the order in which that is looked at, but for what was not selected, which is first."""


class SeenVehicles(NamedTuple):
    """The newest fixes of a fleet's vehicles, in any order.

    Attributes:
        vehicles: ids.
        lat_deg, lon_deg: float64[n].
        time_ms: int64[n].
    """

    vehicles: list[str]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    time_ms: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DispatchFacts:
    """What dispatching has of the hub, by fleet.

    Attributes:
        seen: the newest fixes.
        tags: of (fleet, vehicle).
        availability: how likely (fleet, vehicle) is free so many seconds from now; None: nobody knows.
    """

    book: RouteBook
    travel: Travel
    seen: Callable[[str], SeenVehicles]
    tags: Callable[[str, str], Collection[str]]
    availability: Callable[[str, str, float], float | None] = lambda _fleet, _vehicle, _horizon_s: None


@dataclass(frozen=True, slots=True)
class Selected:
    """Which vehicles are asked: those of the ids, and those with any of the tags."""

    ids: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """A fleet for the time of a question.

    Attributes:
        fleet: whose.
        columns: the routes; `live` has who is asked, and skills as bits.
        is_asked: bool[k].
        not_asked: how many vehicles are not, by NOT_ASKED.
        bits: of the skills that are needed.
        now_ms: when.
    """

    fleet: str
    columns: FleetRoutes
    live: LiveRoutes
    search: InsertionSearch
    paces: NDArray[np.float32]
    is_asked: NDArray[np.bool_]
    not_asked: dict[str, int]
    bits: dict[str, int]
    now_ms: int

    def needs_of(self, skills: Collection[str]) -> int:
        """Bits of what a load needs, that its vehicle is asked among them."""
        return sum((1 << self.bits[skill] for skill in skills), 1 << _ASKED)


@dataclass(slots=True)
class _Kept:
    """A fleet's routes as they were built last, and by which paces their times are."""

    version: int
    vehicles: list[str]
    travel: TravelTimes
    columns: FleetRoutes
    paces: NDArray[np.float32]
    search: InsertionSearch


class DispatchFleets:
    """The routes of all fleets; who has never asked has none."""

    def __init__(self, facts: DispatchFacts, stale_s: float, change_cost: float) -> None:
        self.facts = facts
        self._stale_s = stale_s
        self._change_cost = change_cost
        self._kept: dict[str, _Kept] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def asked(
        self, fleet: str, selected: Selected | None, skills: Collection[str], now_ms: int
    ) -> AsyncIterator[Asked]:
        """A fleet as it is now, for the time of the block, and nobody else's.

        Args:
            fleet: whose.
            selected: whom to ask; None: everybody.
            skills: all that loads will need.
            now_ms: when.

        Raises:
            RequestError: too many skills.
        """
        if len(skills) > MOST_NEEDS:
            reason = f"the loads need {len(skills)} different skills; allowed are {MOST_NEEDS} in one request"
            raise RequestError("out_of_range", reason, field="needs")
        async with self._locks[fleet]:
            seen = self.facts.seen(fleet)
            kept = await self._current(fleet, seen.vehicles)
            paces = self.facts.travel.paces(fleet, now_ms)
            tags = self._tagged(fleet, kept.columns, selected)
            yield await asyncio.to_thread(
                self._moved, fleet, kept, seen, paces, selected, tags, skills, now_ms
            )

    async def _current(self, fleet: str, seen: list[str]) -> _Kept:
        """What was built last, if nothing has changed since."""
        book, travel = self.facts.book, self.facts.travel.times(fleet)
        kept = self._kept.get(fleet)
        vehicles = sorted(seen)
        if kept and (kept.version, kept.vehicles) == (book.version, vehicles) and kept.travel is travel:
            return kept
        version, facts = book.version, await self._facts(fleet, vehicles)
        columns = await asyncio.to_thread(built, facts, travel, self._change_cost)
        paces = travel.paces()
        kept = _Kept(version, vehicles, travel, columns, paces, InsertionSearch(travel, paces))
        self._kept[fleet] = kept
        return kept

    async def _facts(self, fleet: str, seen: list[str]) -> list[VehicleFacts]:
        """Of every vehicle that was seen, has a profile or has a route."""
        book = self.facts.book
        planned: dict[str, Route] = {}
        for route in book.routes(fleet):
            first = planned.get(route.vehicle)
            if first is None or _begin_ms(route) < _begin_ms(first):
                planned[route.vehicle] = route
        names = sorted({*seen, *planned, *book.profiled(fleet)})
        found: list[VehicleFacts] = []
        for begin in range(0, len(names), PORTION):
            found += [
                facts_of(book, fleet, name, planned.get(name)) for name in names[begin : begin + PORTION]
            ]
            await asyncio.sleep(0)
        return found

    def _tagged(self, fleet: str, columns: FleetRoutes, selected: Selected | None) -> set[str]:
        if selected is None or not selected.tags:
            return set()
        tags = self.facts.tags
        return {one.vehicle for one in columns.facts if selected.tags & set(tags(fleet, one.vehicle))}

    def _moved(
        self,
        fleet: str,
        kept: _Kept,
        seen: SeenVehicles,
        paces: NDArray[np.float32],
        selected: Selected | None,
        tagged: set[str],
        skills: Collection[str],
        now_ms: int,
    ) -> Asked:
        """The vehicles where they are now, and who of them is asked. In a thread."""
        columns, k = kept.columns, len(kept.columns.facts)
        place, fix_ms = columns.depot.copy(), np.full(k, now_ms)
        if seen.vehicles:
            which = np.array([columns.numbers.get(vehicle, -1) for vehicle in seen.vehicles], np.int64)
            known = np.flatnonzero(np.greater_equal(which, 0))
            place[which[known]] = np.stack((seen.lat_deg, seen.lon_deg), 1)[known]
            fix_ms[which[known]] = seen.time_ms[known]
        has_place = np.isfinite(place[:, 0]) & np.isfinite(place[:, 1])
        if paces is not kept.paces:
            kept.paces, kept.search = paces, InsertionSearch(kept.travel, paces)
            columns.live.update(paces)
        lat, lon = np.where(has_place[:, None], place, 0.0).T.copy()
        free_s = np.maximum(now_ms / 1000, columns.busy_until_s)
        everybody = np.arange(k, dtype=np.int32)
        columns.live.move(everybody, lat, lon, kept.travel.rows_of(lat, lon), free_s, paces)
        of_them = np.ones(k, np.bool_)
        if selected is not None:
            chosen = selected.ids | tagged
            of_them = np.array([one.vehicle in chosen for one in columns.facts], np.bool_)
        why_not = np.select(
            [~of_them, ~has_place, fix_ms < now_ms - self._stale_s * 1000, columns.ends_s <= now_ms / 1000],
            [4, 1, 2, 3],
            0,
        )
        counts = np.bincount(why_not, minlength=5)
        bits = {skill: bit for bit, skill in enumerate(sorted(skills))}
        vehicles = columns.live.vehicles.copy()
        vehicles["skills"] = np.where(why_not == 0, np.uint64(1 << _ASKED), np.uint64(0))
        for skill, bit in bits.items():
            if skill in columns.has_skill:
                vehicles["skills"] |= columns.has_skill[skill].astype(np.uint64) << np.uint64(bit)
        return Asked(
            fleet=fleet,
            columns=columns,
            live=replace(columns.live, vehicles=vehicles),
            search=kept.search,
            paces=paces,
            is_asked=why_not == 0,
            not_asked={name: int(counts[i + 1]) for i, name in enumerate(NOT_ASKED) if counts[i + 1]},
            bits=bits,
            now_ms=now_ms,
        )


def _begin_ms(route: Route) -> tuple[bool, float, str]:
    """Which of a vehicle's routes is first."""
    times = [stop.planned_ms or stop.place.opens_ms for stop in route.ahead]
    known = [time_ms for time_ms in times if time_ms is not None]
    return route.status is not RouteStatus.ACTIVE, min(known, default=0), route.route_id
