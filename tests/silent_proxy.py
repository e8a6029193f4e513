"""A TCP proxy in front of a server, whose connections can go dead without anybody being told: no FIN, no RST."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Connection:
    """Two streams, each of which may be swallowed from some moment on, for good: what is lost cannot come later."""

    def __init__(self) -> None:
        self.is_dead = {"up": False, "down": False}

    async def pump(
        self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, proxy: "SilentProxy"
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if self.is_dead[direction] or proxy.swallows:
                    proxy.swallowed += len(data)
                    self.is_dead[direction] = True
                else:
                    writer.write(data)
                    await writer.drain()
        if not any(self.is_dead.values()):
            writer.close()


class SilentProxy:
    """Listens on `port` and forwards to another port of this machine.

    Attributes:
        swallows: what comes now, on new connections too, is lost.
        swallowed: bytes lost so far.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.swallows = False
        self.swallowed = 0
        self._target = target
        self._connections: list[_Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def deaden(self, *directions: str) -> None:
        """What is sent on today's connections in these directions ("up", "down") is lost from now on."""
        for connection in self._connections:
            connection.is_dead.update(dict.fromkeys(directions, True))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        connection = _Connection()
        self._connections.append(connection)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            await asyncio.gather(
                connection.pump("up", reader, server_writer, self),
                connection.pump("down", server_reader, writer, self),
            )
        finally:
            writer.close()
            server_writer.close()
            self._tasks.discard(task)


@asynccontextmanager
async def silent_proxy(target: int, port: int = 0) -> AsyncIterator[SilentProxy]:
    """For the time of the block."""
    proxy = SilentProxy(target)
    server = await asyncio.start_server(proxy._serve, "127.0.0.1", port)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for task in list(proxy._tasks):
            task.cancel()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)
