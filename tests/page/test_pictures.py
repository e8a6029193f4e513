"""Pictures of the page as the demo shows it, to be looked at: light, dark, phone, playback, low zoom; none of them is empty.

`PAGE_PICTURES=docs/images` keeps them there.
"""

import os
from pathlib import Path

import httpx
import pytest
from page_window import DESK, PHONE
from playwright.async_api import Page, expect

from benchmarks.processes import SECRET, child, free_port, public_folder
from haulcast.commands.demo import FLEET
from haulcast.commands.hub_access import HubAccess

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEAST_BYTES = 15_000
WIDE = {"width": 1360, "height": 850}
VIEWS = {
    "light": (WIDE, "light", {"lon": -122.28, "lat": 37.775, "zoom": 10.9}),
    "phone": (PHONE, "light", {"lon": -122.3, "lat": 37.79, "zoom": 10.5}),
    "low-zoom": (DESK, "light", {"lon": -119, "lat": 38, "zoom": 4.5}),
    "playback": (WIDE, "dark", {"lon": -122.3, "lat": 37.79, "zoom": 10.6}),
    "dark": (WIDE, "dark", {"lon": -122.2, "lat": 37.7, "zoom": 9.4}),
}
SECONDS_BACK = 15  # of the playback: the fleet has driven for so long by then
HAS_ROUTE = "truck-0138"


async def test_the_page_is_worth_looking_at(browser, tmp_path, wait_until) -> None:
    """Each view, once all vehicles have come; they move, so no picture is compared with another."""
    folder, access = Path(os.environ.get("PAGE_PICTURES", tmp_path)), HubAccess(SECRET.encode(), FLEET)
    base = f"http://127.0.0.1:{free_port()}/"
    with public_folder() as data:
        environ = {
            "HAULCAST_HTTP_PORT": base.strip("/").rpartition(":")[2], "HAULCAST_HUB_PORT": str(free_port()),
            "HAULCAST_DATA_DIR": f"{data}/var", "HAULCAST_TOKEN_SECRET": SECRET, "HAULCAST_LOG_LEVEL": "warning",
        }  # fmt: skip
        headers = {"Authorization": f"Bearer {access.user_token('admin')}"}
        async with (
            child("haulcast", "demo", "--vehicles", "200", environ=environ),
            httpx.AsyncClient(base_url=base, headers=headers, trust_env=False) as client,
        ):
            await wait_until(lambda: _has_left_its_route(client), timeout_s=240)
            for name, (viewport, scheme, view) in VIEWS.items():
                async with browser.window(base, viewport=viewport, color_scheme=scheme) as window:
                    page = window.page
                    await page.evaluate(
                        "view => localStorage.setItem('haulcast.view', JSON.stringify(view))", view
                    )
                    await page.goto(f"{base}#token={access.user_token('dispatcher')}")
                    await page.reload()
                    await window.shows_map()
                    await _arrange(name, page)
                    await page.wait_for_timeout(4000)  # the map draws, the trail grows
                    picture = await page.screenshot(path=folder / f"page-{name}.png")
                    assert len(picture) > LEAST_BYTES
                    assert window.wrong == []


async def _has_left_its_route(client: httpx.AsyncClient) -> bool:
    """Whether the hub is up and the demo has been driven for a minute."""
    try:
        answer = await client.get("/v1/routes?status=active&off_route=true")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and bool(answer.json()["routes"])


async def _arrange(name: str, page: Page) -> None:
    await expect(page.locator("#state")).to_have_text("live")
    if name == "low-zoom":
        await expect(page.locator("#shown")).to_contain_text("cluster")
        return
    await expect(page.locator("#vehicles .rows li").nth(20)).to_be_visible()
    if name == "light":
        await page.click("#tab-events")
        await expect(page.locator("#events [data-alarm=true]").first).to_be_visible()
    elif name == "dark":
        await page.fill("#search", HAS_ROUTE)
        await page.click("#vehicles .rows button.row")
        await page.fill("#search", "")
        await expect(page.locator("#route .stops li").first).to_be_visible()
        await page.evaluate("document.activeElement.blur()")
        await page.wait_for_timeout(800)  # the map goes there
        for _ in range(2):
            await page.keyboard.press("-")
            await page.wait_for_timeout(600)  # the map's own animation
    elif name == "playback":
        await page.click("#play-back")
        await expect(page.locator("#state")).to_have_text("playback")
        await page.select_option("#playback select >> nth=1", "1")
        await page.locator("#playback input").fill(str(1000 - SECONDS_BACK / 3.6))
        await expect(page.locator("#vehicles .rows li").nth(20)).to_be_visible()
