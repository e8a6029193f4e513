"""One of several devices that share a vehicle's token, as after somebody has cloned one."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from haulcast.client import DeviceClient
from haulcast.commands.hub_access import HubAccess
from haulcast.errors import ClientError, ConflictError


class ClonedDevice:
    """Comes back at its next fix whenever another device with its token has taken over, as cheap trackers do.

    The hub keeps one connection a vehicle and closes the older one for good (4500), so each fix of such a device may need a connection of
    its own, and what the older one had under way is lost. A new client's sequences begin with the clock and so are above those of all before.

    Args:
        url: the hub.
        vehicle: whom it reports for.
        access: makes its tokens.
        binary: as of a `DeviceClient`.
    """

    def __init__(self, url: str, vehicle: str, access: HubAccess, *, binary: bool) -> None:
        self._url, self._vehicle, self._access, self._binary = url, vehicle, access, binary
        self._client: DeviceClient | None = None
        self._entering: asyncio.Task[DeviceClient] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is None:
            return
        with suppress(ClientError):
            self._client.raise_if_stopped()
            await self._client.close()

    def send(self, **fix: Any) -> None:
        """Report a fix, as `DeviceClient.send` does.

        Raises:
            ClientError: the hub has refused this device, and not for another one's sake.
        """
        if self._client is not None:
            with suppress(ConflictError):
                self._client.send(**fix)
                return
        self._client = DeviceClient(
            self._url, lambda: self._access.device_token(self._vehicle), binary=self._binary
        )
        self._entering = asyncio.create_task(self._client.__aenter__())
        self._client.send(**fix)
