"""A map client and a hub around the fan-out, for tests: simulated time and links, everything else is the product's."""

import json
import math
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from geo.fence_events import fence_events, no_events
from haulcast.doors import wire
from haulcast.doors.socket_session import Admission, Claims
from haulcast.live_map.fan_out import FanOut
from haulcast.live_map.live_session import LiveSession
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.settings import Settings
from haulcast.tracking.event_documents import EventDocuments

EPOCH = "k3x"
WORLD = [-180, -90, 180, 90]


class Clock:
    """Time that moves when told to, and calls what was planned in between."""

    def __init__(self):
        self.ms = 1_790_000_000_000.0
        self.planned = []

    def now_ms(self):
        return int(self.ms)

    def call_later(self, delay_s, call):
        timer = SimpleNamespace(due_ms=self.ms + delay_s * 1000, call=call)
        timer.cancel = lambda: self.planned.remove(timer) if timer in self.planned else None
        self.planned.append(timer)
        return timer

    def advance(self, ms):
        end = self.ms + ms
        while due := [timer for timer in self.planned if timer.due_ms <= end]:
            timer = min(due, key=lambda t: t.due_ms)
            self.planned.remove(timer)
            self.ms = max(self.ms, timer.due_ms)
            timer.call()
        self.ms = end


@dataclass
class FakeLink:
    """What a shell's link does: takes frames, is full beyond a limit, tells the session when it is not any more."""

    limit_bytes: int = 1 << 30
    waiting: list = field(default_factory=list)
    waiting_bytes: int = 0
    close_code: int | None = None
    close_reason: str = ""
    session: LiveSession | None = None
    on_send: object = None
    sent_ms: list = field(default_factory=list)
    clock: Clock | None = None

    def send_text(self, payload):
        self._send(bytes(payload).decode())

    def send_binary(self, payload):
        self._send(bytes(payload))

    def _send(self, frame):
        if self.close_code is not None:
            return
        self.waiting.append((frame, self.on_send() if self.on_send else None))
        self.waiting_bytes += len(frame)
        self.sent_ms.append(self.clock.ms)

    def close(self, code, reason):
        assert len(reason.encode()) <= 120
        if self.close_code is None:
            self.close_code, self.close_reason = code, reason

    @property
    def is_writable(self):
        return self.waiting_bytes <= self.limit_bytes


class MapClient:
    """Applies frames as docs/protocol.md says, checking each; reads them when told to."""

    def __init__(self, hub, fleet, *, is_binary=False, limit_bytes=1 << 30, unknown=(), vehicles=None):
        self.hub, self.fleet, self.is_binary = hub, fleet, is_binary
        self.kind, self.resolution = None, 0
        self.held, self.names, self.events, self.said = {}, {}, [], []
        self.view = None
        self.frames = []
        self.link = FakeLink(limit_bytes, on_send=lambda: self.view, clock=hub.clock)
        subprotocol = wire.BINARY_SUBPROTOCOL if is_binary else wire.JSON_SUBPROTOCOL
        admission = Admission(
            wire.LIVE_PATH,
            Claims(fleet, "viewer", vehicles=vehicles),
            None if unknown else subprotocol,
            tuple(unknown),
        )
        self.session = self.link.session = LiveSession(hub.fan_out, hub.settings, admission, hub.playbacks)
        self.session.opened(self.link)

    def say(self, **command):
        self.session.received(json.dumps(command).encode(), is_text=True)

    def subscribe(self, bbox=WORLD, **view):
        self.view = {"bbox": bbox, "zoom": 12, **view}
        self.say(type="subscribe", bbox=bbox, **view)

    def move(self, bbox, **view):
        self.view = {**self.view, "bbox": bbox, **view}
        self.say(type="move", bbox=bbox, **view)

    def read(self):
        """Read everything that waits, and tell the session when that makes the link writable."""
        was_writable = self.link.is_writable
        frames, self.link.waiting, self.link.waiting_bytes = self.link.waiting, [], 0
        for frame, view in frames:
            self._apply(frame, view)
        if not was_writable and self.link.close_code is None:
            self.session.writable()
        return len(frames)

    def leave(self):
        self.session.closed()

    def _apply(self, frame, view):
        if isinstance(frame, bytes):
            assert self.is_binary
            self._map(read_binary(frame), view)
            return
        said = json.loads(frame)
        if said["type"] in {"snapshot", "positions", "clusters"}:
            assert not self.is_binary
            self._map(read_text(said), view)
        elif said["type"] == "event":
            self.events.append(said)
        else:
            self.said.append(said)

    def _map(self, frame, view):
        self.frames.append(frame)
        if frame.is_snapshot:
            self.held, self.names, self.kind, self.resolution = {}, {}, frame.kind, frame.resolution
        assert (frame.kind, frame.resolution) == (self.kind, self.resolution), (
            "a delta of another kind than the snapshot"
        )
        assert frame.is_snapshot or frame.rows or frame.gone, "a frame that says nothing"
        assert not self.names.keys() & frame.names.keys(), "a name told twice"
        self.names |= frame.names
        for number in frame.gone:
            del self.held[self.names[number]]
        assert not set(frame.gone) & frame.rows.keys()
        assert frame.names.keys() <= frame.rows.keys()
        for number, row in frame.rows.items():
            self.held[self.names[number]] = row
            if self.kind == "positions":
                assert self.names[number].startswith(self.fleet), "a vehicle of another fleet"
                assert holds(view["bbox"], row["lat"], row["lon"], slack=1e-6), "a vehicle outside the view"
                assert view.get("vehicles") is None or self.names[number] in view["vehicles"]


def read_text(said):
    """A JSON map frame as docs/protocol.md has it."""
    kind = "clusters" if said["type"] == "clusters" else "positions"
    number, columns = (
        ("cell", wire.CLUSTER_COLUMNS) if kind == "clusters" else ("vehicle", wire.POSITION_COLUMNS)
    )
    is_snapshot = said["type"] == "snapshot" or said.get("snapshot", False)
    assert set(said) - {"snapshot", "gone", "names", "resolution"} == {"type", "time_ms", *columns}
    assert "gone" not in said or said["gone"]
    assert "names" not in said or said["names"]
    rows = dict(
        zip(said[number], zipped({name: said[name] for name in columns if name != number}), strict=True)
    )
    names = {int(n): name for n, name in said.get("names", {}).items()}
    return SimpleNamespace(
        kind=kind, is_snapshot=is_snapshot, rows=rows, gone=said.get("gone", []), names=names,
        resolution=said.get("resolution", 0), time_ms=said["time_ms"],
    )  # fmt: skip


def read_binary(frame):
    """A binary map frame as docs/protocol.md has it."""
    header = np.frombuffer(frame, wire.LIVE_HEADER, 1)[0]
    kind = {1: "positions", 2: "clusters"}[int(header["kind"])]
    number, columns = (
        ("cell", wire.CLUSTER_COLUMNS) if kind == "clusters" else ("vehicle", wire.POSITION_COLUMNS)
    )
    at = 32

    def take(dtype, count):
        nonlocal at
        assert at % 8 == 0
        column = np.frombuffer(frame, dtype, count, at) if count else np.empty(0, dtype)
        at += wire.padded_bytes(column.nbytes)
        return column

    read = {name: take(dtype, int(header["rows"])) for name, dtype in columns.items()}
    plain = {}
    for name, column in read.items():
        values = (column / 1e7 if name in {"lat", "lon"} else column.astype(float)).tolist()
        plain[name] = [None if math.isnan(value) else value for value in values]
    gone = take("<u4", int(header["gone"])).tolist()
    numbers = take("<u4", int(header["names"])).tolist()
    lengths = take("<u4", int(header["names"])).tolist()
    text = frame[at:]
    assert len(text) == header["name_bytes"] == sum(lengths)
    ends = np.cumsum([0, *lengths]).tolist()
    names = {n: text[ends[i] : ends[i + 1]].decode() for i, n in enumerate(numbers)}
    rows = dict(zip(map(int, plain.pop(number)), zipped(plain), strict=True))
    return SimpleNamespace(
        kind=kind, is_snapshot=bool(header["flags"]), rows=rows, gone=gone, names=names,
        resolution=int(header["resolution"]), time_ms=int(header["time_ms"]),
    )  # fmt: skip


def zipped(columns):
    """Columns to rows."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def holds(box, lat, lon, slack=0.0):
    """Whether a box holds a point; west > east crosses the antimeridian."""
    west, south, east, north = box
    if not south - slack <= lat <= north + slack:
        return False
    if west <= east:
        return west - slack <= lon <= east + slack
    return lon >= west - slack or lon <= east + slack


NO_EVENTS = no_events()


class MapHub:
    """Vehicles that move, and the fan-out that tells of it."""

    def __init__(self, **settings):
        self.clock = Clock()
        self.device_delay_ms = 0
        self.playbacks = None
        self.settings = Settings(**settings)
        self.rows, self.positions = VehicleRows(), LastPositions()
        self.fan_out = FanOut(
            self.settings, self.positions, self.rows, epoch=EPOCH,
            documents=EventDocuments(
                self.rows, lambda handle: (f"f{handle}", f"Fence {handle}"), lambda number: (f"r{number}", f"Rule {number}"), 1,
            ),
            now_ms=self.clock.now_ms, call_later=self.clock.call_later,
        )  # fmt: skip

    def client(self, fleet="acme", **options):
        return MapClient(self, fleet, **options)

    def place(self, fixes, events=NO_EVENTS):
        """One step: (fleet, vehicle) -> (lat, lon, speed, heading)."""
        rows = np.array([self.rows.row_of(fleet, vehicle) for fleet, vehicle in fixes], np.int32)
        self.positions.ensure_rows(len(self.rows))
        for row, (lat, lon, speed, heading) in zip(rows, fixes.values(), strict=True):
            p = self.positions
            p.lat_deg[row], p.lon_deg[row], p.speed_mps[row], p.heading_deg[row] = lat, lon, speed, heading
            p.received_ms[row] = self.clock.now_ms()
            p.time_ms[row] = self.clock.now_ms() - self.device_delay_ms
            p.is_known[row] = True
        self.fan_out.on_step(
            SimpleNamespace(moved_rows=np.sort(rows), events=events, now_ms=self.clock.now_ms())
        )

    def put(self, fleet="acme", **vehicles):
        """One step: vehicle=(lat, lon)."""
        self.place({(fleet, vehicle): (*place, 1.0, 90.0) for vehicle, place in vehicles.items()})

    def delete(self, fleet, vehicle):
        row = self.rows.find(fleet, vehicle)
        if row is not None and row < len(self.positions.is_known):
            self.positions.forget(row)
            self.fan_out.forget(row)

    def events(self, *events):
        """One step with fence events, each (fleet, vehicle, kind)."""
        rows = [self.rows.row_of(fleet, vehicle) for fleet, vehicle, _ in events]
        self.positions.ensure_rows(len(self.rows))
        n, now = len(rows), self.clock.now_ms()
        self.place({}, fence_events(
            row=rows, handle=3, kind=[kind for *_, kind in events], cause=0, visit=np.arange(n) + 1_790_000_000_000_001,
            time_ms=now - 500, lat_deg=37.7749, lon_deg=-122.4194, fix_time_ms=now, fix=0, entered_ms=now - 900,
        ))  # fmt: skip

    def settle(self, *clients):
        """Let time pass and everybody read until nothing more comes."""
        for _ in range(1000):
            self.clock.advance(1000.0)
            if not sum(client.read() for client in clients):
                return
        raise AssertionError("frames never end")

    def seen(self, fleet, view):
        """What a client of this fleet has to see, by brute force."""
        seen = {}
        for row in range(len(self.rows)):
            p, name = self.positions, self.rows.vehicle_of[row]
            is_there = row < len(p.is_known) and p.is_known[row]
            if (
                not is_there
                or self.rows.fleet_of(row) != fleet
                or not holds(view["bbox"], p.lat_deg[row], p.lon_deg[row])
            ):
                continue
            if view.get("vehicles") is None or name in view["vehicles"]:
                seen[name] = {
                    "fix_time_ms": int(p.time_ms[row]), "lat": p.lat_deg[row], "lon": p.lon_deg[row],
                    "speed_mps": p.speed_mps[row], "heading_deg": p.heading_deg[row],
                }  # fmt: skip
        return seen


def same(held, truth):
    """Whether a client's rows equal the truth, but for rounding; None is NaN."""
    if held.keys() != truth.keys():
        return False
    for name, row in held.items():
        for column, value in row.items():
            wanted = truth[name][column]
            if (value is None) != math.isnan(wanted):
                return False
            slack = 1e-6 if column in {"lat", "lon"} else 0.06
            if value is not None and abs(value - wanted) > slack:
                return False
    return True
