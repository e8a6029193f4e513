"""A recorded day, replayed by the command at 60 times its speed, on the page that is open meanwhile.

`PAGE_PICTURES=docs/images` keeps a picture there.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from page_fleet import OAKLAND
from playwright.async_api import expect
from waiting import wait_until

from benchmarks.processes import SECRET

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEPT_VIEW = "JSON.parse(localStorage.getItem('haulcast.view') ?? '{}')"
STATES = ["moving", "idle", "stopped", "silent"]
NUMBER_OF = """((state) => {
  const chip = [...document.querySelectorAll("#states button")].find((button) => button.textContent.includes(state));
  return Number(chip.textContent.replaceAll(/[^0-9]/g, ""));
})"""
MIDDLE = {"x": 500, "y": 200, "width": 600, "height": 500}


@asynccontextmanager
async def replay(fleet, file: Path, speed: float) -> AsyncIterator[None]:
    """`haulcast replay` of the file to this fleet, stopped at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "haulcast", "replay", str(file), f"--speed={speed}", f"--fleet={fleet.name}",
        f"--url=ws://127.0.0.1:{fleet.hub.hub_port}",
        env={**os.environ, "HAULCAST_TOKEN_SECRET": SECRET}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
        assert process.returncode is None, "the replay ended by itself"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_san_francisco_is_alive_at_sixty_times_its_speed(fleet, browser, shared_data, tmp_path) -> None:
    """The map goes to the city, cabs come and move on, their states are those of the recorded hour, and nothing goes wrong."""
    day = shared_data / "tracks/sf_cabs_2008-05-30.csv.gz"
    async with browser.window(fleet.link()) as window, replay(fleet, day, speed=60):
        page = window.page
        await expect(page.locator("#state")).to_contain_text("live, recorded ", timeout=60_000)
        await wait_until(lambda: page.evaluate(f"{KEPT_VIEW}.zoom > 10"), 30)
        view = await page.evaluate(KEPT_VIEW)
        assert abs(view["lon"] + 122.42) < 0.1
        assert abs(view["lat"] - 37.72) < 0.15
        await wait_until(lambda: page.evaluate(f"{NUMBER_OF}('moving') > 100"), 60)
        first = await page.inner_text("#state")
        await expect(page.locator("#state")).not_to_have_text(first)  # its clock goes on
        await window.shows_map()
        before = await page.screenshot(clip=MIDDLE)
        await page.wait_for_timeout(2000)
        assert await page.screenshot(clip=MIDDLE) != before
        await page.screenshot(path=Path(os.environ.get("PAGE_PICTURES", tmp_path)) / "page-replay.png")
        counts = {name: await page.evaluate(f"{NUMBER_OF}({name!r})") for name in STATES}
        assert counts["moving"] > counts["silent"]
        assert window.wrong == []


async def test_old_fixes_are_a_recording_until_a_fresh_one_comes(fleet, browser) -> None:
    """While all that comes is of two hours ago, that is the time that is shown; one fresh fix, of anybody, and it is now again."""
    async with fleet.device("tape") as tape, fleet.device("truck") as truck:
        await tape.at(*OAKLAND, ago_s=7200)
        async with browser.window(fleet.link()) as window:
            page = window.page
            await expect(page.locator("#states button").nth(3)).to_contain_text("1 silent")
            await expect(page.locator("#state")).to_have_text("live")
            await tape.at(OAKLAND[0] + 0.01, OAKLAND[1], ago_s=7140)
            await expect(page.locator("#state")).to_contain_text("live, recorded ")
            await expect(page.locator("#states button").nth(0)).to_contain_text("1 moving")
            await truck.at(37.79, -122.3, ago_s=20)
            await truck.at(37.791, -122.3, speed_mps=10)
            await expect(page.locator("#state")).to_have_text("live")
            await expect(page.locator("#states button").nth(3)).to_contain_text("1 silent")
            assert window.wrong == []


async def test_a_first_visit_goes_to_where_the_fleet_is(fleet, browser) -> None:
    """A fleet on another continent is found, once; whoever has dragged the map is left where he is."""
    async with fleet.device() as truck:
        async with browser.window(fleet.link()) as window:
            page = window.page
            await window.shows_map()
            await page.focus(".maplibregl-canvas")
            await page.keyboard.press("ArrowLeft")
            await wait_until(lambda: page.evaluate(f"{KEPT_VIEW}.lon < -122.21"), 20)
            await truck.at(52.52, 13.4)
            await page.wait_for_timeout(5000)  # more than the page waits between two looks
            assert await page.evaluate(f"{KEPT_VIEW}.lat") < 40
            assert window.wrong == []
        async with browser.window(fleet.link()) as window:
            page = window.page
            await wait_until(lambda: page.evaluate(f"Math.abs({KEPT_VIEW}.lat - 52.52) < 0.01"), 20)
            await expect(page.locator("#shown")).to_have_text("1 vehicle")
            assert window.wrong == []
