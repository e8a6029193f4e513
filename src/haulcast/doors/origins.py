"""Which web pages may talk to us. Programs send no Origin and are not asked; a token has to be shown in any case."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from haulcast.errors import ForbiddenError, SettingError

ANY: Final = "*"


class Origins:
    """The pages of our own host, whatever its port, and those that are allowed besides.

    Args:
        allowed: origins such as `https://map.example.com`, or `*`.

    Raises:
        SettingError: one that is no origin.
    """

    def __init__(self, allowed: tuple[str, ...] = ()) -> None:
        for origin in allowed:
            parts = urlsplit(origin)
            if origin != ANY and (not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}"):
                raise SettingError(
                    "bad_setting",
                    f"setting allowed_origins holds {origin!r}; allowed are * and scheme://host or scheme://host:port",
                    field="allowed_origins",
                )
        self.allowed = allowed

    def check(self, headers: Mapping[str, str]) -> None:
        """Judge a handshake.

        Raises:
            ForbiddenError: it comes from a page of a foreign host.
        """
        origin = headers.get("origin")
        if origin is None or ANY in self.allowed or origin in self.allowed:
            return
        if not _is_same_host(origin, headers.get("host", "")):
            raise ForbiddenError(
                "wrong_origin", "pages of this origin may not use this hub; see allowed_origins"
            )


def _is_same_host(origin: str, host: str) -> bool:
    try:
        ours, theirs = urlsplit(f"//{host}").hostname, urlsplit(origin).hostname
    except ValueError:
        return False
    return ours is not None and ours == theirs
