"""The peer: a picows server that only receives (any path), acks (/v1/device), and sends bytes made before (/v1/live).

Commands on standard input, one JSON object a line: {"do":"listen"}, {"do":"count"},
{"do":"broadcast","bytes":N,"every_ms":M} (to every socket on /v1/live), {"do":"quiet"}.
"""

import asyncio
import json
import sys
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

subscribers: set[WSTransport] = set()
counts = {"received": 0, "sent": 0}


ACK = b'{"type":"ack","seq":1000}'


class Receiver(WSListener):
    """Counts frames, nothing else."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002, D102
        counts["received"] += 1


class Acker(WSListener):
    """Answers every frame with an ack."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:  # noqa: ARG002, D102
        counts["received"] += 1
        counts["sent"] += 1
        transport.send(WSMsgType.TEXT, ACK)


class Subscriber(WSListener):
    """Is sent to."""

    def on_ws_connected(self, transport: WSTransport) -> None:  # noqa: D102
        subscribers.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: D102
        subscribers.discard(transport)


def _listener(request: WSUpgradeRequest) -> WSListener:
    if request.path.startswith(b"/v1/live"):
        return Subscriber()
    return Acker() if request.path.startswith(b"/v1/device") else Receiver()


async def _broadcast(size: int, every_ms: float) -> None:
    payload = bytes(size)
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        for transport in subscribers:
            transport.send(WSMsgType.BINARY, payload)
        counts["sent"] += len(subscribers)
        due_s += every_ms / 1000
        await asyncio.sleep(max(0.0, due_s - loop.time()))


async def _main() -> None:
    server = await ws_create_server(_listener, "127.0.0.1", 0, read_buffer_init_size=1024, backlog=4096)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    sending: asyncio.Task[None] | None = None
    while line := await reader.readline():
        command: dict[str, Any] = json.loads(line)
        if command["do"] == "broadcast":
            sending = asyncio.create_task(_broadcast(command["bytes"], command["every_ms"]))
        elif command["do"] == "quiet" and sending is not None:
            sending.cancel()
        print(json.dumps({"port": server.sockets[0].getsockname()[1], **counts}), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
