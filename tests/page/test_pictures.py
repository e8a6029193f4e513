"""Pictures of the page, to be looked at: light, dark, phone, playback, low zoom; none of them is empty.

`PAGE_PICTURES=docs/images` keeps them there.
"""

import os
from pathlib import Path

import pytest
from page_window import DESK, PHONE
from playwright.async_api import expect

from benchmarks.processes import SECRET, child
from haulcast.commands.demo_fences import demo_fences
from haulcast.simulation import bay_roads

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEAST_BYTES = 15_000
WIDE = {"width": 1360, "height": 850}
VIEWS = {
    "light": (WIDE, "light", {"lon": -122.3, "lat": 37.79, "zoom": 11.2}),
    "dark": (WIDE, "dark", {"lon": -122.2, "lat": 37.7, "zoom": 9.4}),
    "phone": (PHONE, "light", {"lon": -122.3, "lat": 37.79, "zoom": 10.5}),
    "low-zoom": (DESK, "light", {"lon": -119, "lat": 38, "zoom": 4.5}),
    "playback": (WIDE, "dark", {"lon": -122.3, "lat": 37.79, "zoom": 10.6}),
}
SECONDS_BACK = 15  # of the playback: the fleet has driven for so long by then


@pytest.fixture
async def driving(fleet):
    """Two hundred simulated trucks and the demo's fences."""
    for feature in demo_fences(bay_roads()):
        await fleet.send("PUT", f"v1/fences/{feature['id']}", feature)
    url = f"ws://127.0.0.1:{fleet.hub.hub_port}"
    environ = {"HAULCAST_TOKEN_SECRET": SECRET}
    arguments = ("--vehicles", "200", "--binary", "--fleet", fleet.name, "--url", url)
    async with child("haulcast", "simulate", *arguments, environ=environ):
        yield fleet


async def test_the_page_is_worth_looking_at(driving, browser, tmp_path) -> None:
    """Each view, once all trucks have come; vehicles move, so no picture is compared with another."""
    folder = Path(os.environ.get("PAGE_PICTURES", tmp_path))
    for name, (viewport, scheme, view) in VIEWS.items():
        async with browser.window(f"{driving.url}", viewport=viewport, color_scheme=scheme) as window:
            page = window.page
            await page.evaluate("view => localStorage.setItem('haulcast.view', JSON.stringify(view))", view)
            await page.reload()
            await page.goto(f"{driving.link('dispatcher')}")
            await expect(page.locator("#state")).to_have_text("live")
            if name == "low-zoom":
                await expect(page.locator("#shown")).to_contain_text("cluster")
            else:
                await expect(page.locator("#vehicles .rows li").nth(20)).to_be_visible()
            if name == "light":
                await page.click("#tab-events")
                await expect(page.locator("#events li").nth(3)).to_be_visible(timeout=60_000)
            if name == "dark":
                await page.click("#vehicles .rows button.row >> nth=3")
                await page.wait_for_timeout(800)  # the map goes there
                await page.evaluate("document.activeElement.blur()")
                await page.keyboard.press("-")
            if name == "playback":
                await page.click("#play-back")
                await expect(page.locator("#state")).to_have_text("playback")
                await page.select_option("#playback select >> nth=1", "1")
                await page.locator("#playback input").fill(str(1000 - SECONDS_BACK / 3.6))
                await expect(page.locator("#vehicles .rows li").nth(20)).to_be_visible()
            await page.wait_for_timeout(4000)  # the map draws, the trail grows
            picture = await page.screenshot(path=folder / f"page-{name}.png")
            assert len(picture) > LEAST_BYTES
            assert window.wrong == []
