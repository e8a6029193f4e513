"""Faults that nobody is told of: a store that hangs, a full disk, connections that are dead and look alive, clocks that jump.

Each ends with: every acked fix is stored once, every sent fix is acked or rejected.
"""

import asyncio
import dataclasses
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from postgres_fixture import SystemPostgres, _system_programs
from silent_proxy import silent_proxy
from test_history import FAST, PATIENCE_S, device_of, send, stored, wanted

from benchmarks.processes import HubProcess, free_port, hub, public_folder
from haulcast.client import DeviceClient
from haulcast.clock import epoch_ms

DAY_MS = 86_400_000
QUICK = {**FAST, "history_timeout_s": 1, "history_buffer_bytes": 2**20}
DISK_BYTES = 160 * 2**20
DISK_LEFT_BYTES = 2 * 2**20


@pytest.fixture
def own_url(system_server_url, new_database_url) -> str:
    """A database of this test's own."""
    return new_database_url(system_server_url)


def impatient(device: DeviceClient) -> DeviceClient:
    """One that soon asks for a sign of life."""
    device._dialling = dataclasses.replace(device._dialling, ping_interval_s=0.3)
    return device


async def history_of(found: HubProcess) -> dict:
    return (await asyncio.to_thread(found.counters))["history"]


async def has_dropped(found: HubProcess) -> bool:
    """The store is known to be away, and the buffer has overflowed."""
    history = await history_of(found)
    return history["store_away"] and history["dropped"] > 0


async def all_settled(url: str, *devices: tuple[DeviceClient, str, int]) -> None:
    """Everything that was given is acked, and stored once."""
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(device.drained() for device, _, _ in devices))
    for device, vehicle, count in devices:
        assert (device.counts.given, device.counts.acked, device.unacked) == (count, count, 0)
        assert await stored(url, vehicle) == wanted(count)


async def test_a_database_that_hangs_loses_nothing(system_postgres, wait_until):
    """It is frozen in mid-stream, longer than a write may take, and thawed: the write may have been done or not."""
    start_ms = epoch_ms() - DAY_MS
    async with (
        hub(**QUICK, database_url=system_postgres.url) as found,
        device_of(found.hub_port, "v") as device,
        device_of(found.hub_port, "b", binary=True) as other,
    ):
        for round_ in range(2):
            first = 9_000 * round_
            for sent in (device, other):
                send(sent, start_ms, first, 9_000)
            acked = device.counts.acked
            await wait_until(lambda acked=acked: device.counts.acked > acked, timeout_s=PATIENCE_S)
            await asyncio.to_thread(system_postgres.freeze)
            try:
                await wait_until(lambda: has_dropped(found), timeout_s=PATIENCE_S)
            finally:
                await asyncio.to_thread(system_postgres.thaw)
        await all_settled(system_postgres.url, (device, "v", 18_000), (other, "b", 18_000))
        history = await history_of(found)
        assert history["errors"] > 0
        assert (history["unstorable"], history["buffered"]) == (0, 0)


async def test_connections_to_the_database_that_are_dead_lose_nothing(own_url, wait_until):
    """What is sent on them is swallowed, on new ones too; later new ones work, the old ones stay dead."""
    url, start_ms = own_url, epoch_ms() - DAY_MS
    async with silent_proxy(urlsplit(url).port) as proxy:
        through = url.replace(f":{urlsplit(url).port}/", f":{proxy.port}/")
        async with (
            hub(**QUICK, database_url=through) as found,
            device_of(found.hub_port, "v") as device,
        ):
            send(device, start_ms, 0, 3_000)
            await wait_until(lambda: device.counts.acked > 0, timeout_s=PATIENCE_S)
            proxy.swallows = True
            send(device, start_ms, 3_000, 15_000)
            await wait_until(lambda: has_dropped(found), timeout_s=PATIENCE_S)
            assert proxy.swallowed > 0
            proxy.swallows = False
            await all_settled(url, (device, "v", 18_000))


async def test_a_hub_whose_database_hangs_stops_in_time(system_postgres, wait_until):
    """Not later than `stop_timeout_s`; what was not acked is sent to the next one."""
    start_ms = epoch_ms() - DAY_MS
    with public_folder() as folder:
        ports = {"http_port": free_port(), "hub_port": free_port(), "data_dir": f"{folder}/var"}
        chosen = {**FAST, **ports, "database_url": system_postgres.url, "stop_timeout_s": 3}
        async with device_of(ports["hub_port"], "v") as device:
            async with hub(**chosen) as found:
                send(device, start_ms, 0, 1_000)
                await wait_until(lambda: device.unacked == 0, timeout_s=PATIENCE_S)
                await asyncio.to_thread(system_postgres.freeze)
                try:
                    send(device, start_ms, 1_000, 1_000)

                    async def has_taken() -> bool:
                        return (await asyncio.to_thread(found.counters))["accepted"] == 2_000

                    await wait_until(has_taken, timeout_s=PATIENCE_S)
                    before_s = time.monotonic()
                    os.kill(found.process.pid, signal.SIGTERM)
                    assert await found.process.ended(30) == 0
                    assert (
                        time.monotonic() - before_s < 3 + 3
                    )  # and the end of Python itself, on a busy machine
                finally:
                    await asyncio.to_thread(system_postgres.thaw)
            assert device.counts.acked == 1_000
            async with hub(**chosen):
                await all_settled(system_postgres.url, (device, "v", 2_000))


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of `DISK_BYTES`."""
    place = Path(tempfile.mkdtemp(prefix="haulcast-disk-"))
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=755", "tmpfs", str(place)]
    done = subprocess.run(mounting, check=False, capture_output=True, text=True)
    if done.returncode:
        place.rmdir()
        pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)
    place.rmdir()


@pytest.fixture
def postgres_on_small_disk(small_disk: Path) -> Iterator[SystemPostgres]:
    """A server whose data, its log of changes too, are there."""
    server = SystemPostgres(_system_programs(), small_disk, "--wal-segsize=1")
    yield server
    server.remove()


def fill(disk: Path) -> Path:
    """A file that leaves `DISK_LEFT_BYTES`."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - DISK_LEFT_BYTES)
    return ballast


async def test_a_full_disk_loses_nothing(small_disk, postgres_on_small_disk, wait_until):
    """It fills up in mid-stream, and is freed again; a server that gave up over it is started again, as by its keeper."""
    server, start_ms = postgres_on_small_disk, epoch_ms() - DAY_MS
    async with hub(**QUICK, database_url=server.url) as found, device_of(found.hub_port, "v") as device:
        send(device, start_ms, 0, 1_000)
        await wait_until(lambda: device.unacked == 0, timeout_s=PATIENCE_S)
        ballast = fill(small_disk)
        send(device, start_ms, 1_000, 59_000)
        await wait_until(lambda: has_dropped(found), timeout_s=PATIENCE_S)
        assert device.counts.acked < 60_000
        assert shutil.disk_usage(small_disk).free < DISK_LEFT_BYTES
        ballast.unlink()
        if not server.runs:
            await asyncio.to_thread(server.start)
        await all_settled(server.url, (device, "v", 60_000))
        history = await history_of(found)
        assert (history["unstorable"], history["buffered"]) == (0, 0)


async def test_a_device_whose_connection_is_half_open_loses_nothing(own_url, wait_until):
    """Frames, acks or both are swallowed: it comes back when no pong does, and sends again what it does not know to be stored."""
    start_ms, cuts = epoch_ms() - DAY_MS, (("up",), ("down",), ("up", "down"))
    async with (
        hub(**FAST, database_url=own_url, idle_timeout_s=1) as found,
        silent_proxy(found.hub_port) as proxy,
        impatient(device_of(proxy.port, "text")) as text,
        impatient(device_of(proxy.port, "binary", binary=True)) as binary,
    ):
        devices = (text, binary)
        await wait_until(lambda: text.is_connected and binary.is_connected, timeout_s=PATIENCE_S)
        for place, directions in enumerate(cuts):
            before = [device.counts.connections for device in devices]
            for device in devices:
                send(device, start_ms, 1_000 * place, 1_000)
            proxy.deaden(*directions)

            def are_back(before: list[int] = before) -> bool:
                return all(d.counts.connections > was for d, was in zip(devices, before, strict=True))

            await wait_until(are_back, timeout_s=PATIENCE_S)
        await all_settled(own_url, (text, "text", 3_000), (binary, "binary", 3_000))
        counted = await asyncio.to_thread(found.counters)
        assert counted["fixes"] == counted["accepted"] + counted["refused"]


async def test_a_clock_that_jumps_is_named_and_loses_nothing(own_url):
    """A day ahead is refused as future, a day back is late and kept; what comes after the clock is right again is taken as ever."""
    url, now_ms = own_url, epoch_ms()
    shifts = [0, DAY_MS, 0, -DAY_MS, 0, DAY_MS, -DAY_MS, 30_500, 0]
    rejects: Counter[tuple[int, tuple[str, ...]]] = Counter()
    async with (
        hub(database_url=url) as found,
        device_of(found.hub_port, "text") as text,
        device_of(found.hub_port, "binary", binary=True) as binary,
    ):
        for device in (text, binary):
            device._on_reject = lambda reject: rejects.update([(reject.seq, reject.reasons)])
        each = 40
        for place, shift_ms in enumerate(shifts):
            for i in range(place * each, (place + 1) * each):
                for device in (text, binary):
                    at_ms = now_ms - 600_000 + 1_000 * i + shift_ms
                    device.send(time_ms=at_ms, lat_deg=37.5 + 1e-6 * i, lon_deg=-122.4, seq=i)
            async with asyncio.timeout(PATIENCE_S):
                await asyncio.gather(text.drained(), binary.drained())
        ahead = {i for i in range(len(shifts) * each) if shifts[i // each] == DAY_MS}
        kept = [(i, None) for i in range(len(shifts) * each) if i not in ahead]
        for device, vehicle in ((text, "text"), (binary, "binary")):
            assert device.unacked == 0
            assert (device.counts.acked, device.counts.rejected) == (len(kept), len(ahead))
            assert device.counts.rejected_by_reason == {"future": len(ahead)}
            assert await stored(url, vehicle) == kept
        assert rejects == {(i, ("future",)): 2 for i in ahead}
        counted = await asyncio.to_thread(found.counters)
        assert counted["refused"] == 2 * len(ahead)
        assert counted["fixes"] == counted["accepted"] + counted["refused"]
        assert counted["late"] >= 2 * 2 * each
        shown = await asyncio.to_thread(found.get, "/v1/vehicles/text")
        assert abs(shown["position"]["time_ms"] - now_ms) < DAY_MS // 2
