"""A shared view: whatever its holder asks for, it sees the vehicles of the share and their events."""

import json

import pytest
from map_client import WORLD, MapClient, MapHub

from haulcast.doors import wire
from haulcast.doors.socket_session import Admission, Claims
from haulcast.errors import ForbiddenError
from haulcast.live_map.live_session import LiveSession

SHARED = frozenset({"acme-1", "acme-3"})


@pytest.fixture
def hub():
    """Three vehicles on the map."""
    hub = MapHub(bad_frames=100)
    hub.put(**{f"acme-{number}": (10.0 * number, 20.0) for number in (1, 2, 3)})
    return hub


def _holder(hub) -> MapClient:
    client = MapClient(hub, "acme")
    client.leave()
    claims = Claims("acme", "viewer", vehicles=SHARED)
    client.session = client.link.session = LiveSession(
        hub.fan_out, hub.settings, Admission(wire.LIVE_PATH, claims, wire.JSON_SUBPROTOCOL)
    )
    client.session.opened(client.link)
    return client


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ({}, SHARED),
        ({"zoom": 1}, SHARED),  # no clusters, which would count the others
        ({"vehicles": ["acme-3"]}, {"acme-3"}),
        ({"vehicles": []}, set()),
    ],
)
def test_it_shows_what_is_shared(hub, asked, seen) -> None:
    """Without a choice all of the share, with one that choice; now, and after all vehicles have moved."""
    holder = _holder(hub)
    holder.subscribe(WORLD, **asked)
    hub.settle(holder)
    assert holder.held.keys() == seen
    assert holder.kind == "positions"
    hub.put(**{f"acme-{number}": (11.0 * number, 21.0) for number in (1, 2, 3, 4)})
    holder.move([-179, -89, 179, 89])
    hub.settle(holder)
    assert holder.held.keys() == seen


def test_it_tells_events_of_what_is_shared(hub) -> None:
    """Also of those that are asked for by an offset."""
    holder = _holder(hub)
    holder.subscribe(WORLD)
    hub.events(("acme", "acme-1", 0), ("acme", "acme-2", 0), ("acme", "acme-3", 0))
    hub.settle(holder)
    assert [event["vehicle"] for event in holder.events] == ["acme-1", "acme-3"]
    holder.say(type="resume", epoch="k3x", offset=0)
    hub.settle(holder)
    assert {event["vehicle"] for event in holder.events} == SHARED


def test_no_event_names_a_vehicle_that_is_not_shared(hub) -> None:
    """An event of two vehicles is for who may see both; one who sees all of the fleet gets it in any case."""
    holder, viewer = _holder(hub), hub.client()
    for client in (holder, viewer):
        client.subscribe(WORLD)
    hub.settle(holder, viewer)
    lane = hub.fan_out.events
    log = lane.log_of(hub.rows.fleet_number_of("acme"))
    for other in ("acme-2", "acme-3"):
        log.append("acme-1", b'"type":"event","other":"%s"}' % other.encode(), other)
    hub.events(("acme", "acme-1", 0))  # whose turn sends the two before it
    hub.settle(holder, viewer)
    assert [event.get("other") for event in holder.events] == ["acme-3", None]
    assert [event.get("other") for event in viewer.events] == ["acme-2", "acme-3", None]


def test_more_is_refused(hub) -> None:
    """A view with a vehicle that is not shared is no view; what was shown before goes on."""
    holder = _holder(hub)
    holder.subscribe(WORLD)
    hub.settle(holder)
    holder.say(type="subscribe", bbox=WORLD, vehicles=["acme-1", "acme-2"])
    hub.settle(holder)
    assert [said["code"] for said in holder.said if said["type"] == "error"] == ["not_shared"]
    hub.put(**{"acme-1": (1.0, 1.0), "acme-2": (1.0, 1.0)})
    hub.settle(holder)
    assert holder.held.keys() == SHARED


def test_a_newer_token_is_the_links_business(hub, wire_schema) -> None:
    """`renewed` when the door takes it, its error otherwise, and the view goes on."""
    holder = _holder(hub)
    holder.link.renew = lambda token: 5 if token == "good" else _refuse()
    for token in ("good", "bad"):
        holder.say(type="token", token=token)
    holder.say(type="token")
    holder.say(type="token", token=7)
    hub.settle(holder)
    renewed, *errors = [said for said in holder.said if said["type"] != "welcome"][-4:]
    assert renewed == {"type": "renewed", "expires_ms": 5}
    assert [error["code"] for error in errors] == ["other_bearer", "missing_field", "wrong_type"]
    for said in (renewed, *errors):
        assert wire_schema("toLive").validate(json.loads(json.dumps(said)))


def _refuse() -> int:
    raise ForbiddenError("other_bearer", "no", field="token")
