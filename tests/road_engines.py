"""Road engines for tests: real ones where their programs are installed, and small ones that speak the documented formats.

Valhalla comes as a Python package with the other test packages. OSRM's wants Python 3.12, so it may be installed elsewhere: `python3.12 -m venv engines && engines/bin/pip install pyvalhalla osrm-bindings`, then
`ROAD_ENGINES=engines pytest tests/contracts/test_travel_source.py`. Several folders are separated by colons. What is not installed does not run.
"""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from geo.travel_time import sphere_points

FOLDERS = [
    Path(each).resolve() for each in (*os.environ.get("ROAD_ENGINES", "").split(":"), sys.prefix) if each
]
PROGRAMS = os.pathsep.join(
    [
        *(
            str(found)
            for folder in FOLDERS
            for found in (folder / "bin", *folder.glob("lib/*/site-packages/osrm/bin"))
        ),
        os.environ.get("PATH", ""),
    ]
)
ROADS_M = 1.3  # a way of a made-up engine over the straight line
MPS = 10.0


def installed() -> tuple[str, ...]:
    """The real engines that are there."""
    programs = {
        "osrm": ("osrm-extract", "osrm-routed"),
        "valhalla": ("valhalla_build_tiles", "valhalla_service"),
    }
    found = [
        name for name, needed in programs.items() if all(shutil.which(one, path=PROGRAMS) for one in needed)
    ]
    if "valhalla" in found and (_package_folder() or importlib.util.find_spec("valhalla")):
        found.append("valhalla in process")
    return tuple(found)


def program(name: str) -> str:
    """Its path.

    Raises:
        FileNotFoundError: it is not installed.
    """
    found = shutil.which(name, path=PROGRAMS)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed; see tests/road_engines.py")
    return found


def run(folder: Path, *words: str) -> str:
    """What a program prints; it may leave files in the folder."""
    done = subprocess.run(
        words,
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PATH": PROGRAMS},
    )
    return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def serving(words: list[str], url: str, log: Path) -> Iterator[str]:
    """A server's process; its URL once it answers anything."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            words, stdout=output, stderr=output, env={**os.environ, "PATH": PROGRAMS}, start_new_session=True
        )
        try:
            for _ in range(400):
                try:
                    urllib.request.urlopen(url, timeout=1)
                except urllib.error.HTTPError:
                    break
                except OSError:
                    if server.poll() is not None:
                        raise RuntimeError(log.read_text()) from None
                    time.sleep(0.025)
                else:
                    break
            yield url
        finally:
            os.killpg(server.pid, 9)
            server.wait()


def valhalla_config(folder: Path, pbf: Path, port: int) -> Path:
    """Tiles of these roads; `valhalla.json` for them."""
    tiles, build = folder / "tiles", program("valhalla_build_tiles")
    tiles.mkdir()
    code = "import json, sys, valhalla; print(json.dumps(valhalla.get_config(tile_extract='', tile_dir=sys.argv[1])))"
    python = Path(build).with_name("python")  # of the package that has it: other versions have other settings
    config_words = (
        (str(python), "-c", code)
        if python.exists()
        else (program("valhalla_build_config"), "--mjolnir-tile-dir")
    )
    printed = run(folder, *config_words, str(tiles))
    config = json.loads(printed[printed.index("{") :])
    config["mjolnir"].update(tile_extract="", traffic_extract="", admin="", timezone="")
    config["httpd"]["service"].update(
        listen=f"tcp://127.0.0.1:{port}",
        loopback=f"ipc://{folder}/loopback",
        interrupt=f"ipc://{folder}/interrupt",
    )
    file = folder / "valhalla.json"
    file.write_text(json.dumps(config))
    run(folder, build, "-c", str(file), str(pbf))
    return file


@contextmanager
def real_valhalla(folder: Path, pbf: Path) -> Iterator[str]:
    """Its URL."""
    port = free_port()
    file, service = valhalla_config(folder, pbf, port), program("valhalla_service")
    with serving([service, str(file), "1"], f"http://127.0.0.1:{port}", folder / "log") as url:
        yield url


@contextmanager
def real_osrm(folder: Path, pbf: Path) -> Iterator[str]:
    """Its URL; with the limits that it has by default."""
    extract, routed, port = program("osrm-extract"), program("osrm-routed"), free_port()
    found = [
        *Path(extract).parents[1].glob("share/profiles/car.lua"),
        Path("/usr/share/osrm/profiles/car.lua"),
    ]
    roads = folder / "city.osm.pbf"
    shutil.copy(pbf, roads)
    run(folder, extract, "-t", "1", "-p", str(found[0]), str(roads))
    for step in ("osrm-partition", "osrm-customize"):
        run(folder, program(step), "-t", "1", str(folder / "city.osrm"))
    words = [
        routed,
        "--algorithm",
        "mld",
        "-i",
        "127.0.0.1",
        "-p",
        str(port),
        "-t",
        "1",
        str(folder / "city.osrm"),
    ]
    with serving(words, f"http://127.0.0.1:{port}", folder / "log") as url:
        yield url


def _package_folder() -> Path | None:
    """Where one of the folders has the package for this Python."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folders = [folder / "lib" / version / "site-packages" for folder in FOLDERS]
    return next((folder for folder in folders if (folder / "valhalla").is_dir()), None)


def in_process_valhalla(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the package importable."""
    if folder := _package_folder():
        monkeypatch.syspath_prepend(folder)


def made_up_ways(
    a: np.ndarray, b: np.ndarray, island_lon: float, sea_lat: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Metres by road, which pairs have a way, and which of `b` have a road near; of (lat, lon) rows."""
    points = [sphere_points(each[:, 0], each[:, 1]) for each in (a, b)]
    way_m = ROADS_M * np.linalg.norm(points[0][:, None] - points[1][None], axis=2)
    on_island = [each[:, 1] > island_lon for each in (a, b)]
    return way_m, on_island[0][:, None] == on_island[1][None], b[:, 0] < sea_lat


Answer = tuple[int, dict[str, Any] | bytes]


def osrm_answer(
    path: str, _body: bytes, *, most: int = 100, island_lon: float = 9.3, sea_lat: float = 45.3
) -> Answer:
    """As its HTTP API documents the service `table`; far from any road it takes the nearest one nevertheless, as the real one does."""
    parts = urlsplit(path)
    service, version, _profile, text = parts.path.strip("/").split("/")
    asked = parse_qs(parts.query)
    if (service, version) != ("table", "v1") or asked["annotations"] != ["duration,distance"]:
        return 400, {"code": "InvalidQuery", "message": "unknown"}
    at = np.array([[float(c) for c in pair.split(",")][::-1] for pair in text.split(";")])
    if len(at) < 2:
        return 400, {"code": "InvalidOptions", "message": "Number of coordinates needs to be at least two."}
    index = [[int(i) for i in asked[name][0].split(";")] for name in ("sources", "destinations")]
    if len(index[0]) * len(index[1]) > most * most:
        return 400, {"code": "TooBig", "message": "Too many table coordinates"}
    way_m, is_way, _ = made_up_ways(at[index[0]], at[index[1]], island_lon, sea_lat)
    tables = {"distances": way_m, "durations": way_m / MPS}
    found = {
        name: [
            [m if ok else None for m, ok in zip(*row, strict=True)]
            for row in zip(table.round(1).tolist(), is_way.tolist(), strict=True)
        ]
        for name, table in tables.items()
    }
    near = [
        {"name": "", "location": at[i][::-1].tolist(), "distance": 9e4 if at[i][0] >= sea_lat else 12.5}
        for i in range(len(at))
    ]
    ends = {
        name: [near[i] for i in which] for name, which in zip(("sources", "destinations"), index, strict=True)
    }
    return 200, {"code": "Ok", **found, **ends}


def valhalla_answer(
    path: str,
    body: bytes,
    *,
    most: int = 2500,
    island_lon: float = 9.3,
    sea_lat: float = 45.3,
    is_old: bool = False,
) -> Answer:
    """As its matrix API documents it; `is_old` answers the long form only."""
    asked = json.loads(body)
    if path != "/sources_to_targets" or asked["units"] != "kilometers":
        return 404, {"error_code": 106, "error": "Try any of: ...", "status_code": 404}
    a, b = (np.array([[p["lat"], p["lon"]] for p in asked[name]]) for name in ("sources", "targets"))
    if len(a) * len(b) > most:
        return 400, {"error_code": 150, "error": f"Exceeded max locations: {most}", "status_code": 400}
    way_m, is_way, is_near = made_up_ways(a, b, island_lon, sea_lat)
    if not is_near.all() or (a[:, 0] >= sea_lat).any():
        return 400, {"error_code": 171, "error": "No suitable edges near location", "status_code": 400}
    if not is_way.any():
        return 400, {"error_code": 170, "error": "Locations are in unconnected regions.", "status_code": 400}
    times = [
        [round(m / MPS) if ok else None for m, ok in zip(*row, strict=True)]
        for row in zip(way_m.tolist(), is_way.tolist(), strict=True)
    ]
    km = np.where(is_way, (way_m / 1000).round(3), 0.0).tolist()
    if is_old:
        cells = [
            [{"time": t, "distance": d if t is not None else None} for t, d in zip(*row, strict=True)]
            for row in zip(times, km, strict=True)
        ]
        return 200, {"sources_to_targets": cells, "units": "kilometers"}
    return 200, {"sources_to_targets": {"durations": times, "distances": km}, "units": "kilometers"}


class MadeUpEngine:
    """An HTTP server that answers by a function of path and body, and counts."""

    def __init__(self, answer: Callable[[str, bytes], Answer]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                engine.asked.append(self.path)
                status, said = engine.answer(self.path, body)
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # who asked is gone, as some tests want it
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
