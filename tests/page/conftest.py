"""One hub and one browser for all tests of the page; each test has a fleet of its own."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from page_fleet import Fleet
from page_window import Browsing, browsing

from benchmarks.processes import HubProcess, hub

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def page_hub() -> AsyncIterator[HubProcess]:
    """A ready hub whose tokens end when they say."""
    async with hub(token_leeway_s=0) as found:
        yield found


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browsing]:
    """The installed Chromium."""
    async with browsing() as found:
        yield found


@pytest.fixture
def fleet(page_hub: HubProcess) -> Iterator[Fleet]:
    """An empty fleet."""
    return Fleet(page_hub, f"fleet-{next(_numbers)}")
