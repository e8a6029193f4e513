"""A hub behind the phones' endpoints without sockets and processes: real routes, inbox, tick and step; phone ids in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from starlette.applications import Starlette

from geo.fence_set import build_fence_set
from geo.track_filter import FilterLimits
from haulcast.clock import epoch_ms, monotonic_s
from haulcast.devices.device_frames import decode_frames
from haulcast.doors.problems import exception_handlers
from haulcast.doors.socket_session import Claims
from haulcast.errors import NotFoundError, TokenError
from haulcast.fences.watch import FenceWatch
from haulcast.phones import phone_api, phone_id_api
from haulcast.phones.reporters import Reporters
from haulcast.phones.submissions import Submissions
from haulcast.positions.inbox import Inbox
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings
from haulcast.tracking.loop import TickLoop
from haulcast.tracking.step import HubState, StepResult


def verify(token: str) -> Claims:
    """Claims of `fleet/role/vehicle`."""
    fleet, slash, rest = token.partition("/")
    role, _, vehicle = rest.partition("/")
    if not slash:
        raise TokenError("bad_token" if token else "no_token", "no")
    return Claims(fleet, role, vehicle or None)


class MemoryPhoneIds:
    """Implements `phone_id_store.PhoneIdStore` for the vehicles it is given."""

    def __init__(self, *vehicles: tuple[str, str]) -> None:
        self.digests = dict.fromkeys(vehicles, b"")

    async def put(self, fleet: str, vehicle_id: str, digest: bytes) -> None:
        if (fleet, vehicle_id) not in self.digests:
            raise NotFoundError("no_such_vehicle", "no")
        self.digests[fleet, vehicle_id] = digest

    async def find(self, digest: bytes) -> tuple[str, str] | None:
        return next((vehicle for vehicle, known in self.digests.items() if known == digest), None)

    async def delete(self, fleet: str, vehicle_id: str) -> None:
        if not self.digests.get((fleet, vehicle_id)):
            raise NotFoundError("no_such_phone_id", "no")
        self.digests[fleet, vehicle_id] = b""


@dataclass
class PhoneApp:
    """One hub, and what its steps found."""

    settings: Settings
    ids: MemoryPhoneIds = field(default_factory=lambda: MemoryPhoneIds(("acme", "truck-7")))
    results: list[StepResult] = field(default_factory=list)
    stored_error: Exception | None = None
    is_ticking: bool = True

    def __post_init__(self) -> None:
        self.rows = VehicleRows()
        self.state = HubState(FenceWatch(first_visit=1))
        self.inbox = Inbox(self.settings.inbox_bytes)
        self.submissions = Submissions(
            self.inbox, self.state.track, row_of=self._row_of, stored=self._stored, now_ms=epoch_ms
        )
        fences = build_fence_set([], 0)
        self.loop = TickLoop(
            self.state, self.inbox,
            limits=FilterLimits(*(getattr(self.settings, name) for name in FilterLimits._fields)),
            tick_ms=self.settings.tick_ms, step_fixes=self.settings.step_fixes,
            decode=self._decode, fence_set=lambda: fences, listeners=[self.results.append, self.submissions.on_step],
            now_ms=epoch_ms, monotonic_s=monotonic_s, call_later=self._call_later,
        )  # fmt: skip
        reporters = Reporters(verify, self.ids)
        self.app = Starlette(
            routes=[
                *phone_api.routes(reporters, self.submissions, self.settings),
                *phone_id_api.routes(self.ids, verify),
            ],
            exception_handlers=exception_handlers(),
        )

    def client(self, token: str = "acme/device/truck-7") -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers)

    @property
    def accepted(self) -> list[tuple[str, int]]:
        """Vehicle and time of every fix that was taken, in order."""
        return [
            (self.rows.vehicle_of[row], time_ms)
            for result in self.results
            for row, time_ms in zip(
                result.accepted.row.tolist(), result.accepted.time_ms.tolist(), strict=True
            )
        ]

    def _row_of(self, fleet: str, vehicle: str) -> int:
        row = self.rows.row_of(fleet, vehicle)
        self.state.ensure_rows(len(self.rows), self.rows.fleet_number)
        return row

    def _decode(self, waiting, received_ms):
        batch, _ = decode_frames(waiting, received_ms, self.settings.frame_fixes)
        return self.submissions.join(batch, waiting.batches, received_ms)

    def _call_later(self, delay_s, call):
        if self.is_ticking:
            asyncio.get_running_loop().call_later(delay_s, call)

    async def _stored(self, _tick: int) -> None:
        if self.stored_error is not None:
            raise self.stored_error


@asynccontextmanager
async def phone_app(**settings: object) -> AsyncIterator[PhoneApp]:
    """A hub whose filter takes fixes of any age."""
    yield PhoneApp(Settings(**{"late_ms": 3_153_600_000_000, **settings}))
