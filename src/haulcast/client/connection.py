"""Keeping one connection up: connect, talk, wait, again, until it is pointless or the task is cancelled.

| what happened | then |
|---|---|
| no network, no hub, HTTP 429 or 5xx, a broken handshake | come back |
| HTTP 401 / 403 / 404, other statuses | stop with TokenError / ForbiddenError / NotFoundError / RequestError |
| close code 4500-4999 | stop with ConflictError (4500), ForbiddenError (4503) or FrameError |
| any other close code | come back; the token is asked for anew |
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus
from websockets.typing import Subprotocol

from haulcast.client.backoff import Backoff
from haulcast.doors.close_codes import CloseCode, may_come_back
from haulcast.errors import (
    ClientError,
    ConflictError,
    ForbiddenError,
    FrameError,
    NotFoundError,
    RequestError,
    TokenError,
)

_STATUS_ERRORS: dict[int, tuple[type[ClientError], str]] = {
    401: (TokenError, "the hub refused the token: it is wrong or has expired"),
    403: (ForbiddenError, "the token's role may not use this socket"),
    404: (NotFoundError, "there is no such socket at this address"),
}
_CLOSE_ERRORS: dict[int, tuple[type[ClientError], str]] = {
    CloseCode.REPLACED: (ConflictError, "a newer connection of this vehicle took over"),
    CloseCode.FORBIDDEN: (ForbiddenError, "the token's role may not use this socket"),
}


@dataclass(frozen=True, slots=True)
class Dialling:
    """Where and how to connect.

    Args:
        url: the hub, such as `ws://localhost:8001`; the path is added.
        path: `/v1/device` or `/v1/live`.
        token: the JWT, or what makes a fresh one for each attempt.
        subprotocol: what the hub is asked to speak.
        gate: limits how many clients shake hands at once; a fleet shares one.
        open_timeout_s: a handshake that takes longer has failed.
        ping_interval_s: how often the other end is asked for a sign of life; as long again is waited for it.
    """

    url: str
    path: str
    token: str | Callable[[], str]
    subprotocol: str
    gate: asyncio.Semaphore | None = None
    open_timeout_s: float = 10.0
    ping_interval_s: float = 20.0

    @property
    def address(self) -> str:
        """The whole URL; the token is in a header, never in here."""
        base = self.url.rstrip("/")
        return base if base.endswith(self.path) else base + self.path

    async def connect(self) -> ClientConnection:
        """One attempt; raises what `websockets` raises."""
        token = self.token if isinstance(self.token, str) else self.token()
        gate: AbstractAsyncContextManager[None] = nullcontext() if self.gate is None else self.gate
        async with gate:
            return await connect(
                self.address,
                additional_headers={"Authorization": f"Bearer {token}"},
                subprotocols=[Subprotocol(self.subprotocol)],
                compression=None,  # small frames at high rates: the processor is dearer than the bytes
                max_size=None,  # a snapshot of a large fleet is one message
                open_timeout=self.open_timeout_s,
                ping_interval=self.ping_interval_s,
                ping_timeout=self.ping_interval_s,
                close_timeout=2.0,
            )


class Talk(ABC):
    """What is said over a connection; `answered` tells that the other end did its part."""

    answered = False

    @abstractmethod
    async def converse(self, socket: ClientConnection) -> None:
        """Send and receive until the connection closes, which raises ConnectionClosed."""

    @abstractmethod
    async def lost(self, code: int | None, reason: str) -> None:
        """The connection is gone (with the peer's close code) or the attempt failed (None)."""


async def stay_connected(
    dialling: Dialling,
    talk: Talk,
    backoff: Backoff,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Run `talk` over one connection after the other; ends by cancellation or by an error.

    Raises:
        ClientError: coming back cannot help; the type says why.
    """
    while True:
        talk.answered = False
        code: int | None = None
        try:
            socket = await dialling.connect()
            try:
                await talk.converse(socket)
                reason = "closed"
            finally:
                await (
                    socket.close()
                )  # 1000, also when this task is cancelled; nothing happens on a closed one
        except InvalidStatus as error:
            status = error.response.status_code
            _stop_on_status(status, dialling)
            reason = f"HTTP {status}"
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else None
            reason = (error.rcvd.reason if error.rcvd else "") or str(error)
            _stop_on_close(code, reason)
        except (OSError, TimeoutError, InvalidMessage, InvalidHandshake) as error:
            reason = str(error) or type(error).__name__
        if talk.answered and code != CloseCode.OVERLOADED:
            backoff.reset()
        await talk.lost(code, reason)
        await sleep(backoff.next_s())


async def until_one_ends(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until the first ends, cancel the others, raise what the first raised."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


def _stop_on_status(status: int, dialling: Dialling) -> None:
    if status == 429 or status >= 500:
        return
    kind, reason = _STATUS_ERRORS.get(status, (RequestError, "the handshake was refused"))
    raise kind("handshake_refused", f"{dialling.address} answered HTTP {status}: {reason}")


def _stop_on_close(code: int | None, said: str) -> None:
    if code is None or may_come_back(code):
        return
    kind, reason = _CLOSE_ERRORS.get(code, (FrameError, "the hub closed the connection for good"))
    raise kind("closed_for_good", f"close code {code}: {reason}" + (f" ({said})" if said else ""))
