"""What predictions turned out to be, through a whole hub: figures, metrics, the alert on the live socket, and a restart."""

import asyncio
import json
import sys
import time
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from benchmarks.processes import FLEET, SECRET, free_port, token
from haulcast.app import Hub
from haulcast.availability import monitoring, sampling
from haulcast.settings import Settings

sys.path.append(str(Path(__file__).parents[1] / "availability"))
from monitored import World, on_duty, recorded, sample

WORLD = {"type": "subscribe", "bbox": [-180, -90, 180, 90], "zoom": 12}


class _Seen:
    """One hub of this process, over its own ports."""

    def __init__(self, database_url: str) -> None:
        self.settings = Settings(
            database_url=database_url,
            http_port=free_port(),
            hub_port=free_port(),
            token_secret=SECRET,
            host="127.0.0.1",
        )
        self.hub = Hub(self.settings)

    async def get(self, path: str, role: str = "admin") -> httpx.Response:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.settings.http_port}", timeout=30
        ) as client:
            return await client.get(path, headers={"Authorization": f"Bearer {token(role)}"})

    async def quality(self) -> dict:
        return (await self.get("/v1/availability/quality", "dispatcher")).json()


@pytest.fixture
def at_once(monkeypatch):
    """No waiting between looks, nor for devices; every prediction is a sample."""
    monkeypatch.setattr(monitoring, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(monitoring, "JUDGE_EVERY_MS", 0)
    monkeypatch.setattr(monitoring, "JOIN_DELAY_MS", 0)
    monkeypatch.setattr(sampling, "EVERY_S", 1e-3)


async def _next(socket, kind: str) -> dict:
    async with asyncio.timeout(30):
        while True:
            frame = json.loads(await socket.recv())
            if frame["type"] == kind:
                return frame


async def test_predictions_are_judged_and_told_once_through_a_restart(
    database, database_url, at_once, wait_until, wire_schema
):
    """Samples whose moment came while nobody ran are joined; dispatchers read the figures and the live socket tells the alert once; the next run goes on with all of it."""
    world, first = World(database), _Seen(database_url)
    due_ms = int(time.time() * 1000) - 3_600_000
    right = [on_duty(f"d{number}", due_ms - 1, None) for number in range(180)]
    async with first.hub.running():
        url, headers = (
            f"ws://127.0.0.1:{first.settings.hub_port}/v1/live",
            {"Authorization": f"Bearer {token('viewer')}"},
        )
        async with connect(url, additional_headers=headers) as socket:
            await socket.send(json.dumps(WORLD))
            await _next(socket, "snapshot")
            assert (await first.quality())["figures"]["on_duty"] == []
            await world.spans.put(FLEET, right)
            await world.store.add(
                [(FLEET, sample(due_ms, f"d{number}", p_free=0.0)) for number in range(300)]
            )
            told = [await _next(socket, "availability_alert") for _ in range(2)]
        assert {wire_schema("toLive").validate(frame) for frame in told} == {"availability_alert"}
        assert {(one["event"], one["question"], one["accuracy"]) for one in told} == {
            ("availability_degraded", "on_duty", 0.6), ("availability_degraded", "free", 0.4),
        }  # fmt: skip

        async def judged() -> bool:
            return bool((await first.quality())["figures"]["on_duty"])

        await wait_until(judged)
        found = await first.quality()
        assert (found["figures"]["on_duty"][0]["n"], found["figures"]["on_duty"][0]["accuracy"]) == (300, 0.6)
        metrics = (await first.get("/metrics")).text
        assert "haulcast_availability_degraded 2.0" in metrics
        assert 'haulcast_availability_on_duty_accuracy{horizon_s="900"} 0.6' in metrics
        first.hub._availability.monitoring.on_forecast(FLEET, recorded(time.time()))
    async with (second := _Seen(database_url)).hub.running():

        async def restored() -> object:
            now = await second.quality()
            return now["pending"] == 4 * 5 and now["figures"]["on_duty"]

        await wait_until(restored)
        again = await second.quality()
        assert again["alerts"] == found["alerts"]
        assert [one["n"] for one in again["figures"]["on_duty"]] == [300]
        assert len(await world.store.alerts(FLEET, 0)) == 2
