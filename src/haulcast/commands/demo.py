"""`haulcast demo`: a hub, a simulated fleet with offenders, fences and rules, and the address of a page to watch them on."""

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import uvloop

from haulcast.clock import epoch_ms
from haulcast.commands.demo_fences import demo_fences, demo_rules
from haulcast.commands.demo_routes import PREFIX, demo_routes
from haulcast.commands.hub_access import HubAccess, read_secret
from haulcast.commands.simulate import drive, make_fleet
from haulcast.errors import HubError
from haulcast.logs import configure_logs
from haulcast.settings import Settings, read_settings
from haulcast.simulation import Fleet, bay_roads
from haulcast.simulation.offenders import OFFENDER

FLEET = "demo"
READY_WITHIN_S = 120.0
"""The first start unpacks a database and compiles the kernels."""
REPORT_EVERY_S = 1.5
"""Of each vehicle, unless a rate is given."""
PUTS_AT_ONCE = 8
MOST_ROUTES = 1000
"""Of an earlier demo, which are cancelled."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How large a fleet."""
    parser.add_argument(
        "--vehicles", type=int, default=300, help="how many, offenders not counted (default %(default)s)"
    )
    parser.add_argument(
        "--rate",
        type=float,
        help="fixes a second of the whole fleet (default: of each vehicle one every 1.5 s)",
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
        access = HubAccess(read_secret(settings), FLEET)  # which the hub may just have made
        fleet = make_fleet(arguments.vehicles, arguments.seed, epoch_ms(), has_offenders=True)
        await prepare(client, access, fleet)
    rate = fleet.size / REPORT_EVERY_S if arguments.rate is None else arguments.rate
    offenders = {entry.name for entry in fleet.roster if OFFENDER in entry.tags}
    # a fragment is never sent to a server, so the token stands in no log
    print(
        f"\n  Watch the fleet: {base}/#token={access.user_token('dispatcher')}\n"
        f"  Offenders: {'; '.join(sorted(offenders))}\n  Stop: Ctrl-C\n",
        flush=True,
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


async def prepare(client: httpx.AsyncClient, access: HubAccess, fleet: Fleet) -> None:
    """Put the demo's vehicles, fences, rules and routes; those that are there already stay as they are meant to be.

    Args:
        client: of the hub's HTTP port.
        access: to the fleet.
        fleet: whose names and tags are told.

    Raises:
        HubError: the hub refused something.
    """
    vehicles = {entry.vehicle_id: {"name": entry.name, "tags": list(entry.tags)} for entry in fleet.roster}
    documents = [(f"/v1/vehicles/{vehicle_id}", document) for vehicle_id, document in vehicles.items()]
    documents += [(f"/v1/fences/{fence['id']}", fence) for fence in demo_fences(bay_roads())]
    documents += [(f"/v1/rules/{rule['id']}", rule) for rule in demo_rules()]
    headers = {"Authorization": f"Bearer {access.user_token('admin')}"}
    turns = asyncio.Semaphore(PUTS_AT_ONCE)

    async def ask(method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        async with turns:
            answer = await client.request(method, path, json=document, headers=headers)
        if answer.is_error:
            raise HubError("demo_refused", f"the hub refused {path} of the demo: {answer.text[:200]}")
        return answer.json()

    await asyncio.gather(*(ask("PUT", path, document) for path, document in documents))
    earlier = [
        route["id"] for route in (await ask("GET", f"/v1/routes?status=active&limit={MOST_ROUTES}"))["routes"]
    ]
    await asyncio.gather(
        *(ask("DELETE", f"/v1/routes/{route_id}") for route_id in earlier if route_id.startswith(PREFIX))
    )
    routes = demo_routes(fleet, bay_roads())
    await asyncio.gather(*(ask("PUT", f"/v1/routes/{route['id']}", route) for route in routes))
