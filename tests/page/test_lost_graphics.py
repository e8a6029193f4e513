"""A map whose graphics the browser takes away says so, and has everything again when they are back."""

import re

import pytest
from page_fleet import OAKLAND, circle
from page_window import PATIENCE_MS, PHONE
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOVING, IDLE = (19, 122, 75), (199, 119, 0)  # of palette.js, in light
LOSE = """() => {
  const gl = document.querySelector("#map canvas").getContext("webgl2");
  window.away = gl.getExtension("WEBGL_lose_context");
  window.away.loseContext();
}"""


async def _is_seen(window, place, colour, reach: int = 14) -> bool:
    for _ in range(100):
        if colour in await window.colours_near(*place, reach):
            return True
        await window.page.wait_for_timeout(100)
    return False


async def test_the_map_comes_back_with_all_that_was_on_it(fleet, browser) -> None:
    """Vehicles, fences and names are drawn again, also what changed in between; nothing is an error."""
    async with fleet.device() as truck, browser.window(fleet.link("dispatcher"), viewport=PHONE) as window:
        page = window.page
        await truck.at(*OAKLAND, speed_mps=12, heading_deg=45)
        await page.click("#vehicles .rows button.row")
        await expect(page.locator("#detail .facts dd").first).to_have_text("moving")
        await page.keyboard.press("Escape")
        await window.shows_map()
        box = await page.locator("#map").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        assert await _is_seen(window, middle, MOVING)
        await page.evaluate(LOSE)
        await expect(page.locator("#map-away")).to_be_visible()
        await expect(page.locator("#state")).to_have_text(re.compile("^live"))
        await truck.at(37.8001, -122.27, speed_mps=0.0)  # while it is away
        await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
        await page.click("#tab-fences")
        await expect(page.locator("#fences .rows")).to_contain_text("Port")
        await page.click("#fences .rows button.row")
        await expect(page.locator("#detail h2")).to_have_text("Port")
        await page.keyboard.press("Escape")
        await expect(page.locator("#detail")).to_be_hidden()
        await page.click("#theme")
        await page.click("#theme")
        await page.mouse.click(*middle)
        await page.click("#tab-vehicles")
        await expect(page.locator("#vehicles .rows li")).to_contain_text("idle")
        await page.evaluate("window.away.restoreContext()")
        await expect(page.locator("#map-away")).to_be_hidden(timeout=PATIENCE_MS)
        await page.click("#vehicles .rows button.row")
        await page.click("#detail >> text=Show")
        await page.keyboard.press("Escape")
        assert await _is_seen(window, middle, IDLE)
        await page.keyboard.press("Escape")
        assert window.wrong == []
        await truck.at(37.8, -122.27, speed_mps=12, heading_deg=45)
        await truck.at(37.80005, -122.27, speed_mps=12, heading_deg=45)
        assert await _is_seen(window, middle, MOVING, 40)
        assert window.wrong == []
