"""From a device's send to a subscriber's receive: latency, frames a CPU-second, bytes, memory of an idle connection.

    python -m benchmarks.live --vehicles 10000 --rate 10000 --seconds 20 --subscribers 200 --json

Each vehicle has a socket of its own. Half of the views are a tenth to a half of the area wide, a tenth sees all of it.
The peer is a picows server that receives the same device frames, answers each with an ack as the hub does at this rate,
and sends every subscriber bytes of the mean size that the hub's frames had, as often; nothing else. Frames are those of
devices, acks and map frames, on both sides. `bytes_vs_ideal` decodes every frame of some subscribers and weighs it against
the same frame with only the vehicles inside the view. Times are the devices' and the receivers' on one machine's clock.
"""

import argparse
import asyncio
import sys
import time

import numpy as np

from benchmarks.load import BOX
from benchmarks.processes import HubProcess, child, hub, token
from benchmarks.report import arguments_of, report, say
from haulcast.doors.wire import DEVICE_PATH, LIVE_PATH

WARM_S = 3.0
IDLE_FROM, IDLE_TO = 1_000, 9_000
KEYS = (
    "p50_ms", "p99_ms", "p999_ms", "frames_per_cpu_s", "bare_frames_per_cpu_s", "ratio", "bytes_vs_ideal",
    "bytes_per_idle_connection",
)  # fmt: skip


def views(count: int, seed: int) -> list[list[float]]:
    """Boxes to watch: a tenth sees all, the others a tenth to a half of the width and height."""
    rng = np.random.default_rng(seed)
    west, south, east, north = BOX
    boxes = []
    for i in range(count):
        share = 1.0 if i % 10 == 0 else rng.uniform(0.1, 0.5)
        width, height = share * (east - west), share * (north - south)
        left, low = rng.uniform(west, east - width), rng.uniform(south, north - height)
        boxes.append([left, low, left + width, low + height])
    return boxes


async def _ours(chosen: argparse.Namespace, run: int, found: HubProcess) -> dict[str, float]:
    async with child("benchmarks.load", str(chosen.seed + run)) as load:
        address = f"ws://127.0.0.1:{found.hub_port}"
        tokens = [token(vehicle=f"truck-{run}-{i}") for i in range(chosen.vehicles)]
        await load.tell(do="connect", url=address + DEVICE_PATH, tokens=tokens, binary=False)
        await load.tell(
            do="subscribe", url=address + LIVE_PATH, token=token("viewer"), binary=chosen.binary,
            boxes=views(chosen.subscribers, chosen.seed), sample=chosen.sample,
        )  # fmt: skip
        await load.tell(do="send", rate=chosen.rate, seconds=WARM_S, fixes_per_frame=1)
        await load.tell(do="forget")
        acks = (await load.tell(do="heard"))["frames"]
        before_s, start = found.process.cpu_s(), time.monotonic()
        sent = chosen.rate * chosen.seconds
        await load.tell(do="send", rate=chosen.rate, seconds=chosen.seconds, fixes_per_frame=1)
        await asyncio.sleep(0.2)  # what is under way arrives; its time counts
        cpu_s, seconds = found.process.cpu_s() - before_s, time.monotonic() - start
        seen = await load.tell(do="seen")
        acks = (await load.tell(do="heard"))["frames"] - acks
    figures = {name: seen[name] for name in ("p50_ms", "p99_ms", "p999_ms")}
    return {
        **figures,
        "frames_per_cpu_s": (sent + acks + seen["frames"]) / cpu_s,
        "bytes_vs_ideal": seen["sampled_bytes"] / max(1, seen["ideal_bytes"]),
        "frames_out_per_s": seen["frames"] / seconds,
        "bytes_per_frame": seen["bytes"] / max(1, seen["frames"]),
        "vehicles_received": seen["vehicles"],
        "acks_per_s": acks / seconds,
        "cpu_share": cpu_s / seconds,
    }


async def _bare(chosen: argparse.Namespace, run: int, ours: dict[str, float]) -> float:
    """Frames a CPU-second of the peer, which sends as many and as large frames as the hub did."""
    async with (
        child("benchmarks.bare_server") as server,
        child("benchmarks.load", str(chosen.seed + run)) as load,
    ):
        address = f"ws://127.0.0.1:{(await server.tell(do='listen'))['port']}"
        await load.tell(do="connect", url=address + DEVICE_PATH, tokens=["x"] * chosen.vehicles, binary=False)
        boxes = views(chosen.subscribers, chosen.seed)
        await load.tell(
            do="subscribe", url=address + LIVE_PATH, token="", binary=chosen.binary, boxes=boxes, sample=0
        )
        every_ms = 1000 * chosen.subscribers / ours["frames_out_per_s"]
        await server.tell(do="broadcast", bytes=int(ours["bytes_per_frame"]), every_ms=every_ms)
        await load.tell(do="send", rate=chosen.rate, seconds=WARM_S, fixes_per_frame=1)
        before, before_s = await server.tell(do="count"), server.cpu_s()
        await load.tell(do="send", rate=chosen.rate, seconds=chosen.seconds, fixes_per_frame=1)
        await asyncio.sleep(0.2)
        cpu_s, after = server.cpu_s() - before_s, await server.tell(do="count")
    return float(sum(after[key] - before[key] for key in ("received", "sent")) / cpu_s)


async def _idle_bytes(found: HubProcess, seed: int, run: int) -> float:
    """Growth of the hub's resident memory for each silent, authenticated device socket more."""
    async with child("benchmarks.load", str(seed)) as load:
        tokens = [token(vehicle=f"idle-{run}-{i}") for i in range(IDLE_TO)]
        url = f"ws://127.0.0.1:{found.hub_port}{DEVICE_PATH}"
        await load.tell(do="connect", url=url, tokens=tokens[:IDLE_FROM], binary=False)
        await asyncio.sleep(1)
        before = found.process.resident_bytes()
        await load.tell(do="connect", url=url, tokens=tokens[IDLE_FROM:], binary=False)
        await asyncio.sleep(1)
        return (found.process.resident_bytes() - before) / (IDLE_TO - IDLE_FROM)


async def _main(chosen: argparse.Namespace) -> int:
    runs: list[dict[str, float]] = []
    for run in range(chosen.repetitions):
        async with hub() as found:
            idle = await _idle_bytes(found, chosen.seed, run) if chosen.idle else float("nan")
        async with hub() as found:
            ours = await _ours(chosen, run, found)
        bare = await _bare(chosen, run, ours)
        figures = {
            **ours,
            "bare_frames_per_cpu_s": bare,
            "ratio": ours["frames_per_cpu_s"] / bare,
            "bytes_per_idle_connection": idle,
        }
        runs.append(figures)
        say(
            f"run {run}: p50 {ours['p50_ms']:.1f} p99 {ours['p99_ms']:.1f} ms, {ours['frames_per_cpu_s']:,.0f} frames a CPU-second, "
            f"ratio {figures['ratio']:.2f}, bytes {ours['bytes_vs_ideal']:.3f}, {idle:,.0f} bytes idle"
        )
    options = {name: value for name, value in vars(chosen).items() if name != "json"}
    keys = [key for key in KEYS if chosen.idle or key != "bytes_per_idle_connection"]
    report({"options": options}, runs, keys, chosen.seed)
    return 0


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vehicles", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=10_000, help="fixes a second over all vehicles")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--subscribers", type=int, default=200)
    parser.add_argument("--binary", action="store_true", help="subscribers speak the binary subprotocol")
    parser.add_argument("--sample", type=int, default=10, help="subscribers whose every frame is decoded")
    parser.add_argument(
        "--no-idle", dest="idle", action="store_false", help="leave out the memory of idle connections"
    )
    return asyncio.run(_main(arguments_of(parser)))


if __name__ == "__main__":
    sys.exit(main())
