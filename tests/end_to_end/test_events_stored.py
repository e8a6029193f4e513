"""Events and visits on the real hub, killed again and again: what is stored is what a hub tells that nothing happens to."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack

import asyncpg
import pytest
from test_history import FAST, PATIENCE_S, device_of
from test_restart import BAY, hear, socket

from benchmarks.processes import HubProcess, free_port, hub, public_folder, token
from haulcast.client import DeviceClient
from haulcast.clock import epoch_ms

VEHICLES = 4
PER_LIFE = 200  # fixes of each vehicle
SETTINGS = {**FAST, "speed_limit_mps": 2_000, "jump_slack_m": 5_000}
FENCES = {"south": 37.5, "north": 37.506}
RULE = {"kind": "enter", "fences": {"ids": ["north"]}}


@pytest.fixture
def database_urls(system_server_url, new_database_url) -> list[str]:
    """Databases of this test's own, which outlive their hubs."""
    return [new_database_url(system_server_url) for _ in range(2)]


def lat(vehicle: int, i: int) -> float:
    """To and fro through two fences that overlap, each vehicle at its own pace, with a wobble."""
    period = 14 + 6 * vehicle
    part = abs(2 * (i % period) / period - 1)
    return 37.49 + 0.026 * part + 0.0003 * (i * 7919 % 5)


async def send(device: DeviceClient, vehicle: int, start_ms: int, begin: int, count: int) -> None:
    for i in range(begin, begin + count):
        device.send(time_ms=start_ms + 1_000 * i, lat_deg=lat(vehicle, i), lon_deg=-122.4, seq=i)
        if i % 10 == 0:
            await asyncio.sleep(0.002)


async def define(found: HubProcess) -> None:
    for fence_id, at in FENCES.items():
        area = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [-122.4, at]},
            "properties": {"radius_m": 600},
        }
        await asyncio.to_thread(found.send, "PUT", f"/v1/fences/{fence_id}", area)  # fmt: skip
    await asyncio.to_thread(found.send, "PUT", "/v1/rules/in", RULE)


async def rows_of(url: str, query: str) -> list[tuple]:
    connection = await asyncpg.connect(url)
    found = await connection.fetch(query)
    await connection.close()
    return [tuple(row) for row in found]


EVENTS = """
    SELECT vehicle_id, time_ms, kind, fence_id, rule_id, document->>'event' = kind, (document->>'time_ms')::bigint = time_ms,
        document->>'id' = event_id, document->>'fix_time_ms', document->>'lat', document->>'lon'
    FROM events ORDER BY vehicle_id, number
"""
VISITS = """
    SELECT vehicle_id, entered_ms, fence_id, fence_name, left_ms, entered_lat, entered_lon, left_lat, left_lon
    FROM visits ORDER BY vehicle_id, fence_id, entered_ms
"""
OF_NO_VISIT = """
    SELECT event_id FROM events WHERE rule_id IS NULL AND NOT EXISTS (
        SELECT FROM visits WHERE visits.fleet = events.fleet AND visit = (document->>'visit')::bigint
            AND visits.fence_id = events.fence_id AND visits.vehicle_id = events.vehicle_id
            AND events.time_ms = CASE kind WHEN 'enter' THEN entered_ms ELSE left_ms END
    )
"""
FIXES = "SELECT vehicle_id, count(*), count(DISTINCT seq), max(seq) FROM fixes JOIN history_vehicles ON number = vehicle GROUP BY 1 ORDER BY 1"


async def told_undisturbed(url: str, start_ms: int, counts: list[int]) -> None:
    """All the same fixes to a hub that lives on."""
    async with hub(database_url=url, **SETTINGS) as found:
        await define(found)
        async with AsyncExitStack() as stack:
            for v in range(VEHICLES):
                device = await stack.enter_async_context(device_of(found.hub_port, f"v{v}"))
                await send(device, v, start_ms, 0, counts[v])
                async with asyncio.timeout(PATIENCE_S):
                    await device.drained()


def kill_moments() -> Iterator[float]:
    """Seconds after the first frame of a life."""
    yield from (0.0, 0.03, 0.1, 0.25)


async def test_a_hub_killed_in_mid_stream_stores_every_event_once(database_urls):
    """Four kills; then events, visits and fixes are those of an undisturbed run, ids apart, and every visit has its own events."""
    url, other = database_urls
    start_ms, sent = epoch_ms() - 86_400_000, 0
    with public_folder() as folder:
        ports = {"http_port": free_port(), "hub_port": free_port(), "data_dir": f"{folder}/var"}
        async with AsyncExitStack() as stack:
            devices = [
                await stack.enter_async_context(device_of(ports["hub_port"], f"v{v}", binary=v == 1))
                for v in range(VEHICLES)
            ]
            for moment in (*kill_moments(), None):
                async with hub(**ports, database_url=url, **SETTINGS) as found:
                    if sent == 0:
                        await define(found)
                    for v, device in enumerate(devices):
                        await send(device, v, start_ms, sent, PER_LIFE)
                    sent += PER_LIFE
                    if moment is not None:
                        await asyncio.sleep(moment)
                        os.kill(found.process.pid, signal.SIGKILL)
                        await found.process.ended(30)
                        continue
                    async with asyncio.timeout(PATIENCE_S):
                        await asyncio.gather(*(device.drained() for device in devices))
                    counted = (await asyncio.to_thread(found.counters))["checkpoints"]
                    assert (counted["events_waiting"], counted["events_dropped"]) == (0, 0)
    await told_undisturbed(other, start_ms, [sent] * VEHICLES)
    assert await rows_of(url, FIXES) == [(f"v{v}", sent, sent, sent - 1) for v in range(VEHICLES)]
    events = await rows_of(url, EVENTS)
    assert len(events) > 100 * VEHICLES
    assert events == await rows_of(other, EVENTS)
    assert await rows_of(url, VISITS) == await rows_of(other, VISITS)
    assert await rows_of(url, OF_NO_VISIT) == []


async def test_a_database_that_is_killed_gets_what_was_told_meanwhile(system_postgres, wait_until):
    """The map hears events on, acks wait; in the end exactly the events that were heard are stored, by id and in order."""
    start_ms, count = epoch_ms() - 86_400_000, 200
    heard: list[str] = []
    async with (
        hub(database_url=system_postgres.url, **SETTINGS) as found,
        socket(found, "/v1/live", token("viewer")) as viewer,
        device_of(found.hub_port, "v0") as device,
    ):
        await define(found)
        await viewer.send(json.dumps({"type": "subscribe", "bbox": BAY}))
        await hear(viewer, "snapshot")

        async def hear_until(time_ms: int) -> None:
            newest_ms = 0
            while newest_ms < time_ms:
                event = await hear(viewer, "event")
                heard.append(event["id"])
                newest_ms = event["time_ms"]

        await send(device, 0, start_ms, 0, count)
        async with asyncio.timeout(PATIENCE_S):
            await device.drained()
        await asyncio.to_thread(system_postgres.kill)
        await send(device, 0, start_ms, count, count)
        await hear_until(start_ms + (2 * count - 14) * 1_000)
        counted = (await asyncio.to_thread(found.counters))["checkpoints"]
        assert counted["events_waiting"] > 0
        assert device.counts.acked == count
        await asyncio.to_thread(system_postgres.start)
        async with asyncio.timeout(PATIENCE_S):
            await device.drained()
        told = (await asyncio.to_thread(found.counters))["checkpoints"]["events_stored"]
        while len(heard) < told:
            heard.append((await hear(viewer, "event"))["id"])
    found_ids = await rows_of(system_postgres.url, "SELECT event_id FROM events ORDER BY number")
    assert [event_id for (event_id,) in found_ids] == heard
    assert await rows_of(system_postgres.url, OF_NO_VISIT) == []
