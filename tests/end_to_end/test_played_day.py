"""An hour that devices have sent to a real hub, played from its real database over real sockets."""

import asyncio
import sys
from contextlib import asynccontextmanager

import numpy as np
import pytest
from waiting import wait_until

from benchmarks.processes import FLEET, SECRET, HubProcess, hub, token
from haulcast.client import DeviceClient, EventGap, LiveClient, LiveError, PlaybackTime
from haulcast.clock import epoch_ms
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

WORLD = (-180.0, -90.0, 180.0, 90.0)
VEHICLES = 5
HOUR_MS = 3_600_000


class Sent:
    """What the devices have sent, and by brute force where everything was."""

    def __init__(self, begin_ms: int) -> None:
        random = np.random.default_rng(11)
        self.begin_ms, self.end_ms = begin_ms, begin_ms + HOUR_MS
        self.fixes = {}
        for i in range(VEHICLES):
            times = begin_ms + np.cumsum(random.integers(2_000, 16_000, 400))
            times = times[times < self.end_ms]
            lat = 37 + i / 10 + np.cumsum(random.uniform(0, 1e-4, len(times)))
            self.fixes[f"truck {i}"] = list(zip(times.tolist(), lat.tolist(), strict=True))

    def at(self, time_ms: int) -> dict[str, tuple[int, float]]:
        """Time and latitude of each vehicle's newest fix at this moment."""
        newest = {
            name: [fix for fix in fixes if fix[0] <= time_ms][-1:] for name, fixes in self.fixes.items()
        }
        return {
            name: (time, pytest.approx(lat, abs=1e-6))
            for name, fixes in newest.items()
            for time, lat in fixes
        }


async def send(found: HubProcess, sent: Sent) -> None:
    """All of it, until it is acked, and so stored."""
    for name, fixes in sent.fixes.items():
        async with DeviceClient(
            f"ws://127.0.0.1:{found.hub_port}", token(vehicle=name), first_seq=0
        ) as device:
            for time_ms, lat in fixes:
                device.send(time_ms=time_ms, lat_deg=lat, lon_deg=-122.0, speed_mps=3.0)
            async with asyncio.timeout(60):
                await device.drained()


class Viewer:
    """A live client that is read all the time."""

    def __init__(self, live: LiveClient) -> None:
        self.live, self.updates = live, []

    async def read(self) -> None:
        async for update in self.live:
            self.updates.append(update)

    @property
    def shown(self) -> dict[str, tuple[int, float]]:
        return {name: (fix.fix_time_ms, fix.lat_deg) for name, fix in self.live.vehicles.items()}

    def of(self, kind: type) -> list:
        return [update for update in self.updates if isinstance(update, kind)]

    async def told(self, state: str, **members: float) -> PlaybackTime:
        """The newest word on the time, once it is this."""

        def newest() -> PlaybackTime | None:
            for update in self.of(PlaybackTime)[-1:]:
                if update.state == state and all(getattr(update, k) == v for k, v in members.items()):
                    return update
            return None

        return await wait_until(newest, 20)


@asynccontextmanager
async def viewer(
    found: HubProcess, made: str | None = None, *, binary: bool = False, port: int | None = None
):
    url = f"ws://127.0.0.1:{port or found.hub_port}"
    async with LiveClient(url, made or token("viewer"), binary=binary) as live:
        seeing = Viewer(live)
        reading = asyncio.create_task(seeing.read())
        try:
            yield seeing
        finally:
            reading.cancel()


async def command(*arguments: str) -> tuple[int, str, str]:
    """`haulcast playback`: exit status, output, errors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "haulcast", "playback", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_an_hour_is_played_as_it_was_sent(wire_schema) -> None:
    """Both doors and encodings, seeks, a run, a share link, the way back to live, and the command: all tell what was sent."""
    async with hub(device_rate_per_s=1e6, device_burst=1e6, playbacks_per_token=2) as found:
        sent = Sent(epoch_ms() - 3 * HOUR_MS)
        await send(found, sent)
        random = np.random.default_rng(2)
        for binary, port in ((False, found.http_port), (True, found.hub_port)):
            async with viewer(found, binary=binary, port=port) as seeing:
                live = seeing.live
                live.playback(sent.begin_ms, until_ms=sent.end_ms, speed=0, bbox=WORLD)
                for time_ms in random.integers(sent.begin_ms - 5_000, sent.end_ms, 10).tolist():
                    live.seek(time_ms)
                    await seeing.told("paused", time_ms=time_ms)
                    assert seeing.shown == sent.at(time_ms)
                live.seek(sent.begin_ms)
                live.set_speed(1200)
                await seeing.told("playing", speed=1200.0)
                live.set_speed(0)
                told = await seeing.told("paused")
                assert seeing.shown == sent.at(told.time_ms)
                live.set_speed(3600)
                await seeing.told("ended", time_ms=sent.end_ms)
                assert seeing.shown == sent.at(sent.end_ms)
                assert not seeing.of(LiveError)
        await shared_and_limited(found, sent)
        await back_to_live(found, sent)
        await by_command(found, sent)


async def shared_and_limited(found: HubProcess, sent: Sent) -> None:
    """A share link plays its vehicles and names no other; a token plays so many at once."""
    expires_ms = epoch_ms() + HOUR_MS
    claims = Claims(
        FLEET, "viewer", None, expires_ms, vehicles=frozenset({"truck 1", "truck 3"}), token_id="link"
    )
    link = TokenBook(SECRET.encode()).make(claims)
    async with viewer(found, link) as one, viewer(found, link) as two, viewer(found, link) as three:
        middle_ms = sent.begin_ms + HOUR_MS // 2
        for seeing in (one, two):
            seeing.live.playback(middle_ms, speed=0, bbox=WORLD)
            await seeing.told("paused")
            assert seeing.shown == {name: fix for name, fix in sent.at(middle_ms).items() if name[-1] in "13"}
        three.live.playback(middle_ms, speed=0, bbox=WORLD)
        (refused,) = await wait_until(lambda: three.of(LiveError))
        assert refused.code == "too_many_playbacks"
        one.live.playback(middle_ms, vehicles=["truck 2"])
        (refused,) = await wait_until(lambda: one.of(LiveError))
        assert refused.code == "not_shared"


async def back_to_live(found: HubProcess, sent: Sent) -> None:
    """What a device sends while the past is shown is on the map after `live`, and so is what it sends next."""
    url = f"ws://127.0.0.1:{found.hub_port}"
    async with viewer(found) as seeing, DeviceClient(url, token(vehicle="truck now")) as device:
        seeing.live.subscribe(WORLD)
        await wait_until(lambda: len(seeing.live.vehicles) == VEHICLES)
        seeing.live.playback(sent.begin_ms + 60_000, speed=10)
        await seeing.told("playing")
        device.send(time_ms=epoch_ms(), lat_deg=10.0, lon_deg=10.0)
        await device.drained()
        assert "truck now" not in seeing.live.vehicles
        seeing.live.live()
        await wait_until(lambda: seeing.live.vehicles.keys() == {*sent.fixes, "truck now"})
        assert seeing.of(PlaybackTime)[-1].state == "stopped"
        newest_ms = epoch_ms()
        device.send(time_ms=newest_ms, lat_deg=10.0, lon_deg=10.0)
        await wait_until(lambda: seeing.live.vehicles["truck now"].fix_time_ms == newest_ms)
        assert not seeing.of(LiveError) + seeing.of(EventGap)


async def by_command(found: HubProcess, sent: Sent) -> None:
    """`haulcast playback` prints fixes that were sent, ends with each vehicle's last one, and says what is wrong."""
    access = ("--url", f"ws://127.0.0.1:{found.hub_port}", "--token", token("viewer"))
    span = ("--from", str(sent.begin_ms), "--to", str(sent.end_ms), "--speed", "3600")
    status, output, errors = await command(*access, *span, "--vehicle", "truck 1", "--vehicle", "truck 2")
    assert (status, errors) == (0, "")
    lines = [line.split("\t") for line in output.splitlines()]
    fixes = [line for line in lines if line[0] == "fix"]
    assert {line[1] for line in fixes} == {"truck 1", "truck 2"}
    for name in ("truck 1", "truck 2"):
        latitudes = [float(line[3]) for line in fixes if line[1] == name]
        assert latitudes[-1] == pytest.approx(sent.fixes[name][-1][1], abs=1e-6)
        assert latitudes == sorted(latitudes)
    assert lines[-1][0] == "time"
    assert lines[-1][-1] == "ended"
    for wrong, words in (
        (("--from", "yesterday"), "is no moment"),
        (("--from", "2026-11-22T08:00"), "is no moment"),
        (("--from", "2026-11-22T08:00Z", "--to", "2026-11-21T08:00Z"), "--to is before --from"),
        (("--from", "2026-11-22T08:00Z", "--speed", "0"), "has to be 0.1 to 3600"),
    ):
        status, _, errors = await command(*access, *wrong)
        assert status in {1, 2}
        assert words in errors


async def test_a_hub_without_history_says_so() -> None:
    """The command ends with the hub's words."""
    async with hub(history="off") as found:
        access = ("--url", f"ws://127.0.0.1:{found.hub_port}", "--token", token("viewer"))
        status, _, errors = await command(*access, "--from", "2026-11-22T08:00Z")
        assert status == 1
        assert "no_history" in errors


async def test_a_playback_survives_its_database(system_postgres) -> None:
    """PostgreSQL killed while an hour is played: it says so and waits, and goes on from where it was when it is back."""
    async with hub(database_url=system_postgres.url, device_rate_per_s=1e6, device_burst=1e6) as found:
        sent = Sent(epoch_ms() - 3 * HOUR_MS)
        await send(found, sent)
        async with viewer(found) as seeing:
            seeing.live.playback(sent.begin_ms, until_ms=sent.end_ms, speed=30, bbox=WORLD)
            await seeing.told("playing")
            await asyncio.to_thread(system_postgres.kill)
            seeing.live.seek(sent.begin_ms + HOUR_MS // 2)
            (away,) = await wait_until(lambda: seeing.of(LiveError), 30)
            assert away.code == "store_away"
            await seeing.told("waiting", time_ms=sent.begin_ms + HOUR_MS // 2)
            await asyncio.to_thread(system_postgres.start)
            seeing.live.set_speed(0)
            told = await seeing.told("paused", time_ms=sent.begin_ms + HOUR_MS // 2)
            assert seeing.shown == sent.at(told.time_ms)
            seeing.live.set_speed(3600)
            await seeing.told("ended", time_ms=sent.end_ms)
            assert seeing.shown == sent.at(sent.end_ms)
