"""Other maps by setting: an archive that the hub serves, one from elsewhere, a style from elsewhere; under the page's own content policy."""

import json
from pathlib import Path

import pytest
from foreign_host import foreign_host
from page_fleet import OAKLAND, Fleet
from playwright.async_api import expect
from tiny_archive import MVT, PNG, archive, one_area, one_colour

from benchmarks.processes import hub, public_folder

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROSE, TEAL = (200, 60, 90), (20, 140, 130)
WATER, DARK_WATER = (207, 219, 228), (16, 22, 29)  # of palette.js
MOVING = (19, 122, 75)
LAYERS = (
    "earth", "landuse", "roads", "buildings", "boundaries", "places", "pois", "waterway", "transportation",
    "transportation_name", "street_labels", "zones of my own",
)  # fmt: skip
"""Of Protomaps, OpenMapTiles, Shortbread, and of nobody: that a style is right is said on the console."""


async def _shows(window, colour, place=(900, 300)) -> bool:
    for _ in range(50):
        if colour in await window.colours_near(*place, 6):
            return True
        await window.page.wait_for_timeout(100)
    return False


async def test_an_archive_of_the_hubs_own_needs_no_internet(browser) -> None:
    """Vector tiles by the names of their layers, in the theme's colours, under the vehicles; read in ranges from the hub, and nothing else is asked."""
    layers = [{"id": name, "fields": {}} for name in ("water", *LAYERS)]
    water = archive(
        one_area("water"), MVT, vector_layers=layers, attribution="<a href='x'>© Tiny <b>map</b></a>"
    )
    with public_folder() as folder:
        file = Path(folder) / "tiny.pmtiles"
        file.write_bytes(water)
        async with hub(data_dir=f"{folder}/var", map_tiles=file) as found:
            fleet = Fleet(found, "own")
            async with fleet.device() as truck, browser.window(fleet.link()) as window:
                page, asked = window.page, []
                page.on("response", lambda answer: asked.append((answer.status, answer.url)))
                await truck.at(*OAKLAND, speed_mps=12, heading_deg=45)
                await page.reload()
                await window.shows_map()
                assert await _shows(window, WATER)
                await expect(page.locator(".maplibregl-ctrl-attrib")).to_contain_text("© Tiny map")
                assert (206, f"{fleet.url}map.pmtiles") in asked
                await page.click("#vehicles .rows button.row")
                await page.keyboard.press("Escape")
                await page.click("#theme")
                assert await _shows(window, DARK_WATER)
                assert all(url.startswith(fleet.url) for _, url in asked)
                assert window.wrong == []


async def test_an_archive_from_elsewhere_is_read_there(browser) -> None:
    """Images of an archive, by its address; the hub has no part in it."""
    with foreign_host() as host:
        host.files["/rose.pmtiles"] = archive(one_colour(*ROSE), PNG)
        async with (
            hub(map_tiles=f"{host.url}/rose.pmtiles") as found,
            browser.window(Fleet(found, "f").link()) as window,
        ):
            await window.shows_map()
            assert await _shows(window, ROSE)
            assert set(host.asked) == {"/rose.pmtiles"}
            assert window.wrong == []


async def test_a_style_from_elsewhere_replaces_the_basemap(browser) -> None:
    """With an archive and images of its hosts; vehicles are on top of it, and what the settings do not name is not asked."""
    with foreign_host() as host, foreign_host() as other, foreign_host() as stranger:
        sources = {
            "rose": {"type": "raster", "url": f"pmtiles://{other.url}/rose.pmtiles", "tileSize": 256},
            "teal": {"type": "raster", "tiles": [f"{host.url}/{{z}}/{{x}}/{{y}}.png"], "maxzoom": 0, "bounds": [-180, 37.8, 180, 85]},
            "never": {"type": "raster", "tiles": [f"{stranger.url}/{{z}}/{{x}}/{{y}}.png"]},
        }  # fmt: skip
        layers = [{"id": name, "type": "raster", "source": name} for name in sources]
        host.files["/style.json"] = json.dumps({"version": 8, "sources": sources, "layers": layers}).encode()
        host.files["/0/0/0.png"] = one_colour(*TEAL)
        other.files["/rose.pmtiles"] = archive(one_colour(*ROSE), PNG)
        async with hub(map_style_url=f"{host.url}/style.json", map_origins=other.url) as found:
            fleet = Fleet(found, "styled")
            async with fleet.device() as truck, browser.window(fleet.link()) as window:
                page = window.page
                await truck.at(*OAKLAND, speed_mps=12, heading_deg=45)
                assert await _shows(window, TEAL)
                await expect(page.locator("#shown")).to_have_text("1 vehicle")
                assert "/rose.pmtiles" in other.asked
                assert stranger.asked == []
                refused = [
                    said for said in window.wrong if "Content Security Policy" in said or stranger.url in said
                ]
                assert refused
                assert [
                    said for said in window.wrong if said not in refused and "AJAXError" not in said
                ] == []
                await page.click("#vehicles .rows button.row")
                await page.wait_for_timeout(800)
                box, panel = (
                    await page.locator("#map").bounding_box(),
                    await page.locator("#detail").bounding_box(),
                )
                middle = box["x"] + (box["width"] - panel["width"]) / 2, box["y"] + box["height"] / 2
                assert await _shows(window, MOVING, middle)
