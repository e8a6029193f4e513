"""Each test of a shell runs against all of them."""

from collections.abc import AsyncIterator

import pytest
from socket_shells import FRAME_BYTES, SHELLS, Shell, running

from haulcast.settings import Settings


@pytest.fixture(params=SHELLS)
def shell_name(request: pytest.FixtureRequest) -> str:
    """For tests that start a shell with settings of their own."""
    return request.param


@pytest.fixture
async def shell(shell_name: str) -> AsyncIterator[Shell]:
    """A running shell, which at the end must have closed every session once."""
    async with running(shell_name, Settings(frame_bytes=FRAME_BYTES)) as shell:
        yield shell
