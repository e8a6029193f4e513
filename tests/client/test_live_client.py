"""The live client against a real server with a scripted fleet."""

import asyncio
import json
import math
from random import Random
from typing import Any

import numpy as np
import pytest
from small_hub import small_hub, token
from waiting import wait_until

from haulcast.client import (
    Clusters,
    Connection,
    Event,
    EventGap,
    LiveClient,
    LiveError,
    PlaybackTime,
    Positions,
)
from haulcast.doors import wire
from haulcast.errors import ForbiddenError

QUICK = {"backoff_s": (0.02, 0.1), "random": Random(7)}
VIEW = (-123.0, 37.0, -121.0, 38.5)


def viewer() -> str:
    """A viewer's token."""
    return token("viewer", None)


def column_bytes(column: Any, dtype: Any) -> bytes:
    """A column with its padding."""
    data = np.asarray(column, dtype).tobytes()
    return data.ljust(wire.padded_bytes(len(data)), b"\0")


def binary_frame(
    kind: int, columns: dict[str, list[float]], gone: list[int], names: dict[int, str], **header: int
) -> bytes:
    """A map frame by the protocol's table."""
    dtypes = wire.POSITION_COLUMNS if kind == wire.KIND_POSITIONS else wire.CLUSTER_COLUMNS
    encoded = [name.encode() for name in names.values()]
    top = np.zeros(1, wire.LIVE_HEADER)
    top["kind"], top["rows"], top["gone"], top["names"] = kind, len(columns["lat"]), len(gone), len(names)
    top["name_bytes"] = sum(map(len, encoded))
    for name, value in header.items():
        top[name] = value
    scaled = {**columns, **{name: np.rint(np.array(columns[name]) * 1e7) for name in ("lat", "lon")}}
    parts = [column_bytes(scaled[name], dtype) for name, dtype in dtypes.items()]
    parts += [
        column_bytes(gone, "<u4"),
        column_bytes(list(names), "<u4"),
        column_bytes([len(e) for e in encoded], "<u4"),
    ]
    return b"".join([top.tobytes(), *parts, b"".join(encoded)])


def text_frame(
    kind: str, columns: dict[str, list[Any]], gone: list[int], names: dict[int, str], **fields: Any
) -> str:
    """A map frame as JSON; what is empty is left out, NaN is null."""
    clean = {
        k: [None if isinstance(v, float) and math.isnan(v) else v for v in c] for k, c in columns.items()
    }
    optional = {
        **({"gone": gone} if gone else {}),
        **({"names": {str(k): v for k, v in names.items()}} if names else {}),
    }
    return json.dumps({"type": kind, "time_ms": 1_790_000_000_123, **fields, **clean, **optional})


def positions(
    binary: bool, snapshot: bool, rows: list[tuple[Any, ...]], gone: list[int], names: dict[int, str]
) -> str | bytes:
    """Rows of (number, fix time, lat, lon, speed, heading)."""
    order = ("vehicle", "fix_time_ms", "lat", "lon", "speed_mps", "heading_deg")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(order)}
    if not binary:
        return text_frame("snapshot" if snapshot else "positions", columns, gone, names)
    return binary_frame(
        wire.KIND_POSITIONS, columns, gone, names, time_ms=1_790_000_000_123, flags=int(snapshot)
    )


def event(offset: int, vehicle: str = "truck-7") -> str:
    """A fence event's message."""
    return json.dumps(
        {"type": "event", "offset": offset, "event": "enter", "cause": "moved", "visit": 5, "vehicle": vehicle,
         "fence": "depot", "name": "Depot", "time_ms": 1, "lat": 37.0, "lon": -122.0, "fix_time_ms": 2}
    )  # fmt: skip


def welcome(epoch: str = "e1", offset: int = 0) -> str:
    """The hub's first message."""
    return json.dumps({"type": "welcome", "fleet": "acme", "epoch": epoch, "offset": offset, "time_ms": 1})


async def until(live: LiveClient, kind: type[Any]) -> Any:
    """The next update of that kind."""
    async with asyncio.timeout(5):
        while True:
            update = await anext(live)
            if isinstance(update, kind):
                return update


@pytest.mark.parametrize("binary", [False, True])
async def test_snapshot_positions_and_gone_make_the_view(binary: bool) -> None:
    """A snapshot replaces, positions update, gone removes; numbers stand for names told once."""

    async def live(socket: Any) -> None:
        await socket.send(welcome())
        await socket.recv()
        await socket.send(
            positions(
                binary,
                True,
                [(0, 10, 37.5, -122.5, 3.5, 90.0), (4, 11, 37.25, -122.25, math.nan, math.nan)],
                [],
                {0: "a", 4: "Lkw ü"},
            )
        )
        await socket.send(
            positions(
                binary,
                False,
                [(0, 20, 37.75, -122.5, 4.5, 180.0), (2, 21, 38.0, -122.0, 1.0, 1.0)],
                [4],
                {2: "c"},
            )
        )
        await socket.send(positions(binary, True, [(4, 30, 37.0, -122.0, 0.0, 0.0)], [], {}))
        await socket.wait_closed()

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer, binary=binary) as client:
        client.subscribe(VIEW)
        first = await until(client, Positions)
        assert first.is_snapshot
        assert client.vehicles["a"] == (10, 37.5, -122.5, 3.5, 90.0)
        assert math.isnan(client.vehicles["Lkw ü"].speed_mps)
        second = await until(client, Positions)
        assert (second.vehicle, second.gone, second.time_ms) == (["a", "c"], ["Lkw ü"], 1_790_000_000_123)
        assert {name: fix.lat_deg for name, fix in client.vehicles.items()} == {"a": 37.75, "c": 38.0}
        await until(client, Positions)
        assert set(client.vehicles) == {"Lkw ü"}


@pytest.mark.parametrize("binary", [False, True])
async def test_clusters_replace_vehicles_below_the_zoom(binary: bool) -> None:
    """A snapshot of the other kind replaces everything."""
    columns: dict[str, list[Any]] = {
        "cell": [0],
        "lat": [37.5],
        "lon": [-122.5],
        "count": [31],
        "speed_mps": [9.0],
    }
    names = {0: "842831dffffffff"}

    async def live(socket: Any) -> None:
        await socket.send(welcome())
        await socket.recv()
        await socket.send(positions(binary, True, [(0, 10, 37.5, -122.5, 3.5, 90.0)], [], {0: "a"}))
        await socket.recv()
        if binary:
            await socket.send(
                binary_frame(wire.KIND_CLUSTERS, columns, [], names, time_ms=5, resolution=4, flags=1)
            )
        else:
            await socket.send(text_frame("clusters", columns, [], names, snapshot=True, resolution=4))
        await socket.wait_closed()

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer, binary=binary) as client:
        client.subscribe(VIEW)
        await until(client, Positions)
        client.move(VIEW, zoom=4)
        clusters = await until(client, Clusters)
        assert (clusters.resolution, clusters.cell, clusters.count.tolist()) == (4, ["842831dffffffff"], [31])
        assert client.vehicles == {}
        assert client.clusters["842831dffffffff"] == (37.5, -122.5, 31, 9.0)


async def test_after_a_cut_it_resumes_subscribes_and_sees_each_event_once() -> None:
    """The commands of the second connection are resume, then the newest view; events come once and in order."""
    heard: list[list[dict[str, Any]]] = []
    log = range(1, 10)

    async def live(socket: Any) -> None:
        commands: list[dict[str, Any]] = []
        heard.append(commands)
        await socket.send(welcome("e1", 0 if len(heard) == 1 else 9))
        if len(heard) == 1:
            commands += [json.loads(await socket.recv()), json.loads(await socket.recv())]
            for offset in (1, 2, 3):
                await socket.send(event(offset))
            await socket.close(4000)
            return
        commands += [json.loads(await socket.recv()), json.loads(await socket.recv())]
        await socket.send(json.dumps({"type": "resumed", "epoch": "e1", "offset": 9, "complete": True}))
        for offset in log[2:]:  # one of them again
            await socket.send(event(offset))
        await socket.wait_closed()

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer, **QUICK) as client:
        client.subscribe(VIEW, zoom=9, rate_hz=5, vehicles=["truck-7"])
        await until(client, Connection)
        client.move((1, 2, 3, 4))
        offsets = [(await until(client, Event)).offset for _ in log]
        assert offsets == list(log)
        assert client.position == ("e1", 9)
    wanted = {
        "type": "subscribe",
        "bbox": list(VIEW),
        "zoom": 9,
        "events": True,
        "rate_hz": 5,
        "vehicles": ["truck-7"],
    }
    assert heard[0] == [wanted, {"type": "move", "bbox": [1, 2, 3, 4]}]
    assert heard[1] == [{"type": "resume", "epoch": "e1", "offset": 3}, {**wanted, "bbox": [1, 2, 3, 4]}]


async def test_an_event_of_a_rule_has_what_it_says_and_none_of_the_rest() -> None:
    """A proximity has another vehicle and no fence; `fields` is the whole message."""
    said = {
        "type": "event", "offset": 1, "event": "near", "cause": "moved", "rule": "convoy", "rule_name": "Convoy", "visit": 9,
        "vehicle": "a", "other": "b", "time_ms": 5, "lat": 1.0, "lon": 2.0, "fix_time_ms": 4, "distance_m": 412.7,
    }  # fmt: skip

    async def live(socket: Any) -> None:
        await socket.send(welcome())
        await socket.recv()
        await socket.send(json.dumps(said))
        await socket.wait_closed()

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer) as client:
        client.subscribe(VIEW)
        heard = await until(client, Event)
    assert (heard.rule, heard.rule_name, heard.other, heard.distance_m, heard.fields) == (
        "convoy", "Convoy", "b", 412.7, said,
    )  # fmt: skip
    assert (heard.fence, heard.name, heard.speed_mps, heard.entered_ms, heard.left_ms) == (
        "",
        "",
        None,
        None,
        None,
    )


async def test_a_gap_is_said_and_the_stream_goes_on() -> None:
    """When the hub no longer has the events in between (or has restarted), an EventGap stands in their place."""
    connections = 0

    async def live(socket: Any) -> None:
        nonlocal connections
        connections += 1
        await socket.send(welcome(f"e{connections}", 0))
        if connections == 1:
            await socket.recv()
            await socket.send(event(7))
            socket.transport.abort()
            return
        await socket.recv()
        await socket.send(json.dumps({"type": "resumed", "epoch": "e2", "offset": 2, "complete": False}))
        await socket.send(event(3))
        await socket.wait_closed()

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer, **QUICK) as client:
        client.subscribe(VIEW)
        assert (await until(client, Event)).offset == 7
        assert not (await until(client, Connection)).is_up
        assert await until(client, EventGap) == EventGap("e1", 7)
        after = await until(client, Event)
        assert (after.epoch, after.offset) == ("e2", 3)


async def test_errors_of_commands_are_updates() -> None:
    """A refused command is told and the connection lives on."""

    async def live(socket: Any) -> None:
        await socket.send(welcome())
        await socket.recv()
        await socket.send(
            json.dumps({"type": "error", "code": "out_of_range", "field": "bbox", "reason": "no"})
        )
        await socket.wait_closed()

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer) as client:
        client.subscribe((0, 99, 0, 99))
        assert await until(client, LiveError) == LiveError("out_of_range", "no", "bbox")


async def test_iteration_ends_with_the_client_and_raises_when_it_was_refused() -> None:
    """`async for` ends on close; a close code for good is an error in the loop."""

    async def live(socket: Any) -> None:
        await socket.send(welcome())
        await socket.close(4503)

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer) as client:
        with pytest.raises(ForbiddenError):
            async for _ in client:
                pass
        await client.close()

    async def quiet(socket: Any) -> None:
        await socket.send(welcome())
        await socket.wait_closed()

    async with small_hub(live=quiet) as hub, LiveClient(hub.url, viewer) as client:
        await until(client, Connection)
        await client.close()
        assert [update async for update in client] == []


async def test_a_slow_reader_slows_the_socket_and_loses_no_event() -> None:
    """Updates that nobody takes stay in the socket, in bounded memory, and all events arrive."""

    async def live(socket: Any) -> None:
        await socket.send(welcome())
        await socket.recv()
        for offset in range(1, 3001):
            await socket.send(event(offset))
        await socket.wait_closed()

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer) as client:
        client.subscribe(VIEW)
        assert (await until(client, Event)).offset == 1
        await asyncio.sleep(0.1)
        assert [(await until(client, Event)).offset for _ in range(2999)] == list(range(2, 3001))


async def test_a_playback_goes_on_after_a_reconnect_where_it_was(wire_schema: Any) -> None:
    """All that is asked is by the protocol; after a reconnect comes the playback, of the moment last told; never a view of the present."""
    asked: list[list[dict[str, Any]]] = []

    async def live(socket: Any) -> None:
        asked.append([])
        await socket.send(welcome())
        async for message in socket:
            asked[-1].append(json.loads(message))
            wire_schema("fromLive").validate(asked[-1][-1])
            if asked[-1][-1].get("speed") == 10:
                clock = {"type": "playback", "time_ms": 5_000, "speed": 10.0, "state": "playing"}
                await socket.send(json.dumps(clock))
                await socket.send(json.dumps({**clock, "time_ms": 9_000, "state": "waiting"}))
                if len(asked) == 1:
                    await socket.close(4000)

    async with small_hub(live=live) as hub, LiveClient(hub.url, viewer, **QUICK) as client:
        for steer in (client.live, lambda: client.seek(1), lambda: client.set_speed(1)):
            with pytest.raises(RuntimeError):
                steer()
        with pytest.raises(ValueError, match="bbox"):
            client.playback(1_000)
        await until(client, Connection)
        client.playback(1_000, until_ms=9_000, speed=2, bbox=VIEW, vehicles=["a"])
        client.seek(99_000)
        client.move(VIEW, zoom=9)
        client.set_speed(10)
        assert await until(client, PlaybackTime) == PlaybackTime(5_000, 10.0, "playing")
        while not (await until(client, Connection)).is_up:
            pass
        await until(client, PlaybackTime)
        view = {"bbox": list(VIEW), "zoom": 9, "vehicles": ["a"]}
        again = {"type": "playback", "at_ms": 5_000, "until_ms": 9_000, "speed": 10, **view}
        assert asked[1] == [{"type": "resume", "epoch": "e1", "offset": 0}, again]
        client.live()
        client.playback(2_000)
        client.live()
        await wait_until(lambda: len(asked[1]) == 5)
        played = {"type": "playback", "at_ms": 2_000, "speed": 1.0}
        assert asked[1][2:] == [{"type": "subscribe", **view}, played, {"type": "live"}]
        with pytest.raises(RuntimeError):
            client.live()
