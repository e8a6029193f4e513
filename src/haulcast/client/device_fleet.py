"""Many device clients under one roof: shared handshake gate, summed counts, one place to wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from types import TracebackType
from typing import Any, Self

from haulcast.client.device_client import DeviceClient
from haulcast.client.unacked_fixes import DeviceCounts
from haulcast.errors import ClientError

HANDSHAKES_AT_ONCE = 50
"""More only queue up in the hub's accept backlog and time out there."""


class DeviceFleet:
    """One `DeviceClient` a vehicle, in the order of `vehicles`; use in `async with`.

    Args:
        url: the hub.
        vehicles: names.
        token_of: makes the token of a vehicle.
        seed: of the jitters.
        binary: as of each `DeviceClient`.
        options: passed on to each `DeviceClient`.
    """

    def __init__(
        self,
        url: str,
        vehicles: Sequence[str],
        token_of: Callable[[str], str],
        *,
        seed: int = 0,
        binary: bool = False,
        **options: Any,
    ) -> None:
        gate = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
        self.vehicles = list(vehicles)
        self.is_binary = binary
        self.clients = [
            DeviceClient(
                url,
                partial(token_of, vehicle),
                random=Random(f"{seed} {vehicle}"),  # noqa: S311 - jitter, not secrets
                gate=gate,
                binary=binary,
                **options,
            )
            for vehicle in vehicles
        ]

    async def __aenter__(self) -> Self:
        for client in self.clients:
            await client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(client.__aexit__(kind, error, trace) for client in self.clients))

    @property
    def counts(self) -> DeviceCounts:
        """The sum over all clients."""
        return sum((client.counts for client in self.clients), DeviceCounts())

    @property
    def unacked(self) -> int:
        """Fixes of all clients that are not settled yet."""
        return sum(client.unacked for client in self.clients)

    @property
    def connected(self) -> int:
        """How many clients are connected now."""
        return sum(client.is_connected for client in self.clients)

    async def drained(self) -> list[ClientError]:
        """Wait until each client's fixes are settled or it was refused for good; returns the refusals."""
        waits: list[Awaitable[None]] = [client.drained() for client in self.clients]
        results = await asyncio.gather(*waits, return_exceptions=True)
        refusals: list[ClientError] = []
        for result in results:
            if isinstance(result, ClientError):
                refusals.append(result)
            elif isinstance(result, BaseException):
                raise result
        return refusals
