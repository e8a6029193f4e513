"""The page's files, with the map's style in the page and its hosts in the content policy."""

import html
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from haulcast.doors.security_headers import CONTENT_POLICY
from haulcast.doors.web_folder import WebFolder, read_folder, web_file
from haulcast.errors import SettingError
from haulcast.settings import Settings, listed

WEB: Final = Path(__file__).parent / "web"
STYLE_PLACE: Final = 'name="map-style" content=""'


def routes(settings: Settings) -> list[WebFolder]:
    """The page at `/`, beneath it its files; after all other routes, because it takes every path.

    Raises:
        SettingError: the address of the map's style, or of its tiles, is none.
    """
    files = read_folder(WEB)
    page = (
        files["index.html"]
        .content.decode()
        .replace(STYLE_PLACE, STYLE_PLACE[:-1] + html.escape(settings.map_style_url) + '"')
    )
    files["index.html"] = web_file(page.encode(), "text/html")
    return [WebFolder("/", files, _policy(settings))]


def _policy(settings: Settings) -> str:
    """The content policy, wider by where the map's style and tiles come from."""
    origins = {_origin(url, "map_origins") for url in listed(settings.map_origins)}
    if settings.map_style_url:
        origins.add(_origin(settings.map_style_url, "map_style_url"))
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
