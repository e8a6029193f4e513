"""Connections to receivers, to addresses that were checked and to no others.

The name is looked up here and the address checked at every connection, and the connection is made to that address, so that a name
that leads elsewhere a moment later (DNS rebinding) gains nothing. Host, SNI and the certificate stay those of the name.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

import httpcore

from haulcast.webhooks.allowed_addresses import AllowedAddresses

LOOKUPS_AT_ONCE: Final = 16
"""In threads of their own: a name server that hangs holds up no other thread of the hub."""
MOST_ADDRESSES: Final = 4
KEPT_S: Final = 4.0
KEPT: Final = 50
"""Idle connections that are kept for the next event, and for how long: less than the 5 s after which many servers close theirs."""

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of (host, port), best first; raises OSError when there are none."""


class Pools(NamedTuple):
    """Connections with TLS, and those without."""

    tls: httpcore.AsyncConnectionPool
    plain: httpcore.AsyncConnectionPool


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to what is allowed."""

    def __init__(self, allowed: AllowedAddresses, resolve: Resolve, *, is_plain: bool) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._is_plain = is_plain
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the interface's; the attempt as a whole has a deadline
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look the host up and connect to the first of its allowed addresses that answers.

        Raises:
            httpcore.ConnectError: there is no such name, none of its addresses is allowed, or none answers.
        """
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name cannot be looked up") from error
        allowed = [address for address in found if self._allowed.is_allowed(address, is_plain=self._is_plain)]
        failure = httpcore.ConnectError("the name leads to no address that is allowed")
        for address in allowed[:MOST_ADDRESSES]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                failure = httpcore.ConnectError("no connection could be made")
        raise failure


@asynccontextmanager
async def guarded_pools(
    allowed: AllowedAddresses, most: int, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Pools]:
    """Connections, at most so many of each kind, for the time of the block.

    Args:
        allowed: which addresses may be reached.
        most: connections.
        resolve: looks names up; None: as the system does.
        tls: whom to trust; None: the usual authorities.
    """
    executor = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "webhook-names")
    found = resolve or _system_resolver(executor)

    def pool(*, is_plain: bool) -> httpcore.AsyncConnectionPool:
        return httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=most,
            max_keepalive_connections=KEPT,
            keepalive_expiry=KEPT_S,
            network_backend=GuardedBackend(allowed, found, is_plain=is_plain),
        )

    try:
        async with pool(is_plain=False) as secured, pool(is_plain=True) as plain:
            yield Pools(secured, plain)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _system_resolver(executor: ThreadPoolExecutor) -> Resolve:
    def look_up(host: str, port: int) -> Sequence[str]:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(place[4][0]) for place in found]

    async def resolve(host: str, port: int) -> Sequence[str]:
        return await asyncio.get_running_loop().run_in_executor(executor, look_up, host, port)

    return resolve
