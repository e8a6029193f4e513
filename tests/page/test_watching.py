"""Watching: vehicles appear and move, the list and the panel say so, and nothing goes wrong or elsewhere."""

import contextlib

import pytest
from page_fleet import OAKLAND, circle
from page_window import PATIENCE_MS, PHONE
from playwright.async_api import expect

from haulcast.clock import epoch_ms

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOVING, IDLE = (19, 122, 75), (199, 119, 0)  # of palette.js, in light


async def test_a_vehicle_appears_moves_and_raises_an_event(fleet, browser) -> None:
    """A token in the fragment opens the map and leaves the address bar; a fix is a row, a marker, an event."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    async with fleet.device() as truck, browser.window(fleet.link()) as window:
        page = window.page
        await truck.at(37.79, -122.3, ago_s=60, speed_mps=10, heading_deg=90)
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("#shown")).to_have_text("1 vehicle")
        await truck.at(*OAKLAND, speed_mps=12, heading_deg=45)
        await page.click("#tab-events")
        await expect(page.locator("#events")).to_contain_text("truck-1 entered Port")
        assert page.url == fleet.url
        assert window.wrong == []


async def test_a_chosen_vehicle_is_drawn_where_it_is(fleet, browser) -> None:
    """Its marker stands in the middle of the map that goes there, in the colour of its state; the panel follows."""
    async with fleet.device() as truck, browser.window(fleet.link(), viewport=PHONE) as window:
        page = window.page
        await truck.at(*OAKLAND, speed_mps=12, heading_deg=45)
        await page.click("#vehicles .rows button.row")
        place = page.locator("#detail .facts dd").nth(3)
        await expect(place).to_have_text("37.80000, -122.27000")
        await expect(page.locator("#detail .facts dd").first).to_have_text("moving")
        await truck.at(37.801, -122.27, speed_mps=0.0)
        await expect(place).to_have_text("37.80100, -122.27000")
        await expect(page.locator("#detail .facts dd").first).to_have_text("idle")
        await page.click("#detail >> text=Show")
        await page.keyboard.press("Escape")
        await expect(page.locator("#detail")).to_be_hidden()
        await window.shows_map()
        box = await page.locator("#map").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        async def is_drawn() -> bool:
            return IDLE in await window.colours_near(*middle)

        await _eventually(page, is_drawn)
        await page.mouse.click(*middle)
        await expect(page.locator("#detail h2")).to_have_text("truck-1")
        assert window.wrong == []


async def test_states_are_told_apart_counted_and_filtered(fleet, browser) -> None:
    """Moving, idle and silent; a state's button leaves only those, the search only what it names."""
    async with fleet.device("mover") as mover, fleet.device("idler") as idler, fleet.device("ghost") as ghost:
        await mover.at(37.8, -122.2, speed_mps=10, heading_deg=0)
        await idler.at(37.7, -122.2, speed_mps=0)
        await ghost.at(37.6, -122.2, ago_s=600, speed_mps=10)
        async with browser.window(fleet.link()) as window:
            page, rows = window.page, window.page.locator("#vehicles .rows li")
            await expect(rows).to_have_count(3)
            await expect(page.locator("#states")).to_contain_text(
                "1 moving moving1 idle idle0 stopped stopped1 silent silent"
            )
            await expect(rows.nth(2)).to_contain_text("silent 10 min")
            await page.click("#states button >> nth=3")
            await expect(rows).to_have_text(["ghostsilent 10 min"])
            await page.click("#states button >> nth=3")
            await page.keyboard.press("/")
            await page.keyboard.type("IDL")
            await expect(rows).to_have_count(1)
            await expect(rows).to_contain_text("idler")
            assert window.wrong == []


async def test_a_search_finds_what_is_not_in_view(fleet, browser) -> None:
    """By the name or the id that the fleet's registry has; choosing it goes there."""
    async with fleet.device("t-9") as truck:
        await truck.at(52.5, 13.4, speed_mps=10)
        await fleet.send("PUT", "v1/vehicles/t-9", {"name": "Bär Berlin", "tags": ["north"]})
        async with browser.window(fleet.link()) as window:
            page, rows = window.page, window.page.locator("#vehicles .rows li")
            await expect(page.locator("#vehicles .empty")).to_have_text(
                "No vehicles in this part of the map."
            )
            await page.fill("#search", "bär")
            await expect(rows).to_have_text(["Bär Berlinnot in view"])
            await rows.locator("button").click()
            await expect(rows).to_have_text(["Bär Berlin36 km/h"])
            await page.fill("#search", "")
            await page.select_option("#vehicles select", "north")
            await expect(rows).to_have_count(1)
            assert window.wrong == []


async def test_a_long_list_is_read_to_its_end(fleet, browser) -> None:
    """Two hundred at first, in the order of their ids; the keyboard asks for more and goes on reading there; a filter begins anew."""
    async with contextlib.AsyncExitStack() as stack:
        trucks = [await stack.enter_async_context(fleet.device(f"t-{number}")) for number in range(1, 216)]
        for number, truck in enumerate(trucks):
            await truck.at(37.6 + number * 1e-3, -122.2, speed_mps=10 if number < 214 else 0)
        async with browser.window(fleet.link()) as window:
            page, rows = window.page, window.page.locator("#vehicles .rows li")
            note, more = page.locator("#vehicles .empty"), page.locator("#vehicles button.more")
            await expect(page.locator("#shown")).to_have_text("215 vehicles")
            await expect(rows).to_have_count(200)
            await expect(note).to_have_text("200 of 215 vehicles listed.")
            await expect(rows.nth(9)).to_contain_text("t-10")
            await expect(rows.nth(199)).to_contain_text("t-200")
            await expect(more).to_have_text("Show 15 more")
            await more.focus()
            await page.keyboard.press("Enter")
            await expect(rows).to_have_count(215)
            await expect(rows.nth(200).locator("button")).to_be_focused()
            await expect(rows.nth(200)).to_contain_text("t-201")
            await expect(rows.nth(214)).to_contain_text("t-215idle")
            await expect(more).to_be_hidden()
            await expect(note).to_have_text("215 of 215 vehicles listed.")
            await page.wait_for_timeout(1500)  # it is shown anew meanwhile
            await expect(rows.nth(200).locator("button")).to_be_focused()
            await page.click("#states button >> nth=0")
            await expect(rows).to_have_count(200)
            await expect(note).to_have_text("200 of 214 vehicles listed.")
            assert window.wrong == []


async def _comes_to(page, zoom: float) -> None:
    """Wait for the end of the map's own animation."""
    is_there = "zoom => Math.abs(JSON.parse(localStorage.getItem('haulcast.view'))?.zoom - zoom) < 0.01"
    await page.wait_for_function(is_there, arg=zoom)


async def test_far_out_the_hub_aggregates(fleet, browser) -> None:
    """Below the cluster zoom the page shows the hub's cells with their counts; back in, vehicles."""
    async with fleet.device("a") as one, fleet.device("b") as two:
        await one.at(37.8, -122.2, speed_mps=10)
        await two.at(37.801, -122.2, speed_mps=10)
        async with browser.window(fleet.link()) as window:
            page = window.page
            await expect(page.locator("#shown")).to_have_text("2 vehicles")
            await page.evaluate("document.activeElement.blur()")
            for zoom in (7.6, 6.6, 5.6):
                await page.keyboard.press("-")
                await _comes_to(page, zoom)
            await expect(page.locator("#shown")).to_have_text("2 vehicles in 1 cluster")
            await expect(page.locator("#vehicles .empty")).to_contain_text("2 vehicles in view. Zoom in")
            for zoom in (6.6, 7.6):
                await page.keyboard.press("+")
                await _comes_to(page, zoom)
            await expect(page.locator("#shown")).to_have_text("2 vehicles")
            assert window.wrong == []


async def test_the_panel_has_the_day_the_chart_and_the_track(fleet, browser) -> None:
    """Kilometres of today, a chart of the last hour, and the track as a file."""
    async with fleet.device() as truck:
        for minute in range(20, -1, -1):
            await truck.at(
                37.8 + (20 - minute) * 0.001, -122.27, ago_s=minute * 30, speed_mps=4, heading_deg=0
            )
        async with browser.window(fleet.link()) as window:
            page = window.page
            await page.click("#vehicles .rows button.row")
            await expect(page.locator("#detail .facts dd").nth(4)).to_contain_text("2.2 km")
            await expect(page.locator("#detail svg.chart path").first).to_be_visible()
            async with page.expect_download() as download:
                await page.click("#detail >> text=GPX")
            saved = await (await download.value).path()
            assert b"<trkpt" in saved.read_bytes()
            assert (await download.value).suggested_filename == "truck-1.gpx"
            assert window.wrong == []


async def test_the_clock_is_the_viewers(fleet, browser) -> None:
    """An event's time is shown in the zone of who looks."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    async with (
        fleet.device() as truck,
        browser.window(fleet.link(), timezone_id="Asia/Kolkata", locale="en-GB") as window,
    ):
        await expect(window.page.locator("#state")).to_have_text("live")
        await truck.at(*OAKLAND, speed_mps=12)
        await window.page.click("#tab-events")
        seconds = (epoch_ms() // 1000 + 19_800) % 86_400
        hour = f"{seconds // 3600:02d}:"
        await expect(window.page.locator("#events .more").first).to_contain_text(hour, timeout=PATIENCE_MS)


async def _eventually(page, condition) -> None:
    """Wait for what only a picture tells."""
    for _ in range(50):
        if await condition():
            return
        await page.wait_for_timeout(100)
    assert await condition()
