"""Dispatching over a real hub: routes planned anew when they turn late, who should take a load and why nobody can, and what keeps a fence."""

import asyncio
import json
import urllib.error
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect

from benchmarks.processes import HubProcess, hub, token
from haulcast.clock import epoch_ms

LAT, M_LON = 45.0, 78_627.0
MINUTE_MS = 60_000


def place(km: float, **more: Any) -> dict[str, Any]:
    """So far east along a parallel."""
    return {"lat": LAT, "lon": 9 + km * 1000 / M_LON, **more}


def socket(found: HubProcess, path: str, text: str) -> connect:
    url = f"ws://127.0.0.1:{found.hub_port}{path}"
    return connect(url, additional_headers={"Authorization": f"Bearer {text}"})


async def ask(found: HubProcess, method: str, path: str, body: Any = None) -> dict[str, Any]:
    return await asyncio.to_thread(found.send, method, path, body)


async def refused(found: HubProcess, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        await ask(found, method, path, body)
    return caught.value.code, json.loads(caught.value.__notes__[0])


async def report(found: HubProcess, vehicle: str, km: float, seq: int = 1) -> None:
    """One fix of now, stored."""
    async with asyncio.timeout(30), socket(found, "/v1/device", token(vehicle=vehicle)) as device:
        await device.send(json.dumps({"seq": seq, "time_ms": epoch_ms(), "accuracy_m": 5, **place(km)}))
        while orjson.loads(await device.recv())["type"] != "ack":
            pass


async def carry(found: HubProcess, vehicle: str, route: str, *kms: float, closes: dict[float, int]) -> None:
    """A route with what is on board, to be delivered in this order; the first stop is where the vehicle is, and is done."""
    await ask(found, "PUT", f"/v1/vehicles/{vehicle}/profile", {"capacity": {"kg": 900}})
    stops: list[dict[str, Any]] = [{"id": "yard", "kind": "stop", **place(0)}]
    for km in kms:
        window = {"closes": closes[km]} if km in closes else {}
        await ask(found, "PUT", f"/v1/loads/{route}-{km:g}", {"delivery": place(km, **window)})
        stops.append({"id": f"{km:g}", "kind": "delivery", "load": f"{route}-{km:g}"})
    await ask(found, "PUT", f"/v1/routes/{route}", {"vehicle": vehicle, "status": "active", "stops": stops})
    await ask(found, "POST", f"/v1/routes/{route}/stops/yard/arrive")
    await ask(found, "POST", f"/v1/routes/{route}/stops/yard/depart")


async def ahead(found: HubProcess, route: str) -> list[str]:
    stops = (await ask(found, "GET", f"/v1/routes/{route}"))["stops"]
    return [stop["id"] for stop in stops if stop["state"] == "ahead"]


async def over(found: HubProcess, cause: str) -> list[dict[str, Any]]:
    """Plans of a cause that are finished, the newest first."""
    plans = (await ask(found, "GET", "/v1/plans"))["plans"]
    return [one for one in plans if one["ask"]["cause"] == cause and one["state"] not in ("waiting", "running")]  # fmt: skip


async def test_a_route_that_turns_late_is_planned_anew_and_little_is_not_worth_it(wait_until) -> None:
    """The live socket hears of the risk and of the plan; the stop in danger comes first; what is done stays; a saving below the threshold changes no route."""
    heard: list[dict[str, Any]] = []
    async with hub(replan="on", replan_saves=30) as found:
        await report(found, "van", 0)
        async with socket(found, "/v1/live", token("viewer")) as viewer:
            await viewer.send(json.dumps({"type": "subscribe", "bbox": [8, 44, 11, 46]}))
            # 50 km and back take two hours, the delivery at 10 km closes in half an hour
            await carry(found, "van", "r", 50, 10, closes={10: epoch_ms() + 30 * MINUTE_MS})
            done = (await ask(found, "GET", "/v1/routes/r"))["stops"][0]
            async with asyncio.timeout(60):
                while not heard or heard[-1].get("state") != "found":
                    frame = await viewer.recv()
                    said = orjson.loads(frame) if isinstance(frame, str) else {"type": "binary"}
                    if said["type"] in ("event", "plan"):
                        heard.append(said)

        async def is_turned() -> bool:
            return await ahead(found, "r") == ["10", "50"]

        await wait_until(is_turned, timeout_s=30)
        (risk,) = [one for one in heard if one.get("event") == "late_risk"]
        assert (risk["route"], risk["stop"]) == ("r", "10")
        assert risk["late_s"] > 3_600
        plan = await ask(found, "GET", f"/v1/plans/{heard[-1]['plan']}")
        assert (plan["ask"]["cause"], plan["summary"]["late_s"]) == ("late", 0)
        assert plan["summary"]["savings"]["old_routes"]["late_s"] > 3_600
        after = await ask(found, "GET", "/v1/routes/r")
        assert (after["stops"][0], after["plan"]) == (done, plan["id"])

        await report(found, "bus", 0)
        await carry(found, "bus", "s", 20, 10, 40, closes={})
        await ask(found, "DELETE", "/v1/loads/s-40")
        little = await wait_until(lambda: over(found, "cancelled_load"), timeout_s=30)
        assert [one["state"] for one in little] == ["found"]
        assert await ahead(found, "s") == ["20", "10"]
        assert 0 < little[0]["summary"]["savings"]["old_routes"]["cost"] - little[0]["summary"]["cost"] < 30


async def test_who_should_take_it_and_why_nobody_can(wait_until) -> None:
    """Drivers come with reasons in words and the slack that is eaten; what cannot be done names the constraint and the stop, in words; many at once say who gets nothing and why."""
    now_ms = epoch_ms()
    async with hub() as found:
        for vehicle, km in (("near", 1), ("far", 60)):
            await report(found, vehicle, km)
            await ask(found, "PUT", f"/v1/vehicles/{vehicle}/profile", {"capacity": {"kg": 900}})
        stop = {"id": "shop", "kind": "stop", **place(40, closes=now_ms + 80 * MINUTE_MS)}
        await ask(found, "PUT", "/v1/routes/n", {"vehicle": "near", "status": "active", "stops": [stop]})
        load = {"pickup": place(5), "delivery": place(8, service_s=600), "size": {"kg": 100}}

        async def answer() -> dict[str, Any]:
            return await ask(found, "POST", "/v1/dispatch/recommend", {"load": load, "k": 2})

        async def has_both() -> bool:
            return len((await answer())["drivers"]) == 2

        await wait_until(has_both)
        best, second = (await answer())["drivers"]
        assert (best["vehicle"], best["route"], second["vehicle"]) == ("near", "n", "far")
        assert best["slack_eaten_s"] >= 600
        assert best["why"].startswith("6 min to the pickup, ")
        assert f"of {round((best['slack_left_s'] + best['slack_eaten_s']) / 60)} min slack" in best["why"]
        assert second["why"].endswith("no stop closes")

        late = {**load, "delivery": place(8, closes=now_ms + MINUTE_MS)}
        # there and back takes longer than until the shop closes, and after the shop it is too late there
        stopped = {**load, "pickup": place(-20, closes=now_ms + 60 * MINUTE_MS), "delivery": place(-21)}
        for one, constraint, stop_id, words in (
            ({**load, "size": {"kg": 901}}, "capacity", None, "901"),
            ({**load, "needs": ["wings"]}, "skills", None, "wings"),
            (late, "delivery_late", "delivery", "the delivery window closes "),
            (stopped, "stop_late", "shop", "stop 'shop' closes "),
        ):
            asked = {"load": one, "vehicles": {"ids": ["near"]}}
            nobody = await ask(found, "POST", "/v1/dispatch/recommend", asked)
            assert nobody["refused"] == {constraint: 1}
            (why,) = nobody["nearest"]
            assert (why["vehicle"], why["constraint"], why.get("stop")) == ("near", constraint, stop_id)
            assert words in why["why"]

        for name, size in (("one", 100), ("two", 100), ("heavy", 5_000)):
            await ask(found, "PUT", f"/v1/loads/{name}", {**load, "size": {"kg": size}})
        many = await ask(found, "POST", "/v1/dispatch/assign", {"loads": "open", "commit": True})
        assert {one["load"] for one in many["assigned"]} == {"one", "two"}
        assert [one["load"] for one in many["unassigned"]] == ["heavy"]
        assert "5000" in many["unassigned"][0]["why"].replace(",", "")
        route = await ask(found, "GET", f"/v1/routes/{many['assigned'][0]['route']}")
        assert {stop.get("load") for stop in route["stops"]} >= {many["assigned"][0]["load"]}

        plan = await ask(found, "POST", "/v1/plans", {"seconds": 0.2, "loads": ["heavy"]})

        async def is_found() -> bool:
            return (await ask(found, "GET", f"/v1/plans/{plan['id']}"))["state"] == "found"

        await wait_until(is_found, timeout_s=30)
        (left_out,) = (await ask(found, "GET", f"/v1/plans/{plan['id']}"))["unassigned"]
        assert (left_out["load"], left_out["constraint"], left_out["limit"]) == ("heavy", "capacity", 900)
        assert "900" in left_out["text"]


async def test_a_fence_where_a_route_stops_cannot_be_deleted(wait_until) -> None:
    """Neither a stop's own circle nor a fence that a place names goes while a route needs it; the refusal names the route. Afterwards both can."""
    yard = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [9.5, LAT]}, "properties": {"radius_m": 99}}  # fmt: skip
    async with hub() as found:
        await ask(found, "PUT", "/v1/fences/yard", yard)
        stops = [place(10), {**place(20), "fence": "yard"}]
        await ask(found, "PUT", "/v1/routes/r", {"vehicle": "van", "stops": stops})
        (own,) = {one["id"] for one in (await ask(found, "GET", "/v1/fences"))["features"]} - {"yard"}
        for fence in (own, "yard"):
            status, problem = await refused(found, "DELETE", f"/v1/fences/{fence}")
            assert (status, problem["code"]) == (409, "fence_in_use")
            assert problem["detail"].startswith(f"route 'r' stops at the fence {fence!r}")
        assert len((await ask(found, "GET", "/v1/fences"))["features"]) == 2
        await ask(found, "DELETE", "/v1/routes/r")

        async def is_swept() -> bool:
            return [one["id"] for one in (await ask(found, "GET", "/v1/fences"))["features"]] == ["yard"]

        await wait_until(is_swept)
        await ask(found, "DELETE", "/v1/fences/yard")
        assert (await refused(found, "DELETE", "/v1/fences/yard"))[0] == 404
