"""A drive sent to a real hub by a real device, read back from its real database in every way there is."""

import asyncio
import csv
import io
import json
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from google.transit import gtfs_realtime_pb2

from benchmarks.processes import HubProcess, hub, token
from haulcast.client import DeviceClient
from haulcast.clock import epoch_ms

M_DEG = 1 / 111_320
FIXES = 2_500


def read(found: HubProcess, path: str, role: str = "viewer") -> tuple[str, str]:
    """Content type and text of an answer."""
    url = f"http://127.0.0.1:{found.http_port}{path}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token(role=role)}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


async def read_json(found: HubProcess, path: str) -> dict:
    return json.loads((await asyncio.to_thread(read, found, path))[1])


async def drive(found: HubProcess, start_ms: int) -> None:
    """Parked for 750 s, 10 km north in 500 s, parked again; a fix a second, a rare one with attributes."""
    speed = np.concatenate([np.zeros(750), np.full(500, 20.0), np.zeros(FIXES - 1250)])
    north_m = np.cumsum(speed)
    url = f"ws://127.0.0.1:{found.hub_port}"
    async with DeviceClient(url, token(vehicle="truck/7"), first_seq=0) as device:
        for i in range(FIXES):
            device.send(
                time_ms=start_ms + 1000 * i, lat_deg=37.0 + north_m[i] * M_DEG, lon_deg=-122.0, speed_mps=speed[i],
                attributes={"number": i} if i % 1000 == 0 else None,
            )  # fmt: skip
        async with asyncio.timeout(60):
            await device.drained()


async def test_a_drive_is_read_back_as_it_was() -> None:
    """Positions, pages, thinned pages, all files, trips, stops and days of the same 2,500 acked fixes."""
    async with hub(device_rate_per_s=1e6, device_burst=1e6) as found:
        start_ms = epoch_ms() // 1000 * 1000 - 10_000_000
        await drive(found, start_ms)
        (position,) = (await read_json(found, "/v1/positions?id=truck/7"))["positions"]
        assert (position["id"], position["time_ms"]) == ("truck/7", start_ms + 2_499_000)
        request = urllib.request.Request(
            f"http://127.0.0.1:{found.http_port}/v1/gtfs-rt/vehicle-positions",
            headers={"Authorization": f"Bearer {token(role='viewer')}"},
        )
        with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
            feed = gtfs_realtime_pb2.FeedMessage.FromString(answer.read())
        assert [entity.id for entity in feed.entity] == ["truck/7"]
        vehicle, span = "/v1/vehicles/truck%2F7", f"from={start_ms}&to={start_ms + 2_500_000}"

        seen, path = [], f"{vehicle}/fixes?{span}&limit=1000"
        while path:
            page = await read_json(found, path)
            seen += page["fixes"]
            path = page.get("next")
        assert [fix["seq"] for fix in seen] == list(range(FIXES))
        assert {fix["seq"]: fix["attributes"] for fix in seen if "attributes" in fix} == {
            i: {"number": i} for i in (0, 1000, 2000)
        }
        thin = (await read_json(found, f"{vehicle}/fixes?{span}&thin=5"))["fixes"]
        assert (thin[0]["seq"], thin[-1]["seq"], len(thin) <= 6) == (0, FIXES - 1, True)

        for name in ("geojson", "gpx", "csv", "mf-json"):
            kind, text = await asyncio.to_thread(read, found, f"{vehicle}/track?{span}&format={name}")
            if name == "gpx":
                assert (
                    len(list(ET.fromstring(text).iter("{http://www.topografix.com/GPX/1/1}trkpt"))) == FIXES
                )
            elif name == "csv":
                rows = list(csv.DictReader(io.StringIO(text, newline="")))
                assert [int(row["seq"]) for row in rows] == list(range(FIXES))
            else:
                lines = [one["geometry"]["coordinates"] for one in json.loads(text)["features"]]
                assert (kind, sum(map(len, lines))) == ("application/geo+json", FIXES + len(lines) - 1)

        (trip,) = (await read_json(found, f"{vehicle}/trips?{span}"))["trips"]
        stops = (await read_json(found, f"{vehicle}/stops?{span}"))["stops"]
        assert trip["distance_km"] == pytest.approx(10, abs=0.3)
        assert [stop["is_open"] for stop in stops] == [False, True]
        days = (await read_json(found, f"{vehicle}/days?time_zone=America/Los_Angeles"))["days"]
        assert sum(day["fixes"] for day in days) == FIXES
        assert sum(day["distance_km"] for day in days) == pytest.approx(trip["distance_km"], abs=0.002)
        with pytest.raises(urllib.error.HTTPError) as refused:
            await asyncio.to_thread(read, found, "/v1/vehicles/other/track")
        assert refused.value.code == 404
        made = await asyncio.to_thread(
            found.send, "PUT", "/v1/vehicles/any/fixes", {"name": "an id that ends like a report"}
        )
        assert made["id"] == "any/fixes"
