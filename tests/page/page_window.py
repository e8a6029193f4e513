"""The page in the installed Chromium: windows that note whatever goes wrong in them."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--ignore-gpu-blocklist",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
PATIENCE_MS = 20_000
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


class Window:
    """One page of a context of its own.

    Attributes:
        wrong: console errors, uncaught exceptions, and requests to anywhere but the hub.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: self.wrong.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:http://127.0.0.1:")):
            self.wrong.append(url)

    async def shows_map(self) -> None:
        """Return when the map has drawn all it has."""
        await self.page.wait_for_selector("html[data-map=ready]", state="attached")

    async def colours_near(self, x: float, y: float, reach: int = 12) -> set[tuple[int, int, int]]:
        """The colours on the screen around a pixel."""
        clip = {"x": x - reach, "y": y - reach, "width": 2 * reach, "height": 2 * reach}
        picture = await self.page.screenshot(clip=clip)
        pixels = await self.page.evaluate(_READ_PIXELS, list(picture))
        return {tuple(pixels[i : i + 3]) for i in range(0, len(pixels), 4)}


_READ_PIXELS = """async (bytes) => {
  const image = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: "image/png"}));
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return [...context.getImageData(0, 0, image.width, image.height).data];
}"""


class Browsing:
    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @contextlib.asynccontextmanager
    async def window(self, url: str, **options: Any) -> AsyncIterator[Window]:
        """The page at a URL; by default on a desk, in light."""
        chosen = {"viewport": DESK, "color_scheme": "light", "locale": "en-US", **options}
        context = await self._browser.new_context(**chosen)
        try:
            window = Window(await context.new_page())
            await window.page.goto(url)
            yield window
        finally:
            await context.close()


@contextlib.asynccontextmanager
async def browsing() -> AsyncIterator[Browsing]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield Browsing(browser)
        await browser.close()
