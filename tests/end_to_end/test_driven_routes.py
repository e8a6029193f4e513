"""A vehicle drives its route through a hub that is killed on the way: each event once, every stop marked, progress goes on."""

import asyncio
import json
import os
import signal

import orjson
import pytest
from websockets.asyncio.client import connect

from benchmarks.processes import HubProcess, free_port, hub, public_folder, token
from haulcast.clock import epoch_ms

LAT, M_LAT, M_LON = 45.0, 111_195.0, 78_627.0
ROUTE = {
    "vehicle": "van",
    "status": "active",
    "stops": [
        {"id": "a", "kind": "stop", "lat": LAT, "lon": 9 + 2_000 / M_LON},
        {"id": "b", "kind": "stop", "lat": LAT, "lon": 9 + 6_000 / M_LON, "service_s": 60},
    ],
    "line": {"type": "LineString", "coordinates": [[9, LAT], [9 + 9_000 / M_LON, LAT]]},
}
DAY = [
    *[(100 * i, 0) for i in range(30)],
    *[(3_000, 100 * i) for i in range(8)],
    *[(3_000 + 100 * i, 0) for i in range(45)],
]
TOLD = ["arrived a", "departed a", "off_route", "on_route", "arrived b", "departed b"]


def fixes(start_ms: int) -> list[str]:
    return [
        json.dumps(
            {"seq": i, "time_ms": start_ms + 10_000 * i, "lat": LAT + north / M_LAT, "lon": 9 + east / M_LON, "accuracy_m": 5}
        )
        for i, (east, north) in enumerate(DAY)
    ]  # fmt: skip


async def drive(found: HubProcess, day: list[str], until: int, *, is_acked: bool) -> None:
    """Send what the hub has not stored yet, up to a fix; wait for its ack if `is_acked`."""
    url = f"ws://127.0.0.1:{found.hub_port}/v1/device"
    headers = {"Authorization": f"Bearer {token(vehicle='van')}"}
    async with asyncio.timeout(30), connect(url, additional_headers=headers) as socket:
        known = orjson.loads(await socket.recv()).get("seq")
        for text in day[0 if known is None else known + 1 : until]:
            await socket.send(text)
        while is_acked:
            frame = orjson.loads(await socket.recv())
            is_acked = not (frame["type"] == "ack" and frame["seq"] >= until - 1)


async def told(found: HubProcess) -> list[str]:
    events = (await asyncio.to_thread(found.get, "/v1/events?route=r"))["events"]
    return [f"{event['event']} {event.get('stop', '')}".strip() for event in events]


@pytest.mark.parametrize("is_acked", [True, False], ids=["after acks", "before acks"])
async def test_a_route_is_driven_through_kills(wait_until, is_acked):
    """Killed while at a stop, off the route and behind it, the hub tells each thing once, and the route is done in the end."""
    start_ms = epoch_ms() + 20_000
    with public_folder() as folder:
        chosen = {
            "http_port": free_port(), "hub_port": free_port(), "data_dir": f"{folder}/var", "future_ms": 86_400_000,
            "off_route_s": 30,
        }  # fmt: skip
        for number, until in enumerate([20, 36, 37, 70, len(DAY)]):
            async with hub(**chosen) as found:
                if not number:
                    await asyncio.to_thread(found.send, "PUT", "/v1/routes/r", ROUTE)
                is_last = until == len(DAY)
                await drive(found, fixes(start_ms), until, is_acked=is_acked or is_last)
                if until == 36 and is_acked:
                    route = await asyncio.to_thread(found.get, "/v1/vehicles/van/route")
                    assert route["progress"]["is_off_route"]
                    assert route["stops"][1]["eta"] > start_ms + 10_000 * until
                if not is_last:
                    os.kill(found.process.pid, signal.SIGKILL)
                    await found.process.ended(30)
                    continue

                async def is_done(found: HubProcess = found) -> bool:
                    route = await asyncio.to_thread(found.get, "/v1/routes/r")
                    return route["status"] == "done" and len(await told(found)) == len(TOLD)

                await wait_until(is_done)
                route = await asyncio.to_thread(found.get, "/v1/routes/r")
                assert [stop["state"] for stop in route["stops"]] == ["done", "done"]
                assert all(stop["arrived"] < stop["left"] for stop in route["stops"])
                assert await told(found) == TOLD
                counted = await asyncio.to_thread(found.counters)
                assert (counted["routes"]["active"], counted["routes"]["off_route"]) == (0, 0)


async def test_the_live_socket_tells_of_routes(wire_schema):
    """A viewer hears of an arrival, of lateness and of a detour, in the words of the protocol."""
    first, second = ROUTE["stops"]
    body = {**ROUTE, "stops": [first, {**second, "closes": epoch_ms() - 3_600_000}]}
    start_ms, heard = epoch_ms() + 20_000, []
    async with hub(future_ms=86_400_000, off_route_s=30) as found:
        await asyncio.to_thread(found.send, "PUT", "/v1/routes/r", body)
        url = f"ws://127.0.0.1:{found.hub_port}/v1/live"
        headers = {"Authorization": f"Bearer {token('viewer')}"}
        async with asyncio.timeout(30), connect(url, additional_headers=headers) as viewer:
            await viewer.send(json.dumps({"type": "subscribe", "bbox": [8, 44, 10, 46]}))
            await drive(found, fixes(start_ms), 40, is_acked=True)
            while len(heard) < 7:
                frame = await viewer.recv()
                if isinstance(frame, str) and (said := orjson.loads(frame))["type"] == "event":
                    assert wire_schema("toLive").validate(said) == "event"
                    heard.append(said)
        of_route = {one["event"]: one for one in heard if "route" in one}
        assert [name for name in of_route if name != "late_risk"] == [
            "arrived",
            "departed",
            "off_route",
            "on_route",
        ]
        assert (of_route["arrived"]["stop"], of_route["late_risk"]["stop"]) == ("a", "b")
        assert of_route["late_risk"]["late_s"] > 3_600
        assert {one["route"] for one in heard if "route" in one} == {"r"}
        counted = (await asyncio.to_thread(found.counters))["routes"]
        assert counted["told"] == {"arrived": 1, "departed": 1, "late_risk": 1, "off_route": 1, "on_route": 1}
