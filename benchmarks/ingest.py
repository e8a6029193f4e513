"""How many fixes a CPU-second the hub takes in, beside a picows server that only receives the same frames.

    python -m benchmarks.ingest --connections 5000 --rate 50000 --seconds 10 --json
    python -m benchmarks.ingest --connections 5000 --rate 500000 --seconds 10 --binary --fixes-per-frame 20 --json
    python -m benchmarks.ingest --connections 5000 --rate 50000 --seconds 10 --routes --json

`rate` is in fixes a second. Everything that the hub does is on: tokens, filter, acks, state, tick log.
With --routes it is the hub beside itself: one hub without routes and one with a route that every vehicle drives, by turns; `extra_cpu` of each turn,
`extra_cpu_of_all_turns` of all of them together, in which the noise of single turns is less.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.driven_routes import put_routes
from benchmarks.processes import HubProcess, Process, child, hub, token
from benchmarks.report import arguments_of, report, say
from haulcast.doors.wire import DEVICE_PATH

WARM_S = 2.0
ROUTED_KEYS = ("plain_fixes_per_cpu_s", "routed_fixes_per_cpu_s", "extra_cpu")
KEYS = ("fixes_per_cpu_s", "bare_frames_per_cpu_s", "bare_fixes_per_cpu_s", "ratio")


async def _until(done: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 120
    while not await done():
        if time.monotonic() > deadline:
            raise RuntimeError("the queues did not drain within 120 s")
        await asyncio.sleep(0.02)


async def _bare(chosen: argparse.Namespace, run: int) -> float:
    """Frames a CPU-second of the server that only receives."""
    async with (
        child("benchmarks.bare_server") as server,
        child("benchmarks.load", str(chosen.seed + run)) as load,
    ):
        port = (await server.tell(do="listen"))["port"]
        await load.tell(
            do="connect",
            url=f"ws://127.0.0.1:{port}/x",
            tokens=["x"] * chosen.connections,
            binary=chosen.binary,
        )
        sent = 0

        async def drained() -> bool:
            return bool((await server.tell(do="count"))["received"] >= sent / chosen.fixes_per_frame)

        for seconds in (WARM_S, chosen.seconds):
            before_s, before = server.cpu_s(), sent
            sent = (
                await load.tell(
                    do="send", rate=chosen.rate, seconds=seconds, fixes_per_frame=chosen.fixes_per_frame
                )
            )["sent"]
            await _until(drained)
        return float((sent - before) / chosen.fixes_per_frame / (server.cpu_s() - before_s))


async def _ours(chosen: argparse.Namespace, run: int, found: HubProcess) -> dict[str, float]:
    """Fixes a CPU-second of the hub, and what became of them."""
    async with child("benchmarks.load", str(chosen.seed + run)) as load:
        tokens = [token(vehicle=f"truck-{run}-{i}") for i in range(chosen.connections)]
        await load.tell(
            do="connect",
            url=f"ws://127.0.0.1:{found.hub_port}{DEVICE_PATH}",
            tokens=tokens,
            binary=chosen.binary,
        )
        start = await asyncio.to_thread(found.counters)
        sent = 0

        async def drained() -> bool:
            counters = await asyncio.to_thread(found.counters)
            return bool(counters["fixes"] - start["fixes"] >= sent)

        for seconds in (WARM_S, chosen.seconds):
            before_s, before = found.process.cpu_s(), sent
            sent = (
                await load.tell(
                    do="send", rate=chosen.rate, seconds=seconds, fixes_per_frame=chosen.fixes_per_frame
                )
            )["sent"]
            await _until(drained)
        cpu_s = found.process.cpu_s() - before_s
        end = await asyncio.to_thread(found.counters)
    accepted, rejected = end["accepted"] - start["accepted"], end["refused"] - start["refused"]
    return {
        "fixes_per_cpu_s": (sent - before) / cpu_s,
        "sent": sent,
        "accepted": accepted,
        "rejected": rejected,
        "cpu_s": cpu_s,
    }


async def _window(
    found: HubProcess, load: Process, chosen: argparse.Namespace, seconds: float
) -> dict[str, float]:
    """Fixes a CPU-second of the hub while this load sends for so long."""
    start, before_s = await asyncio.to_thread(found.counters), found.process.cpu_s()
    told = await load.tell(
        do="send", rate=chosen.rate, seconds=seconds, fixes_per_frame=chosen.fixes_per_frame
    )
    fixes = int(chosen.rate * seconds / chosen.fixes_per_frame) * chosen.fixes_per_frame

    async def drained() -> bool:
        return bool((await asyncio.to_thread(found.counters))["fixes"] - start["fixes"] >= fixes)

    await _until(drained)
    return {"fixes_per_cpu_s": fixes / (found.process.cpu_s() - before_s), "sent": told["sent"]}


async def _routed(chosen: argparse.Namespace) -> int:
    """What a route on every vehicle costs: two hubs, of which one has them, take the same load by turns."""
    vehicles, runs = [f"truck-{i}" for i in range(chosen.connections)], []
    async with AsyncExitStack() as stack:
        pairs: list[tuple[HubProcess, Process]] = []
        for has_routes in (False, True):
            found = await stack.enter_async_context(hub(device_rate_per_s=1e6, device_burst=1e7))
            load = await stack.enter_async_context(child("benchmarks.load", str(chosen.seed)))
            if has_routes:
                await put_routes(found, chosen.seed, vehicles)
            url = f"ws://127.0.0.1:{found.hub_port}{DEVICE_PATH}"
            tokens = [token(vehicle=vehicle) for vehicle in vehicles]
            await load.tell(do="connect", url=url, tokens=tokens, binary=chosen.binary)
            await _window(found, load, chosen, WARM_S)
            pairs.append((found, load))
        for run in range(chosen.repetitions):
            taken = {
                i: await _window(*pairs[i], chosen, chosen.seconds) for i in ((0, 1) if run % 2 else (1, 0))
            }
            plain, routed = taken[0]["fixes_per_cpu_s"], taken[1]["fixes_per_cpu_s"]
            runs.append(
                {
                    "plain_fixes_per_cpu_s": plain,
                    "routed_fixes_per_cpu_s": routed,
                    "extra_cpu": plain / routed - 1,
                }
            )
            say(
                f"run {run}: {plain:,.0f} fixes a CPU-second, with routes {routed:,.0f}: {plain / routed - 1:+.1%} CPU"
            )
        ends = [await asyncio.to_thread(found.counters) for found, _ in pairs]
    totals = {
        "sent": sum(taken[i]["sent"] for i in (0, 1)),
        "taken": sum(end["accepted"] + end["refused"] for end in ends),
    }
    plain, routed = (sum(1 / run[key] for run in runs) for key in ROUTED_KEYS[:2])  # CPU time a fix, summed
    report(
        {
            **totals,
            "extra_cpu_of_all_turns": routed / plain - 1,
            "told": ends[1]["routes"]["told"],
            "options": vars_of(chosen),
        },
        runs,
        ROUTED_KEYS,
        chosen.seed,
    )
    return 0 if totals["sent"] == totals["taken"] else 1


async def _main(chosen: argparse.Namespace) -> int:
    if chosen.routes:
        return await _routed(chosen)
    runs: list[dict[str, float]] = []
    async with hub(device_rate_per_s=1e6, device_burst=1e7) as found:
        for file in chosen.fences:
            await found.import_fences(file)
        for run in range(chosen.repetitions):
            bare = await _bare(chosen, run)
            ours = await _ours(chosen, run, found)
            figures = {
                **ours,
                "bare_frames_per_cpu_s": bare,
                "bare_fixes_per_cpu_s": bare * chosen.fixes_per_frame,
                "ratio": ours["fixes_per_cpu_s"] / (bare * chosen.fixes_per_frame),
            }
            runs.append(figures)
            say(
                f"run {run}: {figures['fixes_per_cpu_s']:,.0f} fixes, bare {bare:,.0f} frames a CPU-second, ratio {figures['ratio']:.2f}"
            )
    totals = {key: sum(run[key] for run in runs) for key in ("sent", "accepted", "rejected")}
    report({**totals, "options": vars_of(chosen)}, runs, KEYS, chosen.seed)
    return 0 if totals["sent"] == totals["accepted"] + totals["rejected"] else 1


def vars_of(chosen: argparse.Namespace) -> dict[str, Any]:
    """The options as they were given, for the report."""
    return {
        name: [str(v) for v in value] if isinstance(value, list) else value
        for name, value in vars(chosen).items()
    }


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=50_000, help="fixes a second over all connections")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--binary", action="store_true", help="the binary subprotocol")
    parser.add_argument("--fixes-per-frame", type=int, default=1)
    parser.add_argument(
        "--fences", type=Path, nargs="*", default=[], metavar="FILE", help="GeoJSON files to match against"
    )
    parser.add_argument("--routes", action="store_true", help="what a route on every vehicle costs")
    return asyncio.run(_main(arguments_of(parser)))


if __name__ == "__main__":
    sys.exit(main())
