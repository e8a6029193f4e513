"""Travel times of a real hub: learned from its history by the command, and in force after the next start."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from fleet_drives import NOON_MS, fixes

from benchmarks.processes import token
from haulcast.database.pool import open_database
from haulcast.history.history_store_postgres import PostgresHistoryStore
from haulcast.settings import Settings
from haulcast.travel.travel_store_postgres import PostgresTravelStore
from haulcast.travel.travel_tables import read_table


def learn(url, *words):
    environ = {**os.environ, "HAULCAST_DATABASE_URL": url}
    command = [sys.executable, "-m", "haulcast", "travel", "learn", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environ, check=False)


def status(port):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/status")
    request.add_header("Authorization", f"Bearer {token('viewer')}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def url(embedded_server_url, new_database_url):
    return new_database_url(embedded_server_url)


async def test_the_command_teaches_the_hubs_of_its_database(url, start_hub):
    """What it learns is stored and in force at once after a start; a fleet without a history is said so, and others still learned."""
    async with open_database(Settings(database_url=url)) as database:
        await PostgresHistoryStore(database, lambda row: ("acme", f"v{row}")).write(
            fixes(NOON_MS, 60, mps=12.0)
        )
        span = ("--from", str(NOON_MS), "--to", str(NOON_MS + 3_600_000))
        done = await asyncio.to_thread(learn, url, "--fleet", "nobody", "--fleet", "acme", *span)
        assert done.returncode == 1, done.stderr
        assert "nobody: too few legs" in done.stdout
        assert "acme: " in done.stdout
        stored = await PostgresTravelStore(database).find("acme")
        assert np.median(read_table(stored.table).speed_mps[0]) == pytest.approx(12, rel=0.05)
        assert await PostgresTravelStore(database).find("nobody") is None
    wrong = await asyncio.to_thread(learn, url, "--fleet", "acme", "--from", "20", "--to", "10")
    assert (wrong.returncode, "not before" in wrong.stderr) == (1, True)
    async with start_hub(database_url=url) as found:
        assert (await asyncio.to_thread(status, found.http_port))["travel"]["fleets"] == 1
