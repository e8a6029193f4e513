"""The routes of the reports over a history in memory, for tests: fixes in, documents out."""

from typing import Any

import httpx
import numpy as np
from starlette.applications import Starlette

from geo.positions import COLUMNS, PositionBatch, position_batch
from geo.track_filter import FilterLimits
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import StoreError
from haulcast.history.history_store import DAY_MS, HistoryPage
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.reports.report_api import routes

NOW_MS = 1_790_000_000_000
M_DEG = 1 / 111_320
LIMITS = FilterLimits(60_000, DAY_MS, 90.0, 200.0, 2_000.0, 100.0, 1_000.0)


class FailingStore(MemoryHistoryStore):
    """Fails after `reads` portions, when that is not None."""

    reads: int | None = None

    async def read(self, *arguments: Any) -> HistoryPage:
        if self.reads is not None:
            self.reads -= 1
            if self.reads < 0:
                raise StoreError("database_unreachable", "it is away")
        return await super().read(*arguments)


def drive(
    seconds: Any, east_m: Any, *, start_ms: int = NOW_MS - 3_600_000, row: int = 0, lat: float = 48.0, lon: float = 11.0,
    attributes: dict[int, bytes] | None = None, **columns: Any,
) -> PositionBatch:  # fmt: skip
    """Fixes of a vehicle these seconds after a start, this far east of a place."""
    batch = position_batch(len(seconds))
    batch.row[:] = row
    batch.time_ms[:] = start_ms + np.asarray(seconds) * 1000
    batch.received_ms[:] = batch.time_ms + 40
    batch.seq[:] = np.arange(len(seconds))
    batch.lat_deg[:] = lat
    batch.lon_deg[:] = (lon + np.asarray(east_m) * M_DEG / np.cos(np.radians(lat)) + 180) % 360 - 180
    for name, values in columns.items():
        getattr(batch, name)[:] = values
    return PositionBatch(**{name: getattr(batch, name) for name in COLUMNS}, attributes=attributes or {})


class ReportHub:
    """Vehicle `v0` is row 0 of acme, and so on; rows from 100 are globex's. `parked` is on record in acme."""

    def __init__(self, *, has_history: bool = True, store: FailingStore | None = None) -> None:
        self.store = store or FailingStore(self.name_of)
        self.rows, self.last = VehicleRows(), LastPositions()
        self.app = Starlette(
            routes=routes(
                self.store if has_history else None, self._verify, self.rows, self.last, self._find, lambda: NOW_MS,
                LIMITS,
            ),
            exception_handlers=exception_handlers(),
        )  # fmt: skip
        self._transport = httpx.ASGITransport(self.app)

    @staticmethod
    def name_of(row: int) -> tuple[str, str]:
        return ("acme" if row < 100 else "globex", f"v{row % 100}")

    @staticmethod
    def _verify(token: str) -> Claims:
        fleet, _, role = token.partition("/")
        return Claims(fleet, role)

    @staticmethod
    async def _find(fleet: str, vehicle: str) -> object:
        return True if (fleet, vehicle) in {("acme", "parked"), ("acme", "a/b ä")} else None

    def client(self, token: str = "acme/viewer") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=self._transport, base_url="http://hub", headers=headers)

    def place(self, fleet: str, *vehicles: str, attributes: dict[int, bytes] | None = None) -> None:
        """Each of these vehicles is somewhere."""
        fixes = drive(np.zeros(len(vehicles)), np.arange(len(vehicles)), attributes=attributes)
        fixes.row[:] = [self.rows.row_of(fleet, vehicle) for vehicle in vehicles]
        self.last.ensure_rows(len(self.rows))
        self.last.keep(fixes)


async def all_pages(client: httpx.AsyncClient, path: str, name: str) -> list[list[dict[str, Any]]]:
    """Every page's things, following the links."""
    pages = []
    while path:
        answer = (await client.get(path)).raise_for_status().json()
        pages.append(answer[name])
        path = answer.get("next")
    return pages
