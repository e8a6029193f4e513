"""Whatever goes wrong in whatever order: what a device may forget is stored, and in the end all is stored, each fix once, also one that was no more than a jump.

The hub here is the real one but for sockets and databases: sessions, inbox, step, writer, checkpoints. The device is the client's own
buffer. Frames are lost, connections cut, the hub is killed and comes back from its checkpoints, the store goes away and comes back,
the buffer overflows, vehicles jump.
"""

import asyncio
from collections import deque
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
from history_fixes import stored
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.track_filter import FilterLimits
from haulcast.checkpoints.checkpoint_loop import CheckpointLoop
from haulcast.checkpoints.restoring import restore_portion
from haulcast.client.device_frames import Ack, Reject, Resend, Welcome, read_replies, record_body, text_body
from haulcast.client.unacked_fixes import EncodedFix, UnackedFixes
from haulcast.devices.device_frames import decode_frames
from haulcast.devices.device_sessions import DeviceSessions
from haulcast.doors.socket_session import Admission, Claims
from haulcast.doors.wire import BINARY_SUBPROTOCOL
from haulcast.errors import StoreError
from haulcast.fences.catalogue import FenceCatalogue
from haulcast.fences.watch import FenceWatch
from haulcast.history import history_writer
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.history.history_writer import FIX_BYTES, HistoryWriter, writing
from haulcast.positions.inbox import Inbox
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings
from haulcast.tracking.event_documents import EventDocuments
from haulcast.tracking.step import HubState, step

START_MS = 1_790_000_000_000
LIMITS = FilterLimits(10**9, 10**9, 90.0, 200.0, 1e4, 1e6, 1e6)
ROOMS_FIXES = (8, 30, 200)  # that wait in the writer
DEVICES = 3


class World:
    """What outlives a hub: clock, store, checkpoints, the way to fail."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.room_fixes = self.random.choice(ROOMS_FIXES)
        self.now_ms = START_MS
        self.is_away = self.is_unsure = False
        self.checkpoints = []
        self.hub = None
        self.kept = MemoryHistoryStore(self.name_of)

    def name_of(self, row: int) -> tuple[str, str]:
        return self.hub.rows.fleet_of(row), self.hub.rows.vehicle_of[row]

    async def write(self, fixes) -> int:
        """The store, as the writer sees it; one that goes away may have stored all the same."""
        if self.is_away and not self.is_unsure:
            raise StoreError("away", "the store is away")
        fresh = await self.kept.write(fixes)
        if self.is_unsure:
            raise StoreError("away", "the store went away in the middle")
        return fresh

    async def save(self, checkpoints, events=(), deleted=()) -> list[int]:
        """The store of checkpoints."""
        self.checkpoints.append(checkpoints)
        return []


class Hub:
    """One life of the hub."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows, self.inbox = VehicleRows(), Inbox(10**9)
        self.state = HubState(FenceWatch(first_visit=1))
        self.catalogue = FenceCatalogue(self.rows.fleet_number_of)
        for portion in world.checkpoints:
            restore_portion(portion, self.state, self.rows, lambda *_: 0)
        self.writer = HistoryWriter(
            world, self.state.track, buffer_bytes=world.room_fixes * FIX_BYTES, commit_s=0.0,
            now_ms=lambda: world.now_ms,
        )  # fmt: skip
        self.loop = CheckpointLoop(
            world, self.state, self.rows, self.catalogue.id_of, 3600.0, self.writer.sequences,
            documents=EventDocuments(self.rows, lambda handle: ("", ""), lambda number: ("", ""), 1),
        )  # fmt: skip
        self.sessions = DeviceSessions(
            Settings(ack_interval_ms=0), self.inbox, self.writer,
            row_of=self.row_of, on_gone=lambda row: self.state.track.give_up_held(np.array([row])),
            now_ms=lambda: world.now_ms, call_later=lambda _delay_s, call: call(),
        )  # fmt: skip

        self.writer.listen(
            on_stored=self.on_stored,
            on_refused=self.sessions.on_refused,
            on_resend=self.sessions.on_resend,
        )

    def row_of(self, fleet: str, vehicle: str) -> int:
        row = self.rows.row_of(fleet, vehicle)
        self.state.ensure_rows(len(self.rows), self.rows.fleet_number)
        return row

    def on_stored(self, rows) -> None:
        self.sessions.on_settled(rows)
        self.loop.on_stored(rows)

    def tick(self) -> None:
        """As `app.py` has it."""
        batch, _ = decode_frames(self.inbox.take(10**9), self.world.now_ms, 1_000)
        result = step(self.state, batch, self.catalogue.current, self.world.now_ms, LIMITS)
        self.writer.add(result.kept, np.unique(result.kept.row))
        self.sessions.on_refused(self.writer.hold_refusals(result.refused))
        self.loop.on_step(result)


class Device:
    """A device, its connection, and what is on its way in both directions."""

    def __init__(self, world: World, name: str, *, is_binary: bool) -> None:
        self.world, self.name, self.is_binary = world, name, is_binary
        self.fixes = UnackedFixes(10**6)
        self.given = 0
        self.up: deque = deque()
        self.down: deque = deque()
        self.session = None
        self.is_welcome = False

    @property
    def unacked(self) -> set[int]:
        return {fix.seq for fix in (*self.fixes._waiting, *self.fixes._in_flight.values())}

    def connect(self) -> None:
        self.cut()
        claims = Claims("acme", "device", self.name)
        admission = Admission("/v1/device", claims, BINARY_SUBPROTOCOL if self.is_binary else None)
        self.fixes.rewind()
        session = self.world.hub.sessions.session_factory(admission)
        self.session = session
        down = self.down
        link = SimpleNamespace(
            is_writable=True,
            send_text=lambda said: down.append(bytes(said).decode()),
            send_binary=lambda said: down.append(bytes(said)),
            close=lambda *_: None,
        )
        session.opened(link)

    def cut(self) -> None:
        """The connection is gone; what is on its way is lost."""
        if self.session is not None:
            self.session.closed()
        self.session, self.is_welcome, self.up, self.down = None, False, deque(), deque()

    def move(self, count: int) -> None:
        """New fixes; now and then the vehicle is somewhere else."""
        for _ in range(count):
            lat = self.world.random.choice([37.7, 37.7, 37.7, 37.7, 37.7, 38.9])
            time_ms = START_MS - 10**6 + self.given * 1_000
            encode = record_body if self.is_binary else text_body
            body = encode(time_ms, lat, -122.4, (None,) * 4)
            self.fixes.add(EncodedFix(self.given, body, not self.is_binary, self.given))
            self.given += 1

    def write(self) -> None:
        """What waits goes on its way."""
        while self.is_welcome and self.fixes.has_waiting:
            self.up.append(self.fixes.next_frame(self.world.random.randint(1, 4), 10**6))

    def deliver(self, count: int) -> None:
        """Some frames arrive at the hub."""
        for _ in range(min(count, len(self.up))):
            frame = self.up.popleft()
            self.session.received(
                frame.encode() if isinstance(frame, str) else frame, is_text=isinstance(frame, str)
            )

    def hear(self) -> None:
        """All that the hub said arrives."""
        while self.down:
            for reply in read_replies(self.down.popleft()):
                match reply:
                    case Welcome(seq=seq):
                        self.is_welcome = True
                        self.fixes.ack(seq)
                    case Ack(seq=seq):
                        self.fixes.ack(seq)
                    case Reject(seq=seq, reasons=reasons):
                        self.fixes.reject(seq, reasons)
                    case Resend(seq=seq):
                        self.fixes.rewind(seq)

    async def check(self) -> None:
        """What this device has forgotten is stored, whether it was taken or refused for a jump."""
        kept = [eval(fix[0]) for fix in await stored(self.world.kept, "acme", self.name)]
        assert len(kept) == len(set(kept))
        assert set(range(self.given)) - self.unacked <= set(kept), self.name


class Story:
    """Hubs, one after the other, and the devices."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.devices = [Device(self.world, f"v{i}", is_binary=i == 1) for i in range(DEVICES)]
        self.lives = []

    async def start(self) -> None:
        self.world.hub = Hub(self.world)
        self.life = writing(self.world.hub.writer)
        await self.life.__aenter__()

    async def kill(self) -> None:
        """No last words; what the hub was storing may be stored or not."""
        await self.life.__aexit__(None, None, None)
        for device in self.devices:
            device.session = None
            device.cut()

    async def rest(self, turns: int = 12) -> None:
        """Let the writer have some turns of the loop."""
        for _ in range(turns):
            await asyncio.sleep(0)

    async def do(self, action: str, which: int, count: int) -> None:
        world, device = self.world, self.devices[which % DEVICES]
        world.now_ms += 100
        match action:
            case "move":
                device.move(count)
                device.write()
            case "deliver":
                device.deliver(count)
            case "tick":
                world.hub.tick()
            case "hear":
                device.hear()
                device.write()
            case "connect":
                device.connect()
            case "cut":
                device.cut()
            case "away":
                world.is_away, world.is_unsure = True, count % 2 == 1
            case "back":
                world.is_away = world.is_unsure = False
            case "store":
                await self.rest()
            case "save":
                await world.hub.loop.save_rest()
            case "kill":
                await self.kill()
                await self.start()
        await device.check()

    async def heal(self) -> None:
        """Nothing fails any more: everything gets through."""
        self.world.is_away = self.world.is_unsure = False
        for device in self.devices:
            if device.session is None:
                device.connect()
        for _ in range(400):
            self.world.now_ms += 5_000
            for device in self.devices:
                device.hear()
                device.write()
                device.deliver(3)
            self.world.hub.tick()
            self.world.hub.state.track.give_up_held(self.world.hub.state.track.held())
            await self.rest()
            await asyncio.sleep(0.0005)
            if not any(device.unacked for device in self.devices):
                return


ACTIONS = ["move"] * 5 + ["deliver"] * 6 + ["tick"] * 5 + ["hear"] * 4 + ["store"] * 4
ACTIONS += ["connect", "connect", "cut", "away", "back", "save", "save", "kill"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Waits of the writer become turns of the loop."""
    for name in ("FIRST_RETRY_S", "LAST_RETRY_S"):
        monkeypatch.setattr(history_writer, name, 0.0)
    monkeypatch.setattr(history_writer, "TELL_EVERY_S", 0.0002)
    monkeypatch.setattr(history_writer, "STEP_BYTES", 0)


async def tell(seed: int, actions: list[tuple[str, int, int]]) -> None:
    """A story of failures, and its end."""
    story = Story(seed)
    await story.start()
    try:
        for device in story.devices:
            device.connect()
            device.hear()
        for action in actions:
            await story.do(*action)
        await story.heal()
        for device in story.devices:
            assert not device.unacked, device.name
            await device.check()
    finally:
        await story.kill()


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    actions=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, DEVICES - 1), st.integers(1, 9)), max_size=80
    ),
)
async def test_what_is_acked_is_stored_and_all_is_acked_in_the_end(seed, actions):
    """After each action what a device has forgotten is stored; once nothing fails any more, nothing is left unacked."""
    await tell(seed, actions)


@pytest.mark.parametrize("seed", [*range(16), 25])
async def test_a_long_story_ends_well_too(seed):
    """Hundreds of actions, some much more frequent than others."""
    random = Random(seed)
    kinds = sorted(set(ACTIONS))
    weights = [ACTIONS.count(kind) * random.expovariate(1.0) for kind in kinds]
    chosen = random.choices(kinds, weights, k=800)
    await tell(seed, [(kind, random.randrange(DEVICES), random.randint(1, 9)) for kind in chosen])
