"""The routes that are driven: the set that steps go by, what is known of them meanwhile, and the marks that go back into the store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from geo.route_progress import RouteLimits
from haulcast import clock
from haulcast.checkpoints.waiting_events import WaitingEvents
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.routes.active_routes import ActiveRoutes
from haulcast.routes.mark_writer import MarkWriter
from haulcast.routes.route_documents import OutlookOf, RouteOutlook
from haulcast.routes.route_edits import RouteEdits
from haulcast.routes.route_watch import RouteNow, RouteWatch
from haulcast.routes.travel import Travel
from haulcast.settings import Settings


@dataclass(frozen=True, slots=True)
class Driving:
    """What the rest of the hub needs of them."""

    edits: RouteEdits
    active: ActiveRoutes
    row_of: Callable[[str, str], int]

    def marks(self, watch: RouteWatch, events: WaitingEvents) -> MarkWriter:
        """Takes what the steps tell of stops to the store, after the events that tell it."""
        return MarkWriter(watch.take_marks, self.edits.mark_stops, lambda: events.stored_until(events.told))

    def outlook_of(self, watch: RouteWatch) -> OutlookOf:
        """What is known of an active route by (fleet, route id), for its document."""

        def outlook_of(fleet: str, route_id: str) -> RouteOutlook | None:
            route = self.edits.book.route(fleet, route_id)
            now = None if route is None else watch.now_of(self.row_of(fleet, route.vehicle))
            return None if now is None or now.route_id != route_id else _outlook(now)

        return outlook_of


@asynccontextmanager
async def open_driving(
    edits: RouteEdits, travel: Travel, row_of: Callable[[str, str], int], on_swap: Callable[[], None]
) -> AsyncIterator[Driving]:
    """The active routes of the book in force, and kept so for the time of the block."""
    active = ActiveRoutes(edits.book, travel, row_of, clock.epoch_ms, on_swap)
    await active.build()
    running = asyncio.create_task(active.run())
    try:
        yield Driving(edits, active, row_of)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def route_watch(settings: Settings, catalogue: Callable[[], FenceCatalogue]) -> RouteWatch:
    """The step's stage, as it is set."""
    limits = RouteLimits(
        off_m=settings.off_route_m, on_m=settings.off_route_m / 2, off_after_s=settings.off_route_s
    )
    return RouteWatch(lambda handle: catalogue().id_of(handle), limits, settings.late_risk_s)


def _outlook(now: RouteNow) -> RouteOutlook:
    etas_ms = {stop_id: eta_ms for stop_id, (eta_ms, _) in now.stops.items()}
    late_s = {stop_id: round(late, 1) for stop_id, (_, late) in now.stops.items()}
    if now.time_ms is None:
        return RouteOutlook(etas_ms, late_s)
    metres = {"left_m": now.left_m, "along_m": now.along_m}
    known = {name: round(value, 1) for name, value in metres.items() if value is not None}
    return RouteOutlook(etas_ms, late_s, {"is_off_route": now.is_off_route, **known, "time": now.time_ms})
