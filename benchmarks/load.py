"""The load, in its own process: device sockets that send, and map sockets that receive and check what they get.

Commands on standard input, one JSON object a line; each is answered with one line:
{"do":"connect","url":..,"tokens":[..],"binary":bool}           devices
{"do":"subscribe","url":..,"token":..,"binary":bool,"boxes":[[w,s,e,n],..],"sample":N}   maps
{"do":"send","rate":R,"seconds":S,"fixes_per_frame":K}           fixes a second over all devices
{"do":"heard"}                                                    frames that the devices received
{"do":"time_acks"}                                                from now on, measure from each frame's send to its ack
{"do":"acks"}                                                     what was measured so, and frames that are not acked yet
{"do":"forget"}                                                   forget what the maps measured so far
{"do":"seen"}                                                     what the maps measured
"""

import asyncio
import json
import sys
import time
from collections import deque
from typing import Any

import numpy as np
import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from haulcast.doors import wire

BOX = (-122.55, 37.20, -121.75, 37.95)  # the Bay Area: west, south, east, north
CONNECT_AT_ONCE = 100
SPEED_MPS = 13.0
M_PER_DEG = 111_320.0
FRAMES_AT_ONCE = 500
TEXT_ACK, BINARY_ACK = b'{"type":"ack","seq":', np.array([1, 0], "<u4").tobytes()
TEXT_FIX = (
    b'{"seq":%d,"time_ms":%d,"lat":%.6f,"lon":%.6f,"speed_mps":%.1f,"heading_deg":%.0f,"accuracy_m":5.0}'
)


class Device(WSListener):
    """Hears acks and rejects, and counts them."""

    def __init__(self, ack_ms: list[float]) -> None:
        self.frames = 0
        self.unacked: deque[tuple[int, float]] = (
            deque()
        )  # last sequence and time of each frame, when acks are timed
        self._ack_ms = ack_ms

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002, D102
        self.frames += 1
        if not self.unacked:
            return
        payload = frame.get_payload_as_bytes()
        if payload.startswith(TEXT_ACK):
            seq = int(payload[len(TEXT_ACK) : -1])
        elif payload.startswith(BINARY_ACK):
            seq = int.from_bytes(payload[len(BINARY_ACK) :], "little")
        else:
            return
        now = time.perf_counter()
        while self.unacked and self.unacked[0][0] <= seq:
            self._ack_ms.append((now - self.unacked.popleft()[1]) * 1000)


class Map(WSListener):
    """A subscriber: counts bytes and frames; a sampled one decodes every frame."""

    def __init__(self, box: list[float], *, binary: bool, sampled: bool) -> None:
        self.box = box
        self.binary = binary
        self.sampled = sampled
        self.forget()

    def forget(self) -> None:
        """Start to measure anew."""
        self.frames = self.bytes = self.sampled_bytes = self.ideal_bytes = self.vehicles = 0
        self.latencies_ms: list[np.ndarray[Any, Any]] = []

    def on_ws_connected(self, transport: WSTransport) -> None:  # noqa: D102
        command = {"type": "subscribe", "bbox": self.box, "zoom": 12, "events": False}
        transport.send(WSMsgType.TEXT, orjson.dumps(command))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002, D102
        now_ms = time.time() * 1000
        self.frames += 1
        self.bytes += frame.payload_size
        if self.sampled:
            payload = frame.get_payload_as_bytes()
            if self.binary and frame.msg_type is WSMsgType.BINARY:
                self._measure_binary(payload, now_ms)
            elif not self.binary and payload.startswith(b'{"type":"positions"'):
                self._measure_text(payload, now_ms)

    def _measure_text(self, payload: bytes, now_ms: float) -> None:
        frame = orjson.loads(payload)
        inside = self._inside(np.array(frame["lat"]), np.array(frame["lon"]))
        columns = ("vehicle", "fix_time_ms", "lat", "lon", "speed_mps", "heading_deg")
        ideal = {
            **frame,
            **{name: [v for v, keep in zip(frame[name], inside, strict=True) if keep] for name in columns},
        }
        self._count(np.array(frame["fix_time_ms"]), now_ms, len(payload), len(orjson.dumps(ideal)))

    def _measure_binary(self, payload: bytes, now_ms: float) -> None:
        header = np.frombuffer(payload, wire.LIVE_HEADER, 1)[0]
        if header["flags"] & wire.FLAG_SNAPSHOT:
            return
        rows, at, columns = int(header["rows"]), wire.LIVE_HEADER.itemsize, {}
        for name, dtype in wire.POSITION_COLUMNS.items():
            columns[name] = np.frombuffer(payload, dtype, rows, at)
            at += wire.padded_bytes(rows * dtype.itemsize)
        inside = self._inside(columns["lat"] / wire.DEGREE_UNITS, columns["lon"] / wire.DEGREE_UNITS)
        outside = rows - int(np.count_nonzero(inside))
        row_bytes = sum(dtype.itemsize for dtype in wire.POSITION_COLUMNS.values())
        self._count(columns["fix_time_ms"], now_ms, len(payload), len(payload) - outside * row_bytes)

    def _inside(self, lat: "np.ndarray[Any, Any]", lon: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        west, south, east, north = self.box
        slack = 2e-6  # the wire rounds
        return (lat >= south - slack) & (lat <= north + slack) & (lon >= west - slack) & (lon <= east + slack)

    def _count(self, times_ms: "np.ndarray[Any, Any]", now_ms: float, size: int, ideal: int) -> None:
        self.latencies_ms.append(now_ms - times_ms)
        self.vehicles += len(times_ms)
        self.sampled_bytes += size
        self.ideal_bytes += ideal


def starts(rng: np.random.Generator, count: int) -> "tuple[np.ndarray[Any, Any], ...]":
    """Where devices begin (degrees) and where they head (radians): latitude, longitude, heading of each."""
    west, south, east, north = BOX
    return rng.uniform(south, north, count), rng.uniform(west, east, count), rng.uniform(0, 2 * np.pi, count)


def steps_deg(heading: "np.ndarray[Any, Any]", metres: float) -> "tuple[np.ndarray[Any, Any], ...]":
    """How far in latitude and longitude they come in so many metres."""
    north_m, east_m = np.cos(heading) * metres, np.sin(heading) * metres
    return north_m / M_PER_DEG, east_m / M_PER_DEG / np.cos(np.radians(37.5))


class Fleet:
    """The devices: where each is, what it sent last, its socket."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.transports: list[WSTransport] = []
        self.listeners: list[Device] = []
        self.sent = 0
        self.is_timing = False
        self.ack_ms: list[float] = []
        self._next = 0

    async def connect(self, url: str, tokens: list[str], *, binary: bool) -> None:
        """Open a socket for each token."""
        self.binary = binary
        protocol = wire.BINARY_SUBPROTOCOL if binary else wire.JSON_SUBPROTOCOL
        found = await connect_all(url, tokens, protocol, [Device(self.ack_ms) for _ in tokens])
        self.transports += [transport for transport, _ in found]
        self.listeners += [listener for _, listener in found]
        count = len(self.transports)
        self._lat, self._lon, heading = starts(self._rng, count)
        self._heading_deg = np.degrees(heading)
        self._dlat, self._dlon = steps_deg(heading, SPEED_MPS)
        self._seq = np.zeros(count, np.int64)
        self._time_ms = np.zeros(count, np.int64)

    async def send(self, rate: float, seconds: float, fixes_per_frame: int) -> float:
        """Send `rate` fixes a second, round robin, in the order of the sockets; how long it took."""
        interval_s = len(self.transports) / rate
        start = time.perf_counter()
        sent = 0
        frames = int(rate * seconds / fixes_per_frame)
        while sent < frames:
            due = min(frames, int((time.perf_counter() - start) * rate / fixes_per_frame) + 1)
            chosen = (self._next + np.arange(min(due - sent, FRAMES_AT_ONCE, len(self.transports)))) % len(
                self.transports
            )
            if len(chosen):
                self._next = int(chosen[-1] + 1) % len(self.transports)
                self._send_frames(chosen, fixes_per_frame, interval_s)
                sent += len(chosen)
            await asyncio.sleep(0 if sent < due else 0.0005)
        self.sent += sent * fixes_per_frame
        return time.perf_counter() - start

    def _send_frames(self, chosen: "np.ndarray[Any, Any]", count: int, interval_s: float) -> None:
        """One frame of each of these devices, which moves on by `count` fixes."""
        records = self._records(chosen, count, interval_s)
        if self.is_timing:
            now = time.perf_counter()
            for i, seq in zip(chosen.tolist(), records["seq"][:, -1].tolist(), strict=True):
                self.listeners[i].unacked.append((seq, now))
        if self.binary:
            payloads, size = memoryview(records.tobytes()), count * wire.DEVICE_RECORD.itemsize
            for k, i in enumerate(chosen.tolist()):
                self.transports[i].send(WSMsgType.BINARY, payloads[k * size : (k + 1) * size])
            return
        fields = records[["seq", "time_ms", "lat", "lon", "speed_mps", "heading_deg"]].tolist()
        for i, fixes in zip(chosen.tolist(), fields, strict=True):
            texts = [TEXT_FIX % fix for fix in fixes]
            text = texts[0] if count == 1 else b'{"fixes":[' + b",".join(texts) + b"]}"
            self.transports[i].send(WSMsgType.TEXT, text)

    def _records(
        self, chosen: "np.ndarray[Any, Any]", count: int, interval_s: float
    ) -> "np.ndarray[Any, Any]":
        """The next fixes of these devices, the last one of each now; [devices, count]."""
        now_ms = int(time.time() * 1000)
        spacing_ms = max(1, int(interval_s * 1000))
        first = np.maximum(self._time_ms[chosen] + 1, now_ms - (count - 1) * spacing_ms)
        last = np.maximum(now_ms, first + count - 1)
        share = np.arange(count) / max(1, count - 1)
        back_s = np.arange(count - 1, -1, -1) * interval_s
        for column, step in ((self._lat, self._dlat), (self._lon, self._dlon)):
            column[chosen] += step[chosen] * interval_s * count
        records = np.empty((len(chosen), count), wire.DEVICE_RECORD)
        records["seq"] = self._seq[chosen, None] + np.arange(count)
        records["time_ms"] = first[:, None] + share * (last - first)[:, None] if count > 1 else last[:, None]
        records["lat"] = self._lat[chosen, None] - self._dlat[chosen, None] * back_s
        records["lon"] = self._lon[chosen, None] - self._dlon[chosen, None] * back_s
        records["speed_mps"], records["heading_deg"] = SPEED_MPS, self._heading_deg[chosen, None]
        records["accuracy_m"], records["altitude_m"] = 5.0, np.nan
        self._seq[chosen] += count
        self._time_ms[chosen] = last
        return records


async def connect_all(
    url: str, tokens: list[str], protocol: str, listeners: list[Any]
) -> list[tuple[WSTransport, Any]]:
    """Open one socket for each listener, some at a time."""
    found: list[tuple[WSTransport, Any]] = []
    for start in range(0, len(listeners), CONNECT_AT_ONCE):
        some = range(start, min(start + CONNECT_AT_ONCE, len(listeners)))
        found += await asyncio.gather(
            *(
                ws_connect(
                    lambda i=i: listeners[i],
                    url,
                    websocket_handshake_timeout=60,
                    read_buffer_init_size=1024,
                    extra_headers={
                        "Authorization": f"Bearer {tokens[i % len(tokens)]}",
                        "Sec-WebSocket-Protocol": protocol,
                    },
                )
                for i in some
            )
        )
    return found


def seen_by(maps: list[Map]) -> dict[str, Any]:
    """What all maps measured together."""
    latencies = [part for m in maps for part in m.latencies_ms]
    every = np.concatenate(latencies) if latencies else np.array([np.nan])
    return {
        "frames": sum(m.frames for m in maps),
        "bytes": sum(m.bytes for m in maps),
        "sampled_bytes": sum(m.sampled_bytes for m in maps),
        "ideal_bytes": sum(m.ideal_bytes for m in maps),
        "vehicles": sum(m.vehicles for m in maps),
        "p50_ms": float(np.percentile(every, 50)),
        "p99_ms": float(np.percentile(every, 99)),
        "p999_ms": float(np.percentile(every, 99.9)),
    }


async def _main() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    fleet, maps = Fleet(int(sys.argv[1])), []
    while line := await reader.readline():
        command = json.loads(line)
        answer: dict[str, Any] = {}
        match command.pop("do"):
            case "connect":
                await fleet.connect(**command)
            case "subscribe":
                boxes, binary = command["boxes"], command["binary"]
                protocol = wire.BINARY_SUBPROTOCOL if binary else wire.JSON_SUBPROTOCOL
                new = [Map(box, binary=binary, sampled=i < command["sample"]) for i, box in enumerate(boxes)]
                await connect_all(command["url"], [command["token"]], protocol, new)
                maps += new
            case "send":
                answer = {"seconds": await fleet.send(**command), "sent": fleet.sent}
            case "forget":
                for each in maps:
                    each.forget()
            case "heard":
                answer = {"frames": sum(listener.frames for listener in fleet.listeners)}
            case "time_acks":
                fleet.is_timing = True
                fleet.ack_ms.clear()
            case "acks":
                answer = {
                    "acked": len(fleet.ack_ms),
                    "unacked": sum(len(listener.unacked) for listener in fleet.listeners),
                    "p50_ms": float(np.percentile(fleet.ack_ms or [np.nan], 50)),
                    "p99_ms": float(np.percentile(fleet.ack_ms or [np.nan], 99)),
                }
            case "seen":
                answer = seen_by(maps)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
