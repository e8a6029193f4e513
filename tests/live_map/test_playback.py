"""The history on the live socket: what is played is what was stored, whatever a viewer does with it."""

import asyncio
import bisect
import json

import numpy as np
import pytest
from map_client import WORLD, MapHub, same
from waiting import wait_until

from geo.positions import position_batch
from haulcast import clock
from haulcast.errors import RateError, StoreError
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.live_map import playback, read_ahead
from haulcast.live_map.playback import Playback
from haulcast.live_map.playbacks import Playbacks

HOUR_MS = 3_600_000
NOON_MS = 20_780 * 86_400_000 + 12 * HOUR_MS
COLUMNS = {
    "fix_time_ms": "time_ms",
    "lat": "lat_deg",
    "lon": "lon_deg",
    "speed_mps": "speed_mps",
    "heading_deg": "heading_deg",
}


class Past:
    """What is stored, and by brute force where everything was at any moment."""

    def __init__(self):
        self.names = []
        self.store = MemoryHistoryStore(lambda row: self.names[row])
        self.fixes = {}
        self.is_away = False
        self.reads = self.reading = 0
        for name in ("read_span", "latest_before"):
            setattr(self, name, self._counted(getattr(self.store, name)))

    def _counted(self, read):
        async def counted(*arguments):
            self.reads += 1
            self.reading += 1
            try:
                assert self.reading <= 2, "more reads at once than are allowed"
                await asyncio.sleep(0)
                if self.is_away:
                    raise StoreError("away", "pulled the plug")
                return await read(*arguments)
            finally:
                self.reading -= 1

        return counted

    async def write(self, vehicle, times_ms, fleet="acme", place=None):
        """Fixes of one vehicle, somewhere else each time, but where it can have been."""
        if (fleet, vehicle) not in self.names:
            self.names.append((fleet, vehicle))
        kept = self.fixes.setdefault((fleet, vehicle), {})
        batch = position_batch(len(times_ms))
        batch.row[:] = self.names.index((fleet, vehicle))
        batch.time_ms[:] = times_ms
        batch.seq[:] = np.arange(len(kept), len(kept) + len(batch))
        random = np.random.default_rng(len(kept) + len(self.names))
        home = np.random.default_rng(self.names.index((fleet, vehicle)))
        batch.lat_deg[:], batch.lon_deg[:] = place or (
            home.uniform(-80, 80) + random.uniform(0, 1e-3, len(batch)),
            home.uniform(-170, 170) + random.uniform(0, 1e-3, len(batch)),
        )
        batch.speed_mps[:] = random.choice([np.nan, 3.25, 17.0], len(batch))
        await self.store.write(batch)
        for i in range(len(batch)):
            values = {shown: getattr(batch, name)[i].item() for shown, name in COLUMNS.items()}
            kept[values["fix_time_ms"], int(batch.seq[i])] = values

    def at(self, time_ms, fleet="acme", vehicles=None):
        """Each vehicle's newest fix at this moment."""
        found = {}
        for (owner, name), kept in self.fixes.items():
            keys = sorted(kept)
            count = bisect.bisect_right(keys, (time_ms, 2**60))
            if owner == fleet and count and (vehicles is None or name in vehicles):
                found[name] = kept[keys[count - 1]]
        return found


@pytest.fixture
def past():
    return Past()


@pytest.fixture
async def play_hub(past):
    """Makes a hub that plays this past; ends what it plays."""
    hubs = []

    def make(**settings):
        hub = MapHub(**settings)
        hub.playbacks = Playbacks(past, hub.settings)
        hubs.append(hub)
        return hub

    yield make
    for hub in hubs:
        await hub.playbacks.stop()


@pytest.fixture
def hub(play_hub):
    return play_hub()


def clocks(client):
    """What a client was told of the time, in order."""
    client.read()
    return [said for said in client.said if said["type"] == "playback"]


def errors(client):
    client.read()
    return [said for said in client.said if said["type"] == "error"]


async def until_state(client, state, **members):
    """The newest clock frame, once it is of this state."""

    def found():
        told = clocks(client)[-1:]
        return told and told[0]["state"] == state and members.items() <= told[0].items() and told[0]

    try:
        return await wait_until(found)
    except TimeoutError:
        pytest.fail(f"never {state} {members}: {clocks(client)[-5:]} {errors(client)}")


async def until_shown(client, truth):
    """Wait until the client holds exactly this."""

    def is_shown():
        client.read()
        return same(client.held, truth)

    try:
        await wait_until(is_shown)
    except TimeoutError:
        assert client.held == truth


async def a_day(past, vehicles=12, fleet="acme"):
    """Vehicles that report irregularly for an hour, some of them twice in a millisecond, and one that begins late."""
    random = np.random.default_rng(3)
    for i in range(vehicles):
        steps = random.integers(0, 30_000, 150)
        steps[::40] = 0
        start_ms = NOON_MS + (HOUR_MS // 2 if i == 0 else 0)
        await past.write(f"{fleet}_{i}", start_ms + np.cumsum(steps), fleet)


@pytest.mark.parametrize("is_binary", [False, True])
async def test_what_is_shown_is_what_was_stored_wherever_it_is_stopped(past, hub, is_binary):
    """Seeks back and forth, a pause at any moment of a run: the map holds every vehicle's newest fix of that moment, no other."""
    await a_day(past)
    await a_day(past, 3, "globex")
    client = hub.client(is_binary=is_binary)
    client.subscribe()
    hub.settle(client)
    random = np.random.default_rng(1)
    client.say(type="playback", at_ms=NOON_MS, until_ms=NOON_MS + HOUR_MS, speed=0)
    for time_ms in [NOON_MS - 1, NOON_MS + HOUR_MS, *random.integers(NOON_MS, NOON_MS + HOUR_MS, 8).tolist()]:
        client.say(type="playback", seek_ms=time_ms, speed=0)
        told = await until_state(
            client, "ended" if time_ms == NOON_MS + HOUR_MS else "paused", time_ms=time_ms
        )
        assert told == {"type": "playback", "time_ms": time_ms, "speed": 0.0, "state": told["state"]}
        assert same(client.held, past.at(time_ms))  # paused and ended are told when the map is there
    client.say(type="playback", seek_ms=NOON_MS)
    await until_state(client, "paused", time_ms=NOON_MS)
    for speed in (3600, 60, 1000):
        before_ms = clocks(client)[-1]["time_ms"]
        client.say(type="playback", speed=speed)
        await until_state(client, "playing", speed=float(speed))
        await wait_until(lambda: clocks(client)[-1]["time_ms"] > before_ms)  # noqa: B023 - it is used at once
        client.say(type="playback", speed=0)
        told = await until_state(client, "paused")
        assert same(client.held, past.at(told["time_ms"]))
    client.say(type="playback", speed=3600)
    await until_state(client, "ended", time_ms=NOON_MS + HOUR_MS)
    assert same(client.held, past.at(NOON_MS + HOUR_MS))


class OwnTime:
    """Seconds that pass a tick at a time, so that an hour is played in the blink of an eye."""

    def __init__(self, monkeypatch, tick_s=0.05):
        self.s = 0.0
        monkeypatch.setattr(playback, "LEAST_TICK_S", 0.0)
        monkeypatch.setattr(playback, "MOST_TICK_S", 0.0)
        monkeypatch.setattr(playback, "CLOCK_S", 0.0)
        advance = Playback._advance

        def pass_time(played):
            self.s += tick_s
            advance(played)

        monkeypatch.setattr(Playback, "_advance", pass_time)


@pytest.mark.parametrize(
    ("speed", "chunk_fixes"), [(60, 20_000), (600, 20_000), (600, 3), (3600, 40), (30, 1)]
)
async def test_at_every_tick_the_state_is_that_of_its_moment(past, hub, monkeypatch, speed, chunk_fixes):
    """At each moment that is told, each vehicle is where it was; where the store has too much for the speed, where it was a leap ago at most."""
    await a_day(past)
    time = OwnTime(monkeypatch)
    monkeypatch.setattr(read_ahead, "CHUNK_FIXES", chunk_fixes)
    hub.playbacks = Playbacks(past, hub.settings, monotonic_s=lambda: time.s)
    client = hub.client()
    client.view = {"bbox": WORLD}
    checked, thinned = [], 0

    def check(payload):
        said = json.loads(bytes(payload))
        if said["type"] != "playback" or said["state"] == "waiting":
            return
        played = client.session._playback
        last, rows = played._fleet._last, played._fleet._rows
        truth = past.at(said["time_ms"])
        shown = {
            rows.vehicle_of[row]: int(last.time_ms[row]) for row in np.flatnonzero(last.is_known).tolist()
        }
        leap_ms = speed * 1000 if any(held.thinned_for for held in played._ahead) else 0
        assert shown.keys() <= truth.keys()
        for name, fix in truth.items():
            assert shown.get(name, 0) <= fix["fix_time_ms"]
            assert leap_ms or shown[name] == fix["fix_time_ms"]
            ago = past.at(said["time_ms"] - leap_ms).get(name)
            assert ago is None or shown[name] >= ago["fix_time_ms"]
        checked.append(said["time_ms"])
        nonlocal thinned
        thinned += leap_ms > 0

    send = client.link.send_text
    client.link.send_text = lambda payload: (send(payload), check(payload))
    client.say(type="playback", at_ms=NOON_MS, until_ms=NOON_MS + HOUR_MS // 2, speed=speed, bbox=WORLD)
    await until_state(client, "ended")
    assert checked == sorted(checked)
    assert checked[-1] == NOON_MS + HOUR_MS // 2
    assert len(checked) >= HOUR_MS // 2 / (speed * 1000)
    assert (thinned > 0) == (chunk_fixes < 100)


async def test_live_goes_on_without_a_gap(past, hub):
    """Live fixes and events are held back while the past is shown; then come the events of meanwhile, in order, and a snapshot of now."""
    await a_day(past)
    client = hub.client()
    client.subscribe()
    hub.put(acme_live=(1, 1))
    hub.events(("acme", "acme_live", 0))
    hub.settle(client)
    assert [event["offset"] for event in client.events] == [1]
    client.say(type="playback", at_ms=NOON_MS + HOUR_MS, speed=0)
    await until_state(client, "paused")
    hub.events(("acme", "acme_live", 1), ("acme", "acme_live", 0))
    hub.put(acme_live=(2, 2))
    client.move([-90, -90, 90, 90])
    hub.settle(client)
    await until_shown(
        client, {name: fix for name, fix in past.at(NOON_MS + HOUR_MS).items() if -90 <= fix["lon"] <= 90}
    )
    assert len(client.events) == 1
    said = len(client.said)
    client.say(type="live")
    hub.events(("acme", "acme_live", 1))
    hub.settle(client)
    assert [(frame["type"], frame.get("state"), frame.get("complete")) for frame in client.said[said:]] == [
        ("playback", "stopped", None), ("resumed", None, True),
    ]  # fmt: skip
    assert [event["offset"] for event in client.events] == [1, 2, 3, 4]
    assert client.frames[-1].is_snapshot
    assert same(client.held, hub.seen("acme", {"bbox": [-90, -90, 90, 90]}))
    hub.put(acme_live=(3, 3), acme_far=(0, 120))
    hub.settle(client)
    assert same(client.held, hub.seen("acme", {"bbox": [-90, -90, 90, 90]}))
    await wait_until(lambda: not len(hub.playbacks))


async def test_events_that_the_log_has_lost_meanwhile_are_named(past, play_hub):
    """Who comes back after more events than are kept hears so, as after `resume`, and goes on from now."""
    await a_day(past)
    hub = play_hub(event_log=2)
    client = hub.client()
    client.subscribe()
    hub.settle(client)
    client.say(type="playback", at_ms=NOON_MS, speed=0)
    for _ in range(3):
        hub.events(("acme", "acme_1", 0))
    client.say(type="live")
    hub.events(("acme", "acme_1", 1))
    hub.settle(client)
    assert client.said[-1]["type"] == "resumed"
    assert client.said[-1]["complete"] is False
    assert [event["offset"] for event in client.events] == [4]
    assert client.link.close_code is None


async def test_what_ends_a_playback(past, hub):
    """`subscribe`, `unsubscribe` and a lost connection end it; nothing of the past comes after `stopped`."""
    await a_day(past)
    client = hub.client()
    for command in ({"type": "subscribe", "bbox": WORLD, "events": False}, {"type": "unsubscribe"}):
        client.view = {"bbox": WORLD}
        client.say(type="playback", at_ms=NOON_MS, speed=600, bbox=WORLD)
        await until_state(client, "playing")
        client.say(**command)
        client.read()
        frames = len(client.frames)
        await wait_until(lambda: not len(hub.playbacks))
        hub.settle(client)
        assert clocks(client)[-1]["state"] == "stopped"
        assert len(client.frames) - frames == (1 if command["type"] == "subscribe" else 0)
    client.say(type="playback", at_ms=NOON_MS, speed=600, bbox=WORLD)
    await until_state(client, "playing")
    client.leave()
    await wait_until(lambda: not len(hub.playbacks))


async def test_a_move_and_a_zoom_are_as_live(past, hub):
    """A box shows what is in it, a low zoom cells with as many vehicles as there were, also while it is played."""
    await a_day(past)
    client = hub.client(is_binary=True)
    box = [-60, -40, 60, 40]
    client.view = {"bbox": box}
    client.say(type="playback", at_ms=NOON_MS + HOUR_MS // 2, speed=0, bbox=box, zoom=12)
    truth = past.at(NOON_MS + HOUR_MS // 2)
    await until_shown(client, {n: f for n, f in truth.items() if abs(f["lat"]) <= 40 and abs(f["lon"]) <= 60})
    client.move(WORLD, zoom=3)
    await wait_until(lambda: client.read() is not None and client.kind == "clusters")
    assert sum(cell["count"] for cell in client.held.values()) == len(truth)
    client.say(type="playback", seek_ms=NOON_MS)  # before the late one
    client.say(type="playback", speed=3600)
    await wait_until(lambda: client.read() is not None and clocks(client)[-1]["time_ms"] > NOON_MS + HOUR_MS)
    await wait_until(
        lambda: client.read() is not None and sum(c["count"] for c in client.held.values()) == len(truth)
    )


async def test_chosen_vehicles_and_those_that_never_were(past, hub):
    """Only these are shown, at every zoom; one that is not known is nowhere and no error."""
    await a_day(past)
    client = hub.client()
    chosen = ["acme_3", "acme_5", "acme_nobody"]
    client.view = {"bbox": WORLD, "vehicles": chosen}
    client.say(type="playback", at_ms=NOON_MS + HOUR_MS // 4, speed=0, bbox=WORLD, zoom=2, vehicles=chosen)
    await until_shown(client, past.at(NOON_MS + HOUR_MS // 4, vehicles=chosen))
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS + HOUR_MS // 4, speed=0, vehicles=["acme_nobody"])
    await until_shown(client, {})


async def test_a_share_link_sees_its_vehicles_only(past, hub):
    """Without `vehicles` all of the shared ones; others are refused, and what is played goes on."""
    await a_day(past)
    shared = frozenset({"acme_2", "acme_4"})
    client = hub.client(vehicles=shared)
    client.view = {"bbox": WORLD, "vehicles": shared}
    client.say(type="playback", at_ms=NOON_MS + HOUR_MS // 2, speed=0, bbox=WORLD)
    await until_shown(client, past.at(NOON_MS + HOUR_MS // 2, vehicles=shared))
    client.say(type="playback", at_ms=NOON_MS, bbox=WORLD, vehicles=["acme_1"])
    assert errors(client)[-1]["code"] == "not_shared"
    client.say(type="playback", seek_ms=NOON_MS + HOUR_MS)
    await until_shown(client, past.at(NOON_MS + HOUR_MS, vehicles=shared))
    client.say(type="live")
    hub.put(acme_1=(1, 1), acme_2=(2, 2))
    hub.settle(client)
    assert client.held.keys() == {"acme_2"}


async def test_a_fix_that_is_stored_meanwhile_is_shown_by_the_next_seek(past, hub):
    """What comes in for a time that has been read is not there; a seek reads anew."""
    await past.write("acme_1", [NOON_MS])
    client = hub.client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, until_ms=NOON_MS + 5_000, speed=3600, bbox=WORLD)
    await until_state(client, "ended")
    await past.write("acme_1", [NOON_MS + 3_000])
    client.say(type="playback", seek_ms=NOON_MS + 4_000, speed=0)
    await until_shown(client, past.at(NOON_MS + 4_000))


async def test_a_span_without_fixes_passes(past, hub):
    """Nothing is shown, time runs, and it ends at its end."""
    client = hub.client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, until_ms=NOON_MS + HOUR_MS, speed=3600, bbox=WORLD)
    await until_state(client, "ended", time_ms=NOON_MS + HOUR_MS)
    assert client.held == {}
    assert [frame.is_snapshot for frame in client.frames] == [True]
    times = [told["time_ms"] for told in clocks(client)]
    assert times == sorted(times)


async def test_the_future_ends_where_history_ends(past, hub):
    """A span that begins or ends after now ends at now; a pause there and a seek back go on as ever."""
    now_ms = clock.epoch_ms()
    await past.write("acme_1", [now_ms - 20_000, now_ms - 10_000])
    client = hub.client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=now_ms - 30_000, until_ms=now_ms + HOUR_MS, speed=60, bbox=WORLD)
    told = await until_state(client, "ended")
    assert now_ms - 2_500 <= told["time_ms"] <= clock.epoch_ms()
    await until_shown(client, past.at(now_ms))
    reads = past.reads
    client.say(type="playback", at_ms=now_ms + HOUR_MS, speed=1)
    told = await until_state(client, "ended", speed=1.0)
    assert told["time_ms"] <= clock.epoch_ms()
    client.say(type="playback", seek_ms=now_ms - 15_000)
    await until_state(client, "playing")
    await until_shown(client, past.at(now_ms - 15_000))
    assert past.reads <= reads + 4


async def test_what_is_older_than_the_look_back_is_nowhere(past, play_hub):
    """A vehicle that has said nothing for so long is not on the map until it says something."""
    await past.write("acme_1", [NOON_MS, NOON_MS + HOUR_MS])
    client = play_hub(playback_look_back_s=60).client()
    client.view = {"bbox": WORLD}
    for after_ms, is_there in ((59_999, True), (60_000, False), (HOUR_MS, True)):
        client.say(type="playback", at_ms=NOON_MS + after_ms, speed=0, bbox=WORLD)
        await until_shown(client, past.at(NOON_MS + after_ms) if is_there else {})


async def test_a_store_that_is_away_is_told_once_and_waited_for(past, hub, monkeypatch):
    """At the begin and in the middle: `store_away`, time stands, and it goes on by itself."""
    monkeypatch.setattr(playback, "RETRY_S", 0.01)
    monkeypatch.setattr(playback, "STALL_S", 0.05)
    await a_day(past)
    past.is_away = True
    client = hub.client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, until_ms=NOON_MS + HOUR_MS, speed=3600, bbox=WORLD)
    reads = past.reads
    await wait_until(lambda: past.reads > reads + 5)
    assert [error["code"] for error in errors(client)] == ["store_away"]
    assert clocks(client)[-1]["state"] == "waiting"
    past.is_away = False
    await until_state(client, "playing")
    past.is_away = True
    await until_state(client, "waiting")
    at_ms = clocks(client)[-1]["time_ms"]
    reads = past.reads
    await wait_until(lambda: past.reads > reads + 5)
    assert clocks(client)[-1]["time_ms"] == at_ms
    await until_shown(client, past.at(at_ms))
    assert [error["code"] for error in errors(client)] == ["store_away"] * 2
    past.is_away = False
    await until_state(client, "ended", time_ms=NOON_MS + HOUR_MS)
    await until_shown(client, past.at(NOON_MS + HOUR_MS))


async def test_a_dragged_slider_costs_one_read_at_a_time(past, hub):
    """Of a hundred seeks at once the last one counts, and hardly any of the others is read."""
    await a_day(past)
    client = hub.client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, speed=0, bbox=WORLD)
    await until_state(client, "paused")
    reads = past.reads
    for i in range(100):
        client.say(type="playback", seek_ms=NOON_MS + i * 1000)
    await until_state(client, "paused", time_ms=NOON_MS + 99_000)
    await until_shown(client, past.at(NOON_MS + 99_000))
    assert past.reads - reads < 6


async def test_who_does_not_read_gets_the_newest_in_one_frame(past, hub):
    """As live: nothing piles up, time runs on, and the first frame after it reads again has everything."""
    await a_day(past)
    client = hub.client(limit_bytes=500)
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, until_ms=NOON_MS + HOUR_MS, speed=3600, bbox=WORLD)
    await until_state(client, "playing")
    await wait_until(lambda: not client.link.is_writable)
    held = client.link.waiting_bytes
    played = client.session._playback
    await wait_until(lambda: played._state == "ended")
    assert client.link.waiting_bytes == held
    await until_state(client, "ended")
    await until_shown(client, past.at(NOON_MS + HOUR_MS))


async def test_who_stops_reading_is_closed_as_slow_while_playing(past, play_hub):
    """After `stalled_s`, and it is counted where the others are."""
    await a_day(past)
    hub = play_hub(stalled_s=1)
    client = hub.client(limit_bytes=500)
    client.say(type="playback", at_ms=NOON_MS, speed=600, bbox=WORLD)
    await wait_until(lambda: client.link.close_code == 4002)
    client.leave()
    assert hub.fan_out.counters["slow_closes"] == 1


async def test_there_are_so_many_playbacks_and_no_more(past, play_hub):
    """Of a token, then of the hub: the error names the limit, live goes on, and one that ends makes room."""
    await a_day(past)
    hub = play_hub(playbacks=3, playbacks_per_token=2)
    clients = [hub.client() for _ in range(3)] + [hub.client("globex"), hub.client("globex")]
    begin = {"type": "playback", "at_ms": NOON_MS, "speed": 0, "bbox": WORLD}
    for client in clients:
        client.subscribe()
        client.say(**begin)
    hub.settle(*clients)
    refused = [[error["code"] for error in errors(client)] for client in clients]
    assert refused == [[], [], ["too_many_playbacks"], [], ["too_many_playbacks"]]
    assert "2 playbacks run under this token" in errors(clients[2])[0]["reason"]
    assert "3 playbacks run on this hub" in errors(clients[4])[0]["reason"]
    hub.put(acme_live=(1, 1))
    hub.settle(clients[2])
    assert clients[2].held.keys() == {"acme_live"}
    clients[0].say(type="live")
    await wait_until(lambda: len(hub.playbacks) == 2)
    clients[2].say(**begin)
    await until_state(clients[2], "paused")
    assert len(hub.playbacks) == 3


async def test_a_seek_and_a_speed_right_after_it_end_at_the_moment_sought(past, hub, monkeypatch):
    """Whatever runs, and is thinned, when both come in one go or one while the other is being done."""
    monkeypatch.setattr(read_ahead, "CHUNK_FIXES", 20)
    await a_day(past)
    client = hub.client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, speed=3600, bbox=WORLD)
    for i, pauses in enumerate((0, 1, 2, 3, 5)):
        await until_state(client, "playing")
        sought_ms = NOON_MS + HOUR_MS // 2 + i
        client.say(type="playback", seek_ms=sought_ms)
        for _ in range(pauses):
            await asyncio.sleep(0)
        client.say(type="playback", speed=0)
        await until_state(client, "paused", time_ms=sought_ms)
        assert same(client.held, past.at(sought_ms))
        client.say(type="playback", speed=3600)


async def test_what_was_left_out_for_a_high_speed_is_shown_at_a_low_one(past, hub, monkeypatch):
    """Slowing down while leaps are read ahead, or being read, plays every fix from there on."""
    monkeypatch.setattr(read_ahead, "CHUNK_FIXES", 20)
    await past.write("acme_1", NOON_MS + np.arange(0, 12 * HOUR_MS, 1_000))
    client = hub.client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, speed=3600, bbox=WORLD)
    for _ in range(3):
        await until_state(client, "playing")
        client.say(type="playback", speed=10)
        for _ in range(2):
            before_ms = (await until_state(client, "playing", speed=10.0))["time_ms"]
            await wait_until(lambda: clocks(client)[-1]["time_ms"] > before_ms)  # noqa: B023 - it is used at once
        shown = client.held["acme_1"]["fix_time_ms"]
        at_ms = clocks(client)[-1]["time_ms"]
        assert at_ms - 10_000 <= shown <= at_ms + 10_000
        client.say(type="playback", speed=3600)


async def test_two_on_one_hub_are_independent(past, hub):
    """Each has its own moment, speed and fleet."""
    await a_day(past)
    await a_day(past, 4, "globex")
    one, other = hub.client(), hub.client("globex", is_binary=True)
    one.view = other.view = {"bbox": WORLD}
    one.say(type="playback", at_ms=NOON_MS + HOUR_MS // 3, speed=0, bbox=WORLD)
    other.say(type="playback", at_ms=NOON_MS, until_ms=NOON_MS + HOUR_MS, speed=3600, bbox=WORLD)
    await until_state(other, "ended")
    await until_shown(one, past.at(NOON_MS + HOUR_MS // 3))
    await until_shown(other, past.at(NOON_MS + HOUR_MS, "globex"))


async def test_a_hub_without_history_and_a_limited_token_say_so(past):
    """`no_history`, `too_many_requests`: errors of the command, and nothing changes."""
    hub = MapHub()
    client = hub.client()
    client.say(type="playback", at_ms=NOON_MS, bbox=WORLD)
    assert errors(client)[-1]["code"] == "no_history"

    def refuse(_claims):
        raise RateError("too_many_requests", "come back in 1 s", retry_s=1)

    hub.playbacks = Playbacks(past, hub.settings)
    client = hub.client()
    client.subscribe()
    client.session._count = refuse
    client.say(type="playback", at_ms=NOON_MS)
    assert errors(client)[-1]["code"] == "too_many_requests"
    client.say(type="subscribe", bbox=[0, 0, 0, 0])
    assert [error["code"] for error in errors(client)] == ["too_many_requests"] * 2
    hub.put(acme_live=(1, 1))
    hub.settle(client)
    assert client.held.keys() == {"acme_live"}


@pytest.mark.parametrize(
    ("command", "code", "field"),
    [
        ({}, "missing_field", "at_ms"),
        ({"speed": 1}, "not_playing", "type"),
        ({"seek_ms": NOON_MS}, "not_playing", "type"),
        ({"at_ms": NOON_MS}, "missing_field", "bbox"),
        ({"at_ms": NOON_MS + 0.5, "bbox": WORLD}, "wrong_type", "at_ms"),
        ({"at_ms": "noon", "bbox": WORLD}, "wrong_type", "at_ms"),
        ({"at_ms": True, "bbox": WORLD}, "wrong_type", "at_ms"),
        ({"at_ms": 10**18, "bbox": WORLD}, "out_of_range", "at_ms"),
        ({"at_ms": NOON_MS, "until_ms": NOON_MS - 1, "bbox": WORLD}, "out_of_range", "until_ms"),
        ({"at_ms": NOON_MS, "seek_ms": NOON_MS, "bbox": WORLD}, "unknown_field", "seek_ms"),
        ({"seek_ms": NOON_MS, "zoom": 3}, "missing_field", "at_ms"),
        ({"at_ms": NOON_MS, "speed": 0.05, "bbox": WORLD}, "out_of_range", "speed"),
        ({"at_ms": NOON_MS, "speed": 3601, "bbox": WORLD}, "out_of_range", "speed"),
        ({"at_ms": NOON_MS, "speed": -1, "bbox": WORLD}, "out_of_range", "speed"),
        ({"at_ms": NOON_MS, "bbox": [0, 0, 1]}, "wrong_type", "bbox"),
        ({"at_ms": NOON_MS, "bbox": WORLD, "rate_hz": 99}, "out_of_range", "rate_hz"),
        ({"at_ms": NOON_MS, "bbox": WORLD, "events": True}, "unknown_field", "events"),
    ],
)  # fmt: skip
async def test_a_wrong_playback_is_answered_and_survived(hub, command, code, field):
    """The error names the field and what is allowed; the connection goes on."""
    client = hub.client()
    client.say(type="playback", **command)
    (error,) = errors(client)
    assert (error["code"], error["field"]) == (code, field)
    assert not len(hub.playbacks)
    assert client.link.close_code is None
    client.say(type="live")
    assert errors(client)[-1]["code"] == "not_playing"


async def test_a_stopping_hub_ends_what_is_played(past, hub):
    """Nothing reads the store after `stop`, even if a read hangs."""
    await a_day(past)
    hanging = asyncio.Event()

    async def hang(*_):
        hanging.set()
        await asyncio.Event().wait()

    client, stuck = hub.client(), hub.client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, speed=60, bbox=WORLD)
    await until_state(client, "playing")
    past.latest_before = hang
    stuck.say(type="playback", at_ms=NOON_MS, bbox=WORLD)
    await hanging.wait()
    await hub.playbacks.stop()
    assert not len(hub.playbacks)
    assert not [task for task in asyncio.all_tasks() if "laybac" in repr(task.get_coro())]


async def test_a_fault_of_ours_is_told_and_live_is_still_there(past, hub):
    """What nobody foresaw ends the playback with an error; `live` goes back as ever."""

    async def break_down(*_):
        raise ZeroDivisionError

    past.latest_before = break_down
    client = hub.client()
    client.subscribe()
    client.say(type="playback", at_ms=NOON_MS)
    await wait_until(lambda: errors(client))
    assert errors(client)[-1]["code"] == "playback_failed"
    client.say(type="live")
    hub.put(acme_live=(1, 1))
    hub.settle(client)
    assert client.held.keys() == {"acme_live"}
