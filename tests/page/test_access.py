"""Signing in, staying signed in, and what a share shows."""

import pytest
from page_fleet import OAKLAND, circle
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_bad_token_leads_to_the_form(fleet, browser) -> None:
    """The refused socket's code reaches the page, which asks for another token instead of trying for ever."""
    async with browser.window(f"{fleet.url}#token=bad") as window:
        page = window.page
        await expect(page.locator("#why")).to_contain_text("wrong, has expired or was revoked")
        await page.fill("#token", "no token, but words")
        await page.click("#sign-in button")
        await expect(page.locator("#why")).to_have_text("That is no token.")
        await page.fill("#token", fleet.token())
        await page.click("#sign-in button")
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("#sign-in")).to_be_hidden()
        await page.reload()
        await expect(page.locator("#state")).to_have_text("live")
        assert page.url == fleet.url
        assert await page.evaluate("JSON.stringify(localStorage).includes('eyJ')") is False


async def test_a_token_stands_in_no_address(fleet, browser) -> None:
    """Neither of the page, nor of a request, nor of the socket."""
    async with browser.window(fleet.url) as window:
        page, addresses = window.page, []
        page.on("request", lambda request: addresses.append(request.url))
        page.on("websocket", lambda socket: addresses.append(socket.url))
        await page.goto(fleet.link("dispatcher"))
        await page.reload()
        await expect(page.locator("#state")).to_have_text("live")
        await page.click("#tab-events")
        await expect(page.locator("#events-pane .empty")).to_be_visible()
        assert any(address.startswith("ws:") for address in addresses)
        assert not [address for address in [page.url, *addresses] if "eyJ" in address.partition("#")[0]]
        assert "eyJ" not in page.url


async def test_a_newer_token_is_taken_on_the_open_socket(fleet, browser) -> None:
    """Shortly before the end the page offers to renew; the picture goes on, past the old token's end, on one socket."""
    async with fleet.device() as truck, browser.window(fleet.link(lasts_s=15)) as window:
        page, sockets = window.page, []
        await expect(page.locator("#renew")).to_contain_text("Token ends in")
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await page.click("#renew")
        await page.fill(
            "#token", fleet.token("dispatcher")
        )  # of another role: another socket would be needed
        await page.press("#token", "Escape")
        await page.fill("#token", fleet.token())
        await page.click("#sign-in button")
        await expect(page.locator("#renew")).to_be_hidden()
        await page.wait_for_timeout(15_500)  # past the end of the first
        await truck.at(*OAKLAND)
        await expect(page.locator("#shown")).to_have_text("1 vehicle")
        await expect(page.locator("#state")).to_have_text("live")
        assert sockets == []
        assert window.wrong == []


async def test_an_ended_token_is_asked_for_in_place(fleet, browser) -> None:
    """What was seen stays, marked as stale; a new token brings it up to date, events of meanwhile too."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    async with fleet.device() as truck, browser.window(fleet.link(lasts_s=10)) as window:
        page = window.page
        await truck.at(37.79, -122.3, ago_s=60)
        await expect(page.locator("#shown")).to_have_text("1 vehicle")
        await expect(page.locator("#sign-in")).to_be_visible(timeout=30_000)
        await expect(page.locator("#state")).to_contain_text("signed out, stale since")
        await expect(page.locator("#vehicles .rows li")).to_have_count(1)
        await truck.at(*OAKLAND)
        await page.fill("#token", fleet.token())
        await page.click("#sign-in button")
        await expect(page.locator("#state")).to_have_text("live")
        await page.click("#tab-events")
        await expect(page.locator("#events")).to_contain_text("truck-1 entered Port")


async def test_a_share_shows_its_vehicles_and_nothing_else(fleet, browser) -> None:
    """A share's link opens a view of its vehicles and their events; there are no fences, exports or edits."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    share = await fleet.send("POST", "v1/shares", {"vehicles": ["mine"], "lasts_s": 3600})
    async with fleet.device("mine") as mine, fleet.device("theirs") as theirs:
        await mine.at(37.79, -122.3, ago_s=60, speed_mps=5)
        await theirs.at(37.79, -122.3, ago_s=60)
        async with browser.window(fleet.url.rstrip("/") + share["link"]) as window:
            page = window.page
            await expect(page.locator("#vehicles .rows li")).to_have_text(["mine18 km/h"])
            await expect(page.locator("#fleet")).to_contain_text("shared view")
            await expect(page.locator("#tab-fences")).to_be_hidden()
            await page.click("#vehicles .rows button.row")
            await expect(page.locator("#detail >> text=GPX")).to_have_count(0)
            await theirs.at(*OAKLAND)
            await mine.at(*OAKLAND)
            await page.click("#tab-events")
            await expect(page.locator("#events .title")).to_have_text(["mine entered Port"])
            assert window.wrong == []


async def test_a_viewer_sees_fences_and_changes_none(fleet, browser) -> None:
    """The list is there, the tools are not."""
    await fleet.send("PUT", "v1/fences/port", circle(*OAKLAND, 500, "Port"))
    async with browser.window(fleet.link("viewer")) as window:
        await window.page.click("#tab-fences")
        await window.page.click("#fences .rows button.row")
        await expect(window.page.locator("#detail h2")).to_have_text("Port")
        await expect(window.page.locator("#detail >> text=Save")).to_have_count(0)
        await expect(window.page.locator("#draw-circle")).to_be_hidden()
        assert window.wrong == []


async def test_signing_out_forgets_the_token(fleet, browser) -> None:
    """After it a reload asks again."""
    async with browser.window(fleet.link()) as window:
        await expect(window.page.locator("#state")).to_have_text("live")
        await window.page.click("#leave")
        await expect(window.page.locator("#sign-in")).to_be_visible()
        assert await window.page.evaluate("sessionStorage.length") == 0
