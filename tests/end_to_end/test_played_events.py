"""Events of an hour that a real hub has found and stored, told again when the hour is played."""

import asyncio

from test_played_day import FLEET, HOUR_MS, WORLD, viewer
from waiting import wait_until

from benchmarks.processes import SECRET, HubProcess, hub, token
from haulcast.client import DeviceClient, LiveError, PastEvent
from haulcast.clock import epoch_ms
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

VEHICLES = ("truck 1", "truck 2", "truck 3")
SQUARE = [[8.0, 50.0], [8.01, 50.0], [8.01, 50.01], [8.0, 50.01], [8.0, 50.0]]


async def send(found: HubProcess, begin_ms: int) -> None:
    """Vehicles that go in and out of a square, again and again, one after the other by some seconds."""
    fence = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [SQUARE]}, "properties": {}}
    await asyncio.to_thread(found.send, "PUT", "/v1/fences/yard", fence)
    for i, name in enumerate(VEHICLES):
        url = f"ws://127.0.0.1:{found.hub_port}"
        async with DeviceClient(url, token(vehicle=name), first_seq=0) as device:
            for step in range(300):
                there = step // 15 % 2  # 15 fixes in, 15 out
                lat_deg = 49.99 + 0.015 * there
                device.send(
                    time_ms=begin_ms + step * 12_000 + i * 1_000,
                    lat_deg=lat_deg,
                    lon_deg=8.005,
                    speed_mps=15.0,
                )
            async with asyncio.timeout(60):
                await device.drained()


async def stored(found: HubProcess, query: str = "") -> list[dict]:
    """All events by the order of their times, as they are stored."""
    events, path = [], f"/v1/events?limit=1000{query}"
    while path:
        page = await asyncio.to_thread(found.get, path)
        events += page["events"]
        path = page.get("next")
    return sorted(events, key=lambda event: event["time_ms"])  # stable: of one time as they were stored


def told(seeing) -> list[dict]:
    found = [update.event for update in seeing.of(PastEvent)]
    assert all((event.epoch, event.offset) == ("", 0) for event in found)
    return [{k: v for k, v in event.fields.items() if k != "type"} for event in found]


async def test_the_events_that_are_played_are_those_that_are_stored(wire_schema) -> None:
    """All of the span, once, in order of time; of chosen and of shared vehicles; and they are counted."""
    async with hub(device_rate_per_s=1e6, device_burst=1e6) as found:
        begin_ms = epoch_ms() - 2 * HOUR_MS
        await send(found, begin_ms)

        async def all_are_there() -> list[dict]:
            events = await stored(found)
            return events if len(events) == 19 * len(VEHICLES) else []

        events = await wait_until(all_are_there, 30)
        async with viewer(found) as seeing:
            seeing.live.playback(begin_ms - 1_000, until_ms=begin_ms + HOUR_MS, speed=3600, bbox=WORLD)
            await seeing.told("ended", time_ms=begin_ms + HOUR_MS)
            assert told(seeing) == events
            seeing.live.playback(begin_ms, until_ms=begin_ms + HOUR_MS, speed=3600, vehicles=["truck 2"])
            of_two = [event for event in events if event["vehicle"] == "truck 2"]
            await wait_until(lambda: len(told(seeing)) == len(events) + len(of_two))
            assert told(seeing)[len(events) :] == of_two
            assert not seeing.of(LiveError)
            for update in seeing.of(PastEvent):
                assert wire_schema("past_event").validate(dict(update.event.fields)) == "past_event"
            counted = (await asyncio.to_thread(found.get, "/v1/status"))["playbacks"]
            assert (counted["open"], counted["begun"], counted["events"]) == (1, 1, len(events) + len(of_two))
        claims = Claims(
            FLEET, "viewer", None, epoch_ms() + HOUR_MS, vehicles=frozenset(VEHICLES[:1]), token_id="x"
        )
        async with viewer(found, TokenBook(SECRET.encode()).make(claims), binary=True) as seeing:
            seeing.live.playback(begin_ms, until_ms=begin_ms + HOUR_MS, speed=3600, bbox=WORLD)
            await seeing.told("ended", time_ms=begin_ms + HOUR_MS)
            assert told(seeing) == [event for event in events if event["vehicle"] == VEHICLES[0]]
