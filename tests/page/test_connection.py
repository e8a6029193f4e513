"""The connection: what is said of it is true, it comes back by itself, and no event is missed."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator

import pytest
from page_fleet import OAKLAND, Fleet, circle
from playwright.async_api import expect

from benchmarks.processes import HubProcess, free_port, hub, public_folder

pytestmark = pytest.mark.asyncio(loop_scope="session")

OUTSIDE = (37.806, -122.27)
DOWN = re.compile(r"^reconnecting, stale since \d")


class Cable:
    """A TCP relay in front of the hub that can be cut, by closing its connections or by carrying nothing."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_cut = False
        self.is_stuck = False

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]
            self.cut()

    def cut(self) -> None:
        self.is_cut = True
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        out_reader, out_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, out_writer}
        await asyncio.gather(self._carry(reader, out_writer), self._carry(out_reader, writer))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while data := await reader.read(65_536):
                if not self.is_stuck:
                    writer.write(data)
            writer.close()


def _through(fleet: Fleet, port: int, **token) -> str:
    return f"http://127.0.0.1:{port}/#token={fleet.token('viewer', **token)}"


async def test_events_of_a_gap_come_afterwards_once_and_in_order(fleet, browser, page_hub) -> None:
    """While the cable is cut the page says that it is stale; then all that happened meanwhile is there."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    cable = Cable(page_hub.http_port)
    async with fleet.device() as truck, cable.laid() as port, browser.window(_through(fleet, port)) as window:
        page = window.page
        await truck.at(*OUTSIDE, ago_s=120)
        await expect(page.locator("#shown")).to_have_text("1 vehicle")
        cable.cut()
        await expect(page.locator("#state")).to_have_text(DOWN)
        for turn in range(3):
            await truck.at(*OAKLAND, ago_s=100 - 30 * turn)
            await truck.at(*OUTSIDE, ago_s=85 - 30 * turn)
        cable.is_cut = False
        start_s = time.monotonic()
        await expect(page.locator("#state")).to_have_text("live", timeout=20_000)
        assert time.monotonic() - start_s < 8
        await page.click("#tab-events")
        told = page.locator("#events .title")
        await expect(told).to_have_text(["truck-1 left Port", "truck-1 entered Port"] * 3)
        assert not [said for said in window.wrong if "WebSocket" not in said and "ERR_" not in said]


async def test_the_first_try_to_come_back_is_soon(fleet, browser, page_hub) -> None:
    """The page tries within two seconds, and is live as soon as the hub answers."""
    cable = Cable(page_hub.http_port)
    async with cable.laid() as port, browser.window(_through(fleet, port)) as window:
        await expect(window.page.locator("#state")).to_have_text("live")
        async with window.page.expect_event("websocket", timeout=2000):
            cable.cut()
            cable.is_cut = False
        await expect(window.page.locator("#state")).to_have_text("live")


async def test_a_cable_that_is_pulled_is_noticed(fleet, browser, page_hub) -> None:
    """A connection that carries nothing any more, and is not closed either, is given up, and said to be stale."""
    cable = Cable(page_hub.http_port)
    async with fleet.device() as truck, cable.laid() as port, browser.window(_through(fleet, port)) as window:
        await truck.at(*OAKLAND)
        await expect(window.page.locator("#shown")).to_have_text("1 vehicle")
        cable.is_stuck = True
        await expect(window.page.locator("#state")).to_have_text(DOWN, timeout=60_000)
        cable.is_stuck = False
        await expect(window.page.locator("#state")).to_have_text("live", timeout=20_000)


async def test_what_is_stale_is_said(fleet, browser) -> None:
    """An open socket on which nothing comes is called live, and since when nothing is new."""
    async with fleet.device() as truck, browser.window(fleet.link()) as window:
        await truck.at(*OAKLAND)
        await expect(window.page.locator("#shown")).to_have_text("1 vehicle")
        await expect(window.page.locator("#state")).to_have_text(
            re.compile("^live, nothing new since"), timeout=15_000
        )
        await truck.at(*OAKLAND)
        await expect(window.page.locator("#state")).to_have_text("live")


async def test_a_restart_of_the_hub_leaves_no_gap(browser) -> None:
    """The page waits, comes back to the new hub and its vehicles, and has what was told while it was away; or says that it has not."""
    ports = {"http_port": free_port(), "hub_port": free_port()}
    with public_folder() as folder:
        async with contextlib.AsyncExitStack() as stack:
            first = await stack.enter_async_context(hub(data_dir=f"{folder}/var", **ports))
            fleet, cable = Fleet(first, "restarted"), Cable(first.http_port)
            await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
            await fleet.send("PUT", "v1/fences/east", circle(37.8, -122.2, 500, "East"))
            port = await stack.enter_async_context(cable.laid())
            window = await stack.enter_async_context(browser.window(_through(fleet, port)))
            async with fleet.device() as truck:
                await truck.at(37.8, -122.2, ago_s=600)
                await expect(window.page.locator("#shown")).to_have_text("1 vehicle")
                cable.cut()
                await expect(window.page.locator("#state")).to_have_text(DOWN)
                await truck.at(*OAKLAND, ago_s=10)
            await _stopped(first)
            await stack.enter_async_context(hub(data_dir=f"{folder}/var", **ports))
            cable.is_cut = False
            await expect(window.page.locator("#state")).to_have_text(re.compile("^live"), timeout=30_000)
            await expect(window.page.locator("#shown")).to_have_text("1 vehicle")
            await window.page.click("#tab-events")
            if await fleet.has("v1/events"):
                told = ["truck-1 entered Port", "truck-1 left East", "truck-1 entered East"]
                await expect(window.page.locator("#events .title")).to_have_text(told)
            else:
                await expect(window.page.locator("#events")).to_contain_text("The hub was restarted")


async def _stopped(found: HubProcess) -> None:
    found.process._process.terminate()
    await found.process.ended(30)
