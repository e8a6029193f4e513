"""The availability station as the hub has it: it hears of fixes, routes and profiles, keeps spans, and says who will be free over HTTP and on the live socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from starlette.routing import Route as HttpRoute

from haulcast import clock
from haulcast.availability import availability_api, quality_api
from haulcast.availability.availability_documents import AvailabilityNews
from haulcast.availability.dwell_store import PostgresDwellStore
from haulcast.availability.forecast import Forecast
from haulcast.availability.hours_of_service import HoursOfService
from haulcast.availability.monitoring import Monitoring, Tell, open_monitoring
from haulcast.availability.open_models import open_models
from haulcast.availability.route_ends import RouteEnds
from haulcast.availability.serving import Known, Serving
from haulcast.availability.span_store import MOST_MS, SpanStore
from haulcast.availability.span_store_postgres import PostgresSpanStore
from haulcast.availability.span_tracker import SpanTracker, State, Word
from haulcast.availability.span_writer import SpanWriter
from haulcast.database.pool import Database
from haulcast.doors.http_access import Verify
from haulcast.errors import StoreError
from haulcast.live_map.availability_lane import AvailabilityLane
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.routes.route_book import RouteBook
from haulcast.settings import Settings
from haulcast.tracking.step import HubState, StepResult

LOOK_BACK_MS: Final = 86_400_000
"""Of who has been off duty for longer nothing has to be remembered but what is read when its fleet is asked about."""
FLUSH_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class HubAvailability:
    """What the rest of the hub has of the station."""

    tracker: SpanTracker
    serving: Serving
    monitoring: Monitoring
    rows: VehicleRows
    speaker_row: Callable[[str, str], int]

    def on_step(self, result: StepResult) -> None:
        """Take the step's fixes that are not late."""
        accepted = result.accepted
        if len(accepted):
            in_order = accepted.take(np.flatnonzero(~result.is_late)) if result.is_late.any() else accepted
            self.tracker.take(in_order, result.now_ms)

    def p_free(self, fleet: str, vehicle: str, horizon_s: float) -> float | None:
        """How likely a driver is free so many seconds from now; None: nobody knows. For dispatching."""
        chance = self.serving.chance(fleet, vehicle, horizon_s)
        return None if chance is None or np.isnan(chance.p_free) else chance.p_free

    def say(self, fleet: str, vehicle: str, word: Word) -> State:
        """Take somebody's word; what the driver is then."""
        row = self.speaker_row(fleet, vehicle)
        self.tracker.say(row, word, clock.epoch_ms())
        return State(int(self.tracker.states(np.array([row]))[0]))

    def forget(self, row: int) -> None:
        """The vehicle is deleted."""
        self.tracker.forget(row, clock.epoch_ms())

    def routes(self, verify: Verify, find_vehicle: availability_api.FindVehicle, last: LastPositions) -> list[HttpRoute]:  # fmt: skip
        """What hangs under `/v1/vehicles/{id}`, to stand before that, and how good it is."""

        def is_seen(fleet: str, vehicle: str) -> bool:
            row = self.rows.find(fleet, vehicle)
            return row is not None and row < len(last.is_known) and bool(last.is_known[row])

        return [
            *availability_api.routes(self.serving, self.say, verify, find_vehicle, is_seen, clock.epoch_ms),
            *quality_api.routes(self.monitoring.quality, verify),
        ]


@contextlib.asynccontextmanager
async def open_availability(
    settings: Settings, database: Database, state: HubState, rows: VehicleRows, row_of: Callable[[str, str], int],
    speaker_row: Callable[[str, str], int], book: RouteBook, lane: AvailabilityLane, tell: Tell,
) -> AsyncIterator[HubAvailability]:  # fmt: skip
    """The station for the time of the block, as the last run left it; to be opened before the first tick.

    Args:
        settings: when a duty is over, and how often is said who will be free.
        database: where spans are kept.
        state: of the hub: the newest fixes, and where routes end.
        rows: of all vehicles.
        row_of: the row of (fleet, vehicle id), made if there is none.
        speaker_row: the same, of one that somebody speaks of, which is on record then.
        book: the routes and the profiles.
        lane: tells the live socket.
        tell: tells a fleet's live subscribers of alerts.

    Raises:
        StoreError: the store cannot be reached.
    """
    async with (
        open_models(settings, database) as shelf,
        open_monitoring(database, tell) as monitoring,
    ):
        tracker, store = SpanTracker(settings.duty_gap_s), PostgresSpanStore(database)
        writer = SpanWriter(tracker, store, rows, clock.epoch_ms)
        hours, ends = HoursOfService(), RouteEnds(state.routes.ends)
        known = Known(
            rows, row_of, tracker, writer, store, PostgresDwellStore(database), hours, ends,
            is_seen=lambda: state.last.is_known,
        )  # fmt: skip
        serving = Serving(
            known, model_of=shelf.current, modelled=shelf.fleets, watched=lambda: lane.fleets,
            every_s=settings.availability_every_s, now_ms=clock.epoch_ms,
        )  # fmt: skip
        tracker.listeners = [writer.closed, serving.closed]
        serving.on_forecast += [_teller(lane, rows), monitoring.on_forecast]
        await _restore(tracker, store, state.last, row_of)
        _follow(book, tracker, hours, ends, row_of)
        tasks = [asyncio.create_task(writer.run(), name="spans"), asyncio.create_task(serving.run(), name="availability")]  # fmt: skip
        try:
            yield HubAvailability(tracker, serving, monitoring, rows, speaker_row)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(StoreError, TimeoutError):
                await asyncio.wait_for(writer.flush(), FLUSH_S)


async def _restore(
    tracker: SpanTracker, store: SpanStore, last: LastPositions, row_of: Callable[[str, str], int]
) -> None:
    """Who was on duty, and busy, when the last run ended; the newest span of each kind comes last."""
    now_ms = clock.epoch_ms()
    for fleet in await store.fleets():
        spans = await store.read(fleet, now_ms - LOOK_BACK_MS, MOST_MS)
        for (vehicle, _), span in {(span.vehicle, span.kind): span for span in spans}.items():
            row = row_of(fleet, vehicle)
            seen = None
            if last.is_known[row]:
                times = int(last.time_ms[row]), int(last.received_ms[row])
                seen = (*times, float(last.lat_deg[row]), float(last.lon_deg[row]))
            tracker.restore(row, span, seen, now_ms)


def _follow(
    book: RouteBook, tracker: SpanTracker, hours: HoursOfService, ends: RouteEnds, row_of: Callable[[str, str], int]
) -> None:  # fmt: skip
    """Hear of routes and profiles from now on."""

    def touch(fleet: str, vehicle: str) -> None:
        row, route = row_of(fleet, vehicle), book.active(fleet, vehicle)
        tracker.follow(row, clock.epoch_ms(), has_route=route is not None and bool(route.ahead))
        ends.follow(row, route)
        hours.describe(row, book.profile(fleet, vehicle))

    driven = {(route.fleet, route.vehicle) for route in book.all_active()}
    for fleet, vehicle in sorted(driven | set(book.all_profiled())):
        touch(fleet, vehicle)
    tracker.settle()
    book.listeners.append(touch)


def _teller(lane: AvailabilityLane, rows: VehicleRows) -> Callable[[str, Forecast], None]:
    """Tells the live socket what is news of each forecast."""
    news: dict[str, AvailabilityNews] = {}

    def tell(fleet: str, forecast: Forecast) -> None:
        if fleet not in lane.fleets:
            news.pop(fleet, None)
            return
        number = rows.fleet_number_of(fleet)
        if fleet not in news or not lane.has_said(number):
            news[fleet] = AvailabilityNews()
        lane.take(number, news[fleet].of(forecast))

    return tell
