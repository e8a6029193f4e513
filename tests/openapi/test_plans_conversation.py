"""Plans on a real hub: asked, told on the live socket, cancelled, accepted and lost, each answer as the document describes it."""

import asyncio
import json
import os
import signal
from typing import Any

import httpx
from described import Described
from websockets.asyncio.client import connect

from benchmarks.processes import HubProcess, hub, public_folder, token

WORLD = {"type": "subscribe", "bbox": [-180, -90, 180, 90], "zoom": 12}


def _client(found: HubProcess, described: Described, role: str = "dispatcher") -> httpx.AsyncClient:
    async def check(answer: httpx.Response) -> None:
        await answer.aread()
        described.check(answer)

    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{found.http_port}",
        headers={"Authorization": f"Bearer {token(role)}"},
        event_hooks={"response": [check]},
        timeout=60,
    )


async def _described(found: HubProcess) -> Described:
    async with httpx.AsyncClient(timeout=60) as client:
        return Described((await client.get(f"http://127.0.0.1:{found.http_port}/openapi.json")).json())


async def _put(found: HubProcess, path: str, document: dict[str, Any]) -> None:
    await asyncio.to_thread(found.send, "PUT", path, document)


def _place(north: float) -> dict[str, Any]:
    return {"lat": 10.0 + north / 100, "lon": 20.0}


async def _fill(found: HubProcess, loads: int) -> None:
    await _put(found, "/v1/vehicles/van", {})
    profile = {"capacity": {"kg": 900}, "start": {"lat": 10.0, "lon": 20.0}}
    await _put(found, "/v1/vehicles/van/profile", profile)
    for n in range(loads):
        ends = {"pickup": _place(n), "delivery": _place(loads - n + 0.5)}
        await _put(found, f"/v1/loads/l{n}", {**ends, "size": {"kg": 100}})


async def _finished(client: httpx.AsyncClient, plan: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while plan["state"] in ("waiting", "running"):
            plan = (await client.get(f"/v1/plans/{plan['id']}")).json()
    return plan


async def _until_told(socket: Any, plan: str, state: str) -> list[dict[str, Any]]:
    """What the socket tells of a plan, until it is in a state."""
    told: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not told or told[-1]["state"] != state:
            frame = json.loads(await socket.recv())
            if frame["type"] == "plan" and frame["plan"] == plan:
                told.append(frame)
    return told


async def _wrong(client: httpx.AsyncClient) -> None:
    """Everything that can be wrong with an ask, by its code."""
    for ask, code in (
        ({"loads": ["none"]}, "no_such_load"),
        ({"vehicles": {"ids": ["none"]}}, "no_such_vehicle"),
        ({"vehicles": {"ids": ["van"], "tags": ["a"]}}, "wrong_type"),
        ({"vehicles": {"tags": "a"}}, "bad_tags"),
        ({"loads": "all"}, "wrong_type"),
        ({"loads": [""]}, "bad_id"),
        ({"loads": [f"l{n}" for n in range(3001)]}, "plan_too_large"),
        ({"seconds": 0}, "out_of_range"),
        ({"seconds": 121}, "out_of_range"),
        ({"seed": 1.5}, "out_of_range"),
        ({"solver": "magic"}, "out_of_range"),
        ({"departs": "soon"}, "bad_time"),
        ({"departs": True}, "bad_time"),
        ({"replan": 1}, "wrong_type"),
        ({"colour": 1}, "unknown_field"),
        ([], "wrong_type"),
    ):
        answer = await client.post("/v1/plans", json=ask)
        assert answer.json()["code"] == code, (ask, answer.text)
    for method, path in (("GET", ""), ("POST", "/cancel"), ("POST", "/accept")):
        assert (await client.request(method, f"/v1/plans/none{path}")).json()["code"] == "no_such_plan"


async def test_plans_over_http_and_the_live_socket(wire_schema) -> None:
    """The whole life of plans; progress frames are as the protocol has them; a viewer may look and not touch; a killed hub's plan is lost."""
    with public_folder() as folder:
        settings = {"data_dir": f"{folder}/var"}
        async with hub(**settings) as found:
            described = await _described(found)
            await _fill(found, 6)
            url = f"ws://127.0.0.1:{found.hub_port}/v1/live"
            headers = {"Authorization": f"Bearer {token('viewer')}"}
            async with (
                _client(found, described) as client,
                _client(found, described, "viewer") as viewer,
                connect(url, additional_headers=headers) as socket,
            ):
                await socket.send(json.dumps(WORLD))
                await _wrong(client)
                assert (await viewer.post("/v1/plans", json={})).status_code == 403
                asked = await client.post("/v1/plans", json={"seconds": 1, "vehicles": None})
                assert asked.status_code == 202
                told = await _until_told(socket, asked.json()["id"], "found")
                schema = wire_schema("toLive")
                assert {schema.validate(frame) for frame in told} == {"plan"}
                assert [frame["share"] for frame in told if "share" in frame]
                plan = await _finished(viewer, asked.json())
                assert plan["summary"]["savings"]["arrival_order"]["left_out"] == 0
                assert {stop["load"] for stop in plan["routes"][0]["stops"]} == {f"l{n}" for n in range(6)}
                long = (await client.post("/v1/plans", json={"seconds": 120})).json()
                await _until_told(socket, long["id"], "running")
                cancelled = (await client.post(f"/v1/plans/{long['id']}/cancel")).json()
                assert (cancelled["state"], cancelled["summary"]["is_stopped"]) == ("cancelled", True)
                assert (await client.post(f"/v1/plans/{long['id']}/cancel")).status_code == 409
                accepted = await client.post(f"/v1/plans/{plan['id']}/accept")
                assert accepted.json()["published"][0]["vehicle"] == "van"
                for one in (plan, cancelled):
                    assert (await client.post(f"/v1/plans/{one['id']}/accept")).status_code == 409
                route = await asyncio.to_thread(found.get, "/v1/vehicles/van/route")
                assert [stop["id"] for stop in route["stops"]] == [
                    stop["id"] for stop in plan["routes"][0]["stops"]
                ]
                pages = [(await viewer.get("/v1/plans?limit=1")).json()]
                pages.append((await viewer.get(pages[0]["next"])).json())
                assert [page["plans"][0]["id"] for page in pages] == [long["id"], plan["id"]]
                lost = (
                    await client.post("/v1/plans", json={"seconds": 120, "replan": True, "loads": []})
                ).json()
                await _until_told(socket, lost["id"], "running")
                os.kill(found.process.pid, signal.SIGKILL)
                await found.process.ended(10)
            operations = {key for key in described.operations if key[1].startswith("/v1/plans")}
            assert operations == {
                (method, path) for method, path, status in described.seen if status < 300 and "/plans" in path
            }
        async with hub(**settings) as found, _client(found, described) as client:
            plan = (await client.get(f"/v1/plans/{lost['id']}")).json()
            assert (plan["state"], plan["reason"]) == (
                "lost",
                "the hub ended before the plan was found; ask again",
            )
            assert (await client.post(f"/v1/plans/{lost['id']}/accept")).status_code == 409


async def test_a_hub_that_may_plans_anew(wait_until) -> None:
    """With `replan = on` a cancelled load puts the rest of its route in a better order, and that is in the list of plans and in the audit log."""
    async with hub(replan="on", replan_saves=0) as found:
        await _fill(found, 5)
        order = (4, 0, 3, 1, 2)
        stops = [
            {"id": f"{n}-{kind}", "kind": kind, "load": f"l{n}", **at}
            for n in order
            for kind, at in (("pickup", _place(n)), ("delivery", _place(5 - n + 0.5)))
        ]
        await _put(found, "/v1/routes/r", {"vehicle": "van", "status": "active", "stops": stops})
        await asyncio.to_thread(found.send, "DELETE", "/v1/loads/l2")

        async def plans() -> list[dict[str, Any]]:
            listed = await asyncio.to_thread(found.get, "/v1/plans")
            return [plan for plan in listed["plans"] if plan["state"] == "accepted"]

        (plan,) = await wait_until(plans, timeout_s=30)
        assert plan["ask"]["cause"] == "cancelled_load"
        assert plan["summary"]["savings"]["old_routes"]["distance_saved_percent"] > 10
        route = await asyncio.to_thread(found.get, "/v1/vehicles/van/route")
        ahead = [stop["id"] for stop in route["stops"] if stop["state"] == "ahead"]
        assert sorted(ahead) == sorted(stop["id"] for stop in stops if stop["load"] != "l2")
        assert ahead != [stop["id"] for stop in stops if stop["load"] != "l2"]

        async def records() -> list[dict[str, Any]]:
            log = await asyncio.to_thread(found.get, "/v1/audit?limit=100")
            return [record for record in log["records"] if record["role"] == "hub"]

        (record,) = await wait_until(records)
        assert (record["action"], record["target"]) == (f"replan {plan['id']}", "r")
