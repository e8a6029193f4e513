"""The hub as its users meet it: a process, two ports, real sockets, signals."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
from typing import Any

import numpy as np
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from benchmarks.processes import FLEET, SECRET, HubProcess, child, free_port, hub, public_folder, token
from haulcast.client.device_client import DeviceClient
from haulcast.client.live_client import LiveClient
from haulcast.client.live_updates import Event, EventGap, Positions
from haulcast.clock import epoch_ms
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

BAY = (-123.0, 37.0, -121.0, 38.5)
SQUARE = {
    "type": "Polygon",
    "coordinates": [
        [[-122.41, 37.70], [-122.39, 37.70], [-122.39, 37.72], [-122.41, 37.72], [-122.41, 37.70]]
    ],
}


def token_of(fleet: str, role: str, vehicle: str | None = None, *, valid_ms: int = 3_600_000) -> str:
    """A token of any fleet."""
    return TokenBook(SECRET.encode()).make(Claims(fleet, role, vehicle, epoch_ms() + valid_ms))


def fix(seq: int, lat: float = 37.71, lon: float = -122.4, **more) -> str:
    return json.dumps({"seq": seq, "time_ms": epoch_ms(), "lat": lat, "lon": lon, **more})


def address(found: HubProcess, path: str, *, page: bool = False) -> str:
    return f"ws://127.0.0.1:{found.http_port if page else found.hub_port}{path}"


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def hear(socket, kind: str, timeout_s: float = 5.0) -> dict:
    """The next text frame of a kind."""
    async with asyncio.timeout(timeout_s):
        while True:
            frame = orjson.loads(await socket.recv())
            if frame["type"] == kind:
                return frame


@pytest.mark.parametrize("page", [False, True], ids=["fast lane", "page port"])
async def test_a_fix_reaches_the_map_and_the_device_hears_of_it(running_hub, wire_schema, page):
    """On both ports: welcome, ack, snapshot, delta, error and reject, all as the protocol's schema says."""
    async with (
        connect(
            address(running_hub, "/v1/device", page=page), additional_headers=bearer(token(vehicle="a"))
        ) as device,
        connect(
            address(running_hub, "/v1/live", page=page), additional_headers=bearer(token("viewer"))
        ) as viewer,
    ):
        frames = [("toDevice", await hear(device, "welcome")), ("toLive", await hear(viewer, "welcome"))]
        await device.send(fix(1, speed_mps=3.5, heading_deg=90, attributes={"ignition": True}))
        frames.append(("toDevice", await hear(device, "ack")))
        assert frames[-1][1]["seq"] == 1
        await viewer.send(json.dumps({"type": "subscribe", "bbox": BAY}))
        snapshot = await hear(viewer, "snapshot")
        assert snapshot["names"] == {str(snapshot["vehicle"][0]): "a"}
        assert (snapshot["lat"], snapshot["speed_mps"], snapshot["heading_deg"]) == ([37.71], [3.5], [90])
        await device.send(fix(2, lat=37.7101))
        delta = await hear(viewer, "positions")
        assert (delta["vehicle"], delta["lat"], delta["speed_mps"]) == (
            snapshot["vehicle"],
            [37.7101],
            [None],
        )
        assert "names" not in delta
        await device.send("{")
        await device.send(fix(3, lat=0, lon=0))
        frames += [("toDevice", await hear(device, "error")), ("toDevice", await hear(device, "reject"))]
        assert frames[-1][1]["rejects"] == [{"seq": 3, "reasons": ["null_island"]}]
        await viewer.send(json.dumps({"type": "move", "bbox": [0, 0, 500, 1]}))
        frames += [("toLive", snapshot), ("toLive", delta), ("toLive", await hear(viewer, "error"))]
        await viewer.send(json.dumps({"type": "move", "bbox": BAY, "zoom": 3}))
        clusters = await hear(viewer, "clusters")
        assert (clusters["count"], clusters["snapshot"]) == ([1], True)
        frames.append(("toLive", clusters))
    for operation, frame in frames:
        assert wire_schema(operation).validate(frame)


async def test_a_fence_edit_takes_effect_at_once_for_vehicles_that_stand_still(running_hub, wire_schema):
    """Creating a fence around a parked vehicle enters it, deleting the fence leaves it, moving crosses it."""
    url = f"ws://127.0.0.1:{running_hub.hub_port}"
    events: list[Event] = []
    async with (
        DeviceClient(url, token(vehicle="parked")) as device,
        LiveClient(url, token("viewer")) as viewer,
    ):
        viewer.subscribe(BAY)

        async def next_of(kind: type) -> Any:
            async with asyncio.timeout(20):
                async for update in viewer:
                    if isinstance(update, kind):
                        return update
            raise AssertionError

        await next_of(Positions)  # events of before a subscription are not told
        now_ms = epoch_ms()
        device.send(time_ms=now_ms - 60_000, lat_deg=37.71, lon_deg=-122.40)
        await device.drained()
        feature = {"type": "Feature", "id": "yard", "geometry": SQUARE, "properties": {"name": "Yard"}}
        await asyncio.to_thread(running_hub.send, "PUT", "/v1/fences/yard", feature)
        events.append(await next_of(Event))
        # straight out over the eastern edge at -122.39, a third of the way along
        device.send(time_ms=now_ms - 30_000, lat_deg=37.71, lon_deg=-122.37)
        events.append(await next_of(Event))
        device.send(time_ms=now_ms, lat_deg=37.71, lon_deg=-122.40)
        events.append(await next_of(Event))
        await asyncio.to_thread(running_hub.send, "DELETE", "/v1/fences/yard")
        events.append(await next_of(Event))
    assert [(event.event, event.cause) for event in events] == [
        ("enter", "fence_changed"), ("exit", "moved"), ("enter", "moved"), ("exit", "fence_changed"),
    ]  # fmt: skip
    assert {(event.vehicle, event.fence, event.name) for event in events} == {("parked", "yard", "Yard")}
    assert events[0].visit == events[1].visit != events[2].visit == events[3].visit
    assert events[1].time_ms == pytest.approx(now_ms - 50_000, abs=2)
    assert events[2].time_ms == pytest.approx(now_ms - 10_000, abs=2)
    assert events[1].lon_deg == pytest.approx(-122.39, abs=1e-6)
    for event in events:
        assert wire_schema("toLive").validate(dict(event.fields))


async def test_fleets_never_see_each_other(running_hub):
    """The same vehicle and fence names in two fleets: neither map, nor REST, nor events show the other's."""
    port = running_hub.hub_port
    fleets = ("red", "blue")
    devices, viewers = {}, {}
    for fleet in fleets:
        devices[fleet] = await connect(
            f"ws://127.0.0.1:{port}/v1/device", additional_headers=bearer(token_of(fleet, "device", "truck"))
        )
        viewers[fleet] = await connect(
            f"ws://127.0.0.1:{port}/v1/live", additional_headers=bearer(token_of(fleet, "viewer"))
        )
        await viewers[fleet].send(json.dumps({"type": "subscribe", "bbox": BAY}))
    await devices["red"].send(fix(1, lat=37.5))
    await devices["blue"].send(fix(1, lat=37.6))
    for fleet, lat in (("red", 37.5), ("blue", 37.6)):
        positions = await hear(viewers[fleet], "positions")
        assert positions["lat"] == [lat]
    admins = {fleet: HubProcess(running_hub.process, running_hub.http_port, port) for fleet in fleets}
    for fleet, found in admins.items():
        found._admin = token_of(fleet, "admin")
    feature = {"type": "Feature", "geometry": SQUARE, "properties": {"name": "Only red"}}
    await asyncio.to_thread(admins["red"].send, "PUT", "/v1/fences/yard", feature)
    for path in ("/v1/fences/yard",):
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(admins["blue"].get, path)
        assert refused.value.code == 404
    assert (await asyncio.to_thread(admins["blue"].get, "/v1/fences"))["features"] == []
    await devices["blue"].send(fix(2, lat=37.71))
    with pytest.raises(TimeoutError):
        await hear(viewers["blue"], "event", timeout_s=0.5)
    for socket in (*devices.values(), *viewers.values()):
        await socket.close()


@pytest.mark.parametrize(
    ("path", "text", "status"),
    [
        ("/v1/device", "", 401),
        ("/v1/device", "not.a.token", 401),
        (
            "/v1/device",
            TokenBook(b"another secret of thirty-two bytes").make(Claims(FLEET, "device", "x", 2**42)),
            401,
        ),
        ("/v1/device", token_of(FLEET, "device", "x", valid_ms=-1_000), 401),
        ("/v1/device", token_of(FLEET, "viewer"), 403),
        ("/v1/live", token_of(FLEET, "device", "x"), 403),
        ("/v1/other", token_of(FLEET, "viewer"), 404),
    ],
)
async def test_who_may_not_come_in_is_told_so(running_hub, path, text, status):
    """Wrong, foreign and expired tokens, wrong roles and wrong paths, on both ports."""
    for page in (False, True):
        with pytest.raises(InvalidStatus) as refused:
            await connect(address(running_hub, path, page=page), additional_headers=bearer(text))
        assert refused.value.response.status_code == status


async def test_cut_connections_leave_the_others_alone(running_hub, wait_until):
    """Devices that vanish in the middle of a handshake or a frame, at every byte, disturb nobody."""
    head = (
        f"GET /v1/device HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {token(vehicle='cut')}\r\n\r\n"
    ).encode()
    payload = fix(1).encode()
    frame = bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload
    assert len(payload) < 126
    url = f"ws://127.0.0.1:{running_hub.hub_port}"
    async with DeviceClient(url, token(vehicle="steady")) as steady:
        for cut in (*range(0, len(head), 17), *range(len(head), len(head) + len(frame) + 1)):
            _, writer = await asyncio.open_connection("127.0.0.1", running_hub.hub_port)
            writer.write((head + frame)[:cut])
            await writer.drain()
            if cut % 2:
                writer.transport.abort()
            else:
                writer.close()
            steady.send(time_ms=epoch_ms(), lat_deg=37.5 + cut * 1e-6, lon_deg=-122.0)
            await asyncio.sleep(0.002)  # two fixes within one millisecond would be duplicates
        await steady.drained()
        assert steady.counts.rejected == 0
        await wait_until(lambda: running_hub.counters()["devices"] == 1)


async def test_a_subscriber_that_stops_reading_hurts_nobody_and_gets_the_newest_later(start_hub, wait_until):
    """For a minute one map reads nothing: the others stay fast, memory stays bounded, and it then gets the newest state."""
    vehicles, seconds = 200, 60
    async with start_hub(send_buffer_bytes=65_536, device_rate_per_s=1e4) as found:
        url = f"ws://127.0.0.1:{found.hub_port}"
        stuck = await connect(
            f"{url}/v1/live", additional_headers=bearer(token("viewer")), max_queue=1, ping_interval=None
        )
        await stuck.send(json.dumps({"type": "subscribe", "bbox": BAY}))
        await hear(stuck, "snapshot")
        devices = [
            DeviceClient(url, token(vehicle=f"t{i}"), binary=True, first_seq=0) for i in range(vehicles)
        ]
        latencies: list[float] = []
        newest: dict[str, float] = {}
        async with LiveClient(url, token("viewer")) as reader:
            reader.subscribe(BAY)
            watching = asyncio.create_task(_latencies(reader, latencies))
            for device in devices:
                await device.__aenter__()
            await wait_until(lambda: all(device.is_connected for device in devices), timeout_s=30)
            start, resident = time.monotonic(), []
            turn = 0
            while time.monotonic() - start < seconds:
                turn += 1
                for i, device in enumerate(devices):
                    lat = 37.2 + i * 1e-3 + turn * 1e-6
                    device.send(time_ms=epoch_ms(), lat_deg=lat, lon_deg=-122.2)
                    newest[f"t{i}"] = round(lat, 6)
                if turn % 20 == 0:
                    resident.append(found.process.resident_bytes())
                await asyncio.sleep(0.1)
            for device in devices:
                await device.drained()
            watching.cancel()
        held: dict[int, float] = {}
        names: dict[int, str] = {}

        async def caught_up() -> bool:
            frame = orjson.loads(await stuck.recv())
            if frame["type"] in {"positions", "snapshot"}:
                names.update({int(number): name for number, name in frame.get("names", {}).items()})
                held.update(zip(frame["vehicle"], frame["lat"], strict=True))
            return {names[number]: lat for number, lat in held.items()} == newest

        await wait_until(caught_up, timeout_s=20)
        for device in devices:
            await device.close()
        await stuck.close()
        assert found.counters()["map"]["slow_closes"] == 0
    assert np.percentile(latencies, 50) < 1_000
    assert len(latencies) > 0.9 * turn * vehicles * 0.5
    half = len(resident) // 2
    assert max(resident[half:]) - max(resident[:half]) < 16 * 2**20


async def _latencies(reader: LiveClient, latencies: list[float]) -> None:
    async for update in reader:
        if isinstance(update, Positions) and not update.is_snapshot:
            latencies.extend((epoch_ms() - update.fix_time_ms).tolist())


async def test_sigterm_says_come_back_and_ends_cleanly(start_hub):
    """Devices and maps are closed with 4000, what was sent is acked, and the process ends by itself with status 0."""
    async with start_hub() as found:
        device = await connect(address(found, "/v1/device"), additional_headers=bearer(token(vehicle="a")))
        viewer = await connect(address(found, "/v1/live"), additional_headers=bearer(token("viewer")))
        page = await connect(
            address(found, "/v1/live", page=True), additional_headers=bearer(token("viewer"))
        )
        await device.send(fix(7))
        await hear(device, "ack")
        os.kill(found.process.pid, signal.SIGTERM)
        for socket in (device, viewer, page):
            with pytest.raises(ConnectionClosed):
                async with asyncio.timeout(10):
                    while True:
                        await socket.recv()
            assert socket.close_code == 4000
        assert await found.process.ended(20) == 0


async def test_a_killed_hub_comes_back_with_its_fences_and_clients_find_their_way(wait_until):
    """After kill -9 in mid-stream: fences are still there, devices resend what was not acked, the map goes on and says of the gap."""
    with public_folder() as folder:
        await _kill_and_come_back(f"{folder}/var", wait_until)


def _snapshots(updates: list[Any]) -> int:
    """One for each time that the viewer has subscribed."""
    return sum(isinstance(update, Positions) and update.is_snapshot for update in updates)


async def _kill_and_come_back(data_dir: str, wait_until) -> None:
    ports = {"http_port": free_port(), "hub_port": free_port(), "data_dir": data_dir}
    feature = {"type": "Feature", "geometry": SQUARE, "properties": {"name": "Yard"}}
    updates: list = []
    async with hub(**ports) as first:
        url = f"ws://127.0.0.1:{first.hub_port}"
        await asyncio.to_thread(first.send, "PUT", "/v1/fences/yard", feature)
        async with (
            DeviceClient(url, token(vehicle="a"), backoff_s=(0.1, 0.5)) as device,
            LiveClient(url, token("viewer"), backoff_s=(0.1, 0.5)) as viewer,
        ):
            viewer.subscribe(BAY)

            async def watch() -> None:
                async for update in viewer:
                    updates.append(update)

            watching = asyncio.create_task(watch())
            await wait_until(lambda: any(isinstance(update, Positions) for update in updates))
            now_ms = epoch_ms()
            device.send(time_ms=now_ms - 60_000, lat_deg=37.71, lon_deg=-122.4)
            await wait_until(lambda: any(isinstance(update, Event) for update in updates))
            os.kill(first.process.pid, signal.SIGKILL)
            await first.process.ended(10)
            device.send(time_ms=now_ms - 30_000, lat_deg=37.711, lon_deg=-122.4)
            async with hub(**ports) as second:
                await wait_until(lambda: device.unacked == 0, timeout_s=30)
                # whether the viewer or the device is back first is open, so the entry may lie in the gap that it is told of
                await wait_until(
                    lambda: any(isinstance(update, EventGap) for update in updates), timeout_s=30
                )
                await wait_until(lambda: _snapshots(updates) == 2, timeout_s=30)
                device.send(time_ms=now_ms, lat_deg=37.73, lon_deg=-122.4)
                await wait_until(
                    lambda: [u.event for u in updates if isinstance(u, Event)][-1] == "exit", timeout_s=10
                )
                listed = await asyncio.to_thread(second.get, "/v1/fences")
                assert [feature["id"] for feature in listed["features"]] == ["yard"]
                position = (await asyncio.to_thread(second.get, "/v1/vehicles/a"))["position"]
                assert position["lat"] == 37.73
            watching.cancel()


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"HAULCAST_TICK_MS": "0"}, ["tick_ms", "'0'", "1"]),
        ({"HAULCAST_TICKMS": "5"}, ["tickms", "unknown"]),
        ({"HAULCAST_ENVIRONMENT": "production"}, ["token_secret", "required"]),
        ({"HAULCAST_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/none"}, ["127.0.0.1", "none"]),
    ],
)
def test_a_wrong_setting_stops_the_start_and_says_what_is_allowed(tmp_path, environ, words):
    """The name, the value and what is allowed, in one line, without a trace and without secrets."""
    given = {"HAULCAST_DATA_DIR": str(tmp_path / "var"), "HAULCAST_HTTP_PORT": "0", "HAULCAST_HUB_PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "haulcast", "serve"],
        env={**os.environ, **given, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert all(word.lower() in last.lower() for word in words if word != "'0'"), ended.stderr
    assert "Traceback" not in ended.stderr
    assert "hunter2" not in ended.stderr


async def test_a_taken_port_is_said_at_once(start_hub):
    """A second hub on the same port ends with a sentence that names the setting."""
    async with (
        start_hub() as found,
        child("haulcast", "serve", environ={"HAULCAST_HTTP_PORT": str(found.http_port)}) as second,
    ):
        assert await second.ended(30) == 1
