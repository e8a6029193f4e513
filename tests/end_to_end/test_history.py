"""What is acked is stored, once: the real hub killed again and again, and the database taken away under it."""

import asyncio
import json
import os
import signal

import asyncpg
import pytest
from test_restart import BAY, hear, socket

from benchmarks.processes import free_port, hub, public_folder, token
from haulcast.client import DeviceClient
from haulcast.clock import epoch_ms

FAST = {"device_rate_per_s": 1e6, "device_burst": 1e7, "checkpoint_interval_s": 0.2}
PATIENCE_S = 120.0


@pytest.fixture
def system_database_url(system_server_url, new_database_url) -> str:
    """A database of this test's own, which outlives its hubs."""
    return new_database_url(system_server_url)


def send(device: DeviceClient, start_ms: int, first: int, count: int) -> None:
    """Fixes a second apart, on a slow way north; their number is their sequence."""
    for i in range(first, first + count):
        attributes = {"number": i} if i % 50 == 0 else None
        device.send(
            time_ms=start_ms + 1_000 * i,
            lat_deg=37.5 + 1e-6 * i,
            lon_deg=-122.4,
            attributes=attributes,
            seq=i,
        )


def device_of(hub_port: int, vehicle: str, *, binary: bool = False) -> DeviceClient:
    url = f"ws://127.0.0.1:{hub_port}"
    return DeviceClient(
        url, token(vehicle=vehicle), binary=binary, first_seq=0, backoff_s=(0.2, 0.5), frame_fixes=50
    )


async def stored(url: str, vehicle: str) -> list[tuple[int, str | None]]:
    """(sequence, attributes) of each stored fix."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT seq, attributes FROM fixes JOIN history_vehicles ON number = vehicle WHERE vehicle_id = $1 ORDER BY seq",
        vehicle,
    )
    await connection.close()
    return [(row["seq"], row["attributes"]) for row in rows]


def wanted(count: int) -> list[tuple[int, str | None]]:
    return [(i, f'{{"number":{i}}}' if i % 50 == 0 else None) for i in range(count)]


async def test_a_hub_that_is_killed_in_mid_stream_loses_nothing(system_database_url, wait_until):
    """Three kills while fixes are on their way: in the end all are acked, and each is stored once, attributes and all."""
    url, start_ms, count = system_database_url, epoch_ms() - 86_400_000, 0
    with public_folder() as folder:
        ports = {
            "http_port": free_port(),
            "hub_port": free_port(),
            "data_dir": f"{folder}/var",
            "database_url": url,
        }
        port = ports["hub_port"]
        async with device_of(port, "text") as text, device_of(port, "binary", binary=True) as binary:
            for life in range(4):
                async with hub(**ports, **FAST) as found:
                    for _ in range(20):
                        for device in (text, binary):
                            send(device, start_ms, count, 100)
                        count += 100
                        await asyncio.sleep(0.005)
                    acked = text.counts.acked + binary.counts.acked
                    await wait_until(
                        lambda acked=acked: text.counts.acked + binary.counts.acked > acked,
                        timeout_s=PATIENCE_S,
                    )
                    if life < 3:
                        os.kill(found.process.pid, signal.SIGKILL)
                        await found.process.ended(30)
                        continue
                    async with asyncio.timeout(PATIENCE_S):
                        await asyncio.gather(text.drained(), binary.drained())
            for device in (text, binary):
                assert (device.counts.given, device.counts.acked, device.unacked) == (count, count, 0)
    assert await stored(url, "text") == await stored(url, "binary") == wanted(count)


async def test_a_database_that_goes_away_stops_no_map_and_loses_nothing(system_postgres, wait_until):
    """The buffer is too small for what comes meanwhile: the map goes on, devices send again, each fix is stored once."""
    start_ms = epoch_ms() - 86_400_000
    settings = {**FAST, "database_url": system_postgres.url, "history_buffer_bytes": 2**20}
    async with (
        hub(**settings) as found,
        device_of(found.hub_port, "v") as device,
        device_of(found.hub_port, "b", binary=True) as other,
    ):

        async def counters() -> dict:
            return (await asyncio.to_thread(found.counters))["history"]

        send(device, start_ms, 0, 100)
        await wait_until(lambda: device.unacked == 0, timeout_s=PATIENCE_S)
        await asyncio.to_thread(system_postgres.kill)
        for sent in (device, other):
            send(sent, start_ms, 100 if sent is device else 0, 9_900 if sent is device else 10_000)
        async with socket(found, "/v1/live", token("viewer")) as viewer:
            await viewer.send(json.dumps({"type": "subscribe", "bbox": BAY}))
            shown = await hear(viewer, "snapshot")
            while max(shown["fix_time_ms"], default=0) < start_ms + 9_999_000:
                shown = await hear(viewer, "positions")

            async def has_dropped() -> bool:
                return (await counters())["dropped"] > 0

            await wait_until(has_dropped, timeout_s=PATIENCE_S)
            assert (await counters())["store_away"]
            ready = await asyncio.to_thread(found.get, "/ready")
            assert ready["status"] == "degraded"
            send(device, start_ms, 10_000, 1)
            while max(shown["fix_time_ms"]) < start_ms + 10_000_000:
                shown = await hear(viewer, "positions")
        assert device.counts.acked == 100
        await asyncio.to_thread(system_postgres.start)
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(device.drained(), other.drained())
        assert (device.counts.acked, other.counts.acked) == (10_001, 10_000)
        counted = await counters()
        assert counted["resends"] > 0
        assert (counted["stored"], counted["buffered"], counted["store_away"]) == (20_001, 0, False)
    assert await stored(system_postgres.url, "v") == wanted(10_001)
    assert await stored(system_postgres.url, "b") == wanted(10_000)


async def test_with_the_history_off_an_ack_means_taken(start_hub):
    """Devices are acked all the same, and nothing is kept."""
    async with start_hub(history="off") as found, device_of(found.hub_port, "v") as device:
        send(device, epoch_ms() - 10_000, 0, 5)
        async with asyncio.timeout(PATIENCE_S):
            await device.drained()
        counted = await asyncio.to_thread(found.counters)
        assert (device.counts.acked, counted["accepted"], counted["history"]) == (5, 5, None)
