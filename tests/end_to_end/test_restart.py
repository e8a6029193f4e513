"""A hub that is stopped or killed and comes back knows where every vehicle was and what it was inside."""

import asyncio
import json
import os
import signal

import orjson
import pytest
from websockets.asyncio.client import connect

from benchmarks.processes import HubProcess, free_port, hub, public_folder, token
from haulcast.clock import epoch_ms

YARD = {
    "type": "Feature",
    "geometry": {
        "type": "Polygon",
        "coordinates": [
            [[-122.41, 37.70], [-122.39, 37.70], [-122.39, 37.72], [-122.41, 37.72], [-122.41, 37.70]]
        ],
    },
    "properties": {"name": "Yard"},
}
BAY = (-123.0, 37.0, -121.0, 38.5)


def fix(seq: int, time_ms: int, lat: float) -> str:
    return json.dumps({"seq": seq, "time_ms": time_ms, "lat": lat, "lon": -122.4})


def socket(found: HubProcess, path: str, text: str):
    url = f"ws://127.0.0.1:{found.hub_port}{path}"
    return connect(url, additional_headers={"Authorization": f"Bearer {text}"})


async def hear(link, kind: str) -> dict:
    """The next text frame of a kind."""
    async with asyncio.timeout(10):
        while True:
            frame = orjson.loads(await link.recv())
            if frame["type"] == kind:
                return frame


async def _drive_in(found: HubProcess, start_ms: int, wait_until) -> dict:
    """The entry into the yard, once it is saved for the next start."""
    await asyncio.to_thread(found.send, "PUT", "/v1/fences/yard", YARD)
    async with (
        socket(found, "/v1/live", token("viewer")) as viewer,
        socket(found, "/v1/device", token(vehicle="a")) as device,
    ):
        await viewer.send(json.dumps({"type": "subscribe", "bbox": BAY}))
        await hear(viewer, "snapshot")
        await device.send(fix(1, start_ms, 37.73))
        await device.send(fix(2, start_ms + 60_000, 37.71))
        entered = await hear(viewer, "event")

        async def is_saved() -> bool:
            counted = (await asyncio.to_thread(found.counters))["checkpoints"]
            return counted["saved"] > 0 and counted["waiting"] == 0

        await wait_until(is_saved)
    return entered


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_a_hub_that_comes_back_tells_nothing_twice(wait_until, how):
    """The map shows the vehicle before it reports, a resent fix is a duplicate, and the visit ends once, under the id it began with."""
    start_ms = epoch_ms() - 600_000
    with public_folder() as folder:
        ports = {"http_port": free_port(), "hub_port": free_port(), "data_dir": f"{folder}/var"}
        async with hub(**ports, checkpoint_interval_s=0.1) as first:
            entered = await _drive_in(first, start_ms, wait_until)
            os.kill(first.process.pid, how)
            await first.process.ended(30)
        async with (
            hub(**ports) as second,
            socket(second, "/v1/live", token("viewer")) as viewer,
        ):
            await viewer.send(json.dumps({"type": "subscribe", "bbox": BAY}))
            snapshot = await hear(viewer, "snapshot")
            assert (list(snapshot["names"].values()), snapshot["lat"]) == (["a"], [37.71])
            async with socket(second, "/v1/device", token(vehicle="a")) as device:
                assert (await hear(device, "welcome"))["seq"] == 2
                await device.send(fix(2, start_ms + 60_000, 37.71))
                assert (await hear(device, "reject"))["rejects"] == [{"seq": 2, "reasons": ["duplicate"]}]
                await device.send(fix(3, start_ms + 120_000, 37.71))
                await device.send(fix(4, start_ms + 180_000, 37.73))
                left = await hear(viewer, "event")
            counted = await asyncio.to_thread(second.counters)
        assert counted["fence_events"] == 1
    assert (entered["event"], left["event"], left["cause"]) == ("enter", "exit", "moved")
    assert (left["visit"], left["fence"], left["name"]) == (entered["visit"], "yard", "Yard")
