"""`availability`: who asked for it hears the newest of each vehicle, however slowly it reads."""

import json

import pytest
from map_client import MapClient, MapHub

from haulcast.doors import wire
from haulcast.doors.socket_session import Admission, Claims
from haulcast.live_map.availability_lane import AT_ONCE
from haulcast.live_map.live_session import LiveSession


@pytest.fixture
def hub():
    """A hub without vehicles."""
    return MapHub()


def tell(hub, fleet="acme", **said):
    number = hub.fan_out._rows.fleet_number_of(fleet)
    bodies = {name: json.dumps({"vehicle": name, "n": n}).encode() if n else b"" for name, n in said.items()}
    hub.fan_out.availability.take(number, bodies)


def heard(client):
    """What it has been told of vehicles, in order."""
    client.read()
    told = [
        (one["vehicle"], one["n"])
        for said in client.said
        if said["type"] == "availability"
        for one in said["vehicles"]
    ]
    client.said.clear()
    return told


def test_who_asked_hears_of_its_fleet(hub):
    """A subscriber that asked; not one that did not, nor another fleet; what is said later comes, what is gone does not."""
    one, silent, other = hub.client(), hub.client(), hub.client("other")
    one.subscribe(availability=True)
    silent.subscribe()
    other.subscribe(availability=True)
    tell(hub, a=1, b=2)
    assert [heard(client) for client in (one, silent, other)] == [[("a", 1), ("b", 2)], [], []]
    tell(hub, b=3, a=0)
    assert heard(one) == [("b", 3)]
    late = hub.client()
    late.subscribe(availability=True)
    assert heard(late) == [("b", 3)]


def test_a_view_of_some_vehicles_hears_of_these(hub):
    """A filter holds; another subscription begins with all that is known of its vehicles; without one nothing comes."""
    client, witness = hub.client(), hub.client()
    witness.subscribe(availability=True)
    client.subscribe(availability=True, vehicles=["b"])
    tell(hub, a=1, b=2)
    assert heard(client) == [("b", 2)]
    client.subscribe(availability=True)
    assert heard(client) == [("a", 1), ("b", 2)]
    client.say(type="unsubscribe")
    tell(hub, a=4)
    assert heard(client) == []
    assert heard(witness) == [("a", 1), ("b", 2), ("a", 4)]


def test_a_slow_one_hears_the_newest_of_each(hub):
    """What comes while its link takes no more is the newest of each vehicle afterwards, in pieces, and nothing twice."""
    slow = hub.client(limit_bytes=1)
    slow.subscribe(availability=True)
    hub.put(**{f"acme-{number}": (10.0, 20.0) for number in range(50)})
    hub.clock.advance(1000)
    assert not slow.link.is_writable
    many = {f"v{number}": 1 for number in range(AT_ONCE + 10)}
    tell(hub, **many)
    tell(hub, v0=2)
    tell(hub, v0=3)
    hub.settle(slow)
    found = heard(slow)
    assert found[-1] == ("v0", 3)
    assert sorted(found) == sorted({**many, "v0": 3}.items())
    tell(hub, v1=5)
    hub.settle(slow)
    assert heard(slow) == [("v1", 5)]


def test_nothing_is_kept_of_a_fleet_that_nobody_reads(hub):
    """When the last reader is gone what was said is forgotten, and who comes then hears what is said then."""
    client = hub.client()
    client.subscribe(availability=True)
    tell(hub, a=1)
    lane = hub.fan_out.availability
    number = hub.fan_out._rows.fleet_number_of("acme")
    assert (lane.fleets, lane.has_said(number)) == ({"acme"}, True)
    client.leave()
    assert (lane.fleets, lane.has_said(number)) == (set(), False)
    tell(hub, a=2)
    again = hub.client()
    again.subscribe(availability=True)
    assert heard(again) == []


def test_a_shared_view_is_not_told(hub):
    """Who will be free is the fleet's own business, also where a shared view asks for it."""
    witness, holder = hub.client(), MapClient(hub, "acme")
    witness.subscribe(availability=True)
    holder.leave()
    claims = Claims("acme", "viewer", vehicles=frozenset({"a"}))
    holder.session = holder.link.session = LiveSession(
        hub.fan_out, hub.settings, Admission(wire.LIVE_PATH, claims, wire.JSON_SUBPROTOCOL)
    )
    holder.session.opened(holder.link)
    holder.subscribe(availability=True)
    tell(hub, a=1)
    assert heard(holder) == []
    assert heard(witness) == [("a", 1)]
