"""A whole real day over real sockets: every cab on its own connection, the San Francisco zones as fences."""

import asyncio
import json
from collections import Counter
from pathlib import Path

import numpy as np
import shapely

from benchmarks.processes import HubProcess, token
from haulcast.client.device_fleet import DeviceFleet
from haulcast.client.device_frames import Reject
from haulcast.client.live_client import LiveClient
from haulcast.client.live_updates import Event, EventGap, Positions
from haulcast.clock import epoch_ms
from haulcast.recordings.read import read_recording
from haulcast.recordings.recording import Recording

EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)


def read_zones(file: Path) -> dict[str, shapely.Geometry]:
    """What each zone covers, by name; invalid rings are repaired by `make_valid`, as the import does."""
    features = json.loads(file.read_text())["features"]
    areas = (shapely.from_geojson(json.dumps(feature["geometry"])) for feature in features)
    return {
        feature["properties"]["name"]: shapely.make_valid(area)
        for feature, area in zip(features, areas, strict=True)
    }


def crossings(recording: Recording, taken: np.ndarray, zones: dict[str, shapely.Geometry]) -> Counter:
    """The oracle: for each vehicle, its taken fixes in time order, and shapely's answer for each zone."""
    names, shapes = list(zones), list(zones.values())
    points = shapely.points(recording.lon_deg, recording.lat_deg)
    inside = np.zeros((len(recording), len(names)), bool)
    point, zone = shapely.STRtree(shapes).query(points, predicate="intersects")
    inside[point, zone] = True
    counted: Counter = Counter()
    for vehicle in range(len(recording.vehicles)):
        index = np.flatnonzero(taken & (recording.vehicle == vehicle))
        index = index[np.argsort(recording.time_ms[index], kind="stable")]
        before = np.vstack([np.zeros((1, len(names)), bool), inside[index][:-1]])
        for kind, changed in (("enter", inside[index] & ~before), ("exit", ~inside[index] & before)):
            for name, count in zip(names, changed.sum(0).tolist(), strict=True):
                counted[kind, name] += count
    return +counted


async def test_the_whole_of_a_friday(start_hub, shared_data, wait_until):
    """Every fix is accounted for, every last position arrives, and enters and exits equal shapely's exactly."""
    recording = read_recording(shared_data / "tracks/sf_cabs_2008-05-30.csv.gz")
    shift_ms = epoch_ms() - int(recording.time_ms.max())
    rejected: dict[str, list[Reject]] = {name: [] for name in recording.vehicles}
    # a day within seconds is more than a subscriber can read at once: the hub keeps the whole day's events for it
    async with start_hub(hold_s=3, event_log=1_000_000) as found:
        zones_file = shared_data / "zones/san-francisco.geojson"
        await found.import_fences(zones_file)
        zones = read_zones(zones_file)
        url = f"ws://127.0.0.1:{found.hub_port}"
        events: list[Event] = []
        async with (
            LiveClient(url, token("viewer")) as viewer,
            DeviceFleet(
                url, recording.vehicles, lambda name: token(vehicle=name), binary=True, flush_s=120.0
            ) as fleet,
        ):
            viewer.subscribe(EVERYWHERE, rate_hz=2)
            is_watching = asyncio.Event()
            watching = asyncio.create_task(_collect(viewer, events, is_watching))
            await asyncio.wait_for(is_watching.wait(), 30)  # events of before a subscription are not told
            for i, client in enumerate(fleet.clients):
                index = np.flatnonzero(recording.vehicle == i)
                client._on_reject = rejected[recording.vehicles[i]].append
                seqs = client.send_many(
                    time_ms=recording.time_ms[index] + shift_ms,
                    lat_deg=recording.lat_deg[index],
                    lon_deg=recording.lon_deg[index],
                )
                client.first_seq = seqs[0]
            # what a track ends with in the air is refused after `hold_s`, so that every fix is decided
            await asyncio.wait_for(fleet.drained(), 240)
            counters = await asyncio.to_thread(found.counters)
            expected, last = _expected(recording, rejected, fleet, zones)
            await wait_until(lambda: len(events) >= expected.total() or watching.done(), timeout_s=120)
            await wait_until(lambda: _positions(viewer, shift_ms) == last, timeout_s=30)
            watching.cancel()
    assert counters["fixes"] == len(recording) == counters["accepted"] + counters["refused"]
    assert counters["refused"] == sum(map(len, rejected.values())) > 1_000
    assert (counters["late"], counters["held"], counters["bad_frames"]) == (0, 0, 0)
    assert Counter((event.event, event.name) for event in events) == expected
    assert len(expected) > 60
    assert {event.cause for event in events} == {"moved"}


async def _collect(viewer: LiveClient, events: list[Event], is_watching: asyncio.Event) -> None:
    async for update in viewer:
        assert not isinstance(update, EventGap)
        if isinstance(update, Positions):
            is_watching.set()
        if isinstance(update, Event):
            events.append(update)


def _positions(viewer: LiveClient, shift_ms: int) -> dict[str, tuple]:
    return {
        name: (vehicle.fix_time_ms - shift_ms, round(vehicle.lat_deg, 5), round(vehicle.lon_deg, 5))
        for name, vehicle in viewer.vehicles.items()
    }


def _expected(
    recording: Recording,
    rejected: dict[str, list[Reject]],
    fleet: DeviceFleet,
    zones: dict[str, shapely.Geometry],
) -> tuple[Counter, dict[str, tuple]]:
    """The oracle's crossings over what was taken, and each vehicle's last position."""
    taken = np.ones(len(recording), bool)
    last = {}
    for i, (name, client) in enumerate(zip(recording.vehicles, fleet.clients, strict=True)):
        index = np.flatnonzero(recording.vehicle == i)
        taken[index[[reject.seq - client.first_seq for reject in rejected[name]]]] = False
        newest = index[taken[index]][-1]
        last[name] = (int(recording.time_ms[newest]), recording.lat_deg[newest], recording.lon_deg[newest])
    return crossings(recording, taken, zones), last


async def test_newest_first_ends_where_the_track_ends(start_hub, shared_data, wait_until):
    """An original file, newest fix first, leaves the marker at its first line."""
    recording = read_recording(shared_data / "tracks/original/new_abboip.txt.gz")
    assert recording.time_ms[0] == recording.time_ms.max()
    shift_ms = epoch_ms() - int(recording.time_ms.max())
    async with start_hub(device_burst=1e6) as found:
        url = f"ws://127.0.0.1:{found.hub_port}"
        async with DeviceFleet(url, ["abboip"], lambda name: token(vehicle=name), flush_s=60.0) as fleet:
            fleet.clients[0].send_many(
                time_ms=recording.time_ms + shift_ms, lat_deg=recording.lat_deg, lon_deg=recording.lon_deg
            )
            await fleet.drained()
        counters = found.counters()
        vehicle = await wait_until(lambda: _vehicle(found, "abboip"))
    assert counters["fixes"] == len(recording) == counters["accepted"] + counters["refused"]
    assert counters["late"] > 0.99 * len(recording)
    position = vehicle["position"]
    assert position["time_ms"] == recording.time_ms[0] + shift_ms
    assert (position["lat"], position["lon"]) == (recording.lat_deg[0], recording.lon_deg[0])


async def _vehicle(found: HubProcess, name: str):
    """The vehicle as REST tells it, once it is registered; the registry writes in the background."""
    listed = await asyncio.to_thread(found.get, "/v1/vehicles")
    return next((vehicle for vehicle in listed["vehicles"] if vehicle["id"] == name), None)
