"""The page's files: read once, compressed once, and asked for again only when they are others.

They are a few megabytes in all, so they are kept in memory. The page holds no secret; who sees what is the sockets' and REST's business.
"""

import asyncio
import gzip
import hashlib
import html
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from haulcast.doors.security_headers import CONTENT_POLICY
from haulcast.errors import SettingError
from haulcast.settings import Settings, listed

WEB: Final = Path(__file__).parent / "web"
LEAST_COMPRESSED_BYTES = 1_400  # fits a packet as it is
STYLE_PLACE: Final = 'name="map-style" content=""'
READING: Final = ("GET", "HEAD")
TYPES: Final = {
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@dataclass(slots=True)
class _File:
    content: bytes
    media_type: str
    etag: str
    compressed: bytes | None = None


def routes(settings: Settings) -> list[Route]:
    """The page at `/`, beneath it its files; after all other routes, because it takes every path.

    Raises:
        SettingError: the address of the map's style, or of its tiles, is none.
    """
    files = _read(WEB)
    page = (
        files["index.html"]
        .content.decode()
        .replace(STYLE_PLACE, STYLE_PLACE[:-1] + html.escape(settings.map_style_url) + '"')
    )
    files["index.html"] = _file(page.encode(), "text/html")
    policy = _policy(settings)

    async def answer(request: Request) -> Response:
        file = files.get(request.path_params["path"] or "index.html")
        if file is None:
            raise HTTPException(404)
        if request.method not in READING:
            raise HTTPException(405, headers={"Allow": ", ".join(READING)})
        return await _answer(file, request, policy)

    return [_PageRoute("/{path:path}", answer, methods=[*READING, "POST", "PUT", "PATCH", "DELETE"])]


class _PageRoute(Route):
    """Any path: never a whole match, so that another route of the path comes first, also when it only says which methods it has."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return (Match.PARTIAL if match is Match.FULL else match), child


async def _answer(file: _File, request: Request, policy: str) -> Response:
    # no-cache: the browser keeps the file and asks each time whether it is still the same
    headers = {
        "ETag": file.etag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": policy,
    }
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    content = file.content
    if len(content) >= LEAST_COMPRESSED_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        if file.compressed is None:
            file.compressed = await asyncio.to_thread(gzip.compress, content, 9, mtime=0)
        content, headers["Content-Encoding"] = file.compressed, "gzip"
    return Response(content, headers=headers, media_type=file.media_type)


def _read(folder: Path) -> dict[str, _File]:
    """Every file by its path beneath the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            media_type = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
            found[path.relative_to(folder).as_posix()] = _file(path.read_bytes(), media_type)
    return found


def _file(content: bytes, media_type: str) -> _File:
    return _File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:24]}"')


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
