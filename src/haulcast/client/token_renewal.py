"""A newer token on an open connection, in time before the one that opened it expires."""

import asyncio
import base64
import binascii
from collections.abc import Callable
from typing import Final

import orjson
from websockets.asyncio.client import ClientConnection

from haulcast.clock import epoch_ms

RENEW_AFTER: Final = 0.8
"""So much of what is left of a token passes before the next one is asked for."""

LEAST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 86_400.0


def expires_ms_of(token: str) -> int | None:
    """When a JWT expires, epoch milliseconds; None: it does not say so, or is none. Nothing is verified."""
    try:
        body = token.split(".")[1]
        said = orjson.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return int(said["exp"] * 1000)
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error, OverflowError):
        return None


async def keep_token_fresh(socket: ClientConnection, token: str | Callable[[], str]) -> None:
    """Send a newer token whenever most of the last one's time is over; ends by cancellation.

    A token that never changes cannot be renewed; the hub then closes with 4401 when it expires.
    """
    current = _token_of(socket)
    expires_ms = expires_ms_of(current)
    if isinstance(token, str) or expires_ms is None:
        await asyncio.get_running_loop().create_future()  # for ever
        return
    while True:
        left_s = max(0.0, (expires_ms - epoch_ms()) / 1000)
        await asyncio.sleep(min(LONGEST_WAIT_S, max(LEAST_WAIT_S, RENEW_AFTER * left_s)))
        newer = token()
        if newer != current:
            current, expires_ms = newer, expires_ms_of(newer) or expires_ms
            await socket.send(orjson.dumps({"type": "token", "token": newer}).decode())


def _token_of(socket: ClientConnection) -> str:
    headers = socket.request.headers if socket.request is not None else {}
    return headers.get("Authorization", "").removeprefix("Bearer ")
