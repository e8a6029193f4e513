"""Asyncio clients of the hub: `DeviceClient` reports fixes and loses none, `LiveClient` watches a fleet.

    async with DeviceClient("ws://localhost:8001", token) as device:
        device.send(time_ms=1790000000000, lat_deg=37.7749, lon_deg=-122.4194)
        await device.drained()

    async with LiveClient("ws://localhost:8001", token) as live:
        live.subscribe((-123.0, 37.0, -121.0, 38.5), zoom=10)
        async for update in live:
            ...

Both come back by themselves after a lost connection, and give up, with an error of `haulcast.errors`, only where coming
back cannot help.
"""

from haulcast.client.device_client import DeviceClient
from haulcast.client.device_fleet import DeviceFleet
from haulcast.client.device_frames import FrameRefused, Reject
from haulcast.client.live_client import LiveClient
from haulcast.client.live_updates import (
    Clusters,
    Connection,
    Event,
    EventGap,
    LiveError,
    LiveUpdate,
    PastEvent,
    PlaybackTime,
    Positions,
)
from haulcast.client.live_view import Cluster, Vehicle

__all__ = [
    "Cluster",
    "Clusters",
    "Connection",
    "DeviceClient",
    "DeviceFleet",
    "Event",
    "EventGap",
    "FrameRefused",
    "LiveClient",
    "LiveError",
    "LiveUpdate",
    "PastEvent",
    "PlaybackTime",
    "Positions",
    "Reject",
    "Vehicle",
]
