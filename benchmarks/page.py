"""What the page costs the browser: main-thread time a frame with every vehicle in view, by the browser's own tracing.

    python -m benchmarks.page --vehicles 20000 --json

A real hub, vehicles reporting through a socket each, `--rate` fixes a second in all, and the page in the installed Chromium, which shows all
of them and asks for 2 updates a second. A process may have only so many sockets open, so what goes beyond `--sockets` reported once and stands.

Everything is of the renderer's main thread in Chromium's own trace (`Tracing` of the DevTools protocol), whose tasks (`RunTask`) have a
length (`dur`) and the processor time that the thread had in it (`tdur`). A task draws if an animation frame is fired in it.

- `main_thread_ms_per_frame`: processor time of the tasks that draw, over the frames drawn, and of all other tasks (updates, lists, clocks, collecting garbage),
  over the frames of a 60 Hz screen. Script, style, layout, paint, the commit to the compositor, and what a GL call costs the caller are all in it.
- `script_ms_per_frame`: processor time of the animation frames' own script. `script_ms_per_update`: of the tasks that take a message of the socket.
- `all_ms_per_drawn_frame`: the first without the 60 Hz: processor time of all tasks over the frames drawn. With a slow renderer, which draws few frames for as many updates, it is an upper bound.

What these leave out is the time in which the thread did not run, and nothing else: `gl_waits_ms_per_frame`, inside the calls in which it waits for the process that executes GL
(`CommandBufferProxyImpl::Wait...` of the trace), and `preempted_ms_per_frame`, the rest, in which others had the processors: the software renderer, the hub and the load
share them with the page. `frames_per_s` is a software renderer's wherever there is no graphics card.
"""

import argparse
import asyncio
import bisect
import json
import shutil
import sys
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright, expect

from benchmarks.load import BOX
from benchmarks.processes import child, hub, token
from benchmarks.report import arguments_of, report, say
from haulcast.doors.wire import DEVICE_PATH

KEYS = (
    "main_thread_ms_per_frame",
    "script_ms_per_frame",
    "script_ms_per_update",
    "all_ms_per_drawn_frame",
    "frames_per_s",
)
CATEGORIES = "disabled-by-default-devtools.timeline,devtools.timeline,toplevel,v8,gpu"
GL_WAITS = {"CommandBufferProxyImpl::WaitForGetOffset", "CommandBufferProxyImpl::WaitForToken"}
ARGUMENTS = [
    "--no-sandbox", "--no-first-run", "--disable-background-networking", "--ignore-gpu-blocklist", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]  # fmt: skip
SETTLED_WITHIN_MS = 120_000
SCREEN_HZ = 60


async def _traced(cdp: CDPSession, seconds: float) -> list[dict[str, Any]]:
    """The browser's trace events of so many seconds."""
    events: list[dict[str, Any]] = []
    done = asyncio.get_running_loop().create_future()
    cdp.on("Tracing.dataCollected", lambda said: events.extend(said["value"]))
    cdp.on("Tracing.tracingComplete", lambda _: done.set_result(None))
    await cdp.send("Tracing.start", {"categories": CATEGORIES, "transferMode": "ReportEvents"})
    await asyncio.sleep(seconds)
    await cdp.send("Tracing.end")
    await done
    return events


def _main_thread(events: list[dict[str, Any]]) -> tuple[int, int]:
    """Process and thread of the page: the renderer's main thread that has drawn most frames."""
    threads = {
        (event["pid"], event["tid"]): 0
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    for event in events:
        place = event["pid"], event["tid"]
        if event["name"] == "FireAnimationFrame" and place in threads:
            threads[place] += 1
    return max(threads, key=lambda place: threads[place])


def figures_of(events: list[dict[str, Any]], seconds: float) -> dict[str, float]:
    """The figures from a trace; durations in it are microseconds."""
    place = _main_thread(events)
    ours = [event for event in events if (event["pid"], event["tid"]) == place]
    tasks = sorted((e for e in ours if e["name"] == "RunTask" and e.get("ph") == "X"), key=lambda e: e["ts"])
    fired = [event for event in ours if event["name"] == "FireAnimationFrame"]
    drawing = _tasks_with(tasks, [event["ts"] for event in fired])
    updating = _tasks_with(tasks, [event["ts"] for event in ours if event["name"] == "WebSocketReceive"])
    frames, all_us = max(1, len(drawing)), _processor_us(tasks)
    drawing_us, waits = _processor_us(drawing), [event for event in ours if event["name"] in GL_WAITS]
    off_us = _off_us(drawing)
    gl_waits_us = min(off_us, _off_us([wait for task in drawing for wait in waits if _is_in(wait, task)]))
    return {
        "main_thread_ms_per_frame": drawing_us / 1000 / frames
        + (all_us - drawing_us) / 1000 / (seconds * SCREEN_HZ),
        "script_ms_per_frame": _processor_us(fired) / 1000 / frames,
        "script_ms_per_update": _processor_us(updating) / 1000 / max(1, len(updating)),
        "all_ms_per_drawn_frame": all_us / 1000 / frames,
        "gl_waits_ms_per_frame": gl_waits_us / 1000 / frames,
        "preempted_ms_per_frame": (off_us - gl_waits_us) / 1000 / frames,
        "frames_per_s": len(drawing) / seconds,
        "updates_per_s": len(updating) / seconds,
        "main_thread_share": all_us / 1e6 / seconds,
    }


def _tasks_with(tasks: list[dict[str, Any]], moments_us: list[float]) -> list[dict[str, Any]]:
    """The tasks in which one of these moments is; each once."""
    starts = [task["ts"] for task in tasks]
    found = {bisect.bisect_right(starts, moment) - 1 for moment in moments_us}
    return [tasks[i] for i in sorted(found) if i >= 0]


def _is_in(event: dict[str, Any], task: dict[str, Any]) -> bool:
    return bool(task["ts"] <= event["ts"] < task["ts"] + task["dur"])


def _processor_us(events: list[dict[str, Any]]) -> float:
    return float(sum(event.get("tdur", 0) for event in events))


def _off_us(events: list[dict[str, Any]]) -> float:
    """How long the thread did not run in them."""
    return float(sum(event["dur"] for event in events)) - _processor_us(events)


async def _watch(browser: Browser, url: str, vehicles: int, seconds: float) -> dict[str, float]:
    west, south, east, north = BOX
    view = {"lon": (west + east) / 2, "lat": (south + north) / 2, "zoom": 9.0}
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    page: Page = await context.new_page()
    await page.add_init_script(f"localStorage.setItem('haulcast.view', {json.dumps(json.dumps(view))})")
    await page.goto(f"{url}#token={token('viewer')}")
    await expect(page.locator("#shown")).to_have_text(f"{vehicles:,} vehicles", timeout=SETTLED_WITHIN_MS)
    # until then graphics in software compile shaders, which the thread waits for
    await page.wait_for_selector("html[data-map=ready]", state="attached", timeout=SETTLED_WITHIN_MS)
    await page.wait_for_timeout(5000)
    cdp = await browser.new_browser_cdp_session()
    return figures_of(await _traced(cdp, seconds), seconds)


async def _report_once(address: str, tokens: list[str], seed: int) -> None:
    """A fix of each, over sockets that are closed again."""
    if not tokens:
        return
    async with child("benchmarks.load", str(seed)) as load:
        await load.tell(do="connect", url=address, tokens=tokens, binary=True)
        await load.tell(do="send", rate=len(tokens), seconds=1.0, fixes_per_frame=1)
        await asyncio.sleep(1)  # until they are taken


async def _run(chosen: argparse.Namespace, run: int) -> dict[str, float]:
    async with (
        hub() as found,
        child("benchmarks.load", str(chosen.seed + run)) as load,
        async_playwright() as play,
    ):
        tokens = [token(vehicle=f"truck-{i}") for i in range(chosen.vehicles)]
        address = f"ws://127.0.0.1:{found.hub_port}{DEVICE_PATH}"
        await _report_once(address, tokens[chosen.sockets :], chosen.seed + run + 1000)
        await load.tell(do="connect", url=address, tokens=tokens[: chosen.sockets], binary=True)
        sends_s = chosen.seconds + SETTLED_WITHIN_MS / 1000
        sending = asyncio.create_task(
            load.tell(do="send", rate=chosen.rate, seconds=sends_s, fixes_per_frame=1)
        )
        browser = await play.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        try:
            return await _watch(
                browser, f"http://127.0.0.1:{found.http_port}/", chosen.vehicles, chosen.seconds
            )
        finally:
            await browser.close()
            sending.cancel()


async def _main(chosen: argparse.Namespace) -> int:
    runs = []
    for run in range(chosen.repetitions):
        figures = await _run(chosen, run)
        runs.append(figures)
        say(f"run {run}: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))
    options = {name: value for name, value in vars(chosen).items() if name != "json"}
    report({"options": options}, runs, list(KEYS), chosen.seed)
    return 0


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vehicles", type=int, default=20_000)
    parser.add_argument("--sockets", type=int, default=15_000, help="vehicles that report all the time")
    parser.add_argument("--rate", type=float, default=10_000, help="fixes a second over all vehicles")
    parser.add_argument("--seconds", type=float, default=20, help="that are traced")
    return asyncio.run(_main(arguments_of(parser)))


if __name__ == "__main__":
    sys.exit(main())
