"""Fixtures of every test; each other fixture module stands in `pytest_plugins`."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

pytest_plugins = ["influx_fixture", "postgres_fixture", "pytester", "require_all", "waiting", "wire_schema"]

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """No setting from outside reaches a hub that a test starts."""
    for name in [name for name in os.environ if name.startswith("HAULCAST_")]:
        del os.environ[name]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tests run on the loop that the hub runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tracks and zones beside the clone; skips where there is none."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data is not here: {SHARED_DATA}")
    return SHARED_DATA
