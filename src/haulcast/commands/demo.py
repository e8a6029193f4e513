"""`haulcast demo`: a hub, a simulated fleet, a few fences, and the address of a page to watch them on."""

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import uvloop

from haulcast.commands.demo_fences import demo_fences, demo_rules
from haulcast.commands.hub_access import HubAccess, read_secret
from haulcast.commands.simulate import drive, make_fleet
from haulcast.errors import HubError
from haulcast.logs import configure_logs
from haulcast.settings import Settings, read_settings

FLEET = "demo"
READY_WITHIN_S = 120.0
"""The first start unpacks a database and compiles the kernels."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How large a fleet."""
    parser.add_argument("--vehicles", type=int, default=300, help="how many (default %(default)s)")
    parser.add_argument(
        "--rate", type=float, help="fixes a second of the whole fleet (default: one of each vehicle)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed drives the same trips (default %(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM; the hub is stopped gracefully."""
    settings = read_settings()
    configure_logs(settings)
    return uvloop.run(_demo(arguments, settings))


async def _demo(arguments: argparse.Namespace, settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with _hub(settings) as hub:
        show = asyncio.create_task(_show(arguments, settings))
        waits = {show, asyncio.create_task(stop.wait()), asyncio.create_task(hub.wait())}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.wait(waits)
        if show in done:
            show.result()
        if hub.returncode is not None and not stop.is_set():
            raise HubError(
                "hub_stopped", f"the hub stopped by itself with status {hub.returncode}; its log says why"
            )
    return 0


async def _show(arguments: argparse.Namespace, settings: Settings) -> None:
    base = f"http://localhost:{settings.http_port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
        await _until_ready(client)
        access = HubAccess(read_secret(settings), FLEET)
        await _make_places(client, access)
    rate = arguments.vehicles if arguments.rate is None else arguments.rate
    fleet = make_fleet(arguments.vehicles, arguments.seed, None)
    # a fragment is never sent to a server, so the token stands in no log
    print(
        f"\n  Watch the fleet: {base}/#token={access.user_token('dispatcher')}\n  Stop: Ctrl-C\n", flush=True
    )
    url = f"ws://localhost:{settings.hub_port}"
    await drive(fleet, url, access, rate, seed=arguments.seed, binary=True)


@asynccontextmanager
async def _hub(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """`haulcast serve` as a child; leaving stops it gracefully, then for certain."""
    # a session of its own: Ctrl-C reaches this process alone, which then stops the hub in the right order
    hub = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "haulcast", "serve", start_new_session=True
    )
    try:
        yield hub
    finally:
        with suppress(ProcessLookupError):
            hub.terminate()
        try:
            await asyncio.wait_for(hub.wait(), settings.stop_timeout_s + 5.0)
        except TimeoutError:
            hub.kill()
            await hub.wait()


async def _until_ready(client: httpx.AsyncClient) -> None:
    """Wait for `/ready`; the hub's own end is noticed by who started it."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while not await _is_ready(client):  # noqa: ASYNC110 - another process gets ready
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise HubError("not_ready", f"the hub was not ready within {READY_WITHIN_S:.0f} s") from error


async def _is_ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/ready")).status_code == 200
    except httpx.TransportError:
        return False


async def _make_places(client: httpx.AsyncClient, access: HubAccess) -> None:
    """Put the demo's fences and rules; those that are there already stay as they are meant to be."""
    headers = {"Authorization": f"Bearer {access.user_token('admin')}"}
    documents = [("fences", fence) for fence in demo_fences()] + [("rules", rule) for rule in demo_rules()]
    for kind, document in documents:
        path = f"/v1/{kind}/{document['id']}"
        answer = await client.put(path, json=document, headers=headers)
        if answer.is_error:
            raise HubError("demo_refused", f"the hub refused {path} of the demo: {answer.text[:200]}")
