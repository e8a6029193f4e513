"""Says of the drivers of every fleet that somebody asks about who will be free, every few seconds, in a thread.

A fleet is served while it has a model, while somebody watches it, and for some time after a question. Its past is read from the store when that begins, and again now and then.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from haulcast import clock
from haulcast.availability.dwell_store import DwellStore
from haulcast.availability.fleet_past import FleetPast
from haulcast.availability.forecast import Chance, Forecast
from haulcast.availability.forecasting import Drivers, LiveModel, forecast
from haulcast.availability.hours_of_service import HoursOfService
from haulcast.availability.route_ends import RouteEnds
from haulcast.availability.span_store import KEPT_MS, MOST_MS, SpanStore
from haulcast.availability.span_tracker import Closed, SpanTracker, State
from haulcast.availability.span_writer import SpanWriter
from haulcast.errors import StoreError
from haulcast.positions.vehicle_rows import VehicleRows

ASKED_S: Final = 600.0
"""A fleet is served for so long after the last question."""
READ_AGAIN_S: Final = 6 * 3_600.0
"""What was put into the store beside the hub counts by then."""
READ_RETRY_S: Final = 30.0
QUICK_S: Final = 0.2
REST: Final = 2.0
"""After a pass this many times its own duration nothing is done, so that it takes a third of a core at most."""

log = structlog.get_logger("haulcast.availability")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of drivers while the hub runs.

    Attributes:
        row_of: the row of (fleet, vehicle), made if there is none.
        is_seen: bool by row, whether there is a newest fix.
    """

    rows: VehicleRows
    row_of: Callable[[str, str], int]
    tracker: SpanTracker
    writer: SpanWriter
    store: SpanStore
    dwells: DwellStore
    hours: HoursOfService
    ends: RouteEnds
    is_seen: Callable[[], NDArray[np.bool_]]


@dataclass(slots=True)
class _Served:
    past: FleetPast = field(default_factory=FleetPast)
    asked_s: float = -np.inf
    read_s: float = -np.inf
    version: str | None = None
    newest: Forecast | None = None
    took_s: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Serving:
    """The forecasts of all fleets. Every method is called from the event loop's thread, but for `chance` and `newest`, which any may call.

    Args:
        known: of drivers.
        model_of: a fleet's model in force; None: there is none.
        modelled: fleets that have one.
        watched: fleets that somebody hears of on the live socket.
        every_s: between two passes.
        now_ms: the clock.

    Attributes:
        on_forecast: told of each new one, with its fleet.
        passes: since the start.
        longest_s: of the longest of them.
    """

    def __init__(
        self,
        known: Known,
        *,
        model_of: Callable[[str], LiveModel | None],
        modelled: Callable[[], Collection[str]],
        watched: Callable[[], Collection[str]],
        every_s: float,
        now_ms: Callable[[], int],
    ) -> None:
        self.on_forecast: list[Callable[[str, Forecast], None]] = []
        self.passes = 0
        self.longest_s = 0.0
        self._known = known
        self._model_of = model_of
        self._modelled = modelled
        self._watched = watched
        self._every_s = every_s
        self._now_ms = now_ms
        self._served: dict[str, _Served] = {}

    @property
    def counters(self) -> dict[str, float]:
        """Fleets that are served now, drivers of whom something is said, passes since the start and how long the longest was; and of the spans those that wait for the store, and those lost."""
        newest = [served.newest for served in list(self._served.values()) if served.newest is not None]
        writer = self._known.writer
        return {
            "fleets": len(newest), "drivers": sum(len(one.vehicles) for one in newest), "passes": self.passes,
            "longest_s": round(self.longest_s, 3), "spans_waiting": writer.waiting, "spans_lost": writer.lost,
        }  # fmt: skip

    def closed(self, closed: Closed) -> None:
        """Spans that others have followed: they are the past of the fleets that are served."""
        if not self._served:
            return
        numbers, handles = self._known.rows.fleet_number[closed.row], self._known.rows.handle[closed.row]
        for fleet, served in list(self._served.items()):
            own = numbers == self._known.rows.fleet_number_of(fleet)
            if own.any():
                served.past.add(handles[own].astype(np.int64), closed.kind, closed.spans[own])

    def newest(self, fleet: str) -> Forecast | None:
        """What was said last; asks for more. None: nothing yet."""
        served = self._served.setdefault(fleet, _Served())
        served.asked_s = self._now_ms() / 1000.0
        return served.newest

    def chance(self, fleet: str, vehicle: str, horizon_s: float) -> Chance | None:
        """Of one driver so many seconds from now; None: nothing is known yet."""
        newest = self.newest(fleet)
        number = None if newest is None else newest.number_of(vehicle)
        if newest is None or number is None:
            return None
        return newest.at(number, self._now_ms() / 1000.0 - newest.at_s + horizon_s)

    async def current(self, fleet: str, vehicle: str) -> Forecast:
        """What is said now: the newest, unless that is older than two passes, or this driver is something else since and a pass is quick."""
        newest, now_s = self.newest(fleet), self._now_ms() / 1000.0
        if newest is None or now_s - newest.at_s >= 2 * self._every_s:
            return await self._serve(fleet, now_s)
        if self._served[fleet].took_s > QUICK_S or self._is_as_said(fleet, vehicle, newest):
            return newest
        return await self._serve(fleet, now_s)

    def _is_as_said(self, fleet: str, vehicle: str, newest: Forecast) -> bool:
        row, number = self._known.rows.find(fleet, vehicle), newest.number_of(vehicle)
        if row is None:
            return True
        self._known.tracker.ensure_rows(row + 1)
        state = self._known.tracker.states(np.array([row]))[0]
        return bool(state == (State.OFF if number is None else newest.state[number]))

    async def run(self) -> None:
        """Serve, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            self._known.tracker.look(self._now_ms())
            self._known.ends.learn(self._now_ms() / 1000.0)
            for fleet in self._wanted():
                try:
                    await self._serve(fleet)
                except Exception:
                    log.exception("fleet_not_served", fleet=fleet)
            took_s = loop.time() - began_s
            await asyncio.sleep(max(self._every_s - took_s, REST * took_s))

    def _wanted(self) -> list[str]:
        now_s = self._now_ms() / 1000.0
        wanted = {*self._modelled(), *self._watched()}
        for fleet in wanted:
            self._served.setdefault(fleet, _Served())
        for fleet in [one for one, served in list(self._served.items()) if one not in wanted and served.asked_s + ASKED_S < now_s]:  # fmt: skip
            del self._served[fleet]
        return sorted(self._served)

    async def _serve(self, fleet: str, since_s: float = np.inf) -> Forecast:
        """Make a forecast, unless another that waited has made one after this moment."""
        served = self._served.setdefault(fleet, _Served())
        async with served.turn:
            if served.newest is not None and served.newest.at_s >= since_s:
                return served.newest
            model = self._model_of(fleet)
            await self._read(fleet, served, model)
            self._known.tracker.look(self._now_ms())
            rows = self._rows_of(fleet)
            drivers = self._drivers(rows)
            current, waiting = self._known.tracker.spans[:, rows], served.past.waiting
            made, took_s = await asyncio.to_thread(_made, served.past, current, waiting, drivers, model)
            served.newest, served.took_s = made, took_s
        self.passes += 1
        self.longest_s = max(self.longest_s, took_s)
        for listener in self.on_forecast:
            try:
                listener(fleet, made)
            except Exception:
                log.exception("forecast_not_heard", fleet=fleet)
        return made

    async def _read(self, fleet: str, served: _Served, model: LiveModel | None) -> None:
        """The past as it is stored, at first, with another model, and now and then."""
        now_s = self._now_ms() / 1000.0
        version = None if model is None else model.version
        if version == served.version and now_s < served.read_s + READ_AGAIN_S:
            return
        known = self._known
        try:
            await known.writer.flush()
            now_ms = self._now_ms()
            stored = await known.store.columns(fleet, now_ms - KEPT_MS, MOST_MS)
            known.ends.take_dwells(fleet, await known.dwells.dwells(fleet))
        except StoreError as error:
            log.warning("past_not_read", fleet=fleet, reason=error.reason)
            served.version, served.read_s = version, now_s - READ_AGAIN_S + READ_RETRY_S
            return
        found = [known.row_of(fleet, vehicle) for vehicle in stored.vehicles]
        handles = known.rows.handle[found].astype(np.int64) if found else np.empty(0, np.int64)
        rows, past = self._rows_of(fleet), served.past
        current, waiting = known.tracker.spans[:, rows], past.waiting
        origin, zone_s = (None, None) if model is None else (model.origin, model.zone_s)
        await asyncio.to_thread(past.take, stored, handles, current, waiting, origin, zone_s)
        served.version, served.read_s = version, now_s

    def _rows_of(self, fleet: str) -> NDArray[np.intp]:
        rows = self._known.rows.rows_of_fleet(self._known.rows.fleet_number_of(fleet)).astype(np.intp)
        self._known.tracker.ensure_rows(int(rows.max(initial=-1)) + 1)
        return rows

    def _drivers(self, rows: NDArray[np.intp]) -> Drivers:
        """Of these rows those of whom anything is known."""
        known, tracker = self._known, self._known.tracker
        is_seen = known.is_seen()
        has_fix = np.zeros(len(rows), np.bool_)
        has_fix[rows < len(is_seen)] = is_seen[rows[rows < len(is_seen)]]
        number = np.flatnonzero(has_fix | tracker.is_known(rows))
        own = rows[number]
        closes_s, left_s = known.hours.limits(own, tracker.driven_s[own])
        return Drivers(
            [known.rows.vehicle_of[row] for row in own.tolist()], number, tracker.states(own), known.ends.done_s(own),
            closes_s, left_s, self._now_ms() / 1000.0, known.ends.spread,
        )  # fmt: skip


def _made(
    past: FleetPast, current: NDArray[np.void], waiting: int, drivers: Drivers, model: LiveModel | None
) -> tuple[Forecast, float]:
    begun_s = clock.monotonic_s()
    made = forecast(drivers, past.past(current, waiting, drivers.at_s), model)
    return made, clock.monotonic_s() - begun_s
