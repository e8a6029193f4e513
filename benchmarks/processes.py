"""The processes of a benchmark, each with its own CPU clock: the hub, the bare server, the load."""

import asyncio
import json
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil

from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

SECRET = "benchmark" * 4
FLEET = "bench"
READY_WITHIN_S = 120.0


class Process:
    """A child process, its CPU time and memory as the operating system counts them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ps = psutil.Process(process.pid)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    async def ended(self, within_s: float) -> int:
        """Its exit status, once it has ended by itself or by a signal."""
        return await asyncio.wait_for(self._process.wait(), within_s)

    def cpu_s(self) -> float:
        """User and system time of all its threads so far."""
        times = self._ps.cpu_times()
        return times.user + times.system

    def resident_bytes(self) -> int:
        """Resident memory now."""
        return int(self._ps.memory_info().rss)

    async def tell(self, **command: Any) -> dict[str, Any]:
        """Send one command as a JSON line and wait for its answer."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("this process was started without pipes")
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        answer = await self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process ended while it was told {command}")
        return dict(json.loads(answer))


@asynccontextmanager
async def child(*arguments: str, environ: dict[str, str] | None = None) -> AsyncIterator[Process]:
    """Run `python -m ...`, ended at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, **(environ or {})},
    )  # fmt: skip
    try:
        yield Process(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    import socket  # noqa: PLC0415 - a name that would hide the module's own words

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class HubProcess:
    """A real hub in its own process, with its own embedded database."""

    def __init__(self, process: Process, http_port: int, hub_port: int) -> None:
        self.process = process
        self.http_port = http_port
        self.hub_port = hub_port
        self._admin = token(role="admin")

    def get(self, path: str) -> dict[str, Any]:
        """GET a JSON document as admin."""
        return self.send("GET", path)

    def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Send a JSON request as admin."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.http_port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._admin}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
                return dict(json.loads(answer.read() or b"{}"))
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode())
            raise

    async def import_fences(self, file: Path) -> None:
        """Import a file of fences as a user does, invalid rings repaired."""
        importing = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "haulcast", "fences", "import", str(file), "--repair",
            "--url", f"http://127.0.0.1:{self.http_port}", env={**os.environ, "HAULCAST_TOKEN": self._admin},
        )  # fmt: skip
        if await importing.wait():
            raise RuntimeError(f"{file} was not imported; see above why")

    def counters(self) -> dict[str, Any]:
        """The hub's own counters."""
        return self.get("/v1/status")


@contextmanager
def public_folder() -> Iterator[str]:
    """A temporary folder that the embedded database's own user may enter; it has one when we are root."""
    with tempfile.TemporaryDirectory(prefix="haulcast-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield folder


@asynccontextmanager
async def hub(**settings: object) -> AsyncIterator[HubProcess]:
    """A hub that is ready; settings by name."""
    with public_folder() as folder:
        chosen = {
            "data_dir": f"{folder}/var", "http_port": free_port(), "hub_port": free_port(), "token_secret": SECRET,
            "log_level": "warning", **settings,
        }  # fmt: skip
        environ = {f"HAULCAST_{name.upper()}": str(value) for name, value in chosen.items()}
        async with child("haulcast", "serve", environ=environ) as process:
            found = HubProcess(process, int(str(chosen["http_port"])), int(str(chosen["hub_port"])))
            await _until_ready(found)
            yield found


async def _until_ready(found: HubProcess) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and found.process.is_running:
        try:
            await asyncio.to_thread(found.get, "/ready")
        except (OSError, urllib.error.URLError):
            await asyncio.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the hub was not ready within {READY_WITHIN_S:.0f} s, or it ended: see its log above")


def token(role: str = "device", vehicle: str | None = None) -> str:
    """A token of the benchmark's fleet."""
    return TokenBook(SECRET.encode()).make(
        Claims(FLEET, role, vehicle, expires_ms=int(time.time() * 1000) + 86_400_000)
    )
