"""Opening the database: by URL or embedded, its schema, what is said when it cannot be opened, and its recovery."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from haulcast.database import pool
from haulcast.database.migrations import FOLDER, known_versions
from haulcast.database.pool import Database, open_database, shown_name
from haulcast.errors import SettingError, StoreError
from haulcast.settings import Settings

ONE = "SELECT 1"


async def _value(database, query):
    async with database.connection() as connection:
        return await connection.fetchval(query)


def _main_process(folder: Path) -> psutil.Process:
    return psutil.Process(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]))


def _lives(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def test_a_new_database_gets_the_newest_schema(each_server_url, new_database_url) -> None:
    """An empty database has all tables after the first start, and the second start finds nothing to do."""
    url = await asyncio.to_thread(new_database_url, each_server_url, empty=True)
    for _ in range(2):
        async with open_database(Settings(database_url=url)) as database:
            assert await _value(database, "SELECT version_num FROM alembic_version") == known_versions()[-1]
            assert await _value(database, "SELECT count(*) FROM fences") == 0


STARTING_HUB = """
import asyncio, sys
from haulcast.database.pool import open_database
from haulcast.settings import Settings

async def main():
    async with open_database(Settings(database_url=sys.argv[1])) as database:
        async with database.connection() as connection:
            print("rows", await connection.fetchval("SELECT count(*) FROM alembic_version"))

asyncio.run(main())
"""


async def test_hubs_that_start_at_once_do_not_race(each_server_url, new_database_url) -> None:
    """Several hubs on an empty database: each gets it open, the schema is made once."""
    url = await asyncio.to_thread(new_database_url, each_server_url, empty=True)

    async def start() -> str:
        hub = await asyncio.create_subprocess_exec(
            sys.executable, "-c", STARTING_HUB, url, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await hub.communicate()
        return output.decode().splitlines()[-1]

    assert await asyncio.gather(*(start() for _ in range(3))) == ["rows 1"] * 3


async def test_a_newer_schema_is_left_alone(each_database_url) -> None:
    """A database that a newer hub has changed stops the start and says which versions there are."""
    connection = await asyncpg.connect(each_database_url)
    await connection.execute("UPDATE alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(
        StoreError, match=f"has schema version 9999, this hub knows up to {known_versions()[-1]}"
    ) as caught:
        async with open_database(Settings(database_url=each_database_url)):
            pass
    assert caught.value.code == "database_newer"


def test_versions_are_one_chain() -> None:
    """Alembic sees the same newest version that the cheap check compares with, and no branches."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == known_versions()[-1:]
    assert sorted(script.revision for script in scripts.walk_revisions()) == known_versions()


async def test_every_version_can_be_undone(each_database_url) -> None:
    """Downgrading to nothing and upgrading again leaves the newest schema."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER))

    def down_and_up(bound) -> None:
        config.attributes["connection"] = bound
        command.downgrade(config, "base")
        command.upgrade(config, "head")

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(each_database_url)
    )
    async with engine.connect() as bound:
        await bound.run_sync(down_and_up)
    await engine.dispose()
    async with open_database(Settings(database_url=each_database_url)) as database:
        assert await _value(database, "SELECT count(*) FROM vehicles") == 0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:word@db.example:5433/fleet", "'fleet' on db.example:5433"),
        ("postgres://me:word@db.example/fleet%20two", "'fleet two' on db.example"),
        ("postgresql:///fleet?host=/run/postgresql&password=word", "'fleet' on /run/postgresql"),
        ("postgresql://me:word@db.example", "'(default)' on db.example"),
    ],
)
def test_a_database_is_named_by_host_and_name(url, shown) -> None:
    """Messages name host and database, never user or password."""
    assert shown_name(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:word@host/x",
        "host=db password=word",
        "postgresql://me:word/1@host/x",
        "postgresql://me:wo[rd@host/x",
        "word",
    ],
)
async def test_what_is_no_url_is_a_wrong_setting(url) -> None:
    """A URL that cannot be read stops the start without showing any of it."""
    with pytest.raises(SettingError) as caught:
        async with open_database(Settings(database_url=url)):
            pass
    assert caught.value.field == "database_url"
    assert "word/" not in str(caught.value)
    assert "wo[rd" not in str(caught.value)


async def test_a_server_that_is_not_there_is_named(unused_tcp_port) -> None:
    """Nobody listens: the error names host, port and database and hides the password."""
    with pytest.raises(
        StoreError, match=f"'fleet' on 127.0.0.1:{unused_tcp_port} cannot be reached"
    ) as caught:
        async with open_database(
            Settings(database_url=f"postgresql://me:hidden@127.0.0.1:{unused_tcp_port}/fleet")
        ):
            pass
    assert "hidden" not in str(caught.value)


async def test_a_wrong_password_and_a_wrong_name_are_said(system_server_url) -> None:
    """Who is refused hears the server's reason."""
    with pytest.raises(StoreError, match="password authentication failed") as caught:
        async with open_database(Settings(database_url=system_server_url.replace("s3cret", "hidden"))):
            pass
    assert "hidden" not in str(caught.value)
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        async with open_database(
            Settings(database_url=system_server_url.removesuffix("postgres") + "nowhere")
        ):
            pass


async def test_a_killed_server_comes_back(system_postgres, wait_until) -> None:
    """`kill -9` of the server: asking gives StoreError, and once it runs again the same pool answers."""
    async with open_database(Settings(database_url=system_postgres.url)) as database:
        async with database.connection() as connection:
            working = asyncio.create_task(connection.execute("SELECT pg_sleep(30)"))
            await wait_until(
                lambda: _value(database, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            )
            system_postgres.kill()
            with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)):
                await working
        with pytest.raises(StoreError):
            await database.ping()
        await asyncio.to_thread(system_postgres.start)
        assert await asyncio.gather(*(_value(database, ONE) for _ in range(20))) == [1] * 20


async def test_a_block_that_loses_its_connection_hears_it(system_postgres) -> None:
    """A server that goes away within a block gives StoreError there, whatever asyncpg calls it."""
    async with open_database(Settings(database_url=system_postgres.url)) as database:

        async def lose_it() -> None:
            async with database.connection() as connection:
                await asyncio.to_thread(system_postgres.stop)
                await connection.execute(ONE)

        with pytest.raises(StoreError, match="cannot be reached"):
            await lose_it()


async def test_who_is_cancelled_while_it_hangs_ends(system_postgres, monkeypatch) -> None:
    """As a cancelled task, and soon: a cancellation that came out as a lost database would be tried again for ever."""
    monkeypatch.setattr(pool, "RELEASE_TIMEOUT_S", 0.2)
    async with open_database(Settings(database_url=system_postgres.url)) as database:
        await database.ping()
        system_postgres.freeze()
        try:
            asking = asyncio.create_task(_value(database, ONE))
            done, _ = await asyncio.wait({asking}, timeout=0.3)  # it is on the hung connection by then
            assert not done
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(asking, 10)
        finally:
            system_postgres.thaw()
        await database.ping()


async def test_wrong_sql_is_no_lost_database(database) -> None:
    """Our own mistakes keep their type."""
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await _value(database, "SELEKT")
    with pytest.raises(asyncpg.DataError):
        async with database.connection() as connection:
            await connection.fetchval("SELECT $1::int", "one")


async def test_the_embedded_database_keeps_what_it_has(open_folder) -> None:
    """What one run stores the next one reads; between them no server is left."""
    settings = Settings(data_dir=str(open_folder / "data"))
    async with open_database(settings) as database:
        await _value(database, "INSERT INTO vehicles VALUES ('acme', 'truck-7', '', '{}', '{}')")
        process = _main_process(open_folder / "data")
    assert not _lives(process)
    async with open_database(settings) as database:
        assert await _value(database, "SELECT vehicle_id FROM vehicles") == "truck-7"


async def test_the_embedded_server_is_started_again(open_folder, wait_until) -> None:
    """`kill -9` of our own server while the hub lives: it is back soon, with the same data."""
    async with open_database(Settings(data_dir=str(open_folder / "data"))) as database:
        await _value(database, "INSERT INTO vehicles VALUES ('acme', 'truck-7', '', '{}', '{}')")
        killed = _main_process(open_folder / "data")
        killed.send_signal(signal.SIGKILL)
        await wait_until(lambda: not _lives(killed))

        async def answers() -> bool:
            try:
                return await _value(database, "SELECT count(*) FROM vehicles") == 1
            except StoreError:
                return False

        await wait_until(answers, timeout_s=30)


KILLED_HUB = """
import asyncio, os, signal, sys
from haulcast.database.pool import open_database
from haulcast.settings import Settings

async def main():
    async with open_database(Settings(data_dir=sys.argv[1])) as database:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_killed_hubs_server_is_taken_over(open_folder) -> None:
    """A hub that dies leaves its server; the next hub uses that very one, and its stop stops it."""
    hub = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED_HUB, str(open_folder / "data"), stdout=subprocess.DEVNULL
    )
    assert await hub.wait() == -signal.SIGKILL
    left = _main_process(open_folder / "data")
    assert _lives(left)
    async with open_database(Settings(data_dir=str(open_folder / "data"))) as database:
        assert await _value(database, ONE) == 1
        assert _main_process(open_folder / "data") == left
    assert not _lives(left)


@pytest.mark.parametrize(
    "content", ["{pid}\n", "", "{pid}\n{folder}\n1712346200\n5432\n{folder}\n\n  1 1\nready\n"]
)
async def test_a_stale_pid_file_is_no_server(open_folder, content) -> None:
    """A pid file whose number now belongs to another process, as after a restart of a container, does not fool the start."""
    settings = Settings(data_dir=str(open_folder / "data"))
    async with open_database(settings):
        pass
    file = open_folder / "data" / "postgres" / "postmaster.pid"
    file.write_text(content.format(pid=os.getpid(), folder=file.parent))
    async with open_database(settings) as database:
        assert await _value(database, ONE) == 1


async def test_a_first_start_that_was_cut_off_begins_anew(open_folder) -> None:
    """A folder in which the hub died before the first start was done is made again."""
    (open_folder / "postgres").mkdir()
    (open_folder / "postgres" / "PG_VERSION").write_text("18\n")
    (open_folder / "postgres" / "base").mkdir()
    (open_folder / "postgres.half-made").write_text("4000000")
    async with open_database(Settings(data_dir=str(open_folder))) as database:
        assert await _value(database, ONE) == 1
    assert not (open_folder / "postgres.half-made").exists()


async def test_a_server_that_cannot_start_says_why(open_folder) -> None:
    """The error names the folder and has the end of the server's own log."""
    settings = Settings(data_dir=str(open_folder / "data"))
    async with open_database(settings):
        pass
    with (open_folder / "data" / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_parameter = 1\n")
    with pytest.raises(StoreError, match=r"does not start.*no_such_parameter"):
        async with open_database(settings):
            pass


async def test_strangers_do_not_keep_the_database_busy(monkeypatch) -> None:
    """However many ask whether it is there, it is asked once, and what is wrong stands in the log only."""
    asked = []

    async def ping(_database) -> None:
        asked.append(1)
        await asyncio.sleep(0)
        raise StoreError("database_unreachable", "no password for admin on db.internal")

    monkeypatch.setattr(Database, "ping", ping)
    database = Database(None, "d")
    told = await asyncio.gather(*(database.trouble() for _ in range(50)))
    assert len(asked) == 1
    assert set(told) == {"cannot be reached; the log says why"}
