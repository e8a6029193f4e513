"""`haulcast simulate`: a seeded fleet on its rounds around San Francisco Bay, each vehicle over its own socket."""

import argparse
import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import numpy as np
import uvloop
from rich.console import Console

from haulcast.client import DeviceFleet
from haulcast.clock import epoch_ms, monotonic_s
from haulcast.commands.cloned_device import ClonedDevice
from haulcast.commands.hub_access import HubAccess, add_access_arguments, bbox_of, read_access
from haulcast.commands.send_progress import Lag, show_progress, totals_text
from haulcast.errors import RequestError
from haulcast.logs import configure_logs
from haulcast.settings import read_settings
from haulcast.simulation import Fixes, Fleet, bay_places, bay_roads, make_roster, with_offenders

STEP_S = 0.1
"""The fleet moves in steps of this; fixes carry the time of their step."""

Send = Callable[..., object]
"""Takes a fix as `DeviceClient.send` does."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many, how fast, for how long."""
    parser.add_argument("--vehicles", type=int, default=100, help="how many (default %(default)s)")
    parser.add_argument(
        "--rate", type=float, help="fixes a second of the whole fleet (default: one of each vehicle)"
    )
    parser.add_argument("--seconds", type=float, help="how long; default until Ctrl-C")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed drives the same trips (default %(default)s)"
    )
    parser.add_argument(
        "--box", metavar="W,S,E,N", type=bbox_of, help="only stops inside; write --box=-122.5,... with the ="
    )
    parser.add_argument("--binary", action="store_true", help="send binary records")
    add_access_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Simulate until the time is over or somebody says stop."""
    configure_logs(read_settings())
    url, access = read_access(arguments)
    rate = arguments.vehicles if arguments.rate is None else arguments.rate
    if arguments.vehicles < 1 or not 0 < rate < float("inf"):
        raise RequestError(
            "out_of_range", f"--vehicles {arguments.vehicles}, --rate {rate}: both have to be more than 0"
        )
    fleet = make_fleet(arguments.vehicles, arguments.seed, epoch_ms(), arguments.box)
    with suppress(KeyboardInterrupt):
        uvloop.run(
            drive(
                fleet,
                url,
                access,
                rate,
                seconds=arguments.seconds,
                seed=arguments.seed,
                binary=arguments.binary,
            )
        )
    return 0


def make_fleet(
    vehicles: int,
    seed: int,
    time_ms: int,
    box: tuple[float, float, float, float] | None = None,
    *,
    has_offenders: bool = False,
) -> Fleet:
    """A fleet that is under way already at `time_ms`; the offenders, if wanted, come on top of `vehicles`.

    Raises:
        RequestError: the box holds fewer than two stops.
    """
    roads = bay_roads()
    places = bay_places(roads)
    if box is not None:
        places = places.only(roads.nodes_in(box))
    if len(places.nodes) < 2:
        raise RequestError(
            "out_of_range",
            f"--box {box}: {len(places.nodes)} stops inside; the Bay's are around -122.5,37.3,-121.7,38.1",
        )
    roster = make_roster(roads, places, vehicles, seed)
    if has_offenders:
        roster = with_offenders(roster, roads)
    return Fleet(roads, places, roster, seed, time_ms)


async def drive(
    fleet: Fleet,
    url: str,
    access: HubAccess,
    rate: float,
    *,
    seconds: float | None = None,
    seed: int = 1,
    binary: bool = False,
) -> None:
    """Move the fleet in real time from its start on and send `rate` fixes a second, each vehicle in its turn.

    Raises:
        ClientError: the hub has refused a client for good.
    """
    console, lag, started_s = Console(stderr=True), Lag(), monotonic_s()
    total = None if seconds is None else int(seconds * rate)
    ids = [entry.vehicle_id for entry in fleet.roster]
    cloned = {name for name in ids if ids.count(name) > 1} if len(set(ids)) < len(ids) else set()
    devices = DeviceFleet(
        url, [name for name in ids if name not in cloned], access.device_token, seed=seed, binary=binary
    )
    try:
        async with devices, AsyncExitStack() as clones:
            clients = iter(devices.clients)
            senders: list[Send] = [
                (await clones.enter_async_context(ClonedDevice(url, name, access, binary=binary))).send
                if name in cloned
                else next(clients).send
                for name in ids
            ]
            showing = asyncio.create_task(show_progress(devices, lag, total, console, console.print))
            try:
                await _send(fleet, senders, rate, seconds, lag)
            finally:
                showing.cancel()
                with suppress(asyncio.CancelledError):
                    await showing
    finally:
        print(totals_text(devices, monotonic_s() - started_s), flush=True)


async def _send(fleet: Fleet, senders: list[Send], rate: float, seconds: float | None, lag: Lag) -> None:
    start_s = monotonic_s() - (epoch_ms() - fleet.start_ms) / 1000.0
    every = np.array([entry.reports_every for entry in fleet.roster])
    step, sent = 0, 0
    while seconds is None or step * STEP_S < seconds:
        step += 1
        at_s = step * STEP_S
        fleet.advance(STEP_S)
        due = int(at_s * rate) - sent
        turns = np.arange(sent, sent + min(due, fleet.size), dtype=np.int64)
        sent += due
        vehicles = turns % fleet.size
        fixes = fleet.fixes(vehicles[(turns // fleet.size + 1) % every[vehicles] == 0])
        lag.lag_s = max(0.0, monotonic_s() - start_s - at_s)
        await asyncio.sleep(max(0.0, start_s + at_s - monotonic_s()))
        _send_all(fixes, senders)


def _send_all(fixes: Fixes, senders: list[Send]) -> None:
    columns = (fixes.lat_deg, fixes.lon_deg, fixes.speed_mps, fixes.heading_deg, fixes.accuracy_m)
    for vehicle, time_ms, lat, lon, speed, heading, accuracy in zip(
        fixes.vehicle.tolist(),
        fixes.time_ms.tolist(),
        *(column.round(7).tolist() for column in columns),
        strict=True,
    ):
        senders[vehicle](
            time_ms=time_ms,
            lat_deg=lat,
            lon_deg=lon,
            speed_mps=speed,
            heading_deg=heading,
            accuracy_m=accuracy,
        )
