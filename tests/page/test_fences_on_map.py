"""Fences on the map: drawn, changed and deleted with the pointer; every viewer sees it, and events go by it."""

import pytest
from page_fleet import OAKLAND, circle
from playwright.async_api import Page, expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

VIEW = '{"lon":-122.27,"lat":37.8,"zoom":13}'
METRES_PER_PIXEL = 40_030_229 * 0.79015 / (512 * 2**13)  # at 37.8 degrees north and zoom 13


async def _at_oakland(page: Page) -> tuple[float, float]:
    """Open the map there; the pixel of its middle."""
    await page.evaluate(f"localStorage.setItem('haulcast.view', '{VIEW}')")
    await page.reload()
    await expect(page.locator("#state")).to_have_text("live")
    await page.wait_for_selector("html[data-map=ready]", state="attached")
    box = await page.locator("#map").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def test_a_drawn_polygon_raises_an_event_and_others_see_it(fleet, browser) -> None:
    """Three clicks and Enter make a fence; a viewer who looks on has it without asking; a vehicle that comes in is told."""
    async with (
        fleet.device() as truck,
        browser.window(fleet.link("dispatcher")) as drawing,
        browser.window(fleet.link("viewer")) as watching,
    ):
        await truck.at(37.79, -122.3, ago_s=60)
        await watching.page.click("#tab-fences")
        await expect(watching.page.locator("#fences .empty")).to_have_text("No fences yet.")
        page = drawing.page
        x, y = await _at_oakland(page)
        await page.click("#tab-fences")
        await page.click("#draw-polygon")
        for dx, dy in ((-60, 60), (60, 60), (0, -60)):
            await page.mouse.click(x + dx, y + dy)
        await page.keyboard.press("Enter")
        await page.fill("#fence-form input >> nth=0", "New yard")
        await page.fill("#fence-form input >> nth=1", "yard, north")
        await page.click("#fence-form >> text=Create")
        await expect(page.locator("#fences .rows")).to_contain_text("New yard")
        await expect(watching.page.locator("#fences .rows")).to_contain_text("New yardyard, north")
        await truck.at(*OAKLAND)
        for window in (drawing, watching):
            await window.page.click("#tab-events")
            await expect(window.page.locator("#events")).to_contain_text("truck-1 entered New yard")
            assert window.wrong == []


async def test_a_circle_is_drawn_by_middle_and_edge_and_pulled_larger(fleet, browser) -> None:
    """Its radius is the distance between the clicks; the handle on its edge changes it, and so does the number."""
    async with browser.window(fleet.link("dispatcher")) as window:
        page = window.page
        x, y = await _at_oakland(page)
        await page.click("#tab-fences")
        await page.click("#draw-circle")
        await page.mouse.click(x, y)
        await page.mouse.click(x - 50, y)
        radius = page.locator("#fence-form input[type=number]")
        assert abs(float(await radius.input_value()) - 50 * METRES_PER_PIXEL) < 15
        await page.mouse.move(x + 50, y)
        await page.mouse.down()
        await page.mouse.move(x + 80, y, steps=4)
        await page.mouse.up()
        assert abs(float(await radius.input_value()) - 80 * METRES_PER_PIXEL) < 15
        await radius.fill("321")
        await page.fill("#fence-form input >> nth=0", "Round")
        await page.click("#fence-form >> text=Create")
        await expect(page.locator("#fences .rows")).to_contain_text("Round")
        (fence,) = (await fleet.send("GET", "v1/fences"))["features"]
        assert fence["properties"]["radius_m"] == 321
        assert fence["geometry"]["type"] == "Point"
        assert window.wrong == []


async def test_a_corridor_is_drawn_with_the_keyboard(fleet, browser) -> None:
    """Space sets a place in the middle of the map, the arrows move it, Enter ends the line."""
    async with browser.window(fleet.link("dispatcher")) as window:
        page = window.page
        await _at_oakland(page)
        await page.click("#tab-fences")
        await page.focus("#draw-corridor")
        await page.keyboard.press("Enter")
        for _ in range(2):
            await page.keyboard.press(" ")
            await page.keyboard.press("ArrowRight")
            await page.wait_for_timeout(600)  # the map's own animation
        await page.keyboard.press("Enter")
        await page.fill("#fence-form input >> nth=0", "Line")
        await page.fill("#fence-form input[type=number]", "150")
        await page.keyboard.press("Enter")
        await expect(page.locator("#fences .rows")).to_contain_text("Line")
        (fence,) = (await fleet.send("GET", "v1/fences"))["features"]
        assert fence["geometry"]["type"] == "LineString"
        assert len(fence["geometry"]["coordinates"]) == 2
        assert fence["properties"]["width_m"] == 150
        assert window.wrong == []


async def test_a_fence_gets_a_rule_is_renamed_and_deleted(fleet, browser) -> None:
    """From its form; deleting asks once more."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    async with browser.window(fleet.link("dispatcher")) as window:
        page = window.page
        await page.click("#tab-fences")
        await page.click("#fences .rows button.row")
        await page.click("#rules summary")
        await page.select_option("#rules select", "overspeed")
        await page.fill("#rules input[type=number]:visible", "20")
        await page.click("#rules >> text=Add rule")
        await expect(page.locator("#rules .rows")).to_contain_text("Is faster than 20 km/h")
        (rule,) = (await fleet.send("GET", "v1/rules"))["rules"]
        assert (rule["kind"], rule["fences"]["ids"], round(rule["limit_mps"], 3)) == (
            "overspeed",
            ["port"],
            5.556,
        )
        await page.fill("#fence-form input >> nth=0", "Harbour")
        await page.click("#fence-form >> text=Save")
        await expect(page.locator("#fences .rows")).to_contain_text("Harbour")
        await page.click("#fences .rows button.row")
        await page.click("#fence-form >> text=Delete")
        await page.click("#fence-form >> text=Really delete?")
        await expect(page.locator("#fences .empty")).to_have_text("No fences yet.")
        assert (await fleet.send("GET", "v1/fences"))["features"] == []
        assert window.wrong == []


async def test_rules_of_others_are_seen_live(fleet, browser) -> None:
    """Who has the fence open sees a rule come, change and go, and keeps the focus and what was typed into the form."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    rule = {"name": "Slow", "kind": "overspeed", "fences": {"ids": ["port"]}, "limit_mps": 10}
    await fleet.send("PUT", "v1/rules/slow", rule)
    async with browser.window(fleet.link("dispatcher")) as window:
        page = window.page
        await page.click("#tab-fences")
        await page.click("#fences .rows button.row")
        rows = page.locator("#rules .rows li")
        await expect(rows).to_contain_text(["Is faster than 36 km/h"])
        await page.click("#rules summary")
        await page.select_option("#rules select", "dwell")
        await page.fill("#rules input[type=number]:visible", "77")
        await page.focus("#rules .rows input")
        await fleet.send(
            "PUT", "v1/rules/away", {"name": "Gone", "kind": "exit", "fences": {"ids": ["port"]}}
        )
        await expect(rows).to_have_count(2)
        await expect(page.locator("#rules .rows input[aria-label^=Slow]")).to_be_focused()
        await fleet.send("PUT", "v1/rules/slow", rule | {"limit_mps": 5})
        await expect(page.locator("#rules .rows")).to_contain_text("Is faster than 18 km/h")
        await fleet.send("DELETE", "v1/rules/slow")
        await fleet.send("DELETE", "v1/rules/away")
        await expect(rows).to_have_text(["Every enter and exit is told without any rule."])
        await fleet.send("PUT", "v1/rules/slow", rule)
        await expect(rows).to_contain_text(["Is faster than 36 km/h"])
        await expect(page.locator("#rules input[type=number]:visible")).to_have_value("77")
        assert window.wrong == []


async def test_an_edit_undoes_nobody_elses(fleet, browser) -> None:
    """Who saves a form that is older than another's edit is told so, and nothing is lost."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    async with browser.window(fleet.link("dispatcher")) as window:
        page = window.page
        await page.click("#tab-fences")
        await page.click("#fences .rows button.row")
        await expect(page.locator("#detail h2")).to_have_text("Port")
        await fleet.send("PATCH", "v1/fences/port", {"properties": {"name": "Theirs"}})
        await page.fill("#fence-form input >> nth=0", "Mine")
        await page.click("#fence-form >> text=Save")
        await expect(page.locator("#fence-form .wrong")).not_to_be_empty()
        assert (await fleet.send("GET", "v1/fences/port"))["properties"]["name"] == "Theirs"


async def test_a_drawing_can_be_given_up(fleet, browser) -> None:
    """Escape leaves nothing behind, and a click on the map is a click again."""
    async with browser.window(fleet.link("dispatcher")) as window:
        page = window.page
        x, y = await _at_oakland(page)
        await page.click("#tab-fences")
        await page.click("#draw-polygon")
        await page.mouse.click(x, y)
        await expect(page.locator("#map-hint")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("#map-hint")).to_be_hidden()
        assert (await fleet.send("GET", "v1/fences"))["features"] == []
        assert window.wrong == []


async def test_fences_of_stops_are_hidden_until_asked_for(fleet, browser) -> None:
    """Neither in the list nor on the map; a toggle shows them, and is kept; one with other tags is somebody's own."""
    stop = {
        "id": "a",
        "kind": "stop",
        "lat": OAKLAND[0],
        "lon": OAKLAND[1],
        "name": "Customer",
        "radius_m": 400,
    }
    await fleet.send("PUT", "v1/routes/r", {"vehicle": "truck-1", "status": "active", "stops": [stop]})
    async with browser.window(fleet.link("dispatcher")) as window:
        page = window.page
        x, y = await _at_oakland(page)
        await page.click("#tab-fences")
        note, rows = page.locator("#fences .empty"), page.locator("#fences .rows li")
        await expect(note).to_have_text("No fences but those of stops.")
        await expect(rows).to_have_count(0)
        await page.mouse.click(x, y)
        await expect(page.locator("#detail")).to_be_hidden()
        await page.click("#fences >> text=Stops 1")
        await expect(rows).to_have_text(["Customerstop"])
        await page.reload()
        await expect(page.locator("#state")).to_have_text("live")
        await page.wait_for_selector("html[data-map=ready]", state="attached")
        await page.click("#tab-fences")
        await expect(rows).to_have_text(["Customerstop"])
        await page.mouse.click(x, y)
        await expect(page.locator("#detail h2")).to_have_text("Customer")
        await page.click("#fences >> text=Stops 1")
        await expect(rows).to_have_count(1)  # it is open
        await page.keyboard.press("Escape")
        await expect(rows).to_have_count(0)
        own = circle(*OAKLAND, 400, "Own")
        own["properties"]["tags"] = ["stop", "yard"]
        await fleet.send("PUT", "v1/fences/own", own)
        await expect(rows).to_have_text(["Ownstop, yard"])
        assert window.wrong == []
