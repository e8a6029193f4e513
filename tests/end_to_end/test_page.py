"""The page in a real browser, on the hub's own port."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, async_playwright, expect

from benchmarks.processes import HubProcess, token
from haulcast.client.device_client import DeviceClient
from haulcast.clock import epoch_ms

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
PATIENCE_MS = 20_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@contextlib.asynccontextmanager
async def a_page(address: str) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page of a fresh browser, and what went wrong in it: console errors, requests to anywhere else."""
    wrong: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = await browser.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if "127.0.0.1" in request.url else wrong.append(request.url))
        await page.goto(address)
        yield page, wrong
        await browser.close()


async def test_vehicles_and_fence_events_appear(running_hub: HubProcess):
    """A viewer's token in the fragment opens the live map; it leaves the address bar, and nothing is asked of others."""
    address = f"http://127.0.0.1:{running_hub.http_port}/"
    circle = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [-122.27, 37.8]},
        "properties": {"name": "Port", "radius_m": 500},
    }
    await asyncio.to_thread(running_hub.send, "PUT", "/v1/fences/port", circle)
    async with DeviceClient(f"ws://127.0.0.1:{running_hub.hub_port}", token(vehicle="truck-1")) as device:
        device.send(time_ms=epoch_ms() - 60_000, lat_deg=37.79, lon_deg=-122.3)
        async with a_page(f"{address}#token={token('viewer')}") as (page, wrong):
            await expect(page.locator("#shown")).to_have_text("1 vehicle", timeout=PATIENCE_MS)
            await expect(page.locator("#state")).to_have_text("live")
            device.send(time_ms=epoch_ms(), lat_deg=37.8, lon_deg=-122.27)
            await expect(page.locator("#events")).to_contain_text("truck-1 enter Port", timeout=PATIENCE_MS)
            assert page.url == address
            assert wrong == []


async def test_a_bad_token_leads_to_the_sign_in_form(running_hub: HubProcess):
    """The refused socket's code reaches the page, which asks for another token instead of trying for ever."""
    async with a_page(f"http://127.0.0.1:{running_hub.http_port}/#token=bad") as (page, _):
        await expect(page.locator("#sign-in")).to_be_visible(timeout=PATIENCE_MS)
        await page.fill("#token", token("viewer"))
        await page.click("#sign-in button")
        await expect(page.locator("#state")).to_have_text("live", timeout=PATIENCE_MS)
