"""Rules of every kind on a real hub: made over HTTP, broken by real devices, heard on the live socket."""

import asyncio
import json
import os
import signal
from collections.abc import Callable

import orjson
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.processes import HubProcess, hub, public_folder, token
from haulcast.clock import epoch_ms

YARD = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [-122.4, 37.7]},
    "properties": {"radius_m": 500, "tags": ["depot"]},
}
IN_DEPOTS = {"tags": ["depot"]}
RULES = {
    "in": {"kind": "enter", "fences": IN_DEPOTS},
    "slow": {"kind": "overspeed", "fences": {"ids": ["yard"]}, "limit_mps": 5},
    "staff": {"kind": "unauthorised", "fences": IN_DEPOTS, "allow": {"tags": ["staff"]}},
    "stay": {"kind": "dwell", "fences": IN_DEPOTS, "dwell_s": 16},
    "other": {"kind": "enter", "fences": IN_DEPOTS, "vehicles": {"ids": ["somebody-else"]}},
    "out": {"kind": "exit", "fences": IN_DEPOTS},
    "through": {"kind": "cross", "fences": IN_DEPOTS},
    "convoy": {
        "kind": "proximity",
        "vehicles": {"ids": ["lead"]},
        "others": {"tags": ["escort"]},
        "distance_m": 1000,
        "when": "near",
    },
}
APART = {**RULES["convoy"], "when": "apart"}


def fix(seq: int, time_ms: int, lat: float, speed_mps: float = 0.0) -> str:
    return json.dumps({"seq": seq, "time_ms": time_ms, "lat": lat, "lon": -122.4, "speed_mps": speed_mps})


def socket(found: HubProcess, path: str, text: str) -> connect:
    url = f"ws://127.0.0.1:{found.hub_port}{path}"
    return connect(url, additional_headers={"Authorization": f"Bearer {text}"})


async def put(found: HubProcess, path: str, document: dict) -> None:
    await asyncio.to_thread(found.send, "PUT", path, document)


async def hear_until(viewer: ClientConnection, is_enough: Callable[[list[dict]], bool]) -> list[dict]:
    """The events that come, until they are enough."""
    heard: list[dict] = []
    async with asyncio.timeout(20):
        while not is_enough(heard):
            frame = orjson.loads(await viewer.recv())
            if frame["type"] == "event":
                heard.append(frame)
    return heard


def rules_in(heard: list[dict]) -> list[str]:
    return [event["rule"] for event in heard if "rule" in event]


async def subscribed(viewer: ClientConnection) -> None:
    await viewer.send(json.dumps({"type": "subscribe", "bbox": [-123, 37, -121, 38.5]}))
    async with asyncio.timeout(10):
        while orjson.loads(await viewer.recv())["type"] != "snapshot":
            pass


async def test_every_kind_of_rule_is_heard() -> None:
    """A drive into a yard, a silence, a drive out and a meeting: each rule speaks once, with what it is about, and nobody else's does."""
    now_ms = epoch_ms() - 300_000
    async with (
        hub() as found,
        socket(found, "/v1/live", token("viewer")) as viewer,
        socket(found, "/v1/device", token(vehicle="lead")) as lead,
        socket(found, "/v1/device", token(vehicle="b")) as escort,
    ):
        await put(found, "/v1/fences/yard", YARD)
        await put(found, "/v1/vehicles/b", {"tags": ["escort", "staff"]})
        for rule_id, rule in RULES.items():
            await put(found, f"/v1/rules/{rule_id}", rule)
        await subscribed(viewer)
        await lead.send(fix(1, now_ms, 37.72))
        await lead.send(fix(2, now_ms + 60_000, 37.7, speed_mps=9.0))
        heard = await hear_until(viewer, lambda heard: "stay" in rules_in(heard))
        assert sorted(rules_in(heard)) == ["in", "slow", "staff", "stay"]
        by_rule = {event.get("rule"): event for event in heard}
        assert len({event["visit"] for event in heard}) == 1
        assert (by_rule["slow"]["speed_mps"], by_rule["slow"]["fence"]) == (9.0, "yard")
        dwell = by_rule["stay"]  # no further fix has come
        assert (dwell["event"], dwell["cause"], dwell["fix_time_ms"]) == ("dwell", "timer", now_ms + 60_000)
        assert dwell["time_ms"] - dwell["entered_ms"] == 16_000
        await lead.send(fix(3, now_ms + 120_000, 37.72))
        heard = await hear_until(viewer, lambda heard: {"out", "through"} <= {*rules_in(heard)})
        assert sorted(rules_in(heard)) == ["out", "through"]
        await escort.send(fix(1, now_ms + 125_000, 37.721))
        (near,) = await hear_until(viewer, bool)
        assert (near["event"], near["vehicle"], near["other"]) == ("near", "lead", "b")
        assert 100 < near["distance_m"] < 120
        assert "fence" not in near


async def test_a_killed_hub_still_knows_who_was_near_and_who_was_told(wait_until) -> None:
    """After kill -9 an enter rule does not speak again, and vehicles that part are told with the moment at which they met before."""
    now_ms = epoch_ms() - 300_000
    with public_folder() as folder:
        settings = {"data_dir": f"{folder}/var"}
        async with (
            hub(**settings, checkpoint_interval_s=0.1) as first,
            socket(first, "/v1/live", token("viewer")) as viewer,
            socket(first, "/v1/device", token(vehicle="lead")) as lead,
            socket(first, "/v1/device", token(vehicle="b")) as escort,
        ):
            await put(first, "/v1/fences/yard", YARD)
            await put(first, "/v1/vehicles/b", {"tags": ["escort"]})
            await put(first, "/v1/rules/in", RULES["in"])
            await put(first, "/v1/rules/apart", APART)
            await subscribed(viewer)
            await lead.send(fix(1, now_ms, 37.7))
            await hear_until(viewer, lambda heard: "in" in rules_in(heard))
            await escort.send(fix(1, now_ms + 1_000, 37.706))

            async def is_saved() -> bool:
                counted = await asyncio.to_thread(first.counters)
                return counted["accepted"] == 2 and counted["checkpoints"]["waiting"] == 0

            await wait_until(is_saved)
            os.kill(first.process.pid, signal.SIGKILL)
            await first.process.ended(30)
        async with (
            hub(**settings) as second,
            socket(second, "/v1/live", token("viewer")) as viewer,
            socket(second, "/v1/device", token(vehicle="b")) as escort,
        ):
            await subscribed(viewer)
            await escort.send(fix(2, now_ms + 60_000, 37.72))
            heard = await hear_until(viewer, lambda heard: "apart" in rules_in(heard))
            assert rules_in(heard) == ["apart"]
            assert heard[0]["event"] == "apart"
            assert heard[0]["entered_ms"] == now_ms + 1_000
