"""Loads and routes of a real hub: their stops are fences, they survive a kill, and what is over leaves nothing behind."""

import asyncio
import json
import os
import signal
import urllib.error

import orjson
import pytest
from websockets.asyncio.client import connect

from benchmarks.processes import HubProcess, free_port, hub, public_folder, token
from haulcast.clock import epoch_ms

STORE, SHOP = {"lat": 37.71, "lon": -122.40, "name": "Store"}, {"lat": 37.80, "lon": -122.30, "radius_m": 80}
YARD = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [-122.2, 37.9]}, "properties": {"radius_m": 99, "tags": ["stop"]}}  # fmt: skip
STORE_FENCE, SHOP_FENCE = "stop-37.710000,-122.400000,150", "stop-37.800000,-122.300000,80"


async def _ask(found: HubProcess, method: str, path: str, body: object = None) -> dict:
    return await asyncio.to_thread(found.send, method, path, body)


async def _fences(found: HubProcess) -> set[str]:
    return {fence["id"] for fence in (await _ask(found, "GET", "/v1/fences"))["features"]}


async def _furnish(found: HubProcess) -> None:
    await _ask(found, "PUT", "/v1/fences/yard", YARD)
    await _ask(found, "POST", "/v1/loads:import", [{"id": "a", "pickup": STORE, "delivery": SHOP}])
    stops = [{"id": kind, "kind": kind, "load": "a"} for kind in ("pickup", "delivery")]
    home = {"id": "home", "lat": 37.9, "lon": -122.2, "fence": "yard"}
    await _ask(found, "PUT", "/v1/routes/r", {"vehicle": "van", "status": "active", "stops": [*stops, home]})
    await _ask(found, "PUT", "/v1/vehicles/van/profile", {"capacity": {"kg": 900}})


def _kept(route: dict) -> dict:
    """A route without what is worked out anew while it is driven."""
    now = {"eta", "late_s"}
    stops = [{name: one for name, one in stop.items() if name not in now} for stop in route["stops"]]
    return {**route, "stops": stops}


async def _entered(found: HubProcess) -> dict:
    """What the live socket says when the van comes to the store."""
    base = f"ws://127.0.0.1:{found.hub_port}/v1"
    heads = [{"Authorization": f"Bearer {text}"} for text in (token("viewer"), token(vehicle="van"))]
    async with (
        connect(f"{base}/live", additional_headers=heads[0]) as viewer,
        connect(f"{base}/device", additional_headers=heads[1]) as device,
    ):
        await viewer.send(json.dumps({"type": "subscribe", "bbox": (-123.0, 37.0, -121.0, 38.5)}))
        for seq, lat in enumerate((37.75, 37.7101), 1):
            await device.send(json.dumps({"seq": seq, "time_ms": epoch_ms() - 600_000 + seq * 120_000, "lat": lat, "lon": -122.4}))  # fmt: skip
        async with asyncio.timeout(20):
            while (frame := orjson.loads(await viewer.recv()))["type"] != "event" or frame[
                "event"
            ] != "enter":
                pass
    return dict(frame)


async def test_routes_survive_a_kill_and_leave_nothing_behind(wait_until) -> None:
    """Stops are fences before the route is answered; a killed hub goes on with all of it; a route that is over takes its fences along."""
    with public_folder() as folder:
        ports = {"http_port": free_port(), "hub_port": free_port(), "data_dir": f"{folder}/var"}
        async with hub(**ports) as first:
            await _furnish(first)
            assert await _fences(first) == {"yard", STORE_FENCE, SHOP_FENCE}
            entered = await _entered(first)
            assert (entered["fence"], entered["name"]) == (STORE_FENCE, "Store")
            marked = await _ask(first, "POST", "/v1/routes/r/stops/pickup/depart")
            os.kill(first.process.pid, signal.SIGKILL)
            await first.process.ended(30)
        async with hub(**ports) as second:
            assert _kept(await _ask(second, "GET", "/v1/vehicles/van/route")) == _kept(marked)
            assert (await _ask(second, "GET", "/v1/loads/a"))["status"] == "on_board"
            assert (await _ask(second, "GET", "/v1/vehicles/van/profile"))["capacity"] == {"kg": 900}
            assert await _fences(second) == {"yard", STORE_FENCE, SHOP_FENCE}
            with pytest.raises(urllib.error.HTTPError, match="409"):
                await _ask(
                    second, "PUT", "/v1/routes/s", {"vehicle": "van", "status": "active", "stops": [STORE]}
                )
            await _ask(second, "DELETE", "/v1/routes/r")

            async def is_swept() -> bool:
                return await _fences(second) == {"yard"}

            await wait_until(is_swept)
            records = (await _ask(second, "GET", "/v1/audit"))["records"]
            said = [(record["action"], record["target"]) for record in reversed(records)]
            assert [one for one in said if "loads" in one[0] or "routes" in one[0]] == [
                ("POST /v1/loads:import", "/v1/loads (1 new)"),
                ("PUT /v1/routes/{route_id:path}", "/v1/routes/r"),
                (
                    "POST /v1/routes/{route_id:path}/stops/{stop_id:path}/depart",
                    "/v1/routes/r/stops/pickup/depart",
                ),
                ("DELETE /v1/routes/{route_id:path}", "/v1/routes/r"),
            ]
