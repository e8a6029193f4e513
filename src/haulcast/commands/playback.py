"""`haulcast playback`: what `haulcast watch` shows, of a span of the history, as fast as is wanted."""

import argparse
from contextlib import suppress
from datetime import datetime
from functools import partial

import uvloop
from rich.console import Console

from haulcast.client import LiveClient, LiveError, LiveUpdate, PlaybackTime
from haulcast.commands.hub_access import add_access_arguments
from haulcast.commands.watch import REFRESH_S, access_of, add_view_arguments, show
from haulcast.errors import RequestError
from haulcast.logs import configure_logs
from haulcast.settings import read_settings

PASSING = frozenset({"store_away"})
"""Errors after which the playback goes on by itself."""


class _Over(Exception):  # noqa: N818 - no error
    """There is nothing more to show."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to play, and how."""
    times = "2026-11-22T08:00Z, another offset, or ms since 1970"
    parser.add_argument(
        "--from",
        dest="begin_ms",
        metavar="TIME",
        type=time_ms_of,
        required=True,
        help=f"the first moment: {times}",
    )
    parser.add_argument(
        "--to", dest="end_ms", metavar="TIME", type=time_ms_of, help="the last one; default now"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="history's time over real time, 0.1 to 3600 (default %(default)s)",
    )
    parser.add_argument(
        "--vehicle", action="append", metavar="ID", dest="vehicles", help="only this one; may be given again"
    )
    add_view_arguments(parser)
    add_access_arguments(parser)


def time_ms_of(text: str) -> int:
    """An argument that is a moment: ISO 8601 with `Z` or an offset, or milliseconds since 1970."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no moment; allowed are 2026-11-22T08:00Z, 2026-11-22T09:00+01:00, or milliseconds since 1970"
        )
    return round(time.timestamp() * 1000)


def run(arguments: argparse.Namespace) -> int:
    """Play until Ctrl-C; in a pipe to the end, or until its reader goes away."""
    if not 0.1 <= arguments.speed <= 3600:
        raise RequestError(
            "out_of_range", f"--speed {arguments.speed:g}: has to be 0.1 to 3600", field="speed"
        )
    if arguments.end_ms is not None and arguments.end_ms < arguments.begin_ms:
        raise RequestError("out_of_range", "--to is before --from", field="to")
    configure_logs(read_settings())
    with suppress(KeyboardInterrupt, BrokenPipeError, _Over):
        uvloop.run(_play(arguments))
    return 0


async def _play(arguments: argparse.Namespace) -> None:
    url, token = access_of(arguments)
    async with LiveClient(url, token, binary=True) as live:
        live.playback(
            arguments.begin_ms,
            until_ms=arguments.end_ms,
            speed=arguments.speed,
            bbox=arguments.bbox,
            zoom=arguments.zoom,
            rate_hz=1.0 / REFRESH_S,
            vehicles=arguments.vehicles,
        )
        await show(live, partial(_heard, stops_at_end=not Console().is_terminal))


def _heard(update: LiveUpdate, *, stops_at_end: bool) -> None:
    """Stop where the hub says that it cannot play this, and in a pipe at the end.

    Raises:
        RequestError: what the hub said.
        _Over: the end.
    """
    if isinstance(update, LiveError) and update.code not in PASSING:
        raise RequestError(update.code, f"{update.code}: {update.reason}", field=update.field)
    if stops_at_end and isinstance(update, PlaybackTime) and update.state == "ended":
        raise _Over
