"""Where a fleet's vehicles are, as a GTFS Realtime feed 2.0 of VehiclePositions (https://gtfs.org/documentation/realtime/reference/).

A feed is one message of the whole fleet. It is written in parts: messages in Protocol Buffers' encoding, one after the other, are one
message with the repeated fields of all (https://protobuf.dev/programming-guides/encoding/#last-one-wins).
"""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
from google.transit import gtfs_realtime_pb2

from haulcast.reports.latest_positions import LatestPositions, PositionsPage

GTFS_MEDIA_TYPE = "application/x-protobuf"
VEHICLES_A_PART = 1_000


async def gtfs_parts(latest: LatestPositions, fleet: str, now_ms: int) -> AsyncIterator[bytes]:
    """The feed's bytes. Each vehicle is where it was when its part was written, and has its own time."""
    header = gtfs_realtime_pb2.FeedMessage()
    header.header.gtfs_realtime_version = "2.0"
    header.header.incrementality = gtfs_realtime_pb2.FeedHeader.FULL_DATASET
    header.header.timestamp = now_ms // 1000
    yield header.SerializePartialToString()
    after: str | None = ""
    while after is not None:
        page = latest.page(fleet, after, VEHICLES_A_PART)
        yield await asyncio.to_thread(_part, page)
        after = page.after


def _part(page: PositionsPage) -> bytes:
    message = gtfs_realtime_pb2.FeedMessage()
    fixes = page.fixes
    rows = zip(
        page.ids, fixes.time_ms.tolist(), fixes.lat_deg.tolist(), fixes.lon_deg.tolist(),
        fixes.heading_deg.tolist(), fixes.speed_mps.tolist(), strict=True,
    )  # fmt: skip
    for vehicle_id, time_ms, lat, lon, heading_deg, speed_mps in rows:
        vehicle = message.entity.add(id=vehicle_id).vehicle
        vehicle.vehicle.id = vehicle_id
        if time_ms >= 0:  # the field is unsigned
            vehicle.timestamp = time_ms // 1000
        vehicle.position.latitude, vehicle.position.longitude = lat, lon
        if np.isfinite(heading_deg):
            vehicle.position.bearing = heading_deg
        if np.isfinite(speed_mps):
            vehicle.position.speed = speed_mps
    return bytes(message.SerializePartialToString())
