"""Bring the schema to the newest version, once, whoever starts first.

The versions are plain SQL in `versions/`, numbered 0001, 0002, ...; alembic runs them (`env.py`). Most starts have nothing
to do, and importing alembic takes longer than asking the database, so the database is asked first.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from haulcast.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

FOLDER = Path(__file__).parent

_log = structlog.get_logger()


def known_versions() -> list[str]:
    """The schema versions that this code knows, oldest first."""
    return sorted(file.name[:4] for file in (FOLDER / "versions").glob("[0-9]*.py"))


async def bring_to_head(connection: Any, connect: Callable[[], Awaitable[Any]], name: str) -> None:
    """Run what is missing, in one transaction.

    Args:
        connection: an asyncpg connection, to ask for the version.
        connect: makes another one, which alembic then owns.
        name: of the database, for messages.

    Raises:
        StoreError: the schema is newer than this code.
    """
    known = known_versions()
    version = await _version(connection)
    if version == known[-1]:
        return
    if version is not None and version not in known:
        raise StoreError(
            "database_newer",
            f"database {name} has schema version {version}, this hub knows up to {known[-1]}:"
            " run the newer haulcast that made it, or set database_url to another database",
        )
    await _upgrade(connect)
    _log.info("database_migrated", database=name, before=version, now=known[-1])


async def _version(connection: Any) -> str | None:
    try:
        version = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return None if version is None else str(version)


async def _upgrade(connect: Callable[[], Awaitable[Any]]) -> None:
    from alembic import command  # noqa: PLC0415 - a second that most starts do not need
    from alembic.config import Config  # noqa: PLC0415 - as above
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - as above
    from sqlalchemy.pool import NullPool  # noqa: PLC0415 - as above

    def upgrade(bound: "Connection") -> None:
        config = Config()
        config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
        config.attributes["connection"] = bound
        command.upgrade(config, "head")

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as bound:
            await bound.run_sync(upgrade)
    finally:
        await engine.dispose()
