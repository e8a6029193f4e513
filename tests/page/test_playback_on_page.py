"""Playing the past back on the page: the bar, the slider, the speed, and the way back to live."""

import re

import pytest
from page_fleet import OAKLAND
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_last_hour_is_played_sought_and_left(fleet, browser) -> None:
    """The map shows where the vehicle was then, goes where the slider is pulled, stands when paused, and comes back to now."""
    async with fleet.device() as truck, browser.window(fleet.link()) as window:
        page = window.page
        for minute in range(50, 0, -2):
            await truck.at(
                37.8 + (50 - minute) * 0.002, -122.27, ago_s=minute * 60, speed_mps=4, heading_deg=0
            )
        await truck.at(37.9, -122.27, speed_mps=4, heading_deg=0)
        await page.click("#vehicles .rows button.row")
        place = page.locator("#detail .facts dd").nth(3)
        await expect(place).to_have_text("37.90000, -122.27000")
        await page.click("#detail >> text=Play back")
        await expect(page.locator("#state")).to_have_text("playback")
        await expect(page.locator("#playback")).to_be_visible()
        await page.select_option("#playback select >> nth=1", "300")
        slider = page.locator("#playback input")
        await slider.fill("500")  # half an hour ago
        await page.click("#playback >> text=Pause")
        await expect(place).to_have_text(re.compile(r"^37\.8[2-6]"))
        await expect(page.locator("#playback button").first).to_have_text("Play")
        await page.click("#playback >> text=Back to live")
        await expect(page.locator("#playback")).to_be_hidden()
        await expect(page.locator("#state")).to_have_text("live")
        await expect(place).to_have_text("37.90000, -122.27000")
        assert window.wrong == []


async def test_the_keyboard_plays_all_vehicles(fleet, browser) -> None:
    """The button plays everybody; p pauses and goes on."""
    async with fleet.device("a") as one, fleet.device("b") as two, browser.window(fleet.link()) as window:
        page = window.page
        for truck, lon in ((one, -122.27), (two, -122.2)):
            for minute in (50, 40, 30, 20, 10, 0):
                await truck.at(OAKLAND[0], lon, ago_s=minute * 60, speed_mps=0)
        await expect(page.locator("#shown")).to_have_text("2 vehicles")
        await page.click("#play-back")
        await expect(page.locator("#state")).to_have_text("playback")
        await page.evaluate("document.activeElement.blur()")
        await page.keyboard.press("p")
        await expect(page.locator("#playback button").first).to_have_text("Play")
        await page.keyboard.press("p")
        await expect(page.locator("#playback button").first).to_have_text("Pause")
        await expect(page.locator("#shown")).to_have_text("2 vehicles", timeout=20_000)
        await page.click("#play-back")
        await expect(page.locator("#state")).to_have_text("live")
        assert window.wrong == []
