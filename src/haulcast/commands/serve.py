"""`haulcast serve`: run the hub until it is told to stop."""

import argparse
import asyncio
import gc
import signal
from pathlib import Path

import structlog
import uvloop

from haulcast.app import Hub
from haulcast.logs import configure_logs
from haulcast.settings import read_settings

HURRY_AGAIN_S = 0.1  # each part of the hub may have a last try of its own

log = structlog.get_logger("haulcast.serve")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only what cannot be a setting: where the settings are."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="a TOML file of settings; HAULCAST_* in the environment win",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; a second signal ends at once."""
    settings = read_settings(arguments.config)
    configure_logs(settings)
    return uvloop.run(_serve(Hub(settings)))


async def _serve(hub: Hub) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, loop, stop, number)
    serving, hurry = asyncio.current_task(), None
    try:
        async with hub.running():
            _calm_the_garbage_collector()
            await stop.wait()
            log.info("stopping", within_s=hub.settings.stop_timeout_s)
            hurry = asyncio.create_task(_hurry(serving, hub.settings.stop_timeout_s))
    except asyncio.CancelledError:
        if hurry is None:
            raise
    log.info("stopped")
    return 0


async def _hurry(stopping: asyncio.Task[int] | None, within_s: float) -> None:
    """End every wait of the stop that is still to come: what is acked is stored, and the rest comes again."""
    await asyncio.sleep(within_s)
    log.warning("stop_cut_short", after_s=within_s)
    while stopping is not None:
        stopping.cancel()
        await asyncio.sleep(HURRY_AGAIN_S)


def _calm_the_garbage_collector() -> None:
    """Leave what is there for good out of every later collection, and collect what is new more rarely.

    The hot path makes no reference cycles. With Python's defaults, looking for some took a fifth of the hub's time at
    40,000 fixes a second, and a second at a time beside 100,000 fences.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def _on_signal(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, number: signal.Signals) -> None:
    stop.set()
    loop.remove_signal_handler(number)  # the next one has its usual effect
