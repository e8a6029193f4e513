"""A PMTiles archive on the hub's own disk: a map of streets without the internet, sent in ranges as the page asks for them.

It is as public as the page's other files. The browser finds its way in it by itself (PMTiles specification, version 3).
"""

import asyncio
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from haulcast.errors import SettingError

NAME: Final = "map.pmtiles"
_MAGIC: Final = b"PMTiles\x03"


def archive_route(file: str) -> Route:
    """The archive at `/map.pmtiles`, whole or in ranges. It may be replaced while the hub runs (move the new one there).

    Raises:
        SettingError: the file cannot be read, or is no such archive.
    """
    path = Path(file)
    _check(path)

    async def archive(_request: Request) -> Response:
        try:
            found = await asyncio.to_thread(path.stat)
        except OSError:
            raise HTTPException(404) from None
        # no-cache: the browser keeps what it has read, and asks whether that is still so
        headers = {"Cache-Control": "no-cache"}
        return FileResponse(path, headers=headers, media_type="application/vnd.pmtiles", stat_result=found)

    return Route(f"/{NAME}", archive, methods=["GET"])


def _check(path: Path) -> None:
    try:
        with path.open("rb") as archive:
            head = archive.read(len(_MAGIC))
    except OSError as error:
        reason = error.strerror or error
        raise SettingError(
            "bad_setting",
            f"setting map_tiles names {str(path)!r}, which cannot be read: {reason}",
            field="map_tiles",
        ) from error
    if head != _MAGIC:
        raise SettingError(
            "bad_setting", f"setting map_tiles names {str(path)!r}; allowed are PMTiles archives of version 3",
            field="map_tiles",
        )  # fmt: skip
