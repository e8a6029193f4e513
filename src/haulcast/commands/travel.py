"""`haulcast travel learn`: the travel times of fleets out of a span of the history, for hubs of the same database to take over."""

import argparse
import asyncio
from pathlib import Path

from haulcast import clock
from haulcast.commands.playback import time_ms_of
from haulcast.database.pool import open_database
from haulcast.errors import RequestError
from haulcast.history.history_store import DAY_MS
from haulcast.history.open_history import open_history
from haulcast.logs import configure_logs
from haulcast.settings import Settings, read_settings
from haulcast.travel.teaching import learn_and_keep
from haulcast.travel.travel_store_postgres import PostgresTravelStore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    action = parser.add_subparsers(required=True, metavar="ACTION").add_parser(
        "learn",
        help="learn travel times from the history; running hubs take them over within ten minutes",
        description=__doc__,
    )
    action.add_argument(
        "--fleet", action="append", required=True, dest="fleets", help="whose; may be given again"
    )
    times = "2026-11-22T08:00Z, another offset, or ms since 1970"
    action.add_argument(
        "--from",
        dest="begin_ms",
        metavar="TIME",
        type=time_ms_of,
        help=f"the first moment: {times}; default travel_days before the last one",
    )
    action.add_argument(
        "--to", dest="end_ms", metavar="TIME", type=time_ms_of, help="the last one; default now"
    )
    action.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file of settings; HAULCAST_* in the environment win",
    )


def run(arguments: argparse.Namespace) -> int:
    """Learn; 0 when each fleet had enough to learn from.

    Raises:
        RequestError: the span is none, or there is no history.
        SettingError: a setting is not usable.
        StoreError: a store cannot be reached.
    """
    settings = read_settings(arguments.config)
    configure_logs(settings)
    end_ms = clock.epoch_ms() if arguments.end_ms is None else arguments.end_ms
    days = settings.travel_days or Settings().travel_days
    begin_ms = end_ms - days * DAY_MS if arguments.begin_ms is None else arguments.begin_ms
    if begin_ms >= end_ms:
        raise RequestError("bad_span", "--from is not before --to", field="from")
    return asyncio.run(_learn(settings, arguments.fleets, begin_ms, end_ms))


async def _learn(settings: Settings, fleets: list[str], begin_ms: int, end_ms: int) -> int:
    async with (
        open_database(settings) as database,
        open_history(settings, database, lambda _row: ("", "")) as history,  # nothing is written
    ):
        if history is None:
            raise RequestError("no_history", "setting history is off, so there is nothing to learn from")
        store, failed = PostgresTravelStore(database), 0
        for fleet in fleets:
            learned = await learn_and_keep(history, store, fleet, begin_ms, end_ms, clock.epoch_ms())
            failed += learned is None
            print(f"{fleet}: " + (f"{learned.legs} legs" if learned else "too few legs to learn from"))
    return 1 if failed else 0
