"""The pool of connections, and the one place where a lost database becomes a `StoreError`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import structlog

from haulcast.clock import monotonic_s
from haulcast.database.embedded_postgres import embedded_postgres
from haulcast.database.migrations import bring_to_head
from haulcast.errors import SettingError, StoreError
from haulcast.settings import Settings

ASK_AGAIN_S = 1.0
CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 60.0
RELEASE_TIMEOUT_S = 2.0  # for what was given up to be cancelled by the server; else the connection is dropped
MOST_CONNECTIONS = 10  # the stores' own parallelism; PostgreSQL allows 100 by default, for all hubs together

_GONE = (
    OSError,  # refused, reset, no such socket, timed out
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # the server's last words came between two statements
    asyncpg.OperatorInterventionError,  # shutting down, starting up, crashed
    asyncpg.InsufficientResourcesError,  # too many connections, disk full
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,  # a standby after a failover
)

_log = structlog.get_logger()


class Database:
    """A pool of one database. A connection that was lost is replaced when it is next asked for."""

    def __init__(self, pool: "asyncpg.Pool[Any]", name: str) -> None:
        self._pool = pool
        self.name = name
        self._asking = asyncio.Lock()
        self._ask_again_s = 0.0
        self._trouble: str | None = None

    @property
    def counters(self) -> dict[str, Any]:
        """How many connections are used and idle, and the most there may be."""
        idle = self._pool.get_idle_size()
        connections = {"used": self._pool.get_size() - idle, "idle": idle}
        return {"connections": connections, "most": self._pool.get_max_size()}

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """An asyncpg connection for the time of the block.

        Raises:
            StoreError: the database cannot be reached, or went away within the block; what was not committed is lost, and
                of a commit that was under way nobody knows.
        """
        try:
            connection = await self._pool.acquire(timeout=CONNECT_TIMEOUT_S)
            try:
                yield connection
            except BaseException as error:
                is_lost = isinstance(error, asyncpg.InterfaceError) and _is_lost(connection)
                with suppress(
                    *_GONE
                ):  # or a cancellation would be taken for a database that is away, and end nothing
                    await self._pool.release(connection, timeout=RELEASE_TIMEOUT_S)
                if is_lost:
                    raise ConnectionResetError(str(error)) from error
                raise
            await self._pool.release(connection, timeout=RELEASE_TIMEOUT_S)
        except _GONE as error:
            raise unreachable(self.name, error) from error

    async def ping(self) -> None:
        """Ask it for nothing.

        Raises:
            StoreError: no answer.
        """
        async with self.connection() as connection:
            await connection.execute("SELECT 1", timeout=CONNECT_TIMEOUT_S)

    async def trouble(self) -> str | None:
        """That it cannot be reached, for anybody to read: the log says why; None: it can.

        Asked once a second at the most, whoever wants to know, so that strangers take no connections from those who write.
        """
        async with self._asking:
            if monotonic_s() >= self._ask_again_s:
                try:
                    await self.ping()
                except StoreError as error:
                    _log.warning("database_away", reason=error.reason)
                    self._trouble = "cannot be reached; the log says why"
                else:
                    self._trouble = None
                self._ask_again_s = monotonic_s() + ASK_AGAIN_S
            return self._trouble


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database of `settings.database_url`, or the embedded one, with its schema at the newest version.

    Raises:
        SettingError: the URL is none, or the embedded database would need a private home opened.
        StoreError: it cannot be reached, or its schema is newer than this code.
    """
    if settings.database_url:
        async with _connected(settings.database_url) as database:
            yield database
    else:
        async with (
            embedded_postgres(Path(settings.data_dir) / "postgres") as url,
            _connected(url) as database,
        ):
            yield database


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Database]:
    name = shown_name(url)
    connect = partial(asyncpg.connect, url, timeout=CONNECT_TIMEOUT_S)
    try:
        connection = await connect()
    except _GONE as error:
        raise unreachable(name, error) from error
    except (asyncpg.InterfaceError, ValueError):
        raise _no_url() from None  # its message can hold parts of the password
    try:
        await bring_to_head(connection, connect, name)
    finally:
        await connection.close()
    # None are kept in reserve: the pool would log a traceback for each that it cannot make while the database is away.
    pool = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=MOST_CONNECTIONS,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=COMMAND_TIMEOUT_S,
    )
    try:
        _log.info("database_open", database=name)
        yield Database(pool, name)
    finally:
        pool.terminate()


def shown_name(url: str) -> str:
    """Host and database of a URL for people to read; never user or password.

    Raises:
        SettingError: not a PostgreSQL URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _no_url() from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise _no_url()
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", ["localhost"])[0]
    database = unquote(parts.path.lstrip("/")) or query.get("dbname", query.get("database", ["(default)"]))[0]
    return f"{database!r} on {host}:{port}" if port else f"{database!r} on {host}"


def _is_lost(connection: Any) -> bool:
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already


def unreachable(name: str, error: Exception) -> StoreError:
    """The error for a database that does not answer, with the reason that was given."""
    reason = str(error) or type(error).__name__
    return StoreError("database_unreachable", f"database {name} cannot be reached: {reason}")


def _no_url() -> SettingError:
    return SettingError(
        "bad_setting",
        "setting database_url is not a PostgreSQL URL; allowed is postgresql://user:password@host:port/database,"
        " with special characters percent-encoded, or nothing",
        field="database_url",
    )
