"""No private home is opened to other users for the embedded server's sake."""

import os
from pathlib import Path

import pytest

from haulcast.database import embedded_postgres
from haulcast.database.pool import open_database
from haulcast.database.private_homes import home_folders, private_parent, refuse_private_homes
from haulcast.errors import SettingError
from haulcast.settings import Settings


def _folder(path: Path, mode: int) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def test_a_private_folder_in_a_home_is_found(tmp_path) -> None:
    """The outermost closed folder of a home counts; closed folders elsewhere, the path itself and what is not there do not."""
    home = _folder(tmp_path / "ann", 0o755)
    inner = _folder(home / "inner", 0o750)
    deeper = _folder(inner / "deeper", 0o700)
    assert private_parent(deeper / "postgres", [home]) == inner
    assert private_parent(inner, [home]) is None
    assert private_parent(home / "new" / "postgres", [home]) is None
    assert private_parent(deeper / "postgres", [tmp_path / "bob"]) is None
    home.chmod(0o711)
    assert private_parent(deeper / "postgres", [home]) == home


def test_a_link_into_a_home_is_followed(tmp_path) -> None:
    """What counts is where the folder really is."""
    home = _folder(tmp_path / "ann", 0o700)
    (tmp_path / "link").symlink_to(home)
    assert private_parent(tmp_path / "link" / "postgres", [home]) == home


def test_homes_are_real_folders() -> None:
    """The root of the file system is no home, though the password database says so of some."""
    assert Path("/") not in home_folders()
    assert all(home.is_dir() for home in home_folders())


async def test_root_does_not_open_a_home(tmp_path, monkeypatch) -> None:
    """As root the start is refused before anything is made or opened, and the error says what to do."""
    home = _folder(tmp_path / "ann", 0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("haulcast.database.private_homes.home_folders", lambda: [home])
    assert embedded_postgres.refuse_private_homes is refuse_private_homes
    with pytest.raises(SettingError, match=f"inside the private folder {home}") as caught:
        async with open_database(Settings(data_dir=str(home / "data"))):
            pass
    assert caught.value.field == "data_dir"
    assert "database_url" in caught.value.reason
    assert home.stat().st_mode & 0o777 == 0o700
    assert list(home.iterdir()) == []
