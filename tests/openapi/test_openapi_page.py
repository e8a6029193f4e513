"""The page of the HTTP interface in a real browser, under the hub's own Content-Security-Policy."""

import asyncio
import shutil

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from benchmarks.processes import hub, token
from haulcast.openapi.document import document

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
PATIENCE_MS = 20_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


async def _check_parts(url: str) -> None:
    """Its files have their types and no inline script or style; what is none of them is not there."""
    async with httpx.AsyncClient(base_url=url) as client:
        page = await client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in page.headers["content-security-policy"]
        assert "style=" not in page.text
        assert page.text.count("<script") == page.text.count('<script type="module" src=')
        for name, kind in (("docs.css", "text/css"), ("docs.js", "text/javascript")):
            assert (await client.get(f"/docs/{name}")).headers["content-type"].startswith(kind)
        assert (await client.get("/docs/none.js")).status_code == 404


async def test_the_page_shows_every_operation_and_sends_requests() -> None:
    """All operations are there, searching hides the others, a request goes out with the token, nothing is asked of anybody else, and nothing is inline."""
    operations = sum(len(item.keys() - {"parameters"}) for item in document()["paths"].values())
    wrong: list[str] = []
    async with hub() as found, async_playwright() as playwright:
        url = f"http://127.0.0.1:{found.http_port}/docs"
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = await browser.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if "127.0.0.1" in request.url else wrong.append(request.url))
        await page.goto(url)
        await expect(page.locator("article")).to_have_count(operations, timeout=PATIENCE_MS)
        await expect(page.locator("nav a")).to_have_count(operations)
        await page.locator("#find").fill("revocations put")
        await expect(page.locator("article:visible")).to_have_count(0)
        await page.locator("#find").fill("/v1/vehicles/ replace")
        await expect(page.locator("article:visible")).to_have_count(1)
        await page.locator("#token").fill(token("admin"))
        form = page.locator("#putVehicle .try")
        await page.locator("#putVehicle summary", has_text="Try it").click()
        await form.locator("input").first.fill("a/b ü?")
        await form.locator("button").click()
        await expect(form.locator("pre")).to_contain_text('"name": "Truck 7"', timeout=PATIENCE_MS)
        await expect(form).to_contain_text("201 Created")
        await page.locator("#token").fill("")
        await form.locator("button").click()
        await expect(form.locator("pre")).to_contain_text("no_token", timeout=PATIENCE_MS)
        kept = await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
        assert kept == [0, 0, ""]
        await browser.close()
        await _check_parts(f"http://127.0.0.1:{found.http_port}")
        assert await asyncio.to_thread(found.get, "/v1/vehicles/a%2Fb%20%C3%BC%3F")
    assert [text for text in wrong if "401" not in text] == []
