"""Settings: where they come from, what stops the start, and that config/ shows them as they are."""

import re
import tomllib
from dataclasses import Field, fields
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest

from haulcast.errors import SettingError
from haulcast.settings import Settings, read_settings

CONFIG = Path(__file__).parents[1] / "config"
UNITS = {
    "_per_s": "a second",
    "_mps": "metres a second",
    "_hz": "times a second",
    "_bytes": "bytes",
    "_ms": "milliseconds",
    "_m": "metres",
    "_s": "seconds",
}
SECRET = "0123456789abcdef0123456789abcdef"


def _shown(number: float) -> str:
    number = int(number) if number == int(number) else number
    return f"{number:_}" if number >= 10_000 else str(number)


def _comment(setting: Field) -> str:
    least, most = setting.metadata["least"], setting.metadata["most"]
    unit = next((words for ending, words in UNITS.items() if setting.name.endswith(ending)), "")
    if get_origin(setting.type) is Literal:
        allowed = f" [{', '.join(get_args(setting.type))}]"
    else:
        allowed = "" if least is None else f" [{_shown(least)} to {_shown(most)} {unit}".rstrip() + "]"
    return f"# {setting.metadata['reason']}{allowed}"


def _line(setting: Field) -> str:
    value = setting.default
    if isinstance(value, str):
        return f'{setting.name} = "{value}"'
    return f"{setting.name} = {_shown(value) if type(value) is int else value}"


def test_defaults_toml_shows_every_setting_as_the_class_has_it() -> None:
    """config/defaults.toml holds each setting once, in the class's order, with its reason, unit, bounds and default."""
    shown = re.findall(r"^(#.*)\n(\w+ = .*)$", (CONFIG / "defaults.toml").read_text(), re.MULTILINE)
    assert shown == [(_comment(setting), _line(setting)) for setting in fields(Settings)]


def test_defaults_toml_read_as_a_file_changes_nothing() -> None:
    """A start with config/defaults.toml is a start without a file."""
    assert read_settings(CONFIG / "defaults.toml", {}) == Settings()


def test_production_toml_starts_with_a_secret_from_outside_only() -> None:
    """config/production.toml is allowed as it is once a secret comes from the environment, and has none itself."""
    file = CONFIG / "production.toml"
    assert not {"token_secret", "database_url"} & tomllib.loads(file.read_text()).keys()
    with pytest.raises(SettingError, match="token_secret is empty; in production it is required"):
        read_settings(file, {})
    settings = read_settings(file, {"HAULCAST_TOKEN_SECRET": SECRET})
    assert (settings.environment, settings.host, settings.log_format) == ("production", "0.0.0.0", "json")


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    """Defaults < file < HAULCAST_* in the environment; other variables are nobody's business."""
    file = tmp_path / "mine.toml"
    file.write_text("tick_ms = 40\nhub_port = 9001\njump_slack_m = 50\n")
    settings = read_settings(
        file, {"HAULCAST_TICK_MS": "5", "HAULCAST_IDLE_TIMEOUT_S": "1.5", "PATH": "/bin"}
    )
    assert (settings.tick_ms, settings.hub_port, settings.idle_timeout_s) == (5, 9001, 1.5)
    assert type(settings.jump_slack_m) is float
    assert settings.http_port == Settings().http_port


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        (
            {"HAULCAST_TICKS": "20"},
            r"'ticks' in the environment as HAULCAST_TICKS is unknown; known are .*tick_ms",
        ),
        ({"HAULCAST_TICK_MS": "0"}, r"tick_ms .* is 0; allowed is an? int from 1 to 1000"),
        ({"HAULCAST_TICK_MS": "fast"}, r"tick_ms .* is 'fast'; allowed is an? int from 1 to 1000"),
        ({"HAULCAST_TICK_MS": "1.5"}, r"tick_ms .* is '1.5'; allowed is an? int"),
        ({"HAULCAST_IDLE_TIMEOUT_S": "nan"}, r"idle_timeout_s .* is nan; allowed is a float from 1 to 86400"),
        ({"HAULCAST_LOG_FORMAT": "xml"}, r"log_format .* is 'xml'; allowed are console, json"),
        (
            {"HAULCAST_TOKEN_SECRET_OLD": f"{SECRET},short"},
            r"token_secret_old has a secret of 5 bytes; allowed are 32 or more",
        ),
        ({"HAULCAST_TOKEN_SECRET": "short"}, r"token_secret has 5 bytes; allowed are 32 or more"),
        (
            {"HAULCAST_METRICS_TOKEN": "has spaces in between"},
            r"metrics_token is no token; allowed are 16 or more",
        ),
        ({"HAULCAST_ENVIRONMENT": "production"}, r"token_secret is empty; in production it is required"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_name_value_and_what_is_allowed(
    environ: dict[str, str], words: str
) -> None:
    """Whatever is wrong in the environment, the error says which setting, its value, and what is allowed."""
    with pytest.raises(SettingError, match=words):
        read_settings(None, environ)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tick_ms = true", r"tick_ms in .*mine.toml is True; allowed is an? int"),
        ("host = 7", r"host in .*mine.toml is 7; allowed is a str"),
        ("tick_ms = ", r"mine.toml is not TOML"),
        ("[hub]\nport = 1", r"'hub' in .*mine.toml is unknown"),
    ],
)
def test_a_wrong_file_stops_the_start_with_its_name(tmp_path: Path, text: str, words: str) -> None:
    """A wrong type, a broken file or a table that nobody knows is refused with the file's name."""
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=words):
        read_settings(file, {})


def test_a_missing_file_is_said_plainly(tmp_path: Path) -> None:
    """A settings file that is not there stops the start."""
    with pytest.raises(SettingError, match=r"none.toml cannot be read: No such file"):
        read_settings(tmp_path / "none.toml", {})


@pytest.mark.parametrize("name", ["token_secret", "token_secret_old", "metrics_token", "database_url"])
def test_a_secret_never_stands_in_an_error(tmp_path: Path, name: str) -> None:
    """An error about a setting that may hold a password does not repeat it."""
    file = tmp_path / "mine.toml"
    file.write_text(f'{name} = ["{SECRET}"]')
    with pytest.raises(SettingError) as caught:
        read_settings(file, {})
    assert SECRET not in str(caught.value)
    assert "(hidden)" in str(caught.value)


def test_a_burst_below_a_frame_is_no_setting() -> None:
    """A phone whose batch is larger than what it may send at once could never get rid of it."""
    with pytest.raises(
        SettingError, match="device_burst is 999; allowed is no less than frame_fixes, which is 1000"
    ):
        read_settings(None, {"HAULCAST_DEVICE_BURST": "999"})
    chosen = read_settings(None, {"HAULCAST_DEVICE_BURST": "10", "HAULCAST_FRAME_FIXES": "10"})
    assert (chosen.device_burst, chosen.frame_fixes) == (10, 10)
