"""`haulcast availability report`: how good predictions were, as a page of tables and reliability plots."""

import argparse
import asyncio
from pathlib import Path

from haulcast import clock
from haulcast.availability.outcome_store import KEPT_MS
from haulcast.availability.outcome_store_postgres import PostgresOutcomeStore
from haulcast.availability.quality_report import Gathering, page
from haulcast.commands.playback import time_ms_of
from haulcast.database.pool import Database
from haulcast.errors import RequestError
from haulcast.settings import Settings

PORTION = 20_000


def add_arguments(action: argparse.ArgumentParser) -> None:
    """The arguments besides `--fleet` and `--config`."""
    action.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="the page; a file that is there is replaced"
    )
    times = "2026-11-22T08:00Z, another offset, or ms since 1970"
    action.add_argument(
        "--from", dest="begin_ms", metavar="TIME", type=time_ms_of, help=f"the first moment foretold: {times}; default 28 days before the last one",
    )  # fmt: skip
    action.add_argument(
        "--to", dest="end_ms", metavar="TIME", type=time_ms_of, help="the last one; default now"
    )


async def run(arguments: argparse.Namespace, _settings: Settings, database: Database) -> int:
    """Write the page; 1 when nothing is known of the span.

    Raises:
        RequestError: the span is none, or the file cannot be written.
        StoreError: the database cannot be reached.
    """
    end_ms = clock.epoch_ms() if arguments.end_ms is None else arguments.end_ms
    begin_ms = end_ms - KEPT_MS if arguments.begin_ms is None else arguments.begin_ms
    if begin_ms >= end_ms:
        raise RequestError("bad_span", "--from is not before --to", field="from")
    text = await _written(database, arguments.fleet, begin_ms, end_ms)
    if text is None:
        print(f"{arguments.fleet}: nothing is known of what predictions in this span turned out to be")
        return 1
    try:
        await asyncio.to_thread(arguments.out.write_text, text, encoding="utf-8")
    except OSError as error:
        reason = f"--out {arguments.out} cannot be written: {error.strerror}"
        raise RequestError("bad_file", reason, field="out") from error
    print(f"{arguments.fleet}: {arguments.out}")
    return 0


async def _written(database: Database, fleet: str, begin_ms: int, end_ms: int) -> str | None:
    """The page; None: there are no outcomes."""
    store, gathering, from_ms = PostgresOutcomeStore(database), Gathering(), begin_ms
    while found := await store.read(fleet, from_ms, end_ms, PORTION):
        gathering.add(found)
        from_ms = found[-1].sample.due_ms + 1
    alerts = [alert for _, alert in await store.alerts(fleet, begin_ms) if alert.begin_ms < end_ms]
    reported = gathering.reported()
    return page(fleet, begin_ms, end_ms, reported, alerts) if len(reported.outcomes) else None
