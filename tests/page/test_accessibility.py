"""Accessible to a screen reader and the keyboard, as far as axe-core can tell: no serious violation in any state."""

import pytest
from axe_playwright_python.async_playwright import Axe
from page_fleet import OAKLAND, circle
from page_window import DESK, PHONE
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _violations(page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
        for one in found.response["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
async def test_no_serious_violation(fleet, browser, scheme, viewport) -> None:
    """With vehicles, a vehicle's panel, events, fences, a fence's form, and the sign-in."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    async with (
        fleet.device() as truck,
        browser.window(fleet.link("dispatcher"), color_scheme=scheme, viewport=viewport) as window,
    ):
        page = window.page
        await truck.at(37.79, -122.3, ago_s=60, speed_mps=10)
        await truck.at(*OAKLAND, speed_mps=10)
        await expect(page.locator("#vehicles .rows li")).to_have_count(1)
        assert await _violations(page) == []
        await page.click("#vehicles .rows button.row")
        assert await _violations(page) == []
        await page.keyboard.press("Escape")
        await page.click("#tab-events")
        assert await _violations(page) == []
        await page.click("#tab-fences")
        await page.click("#fences .rows button.row")
        await page.click("#rules summary")
        assert await _violations(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await page.click("#leave")
        await expect(page.locator("#sign-in")).to_be_visible()
        assert await _violations(page) == []


async def test_the_keyboard_reaches_everything(fleet, browser) -> None:
    """Tab comes to the lists and the map; arrows change the tab; the help names the keys."""
    async with fleet.device() as truck, browser.window(fleet.link()) as window:
        page = window.page
        await truck.at(*OAKLAND, speed_mps=10)
        await expect(page.locator("#vehicles .rows li")).to_have_count(1)
        await page.focus("#tab-vehicles")
        await page.keyboard.press("ArrowRight")
        await expect(page.locator("#tab-events")).to_be_focused()
        await expect(page.locator("#events-pane")).to_be_visible()
        await page.keyboard.press("v")
        await page.focus("#vehicles .rows button.row")
        await page.keyboard.press("Enter")
        await expect(page.locator("#detail h2")).to_have_text("truck-1")
        await page.keyboard.press("g")
        await expect(page.locator("#detail >> text=Follow")).to_have_attribute("aria-pressed", "true")
        await page.keyboard.press("?")
        await expect(page.locator("#help")).to_contain_text("search")
        await page.keyboard.press("Escape")
        await expect(page.locator("#help")).to_be_hidden()
        before = await page.evaluate("document.documentElement.dataset.theme")
        await page.keyboard.press("t")
        assert await page.evaluate("document.documentElement.dataset.theme") != before
        assert window.wrong == []
