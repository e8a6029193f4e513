"""Fence events: every one, in order, once, also through stalls and reconnects."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_client import EPOCH, WORLD, MapHub

from geo.fence_events import NONE, Cause, Kind, fence_events
from haulcast.doors.close_codes import CloseCode
from haulcast.live_map.event_lane import MOST_AT_ONCE
from haulcast.live_map.event_log import EventLog


@pytest.fixture
def hub():
    """A hub that keeps twenty events."""
    return MapHub(event_log=20)


def offsets(client):
    """Of the events it has got, in order."""
    return [event["offset"] for event in client.events]


def test_an_event_says_what_the_protocol_says(hub):
    """All fields of docs/protocol.md, and no others; an exit also says when the visit began."""
    client = hub.client()
    client.subscribe(WORLD)
    hub.events(("acme", "truck-7", 0), ("acme", "truck-7", 1))
    hub.settle(client)
    now = client.events[0]["fix_time_ms"]
    assert client.events[0] == {
        "type": "event", "offset": 1, "id": "0000000000000001", "event": "enter", "cause": "moved", "visit": 1790000000000001, "vehicle": "truck-7", "fence": "f3",
        "name": "Fence 3", "time_ms": now - 500, "lat": 37.7749, "lon": -122.4194, "fix_time_ms": now,
    }  # fmt: skip
    assert client.events[1] == client.events[0] | {
        "offset": 2, "id": "0000000000000002", "event": "exit", "visit": 1790000000000002, "entered_ms": now - 900,
    }  # fmt: skip


SAID = {
    "dwell": ({"kind": Kind.DWELL, "cause": Cause.TIMER, "rule": 5, "entered_ms": 7}, {"entered_ms": 7}),
    "cross": ({"kind": Kind.CROSS, "rule": 5, "entered_ms": 7, "left_ms": 100}, {"entered_ms": 7}),
    "overspeed": ({"kind": Kind.OVERSPEED, "rule": 5, "entered_ms": 7, "value": 9.314}, {"entered_ms": 7, "speed_mps": 9.31}),
    "overspeed, in doubt": ({"kind": Kind.OVERSPEED, "rule": 5, "visit": NONE, "value": 9.0}, {"speed_mps": 9.0}),
    "unauthorised": ({"kind": Kind.UNAUTHORISED, "cause": Cause.SCHEDULE, "rule": 5, "entered_ms": 7}, {"entered_ms": 7}),
    "near": ({"kind": Kind.NEAR, "rule": 5, "other": 1, "value": 412.7, "handle": NONE}, {"other": "b", "distance_m": 412.7}),
    "apart": ({"kind": Kind.APART, "cause": Cause.RULE_CHANGED, "rule": 5, "other": 1, "value": 600.0, "handle": NONE}, {"other": "b", "distance_m": 600.0}),
    "enter": ({"kind": Kind.ENTER, "cause": Cause.LATE, "rule": 5, "entered_ms": 100}, {}),
    "corrected": ({"kind": Kind.CORRECTED, "cause": Cause.LATE, "entered_ms": 7}, {"entered_ms": 7, "left_ms": None}),
    "corrected, ended": ({"kind": Kind.CORRECTED, "cause": Cause.LATE, "entered_ms": 7, "left_ms": 9}, {"entered_ms": 7, "left_ms": 9}),
    "withdrawn": ({"kind": Kind.WITHDRAWN, "cause": Cause.LATE, "entered_ms": 7}, {"entered_ms": 7}),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_each_kind_of_event_says_what_applies_and_nothing_else(hub, name, wire_schema):
    """Rule and label, the other vehicle, speed or distance, the visit's times; as docs/asyncapi.yaml has it."""
    columns, wanted = SAID[name]
    client = hub.client()
    client.subscribe(WORLD)
    for vehicle in ("a", "b"):
        hub.rows.row_of("acme", vehicle)
    columns = {"cause": Cause.MOVED, "handle": 3, "visit": 44, **columns}
    place = {"time_ms": 100, "lat_deg": 37.5, "lon_deg": -122.0, "fix_time_ms": 90}
    hub.place({}, fence_events(row=[0], **place, **columns))
    hub.settle(client)
    (event,) = client.events
    assert wire_schema("event").validate(event) == "event"
    expected = {
        "type": "event", "offset": 1, "id": "0000000000000001", "event": name.partition(",")[0], "cause": columns["cause"].name.lower(), "vehicle": "a",
        "time_ms": 100, "lat": 37.5, "lon": -122.0, "fix_time_ms": 90, **wanted,
    }  # fmt: skip
    if "rule" in columns:
        expected |= {"rule": "r5", "rule_name": "Rule 5"}
    if columns["handle"] != NONE:
        expected |= {"fence": "f3", "name": "Fence 3"}
    if columns["visit"] != NONE:
        expected |= {"visit": 44}
    assert event == expected


def test_offsets_are_of_the_fleet(hub):
    """Each fleet's events are numbered by themselves and reach nobody else."""
    one, two = hub.client("one"), hub.client("two")
    for client in (one, two):
        client.subscribe(WORLD)
    hub.events(("one", "a", 0), ("two", "b", 0), ("one", "a", 1))
    hub.settle(one, two)
    assert (offsets(one), offsets(two)) == ([1, 2], [1])
    assert two.events[0]["vehicle"] == "b"


def test_who_sees_some_vehicles_gets_their_events_only(hub):
    """`vehicles` filters events as it does positions; `events: false` and no subscription mean none."""
    some, none, silent = hub.client(), hub.client(), hub.client()
    some.subscribe(WORLD, vehicles=["b"])
    none.subscribe(WORLD, events=False)
    hub.events(("acme", "a", 0), ("acme", "b", 0), ("acme", "a", 1))
    hub.settle(some, none, silent)
    assert offsets(some) == [2]
    assert none.events == silent.events == []


def test_a_full_link_delays_events_but_loses_none(hub):
    """Events wait in the log while a link is full, in order, and others do not wait for it."""
    slow, fast = hub.client(limit_bytes=600), hub.client()
    for client in (slow, fast):
        client.subscribe(WORLD)
    hub.settle(slow, fast)
    for _ in range(15):
        hub.events(("acme", "a", 0))
        fast.read()
    assert len(slow.link.waiting) <= 4
    assert offsets(fast) == list(range(1, 16))
    hub.settle(slow)
    assert slow.events == fast.events


def test_who_falls_out_of_the_log_is_sent_away(hub):
    """When an event that was not sent is dropped, the connection is closed with 4003, and only that one."""
    slow, fast = hub.client(limit_bytes=10), hub.client()
    for client in (slow, fast):
        client.subscribe(WORLD)
    for _ in range(25):
        hub.events(("acme", "a", 0))
        fast.read()
        hub.clock.advance(20)
    assert slow.link.close_code == CloseCode.EVENTS_LOST
    assert fast.link.close_code is None
    assert offsets(fast) == list(range(1, 26))
    assert hub.fan_out.counters["slow_closes"] == 1


@pytest.mark.parametrize("order", ["resume first", "subscribe first"])
def test_resume_gets_what_was_missed(hub, order):
    """After a reconnect every event since the offset comes, once and in order, and then the live ones."""
    before = hub.client()
    before.subscribe(WORLD)
    for _ in range(3):
        hub.events(("acme", "a", 0))
    before.read()
    before.leave()
    for _ in range(4):
        hub.events(("acme", "a", 1))
    after = hub.client()
    commands = [lambda: after.say(type="resume", epoch=EPOCH, offset=3), lambda: after.subscribe(WORLD)]
    for command in commands if order == "resume first" else reversed(commands):
        command()
    hub.events(("acme", "a", 0))
    hub.settle(after)
    assert offsets(after) == [4, 5, 6, 7, 8]
    assert after.said == [after.said[0], {"type": "resumed", "epoch": EPOCH, "offset": 7, "complete": True}]
    assert (after.said[0]["type"], after.said[0]["epoch"], after.said[0]["offset"]) == ("welcome", EPOCH, 7)


@pytest.mark.parametrize(("epoch", "offset"), [("other", 25), (EPOCH, 4), (EPOCH, 26)])
def test_resume_that_cannot_be_whole_says_so(hub, epoch, offset):
    """Another epoch, an offset that is dropped, or one that never was: `complete` is false and the stream goes on from now."""
    for _ in range(25):
        hub.events(("acme", "a", 0))
    client = hub.client()
    client.say(type="resume", epoch=epoch, offset=offset)
    client.subscribe(WORLD)
    hub.settle(client)
    assert client.said[-1] == {"type": "resumed", "epoch": EPOCH, "offset": 25, "complete": False}
    hub.events(("acme", "a", 0))
    hub.settle(client)
    assert offsets(client) == [26]


def test_the_oldest_event_that_is_kept_can_be_resumed_to(hub):
    """Offset 5 of 25 with twenty kept is complete: 6 to 25 are there."""
    for _ in range(25):
        hub.events(("acme", "a", 0))
    client = hub.client()
    client.say(type="resume", epoch=EPOCH, offset=5)
    client.subscribe(WORLD)
    hub.settle(client)
    assert client.said[-1]["complete"]
    assert offsets(client) == list(range(6, 26))


def test_a_long_log_is_read_in_turns():
    """However often somebody resumes at its begin, a turn looks at so many events and no more; all come, once and in order."""
    hub = MapHub(event_log=5 * MOST_AT_ONCE)
    hub.events(*[("acme", "a", 0), ("acme", "b", 0)] * (2 * MOST_AT_ONCE))
    every, some = hub.client(), hub.client()
    for _ in range(50):
        every.say(type="resume", epoch=EPOCH, offset=0)
        some.say(type="resume", epoch=EPOCH, offset=0)
    every.subscribe(WORLD)
    some.subscribe(WORLD, vehicles=["b"])
    assert (
        sum('"event"' in frame for frame, _ in every.link.waiting if isinstance(frame, str)) <= MOST_AT_ONCE
    )
    hub.events(("acme", "b", 1))
    hub.settle(every, some)
    assert offsets(every) == list(range(1, 4 * MOST_AT_ONCE + 2))
    assert offsets(some) == [*range(2, 4 * MOST_AT_ONCE + 1, 2), 4 * MOST_AT_ONCE + 1]
    assert not hub.fan_out.events._going_on


def test_a_new_subscription_leaves_no_gap(hub):
    """Subscribing anew goes on after the last event; after an unsubscribe, or without events, from now."""
    client = hub.client()
    client.subscribe(WORLD)
    hub.events(("acme", "a", 0))
    client.subscribe([0, 0, 1, 1])
    hub.events(("acme", "a", 1))
    client.say(type="unsubscribe")
    hub.events(("acme", "a", 0))
    client.subscribe(WORLD)
    hub.events(("acme", "a", 1))
    client.subscribe(WORLD, events=False)
    hub.events(("acme", "a", 0))
    client.subscribe(WORLD)
    hub.events(("acme", "a", 1))
    hub.settle(client)
    assert offsets(client) == [1, 2, 4, 6]


@settings(max_examples=60, deadline=None)
@given(
    actions=st.lists(
        st.sampled_from(["event", "event", "read", "wait", "reconnect", "subscribe"]), max_size=80
    ),
    seed=st.integers(0, 9),
)
def test_any_stalls_and_reconnects_lose_nothing(actions, seed):
    """A client that resumes where it was has, at the end, every event exactly once, in order."""
    hub = MapHub(event_log=200)
    client = hub.client(limit_bytes=50 + 300 * seed)
    client.subscribe(WORLD)
    got = []
    for action in [*actions, "reconnect"]:
        if action == "event":
            hub.events(("acme", "a", 0), ("acme", "b", 1))
        elif action == "read":
            client.read()
        elif action == "wait":
            hub.clock.advance(50)
        elif action == "subscribe":
            client.subscribe([0, 0, 1, 1])
        else:
            # what the link still holds is lost with the connection
            got += client.events
            client.leave()
            client = hub.client(limit_bytes=50 + 300 * seed)
            client.say(type="resume", epoch=EPOCH, offset=got[-1]["offset"] if got else 0)
            client.subscribe(WORLD)
    hub.settle(client)
    assert [event["offset"] for event in got + client.events] == list(
        range(1, 2 * actions.count("event") + 1)
    )


def test_the_log_is_a_ring():
    """It keeps the newest, knows which, and gives each by its offset."""
    log = EventLog("e", 3)
    assert (log.first, log.last, log.has_all_after(0), log.has_all_after(1)) == (1, 0, True, False)
    for i in range(1, 8):
        log.append(f"v{i}", b'"x":%d}' % i)
        assert log.entry(log.last).vehicle == f"v{i}"
    assert (log.first, log.last) == (5, 7)
    assert [log.entry(i).frame for i in (5, 6, 7)] == [
        b'{"type":"event","offset":%d,"x":%d}' % (i, i) for i in (5, 6, 7)
    ]
    assert [log.has_all_after(i) for i in (3, 4, 7, 8)] == [False, True, True, False]
