"""Rules in a real hub: over HTTP, in force at once, and again after a restart."""

import asyncio

from benchmarks.processes import hub, public_folder

GATE = {"kind": "enter", "fences": {"tags": ["depot"]}, "vehicles": {"tags": ["van"]}}
YARD = {
    "type": "Feature",
    "geometry": {"type": "Point", "coordinates": [-122.4, 37.7]},
    "properties": {"radius_m": 200, "tags": ["depot"]},
}


async def test_rules_outlive_the_hub() -> None:
    """A rule made over HTTP is counted, found by its fence's tag, and all of it is there after the next start."""
    with public_folder() as folder:
        settings = {"data_dir": f"{folder}/var"}
        async with hub(**settings) as first:
            await asyncio.to_thread(first.send, "PUT", "/v1/vehicles/van-7", {"tags": ["van"]})
            made = await asyncio.to_thread(first.send, "PUT", "/v1/rules/gate", GATE)
            assert await asyncio.to_thread(first.get, "/v1/rules?fence=yard") == {"rules": []}
            await asyncio.to_thread(first.send, "PUT", "/v1/fences/yard", YARD)
            found = await asyncio.to_thread(first.get, "/v1/rules?fence=yard")
            assert [rule["id"] for rule in found["rules"]] == ["gate"]
            assert (await asyncio.to_thread(first.counters))["rules"] == 1
        async with hub(**settings) as second:
            assert (await asyncio.to_thread(second.counters))["rules"] == 1
            assert await asyncio.to_thread(second.get, "/v1/rules?fence=yard") == found
            assert await asyncio.to_thread(second.get, "/v1/rules/gate") == made
            await asyncio.to_thread(second.send, "DELETE", "/v1/rules/gate")
            assert (await asyncio.to_thread(second.counters))["rules"] == 0
