"""Real PostgreSQL servers: the embedded one, and one of the system's own packages reached by URL.

Each test gets a database of its own, copied from one whose schema is at the newest version.
"""

import asyncio
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
import pytest

from haulcast.database.embedded_postgres import EmbeddedPostgres
from haulcast.database.pool import Database, open_database
from haulcast.settings import Settings

PASSWORD = "s3cret:/@#"
QUOTED_PASSWORD = "s3cret%3A%2F%40%23"


class SystemPostgres:
    """A private cluster of the system's PostgreSQL on a free port, with a password."""

    def __init__(self, programs: Path, place: Path | None = None, *initdb: str) -> None:
        self._programs = programs
        self.folder = Path(tempfile.mkdtemp(prefix="haulcast-postgres-", dir=place))
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"postgresql://hub:{QUOTED_PASSWORD}@127.0.0.1:{self.port}/postgres"
        password_file = self.folder / "password"
        password_file.write_text(PASSWORD)
        self._run(
            "initdb",
            "-U",
            "hub",
            "--auth=scram-sha-256",
            "--no-sync",
            f"--pwfile={password_file}",
            "-E",
            "UTF8",
            *initdb,
        )
        self.start()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def runs(self) -> bool:
        try:
            process = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
            return process.status() != psutil.STATUS_ZOMBIE
        except (OSError, psutil.NoSuchProcess):
            return False

    def start(self) -> None:
        (self._data / "postmaster.pid").unlink(missing_ok=True)  # of one killed, which may still be a zombie
        options = f"-p {self.port} -h 127.0.0.1 -k {self.folder} -F"
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """`kill -9` of every process of it."""
        processes = self._processes()
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, timeout=10)

    def freeze(self) -> None:
        """`kill -STOP` of every process of it: connections stay, and nobody answers."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """Go on where it was frozen."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> list[psutil.Process]:
        main = psutil.Process(int((self._data / "postmaster.pid").read_text().split()[0]))
        return [main, *main.children()]

    def remove(self) -> None:
        if self.runs:
            self.stop()
        shutil.rmtree(self.folder)

    def _run(self, program: str, *arguments: str) -> None:
        # Output goes to a file: a server that pg_ctl starts would keep a pipe open.
        with (self.folder / "output").open("a+") as output:
            command = [self._programs / program, "-D", self._data, *arguments]
            done = subprocess.run(
                command,
                user=self._user,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                timeout=60,
                check=False,
            )
            output.seek(0)
            assert done.returncode == 0, output.read()


def _system_programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("pg_ctl")
    if found:
        return found[-1].parent
    if on_path is None:
        pytest.skip("the system has no PostgreSQL of its own: no pg_ctl in /usr/lib/postgresql or on PATH")
    return Path(on_path).resolve().parent


@pytest.fixture
def system_postgres() -> Iterator[SystemPostgres]:
    """A server that the test may kill."""
    server = SystemPostgres(_system_programs())
    yield server
    server.remove()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A new folder for an embedded server's data.

    Not pytest's `tmp_path`: each pytest that starts closes that one's parent to other users, and as root the server is
    another user.
    """
    folder = Path(tempfile.mkdtemp(prefix="haulcast-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def embedded_server_url() -> Iterator[str]:
    """The URL of an embedded server of all tests."""
    folder = Path(tempfile.mkdtemp(prefix="haulcast-test-"))
    server = EmbeddedPostgres(folder / "postgres")
    url = server.start()
    for statement in (
        "ALTER SYSTEM SET fsync = off",
        "SELECT pg_reload_conf()",
    ):  # or its stop writes for half a minute
        asyncio.run(_execute(url, statement))
    yield url
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def system_server_url() -> Iterator[str]:
    """The URL of a server of the system's PostgreSQL of all tests."""
    server = SystemPostgres(_system_programs())
    yield server.url
    server.remove()


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _make_template(server_url: str) -> None:
    await _execute(server_url, "CREATE DATABASE template_haulcast")
    async with open_database(Settings(database_url=_with_database(server_url, "template_haulcast"))):
        pass


_numbers = count()
_have_template: set[str] = set()


@pytest.fixture
def new_database_url() -> Callable[[str], str]:
    """Makes a database on the server of a URL, with the newest schema or empty; gives its URL."""

    def make(server_url: str, *, empty: bool = False) -> str:
        if not empty and server_url not in _have_template:
            asyncio.run(_make_template(server_url))
            _have_template.add(server_url)
        name = f"test_{next(_numbers)}"
        template = "template1" if empty else "template_haulcast"
        asyncio.run(_execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template}"))
        return _with_database(server_url, name)

    return make


@pytest.fixture(params=["embedded", "system"])
def each_server_url(request: pytest.FixtureRequest) -> str:
    """The test runs on both servers."""
    return request.getfixturevalue(f"{request.param}_server_url")


@pytest.fixture
def database_url(embedded_server_url: str, new_database_url: Callable[[str], str]) -> str:
    """A database of this test's own on the embedded server."""
    return new_database_url(embedded_server_url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The same, open."""
    async with open_database(Settings(database_url=database_url)) as opened:
        yield opened


@pytest.fixture
def each_database_url(each_server_url: str, new_database_url: Callable[[str], str]) -> str:
    """A database of this test's own, on both servers in turn."""
    return new_database_url(each_server_url)


@pytest.fixture
async def each_database(each_database_url: str) -> AsyncIterator[Database]:
    """The same, open."""
    async with open_database(Settings(database_url=each_database_url)) as opened:
        yield opened
