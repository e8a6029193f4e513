"""`haulcast availability` from end to end: what is learned is staged, put in force, taken over by a hub's shelf, and taken back."""

import asyncio
import logging
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import structlog
from fleet_drives import fixes
from small_models import BEGIN_MS, DAY_MS, DAYS, habits, write_span_files

from haulcast import __main__ as program
from haulcast import clock
from haulcast.availability.model_loading import ModelShelf
from haulcast.availability.model_registry_postgres import PostgresModelRegistry
from haulcast.availability.span_store_postgres import PostgresSpanStore
from haulcast.commands import availability
from haulcast.database.pool import open_database
from haulcast.history.history_store_postgres import PostgresHistoryStore
from haulcast.settings import Settings

FEW = ("--every-s", "3600", "--rounds", "5")
SPAN = ("--from", str(BEGIN_MS), "--to", str(BEGIN_MS + DAYS * DAY_MS))


@pytest.fixture
def haulcast(database_url, tmp_path, monkeypatch, capfd):
    """Runs the command in this process: its status, what it printed, and what it said of errors."""
    monkeypatch.setenv("HAULCAST_DATABASE_URL", database_url)
    monkeypatch.setenv("HAULCAST_MODELS_DIR", str(tmp_path / "models"))
    # loggers that are used once under the command's own configuration keep it for all later tests
    monkeypatch.setattr(availability, "configure_logs", lambda _settings: None)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))

    def run(*words):
        capfd.readouterr()
        status = program.main(["availability", *words])
        return SimpleNamespace(status=status, **dict(zip(("out", "err"), capfd.readouterr(), strict=True)))

    yield run
    structlog.configure(**before)


@pytest.fixture
def train(haulcast, tmp_path):
    """Learns from files of a fleet's habits; the version."""
    pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    sessions, trips = write_span_files(tmp_path, habits())

    def run(*words, fleet="acme"):
        found = haulcast(
            "train", "--fleet", fleet, *SPAN, "--sessions", str(sessions), "--trips", str(trips), *FEW, *words
        )
        assert (found.status, found.err) == (0, "")
        return re.search(r"^(\S+) is staged", found.out, re.MULTILINE)[1], found.out

    return run


def with_database(url, work):
    async def opened():
        async with open_database(Settings(database_url=url)) as database:
            return await work(database)

    return asyncio.run(opened())


def shelved(url, folder, fleet="acme"):
    """The version that a hub would take over now."""

    async def look(database):
        shelf = ModelShelf(PostgresModelRegistry(database), folder)
        await shelf.look()
        loaded = shelf.current(fleet)
        return loaded and loaded.version

    return with_database(url, look)


def test_a_model_is_learned_put_in_force_and_taken_back(haulcast, train, database_url, tmp_path):
    """Each command does what it says and says what it did; another fleet has nothing of it."""
    folder = tmp_path / "models"
    first, told = train("--seed", "1")
    assert re.search(
        r"30 drivers, learned from 2024-10-04T00:00:00Z to 2024-10-12T12:00:00Z, judged until 2024-10-14",
        told,
    )
    assert re.search(r"on_duty +240 +0\.\d{3} +0\.\d{3} +0\.\d{3} +-?\d\.\d{3}", told)
    assert f"haulcast availability promote --fleet acme {first}" in told
    second, _ = train("--seed", "2")
    assert {path.name for path in folder.iterdir()} == {
        f"{v}.{kind}" for v in (first, second) for kind in ("npz", "json")
    }
    assert shelved(database_url, folder) is None
    listed = haulcast("models", "--fleet", "acme").out.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [[second, "staged"], [first, "staged"]]
    assert re.search(r"2\d\d\d-\d\d-\d\dT\d\d:\d\dZ +30 +0\.\d+ +0\.\d+ +0\.\d+ +\S+\.npz$", listed[1])

    assert haulcast("promote", "--fleet", "acme", first).out == f"{first} is live\n"
    assert shelved(database_url, folder) == first
    assert haulcast("promote", "--fleet", "acme", second).out == f"{second} is live in the place of {first}\n"
    assert haulcast("promote", "--fleet", "acme", second).out == f"{second} is live already\n"
    assert shelved(database_url, folder) == second
    again = haulcast("rollback", "--fleet", "acme")
    assert (again.status, again.out) == (0, f"{first} is live again in the place of {second}\n")
    assert shelved(database_url, folder) == first
    last = haulcast("rollback", "--fleet", "acme")
    assert (last.status, last.err) == (
        1,
        f"haulcast availability: no model of fleet 'acme' was live before {first}; promote another\n",
    )
    assert haulcast("models", "--fleet", "other").out == "fleet 'other' has no models\n"
    assert haulcast("rollback", "--fleet", "other").err.endswith(
        "fleet 'other' has no live model to roll back\n"
    )


def test_what_cannot_be_put_in_force_is_said_and_stays_out(haulcast, train, database_url, tmp_path):
    """An unknown version, a file that is cut short, one that is gone; the model in force stays, also on the way back."""
    folder = tmp_path / "models"
    first, _ = train("--seed", "1")
    second, _ = train("--seed", "2")
    unknown = haulcast("promote", "--fleet", "acme", "v9")
    assert (unknown.status, unknown.out) == (1, "")
    assert f"fleet 'acme' has no model 'v9'; it has {second}, {first}" in unknown.err
    haulcast("promote", "--fleet", "acme", first)
    path = folder / f"{second}.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    cut = haulcast("promote", "--fleet", "acme", second)
    assert (cut.status, "was changed or cut short" in cut.err) == (1, True)
    path.unlink()
    assert "is not there" in haulcast("promote", "--fleet", "acme", second).err
    path.write_bytes(whole)
    haulcast("promote", "--fleet", "acme", second)
    (folder / f"{first}.npz").unlink()
    back = haulcast("rollback", "--fleet", "acme")
    assert (back.status, "is not there" in back.err) == (1, True)
    assert shelved(database_url, folder) == second


def test_a_model_is_learned_from_stored_spans(haulcast, database_url):
    """Those of the last four weeks unless it is said; with too few it says so, and nothing is staged."""
    pytest.importorskip("lightgbm", reason="learning needs LightGBM")
    empty = haulcast("train", "--fleet", "acme")
    assert (empty.status, "nobody was on duty from" in empty.err) == (1, True)
    assert haulcast("models", "--fleet", "acme").out == "fleet 'acme' has no models\n"
    now_ms = clock.epoch_ms()
    spans = [span for span in habits(days=12, begin_ms=now_ms - 12 * DAY_MS) if span.begin_ms < now_ms]
    with_database(database_url, lambda database: PostgresSpanStore(database).put("acme", spans))
    found = haulcast("train", "--fleet", "acme", "--from", str(now_ms - 11 * DAY_MS), *FEW)
    assert (found.status, found.out.startswith("30 drivers")) == (0, True)
    short = haulcast("train", "--fleet", "acme", "--from", str(now_ms - DAY_MS), *FEW)
    assert (short.status, "1.0 days to learn from; more than 3 are needed" in short.err) == (1, True)


def test_a_wrong_call_says_what_is_allowed(haulcast, capfd, tmp_path):
    """Status 1 for what cannot be, 2 for what is no call."""
    alone = haulcast("train", "--fleet", "acme", "--sessions", str(tmp_path / "x.csv"))
    assert (alone.status, "--sessions and --trips belong together" in alone.err) == (1, True)
    absent = haulcast("train", "--fleet", "acme", "--sessions", "no.csv", "--trips", "no.csv")
    assert (absent.status, "no.csv cannot be read: No such file" in absent.err) == (1, True)
    assert (
        "--from is not before --to" in haulcast("recall", "--fleet", "acme", "--from", "20", "--to", "10").err
    )
    for words in (
        ("promote", "--fleet", "acme"), ("models",), ("train", "--fleet", "acme", "--rounds", "0"),
        ("train", "--fleet", "acme", "--every-s", "x"), ("train", "--fleet", "acme", "--from", "noon"), ("fly",),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            haulcast(*words)
        assert ended.value.code == 2


def test_a_machine_without_lightgbm_is_told_where_to_get_it(haulcast, tmp_path, monkeypatch):
    """And can do all the rest."""
    sessions, trips = write_span_files(tmp_path, habits())
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    found = haulcast(
        "train", "--fleet", "acme", *SPAN, "--sessions", str(sessions), "--trips", str(trips), *FEW
    )
    assert (found.status, "pip install haulcast[availability]" in found.err) == (1, True)
    assert haulcast("models", "--fleet", "acme").status == 0


def test_duty_is_recalled_from_the_history(haulcast, database_url, monkeypatch):
    """As many spans as there were shifts; once more nothing is new; with the history off it says so."""
    now_ms = clock.epoch_ms()
    begin_ms = now_ms - 2 * DAY_MS

    async def write(database):
        history = PostgresHistoryStore(database, lambda row: ("acme", f"v{row}"))
        for shift_ms in (begin_ms, begin_ms + 6 * 3_600_000):
            await history.write(fixes(shift_ms, 60, vehicles=3))

    with_database(database_url, write)
    found = haulcast("recall", "--fleet", "acme")
    assert (found.status, found.out) == (0, "acme: 6 times on duty and 0 busy of 3 vehicles, 6 of them new\n")
    assert haulcast("recall", "--fleet", "acme").out.endswith("3 vehicles, 0 of them new\n")
    assert (
        haulcast("recall", "--fleet", "nobody").out
        == "nobody: 0 times on duty and 0 busy of 0 vehicles, 0 of them new\n"
    )
    spans = with_database(
        database_url, lambda database: PostgresSpanStore(database).read("acme", begin_ms - 1, now_ms)
    )
    assert {span.vehicle for span in spans} == {"v0", "v1", "v2"}
    assert np.unique([span.end_ms - span.begin_ms for span in spans]).tolist() == [(59.5 + 15) * 60_000]
    monkeypatch.setenv("HAULCAST_HISTORY", "off")
    assert "setting history is off" in haulcast("recall", "--fleet", "acme").err


def test_the_program_itself_answers(database_url, tmp_path):
    """As a shell sees it: a status, words on standard error, and no traceback."""
    environ = {**os.environ, "HAULCAST_DATABASE_URL": database_url, "HAULCAST_MODELS_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "haulcast", "availability", "promote", "--fleet", "acme", "v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environ, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "fleet 'acme' has no model 'v1'; it has none" in done.stderr
    assert "Traceback" not in done.stderr
