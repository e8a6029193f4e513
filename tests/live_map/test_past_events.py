"""Events of the past: what is played is what was stored, once, in order of time."""

import json

import pytest
from map_client import WORLD
from test_playback import HOUR_MS, NOON_MS, Past, errors, past, until_state
from test_playback import play_hub as play_hub_without_events
from waiting import wait_until

from haulcast.errors import StoreError
from haulcast.events.event_store import TimedEvent
from haulcast.live_map import past_events, playback
from haulcast.live_map.playbacks import Playbacks

__all__ = ["past", "play_hub_without_events"]


class MemoryEvents:
    """`EventStore.span` by brute force."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, TimedEvent]] = []
        self.is_away = False

    def add(
        self, time_ms: int, vehicle: str = "acme_1", other: str | None = None, fleet: str = "acme"
    ) -> str:
        event_id = f"{len(self.events):016x}"
        said = {"id": event_id, "event": "enter", "vehicle": vehicle, "time_ms": time_ms}
        said |= {"other": other} if other else {}
        self.events.append((fleet, vehicle, TimedEvent(time_ms, other, json.dumps(said))))
        return event_id

    async def span(self, fleet, vehicles, begin_ms, end_ms, limit):
        if self.is_away:
            raise StoreError("away", "pulled the plug")
        found = sorted(
            (
                event
                for owner, vehicle, event in self.events
                if owner == fleet
                and begin_ms <= event.time_ms < end_ms
                and (vehicles is None or vehicle in vehicles)
            ),
            key=lambda event: event.time_ms,
        )
        cut_ms = found[limit - 1].time_ms if len(found) >= limit else end_ms
        return [event for event in found if event.time_ms <= cut_ms]


@pytest.fixture
def events() -> MemoryEvents:
    return MemoryEvents()


@pytest.fixture
def hub(past, events, play_hub_without_events):
    made = play_hub_without_events()
    made.playbacks = Playbacks(past, made.settings, events=events)
    return made


def told(client) -> list[str]:
    """The ids of the past events that a client got."""
    client.read()
    return [said["id"] for said in client.said if said["type"] == "past_event"]


def play(client, speed: float, **more) -> None:
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, until_ms=NOON_MS + HOUR_MS, speed=speed, bbox=WORLD, **more)


@pytest.mark.parametrize("at_once", [1, 7, 1_000])
async def test_each_event_of_the_span_is_told_once_in_order(past, events, hub, monkeypatch, at_once):
    """Whatever a chunk holds: those after the begin up to the end, none of another fleet, each before the time is told to be past it."""
    monkeypatch.setattr(past_events, "EVENTS_AT_ONCE", at_once)
    monkeypatch.setattr(playback, "LEAST_TICK_S", 0.0)
    monkeypatch.setattr(playback, "MOST_TICK_S", 0.0)
    await past.write("acme_1", [NOON_MS + i * 10_000 for i in range(360)])
    ids = {time_ms: [] for time_ms in range(NOON_MS - 60_000, NOON_MS + HOUR_MS + 120_000, 60_000)}
    for time_ms in [*ids, *ids][::-1]:
        ids[time_ms].append(events.add(time_ms))
        events.add(time_ms, fleet="globex")
    client = hub.client()
    play(client, 3600)
    await until_state(client, "ended", time_ms=NOON_MS + HOUR_MS)
    wanted = [one for time_ms, some in ids.items() if NOON_MS < time_ms <= NOON_MS + HOUR_MS for one in some]
    assert told(client) == wanted
    newest_ms = 0
    for said in client.said:
        if said["type"] == "past_event":
            newest_ms = said["time_ms"]
        elif said["type"] == "playback" and said["state"] == "playing":
            assert newest_ms >= said["time_ms"] // 60_000 * 60_000 or said["time_ms"] < NOON_MS + 60_000
    client.say(type="playback", seek_ms=NOON_MS + HOUR_MS - 90_000)
    await wait_until(lambda: len(told(client)) >= len(wanted) + 4)
    await until_state(client, "ended", time_ms=NOON_MS + HOUR_MS)
    assert told(client)[len(wanted) :] == wanted[-4:]


async def test_changes_of_speed_lose_and_repeat_nothing(past, events, hub, monkeypatch):
    """Also with leaps, of which fixes are left out but no events, and with a reader that stops for a while."""
    monkeypatch.setattr("haulcast.live_map.read_ahead.CHUNK_FIXES", 20)
    await past.write("acme_1", [NOON_MS + i * 1_000 for i in range(3_600)])
    ids = [events.add(NOON_MS + 1 + i * 6_000) for i in range(600)]
    client = hub.client(limit_bytes=2_000)
    play(client, 3600)
    for speed in (600, 1200, 60, 1200, 3600):
        count = len(told(client))
        await wait_until(lambda: len(told(client)) > count)  # noqa: B023 - it is used at once
        client.say(type="playback", speed=speed)
    await wait_until(lambda: not client.link.is_writable)
    held = client.session._playback._clock.at_ms
    await wait_until(lambda: client.session._playback._clock.at_ms >= held)
    assert client.link.waiting_bytes < 200_000
    await until_state(client, "ended", time_ms=NOON_MS + HOUR_MS)
    assert told(client) == ids


async def test_who_sees_which(past, events, hub):
    """By `vehicles`, a share link, which hides events that name others, and `events: false`."""
    mine, other = events.add(NOON_MS + 1, "acme_1"), events.add(NOON_MS + 2, "acme_2")
    both = events.add(NOON_MS + 3, "acme_1", "acme_2")
    wanted = {
        (None, None): [mine, other, both], (("acme_1",), None): [mine, both],
        (None, ("acme_1",)): [mine], (None, ("acme_1", "acme_2")): [mine, other, both],
    }  # fmt: skip
    for (vehicles, shared), ids in wanted.items():
        client = hub.client(vehicles=None if shared is None else frozenset(shared))
        play(client, 3600, **({} if vehicles is None else {"vehicles": list(vehicles)}))
        await until_state(client, "ended")
        assert told(client) == ids
        client.leave()
    silent = hub.client()
    silent.say(type="subscribe", bbox=WORLD, events=False)
    play(silent, 3600)
    await until_state(silent, "ended")
    assert told(silent) == []


async def test_events_wait_for_the_database_too(past, events, hub, monkeypatch):
    """The time stands while they cannot be read, and it is told; then none is missing."""
    monkeypatch.setattr(playback, "RETRY_S", 0.01)
    ids = [events.add(NOON_MS + 60_000 * i) for i in range(1, 60)]
    events.is_away = True
    client = hub.client()
    play(client, 3600)
    await wait_until(lambda: errors(client))
    assert errors(client)[0]["code"] == "store_away"
    assert told(client) == []
    events.is_away = False
    await until_state(client, "ended", time_ms=NOON_MS + HOUR_MS)
    assert told(client) == ids


async def test_playbacks_are_counted(past: Past, events, hub):
    """How many run, and what they have sent, also by those that have ended."""
    assert hub.playbacks.counters == dict.fromkeys(("open", "begun", "frames", "bytes", "rows", "events"), 0)
    await past.write("acme_1", [NOON_MS])
    events.add(NOON_MS + 1)
    client = hub.client()
    play(client, 3600)
    await until_state(client, "ended")
    running = hub.playbacks.counters
    assert (running["open"], running["begun"], running["events"], running["rows"]) == (1, 1, 1, 1)
    assert running["frames"] == len(client.frames)
    client.leave()
    await wait_until(lambda: not len(hub.playbacks))
    assert hub.playbacks.counters == running | {"open": 0}
