"""Phone apps at a real hub: their requests over HTTP, their vehicles on the live socket, and what no log may show."""

import asyncio
import http.client
import json
import os
import signal

import orjson
import pytest
from golden_frames import GOLDEN_FRAMES, GoldenFrame
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from benchmarks.processes import SECRET, HubProcess, free_port, hub, token
from haulcast.clock import epoch_ms
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

WORLD = [-180, -85, 180, 85]
ANY_AGE_MS = 3_153_600_000_000


def token_of(fleet: str, role: str, vehicle: str | None = None) -> str:
    return TokenBook(SECRET.encode()).make(Claims(fleet, role, vehicle, epoch_ms() + 3_600_000))


def _send(port: int, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    """One request on a connection of its own."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        link.request(method, path, body or None, headers)
        answer = link.getresponse()
        return answer.status, answer.read().decode()
    finally:
        link.close()


async def send(
    found: HubProcess,
    method: str,
    path: str,
    headers: dict[str, str] | None = None,
    body: bytes = b"",
    port: int = 0,
) -> tuple[int, str]:
    return await asyncio.to_thread(_send, port or found.http_port, method, path, headers or {}, body)


async def hear(socket, kind: str) -> dict:
    async with asyncio.timeout(10):
        while True:
            frame = orjson.loads(await socket.recv())
            if frame["type"] == kind:
                return frame


async def see(found: HubProcess, fleet: str, frame: GoldenFrame) -> None:
    """Send one golden frame as its fleet's truck 7, and find its newest fix on the fleet's map."""
    headers = {"Authorization": f"Bearer {token_of(fleet, 'viewer')}"}
    async with connect(f"ws://127.0.0.1:{found.hub_port}/v1/live", additional_headers=headers) as viewer:
        await viewer.send(json.dumps({"type": "subscribe", "bbox": WORLD, "zoom": 12}))
        assert (await hear(viewer, "snapshot"))["vehicle"] == []
        device = frame.headers | {"Authorization": f"Bearer {token_of(fleet, 'device', frame.device)}"}
        answer = await send(found, frame.method, frame.path, device, frame.body)
        assert answer == (200, frame.answer), frame.name
        newest = max(frame.fixes, key=lambda fix: fix["time_ms"])
        seen = await hear(viewer, "positions")
        assert list(seen["names"].values()) == [frame.device]
        assert seen["fix_time_ms"] == [newest["time_ms"]], frame.name
        assert (seen["lat"], seen["lon"]) == ([newest["lat_deg"]], [newest["lon_deg"]])
        speed_mps = newest.get("speed_mps")
        assert seen["speed_mps"] == [None if speed_mps is None else pytest.approx(speed_mps, rel=1e-6)]


async def test_every_golden_frame_is_on_the_map():
    """Each app's requests, sent to a real hub, show the vehicle where they say; what is counted adds up."""
    frames = [frame for frame in GOLDEN_FRAMES if frame.fixes]
    async with hub(late_ms=ANY_AGE_MS) as found:
        for number, frame in enumerate(frames):
            await see(found, f"fleet-{number}", frame)
        counters = await asyncio.to_thread(found.counters)
    assert counters["phones"]["requests"] == len(frames)
    assert counters["phones"]["fixes"] == counters["accepted"] == sum(len(frame.fixes) for frame in frames)


async def test_a_phone_id_reports_and_stands_in_no_log(capfd):
    """Made, it reports on the HTTP port and on OsmAnd's, whatever the path; withdrawn, it is 400; no log ever shows it."""
    port = free_port()
    async with hub(osmand_port=port, log_level="debug", summary_interval_s=0.1) as found:
        await asyncio.to_thread(found.send, "PUT", "/v1/vehicles/truck-7", {})
        made = await asyncio.to_thread(found.send, "POST", "/v1/phone-ids/truck-7")
        phone_id = made["phone_id"]
        good = f"id={phone_id}&lat=37.7&lon=-122.4"
        assert await send(found, "GET", f"/osmand?{good}") == (200, "")
        assert await send(found, "POST", f"/?{good}", port=port) == (200, "")
        assert await send(found, "POST", "/any/path", body=good.encode(), port=port) == (200, "")
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{port}/v1/live?token={token('viewer')}")
        vehicle = await asyncio.to_thread(found.get, "/v1/vehicles/truck-7")
        assert (vehicle["position"]["lat"], "seq" in vehicle["position"]) == (37.7, False)
        assert (await send(found, "GET", f"/osmand?id={phone_id}&lat=x&lon=1"))[0] == 400
        status, problem = await send(found, "GET", f"/osmand?id={phone_id[:-1]}&lat=1&lon=1")
        assert (status, phone_id[:-1] in problem) == (400, False)
        await asyncio.to_thread(found.send, "DELETE", "/v1/phone-ids/truck-7")
        assert (await send(found, "GET", f"/osmand?{good}"))[0] == 400
        counters = await asyncio.to_thread(found.counters)
        assert counters["phones"]["requests"] == 3
    written = capfd.readouterr().err
    assert "ready" in written
    assert phone_id[:12] not in written


async def test_a_vehicle_that_only_phones_is_on_record(running_hub, wait_until):
    """A device token's vehicle gets its record with its first fix, as one that connects does."""
    headers = {"Authorization": f"Bearer {token(vehicle='van-1')}", "Content-Type": "application/json"}
    body = json.dumps({"fixes": [{"time_ms": epoch_ms(), "lat": 37.7, "lon": -122.4}]}).encode()
    status, answer = await send(running_hub, "POST", "/v1/fixes", headers, body)
    assert (status, json.loads(answer)["accepted"]) == (200, 1)

    async def is_on_record() -> bool:
        page = await asyncio.to_thread(running_hub.get, "/v1/vehicles")
        return [one["id"] for one in page["vehicles"]] == ["van-1"]

    await wait_until(is_on_record)


async def test_a_hub_that_stops_answers_what_it_has_taken(running_hub):
    """Requests under way at the stop are answered 200, or not at all; none is told that something is wrong with it."""
    headers = {"Authorization": f"Bearer {token(vehicle='van-1')}", "Content-Type": "application/json"}

    async def one(number: int) -> int | None:
        body = json.dumps({"fixes": [{"time_ms": epoch_ms() + number, "lat": 37.7, "lon": -122.4}]}).encode()
        try:
            return (await send(running_hub, "POST", "/v1/fixes", headers, body))[0]
        except (OSError, http.client.HTTPException):
            return None

    under_way = [asyncio.create_task(one(number)) for number in range(40)]
    await under_way[0]
    os.kill(running_hub.process.pid, signal.SIGTERM)
    statuses = await asyncio.gather(*under_way)
    assert await running_hub.process.ended(30) == 0
    assert set(statuses) <= {200, None}
