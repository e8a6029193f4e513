"""`fences_changed` and `rules_changed`: who shows fences is told of each edit, however slowly it reads."""

import pytest
from map_client import MapClient, MapHub

from haulcast.doors import wire
from haulcast.doors.socket_session import Admission, Claims
from haulcast.live_map.live_session import LiveSession

NOTICE, OF_RULES = {"type": "fences_changed"}, {"type": "rules_changed"}


@pytest.fixture
def hub() -> MapHub:
    """A hub without vehicles."""
    return MapHub()


def _notices(client: MapClient) -> int:
    client.read()
    return client.said.count(NOTICE)


def test_who_asked_is_told(hub) -> None:
    """Those of the fleet that subscribed with `fences`, also after a move; not the others, nor another fleet."""
    asked, silent, other = hub.client(), hub.client(), hub.client("other")
    asked.subscribe(fences=True)
    silent.subscribe()
    other.subscribe(fences=True)
    hub.fan_out.fences_changed("acme")
    assert [_notices(client) for client in (asked, silent, other)] == [1, 0, 0]
    asked.move([0, 0, 1, 1])
    hub.fan_out.fences_changed("acme")
    asked.say(type="unsubscribe")
    hub.fan_out.fences_changed("acme")
    assert _notices(asked) == 2


def test_a_slow_one_is_told_once_it_reads(hub) -> None:
    """Edits that come while its link takes no more are one notice afterwards."""
    slow = hub.client(limit_bytes=1)
    slow.subscribe(fences=True)
    hub.put(**{f"acme-{number}": (10.0, 20.0) for number in range(50)})
    hub.clock.advance(1000)
    assert not slow.link.is_writable
    hub.fan_out.fences_changed("acme")
    hub.fan_out.fences_changed("acme")
    hub.settle(slow)
    assert _notices(slow) == 1


def test_rules_have_a_notice_of_their_own(hub) -> None:
    """To those who asked for fences; a slow one gets one of each kind, whatever was edited how often."""
    asked, silent, slow = hub.client(), hub.client(), hub.client(limit_bytes=1)
    asked.subscribe(fences=True)
    silent.subscribe()
    slow.subscribe(fences=True)
    hub.put(**{f"acme-{number}": (10.0, 20.0) for number in range(50)})
    hub.clock.advance(1000)
    for _ in range(2):
        hub.fan_out.rules_changed("acme")
        hub.fan_out.fences_changed("acme")
    hub.fan_out.rules_changed("other")
    for client in (asked, silent):
        client.read()
    hub.settle(slow)
    slow.read()
    found = [(client.said.count(NOTICE), client.said.count(OF_RULES)) for client in (asked, silent, slow)]
    assert found == [(2, 2), (0, 0), (1, 1)]


def test_a_shared_view_is_not_told(hub) -> None:
    """Fences are not shared, and neither is that there are any."""
    holder = MapClient(hub, "acme")
    holder.leave()
    claims = Claims("acme", "viewer", vehicles=frozenset({"acme-1"}))
    holder.session = holder.link.session = LiveSession(
        hub.fan_out, hub.settings, Admission(wire.LIVE_PATH, claims, wire.JSON_SUBPROTOCOL)
    )
    holder.session.opened(holder.link)
    holder.subscribe(fences=True)
    hub.fan_out.fences_changed("acme")
    hub.fan_out.rules_changed("acme")
    assert _notices(holder) == 0
    assert OF_RULES not in holder.said
