"""How fast fixes are stored and acked, what it costs the hub, how soon an ack comes, and how fast a vehicle's hour is read.

    python -m benchmarks.history --fixes 2000000 --vehicles 5000 --json

The whole hub runs: sockets, filter, state, history, acks. `hub_cpu_us_per_fix` is its CPU time with the history on, less that with it off, for the
same fixes: the hub's own, without PostgreSQL's, and below some tenths, or below 0, nothing but the noise of two runs. Acks are measured from a frame's send to its ack. Hours are read from `--rows` rows, 10 s apart, in
the order in which a live fleet would have written them, after a checkpoint. With `--influx` all of it goes to an InfluxDB 1.x. The peer is `executemany` of asyncpg into a table of the same columns and key.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from benchmarks.ingest import vars_of
from benchmarks.processes import HubProcess, Process, child, hub, public_folder, token
from benchmarks.report import arguments_of, report, say
from geo.positions import PositionBatch, position_batch
from haulcast.database.embedded_postgres import embedded_postgres
from haulcast.database.pool import open_database
from haulcast.doors.wire import DEVICE_PATH
from haulcast.history.copy_records import FIELDS
from haulcast.history.history_store import HistoryStore
from haulcast.history.history_store_influx import influx_history
from haulcast.history.history_store_postgres import PostgresHistoryStore
from haulcast.history.influx_server import InfluxPlace
from haulcast.settings import Settings

KEYS = (
    "stored_per_s",
    "hub_cpu_us_per_fix",
    "ack_p50_ms",
    "ack_p99_ms",
    "hour_query_median_ms",
    "executemany_per_s",
)
DEADLINE_S = 300.0
ACK_POLL_S = 0.1
WARM_FIXES = 100_000
INTERVAL_MS = 10_000
HOUR_MS = 3_600_000
HOURS_READ = 200
PORTION = 20_000


@contextlib.asynccontextmanager
async def _database(url: str) -> AsyncIterator[str]:
    """The given database, or an embedded one of our own."""
    if url:
        yield url
        return
    with public_folder() as folder:
        async with embedded_postgres(Path(folder) / "postgres") as made:
            yield made


async def _settled(found: HubProcess, fixes: int, *, is_stored: bool) -> None:
    """Wait until the hub has taken, or stored, so many fixes since its start."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        counted = await asyncio.to_thread(found.counters)
        history = counted["history"]
        done = history["stored"] + history["repeated"] if is_stored else counted["fixes"]
        if done >= fixes:
            return
        await asyncio.sleep(0.02)
    raise RuntimeError(f"{done} of {fixes} fixes after {DEADLINE_S:.0f} s")


async def _connect(load: Process, found: HubProcess, chosen: argparse.Namespace, run: int) -> None:
    tokens = [token(vehicle=f"truck-{run}-{i}") for i in range(chosen.vehicles)]
    url = f"ws://127.0.0.1:{found.hub_port}{DEVICE_PATH}"
    await load.tell(do="connect", url=url, tokens=tokens, binary=True)


def _influx_place(url: str) -> InfluxPlace:
    server, _, database = url.rpartition("/")
    return InfluxPlace(server, database, api="v1")


async def _throughput(chosen: argparse.Namespace, run: int, url: str, history: str) -> dict[str, float]:
    """Fixes stored a second, and CPU seconds of the hub for all of them."""
    settings = {"device_rate_per_s": 1e6, "device_burst": 1e7, "database_url": url, "history": history}
    if history == "influxdb":
        place = _influx_place(chosen.influx)
        settings |= {"influx_url": place.url, "influx_bucket": place.bucket, "influx_api": place.api}
    async with hub(**settings) as found, child("benchmarks.load", str(chosen.seed + run)) as load:
        await _connect(load, found, chosen, run)
        is_stored = history != "off"
        sending = {"do": "send", "rate": chosen.rate, "fixes_per_frame": chosen.fixes_per_frame}
        sent = (await load.tell(**sending, seconds=WARM_FIXES / chosen.rate))["sent"]
        await _settled(found, sent, is_stored=is_stored)
        before, before_s, cpu_s = sent, time.perf_counter(), found.process.cpu_s()
        sent = (await load.tell(**sending, seconds=chosen.fixes / chosen.rate))["sent"]
        await _settled(found, sent, is_stored=is_stored)
        figures = {
            "per_s": (sent - before) / (time.perf_counter() - before_s),
            "cpu_s": found.process.cpu_s() - cpu_s,
            "fixes": sent - before,
        }
        if is_stored:
            figures |= await _acks(chosen, found, run)
    return figures


async def _acks(chosen: argparse.Namespace, found: HubProcess, run: int) -> dict[str, float]:
    """From send to ack, at a steady rate of single fixes."""
    async with child("benchmarks.load", str(chosen.seed + run)) as load:
        await _connect(load, found, chosen, 1_000 + run)
        sending = {"do": "send", "rate": chosen.ack_rate, "fixes_per_frame": chosen.ack_fixes_per_frame}
        await load.tell(**sending, seconds=2)
        await load.tell(do="time_acks")
        await load.tell(**sending, seconds=chosen.ack_seconds)
        for _ in range(int(DEADLINE_S / ACK_POLL_S)):
            acks = await load.tell(do="acks")
            if not acks["unacked"]:
                break
            await asyncio.sleep(ACK_POLL_S)
        return {"ack_p50_ms": acks["p50_ms"], "ack_p99_ms": acks["p99_ms"], "unacked": acks["unacked"]}


def _portion(first: int, count: int, vehicles: int, start_ms: int) -> PositionBatch:
    """The fixes of a fleet that reports in turn, `INTERVAL_MS` apart for each vehicle."""
    number = first + np.arange(count)
    batch = position_batch(count)
    batch.row[:] = number % vehicles
    batch.seq[:] = number // vehicles
    batch.time_ms[:] = start_ms + number // vehicles * INTERVAL_MS + batch.row * INTERVAL_MS // vehicles
    batch.received_ms[:] = batch.time_ms + 200
    batch.lat_deg[:], batch.lon_deg[:] = 37.5 + number % 1000 * 1e-4, -122.4
    batch.speed_mps[:], batch.heading_deg[:], batch.accuracy_m[:] = 13.0, 90.0, 5.0
    return batch


@contextlib.asynccontextmanager
async def _store(chosen: argparse.Namespace, url: str) -> AsyncIterator[HistoryStore]:
    def name_of(row: int) -> tuple[str, str]:
        return "read", f"truck-{row}"

    if chosen.influx:
        async with influx_history(_influx_place(chosen.influx), name_of) as influx:
            yield influx
        return
    async with open_database(Settings(database_url=url)) as database:
        yield PostgresHistoryStore(database, name_of)


async def _fill(chosen: argparse.Namespace, store: HistoryStore, url: str, start_ms: int) -> None:
    """Write the rows, unless an earlier run has."""
    if len((await store.read("read", "truck-0", start_ms, start_ms + HOUR_MS, None, 1)).fixes):
        return
    for first in range(0, chosen.rows, PORTION):
        count = min(PORTION, chosen.rows - first)
        await store.write(_portion(first, count, chosen.vehicles, start_ms))
    if not chosen.influx:
        await _execute(url, "VACUUM ANALYZE fixes")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement, timeout=DEADLINE_S)
    await connection.close()


async def _hours(chosen: argparse.Namespace, url: str) -> float:
    """Median time of reading one vehicle's hour, in ms, once the rows are there."""
    start_ms = int(time.time() * 1000) // (24 * HOUR_MS) * 24 * HOUR_MS - 10 * 24 * HOUR_MS
    async with _store(chosen, url) as store:
        await _fill(chosen, store, url, start_ms)
        if (
            not chosen.influx
        ):  # every run reads from the same state, and not what the load before has left to be written
            await _execute(url, "CHECKPOINT")
        random = np.random.default_rng(chosen.seed)
        spare_ms = max(1, chosen.rows // chosen.vehicles * INTERVAL_MS - HOUR_MS)
        times_ms: list[float] = []
        for _ in range(HOURS_READ):
            vehicle, begin_ms = random.integers(chosen.vehicles), start_ms + int(random.integers(spare_ms))
            before_s = time.perf_counter()
            await store.read("read", f"truck-{vehicle}", begin_ms, begin_ms + HOUR_MS, None, 10_000)
            times_ms.append((time.perf_counter() - before_s) * 1000)
    return statistics.median(times_ms)


async def _executemany(url: str) -> float:
    """Rows a second of the peer."""
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE peer (LIKE fixes INCLUDING INDEXES)")
    names = list(FIELDS)
    statement = (
        f"INSERT INTO peer ({', '.join(names)}) VALUES ({', '.join(f'${i + 1}' for i in range(len(names)))})"  # noqa: S608
    )
    rows = 0
    before_s = time.perf_counter()
    while time.perf_counter() - before_s < 3.0:
        batch = _portion(rows, PORTION, 5_000, 0)
        columns = [(batch.row if name == "vehicle" else getattr(batch, name)).tolist() for name in names]
        await connection.executemany(statement, list(zip(*columns, strict=True)))
        rows += PORTION
    elapsed_s = time.perf_counter() - before_s
    await connection.execute("DROP TABLE peer")
    await connection.close()
    return rows / elapsed_s


async def _main(chosen: argparse.Namespace) -> int:
    runs: list[dict[str, float]] = []
    async with _database(chosen.url) as url:
        for run in range(chosen.repetitions):
            on = await _throughput(chosen, run, url, "influxdb" if chosen.influx else "postgres")
            off = await _throughput(chosen, 500 + run, url, "off")
            figures = {
                "stored_per_s": on["per_s"],
                "hub_cpu_us_per_fix": (on["cpu_s"] / on["fixes"] - off["cpu_s"] / off["fixes"]) * 1e6,
                "ack_p50_ms": on["ack_p50_ms"],
                "ack_p99_ms": on["ack_p99_ms"],
                "unacked": on["unacked"],
                "taken_per_s_without_history": off["per_s"],
                "hour_query_median_ms": await _hours(chosen, url),
                "executemany_per_s": await _executemany(url),
            }
            runs.append(figures)
            say(f"run {run}: " + ", ".join(f"{name} {value:,.2f}" for name, value in figures.items()))
    report({"options": _options(chosen)}, runs, KEYS, chosen.seed)
    return 1 if any(run["unacked"] for run in runs) else 0


def _options(chosen: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars_of(chosen).items() if name != "url"}  # it can hold a password


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fixes", type=int, default=2_000_000)
    parser.add_argument("--vehicles", type=int, default=5_000)
    parser.add_argument(
        "--url", default="", help="postgresql://..., an empty database; default: an embedded one of its own"
    )
    parser.add_argument(
        "--influx", default="", help="http://host:port/database of an InfluxDB 1.x; default: PostgreSQL"
    )
    parser.add_argument("--rate", type=float, default=250_000, help="fixes a second that are offered")
    parser.add_argument("--fixes-per-frame", type=int, default=20)
    parser.add_argument(
        "--ack-rate", type=float, default=20_000, help="fixes a second while acks are measured"
    )
    parser.add_argument("--ack-fixes-per-frame", type=int, default=1)
    parser.add_argument("--ack-seconds", type=float, default=10)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows from which hours are read")
    return asyncio.run(_main(arguments_of(parser)))


if __name__ == "__main__":
    sys.exit(main())
