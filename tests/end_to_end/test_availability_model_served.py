"""A fleet's model on one running hub: learned by command from what the database holds, promoted, served, and taken back, without a restart."""

import asyncio
import json
import os
import subprocess
import sys

import httpx
import pytest
from small_models import DAY_MS, habits
from websockets.asyncio.client import connect

from benchmarks.processes import FLEET, SECRET, free_port, token
from haulcast.app import Hub
from haulcast.availability import model_loading
from haulcast.availability.span_store_postgres import PostgresSpanStore
from haulcast.clock import epoch_ms
from haulcast.settings import Settings


async def _report(hub_port: int, vehicle: str) -> None:
    """One fix, now, until it is stored."""
    headers = {"Authorization": f"Bearer {token(vehicle=vehicle)}"}
    url = f"ws://127.0.0.1:{hub_port}/v1/device"
    async with asyncio.timeout(30), connect(url, additional_headers=headers) as device:
        await device.recv()
        await device.send(json.dumps({"seq": 0, "time_ms": epoch_ms(), "lat": 37.8, "lon": -122.4}))
        while json.loads(await device.recv())["type"] != "ack":
            pass


async def test_a_model_is_served_from_its_promotion_until_its_rollback(
    database, database_url, tmp_path, monkeypatch, wait_until
):
    """`basis` and `model` of the answer follow the commands; probabilities stay probabilities throughout."""
    pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    monkeypatch.setattr(model_loading, "LOOK_EVERY_S", 0.1)
    await PostgresSpanStore(database).put(FLEET, habits(begin_ms=epoch_ms() - 11 * DAY_MS))
    settings = Settings(
        database_url=database_url, http_port=free_port(), hub_port=free_port(), token_secret=SECRET,
        models_dir=str(tmp_path), availability_every_s=0.1,
    )  # fmt: skip
    environment = {
        **os.environ, "HAULCAST_DATABASE_URL": database_url, "HAULCAST_MODELS_DIR": str(tmp_path),
    }  # fmt: skip

    async def command(*words: str) -> str:
        line = [sys.executable, "-m", "haulcast", "availability", words[0], "--fleet", FLEET, *words[1:]]
        done = await asyncio.to_thread(
            subprocess.run, line, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def learned(seed: str) -> str:
        told = await command("train", "--every-s", "3600", "--rounds", "5", "--seed", seed)
        return next(line.split()[0] for line in told.splitlines() if " is staged" in line)

    address = {
        "base_url": f"http://127.0.0.1:{settings.http_port}",
        "headers": {"Authorization": f"Bearer {token('admin')}"},
    }
    async with Hub(settings).running(), httpx.AsyncClient(timeout=30, **address) as client:
        await _report(settings.hub_port, "v00")
        said: dict = {}

        async def is_said_by(*bases: str) -> bool:
            said.clear()
            said.update((await client.get("/v1/vehicles/v00/availability?horizon_minutes=15,240")).json())
            assert all(
                0 <= one["p_free"] <= one["p_on_duty"] <= 1 for one in said["horizons"] if one["p_free"]
            )
            return said["basis"] in bases

        async def is_said_of(version: str) -> bool:
            await is_said_by("model")
            return said["model"] == version

        await wait_until(lambda: is_said_by("own", "fleet"))
        assert "model" not in said
        first = await learned("1")
        assert not await is_said_by("model")
        await command("promote", first)
        await wait_until(lambda: is_said_by("model"))
        assert said["model"] == first
        second = await learned("2")
        for words, version in ((("promote", second), second), (("rollback",), first)):
            await command(*words)
            await wait_until(lambda version=version: is_said_of(version))
            assert said["basis"] == "model"
