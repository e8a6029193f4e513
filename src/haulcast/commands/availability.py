"""`haulcast availability`: learn who will be free, and say which model is in force; hubs of the same database take it over within seconds, without a restart.

Models are files in `models_dir`, and the database knows of them; run it where the hub runs, or with its folder.
"""

import argparse
import asyncio
import hashlib
import shlex
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from geo.track_filter import FilterLimits
from haulcast import clock
from haulcast.availability.learning import ROUNDS
from haulcast.availability.model_file import write_model
from haulcast.availability.model_loading import load, models_folder
from haulcast.availability.model_registry import ModelEntry, entry_of, live_and_before
from haulcast.availability.model_registry_postgres import PostgresModelRegistry
from haulcast.availability.recalled import busy_spans, keep_recalled, past_routes, recalled_duty
from haulcast.availability.span_files import read_span_files
from haulcast.availability.span_store import DUTY, KEPT_MS, SpanColumns, StoredSpan
from haulcast.availability.span_store_postgres import PostgresSpanStore
from haulcast.availability.training import Lesson, columns_of, trained
from haulcast.commands import availability_report
from haulcast.commands.playback import time_ms_of
from haulcast.database.pool import Database, open_database
from haulcast.errors import RequestError
from haulcast.history.history_store import DAY_MS
from haulcast.history.open_history import open_history
from haulcast.logs import configure_logs
from haulcast.routes.route_store_postgres import PostgresRouteStore
from haulcast.settings import Settings, read_settings

SHOWN_MIN = ("15", "60", "240")
_COLUMNS = "{:28} {:8} {:17} {:>8} {:>10} {:>10} {:>10}  {}"

Action = Callable[[argparse.Namespace, Settings, Database], Awaitable[int]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    train = _action(actions, "train", "learn a model of a fleet; it is staged until it is promoted", _train)
    _add_span(train, "default 28 days before the last one, or the first session", "default now, or a day before the last session's end")  # fmt: skip
    train.add_argument(
        "--sessions", type=Path, metavar="CSV", help="times on duty of this file instead of the stored ones"
    )
    train.add_argument("--trips", type=Path, metavar="CSV", help="and trips of this one")
    train.add_argument(
        "--every-s", type=_number_from(float, 1), default=0.0, metavar="S",
        help="a moment of each driver in so many seconds; default as many as are good",
    )  # fmt: skip
    train.add_argument(
        "--rounds", type=_number_from(int, 1), default=ROUNDS, metavar="N", help="trees (%(default)s)"
    )
    train.add_argument(
        "--threads", type=_number_from(int, 1), default=1, metavar="N", help="of LightGBM (%(default)s)"
    )
    train.add_argument(
        "--seed", type=int, default=1, metavar="N", help="the same gives the same model (%(default)s)"
    )
    _action(actions, "models", "list the models of a fleet, the newest first", _models)
    promote = _action(actions, "promote", "put a model in force", _promote)
    promote.add_argument("version", metavar="VERSION", help="as `models` lists it")
    _action(actions, "rollback", "put the model in force that was before", _rollback)
    availability_report.add_arguments(
        _action(actions, "report", "write how good predictions were, as a page", availability_report.run)
    )
    recall = _action(
        actions, "recall", "write down who was on duty and busy, out of the history and past routes", _recall
    )
    _add_span(recall, "default 28 days before the last one", "default now")


def _action(actions: Any, name: str, what: str, done: Action) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=what, description=what)
    action.add_argument("--fleet", required=True, help="whose")
    action.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file of settings; HAULCAST_* in the environment win",
    )
    action.set_defaults(action=done)
    return action


def _add_span(action: argparse.ArgumentParser, begin: str, end: str) -> None:
    times = "2026-11-22T08:00Z, another offset, or ms since 1970"
    action.add_argument(
        "--from",
        dest="begin_ms",
        metavar="TIME",
        type=time_ms_of,
        help=f"the first moment: {times}; {begin}",
    )
    action.add_argument(
        "--to", dest="end_ms", metavar="TIME", type=time_ms_of, help=f"the last moment; {end}"
    )


def _number_from(kind: type[int] | type[float], least: int) -> Callable[[str], float]:
    def number(text: str) -> float:
        found = kind(text)
        if not least <= found < 1e9:
            raise argparse.ArgumentTypeError(f"{text} is out of range; allowed is {least} or more")
        return found

    number.__name__ = "number"
    return number


def run(arguments: argparse.Namespace) -> int:
    """Do it; 0 when it is done.

    Raises:
        ClientError: what was asked for cannot be.
        LearningError: there is too little to learn from, or LightGBM is not installed.
        ModelFileError: a model's file is not usable.
        SettingError: a setting is not usable.
        StoreError: a store cannot be reached.
    """
    settings = read_settings(arguments.config)
    configure_logs(settings)
    return asyncio.run(_run(arguments, settings))


async def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    async with open_database(settings) as database:
        action: Action = arguments.action
        return await action(arguments, settings, database)


async def _train(arguments: argparse.Namespace, settings: Settings, database: Database) -> int:
    made_ms = clock.epoch_ms()
    spans, data, (begin_ms, end_ms) = await _spans(arguments, database, made_ms)
    lesson = Lesson(
        begin_ms / 1000, end_ms / 1000, arguments.every_s, arguments.rounds, arguments.seed, arguments.threads
    )
    model, card = await asyncio.to_thread(trained, spans, lesson)
    card = {"fleet": arguments.fleet, "data": data, **card}
    written = await asyncio.to_thread(write_model, models_folder(settings), model, card, made_ms)
    await PostgresModelRegistry(database).add(
        ModelEntry(arguments.fleet, written.version, made_ms, written.file, written.checksum, written.card)
    )
    _print_figures(card)
    print(f"{written.version} is staged; to put it in force:")
    print(f"haulcast availability promote --fleet {shlex.quote(arguments.fleet)} {written.version}")
    return 0


async def _spans(
    arguments: argparse.Namespace, database: Database, now_ms: int
) -> tuple[SpanColumns, dict[str, Any], tuple[int, int]]:
    """What to learn from, where it is from, and from when to when."""
    if (arguments.sessions is None) != (arguments.trips is None):
        raise RequestError("one_file", "--sessions and --trips belong together", field="sessions")
    if arguments.sessions is None:
        begin_ms, end_ms = _span(arguments, now_ms)
        spans = await PostgresSpanStore(database).columns(arguments.fleet, begin_ms, end_ms)
        return spans, {"source": "driver_spans"}, (begin_ms, end_ms)
    files = [arguments.sessions, arguments.trips]
    spans = columns_of(read_span_files(*files))
    sums = [{"name": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()} for file in files]
    # a file lacks the sessions that had not ended when it was cut
    last_ms = int(spans.end_ms[spans.kind == DUTY].max()) - DAY_MS
    begin_ms = int(spans.begin_ms.min()) if arguments.begin_ms is None else arguments.begin_ms
    end_ms = last_ms if arguments.end_ms is None else arguments.end_ms
    return spans, {"source": "files", "files": sums}, _checked(begin_ms, end_ms)


def _span(arguments: argparse.Namespace, now_ms: int) -> tuple[int, int]:
    end_ms = now_ms if arguments.end_ms is None else min(arguments.end_ms, now_ms)
    return _checked(end_ms - KEPT_MS if arguments.begin_ms is None else arguments.begin_ms, end_ms)


def _checked(begin_ms: int, end_ms: int) -> tuple[int, int]:
    if begin_ms >= end_ms:
        raise RequestError("bad_span", "--from is not before --to", field="from")
    return begin_ms, end_ms


def _print_figures(card: dict[str, Any]) -> None:
    span = card["span"]
    print(f"{card['drivers']} drivers, learned from {span['from']} to {span['learned_until']}, judged until {span['judged_until']}")  # fmt: skip
    print(f"{'':8} {'min':>4} {'accuracy':>9} {'brier':>7} {'ece':>7} {'skill':>7}")
    for outcome, by_horizon in card["figures"].items():
        for minutes, found in by_horizon.items():
            if found["n"]:
                skill = found["skill_vs_persistence"]
                print(
                    f"{outcome:8} {minutes:>4} {found['accuracy']:9.3f} {found['brier']:7.3f} {found['ece']:7.3f} "
                    + (f"{skill:7.3f}" if skill is not None else f"{'-':>7}")
                )


async def _models(arguments: argparse.Namespace, _settings: Settings, database: Database) -> int:
    entries = await PostgresModelRegistry(database).entries(arguments.fleet)
    if not entries:
        print(f"fleet {arguments.fleet!r} has no models")
        return 0
    shown = [f"on {minutes} min" for minutes in SHOWN_MIN]
    print(_COLUMNS.format("version", "status", "made", "drivers", *shown, "file"))
    for entry in entries:
        figures = entry.card.get("figures", {}).get("on_duty", {})
        accuracies = [figures.get(minutes, {}).get("accuracy") for minutes in SHOWN_MIN]
        print(
            _COLUMNS.format(
                entry.version, entry.status.value, str(entry.card.get("made", ""))[:16] + "Z", entry.card.get("drivers", "-"),
                *("-" if accuracy is None else f"{accuracy:.3f}" for accuracy in accuracies), entry.file,
            )
        )  # fmt: skip
    return 0


async def _promote(arguments: argparse.Namespace, settings: Settings, database: Database) -> int:
    registry, fleet = PostgresModelRegistry(database), arguments.fleet
    chosen = entry_of(await registry.entries(fleet), fleet, arguments.version)
    await asyncio.to_thread(load, models_folder(settings), chosen)  # or hubs would have to refuse it
    before = await registry.promote(fleet, chosen.version, clock.epoch_ms())
    if before is not None and before.version == chosen.version:
        print(f"{chosen.version} is live already")
    else:
        print(f"{chosen.version} is live" + (f" in the place of {before.version}" if before else ""))
    return 0


async def _rollback(arguments: argparse.Namespace, settings: Settings, database: Database) -> int:
    registry, fleet = PostgresModelRegistry(database), arguments.fleet
    _, before = live_and_before(await registry.entries(fleet), fleet)
    await asyncio.to_thread(load, models_folder(settings), before)
    retired, again = await registry.rollback(fleet)
    print(f"{again.version} is live again in the place of {retired.version}")
    return 0


async def _recall(arguments: argparse.Namespace, settings: Settings, database: Database) -> int:
    now_ms, fleet = clock.epoch_ms(), arguments.fleet
    begin_ms, end_ms = _span(arguments, now_ms)
    limits = FilterLimits(*(getattr(settings, name) for name in FilterLimits._fields))
    async with open_history(settings, database, lambda _row: ("", "")) as history:  # nothing is written
        if history is None:
            raise RequestError("no_history", "setting history is off, so there is nothing to recall")
        gap_ms = round(settings.duty_gap_s * 1000)
        duty = await recalled_duty(history, fleet, begin_ms, end_ms, now_ms, gap_ms, limits)
    store = PostgresSpanStore(database)
    shifts = [*duty, *(span for span in await store.read(fleet, begin_ms, end_ms) if span.kind == DUTY)]
    busy: list[StoredSpan] = []
    async with aclosing(past_routes(PostgresRouteStore(database), fleet)) as portions:
        async for routes in portions:
            busy += busy_spans(routes, shifts, begin_ms, end_ms)
    busy = list({span[:3]: span for span in busy}.values())  # of a shift that was recalled and is stored too
    _print_recalled(fleet, duty, busy, await keep_recalled(store, fleet, duty + busy))
    return 0


def _print_recalled(fleet: str, duty: Sequence[StoredSpan], busy: Sequence[StoredSpan], new: int) -> None:
    vehicles = len({span.vehicle for span in (*duty, *busy)})
    print(
        f"{fleet}: {len(duty)} times on duty and {len(busy)} busy of {vehicles} vehicles, {new} of them new"
    )
