"""The composition root: the only file that knows every concrete class, and the order in which they start and stop."""

import asyncio
import contextlib
import secrets
import socket
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from geo.positions import PositionBatch
from geo.track_filter import FilterLimits
from haulcast import clock, hub_chores, hub_driving
from haulcast.access.gate import open_gate
from haulcast.checkpoints.checkpoint_loop import CheckpointLoop, saving
from haulcast.checkpoints.checkpoint_store_postgres import PostgresCheckpointStore
from haulcast.checkpoints.restoring import first_number, restore_vehicles
from haulcast.database.pool import Database, open_database
from haulcast.devices.device_frames import decode_frames
from haulcast.devices.device_sessions import DeviceSessions
from haulcast.doors import http_server
from haulcast.doors.close_codes import CloseCode
from haulcast.doors.fast_server import serve_fast_socket
from haulcast.doors.handshake import SocketPath
from haulcast.doors.page_socket import PageSockets
from haulcast.doors.socket_session import Admission, SocketSession
from haulcast.doors.tokens import shared_secrets
from haulcast.doors.wire import DEVICE_PATH, LIVE_PATH
from haulcast.errors import StoreError
from haulcast.events import reading
from haulcast.events.event_store_postgres import PostgresEventStore
from haulcast.fences.watch import FenceWatch
from haulcast.history.history_store import HistoryStore
from haulcast.history.history_writer import HistoryWriter, writing
from haulcast.history.open_history import open_history
from haulcast.history.retention import keep_days
from haulcast.hub_availability import open_availability
from haulcast.hub_counters import HubCounters
from haulcast.hub_edits import hub_edits
from haulcast.hub_http import HubHttp
from haulcast.hub_kernels import warm_up
from haulcast.hub_plans import planning
from haulcast.hub_redo import redo_stored
from haulcast.hub_routes import hub_routes
from haulcast.live_map.fan_out import FanOut
from haulcast.live_map.live_session import LiveSession
from haulcast.live_map.playbacks import Playbacks
from haulcast.phones.submissions import Submissions
from haulcast.positions.inbox import Inbox, WaitingFrames
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.rules.rule_scope import RuleScope
from haulcast.rules.rule_watch import RuleWatch
from haulcast.settings import Settings
from haulcast.tracking.event_documents import EventDocuments
from haulcast.tracking.loop import TickLoop
from haulcast.tracking.step import HubState, StepResult
from haulcast.travel.open_travel import open_travel
from haulcast.vehicles.vehicle_registry import VehicleRegistry, vehicle_registry
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore
from haulcast.webhooks.sending import webhook_sending

log = structlog.get_logger("haulcast.hub")

LOSSY_TICKS = 1_000  # in which the full history dropped fixes; longer than a phone waits for its answer


class Hub:
    """Everything of one process, wired: sockets -> inbox -> tick -> sessions and maps."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._secrets = shared_secrets(settings)
        self._limits = FilterLimits(*(getattr(settings, name) for name in FilterLimits._fields))
        self._rows = VehicleRows()
        first_visit, window_ms = clock.epoch_ms() * 1000, int(settings.late_window_s * 1000)
        self._state = HubState(
            FenceWatch(first_visit, settings.late_fixes, window_ms),
            RuleWatch(RuleScope(lambda of: self._edits.fence_facts(of), self._vehicle_facts)),  # noqa: PLW0108 - read later
            hub_driving.route_watch(settings, lambda: self._catalogue),
        )
        self._inbox = Inbox(settings.inbox_bytes)
        self._lossy_ticks: deque[int] = deque(maxlen=LOSSY_TICKS)
        self._history_store: HistoryStore | None = None
        self._playbacks: Playbacks | None = None
        self._is_warm = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start, serve for the time of the block, and stop: ticks done, everybody told to come back.

        Raises:
            HaulcastError: a setting, the database or an address is not usable.
        """
        async with contextlib.AsyncExitStack() as stack:
            listening = [
                stack.enter_context(http_server.listening(name, self.settings.host, port))
                for name, port in self._http_ports()
            ]
            warming = asyncio.create_task(asyncio.to_thread(warm_up))
            stack.callback(warming.cancel)
            database = await stack.enter_async_context(open_database(self.settings))
            gate = self._gate = await stack.enter_async_context(
                open_gate(self.settings, self._secrets, database)
            )
            registry = await stack.enter_async_context(vehicle_registry(PostgresVehicleStore(database)))
            if not warming.done():
                log.info("compiling", hint="the first start on a machine takes up to a minute longer")
            await warming
            self._webhooks = await stack.enter_async_context(webhook_sending(database, self.settings))
            await self._read_stores(stack, database)
            await self._restore(stack, database)
            self._wire(registry)
            await self._open_plans(stack, database)
            if self._history:
                await stack.enter_async_context(writing(self._history))
            self._counters = HubCounters(
                loop=self._loop, state=self._state, inbox=self._inbox, rows=self._rows, sessions=self._sessions,
                catalogue=self._catalogue, rule_book=self._rule_book, fan_out=self._fan_out, history=self._history,
                checkpoints=self._checkpoints, database=database, gate=gate, submissions=self._submissions, webhooks=self._webhooks,
                playbacks=self._playbacks, travel=self._travel, availability=self._availability.serving,
                monitoring=self._availability.monitoring,
            )  # fmt: skip
            self._is_warm = True
            page_sockets = PageSockets(self._door, self.settings)
            gate.watch(page_sockets.sockets)
            host, port = self.settings.host, self.settings.hub_port
            with http_server.address("hub_port", host, port):
                fast = await serve_fast_socket(host, port, self.settings, self._door, gate.crowd())
            gate.watch(fast.sockets)
            self._counters.sockets.extend((fast.sockets, page_sockets.sockets))
            # last, so that who asks whether the hub is ready finds all of it
            await stack.enter_async_context(self._serving_http(listening, database, page_sockets))
            for chore in self._chores(database):
                stack.callback(asyncio.create_task(chore).cancel)
            log.info(
                "ready", http_port=listening[0].getsockname()[1], hub_port=fast.port,
                fences=len(self._catalogue), rules=len(self._rule_book), database=database.name,
            )  # fmt: skip
            try:
                yield
            finally:
                await self._finish()
                goodbye = (CloseCode.GOING_AWAY, "the hub stops; come back", self.settings.stop_timeout_s / 3)
                await asyncio.gather(fast.stop(*goodbye), page_sockets.stop(*goodbye))

    def _chores(self, database: Database) -> Iterator[hub_chores.Chore]:
        yield self._counters.summarise(self.settings.summary_interval_s)
        yield reading.forgetting(database, self.settings.history_days, clock.epoch_ms)
        yield self._marks.run()
        yield from hub_chores.chores(self.settings, self._loop, self._state, self._sessions)

    async def _finish(self) -> None:
        """Step, store and ack what has come."""
        self._loop.finish()
        if self._history:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._history.settled(), self.settings.stop_timeout_s / 3)
        self._sessions.ack_all()

    def _http_ports(self) -> Iterator[tuple[str, int]]:
        yield "http_port", self.settings.http_port
        if self.settings.osmand_port:
            yield "osmand_port", self.settings.osmand_port

    async def _read_stores(self, stack: contextlib.AsyncExitStack, database: Database) -> None:
        """What users have said of vehicles, rules and fences, before the first step; and from now on their edits."""
        edits = self._edits = await stack.enter_async_context(
            hub_edits(
                database, self._rows.fleet_number_of,
                on_change=self._wake, on_vehicle_tags=self._on_vehicle_tags, on_fence_tags=self._on_fence_tags,
            )
        )  # fmt: skip
        self._catalogue, self._rule_book = edits.catalogue, edits.rule_book
        self._routes = await stack.enter_async_context(
            hub_routes(database, edits.fences, self.settings.history_days)
        )

    async def _restore(self, stack: contextlib.AsyncExitStack, database: Database) -> None:
        """Go on where the last run was; from now on write down what the next one will need."""
        checkpoint_store = PostgresCheckpointStore(database)
        await restore_vehicles(checkpoint_store, self._state, self._rows, self._catalogue.handle_of)
        self._history = await self._history_writer(database, stack)
        await self._open_driving(stack, database)
        first = await first_number(checkpoint_store, self._state, clock.epoch_ms() * 1000)
        self._documents = EventDocuments(
            self._rows, self._edits.fence_label, self._state.rules.label, first, self._state.routes.label
        )
        self._checkpoints = CheckpointLoop(
            checkpoint_store, self._state, self._rows, self._catalogue.id_of, self.settings.checkpoint_interval_s,
            (self._history or self._state.track).sequences, documents=self._documents,
            on_events_stored=self._webhooks.on_events_stored,
        )  # fmt: skip
        if self._history:
            await redo_stored(
                database, self._limits, self._state, self._rows, self._catalogue, self._rule_book, self._checkpoints,
                self._driving.active.current,
            )  # fmt: skip
        self._marks = self._driving.marks(self._state.routes, self._checkpoints.events)
        await stack.enter_async_context(saving(self._checkpoints))

    async def _history_writer(
        self, database: Database, stack: contextlib.AsyncExitStack
    ) -> HistoryWriter | None:
        opening = open_history(
            self.settings, database, lambda row: (self._rows.fleet_of(row), self._rows.vehicle_of[row])
        )
        store = self._history_store = await stack.enter_async_context(opening)
        if store is None:
            return None
        chore = asyncio.create_task(keep_days(store, self.settings.history_days, clock.epoch_ms))
        stack.callback(chore.cancel)
        self._playbacks = Playbacks(store, self.settings, events=PostgresEventStore(database))
        stack.push_async_callback(self._playbacks.stop)
        return HistoryWriter(
            store, self._state.track,
            buffer_bytes=self.settings.history_buffer_bytes, commit_s=self.settings.history_commit_ms / 1000,
            now_ms=clock.epoch_ms,
        )  # fmt: skip

    def _on_stored(self, rows: NDArray[np.int32]) -> None:
        self._sessions.on_settled(rows)
        self._checkpoints.on_stored(rows)

    async def _stored(self, tick: int) -> None:
        """Return when all that the steps took up to this one is stored; for phones."""
        if self._history is None:
            return
        if tick in self._lossy_ticks:
            raise StoreError(
                "store_away", "the history cannot be written at the moment; send the same again later"
            )
        await self._history.settled()

    def _wire(self, registry: VehicleRegistry) -> None:
        """Make the stations and pass each what must flow up to it."""
        loop = asyncio.get_running_loop()
        self._registry = registry
        self._sessions = DeviceSessions(
            self.settings, self._inbox, self._history or self._state.track,
            row_of=self._row_of, on_gone=self._on_device_gone, now_ms=clock.epoch_ms, call_later=loop.call_later,
        )  # fmt: skip
        if self._history:
            self._history.listen(
                on_stored=self._on_stored,
                on_refused=self._sessions.on_refused,
                on_resend=self._sessions.on_resend,
                events=self._checkpoints.events,
            )
        self._submissions = Submissions(
            self._inbox, self._state.track, row_of=self._phone_row, stored=self._stored, now_ms=clock.epoch_ms
        )
        self._fan_out = FanOut(
            self.settings, self._state.last, self._rows, epoch=secrets.token_hex(6),
            documents=self._documents, now_ms=clock.epoch_ms, call_later=loop.call_later,
        )  # fmt: skip
        self._edits.fences.on_edit = self._fan_out.fences_changed
        self._edits.rules.on_edit = self._fan_out.rules_changed
        self._loop = TickLoop(
            self._state, self._inbox,
            limits=self._limits,
            tick_ms=self.settings.tick_ms, step_fixes=self.settings.step_fixes,
            decode=self._decode, fence_set=lambda: self._catalogue.current, rule_set=lambda: self._rule_book.current,
            route_set=lambda: self._driving.active.current,
            listeners=[
                self._tell_devices, self._fan_out.on_step, self._checkpoints.on_step, self._submissions.on_step, self._travel.on_step,
                self._marks.on_step, lambda result: self._plans.on_step(result, self._rows),
                lambda result: self._availability.on_step(result),  # noqa: PLW0108 - it is opened later
            ],
            now_ms=clock.epoch_ms, monotonic_s=clock.monotonic_s, call_later=loop.call_later,
            on_failed=self._history.lose if self._history else lambda _batch: None,
        )  # fmt: skip
        self._door = self._gate.door(
            {
                DEVICE_PATH: SocketPath(frozenset({"device"}), self._device_session),
                LIVE_PATH: SocketPath(frozenset({"viewer", "dispatcher", "admin"}), self._live_session),
            }
        )

    async def _open_driving(self, stack: contextlib.AsyncExitStack, database: Database) -> None:
        travel = open_travel(self.settings, database, self._history_store, self._rows)
        self._travel = await stack.enter_async_context(travel)
        driving = hub_driving.open_driving(self._routes.edits, self._travel, self._row_of, self._wake)
        self._driving = await stack.enter_async_context(driving)
        self._routes.outlook_of = self._driving.outlook_of(self._state.routes)

    async def _open_plans(self, stack: contextlib.AsyncExitStack, database: Database) -> None:
        availability = open_availability(
            self.settings, database, self._state, self._rows, self._row_of, self._phone_row, self._routes.book,
            self._fan_out.availability, self._fan_out.tell_newest,
        )  # fmt: skip
        self._availability = await stack.enter_async_context(availability)
        self._plans = await stack.enter_async_context(
            planning(
                self.settings, database, self._gate, self._routes.edits, self._travel,
                position_of=self._position_of, tags_of=self._edits.vehicle_tags.tags_of,
                find_vehicle=self._edits.vehicles.store.find, tell=self._fan_out.tell_newest,
            )
        )  # fmt: skip

    def _device_session(self, admission: Admission) -> SocketSession:
        self._registry.seen(admission.claims.fleet, admission.claims.vehicle or "")
        return self._sessions.session_factory(admission)

    def _live_session(self, admission: Admission) -> SocketSession:
        return LiveSession(self._fan_out, self.settings, admission, self._playbacks, self._gate.count)

    def _vehicle_facts(self, row: int) -> tuple[str, str, Collection[str]]:
        fleet, vehicle = self._rows.fleet_of(row), self._rows.vehicle_of[row]
        return fleet, vehicle, self._edits.vehicle_tags.tags_of(fleet, vehicle)

    def _row_of(self, fleet: str, vehicle: str) -> int:
        row = self._rows.row_of(fleet, vehicle)
        self._state.ensure_rows(len(self._rows), self._rows.fleet_number)
        return row

    def _phone_row(self, fleet: str, vehicle: str) -> int:
        row = self._row_of(fleet, vehicle)
        if not self._state.last.is_known[row]:  # else it is on record since its first fix
            self._registry.seen(fleet, vehicle)
        return row

    def _decode(self, waiting: WaitingFrames, received_ms: int) -> PositionBatch:
        batch, bad = decode_frames(waiting, received_ms, self.settings.frame_fixes)
        try:
            self._sessions.on_frames(waiting, bad)
        except Exception:  # who cannot be told must not cost the others their fixes
            log.exception("bad_frames_not_told", frames=len(bad))
        return self._submissions.join(batch, waiting.batches, received_ms)

    def _tell_devices(self, result: StepResult) -> None:
        kept, is_plain = result.kept, len(result.kept) == len(result.accepted) and not result.is_late.any()
        rows = result.moved_rows if is_plain else np.unique(kept.row)
        if self._history:
            self._lossy_ticks.append(result.tick)  # unless all of it is kept
            if self._history.add(kept, rows):
                self._lossy_ticks.pop()
            self._sessions.on_refused(self._history.hold_refusals(result.refused))
        else:
            self._sessions.on_refused(result.refused)
            self._sessions.on_settled(rows)

    def _wake(self) -> None:
        if self._is_warm:  # before, what is stored is being read, and nothing ticks yet
            self._loop.wake()

    def _on_fence_tags(self, handle: int) -> None:
        self._state.rules.touch_fence(handle)
        self._wake()

    def _on_vehicle_tags(self, fleet: str, vehicle: str) -> None:
        row = self._rows.find(fleet, vehicle)
        if row is not None:
            self._state.rules.touch_vehicle(row)
        self._wake()

    def _on_device_gone(self, row: int) -> None:
        rows = np.array([row])
        if self._state.track.held_seq(rows)[0] >= 0:  # else it is a phone's, which is not gone
            self._state.track.give_up_held(rows)
            self._wake()

    def _position_of(self, fleet: str, vehicle: str) -> dict[str, Any] | None:
        row = self._rows.find(fleet, vehicle)
        return None if row is None else self._state.last.of(row)

    def _forget(self, fleet: str, vehicle: str) -> None:
        self._registry.forget(fleet, vehicle)
        row = self._rows.find(fleet, vehicle)
        if row is not None:
            self._sessions.disconnect(row, CloseCode.DELETED, "this vehicle was deleted")
            self._state.last.forget(row)
            self._state.fences.forget(row)
            self._state.rules.forget(row)
            self._state.routes.forget(row)
            self._fan_out.forget(row)
            self._availability.forget(row)
            self._checkpoints.forget(row)

    @contextlib.asynccontextmanager
    async def _serving_http(
        self, listening: list[socket.socket], database: Database, page_sockets: PageSockets
    ) -> AsyncIterator[None]:
        application = HubHttp(
            settings=self.settings, database=database, gate=self._gate, counters=self._counters, last=self._state.last,
            catalogue=self._catalogue, fence_edits=self._edits.fences, rule_edits=self._edits.rules, vehicle_edits=self._edits.vehicles,
            history_store=self._history_store, limits=self._limits, page_sockets=page_sockets, checks={"kernels": self._kernel_trouble},
            position_of=self._position_of, forget=self._forget, routes=self._routes, plans=self._plans, travel=self._travel,
            availability=self._availability,
        ).application()  # fmt: skip
        async with http_server.serving(application, listening, self.settings, self._gate.crowd()):
            yield

    async def _kernel_trouble(self) -> str | None:
        return None if self._is_warm else "the kernels are being compiled"
