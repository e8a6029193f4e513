"""`haulcast replay`: send recorded tracks to a hub as if they happened now, each vehicle over its own socket."""

import argparse
import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import uvloop
from rich.console import Console

from haulcast.client import DeviceFleet
from haulcast.clock import epoch_ms, monotonic_s
from haulcast.commands.hub_access import add_access_arguments, read_access
from haulcast.commands.send_progress import Lag, show_progress, totals_text
from haulcast.errors import RequestError
from haulcast.logs import configure_logs
from haulcast.recordings import Recording, concatenate, read_recording, send_offsets_ms, shifted
from haulcast.settings import read_settings

CHUNK_FIXES = 1_000
UNACKED_AT_ONCE = 50_000
"""Fixes that may wait for their acks all together; then the hub sets the pace."""
QUIET_S = 5.0
"""Without news for so long, what is left at the end is what the hub holds back (see `impossible_jump` in the protocol)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Files and how to play them."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="CSV, GPX or cabspotting text, also .gz or .xz"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="recorded time over real time; 0: as fast as possible"
    )
    parser.add_argument(
        "--keep-times", action="store_true", help="send the recorded times instead of shifting them to now"
    )
    parser.add_argument("--binary", action="store_true", help="send binary records, without attributes")
    parser.add_argument(
        "--vehicles", metavar="GLOB", default="*", help="only vehicles of such names, as truck-*"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N fixes")
    add_access_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Replay; 0 when every fix is accounted for."""
    if not 0 <= arguments.speed < float("inf"):
        raise RequestError("out_of_range", f"--speed {arguments.speed}: has to be 0 or more", field="speed")
    recording = concatenate([read_recording(file) for file in arguments.files]).only(arguments.vehicles)
    if arguments.limit is not None:
        recording = recording.take(np.arange(min(max(0, arguments.limit), len(recording))))
    if not len(recording):
        raise RequestError("empty_recording", f"no fix is left to replay (--vehicles {arguments.vehicles})")
    configure_logs(read_settings())
    url, access = read_access(arguments)
    # the buffers hold all that may wait at once, so that nothing is ever dropped
    options = {"binary": arguments.binary, "buffer_fixes": UNACKED_AT_ONCE + 2 * CHUNK_FIXES}
    used = np.unique(recording.vehicle)
    fleet = DeviceFleet(url, [recording.vehicles[i] for i in used], access.device_token, **options)
    recording = _renumbered(recording, used)
    return uvloop.run(_replay(fleet, recording, arguments))


def _renumbered(recording: Recording, used: np.ndarray[Any, Any]) -> Recording:
    place = np.zeros(len(recording.vehicles), np.int32)
    place[used] = np.arange(len(used))
    return Recording(
        [recording.vehicles[i] for i in used],
        place[recording.vehicle],
        recording.time_ms,
        recording.lat_deg,
        recording.lon_deg,
        recording.optional,
        recording.attributes,
    )


async def _replay(fleet: DeviceFleet, recording: Recording, arguments: argparse.Namespace) -> int:
    started_s = monotonic_s()
    console, lag = Console(stderr=True), Lag()
    async with fleet:
        showing = asyncio.create_task(show_progress(fleet, lag, len(recording), console, console.print))
        try:
            await send_all(fleet, recording, arguments.speed, lag, keep_times=arguments.keep_times)
            await until_settled(fleet, QUIET_S)
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing
        print(totals_text(fleet, monotonic_s() - started_s), flush=True)
        counts, undecided = fleet.counts, fleet.unacked
        for client in fleet.clients:
            await client.close()
    # the hub can hold one fix of each vehicle back; more than that are missing
    is_complete = not counts.dropped and not counts.refused_frames and undecided <= len(fleet.clients)
    return 0 if is_complete else 1


async def send_all(
    fleet: DeviceFleet, recording: Recording, speed: float, lag: Lag, *, keep_times: bool = False
) -> None:
    """Give every fix to its vehicle's client when its moment comes.

    Raises:
        ClientError: the hub has refused a client for good.
    """
    send_ms = send_offsets_ms(recording, speed)
    start_s, now_ms = monotonic_s(), epoch_ms()
    fixes = recording if keep_times else shifted(recording, now_ms, send_ms)
    order = np.argsort(send_ms, kind="stable")
    due_ms = send_ms[order]
    send = _sender(fleet, fixes.take(order))
    done = 0
    while done < len(order):
        elapsed_ms = (monotonic_s() - start_s) * 1000.0
        due = int(np.searchsorted(due_ms, elapsed_ms, side="right"))
        lag.lag_s = 0.0 if due <= done else (elapsed_ms - due_ms[done]) / 1000.0
        room = max(0, UNACKED_AT_ONCE - fleet.unacked)
        chunk = min(due, done + CHUNK_FIXES, done + room)
        for i in range(done, chunk):
            send(i)
        is_behind, done = done < chunk < due, chunk
        await asyncio.sleep(0.0 if is_behind else 0.01)


def _sender(fleet: DeviceFleet, fixes: Recording) -> Callable[[int], None]:
    """Sends the fix of an index; columns as lists, which are quicker one by one."""
    clients = [fleet.clients[i] for i in fixes.vehicle.tolist()]
    time_ms, lat, lon = fixes.time_ms.tolist(), fixes.lat_deg.tolist(), fixes.lon_deg.tolist()
    optional = {name: column.tolist() for name, column in fixes.optional.items()}
    attributes = (
        {} if fleet.is_binary else {name: column.tolist() for name, column in fixes.attributes.items()}
    )

    def send(i: int) -> None:
        extra: Mapping[str, Any] = {name: column[i] for name, column in attributes.items()}
        known = {name: column[i] for name, column in optional.items()}
        clients[i].send(time_ms=time_ms[i], lat_deg=lat[i], lon_deg=lon[i], attributes=extra, **known)

    return send


async def until_settled(fleet: DeviceFleet, quiet_s: float) -> None:
    """Wait until all is acked or rejected, or nothing has changed for `quiet_s` while all are connected.

    Raises:
        ClientError: the hub has refused a client for good.
    """
    left, since_s = fleet.unacked, monotonic_s()
    while left:
        await asyncio.sleep(0.05)
        for client in fleet.clients:
            client.raise_if_stopped()
        is_news = fleet.unacked != left or fleet.connected < len(fleet.clients)
        left = fleet.unacked
        if is_news:
            since_s = monotonic_s()
        elif monotonic_s() - since_s > quiet_s:
            return
