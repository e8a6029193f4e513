"""A real hub whose history is in a real InfluxDB: what is acked is there once, whichever of the two is killed, and is read back."""

import asyncio
import os
import signal

import pytest
from test_history import FAST, PATIENCE_S, device_of, send
from test_played_day import HOUR_MS, WORLD, Sent, viewer
from test_played_day import send as send_all
from test_reading_back import read_json

from benchmarks.processes import free_port, hub, public_folder
from haulcast.client import LiveError
from haulcast.clock import epoch_ms
from haulcast.history.history_store_influx import influx_history
from haulcast.history.influx_server import InfluxPlace


async def stored(place: InfluxPlace, vehicle: str) -> list[tuple[int, bytes | None]]:
    """(sequence, attributes) of each stored fix."""
    found, after = [], None
    async with influx_history(place, lambda row: ("", str(row))) as store:
        while not found or after is not None:
            page = await store.read("bench", vehicle, 0, 10**15, after, 5_000)
            seqs, after = page.fixes.seq.tolist(), page.last_key
            found += [(seq, page.fixes.attributes.get(i)) for i, seq in enumerate(seqs)]
    return found


@pytest.fixture
def fleet(own_influx1):
    """A server that may be killed, and the settings of a hub that keeps its history there."""
    server = own_influx1()
    place = InfluxPlace(server.url, server.make_database("fleet"), api="v1")
    chosen = {
        "history": "influxdb",
        "influx_url": place.url,
        "influx_bucket": place.bucket,
        "influx_api": "v1",
    }
    return server, place, {**FAST, **chosen}


async def test_kills_of_the_server_and_of_the_hub_lose_nothing(fleet, wait_until):
    """The server is killed in mid-stream while the buffer is too small for what comes, then the hub: in the end each fix is there once."""
    server, place, chosen = fleet
    start_ms, count = epoch_ms() - 86_400_000, 0
    with public_folder() as folder:
        ports = {"http_port": free_port(), "hub_port": free_port(), "data_dir": f"{folder}/var"}
        settings = {**chosen, **ports, "history_buffer_bytes": 2**20}
        async with (
            device_of(ports["hub_port"], "text") as text,
            device_of(ports["hub_port"], "binary", binary=True) as binary,
        ):

            def send_more(more: int) -> None:
                nonlocal count
                for device in (text, binary):
                    send(device, start_ms, count, more)
                count += more

            async with hub(**settings) as found:
                send_more(500)
                await wait_until(lambda: text.counts.acked > 0 < binary.counts.acked, timeout_s=PATIENCE_S)
                server.kill()
                send_more(9_500)

                async def is_away() -> bool:
                    history = (await asyncio.to_thread(found.counters))["history"]
                    return history["store_away"] and history["dropped"] > 0

                await wait_until(is_away, timeout_s=PATIENCE_S)
                await asyncio.to_thread(server.start)
                acked = text.counts.acked
                await wait_until(lambda: text.counts.acked > acked, timeout_s=PATIENCE_S)
                send_more(2_000)
                os.kill(found.process.pid, signal.SIGKILL)
                await found.process.ended(30)
            async with hub(**settings) as found, asyncio.timeout(PATIENCE_S):
                await asyncio.gather(text.drained(), binary.drained())
    wanted = [(i, b'{"number":%d}' % i if i % 50 == 0 else None) for i in range(count)]
    assert await stored(place, "text") == await stored(place, "binary") == wanted
    for device in (text, binary):  # who has to go back may hear that the store has a fix already
        known = device.counts.acked + device.counts.rejected_by_reason["duplicate"]
        assert (device.counts.given, known, device.unacked) == (count, count, 0)


async def test_reports_come_from_influx(fleet):
    """Pages, tracks and days of what a device sent."""
    _, _, chosen = fleet
    start_ms = epoch_ms() - 3_600_000
    async with hub(**chosen) as found:
        async with device_of(found.hub_port, "truck 7") as device:
            send(device, start_ms, 0, 1_500)
            async with asyncio.timeout(PATIENCE_S):
                await device.drained()
        span = f"from={start_ms}&to={start_ms + 10**7}"
        path, seqs = f"/v1/vehicles/truck%207/fixes?{span}&limit=400", []
        while path:
            page = await read_json(found, path)
            seqs += [fix["seq"] for fix in page["fixes"]]
            path = page.get("next")
        assert seqs == list(range(1_500))
        track = await read_json(found, f"/v1/vehicles/truck%207/track?{span}")
        lines = [piece["geometry"]["coordinates"] for piece in track["features"]]
        assert sum(map(len, lines)) == 1_500 + len(lines) - 1


async def test_an_hour_is_played_from_influx(fleet):
    """Seeks, and a run to its end, show what was sent."""
    _, _, chosen = fleet
    async with hub(**chosen) as found:
        sent = Sent(epoch_ms() - 3 * HOUR_MS)
        await send_all(found, sent)
        async with viewer(found) as seeing:
            seeing.live.playback(sent.begin_ms, until_ms=sent.end_ms, speed=0, bbox=WORLD)
            for time_ms in range(sent.begin_ms, sent.end_ms, HOUR_MS // 4):
                seeing.live.seek(time_ms)
                await seeing.told("paused", time_ms=time_ms)
                assert seeing.shown == sent.at(time_ms)
            seeing.live.set_speed(3600)
            await seeing.told("ended", time_ms=sent.end_ms)
            assert seeing.shown == sent.at(sent.end_ms)
            assert not seeing.of(LiveError)
