"""`python -m fuzz.rest [--examples 100] [--seed 1]`: schemathesis on every route of a real hub, by the document that the hub serves."""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.processes import FLEET, SECRET, HubProcess, hub
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook

CONFIG = Path(__file__).with_name("schemathesis.toml")
VEHICLE = "truck-7"
NO_LIMITS = dict.fromkeys(("address_rate_per_s", "address_burst", "device_requests_per_s", "device_requests_burst", "staff_requests_per_s", "staff_requests_burst", "device_rate_per_s", "device_burst"), 1000000)  # fmt: skip


async def fuzz(examples: int, seed: int, phases: str = "examples,coverage,fuzzing,stateful") -> int:
    """Ask every operation of a hub; the exit status of schemathesis, which tells what it found."""
    async with hub(**NO_LIMITS) as found:
        await asyncio.to_thread(_furnish, found)
        with tempfile.TemporaryDirectory() as folder:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run",
                f"http://127.0.0.1:{found.http_port}/openapi.json", "--max-examples", str(examples), "--seed", str(seed),
                "--phases", phases,
                cwd=folder, env={**os.environ, "FUZZ_ADMIN": _token("admin"), "FUZZ_DEVICE": _token("device", VEHICLE)},
            )  # fmt: skip
            return await process.wait()


def _token(role: str, vehicle: str | None = None) -> str:
    """One of the year after next, which no revocation of everybody reaches."""
    later_ms = int(time.time() * 1000) + 2 * 366 * 86_400_000
    claims = Claims(FLEET, role, vehicle, later_ms + 3_600_000, issued_ms=later_ms)
    return TokenBook(SECRET.encode()).make(claims)


def _furnish(found: HubProcess) -> None:
    """Something of each kind, by the ids that the document's examples have."""
    square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
    found.send("PUT", f"/v1/vehicles/{VEHICLE}", {})
    found.send("PUT", "/v1/fences/yard", {"type": "Feature", "geometry": square, "properties": {}})
    found.send("PUT", "/v1/rules/night-yard", {"kind": "enter", "fences": {"ids": ["yard"]}})
    pickup, delivery = {"lat": 37.78, "lon": -122.41}, {"lat": 37.8, "lon": -122.27}
    found.send("PUT", "/v1/loads/o-1001", {"pickup": pickup, "delivery": delivery})
    stops = [{"id": f"o-1001-{kind[0]}", "kind": kind, "load": "o-1001"} for kind in ("pickup", "delivery")]
    found.send("PUT", "/v1/routes/monday-7", {"vehicle": VEHICLE, "status": "active", "stops": stops})
    found.send("PUT", f"/v1/vehicles/{VEHICLE}/profile", {})
    found.send("PUT", "/v1/webhooks/erp", {"url": "https://erp.invalid/", "paused": True})


def main() -> int:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.rest", description=__doc__.splitlines()[0])
    parser.add_argument("--examples", type=int, default=100, help="of each operation [%(default)s]")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    return asyncio.run(fuzz(asked.examples, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
