"""How the commands that talk to a hub get in: its addresses, and tokens made from its secret."""

import argparse
from pathlib import Path

from haulcast.clock import epoch_ms
from haulcast.doors.socket_session import Claims
from haulcast.doors.tokens import TokenBook
from haulcast.errors import SettingError
from haulcast.settings import Settings, read_settings

TOKEN_MS = 24 * 3_600_000
"""Tokens of a command live for a day; each new connection gets a fresh one."""


def add_access_arguments(parser: argparse.ArgumentParser) -> None:
    """`--url`, `--fleet` and `--secret-file`."""
    parser.add_argument("--url", help="the hub's fast lane; default ws://localhost: and the setting hub_port")
    parser.add_argument("--fleet", default="demo", help="whose vehicles they are (default %(default)s)")
    parser.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help="what signs tokens; default HAULCAST_TOKEN_SECRET or the one a hub has made in its data_dir",
    )


def bbox_of(text: str) -> tuple[float, float, float, float]:
    """An argument such as `-123,37,-121,39`: west, south, east, north in degrees."""
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not west,south,east,north in degrees") from None
    return west, south, east, north


class HubAccess:
    """One fleet's way in.

    Args:
        secret: the hub's token secret.
        fleet: the fleet that all tokens name.
    """

    def __init__(self, secret: bytes, fleet: str) -> None:
        self._book = TokenBook(secret)
        self._fleet = fleet

    def device_token(self, vehicle: str) -> str:
        """A fresh token for one vehicle's device."""
        return self._book.make(Claims(self._fleet, "device", vehicle, epoch_ms() + TOKEN_MS))

    def user_token(self, role: str) -> str:
        """A fresh token for a viewer, a dispatcher or an admin."""
        return self._book.make(Claims(self._fleet, role, None, epoch_ms() + TOKEN_MS))


def read_access(arguments: argparse.Namespace) -> tuple[str, HubAccess]:
    """The hub's URL and the way in, from the arguments of `add_access_arguments`.

    Raises:
        SettingError: no secret can be found; says where it was looked for.
    """
    settings = read_settings()
    url = arguments.url or f"ws://localhost:{settings.hub_port}"
    return url, HubAccess(read_secret(settings, arguments.secret_file), arguments.fleet)


def read_secret(settings: Settings, file: Path | None = None) -> bytes:
    """The secret of a hub with these settings, or of the file.

    Raises:
        SettingError: there is none.
    """
    if file is None and settings.token_secret:
        return settings.token_secret.encode()
    path = file or Path(settings.data_dir) / "token_secret"
    try:
        return path.read_bytes().strip()
    except OSError as error:
        raise SettingError(
            "no_token_secret",
            f"no token secret: {path} cannot be read ({error.strerror}); give --secret-file, set HAULCAST_TOKEN_SECRET, "
            "or start `haulcast serve` here, which makes one",
            field="token_secret",
        ) from error
