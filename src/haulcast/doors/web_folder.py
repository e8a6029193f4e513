"""A folder of files for browsers: read once, compressed once, and sent again only when they are others.

They are a few megabytes in all, so they are kept in memory. They hold no secret; who sees what is the sockets' and REST's business.
"""

import asyncio
import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from haulcast.doors.security_headers import CONTENT_POLICY

LEAST_COMPRESSED_BYTES = 1_400  # fits a packet as it is
READING = ("GET", "HEAD")
TYPES = {
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@dataclass(slots=True)
class WebFile:
    """A file as it is sent; `compressed` when somebody has asked for it so."""

    content: bytes
    media_type: str
    etag: str
    compressed: bytes | None = None


def web_file(content: bytes, media_type: str) -> WebFile:
    """A file of this content."""
    return WebFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:24]}"')


def read_folder(folder: Path) -> dict[str, WebFile]:
    """Every file by its path beneath the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            media_type = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
            found[path.relative_to(folder).as_posix()] = web_file(path.read_bytes(), media_type)
    return found


class WebFolder(Route):
    """The files at a path and beneath it, `index.html` at the path itself: for what no other route is there for.

    Never a whole match, so that another route of the path comes first, also when it only says which methods it has.

    Args:
        path: ends with a slash.
        files: by their paths beneath it.
        policy: the content policy they are sent with.
    """

    def __init__(self, path: str, files: dict[str, WebFile], policy: str = CONTENT_POLICY) -> None:
        async def answer(request: Request) -> Response:
            file = files.get(request.path_params["file"] or "index.html")
            if file is None:
                raise HTTPException(404)
            if request.method not in READING:
                raise HTTPException(405, headers={"Allow": ", ".join(READING)})
            return await sent(file, request, policy)

        super().__init__(path + "{file:path}", answer, methods=[*READING, "POST", "PUT", "PATCH", "DELETE"])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See the class."""
        match, child = super().matches(scope)
        return (Match.PARTIAL if match is Match.FULL else match), child


async def sent(file: WebFile, request: Request, policy: str = CONTENT_POLICY) -> Response:
    """The file, or that it is still the same."""
    # no-cache: the browser keeps the file and asks each time whether it is still the same
    headers = {
        "ETag": file.etag,
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
        "Content-Security-Policy": policy,
    }
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or file.etag in known:
        return Response(status_code=304, headers=headers)
    content = file.content
    if len(content) >= LEAST_COMPRESSED_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        if file.compressed is None:
            file.compressed = await asyncio.to_thread(gzip.compress, content, 9, mtime=0)
        content, headers["Content-Encoding"] = file.compressed, "gzip"
    return Response(content, headers=headers, media_type=file.media_type)
