"""The GTFS Realtime feed, read as consumers read it: one message, by the official bindings."""

import pytest
from google.transit import gtfs_realtime_pb2
from report_hub import NOW_MS

from haulcast.reports import gtfs_feed

PATH = "/v1/gtfs-rt/vehicle-positions"


@pytest.mark.parametrize("part", [1, 2, 1000])
async def test_the_feed_is_one_message_with_every_vehicle(reports, viewer, monkeypatch, part):
    """However many parts it is written in; unknown is absent; other fleets' vehicles are not there."""
    monkeypatch.setattr(gtfs_feed, "VEHICLES_A_PART", part)
    reports.place("acme", "d", "b", "ä/1")
    reports.place("globex", "a")
    row = reports.rows.find("acme", "b")
    reports.last.speed_mps[row], reports.last.heading_deg[row] = 12.5, 90.0
    answer = await viewer.get(PATH)
    feed = gtfs_realtime_pb2.FeedMessage.FromString(answer.content)
    assert feed.IsInitialized()
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert (feed.header.gtfs_realtime_version, feed.header.timestamp) == ("2.0", NOW_MS // 1000)
    assert feed.header.incrementality == gtfs_realtime_pb2.FeedHeader.FULL_DATASET
    assert [entity.id for entity in feed.entity] == ["b", "d", "ä/1"]
    first, second = feed.entity[0].vehicle, feed.entity[1].vehicle
    assert (first.vehicle.id, first.timestamp) == ("b", NOW_MS // 1000 - 3600)
    assert (first.position.latitude, first.position.speed, first.position.bearing) == (48.0, 12.5, 90.0)
    assert not second.position.HasField("speed")
    assert not second.position.HasField("bearing")


async def test_an_empty_fleet_has_an_empty_feed_and_devices_none(reports, viewer):
    """A header and nothing else; a device is refused."""
    feed = gtfs_realtime_pb2.FeedMessage.FromString((await viewer.get(PATH)).content)
    assert (feed.IsInitialized(), len(feed.entity)) == (True, 0)
    head = await viewer.head(PATH)
    assert (head.status_code, head.content) == (200, b"")
    async with reports.client("acme/device") as device:
        assert (await device.get(PATH)).status_code == 403
