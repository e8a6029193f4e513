"""Accessible to a screen reader and the keyboard, as far as axe-core can tell: no serious violation in any state."""

import pytest
from axe_playwright_python.async_playwright import Axe
from page_fleet import OAKLAND, circle
from page_window import DESK, PHONE
from playwright.async_api import expect

from benchmarks.processes import SECRET, child

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _violations(page) -> list[str]:
    found = await Axe().run(page)
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
        for one in found.response["violations"]
        if one["impact"] in {"serious", "critical"}
    ]


LOOKS = [
    pytest.param(scheme, viewport, id=f"{scheme}-{name}")
    for scheme in ("light", "dark")
    for name, viewport in (("desk", DESK), ("phone", PHONE))
]
LINE = [[-122.27, 37.8], [-122.27, 37.86]]


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS)
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


async def _drives_off_its_route(fleet, truck) -> None:
    """A route of two stops, the second of which is late, and a vehicle that leaves the line between them."""
    stops = [
        {"id": "a", "kind": "stop", "lat": 37.81, "lon": -122.27, "name": "Yard"},
        {"id": "b", "kind": "stop", "lat": 37.86, "lon": -122.27, "name": "Berkeley", "closes": 1_700_000_000_000},
    ]  # fmt: skip
    line = {"type": "LineString", "coordinates": LINE}
    await fleet.send(
        "PUT", "v1/routes/r", {"vehicle": "truck-1", "status": "active", "stops": stops, "line": line}
    )
    way = [(37.8 + 0.002 * i, -122.27) for i in range(11)] + [
        (37.82, -122.27 + 0.002 * min(i, 5)) for i in range(1, 14)
    ]
    for number, (lat, lon) in enumerate(way):
        await truck.at(lat, lon, ago_s=250 - 10 * number, speed_mps=12, accuracy_m=5)


@pytest.mark.parametrize(("scheme", "viewport"), LOOKS)
async def test_no_serious_violation_with_routes_and_the_past(fleet, browser, scheme, viewport) -> None:
    """With a route that was left, its panel and alarms, a filter by state, fences of stops, a rule with hours, a drawing, the help, a token that ends, and playback."""
    async with (
        fleet.device() as truck,
        browser.window(
            fleet.link("dispatcher", lasts_s=300), color_scheme=scheme, viewport=viewport
        ) as window,
    ):
        page = window.page
        await _drives_off_its_route(fleet, truck)
        await expect(page.locator("#vehicles .rows li")).to_have_text(["truck-1off route 43 km/h"])
        await expect(page.locator("#renew")).to_be_visible()
        await page.click("#states button >> nth=4")
        assert await _violations(page) == []
        await page.click("#vehicles .rows button.row")
        await expect(page.locator("#route .stops .late")).to_be_visible()
        assert await _violations(page) == []
        await page.keyboard.press("Escape")
        await page.click("#tab-events")
        await expect(page.locator("#events [data-alarm=true]")).to_contain_text(["truck-1 left its route"])
        assert await _violations(page) == []
        await page.click("#tab-fences")
        await page.click("#fences >> text=Stops 2")
        await page.click("#fences .rows button.row >> nth=0")
        await page.click("#rules summary")
        await page.select_option("#rules select", "unauthorised")
        await page.check("#rules label:has-text('Only at hours') input")
        assert await _violations(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("Escape")
        await page.click("#draw-circle")
        await expect(page.locator("#map-hint")).to_be_visible()
        assert await _violations(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        assert await _violations(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("p")
        await expect(page.locator("#playback")).to_be_visible()
        assert await _violations(page) == []
        assert window.wrong == []


async def test_no_serious_violation_with_a_full_list(fleet, browser) -> None:
    """More vehicles than are listed at once, and then the rest of them."""
    arguments = ("--vehicles", "230", "--fleet", fleet.name, "--url", f"ws://127.0.0.1:{fleet.hub.hub_port}")
    async with (
        child("haulcast", "simulate", *arguments, environ={"HAULCAST_TOKEN_SECRET": SECRET}),
        browser.window(fleet.url) as window,
    ):
        page = window.page
        await page.evaluate(
            'localStorage.setItem("haulcast.view", JSON.stringify({lon: -122.2, lat: 37.7, zoom: 8.5}))'
        )
        await page.goto(fleet.link())
        await page.reload()
        await expect(page.locator("#vehicles .rows li")).to_have_count(200, timeout=60_000)
        await expect(page.locator("#shown")).to_have_text("230 vehicles", timeout=60_000)
        assert await _violations(page) == []
        await page.click("#vehicles >> text=Show 30 more")
        await expect(page.locator("#vehicles .rows li")).to_have_count(230)
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
