"""`plan`: who watches the fleet hears how far its plans are, however slowly it reads."""

import json

import pytest
from map_client import MapClient, MapHub

from haulcast.doors import wire
from haulcast.doors.socket_session import Admission, Claims
from haulcast.live_map.live_session import LiveSession


@pytest.fixture
def hub() -> MapHub:
    """A hub without vehicles."""
    return MapHub()


def _tell(hub, plan, share, fleet="acme"):
    said = {"type": "plan", "plan": plan, "state": "running", "share": share}
    hub.fan_out.tell_newest(fleet, plan, json.dumps(said).encode())


def _shares(client):
    client.read()
    return [(said["plan"], said["share"]) for said in client.said if said["type"] == "plan"]


def test_the_fleet_is_told(hub) -> None:
    """Those who are subscribed, of that fleet only."""
    one, silent, other = hub.client(), hub.client(), hub.client("other")
    one.subscribe()
    other.subscribe()
    _tell(hub, "p1", 0.5)
    assert [_shares(client) for client in (one, silent, other)] == [[("p1", 0.5)], [], []]


def test_a_slow_one_hears_the_newest_of_each(hub) -> None:
    """What comes while its link takes no more is one message a plan afterwards."""
    slow = hub.client(limit_bytes=1)
    slow.subscribe()
    hub.put(**{f"acme-{number}": (10.0, 20.0) for number in range(50)})
    hub.clock.advance(1000)
    assert not slow.link.is_writable
    for share in (0.1, 0.2, 0.3):
        _tell(hub, "p1", share)
    _tell(hub, "p2", 0.9)
    hub.settle(slow)
    assert _shares(slow) == [("p1", 0.3), ("p2", 0.9)]


def test_a_shared_view_is_not_told(hub) -> None:
    """Plans are the fleet's own business."""
    holder = MapClient(hub, "acme")
    holder.leave()
    claims = Claims("acme", "viewer", vehicles=frozenset({"acme-1"}))
    holder.session = holder.link.session = LiveSession(
        hub.fan_out, hub.settings, Admission(wire.LIVE_PATH, claims, wire.JSON_SUBPROTOCOL)
    )
    holder.session.opened(holder.link)
    holder.subscribe()
    _tell(hub, "p1", 0.5)
    assert _shares(holder) == []
