"""Which folders must not be opened to other users: private homes and what lies in them."""

import stat
from collections.abc import Iterable
from pathlib import Path

from haulcast.errors import SettingError

_OPEN_TO_OTHERS = stat.S_IROTH | stat.S_IXOTH


def home_folders() -> list[Path]:
    """Every home folder of the password database that exists, except the root of the file system."""
    import pwd  # noqa: PLC0415 - Windows has no such thing, and no root either

    homes = {Path(entry.pw_dir) for entry in pwd.getpwall() if entry.pw_dir.startswith("/")}
    return sorted(home.resolve() for home in homes if home.is_dir() and home.resolve() != Path("/"))


def private_parent(path: Path, homes: Iterable[Path]) -> Path | None:
    """The outermost parent of `path` that is a home, or lies in one, and that other users may not enter or list.

    Parents that do not exist yet do not count. None: opening all parents of `path` gives nothing private away.
    """
    homes = list(homes)
    for parent in reversed(path.resolve().parents):
        in_home = any(parent.is_relative_to(home) for home in homes)
        if in_home and parent.exists() and parent.stat().st_mode & _OPEN_TO_OTHERS != _OPEN_TO_OTHERS:
            return parent
    return None


def refuse_private_homes(paths: Iterable[Path]) -> None:
    """Stop when opening all parents of one of the paths would open a private home.

    Raises:
        SettingError: names the path, the private folder and the ways out.
    """
    homes = home_folders()
    for path in paths:
        private = private_parent(path, homes)
        if private is not None:
            raise SettingError(
                "private_home",
                f"the embedded PostgreSQL does not run as root with {path} inside the private folder {private}: its own user could"
                " get there only if every folder above were opened to all users; run as another user than root,"
                " or set data_dir (and install) outside of it, or set database_url to a PostgreSQL of yours",
                field="data_dir",
            )
