"""The page's files, with the map's style and tiles in the page and their hosts in the content policy."""

import html
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.routing import Route

from haulcast.doors.security_headers import CONTENT_POLICY
from haulcast.doors.web_folder import WebFolder, read_folder, web_file
from haulcast.errors import SettingError
from haulcast.live_map import tile_archive
from haulcast.settings import Settings, listed

WEB: Final = Path(__file__).parent / "web"
STYLE_PLACE: Final = 'name="map-style" content=""'
TILES_PLACE: Final = 'name="map-tiles" content=""'


def routes(settings: Settings) -> list[Route]:
    """The page at `/`, beneath it its files; after all other routes, because it takes every path.

    Raises:
        SettingError: the address of the map's style, or of its tiles, is none, or the archive of tiles is none.
    """
    files, tiles = read_folder(WEB), settings.map_tiles
    is_file = bool(tiles) and "://" not in tiles
    page = files["index.html"].content.decode()
    for place, value in (
        (STYLE_PLACE, settings.map_style_url),
        (TILES_PLACE, tile_archive.NAME if is_file else tiles),
    ):
        page = page.replace(place, place[:-1] + html.escape(value) + '"')
    files["index.html"] = web_file(page.encode(), "text/html")
    archive = [tile_archive.archive_route(tiles)] if is_file else []
    return [*archive, WebFolder("/", files, _policy(settings))]


def _policy(settings: Settings) -> str:
    """The content policy, wider by where the map's style and tiles come from."""
    origins = {_origin(url, "map_origins") for url in listed(settings.map_origins)}
    if settings.map_style_url:
        origins.add(_origin(settings.map_style_url, "map_style_url"))
    if "://" in settings.map_tiles:
        origins.add(_origin(settings.map_tiles, "map_tiles"))
    others = " ".join(sorted(origins))
    if not others:
        return CONTENT_POLICY
    widened = CONTENT_POLICY.replace("connect-src 'self'", f"connect-src 'self' {others}")
    return widened.replace("img-src 'self' data:", f"img-src 'self' data: blob: {others}")


def _origin(url: str, setting: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or set(" ;,'\"") & set(parts.netloc):
        raise SettingError(
            "bad_setting", f"setting {setting} holds {url!r}; allowed are http(s) addresses", field=setting
        )
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
