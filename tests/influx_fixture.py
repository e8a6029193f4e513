"""Real servers that take Influx's line protocol: InfluxDB 1.x and VictoriaMetrics of the system's packages."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from haulcast.history.influx_server import InfluxPlace

START_WITHIN_S = 60.0
USER, PASSWORD = "hub", "s3cret:/@#"

_CONFIG = """
reporting-enabled = false
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {has_auth}
  log-enabled = false
  max-body-size = {body_bytes}
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class LineServer:
    """A process with its data in a folder of its own, which can be killed and started again on the same port."""

    def __init__(self, program: str) -> None:
        if not (found := shutil.which(program)):
            pytest.skip(f"the system has no {program} on PATH")
        self._program = found
        self.folder = Path(tempfile.mkdtemp(prefix=f"haulcast-{program}-"))
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def _arguments(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Return when it answers."""
        with (self.folder / "log").open("a") as log:
            command = [self._program, *self._arguments()]
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}/ping", timeout=5).close()
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"it does not answer:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait(10)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def ask(self, path: str, **parameters: str) -> str:
        """POST a form; the answer's text."""
        body = urllib.parse.urlencode(parameters).encode()
        with urllib.request.urlopen(f"{self.url}{path}", body, timeout=30) as answer:
            return answer.read().decode()


class Influx1(LineServer):
    """InfluxDB 1.x."""

    def __init__(self, *, has_auth: bool = False, body_bytes: int = 25_000_000) -> None:
        super().__init__("influxd")
        config = _CONFIG.format(
            rpc_port=_free_port(),
            port=self.port,
            folder=self.folder,
            has_auth=str(has_auth).lower(),
            body_bytes=body_bytes,
        )
        (self.folder / "influxdb.conf").write_text(config)
        self.start()

    def _arguments(self) -> list[str]:
        return ["run", "-config", str(self.folder / "influxdb.conf")]

    def make_database(self, name: str, login: tuple[str, str] = ("", "")) -> str:
        """A new one; its name."""
        as_whom = urllib.parse.urlencode({"u": login[0], "p": login[1]}) if login[0] else ""
        self.ask(f"/query?{as_whom}", q=f'CREATE DATABASE "{name}"')
        return name


class VictoriaMetrics(LineServer):
    """It takes `/api/v2/write` and keeps numbers, to the millisecond."""

    def __init__(self) -> None:
        super().__init__("victoria-metrics")
        self.start()

    def _arguments(self) -> list[str]:
        return [f"-storageDataPath={self.folder}/data", f"-httpListenAddr=127.0.0.1:{self.port}"]


@pytest.fixture(scope="session")
def influx1() -> Iterator[Influx1]:
    """An InfluxDB 1.x of all tests."""
    server = Influx1()
    yield server
    server.remove()


@pytest.fixture
def own_influx1() -> Iterator[Callable[..., Influx1]]:
    """Starts an InfluxDB 1.x of the test's own, which it may kill."""
    started: list[Influx1] = []

    def start(**options: object) -> Influx1:
        started.append(Influx1(**options))
        return started[-1]

    yield start
    for server in started:
        server.remove()


@pytest.fixture
def victoria_metrics() -> Iterator[VictoriaMetrics]:
    """A VictoriaMetrics of the test's own."""
    server = VictoriaMetrics()
    yield server
    server.remove()


_numbers = count()


@pytest.fixture
def influx_place(influx1: Influx1) -> InfluxPlace:
    """An empty database of the test's own on `influx1`."""
    return InfluxPlace(influx1.url, influx1.make_database(f"test {next(_numbers)}"), api="v1")
