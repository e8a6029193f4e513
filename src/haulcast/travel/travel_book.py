"""The travel times of each fleet now: what was learned, the traffic of the last minutes in it, and the road engine if there is one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from geo.travel_time import DrivenLegs, TravelMatrix, TravelTimes, untaught_travel_times
from haulcast.errors import RequestError, RoadEngineError
from haulcast.tracking.step import StepResult
from haulcast.travel.current_legs import CURRENT_MS, CurrentLegs
from haulcast.travel.road_engine import RoadEngine

ENGINE_PAUSE_S: Final = 10.0
"""So long an engine that failed is not asked, and who wants a matrix need not wait for its timeout."""

log = structlog.get_logger("haulcast.travel")

Paces = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FleetTimes:
    """A fleet's times; `current` are its paces with the traffic of now, `learned` without.

    Many read the same arrays, so nobody writes to them. They are not marked so: a kernel would be compiled anew for that.
    """

    times: TravelTimes
    learned: Paces
    current: Paces

    def with_traffic(self, legs: DrivenLegs, now_s: float) -> "FleetTimes":
        """With the speeds of these legs in the current paces."""
        return FleetTimes(self.times, self.learned, self.times.paces(legs, now_s))

    def without_traffic(self) -> "FleetTimes":
        """As learned; the same object, if it is so already."""
        if self.current is self.learned:
            return self
        return FleetTimes(self.times, self.learned, self.learned)


def fleet_times(times: TravelTimes) -> FleetTimes:
    """Without traffic yet."""
    paces = times.paces()
    return FleetTimes(times, paces, paces)


class TravelBook:
    """See `haulcast.routes.travel.Travel`, of which this is the one that a hub has.

    `asked` are the fleets that somebody has asked for since the start: theirs are worth learning.

    Args:
        legs: what drives now; None: nobody looks, as in a command.
        engine: asked for matrices; None: what was learned answers.
        engine_timeout_s: a matrix of the engine takes no longer.
        now_ms, monotonic_s: the clock.
    """

    def __init__(
        self,
        legs: CurrentLegs | None,
        *,
        engine: RoadEngine | None = None,
        engine_timeout_s: float = 10.0,
        now_ms: Callable[[], int],
        monotonic_s: Callable[[], float],
    ) -> None:
        self.asked: set[str] = set()
        self._legs = legs
        self._engine = engine
        self._engine_timeout_s = engine_timeout_s
        self._now_ms = now_ms
        self._monotonic_s = monotonic_s
        self._untaught = fleet_times(untaught_travel_times())
        self._fleets: dict[str, FleetTimes] = {}  # of those that were taught, or drive now
        self._taught: set[str] = set()
        self._engine_again_s = 0.0
        self._is_engine_away = False
        self._matrices = {"learned": 0, "engine": 0}
        self._engine_failures = 0

    @property
    def counters(self) -> dict[str, Any]:
        """For the status and the metrics."""
        return {
            "fleets": len(self._taught),
            "legs": self._legs.taken if self._legs else 0,
            "matrices": dict(self._matrices),
            "engine_failures": self._engine_failures,
            "engine_away": self._is_engine_away,
        }

    def teach(self, fleet: str, times: FleetTimes) -> None:
        """Put what was learned of a fleet in force."""
        self._fleets[fleet] = times
        self._taught.add(fleet)

    def times(self, fleet: str) -> TravelTimes:
        """See `Travel`."""
        self._ask(fleet, self._now_ms())
        return self._of(fleet).times

    def paces(self, fleet: str, now_ms: int) -> Paces:
        """See `Travel`."""
        self._ask(fleet, now_ms)
        return self._of(fleet).current

    def _of(self, fleet: str) -> FleetTimes:
        return self._fleets.get(fleet, self._untaught)

    def _ask(self, fleet: str, now_ms: int) -> None:
        self.asked.add(fleet)
        if self._legs is not None:
            self._legs.ask(fleet, now_ms)

    def on_step(self, result: StepResult) -> None:
        """Take what a step tells of the traffic."""
        if self._legs is not None:
            self._legs.on_step(result)

    async def refresh(self, now_ms: int) -> None:
        """Bring the traffic of fleets that are asked for up to date; computed in a thread."""
        if self._legs is None:
            return
        self._legs.forget_unasked(now_ms)
        for fleet in {*self._legs.fleets, *self._fleets}:
            legs, known = self._legs.since(fleet, now_ms - CURRENT_MS), self._of(fleet)
            if legs is None or not len(legs.cell):
                self._put(fleet, known.without_traffic())
                continue
            fresh = await asyncio.to_thread(known.with_traffic, legs, now_ms / 1000.0)
            if self._of(fleet) is known:  # else it was taught meanwhile
                self._put(fleet, fresh)

    def _put(self, fleet: str, times: FleetTimes) -> None:
        if fleet in self._taught or times.current is not times.learned:
            self._fleets[fleet] = times
        else:
            self._fleets.pop(fleet, None)

    async def matrix(
        self, fleet: str, lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], departs_ms: int
    ) -> TravelMatrix:
        """See `Travel`."""
        check_places(lat_deg, lon_deg)
        self._ask(fleet, self._now_ms())
        if self._engine is not None and self._monotonic_s() >= self._engine_again_s:
            found = await self._from_engine(self._engine, lat_deg, lon_deg, departs_ms)
            if found is not None:
                self._matrices["engine"] += 1
                return found
        known = self._of(fleet)
        self._matrices["learned"] += 1
        return await asyncio.to_thread(
            known.times.matrix, lat_deg, lon_deg, departs_ms / 1000.0, known.current
        )

    async def _from_engine(
        self, engine: RoadEngine, lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], departs_ms: int
    ) -> TravelMatrix | None:
        """Its matrix; None: it failed, and the log says why."""
        try:
            async with asyncio.timeout(self._engine_timeout_s):
                found = await engine.matrix(lat_deg, lon_deg, departs_ms)
        except (RoadEngineError, TimeoutError) as error:
            slow = f"a matrix of {len(lat_deg)} places took longer than road_engine_timeout_s, {self._engine_timeout_s:g} s"
            reason = error.reason if isinstance(error, RoadEngineError) else slow
            self._engine_failures += 1
            self._engine_again_s = self._monotonic_s() + ENGINE_PAUSE_S
            self._is_engine_away = True
            log.warning("road_engine_failed", reason=reason, instead="learned travel times")
            return None
        except Exception:  # a fault of ours; who wants a matrix gets one
            self._engine_failures += 1
            log.exception("road_engine_failed", instead="learned travel times")
            return None
        if self._is_engine_away:
            log.info("road_engine_back")
        self._is_engine_away = False
        return found


def check_places(lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64]) -> None:
    """Refuse places that are none.

    Raises:
        RequestError: the columns differ in length, or a coordinate is out of its range.
    """
    if lat_deg.shape != lon_deg.shape or lat_deg.ndim != 1:
        raise RequestError("bad_places", f"{lat_deg.shape} latitudes and {lon_deg.shape} longitudes")
    for name, column, most in (("lat", lat_deg, 90.0), ("lon", lon_deg, 180.0)):
        wrong = np.flatnonzero(~(np.abs(column) <= most))  # NaN is wrong, too
        if len(wrong):
            reason = f"{name} of place {wrong[0]} is {column[wrong[0]]:g}; allowed is -{most:g} to {most:g}"
            raise RequestError("bad_places", reason, field=name)


async def keep_current(book: TravelBook, every_s: float, now_ms: Callable[[], int]) -> None:
    """Refresh for ever."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await book.refresh(now_ms())
        except Exception:  # the old paces stay; the next ones may be found
            log.exception("traffic_not_refreshed")
