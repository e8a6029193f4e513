"""The panel's line on when a driver will be free, of the real hub."""

import re

import pytest
from page_fleet import OAKLAND
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACE = {"id": "a", "kind": "stop", "lat": 37.9, "lon": -122.27, "service_s": 600}
ROUTE = {"vehicle": "truck-1", "status": "active", "stops": [PLACE]}


async def test_the_panel_says_when_a_driver_will_be_free(fleet, browser) -> None:
    """Free now; with a route in so many minutes and how likely; off duty by its own word; and nothing while the past is shown is wrong."""
    async with fleet.device() as truck, browser.window(fleet.url) as window:
        page, free = window.page, window.page.locator("#free")
        await truck.at(*OAKLAND, speed_mps=10, heading_deg=0)
        await page.goto(fleet.link())
        await page.reload()
        await page.click("#vehicles .rows button.row")
        await expect(free).to_have_text("now", timeout=30_000)
        await fleet.send("PUT", "v1/routes/r-free", ROUTE)
        await expect(free).to_have_text(re.compile(r"^in \d+ min, \d+ %"), timeout=60_000)
        assert await free.get_attribute("title") == "by its route"
        await fleet.send("PUT", "v1/routes/r-free", {**ROUTE, "status": "cancelled"})
        await fleet.send("POST", "v1/vehicles/truck-1/duty", {"state": "off"})
        await expect(free).to_have_text("off duty; not likely within 8 h", timeout=60_000)
        assert window.wrong == []
