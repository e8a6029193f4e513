"""A real hub in its own process, with its own embedded PostgreSQL, for tests over real sockets."""

import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from benchmarks.processes import HubProcess, hub

StartHub = Callable[..., contextlib.AbstractAsyncContextManager[HubProcess]]


@pytest.fixture
def start_hub() -> StartHub:
    """A ready hub of given settings, as a context manager to enter with `async with`."""
    return hub


@pytest.fixture
async def running_hub() -> AsyncIterator[HubProcess]:
    """A ready hub with default settings."""
    async with hub() as found:
        yield found
