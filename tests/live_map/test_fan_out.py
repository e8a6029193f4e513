"""Who hears what and when: rates, slow links, stalls, tenants, and what a frame costs in bytes."""

import json

import numpy as np
import pytest
from map_client import WORLD, MapHub, same

from haulcast.client.live_frames import read_map_bytes, read_map_text
from haulcast.doors.close_codes import CloseCode

NEAR = [0, 0, 10, 10]


@pytest.fixture
def hub():
    """A hub without vehicles."""
    return MapHub()


def put(hub, **places):
    """One step of acme's vehicles."""
    hub.put("acme", **{f"acme_{name}": place for name, place in places.items()})


def shown(client):
    """Which of acme's vehicles it shows."""
    return {name.removeprefix("acme_") for name in client.held}


def test_snapshot_then_deltas(hub):
    """First all vehicles of the view, then those that moved or came in, and `gone` for those that left."""
    put(hub, a=(1, 1), b=(2, 2), far=(50, 50))
    client = hub.client()
    client.subscribe(NEAR)
    hub.settle(client)
    assert client.frames[0].is_snapshot
    assert shown(client) == {"a", "b"}
    put(hub, a=(60, 60), far=(3, 3))
    hub.settle(client)
    assert len(client.frames) == 2
    assert not client.frames[1].is_snapshot
    assert len(client.frames[1].rows) == len(client.frames[1].gone) == 1
    assert shown(client) == {"b", "far"}


def test_an_empty_view_gets_an_empty_snapshot_and_then_silence(hub):
    """A client learns that its view is empty; what moves elsewhere is no reason for a frame."""
    clients = [hub.client(is_binary=is_binary) for is_binary in (False, True)]
    for client in clients:
        client.subscribe(NEAR)
    hub.settle(*clients)
    put(hub, far=(50, 50))
    hub.settle(*clients)
    assert [len(client.frames) for client in clients] == [1, 1]


def test_a_moved_view_hears_the_difference(hub):
    """After a move come those that are new in the box, `gone` for those that are not in it any more, and no others."""
    put(hub, a=(1, 1), b=(5, 5), c=(12, 12))
    client = hub.client()
    client.subscribe(NEAR)
    hub.settle(client)
    client.move([4, 4, 14, 14])
    hub.settle(client)
    assert shown(client) == {"b", "c"}
    assert not client.frames[-1].is_snapshot
    assert len(client.frames[-1].rows) == 1


def test_a_move_is_answered_at_once_whatever_the_rate(hub):
    """Panning does not wait for a low rate's next frame."""
    put(hub, a=(1, 1), c=(12, 12))
    client = hub.client()
    client.subscribe(NEAR, rate_hz=0.1)
    hub.clock.advance(100)
    client.read()
    client.move([11, 11, 13, 13])
    hub.clock.advance(25)
    client.read()
    assert shown(client) == {"c"}


def test_crossing_the_cluster_zoom_replaces_everything(hub):
    """Zooming out gives a snapshot of clusters, zooming in a snapshot of vehicles, names included."""
    put(hub, a=(1, 1), b=(1.001, 1.001))
    client = hub.client()
    client.subscribe(NEAR)
    hub.settle(client)
    client.move(NEAR, zoom=3)
    hub.settle(client)
    assert [(frame.kind, frame.is_snapshot) for frame in client.frames] == [
        ("positions", True),
        ("clusters", True),
    ]
    assert sum(row["count"] for row in client.held.values()) == 2
    client.move(NEAR, zoom=9)
    hub.settle(client)
    assert client.frames[-1].is_snapshot
    assert shown(client) == {"a", "b"}


def test_a_view_across_the_antimeridian(hub):
    """West > east is the strip across 180 degrees, not the rest of the world."""
    put(hub, fiji=(-17, 178), samoa=(-14, -172), paris=(48, 2))
    client = hub.client()
    client.subscribe([170, -30, -170, 60])
    hub.settle(client)
    assert shown(client) == {"fiji", "samoa"}


def test_vehicles_that_do_not_exist_yet(hub):
    """A filter by name holds for vehicles that report for the first time long after, also beside other filters."""
    first, second = hub.client(), hub.client(is_binary=True)
    put(hub, a=(1, 1), b=(1, 1))
    first.subscribe(WORLD, vehicles=["acme_a", "acme_later"])
    second.subscribe(WORLD, zoom=2, vehicles=["acme_later"])
    hub.settle(first, second)
    assert (shown(first), shown(second)) == ({"a"}, set())
    put(hub, c=(1, 1))
    hub.rows.row_of("acme", "acme_later")
    hub.settle(first, second)
    put(hub, later=(2, 2), b=(3, 3))
    hub.settle(first, second)
    assert (shown(first), shown(second)) == ({"a", "later"}, {"later"})


def test_a_new_filter_in_an_old_ones_place_forgets_it(hub):
    """Who comes after somebody with a filter sees its own vehicles only."""
    put(hub, a=(1, 1), b=(1, 1))
    before, other = hub.client(), hub.client()
    before.subscribe(WORLD, vehicles=["acme_a"])
    other.subscribe(WORLD)
    hub.settle(before)
    before.leave()
    after = hub.client()
    after.subscribe(WORLD, vehicles=["acme_b"])
    hub.settle(after)
    assert shown(after) == {"b"}


def test_a_fleet_sees_its_own_only(hub):
    """Two fleets with the same names and places see one vehicle each."""
    clients = [hub.client("one"), hub.client("two", is_binary=True)]
    for client in clients:
        client.subscribe(WORLD)
    hub.place({("one", "one_x"): (1, 1, 1.0, 1.0), ("two", "two_x"): (2, 2, 1.0, 1.0)})
    hub.settle(*clients)
    assert [set(client.held) for client in clients] == [{"one_x"}, {"two_x"}]


def test_a_deleted_vehicle_is_gone_from_every_map(hub):
    """Also for who subscribes after, and clusters count it no more; a new fix brings it back."""
    put(hub, a=(1, 1), b=(2, 2))
    near, far, late = hub.client(), hub.client(), hub.client()
    near.subscribe(NEAR)
    far.subscribe(NEAR, zoom=2)
    hub.settle(near, far)
    hub.delete("acme", "acme_a")
    late.subscribe(NEAR)
    hub.settle(near, far, late)
    assert shown(near) == shown(late) == {"b"}
    assert sum(row["count"] for row in far.held.values()) == 1
    put(hub, a=(3, 3))
    hub.settle(near, late)
    assert shown(near) == {"a", "b"}


@pytest.mark.parametrize("rate_hz", [50.0, 30.0, 10.0, 0.5])
def test_the_rate_holds_and_the_last_change_arrives(hub, rate_hz):
    """Never more frames than the rate allows, about as many as it allows, and the newest fix also after the last tick."""
    client = hub.client()
    client.subscribe(NEAR, rate_hz=rate_hz)
    rng = np.random.default_rng(3)
    start = hub.clock.ms
    for tick in range(600):
        hub.clock.advance(20 + rng.uniform(-3, 3))
        put(hub, a=(1, 1 + tick / 1000))
        client.read()
    seconds = (hub.clock.ms - start) / 1000
    frames = len(client.frames)
    assert seconds * rate_hz * 0.8 - 1 <= frames <= seconds * rate_hz + 1
    hub.clock.advance(1000 / rate_hz + 1)
    client.read()
    assert len(client.frames) <= frames + 1
    assert client.held["acme_a"]["lon"] == pytest.approx(1.599)


def test_a_full_rate_frame_leaves_in_the_tick_that_brought_it(hub):
    """At the highest rate nothing waits for a timer: ticks are late at times, and early by what a clock of ms rounds away."""
    client = hub.client()
    client.subscribe(NEAR)
    hub.settle(client)
    rng = np.random.default_rng(5)
    for tick in range(200):
        hub.clock.advance(20 + rng.uniform(-1, 4))
        put(hub, a=(1, 1 + tick / 1000))
        assert client.link.sent_ms[-1] == hub.clock.ms
        client.read()


def test_a_slow_client_gets_the_newest_of_each_vehicle(hub):
    """While a link is full nothing is queued for it; then one frame has the newest fixes, and others never noticed."""
    slow, fast = hub.client(limit_bytes=100), hub.client()
    for client in (slow, fast):
        client.subscribe(NEAR)
    hub.clock.advance(20)
    for tick in range(500):
        put(hub, a=(1, tick / 100), b=(tick / 100, 1))
        hub.clock.advance(20)
        fast.read()
        assert len(slow.link.waiting) <= 2
    assert len(fast.frames) == 501
    assert slow.link.waiting_bytes < 500
    hub.settle(slow)
    assert len(slow.frames) <= 3
    assert same(slow.held, hub.seen("acme", slow.view))
    assert slow.held == fast.held


def test_a_stalled_client_is_closed_as_slow(hub):
    """Nothing read for `stalled_s`: 4002. Who reads in between stays."""
    stalled, lazy = hub.client(limit_bytes=10), hub.client(limit_bytes=10)
    for client in (stalled, lazy):
        client.subscribe(NEAR)
    for _ in range(31):
        hub.clock.advance(10_000)
        put(hub, a=(1, 1))
        lazy.read()
    assert stalled.link.close_code == CloseCode.SLOW
    assert lazy.link.close_code is None
    assert hub.fan_out.counters["slow_closes"] == 1
    stalled.session.closed()
    assert hub.fan_out.counters["subscribers"] == 1


def test_a_stalled_client_needs_nobody_else_to_be_closed(hub):
    """No step, no other client: the fan-out wakes up by itself when the time is over."""
    client = hub.client(limit_bytes=10)
    client.subscribe(NEAR)
    hub.clock.advance(299_000)
    assert client.link.close_code is None
    hub.clock.advance(2_000)
    assert client.link.close_code == CloseCode.SLOW


@pytest.mark.parametrize("events", [True, False])
def test_resubscribing_does_not_wake_a_full_link(hub, events):
    """A new subscription on a link that is full waits, too."""
    client = hub.client(limit_bytes=10)
    put(hub, a=(1, 1))
    client.subscribe(NEAR, events=events)
    hub.clock.advance(20)
    waiting = len(client.link.waiting)
    for _ in range(10):
        client.subscribe(WORLD, events=events)
        hub.clock.advance(100)
    assert len(client.link.waiting) == waiting
    hub.settle(client)
    assert client.frames[-1].is_snapshot


def test_many_subscribers_have_their_turns(hub):
    """More subscribers than one turn takes all get the same."""
    clients = [hub.client(is_binary=bool(i % 2)) for i in range(1100)]
    put(hub, a=(1, 1))
    for client in clients:
        client.subscribe(NEAR)
    hub.settle(*clients)
    put(hub, a=(2, 2))
    hub.settle(*clients)
    assert all(len(client.frames) == 2 and client.held["acme_a"]["lat"] == 2 for client in clients)


def test_nobody_left_nothing_kept(hub):
    """When the last one leaves, the fleet's pictures go; leaving twice and steps without anybody are in order."""
    client = hub.client()
    put(hub, a=(1, 1))
    client.subscribe(NEAR)
    hub.settle(client)
    client.leave()
    client.leave()
    put(hub, a=(2, 2))
    assert hub.fan_out._maps == {}
    assert hub.fan_out.counters["subscribers"] == 0


def test_frames_cost_their_own_vehicles_bytes(hub):
    """A frame has the bytes of what orjson would write for the vehicles of its view, within 1 %."""
    rng = np.random.default_rng(1)
    clients = [hub.client(is_binary=is_binary) for is_binary in (False, True)]
    for client in clients:
        client.subscribe(NEAR)
    names = [("acme", f"acme_{i}") for i in range(500)]
    for tick in range(3):
        hub.clock.advance(20)
        if tick:
            [client.link.waiting.clear() for client in clients]
        hub.place({name: (*rng.uniform(-10, 20, 2), 13.25, 271.0) for name in names})
    text, binary = (client.link.waiting[-1][0] for client in clients)
    said = json.loads(text)
    kept = {key: value for key, value in said.items() if key not in {"gone", "names"}}
    own = len(json.dumps(kept, separators=(",", ":")))
    gone = len(json.dumps({"gone": said["gone"]}, separators=(",", ":"))) + len(
        json.dumps({"names": said["names"]})
    )
    assert len(text) <= 1.01 * own + gone
    header = np.frombuffer(binary, "<u4", 8)
    assert header[1] == len(said["vehicle"])
    assert len(binary) <= 32 + header[1] * 28 + 8 * 9 + header[2] * 4 + header[3] * 8 + header[6]


def test_the_product_client_reads_both_encodings(hub):
    """`haulcast.client` reads the same from JSON as from binary frames."""
    clients = [hub.client(is_binary=is_binary) for is_binary in (False, True)]
    hub.place(
        {("acme", "acme_ö"): (1.5, 2.25, np.nan, 359.9), ("acme", "acme_2"): (3, -0.000001, 2.5, np.nan)}
    )
    for client in clients:
        client.subscribe(WORLD)
    hub.clock.advance(20)
    (text, _), (binary, _) = (client.link.waiting[-1] for client in clients)
    from_text, from_binary = read_map_text(json.loads(text)), read_map_bytes(binary)
    assert from_text.names == from_binary.names == {0: "acme_ö", 1: "acme_2"}
    for name, column in from_text.columns.items():
        np.testing.assert_allclose(column, from_binary.columns[name], rtol=1e-6, atol=1e-6)


def test_a_link_that_closes_while_it_is_sent_to_harms_nobody(hub):
    """A session that ends in the middle of a flush is passed over."""
    leaving, staying = hub.client(), hub.client()
    for client in (leaving, staying):
        client.subscribe(NEAR)
    hub.settle(leaving, staying)

    def send_and_end(payload):
        leaving.session.closed()

    leaving.link.send_text = send_and_end
    put(hub, a=(1, 1))
    put(hub, a=(2, 2))
    hub.settle(staying)
    assert staying.held["acme_a"]["lat"] == 2
