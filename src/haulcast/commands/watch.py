"""`haulcast watch`: a live table of a fleet on a terminal; plain lines in a pipe."""

import argparse
import asyncio
import math
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import uvloop
from rich.console import Console
from rich.live import Live
from rich.table import Table

from haulcast.client import (
    Clusters,
    Connection,
    Event,
    EventGap,
    LiveClient,
    LiveError,
    LiveUpdate,
    PastEvent,
    PlaybackTime,
    Positions,
)
from haulcast.clock import epoch_ms
from haulcast.commands.hub_access import add_access_arguments, bbox_of, read_access
from haulcast.logs import configure_logs
from haulcast.settings import read_settings

REFRESH_S = 0.5
WHOLE_WORLD = (-180.0, -90.0, 180.0, 90.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to watch."""
    add_view_arguments(parser)
    add_access_arguments(parser)


def add_view_arguments(parser: argparse.ArgumentParser) -> None:
    """`--bbox`, `--zoom` and `--token`."""
    parser.add_argument(
        "--bbox", metavar="W,S,E,N", type=bbox_of, default=WHOLE_WORLD, help="write --bbox=-123,37,-121,39"
    )
    parser.add_argument(
        "--zoom", type=float, default=12.0, help="low ones show clusters (default %(default)s)"
    )
    parser.add_argument("--token", help="a viewer's token; default one made from the hub's secret")


def run(arguments: argparse.Namespace) -> int:
    """Watch until Ctrl-C, or until the reader of the pipe goes away."""
    configure_logs(read_settings())
    with suppress(KeyboardInterrupt, BrokenPipeError):
        uvloop.run(_watch(arguments))
    return 0


async def _watch(arguments: argparse.Namespace) -> None:
    url, token = access_of(arguments)
    async with LiveClient(url, token, binary=True) as live:
        live.subscribe(arguments.bbox, zoom=arguments.zoom, rate_hz=1.0 / REFRESH_S)
        await show(live, lambda _update: None)


def access_of(arguments: argparse.Namespace) -> tuple[str, str | Callable[[], str]]:
    """The hub's URL, and a viewer's token or what makes one.

    Raises:
        SettingError: no secret can be found; says where it was looked for.
    """
    if arguments.token and arguments.url:
        return arguments.url, arguments.token
    url, access = read_access(arguments)
    return url, arguments.token or (lambda: access.user_token("viewer"))


async def show(live: LiveClient, heard: Callable[[LiveUpdate], object]) -> None:
    """Show all that comes, as a table or as lines, until `heard`, which is told each update once it is shown, raises."""
    console, seen = Console(), Seen()
    if not console.is_terminal:
        async for update in live:
            for line in lines_of(update):
                print(line, flush=True)
            heard(update)
        return
    with Live(console=console, auto_refresh=False, screen=True) as screen:
        refreshing = asyncio.create_task(_refresh(screen, live, seen, console))
        try:
            async for update in live:
                seen.note(update)
                heard(update)
        finally:
            refreshing.cancel()


class Seen:
    """What the table shows beside the positions."""

    def __init__(self) -> None:
        self.is_up = False
        self.reason = "connecting"
        self.counts: Counter[str] = Counter()
        self.last_event: dict[str, Event] = {}
        self.played: PlaybackTime | None = None

    def note(self, update: LiveUpdate) -> None:
        """Count one update."""
        self.counts[type(update).__name__.lower()] += 1
        match update:
            case Connection():
                self.is_up, self.reason = update.is_up, update.reason
            case Positions():
                self.counts["fixes"] += len(update.vehicle)
            case Event():
                self.last_event[update.vehicle] = update
            case PastEvent():
                self.last_event[update.event.vehicle] = update.event
            case LiveError():
                self.reason = f"{update.code}: {update.reason}"
            case PlaybackTime():
                self.played = update


async def _refresh(screen: Live, live: LiveClient, seen: Seen, console: Console) -> None:
    while True:
        now_ms = seen.played.time_ms if seen.played else epoch_ms()
        screen.update(table_of(live, seen, now_ms, max(1, console.height - 6)), refresh=True)
        await asyncio.sleep(REFRESH_S)


def table_of(live: LiveClient, seen: Seen, now_ms: int, rows: int) -> Table:
    """The newest `rows` vehicles, newest first, or the largest clusters."""
    counts = seen.counts
    state = _played(seen.played) if seen.played else "live"
    if not seen.is_up:
        state = f"reconnecting ({seen.reason}), what is shown is old"
    caption = (
        f"{state}: {len(live.vehicles)} vehicles, {len(live.clusters)} clusters, {counts['fixes']} fixes, "
        f"{counts['event'] + counts['pastevent']} events, {counts['eventgap']} gaps"
    )
    if live.clusters:
        table = Table("cell", "vehicles", "speed m/s", caption=caption)
        largest = sorted(live.clusters.items(), key=lambda item: -item[1].vehicles)
        for cell, cluster in largest[:rows]:
            table.add_row(cell, str(cluster.vehicles), _number(cluster.speed_mps, 1))
        return table
    table = Table(
        "vehicle", "latitude", "longitude", "speed m/s", "heading", "age s", "last event", caption=caption
    )
    newest = sorted(live.vehicles.items(), key=lambda item: (-item[1].fix_time_ms, item[0]))
    for name, vehicle in newest[:rows]:
        event = seen.last_event.get(name)
        table.add_row(
            name,
            f"{vehicle.lat_deg:.5f}",
            f"{vehicle.lon_deg:.5f}",
            _number(vehicle.speed_mps, 1),
            _number(vehicle.heading_deg, 0),
            f"{(now_ms - vehicle.fix_time_ms) / 1000:.1f}",
            f"{event.event} {event.name or event.other or ''}" if event else "",
        )
    return table


def lines_of(update: LiveUpdate) -> list[str]:
    """An update as plain lines, fields apart by tabs, the kind first."""
    match update:
        case Positions():
            columns = (
                update.fix_time_ms,
                update.lat_deg,
                update.lon_deg,
                update.speed_mps,
                update.heading_deg,
            )
            rows = zip(update.vehicle, *(column.tolist() for column in columns), strict=True)
            fixes = [
                f"fix\t{name}\t{_time(ms)}\t{lat:.6f}\t{lon:.6f}\t{_number(speed, 1)}\t{_number(heading, 0)}"
                for name, ms, lat, lon, speed, heading in rows
            ]
            return fixes + [f"gone\t{name}" for name in update.gone]
        case Clusters():
            rows = zip(update.cell, update.count.tolist(), update.speed_mps.tolist(), strict=True)
            return [f"cluster\t{cell}\t{count}\t{_number(speed, 1)}" for cell, count, speed in rows]
        case Event():
            about = (update.event, update.fence, update.name, update.rule or "", update.other or "")
            return ["\t".join(("event", update.vehicle, _time(update.time_ms), *about))]
        case PastEvent():
            return lines_of(update.event)
        case EventGap():
            return [f"gap\tevents after {update.epoch} {update.since_offset} may be missing"]
        case Connection():
            return [f"connection\t{'up' if update.is_up else 'lost'}\t{update.reason}"]
        case LiveError():
            return [f"error\t{update.code}\t{update.reason}"]
        case PlaybackTime():
            return [f"time\t{_time(update.time_ms)}\t{update.speed:g}\t{update.state}"]


def _played(played: PlaybackTime) -> str:
    return f"{_time(played.time_ms)}, {played.state} at speed {played.speed:g}"


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _number(value: float, digits: int) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
