"""The HTTP ports: listened on before anything slow starts, served by uvicorn when all is there."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from haulcast.doors.crowd import Crowd
from haulcast.doors.uvicorn_protocols import uvicorn_options
from haulcast.errors import SettingError
from haulcast.settings import Settings

BACKLOG = 2048


@contextlib.contextmanager
def address(setting: str, host: str, port: int) -> Iterator[None]:
    """Says which setting is wrong when an address cannot be listened on.

    Raises:
        SettingError: it cannot.
    """
    try:
        yield
    except OSError as error:
        reason = (
            f"setting {setting} is {port}, but {host}:{port} cannot be listened on: {error.strerror or error}"
        )
        raise SettingError("bad_setting", reason, field=setting) from error


@contextlib.contextmanager
def listening(setting: str, host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket, taken before anything slow starts, so that a taken port is said at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with address(setting, host, port):
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    with listening:
        yield listening


@contextlib.asynccontextmanager
async def serving(
    application: ASGIApp, listening: list[socket.socket], settings: Settings, crowd: Crowd
) -> AsyncIterator[None]:
    """Serve an application on these sockets for the time of the block."""
    config = uvicorn.Config(
        application,
        lifespan="off",
        backlog=BACKLOG,
        timeout_graceful_shutdown=int(settings.stop_timeout_s / 3),
        **uvicorn_options(settings, crowd),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=listening))
    try:
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: `haulcast serve` decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
