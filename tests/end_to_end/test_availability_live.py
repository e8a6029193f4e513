"""Who will be free, asked of a real hub over real sockets while vehicles drive, say what they are, and while the hub restarts."""

import asyncio
import json

import orjson
import pytest
from websockets.asyncio.client import connect

from benchmarks.processes import HubProcess, free_port, hub, public_folder, token
from haulcast.clock import epoch_ms

LAT = 45.0
ROUTE = {
    "vehicle": "van",
    "status": "active",
    "stops": [{"id": "a", "kind": "stop", "lat": LAT, "lon": 9.2, "service_s": 60}],
}


async def send_fix(found: HubProcess, vehicle: str = "van", seq: int = 0) -> None:
    """One fix, now, and wait until it is stored."""
    url = f"ws://127.0.0.1:{found.hub_port}/v1/device"
    headers = {"Authorization": f"Bearer {token(vehicle=vehicle)}"}
    async with asyncio.timeout(30), connect(url, additional_headers=headers) as socket:
        await socket.recv()
        await socket.send(
            json.dumps({"seq": seq, "time_ms": epoch_ms(), "lat": LAT, "lon": 9.0, "speed_mps": 10})
        )
        while orjson.loads(await socket.recv())["type"] != "ack":
            pass


async def asked(found: HubProcess, vehicle: str = "van", horizons: str = "15,60,240") -> dict:
    path = f"/v1/vehicles/{vehicle}/availability?horizon_minutes={horizons}"
    return await asyncio.to_thread(found.get, path)


async def say(found: HubProcess, state: str, vehicle: str = "van") -> dict:
    return await asyncio.to_thread(found.send, "POST", f"/v1/vehicles/{vehicle}/duty", {"state": state})


async def next_availability(viewer, schema, vehicle: str = "van") -> dict:
    """The next thing that is said of a vehicle."""
    while True:
        frame = await viewer.recv()
        if isinstance(frame, str) and (said := orjson.loads(frame))["type"] == "availability":
            assert schema.validate(said) == "availability"
            for one in said["vehicles"]:
                if one["vehicle"] == vehicle:
                    return one


async def test_a_drive_is_told_over_rest_and_live(wire_schema):
    """A vehicle reports, gets a route, loses it and goes off duty; REST and the live socket say so, each within a pass."""
    async with hub(availability_every_s=0.1) as found:
        await send_fix(found)
        url = f"ws://127.0.0.1:{found.hub_port}/v1/live"
        headers = {"Authorization": f"Bearer {token('viewer')}"}
        schema = wire_schema("toLive")
        async with asyncio.timeout(60), connect(url, additional_headers=headers) as viewer:
            await viewer.send(json.dumps({"type": "subscribe", "bbox": [0, 0, 1, 1], "availability": True}))
            first = await next_availability(viewer, schema)
            assert (first["state"], first["basis"]) == ("free", "none")
            await asyncio.to_thread(found.send, "PUT", "/v1/routes/r", ROUTE)
            now = {}
            while now.get("basis") != "route":
                now = await next_availability(viewer, schema)
            assert now["state"] == "busy"
            assert now["free"]["at_ms"] > epoch_ms() + 60_000
            assert now["free"]["p"] >= 0.5
            rest = await asked(found)
            assert (rest["state"], rest["basis"]) == ("busy", "route")
            p_free = [one["p_free"] for one in rest["horizons"]]
            assert p_free[0] < 0.2
            assert p_free[2] > 0.9
            assert all(one["p_on_duty"] >= one["p_free"] for one in rest["horizons"])
            assert abs(rest["free"]["at_ms"] - now["free"]["at_ms"]) < 120_000
            load = {"pickup": {"lat": LAT, "lon": 9.1}, "delivery": {"lat": LAT, "lon": 9.3}}
            given = await asyncio.to_thread(found.send, "POST", "/v1/dispatch/recommend", {"load": load})
            assert (
                given["drivers"][0]["availability"] < 0.2
            )  # it is at the pickup long before its route is done
            assert (await asyncio.to_thread(found.counters))["availability"]["drivers"] == 1
            await asyncio.to_thread(found.send, "PUT", "/v1/routes/r", {**ROUTE, "status": "cancelled"})
            while now["state"] != "free":
                now = await next_availability(viewer, schema)
            assert await say(found, "off") == {"vehicle": "van", "state": "off"}
            while now["state"] != "off":
                now = await next_availability(viewer, schema)
            await send_fix(found, seq=1)
            assert (await asked(found))["state"] == "off"


async def test_who_is_not_known_gets_an_answer_that_says_so(running_hub):
    """On record and never heard of; new in a fleet; of another fleet: an answer with its basis, or not found, and no error."""
    found = running_hub
    await asyncio.to_thread(found.send, "PUT", "/v1/vehicles/new", {"name": "New"})
    said = await asked(found, "new")
    assert (said["state"], said["basis"], said["free"]) == ("off", "none", None)
    assert [one["p_free"] for one in said["horizons"]] == [None] * 3
    await send_fix(found, "old")
    said = await asked(found, "old")
    assert (said["state"], said["basis"]) == ("free", "none")
    said = await asked(found, "old", "60")
    assert [one["minutes"] for one in said["horizons"]] == [60]
    for path, body, code in (
        ("/v1/vehicles/nobody/availability", None, "404"),
        ("/v1/vehicles/old/availability?horizon_minutes=0", None, "400"),
        ("/v1/vehicles/old/availability?horizon_minutes=481", None, "400"),
        ("/v1/vehicles/old/availability?horizon_minutes=x", None, "400"),
        ("/v1/vehicles/nobody/duty", {"state": "off"}, "404"),
        ("/v1/vehicles/old/duty", {"state": "asleep"}, "400"),
        ("/v1/vehicles/old/duty", {}, "400"),
    ):
        with pytest.raises(Exception, match=code):
            if body is None:
                await asyncio.to_thread(found.get, path)
            else:
                await asyncio.to_thread(found.send, "POST", path, body)


async def test_a_restart_knows_who_was_what(wait_until):
    """After a stop and a start a word still holds, off duty though fixes go on, and on duty without another fix."""
    with public_folder() as folder:
        chosen = {"http_port": free_port(), "hub_port": free_port(), "data_dir": f"{folder}/var"}
        async with hub(**chosen) as found:
            for vehicle in ("van", "car", "bus"):
                await send_fix(found, vehicle)
            await say(found, "busy", "van")
            await say(found, "off", "car")
        async with hub(**chosen) as found:
            states = {}
            for vehicle in ("van", "car", "bus"):
                states[vehicle] = (await asked(found, vehicle))["state"]
            assert states == {"van": "busy", "car": "off", "bus": "free"}
            await send_fix(found, "car", seq=1)
            assert (await asked(found, "car"))["state"] == "off"
            await say(found, "free", "van")

            async def is_free() -> bool:
                return (await asked(found, "van"))["state"] == "free"

            await wait_until(is_free, timeout_s=30)


async def test_silence_ends_a_duty(wait_until):
    """A device that says nothing for the gap is off duty; what it says then begins another duty."""
    async with hub(duty_gap_s=1, availability_every_s=0.1) as found:
        await send_fix(found)

        async def is_off() -> bool:
            return (await asked(found))["state"] == "off"

        await wait_until(is_off, timeout_s=30)
        await send_fix(found, seq=1)

        async def is_free() -> bool:
            return (await asked(found))["state"] == "free"

        await wait_until(is_free, timeout_s=30)
