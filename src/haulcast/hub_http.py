"""What the hub serves over HTTP, put together: every route there is, in the order in which they are tried."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from geo.track_filter import FilterLimits
from haulcast import clock, status_api
from haulcast.access.gate import Gate
from haulcast.database.pool import Database
from haulcast.doors import problems
from haulcast.doors.page_socket import PageSockets
from haulcast.events import reading
from haulcast.fences import fence_api
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.fences.fence_edits import FenceEdits
from haulcast.history.history_store import HistoryStore
from haulcast.hub_availability import HubAvailability
from haulcast.hub_counters import HubCounters
from haulcast.hub_dispatch import dispatch_routes
from haulcast.hub_plans import Planning
from haulcast.hub_routes import HubRoutes
from haulcast.live_map import page_files
from haulcast.metrics import metrics_api
from haulcast.openapi import openapi_api
from haulcast.phones import phone_api, phone_id_api
from haulcast.phones.osmand_port import OsmandPort
from haulcast.phones.phone_id_store_postgres import PostgresPhoneIdStore
from haulcast.phones.reporters import Reporters
from haulcast.positions.last_positions import LastPositions
from haulcast.reports import report_api
from haulcast.routes.travel import Travel
from haulcast.rules import rule_api
from haulcast.rules.rule_edits import RuleEdits
from haulcast.settings import Settings
from haulcast.vehicles import vehicle_api
from haulcast.vehicles.vehicle_edits import VehicleEdits


@dataclass(frozen=True, slots=True, kw_only=True)
class HubHttp:
    """Who answers. `checks` say what keeps the hub from being ready; `position_of` and `forget` are of (fleet, vehicle id)."""

    settings: Settings
    database: Database
    gate: Gate
    counters: HubCounters
    last: LastPositions
    catalogue: FenceCatalogue
    fence_edits: FenceEdits
    rule_edits: RuleEdits
    vehicle_edits: VehicleEdits
    history_store: HistoryStore | None
    limits: FilterLimits
    page_sockets: PageSockets
    checks: dict[str, status_api.Check]
    position_of: Callable[[str, str], dict[str, Any] | None]
    forget: Callable[[str, str], None]
    routes: HubRoutes
    plans: Planning
    travel: Travel
    availability: HubAvailability

    def application(self) -> ASGIApp:
        """The application of all ports, behind the gate's guard."""
        phone_ids = PostgresPhoneIdStore(self.database)
        reporters = Reporters(self.gate.verify, phone_ids, self.gate.count)
        phones = (reporters, self.counters.submissions, self.settings)
        routes: list[BaseRoute] = [
            *self._own_routes(),
            *self._station_routes(),
            *phone_id_api.routes(phone_ids, self.gate.verify),
            *phone_api.routes(*phones),
            *self.gate.routes(),
            *openapi_api.routes(),
            *self.page_sockets.routes(),
            *page_files.routes(self.settings),
        ]
        handlers = problems.exception_handlers()
        application: ASGIApp = Starlette(routes=routes, exception_handlers=handlers)
        if port := self.settings.osmand_port:
            osmand = Starlette(routes=phone_api.osmand_routes(*phones), exception_handlers=handlers)
            application = OsmandPort(port, osmand, application)
        return self.gate.guard(application)

    def _own_routes(self) -> Iterator[BaseRoute]:
        spared: dict[str, status_api.Check] = {"database": self.database.trouble}
        yield from status_api.routes(self.gate.verify, self.checks, spared, self.counters.status)
        yield from metrics_api.routes(self.gate.verify, self.settings.metrics_token, self.counters)

    def _station_routes(self) -> Iterator[BaseRoute]:
        verify = self.gate.verify
        find_vehicle, find_fence = self.vehicle_edits.store.find, self.fence_edits.store.find
        # what hangs under /v1/vehicles/{id} and /v1/fences/{id} before those, since an id may have slashes
        yield from reading.routes(self.database, verify, find_vehicle, find_fence, clock.epoch_ms)
        yield from report_api.routes(
            self.history_store,
            verify,
            self.counters.rows,
            self.last,
            find_vehicle,
            clock.epoch_ms,
            self.limits,
        )
        yield from self.routes.routes(verify)
        yield from self.plans.routes(verify)
        yield from self.availability.routes(verify, find_vehicle, self.last)
        yield from dispatch_routes(
            self.settings, self.routes.edits, self.counters.rows, self.last, self.vehicle_edits.tags, self.travel, verify, find_vehicle,
            self.availability.p_free,
        )  # fmt: skip
        yield from fence_api.routes(self.fence_edits, verify)
        yield from rule_api.routes(self.rule_edits, verify, self.catalogue.find_tags)
        yield from vehicle_api.routes(self.vehicle_edits, verify, self.position_of, self.forget)
        yield from self.counters.webhooks.routes(verify)
