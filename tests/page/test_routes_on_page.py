"""Routes on the page: who is off, what is next and when, the line on the map, the events in words.

The hub's side is the stand-in of `routes_stand_in.py`, for the paths of routes only; but in the last test, which is the real hub's.
"""

import os

import pytest
from axe_playwright_python.async_playwright import Axe
from page_fleet import OAKLAND
from page_window import PHONE
from playwright.async_api import expect
from routes_stand_in import StandIn, route_document

from haulcast.clock import epoch_ms

pytestmark = pytest.mark.asyncio(loop_scope="session")

OFF_ROUTE, ROUTE = (176, 18, 143), (15, 125, 140)  # of palette.js, in light


async def test_who_is_off_its_route_is_told_apart(fleet, browser) -> None:
    """At the start by the hub's list, then by events; in the list, the counts, the panel, and as a kite in its colour."""
    hub = StandIn(route_document("lost", is_off_route=True), route_document("good"))
    async with (
        fleet.device("lost") as lost,
        fleet.device("good") as good,
        browser.window(fleet.url, viewport=PHONE) as window,
    ):
        page, rows = window.page, window.page.locator("#vehicles .rows li")
        await hub.stand(page)
        await lost.at(*OAKLAND, speed_mps=10, heading_deg=0)
        await good.at(37.7, -122.2, speed_mps=10, heading_deg=90)
        await page.goto(fleet.link())
        await page.reload()
        await expect(rows).to_have_text(["lostoff route 36 km/h", "good36 km/h"])
        off = page.locator("#states button").nth(4)
        await expect(off).to_contain_text("1 off route")
        hub.tell("off_route", "good")
        await expect(off).to_contain_text("2 off route")
        hub.tell("on_route", "good")
        await off.click()
        await expect(rows).to_have_text(["lostoff route 36 km/h"])
        await rows.locator("button").click()
        await expect(page.locator("#detail .facts dd").first).to_have_text("off route")
        await page.keyboard.press("Escape")
        await window.shows_map()
        box = await page.locator("#map").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for _ in range(50):
            if OFF_ROUTE in await window.colours_near(*middle):
                break
            await page.wait_for_timeout(100)
        assert OFF_ROUTE in await window.colours_near(*middle)
        assert window.wrong == []


async def test_the_panel_says_what_is_next_and_how_late(fleet, browser) -> None:
    """Stops ahead with their ETA in the viewer's zone and lateness in words; the line and the stops on the map; a newer state after an event."""
    hub = StandIn(route_document("truck-1"))
    async with fleet.device() as truck, browser.window(fleet.url, timezone_id="Asia/Kolkata") as window:
        page = window.page
        await hub.stand(page)
        await truck.at(*OAKLAND, speed_mps=10, heading_deg=0)
        await page.goto(fleet.link())
        await page.reload()
        await page.click("#vehicles .rows button.row")
        stops = page.locator("#route .stops li")
        await expect(page.locator("#route h3")).to_have_text("Route: 1 of 4 stops done")
        await expect(page.locator("#route p")).to_have_text("12 km to go")
        await expect(stops).to_have_count(3)
        await expect(stops.nth(0)).to_contain_text("2Oakland porton time")
        eta_ms = hub.routes["truck-1"]["stops"][1]["eta"]
        at = await page.evaluate(
            "ms => new Intl.DateTimeFormat('en-US', {hour: '2-digit', minute: '2-digit', timeZone: 'Asia/Kolkata'}).format(ms)", eta_ms
        )  # fmt: skip
        await expect(stops.nth(0)).to_contain_text(f"ETA {at}, in 25 min")
        await expect(stops.nth(1)).to_contain_text("3Delivery L-212 min late")
        await expect(stops.nth(2)).to_contain_text("planned")
        found = (await Axe().run(page)).response["violations"]
        assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == []
        await stops.nth(1).locator("button").focus()
        await page.keyboard.press("Enter")  # the map goes there
        await page.wait_for_timeout(800)
        await window.shows_map()
        document = hub.routes["truck-1"]
        document["stops"][1] |= {"state": "done", "left": document["progress"]["time"]}
        hub.tell("departed", "truck-1", stop="s1", name="Oakland port")
        await expect(page.locator("#route h3")).to_have_text("Route: 2 of 4 stops done")
        await expect(stops).to_have_count(2)
        del hub.routes["truck-1"]  # the route is done
        hub.tell("departed", "truck-1", stop="s3", name="Berkeley")
        await expect(page.locator("#route")).to_be_hidden()
        assert window.wrong == []


async def test_the_route_is_drawn_on_the_map(fleet, browser) -> None:
    """Where a stop is, once the map has gone there, is the route's colour; and no more when the panel is closed."""
    hub = StandIn(route_document("truck-1"))
    async with fleet.device() as truck, browser.window(fleet.url) as window:
        page = window.page
        await hub.stand(page)
        await truck.at(37.75, -122.3, speed_mps=10, heading_deg=0)
        await page.goto(fleet.link())
        await page.reload()
        await window.shows_map()
        await page.click("#vehicles .rows button.row")
        await page.click("#route .stops button >> nth=1")
        await page.wait_for_timeout(1000)  # the map goes there
        box, panel = await page.locator("#map").bounding_box(), await page.locator("#detail").bounding_box()
        stop = box["x"] + (box["width"] - panel["width"]) / 2, box["y"] + box["height"] / 2
        if "PAGE_PICTURES" in os.environ:
            await page.screenshot(path=f"{os.environ['PAGE_PICTURES']}/page-route.png")
        assert await _is_seen(window, stop, wanted=True)
        await page.keyboard.press("Escape")
        assert await _is_seen(window, stop, wanted=False)
        assert window.wrong == []


async def _is_seen(window, place, *, wanted: bool) -> bool:
    """Whether the route's colour is there, or not there, before long."""
    for _ in range(50):
        if (ROUTE in await window.colours_near(*place)) is wanted:
            return True
        await window.page.wait_for_timeout(100)
    return False


async def test_events_of_routes_are_words(fleet, browser) -> None:
    """Each kind is a sentence; what wants somebody's eye is an alarm; each kind can be chosen."""
    hub = StandIn(route_document("truck-1"))
    async with browser.window(fleet.url) as window:
        page = window.page
        await hub.stand(page)
        await page.goto(fleet.link())
        await page.reload()
        await expect(page.locator("#state")).to_have_text("live")
        now_ms = epoch_ms()
        hub.tell("arrived", "truck-1", stop="s1", name="Oakland port", entered_ms=now_ms)
        hub.tell("departed", "truck-1", stop="s2", entered_ms=now_ms - 20 * 60_000)
        hub.tell("late_risk", "truck-1", stop="s3", name="Berkeley", late_s=725)
        hub.tell("off_route", "truck-1", distance_m=412.7)
        hub.tell("on_route", "truck-1", cause="route_changed")
        await page.click("#tab-events")
        titles = page.locator("#events .title")
        words = [
            "truck-1 is back on its route", "truck-1 left its route", "truck-1 will be late at Berkeley", "truck-1 departed from s2",
            "truck-1 arrived at Oakland port",
        ]  # fmt: skip
        await expect(titles).to_have_text(words)
        details = [
            "route r-1 · the route was changed",
            "413 m · route r-1",
            "by 12 min · route r-1",
            "after 20 min · route r-1",
            "M · route r-1",
        ]
        await expect(page.locator("#events .more")).to_contain_text(details)
        await page.select_option("#events-pane select", "alarm")
        await expect(titles).to_have_text(words[1:3])
        await page.select_option("#events-pane select", "off_route")
        await expect(titles).to_have_text(words[1:2])
        assert window.wrong == []


async def test_without_routes_the_page_is_as_it_was(fleet, browser) -> None:
    """A hub that describes no routes is not asked for any, and nothing is on the console."""
    async with fleet.device() as truck, browser.window(fleet.url) as window:
        page, asked = window.page, []

        async def described(route) -> None:
            await route.fulfill(json={"paths": {}})

        page.on("request", lambda request: asked.append(request.url))
        await page.route("**/openapi.json", described)
        await truck.at(*OAKLAND, speed_mps=10)
        await page.goto(fleet.link())
        await page.reload()
        await page.click("#vehicles .rows button.row")
        await expect(page.locator("#detail .facts dd").nth(4)).to_contain_text("driving")
        await expect(page.locator("#route")).to_be_hidden()
        await expect(page.locator("#states button")).to_have_count(4)
        assert not [url for url in asked if "/v1/routes" in url or url.endswith("/route")]
        assert window.wrong == []


async def test_a_driven_route_on_the_real_hub(fleet, browser) -> None:
    """No stand-in: a vehicle that drives to a stop, leaves the line and comes back to it, as the hub sees it."""
    stops = [
        {"id": "a", "kind": "stop", "lat": 37.81, "lon": -122.27, "name": "Yard"},
        {"id": "b", "kind": "stop", "lat": 37.86, "lon": -122.27, "name": "Berkeley", "closes": epoch_ms() - 3_600_000},
    ]  # fmt: skip
    line = {"type": "LineString", "coordinates": [[-122.27, 37.8], [-122.27, 37.86]]}
    route = {"vehicle": "truck-1", "status": "active", "stops": stops, "line": line}
    await fleet.send("PUT", "v1/routes/r", route)
    way = [(37.8 + 0.002 * i, -122.27) for i in range(6)] + [
        (37.81 + 0.002 * i, -122.27) for i in range(1, 6)
    ]
    way += [(37.82, -122.27 + 0.002 * min(i, 5)) for i in range(1, 14)]
    async with fleet.device() as truck, browser.window(fleet.link()) as window:
        page = window.page
        for number, (lat, lon) in enumerate(way):
            await truck.at(lat, lon, ago_s=320 - 10 * number, speed_mps=12, accuracy_m=5)
        rows = page.locator("#vehicles .rows li")
        await expect(rows).to_have_text(["truck-1off route 43 km/h"])
        await rows.locator("button").click()
        await expect(page.locator("#route h3")).to_have_text("Route: 1 of 2 stops done")
        await expect(page.locator("#route p")).to_contain_text("off route")
        await expect(page.locator("#route .stops li")).to_contain_text(["2Berkeley"])
        await expect(page.locator("#route .stops .late")).to_contain_text("1 h")
        for number in range(4, -1, -1):
            await truck.at(
                37.82, -122.27 + 0.002 * number, ago_s=50 + 10 * number, speed_mps=12, accuracy_m=5
            )
        for number in range(1, 4):
            await truck.at(
                37.82 + 0.002 * number, -122.27, ago_s=40 - 10 * number, speed_mps=12, accuracy_m=5
            )
        await expect(page.locator("#detail .facts dd").first).to_have_text("moving")
        await page.keyboard.press("Escape")
        await page.click("#tab-events")
        for words in (
            "arrived at Yard",
            "departed from Yard",
            "left its route",
            "is back on its route",
            "will be late at",
        ):
            await expect(page.locator("#events")).to_contain_text(f"truck-1 {words}")
        assert window.wrong == []
