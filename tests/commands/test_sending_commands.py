"""`haulcast replay` and `haulcast simulate` as programs, against a real server."""

import asyncio
import json
import re
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_hub import SECRET, SmallHub, small_hub
from waiting import wait_until


async def haulcast(
    hub: SmallHub, folder: Path, *arguments: str, stop_after_fixes: int | None = None, secret: bytes = SECRET
) -> tuple[int, str, str]:
    """Run one command to its end, or to SIGINT; its status, output and error output."""
    (folder / "secret").write_bytes(secret + b"\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "haulcast", *arguments, f"--url={hub.url}", "--fleet=acme", f"--secret-file={folder / 'secret'}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=folder,
    )  # fmt: skip
    if stop_after_fixes is not None:
        await wait_until(lambda: sum(map(len, hub.taken.values())) >= stop_after_fixes, timeout_s=60)
        process.send_signal(signal.SIGINT)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


def write_csv(path: Path, rows: list[tuple[int, str, float, float]]) -> None:
    """A recording of time, vehicle, lat, lon."""
    path.write_text(
        "time_s,vehicle,lat,lon,occupied\n" + "".join(f"{t},{v},{lat},{lon},1\n" for t, v, lat, lon in rows)
    )


@pytest.mark.parametrize("binary", [(), ("--binary",)])
async def test_a_replay_of_five_hundred_vehicles_is_accounted_for(
    tmp_path: Path, binary: tuple[str, ...]
) -> None:
    """Each vehicle has its own socket, keeps the file's order and spacing, and sent = acked + rejected by reason."""
    rows = [
        (1000 + 10 * k, f"cab-{v:03d}", 37 + v * 1e-3, -122 - k * 1e-3) for k in range(10) for v in range(500)
    ]
    write_csv(tmp_path / "day.csv", rows)

    def reasons_of(fix: dict[str, Any]) -> list[str]:
        return ["null_island", "stale"] if abs(fix["lat"] - 37.007) < 1e-9 else []

    async with small_hub(reasons_of=reasons_of) as hub:
        status, out, err = await haulcast(hub, tmp_path, "replay", "day.csv", "--speed", "0", *binary)
    assert (status, err) == (0, "")
    assert "sent 5000 = acked 4990 + rejected 10 (by reason: null_island 10, stale 10)" in out
    assert hub.handshakes == 500
    for name, fixes in hub.taken.items():
        if name != "cab-007":
            times = [fix["time_ms"] for fix in fixes.values()]
            assert np.diff(times).tolist() == [10_000] * 9
            assert times[-1] <= time.time() * 1000
            assert binary or next(iter(fixes.values()))["attributes"] == {"occupied": True}


async def test_newest_first_is_sent_newest_first_with_its_own_times(tmp_path: Path) -> None:
    """A cabspotting original keeps its order; with --keep-times it keeps its times."""
    (tmp_path / "new_abc.txt").write_text(
        "".join(f"37.5 -122.{k} 0 {1213084687 - 60 * k}\n" for k in range(50))
    )
    async with small_hub() as hub:
        status, _, _ = await haulcast(hub, tmp_path, "replay", "new_abc.txt", "--speed", "0", "--keep-times")
    assert status == 0
    assert [fix["time_ms"] for fix in hub.taken["abc"].values()] == [
        1000 * (1213084687 - 60 * k) for k in range(50)
    ]


async def test_a_paced_replay_is_never_ahead_of_the_clock(tmp_path: Path) -> None:
    """At speed 20, 40 recorded seconds take 2 s, and no fix's time is later than its arrival."""
    arrivals: list[tuple[float, int]] = []

    def reasons_of(fix: dict[str, Any]) -> list[str]:
        arrivals.append((time.time() * 1000, fix["time_ms"]))
        return []

    write_csv(tmp_path / "day.csv", [(t, "a", 37.0, -122.0) for t in range(0, 41, 2)])
    async with small_hub(reasons_of=reasons_of) as hub:
        status, _, _ = await haulcast(
            hub, tmp_path, "replay", "day.csv", "--speed=20", "--vehicles=a*", "--limit=21"
        )
    assert status == 0
    assert all(fix_ms <= at_ms for at_ms, fix_ms in arrivals)
    assert arrivals[-1][0] - arrivals[0][0] == pytest.approx(2000, abs=400)


async def test_a_fix_that_the_hub_holds_back_is_said(tmp_path: Path) -> None:
    """A last fix without an answer ends the replay after a while, as undecided."""
    write_csv(tmp_path / "day.csv", [(1, "a", 1.0, 1.0), (2, "a", 2.0, 2.0)])

    async def silent(socket: Any) -> None:
        if len(hub.taken["a"]) == 2:
            hub.handled["a"] -= 1

    async with small_hub(before_ack=silent) as hub:
        status, out, _ = await haulcast(hub, tmp_path, "replay", "day.csv", "--speed=0.5")
    assert status == 0
    assert "sent 2 = acked 1 + rejected 0" in out
    assert "1 undecided" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("replay", "nowhere.csv"), "nowhere.csv"),
        (("replay", "day.csv", "--vehicles", "x*"), "no fix is left"),
        (("replay", "day.csv", "--speed", "-1"), "--speed -1"),
        (("simulate", "--vehicles", "0"), "--vehicles 0"),
        (("simulate", "--box=0,0,1,1"), "stops inside"),
    ],
)
async def test_a_wrong_call_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    """Status 1, what is wrong, no traceback."""
    write_csv(tmp_path / "day.csv", [(1, "a", 1.0, 1.0)])
    async with small_hub() as hub:
        status, _, err = await haulcast(hub, tmp_path, *arguments)
    assert (status, len(err.splitlines())) == (1, 1)
    assert says in err


async def test_a_wrong_secret_stops_the_replay(tmp_path: Path) -> None:
    """The hub's 401 ends the command; neither secret nor token is in what it says."""
    write_csv(tmp_path / "day.csv", [(1, "a", 1.0, 1.0)])
    async with small_hub() as hub:
        status, out, err = await haulcast(hub, tmp_path, "replay", "day.csv", secret=b"x" * 40)
    assert status == 1
    assert "401" in err
    assert not re.search("eyJ|xxxx|Traceback", out + err)


async def test_a_simulation_sends_its_rate(tmp_path: Path) -> None:
    """Every vehicle reports in its turn, with speed, heading and a growing time."""
    async with small_hub() as hub:
        status, out, _ = await haulcast(
            hub, tmp_path, "simulate", "--vehicles=40", "--rate=80", "--seconds=3", "--seed=5"
        )
    assert status == 0
    assert "sent 240 = acked 240 + rejected 0" in out
    assert {len(fixes) for fixes in hub.taken.values()} == {6}
    for fixes in hub.taken.values():
        assert np.diff([fix["time_ms"] for fix in fixes.values()]).tolist() == [500] * 5
        assert all(0 <= fix["speed_mps"] < 30 and 0 <= fix["heading_deg"] < 360 for fix in fixes.values())


async def test_a_simulation_stops_on_ctrl_c(tmp_path: Path) -> None:
    """SIGINT ends it at once and quietly."""
    async with small_hub() as hub:
        status, _, err = await haulcast(hub, tmp_path, "simulate", "--vehicles=20", stop_after_fixes=20)
    assert status in {0, 130}
    assert "Traceback" not in err


async def test_watch_in_a_pipe_writes_plain_lines(tmp_path: Path) -> None:
    """One line an update, fields apart by tabs."""

    async def live(socket: Any) -> None:
        await socket.send(
            json.dumps({"type": "welcome", "fleet": "acme", "epoch": "e", "offset": 0, "time_ms": 1})
        )
        await socket.recv()
        fix = {
            "vehicle": [3],
            "fix_time_ms": [1_790_000_000_000],
            "lat": [37.5],
            "lon": [-122.5],
            "speed_mps": [None],
            "heading_deg": [90],
        }
        await socket.send(json.dumps({"type": "snapshot", "time_ms": 1, **fix, "names": {"3": "truck-3"}}))
        await socket.send(json.dumps({"type": "event", "offset": 1, "event": "enter", "cause": "moved", "visit": 1, "vehicle": "truck-3",
                                      "fence": "depot", "name": "Depot", "time_ms": 1_790_000_000_500, "lat": 1, "lon": 1, "fix_time_ms": 1}))  # fmt: skip
        await socket.close(4503)

    async with small_hub(live=live) as hub:
        status, out, err = await haulcast(hub, tmp_path, "watch", "--bbox=-123,37,-121,39")
    assert out.splitlines() == [
        "connection\tup\t",
        "fix\ttruck-3\t2026-09-21T14:13:20.000+00:00\t37.500000\t-122.500000\t\t90",
        "event\ttruck-3\t2026-09-21T14:13:20.500+00:00\tenter\tdepot\tDepot\t\t",
    ]
    assert status == 1
    assert "4503" in err
