"""A routing engine's line put as it is, and a vehicle that drives along it and leaves it, on a real hub."""

import asyncio
import json
from itertools import pairwise

import orjson
from websockets.asyncio.client import connect

from benchmarks.processes import HubProcess, hub, token
from haulcast.clock import epoch_ms

# From Sausalito over the Golden Gate to Fort Mason, as an engine with precision 6 answers.
LINE = [(-122.48, 37.86), (-122.4785, 37.82), (-122.47, 37.805), (-122.43, 37.804)]
POLYLINE = r"_ixegA~vqrhF~bmAw|Anh\grOn}@_cmA"


def socket(found: HubProcess, path: str, text: str) -> connect:
    url = f"ws://127.0.0.1:{found.hub_port}{path}"
    return connect(url, additional_headers={"Authorization": f"Bearer {text}"})


async def test_leaving_the_planned_way_is_told() -> None:
    """One enter at the start, nothing on the way, and an exit between the last fix on the way and the first off it."""
    plan = {
        "type": "Feature",
        "geometry": None,
        "properties": {"name": "Trip 7", "polyline": POLYLINE, "polyline_precision": 6, "width_m": 400},
    }
    begin_ms = epoch_ms() - 600_000
    way = [
        (lon + (to_lon - lon) * part / 4, lat + (to_lat - lat) * part / 4)
        for (lon, lat), (to_lon, to_lat) in pairwise(LINE)
        for part in range(4)
    ]
    away = [(-122.43, 37.78), (-122.43, 37.77)]
    async with (
        hub() as found,
        socket(found, "/v1/live", token("viewer")) as viewer,
        socket(found, "/v1/device", token(vehicle="truck-7")) as truck,
    ):
        await asyncio.to_thread(found.send, "PUT", "/v1/fences/trip-7", plan)
        await viewer.send(json.dumps({"type": "subscribe", "bbox": [-123, 37, -122, 38]}))
        heard: list[dict] = []
        async with asyncio.timeout(20):
            while orjson.loads(await viewer.recv())["type"] != "snapshot":
                pass
            for seq, (lon, lat) in enumerate([*way, *away], 1):
                fix = {"seq": seq, "time_ms": begin_ms + 30_000 * seq, "lat": lat, "lon": lon}
                await truck.send(json.dumps(fix))
            while not heard or heard[-1]["event"] != "exit":
                frame = orjson.loads(await viewer.recv())
                if frame["type"] == "event":
                    heard.append(frame)
    assert [(event["event"], event["fence"], event["name"]) for event in heard] == [
        ("enter", "trip-7", "Trip 7"),
        ("exit", "trip-7", "Trip 7"),
    ]
    exit_ms = heard[1]["time_ms"] - begin_ms
    assert 30_000 * len(way) < exit_ms < 30_000 * (len(way) + 1)
    assert heard[1]["visit"] == heard[0]["visit"]
