"""What a playback shows of vehicles that cannot have been where they say."""

import numpy as np
import pytest
from map_client import WORLD, MapHub
from test_playback import NOON_MS, OwnTime, Past, clocks, past, play_hub, until_shown, until_state

from geo.plausible_fixes import PlausibleFixes
from geo.positions import position_batch
from geo.track_filter import FilterLimits
from haulcast.live_map import read_ahead
from haulcast.live_map.playbacks import Playbacks

__all__ = ["past", "play_hub"]

STEP_MS = 10_000
HOME, AWAY, ELSEWHERE = (50.0, 8.0), (-30.0, 60.0), (10.0, -100.0)
LIMITS = FilterLimits(*(getattr(MapHub().settings, name) for name in FilterLimits._fields))


async def a_way(past: Past, name: str, places: list[tuple[float, float]], begin_ms: int = NOON_MS) -> None:
    for i, place in enumerate(places):
        await past.write(name, [begin_ms + i * STEP_MS], place=place)


def believed_at(past: Past, time_ms: int) -> dict[str, dict]:
    """Of each vehicle the last fix that is believed of those until then."""
    found = {}
    for (_, name), kept in past.fixes.items():
        keys = [key for key in sorted(kept) if key[0] <= time_ms]
        batch = position_batch(len(keys))
        for i, key in enumerate(keys):
            batch.time_ms[i], batch.lat_deg[i], batch.lon_deg[i] = key[0], kept[key]["lat"], kept[key]["lon"]
            batch.seq[i] = i
        if keys:
            found[name] = kept[keys[PlausibleFixes(LIMITS).add(batch).seq[-1]]]
    return found


WAYS = {
    "acme there and back": [HOME] * 5 + [AWAY] + [HOME] * 9,
    "acme for good": [HOME] * 7 + [AWAY] * 8,
    "acme two wrong ones": [HOME] * 4 + [AWAY, ELSEWHERE] + [HOME] * 9,
    "acme begins wrong": [AWAY] + [HOME] * 14,
    "acme ends wrong": [HOME] * 14 + [AWAY],
}
END_MS = NOON_MS + 15 * STEP_MS


@pytest.mark.parametrize("chunk_fixes", [7, 25, 20_000])
async def test_a_run_shows_what_is_believed_at_each_moment(past, play_hub, monkeypatch, chunk_fixes):
    """Teleports there and back, for good, at both ends, over chunks of any size: at every tick the last believed fix."""
    time = OwnTime(monkeypatch)
    monkeypatch.setattr(read_ahead, "CHUNK_FIXES", chunk_fixes)
    monkeypatch.setattr(read_ahead, "DENSE", 1e9)  # all fixes are read
    for name, places in WAYS.items():
        await a_way(past, name, places)
    hub = play_hub()
    hub.playbacks = Playbacks(past, hub.settings, monotonic_s=lambda: time.s)
    client = hub.client()
    checked = []

    def check() -> None:
        played = client.session._playback
        at_ms = int(played._clock.at_ms)
        last, rows = played._fleet._last, played._fleet._rows
        shown = {
            rows.vehicle_of[row]: int(last.time_ms[row]) for row in np.flatnonzero(last.is_known).tolist()
        }
        if played._state in {"playing", "ended"}:
            assert shown == {name: fix["fix_time_ms"] for name, fix in believed_at(past, at_ms).items()}
            checked.append(at_ms)

    send = client.link.send_text
    client.link.send_text = lambda payload: (send(payload), b'"playback"' in bytes(payload) and check())
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, until_ms=END_MS, speed=60, bbox=WORLD)
    await until_state(client, "ended", time_ms=END_MS)
    assert len(checked) > 20


async def test_a_seek_shows_what_is_believed(past, play_hub):
    """Onto the jump, right behind it, and further: the same as a run that came along; and a run from there goes on so."""
    for name, places in WAYS.items():
        await a_way(past, name, places)
    client = play_hub().client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=NOON_MS, until_ms=END_MS, speed=0, bbox=WORLD)
    for i in [14, 4, 5, 6, 7, 8, 0, 1, 13]:
        client.say(type="playback", seek_ms=NOON_MS + i * STEP_MS)
        await until_state(client, "paused", time_ms=NOON_MS + i * STEP_MS)
        await until_shown(client, believed_at(past, NOON_MS + i * STEP_MS))
    client.say(type="playback", seek_ms=NOON_MS + 5 * STEP_MS)
    client.say(type="playback", speed=3600)
    await until_state(client, "ended", time_ms=END_MS)
    await until_shown(client, believed_at(past, END_MS))


async def test_leaps_pass_jumps_over(past, play_hub, monkeypatch):
    """Where only the newest fixes of a leap are read, whichever of them is the wrong one."""
    monkeypatch.setattr(read_ahead, "CHUNK_FIXES", 20)
    wrong = np.random.default_rng(5).permutation(np.arange(1, 999, 2))[:200]
    places = [AWAY if i in set(wrong.tolist()) else HOME for i in range(1_000)]
    await a_way(past, "acme", places)
    client = play_hub().client()
    client.view = {"bbox": WORLD}
    end_ms = NOON_MS + len(places) * STEP_MS
    client.say(type="playback", at_ms=NOON_MS, until_ms=end_ms, speed=3600, bbox=WORLD)
    await until_state(client, "ended", time_ms=end_ms)
    assert {said["state"] for said in clocks(client)} >= {"playing", "ended"}
    latitudes = {round(row["lat"]) for frame in client.frames for row in frame.rows.values()}
    assert latitudes == {50}


async def test_a_picture_is_that_of_the_whole_way(past, play_hub):
    """Of any ways of up to as many fixes as are looked at, a seek shows the last ones believed."""
    random = np.random.default_rng(7)
    for i in range(100):
        way = random.integers(0, 3, random.integers(1, read_ahead.LOOK_BACK + 1))
        await a_way(past, f"acme {i}", [(HOME, AWAY, ELSEWHERE)[place] for place in way])
    client = play_hub().client()
    client.view = {"bbox": WORLD}
    client.say(type="playback", at_ms=END_MS, speed=0, bbox=WORLD)
    await until_shown(client, believed_at(past, END_MS))
