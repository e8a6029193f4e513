"""Commands, their errors, and what the connection survives."""

import pytest
from map_client import EPOCH, WORLD, MapHub

from haulcast.doors.close_codes import CloseCode

BOX = [0, 0, 1, 1]


@pytest.fixture
def hub():
    """A hub without vehicles."""
    return MapHub()


def test_welcome(hub):
    """The first frame names the fleet, the events' place and the time."""
    hub.events(("acme", "a", 0))
    client = hub.client()
    client.read()
    assert client.said == [
        {"type": "welcome", "fleet": "acme", "epoch": EPOCH, "offset": 1, "time_ms": hub.clock.now_ms()}
    ]


def test_unknown_subprotocol(hub):
    """The first frame is an error that names what is known; then JSON is spoken."""
    client = hub.client(unknown=("soap",))
    client.subscribe(BOX)
    hub.settle(client)
    assert (client.said[0]["type"], client.said[0]["code"]) == ("error", "unknown_subprotocol")
    assert "haulcast.v1.binary" in client.said[0]["reason"]
    assert client.frames[0].is_snapshot


@pytest.mark.parametrize(
    ("message", "code", "field"),
    [
        ("{", "bad_json", None),
        ("[]", "wrong_type", None),
        ("{}", "missing_field", "type"),
        ('{"type":"dance"}', "unknown_command", "type"),
        ('{"type":7}', "unknown_command", "type"),
        ('{"type":"subscribe"}', "missing_field", "bbox"),
        ('{"type":"subscribe","bbox":[0,0,1,1],"colour":1}', "unknown_field", "colour"),
        ('{"type":"subscribe","bbox":[0,0,1]}', "wrong_type", "bbox"),
        ('{"type":"subscribe","bbox":"all"}', "wrong_type", "bbox"),
        ('{"type":"subscribe","bbox":[0,0,1,"1"]}', "wrong_type", "bbox"),
        ('{"type":"subscribe","bbox":[0,0,1,true]}', "wrong_type", "bbox"),
        ('{"type":"subscribe","bbox":[0,0,1,91]}', "out_of_range", "bbox"),
        ('{"type":"subscribe","bbox":[-181,0,1,1]}', "out_of_range", "bbox"),
        ('{"type":"subscribe","bbox":[0,2,1,1]}', "out_of_range", "bbox"),
        ('{"type":"subscribe","bbox":[0,0,1,NaN]}', "bad_json", None),
        ('{"type":"subscribe","bbox":[0,0,1,1],"zoom":25}', "out_of_range", "zoom"),
        ('{"type":"subscribe","bbox":[0,0,1,1],"zoom":null}', "wrong_type", "zoom"),
        ('{"type":"subscribe","bbox":[0,0,1,1],"rate_hz":0}', "out_of_range", "rate_hz"),
        ('{"type":"subscribe","bbox":[0,0,1,1],"rate_hz":51}', "out_of_range", "rate_hz"),
        ('{"type":"subscribe","bbox":[0,0,1,1],"events":1}', "wrong_type", "events"),
        ('{"type":"subscribe","bbox":[0,0,1,1],"vehicles":"a"}', "wrong_type", "vehicles"),
        ('{"type":"subscribe","bbox":[0,0,1,1],"vehicles":[1]}', "wrong_type", "vehicles"),
        ('{"type":"move","bbox":[0,0,1,1]}', "not_subscribed", "type"),
        ('{"type":"move","bbox":[0,0,1,1],"rate_hz":1}', "unknown_field", "rate_hz"),
        ('{"type":"resume","epoch":"k3x"}', "missing_field", "offset"),
        ('{"type":"resume","epoch":1,"offset":1}', "wrong_type", "epoch"),
        ('{"type":"resume","epoch":"k3x","offset":1.5}', "wrong_type", "offset"),
        ('{"type":"resume","epoch":"k3x","offset":true}', "wrong_type", "offset"),
        ('{"type":"resume","epoch":"k3x","offset":-1}', "out_of_range", "offset"),
        ('{"type":"unsubscribe","now":true}', "unknown_field", "now"),
    ],
)
def test_a_wrong_command_is_answered_and_survived(hub, message, code, field):
    """An error frame names the code, the field and what is allowed; the connection goes on."""
    client = hub.client()
    client.session.received(message.encode(), is_text=True)
    client.read()
    error = client.said[-1]
    assert (error["type"], error["code"], error.get("field")) == ("error", code, field)
    assert error["reason"]
    client.subscribe(BOX)
    hub.settle(client)
    assert client.frames[0].is_snapshot
    assert client.link.close_code is None


def test_a_wrong_subscribe_leaves_the_old_view(hub):
    """What was subscribed goes on as it was."""
    client = hub.client()
    client.subscribe(BOX)
    client.say(type="subscribe", bbox=[9, 9, 9])
    hub.put(acme_a=(0.5, 0.5))
    hub.settle(client)
    assert client.held.keys() == {"acme_a"}


def test_too_many_vehicles(hub):
    """10,000 vehicles are taken, one more is not."""
    client = hub.client()
    for count in (10_000, 10_001):
        client.say(type="subscribe", bbox=BOX, vehicles=[f"v{i}" for i in range(count)])
    client.read()
    assert [said["type"] for said in client.said] == ["welcome", "error"]
    assert client.said[-1]["field"] == "vehicles"


def test_binary_and_junk_are_errors_not_crashes(hub):
    """Binary messages, broken UTF-8, empty ones and deep nesting get an error frame each."""
    client = hub.client()
    client.session.received(b"\x00\x01", is_text=False)
    for junk in (b"\xff\xfe", b"", b"[" * 5000, b'{"type":"subscribe","bbox":[1e999,0,0,0]}'):
        client.session.received(junk, is_text=True)
    client.read()
    assert [said["type"] for said in client.said[1:]] == ["error"] * 5
    assert client.said[1]["code"] == "bad_binary"


def test_bad_frames_in_a_row_close_the_connection(hub):
    """The tenth bad one in a row closes with 4501; a good one in between starts the count anew."""
    client = hub.client()
    for _ in range(9):
        client.say(type="dance")
    client.subscribe(BOX)
    for _ in range(9):
        client.say(type="dance")
    assert client.link.close_code is None
    client.say(type="dance")
    assert client.link.close_code == CloseCode.BAD_FRAMES


def test_a_client_that_asks_but_never_reads_is_closed(hub):
    """Replies that nobody reads do not fill the memory."""
    client = hub.client(limit_bytes=1000)
    for _ in range(200):
        client.say(type="resume", epoch=EPOCH, offset=0)
    assert client.link.close_code == CloseCode.SLOW
    assert client.link.waiting_bytes < 20_000


def test_commands_after_the_end_do_nothing(hub):
    """What arrives on a connection that is gone is dropped."""
    client = hub.client()
    client.leave()
    client.subscribe(BOX)
    client.session.writable()
    assert hub.fan_out.counters["subscribers"] == 0


def test_an_unsubscribed_client_hears_nothing(hub):
    """After `unsubscribe` there are no frames; a move then is an error."""
    client = hub.client()
    client.subscribe(WORLD)
    hub.settle(client)
    client.say(type="unsubscribe")
    hub.put(acme_a=(0.5, 0.5))
    hub.settle(client)
    assert len(client.frames) == 1
    client.say(type="move", bbox=BOX)
    client.read()
    assert client.said[-1]["code"] == "not_subscribed"
