"""`haulcast demo` as it is started by hand: what there is to see in its first minute."""

import asyncio
import os
import signal
from typing import Any

import httpx

from benchmarks.processes import SECRET, child, free_port, public_folder
from haulcast.commands.demo import FLEET
from haulcast.commands.hub_access import HubAccess

CAUGHT = {
    ("overspeed", "fast-880", "van-9001"),
    ("exit", "left-880", "truck-9002"),
    ("unauthorised", "port-pass", "van-9003"),
}
MINUTE_MS = 60_000
ASKED_EVERY_S = 0.5  # far below the hub's rate limit


async def test_a_minute_of_the_demo(wait_until) -> None:
    """Within the first minute vehicles enter, leave and dwell, each offender is caught or refused, and the others keep every rule.

    Soon after, the one who left its route is off it, and stops of routes have times of arrival.
    """
    access = HubAccess(SECRET.encode(), FLEET)
    with public_folder() as folder:
        ports = {"HAULCAST_HTTP_PORT": str(free_port()), "HAULCAST_HUB_PORT": str(free_port())}
        environ = {
            **os.environ, **ports, "HAULCAST_DATA_DIR": f"{folder}/var", "HAULCAST_TOKEN_SECRET": SECRET, "HAULCAST_LOG_LEVEL": "warning",
        }  # fmt: skip
        base = f"http://127.0.0.1:{ports['HAULCAST_HTTP_PORT']}"
        headers = {"Authorization": f"Bearer {access.user_token('admin')}"}
        async with (
            child("haulcast", "demo", "--vehicles", "150", environ=environ) as demo,
            httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as client,
        ):
            await wait_until(lambda: _positions(client), timeout_s=150)
            events = await wait_until(lambda: _all_that_should(client), timeout_s=120)
            refused = (await client.get("/v1/status")).json()["refused_by_reason"]
            vehicle = (await client.get("/v1/vehicles/van-9003")).json()
            routes = (await client.get("/v1/routes?status=active&limit=1000")).json()["routes"]
            os.kill(demo.pid, signal.SIGTERM)
            assert await demo.ended(40) == 0
    assert {name for name, count in refused.items() if count} == {
        "future", "stale", "out_of_order", "impossible_jump",
    }  # fmt: skip
    assert vehicle["name"] == "Van 9003, has no port pass"
    assert {event["vehicle"] for event in events if event["event"] == "off_route"} == {"truck-9002"}
    assert len(routes) > 15
    timed = [stop for route in routes for stop in route["stops"] if stop["state"] == "ahead"]
    assert sum(stop.get("eta") is not None for stop in timed) > len(timed) / 2
    first_ms = min(event["time_ms"] for event in events)
    early = [event for event in events if event["time_ms"] < first_ms + MINUTE_MS]
    kinds = [event["event"] for event in early if event["time_ms"] > first_ms + 3_000]
    assert kinds.count("enter") >= 5
    assert kinds.count("exit") >= 5
    assert kinds.count("dwell") >= 1
    ruled = {(event["event"], event["rule"], event["vehicle"]) for event in early if event.get("rule")}
    assert ruled >= CAUGHT
    assert {event for event, _, _ in ruled - CAUGHT} == {"dwell"}


async def _positions(client: httpx.AsyncClient) -> bool:
    """Whether the hub is up and the first vehicles have reported."""
    try:
        answer = await client.get("/v1/positions?limit=1")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and bool(answer.json()["positions"])


async def _all_that_should(client: httpx.AsyncClient) -> list[dict[str, Any]] | None:
    """All events so far, once everything that is waited for is among them."""
    await asyncio.sleep(ASKED_EVERY_S)
    events: list[dict[str, Any]] = []
    path = "/v1/events?limit=1000"
    while path:
        answer = (await client.get(path)).json()
        events += answer["events"]
        path = answer.get("next")
    seen = {(event["event"], event.get("rule"), event["vehicle"]) for event in events}
    reasons = (await client.get("/v1/status")).json()["refused_by_reason"]
    is_all = (
        seen >= CAUGHT
        and {"dwell", "off_route"} <= {kind for kind, _, _ in seen}
        and reasons["impossible_jump"]
    )
    return events if is_all and reasons["future"] and reasons["stale"] else None
