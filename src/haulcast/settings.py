"""Settings: typed, frozen, read once. `config/defaults.toml` < a TOML file < `HAULCAST_*` in the environment.

A setting's type, default, unit and reason stand in one place, the `Settings` class; `config/defaults.toml` shows the
same names for copying. An unknown name, a wrong type or a value out of range stops the start and says what is allowed.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from haulcast.errors import SettingError

PREFIX = "HAULCAST_"
NOT_SETTINGS = frozenset({"HAULCAST_TOKEN"})
"""Names of the command line's clients, which may stand in the same environment."""


def _setting(default: Any, reason: str, *, least: float | None = None, most: float | None = None) -> Any:
    return field(default=default, metadata={"reason": reason, "least": least, "most": most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an engineer may set. Units stand in the names."""

    environment: Literal["development", "production"] = _setting(
        "development", "production refuses to start without a token secret of its own"
    )
    host: str = _setting("127.0.0.1", "address that both ports listen on; 0.0.0.0 for all")
    http_port: int = _setting(
        8000, "page, REST, and the sockets once more for one-port hosts", least=0, most=65535
    )
    hub_port: int = _setting(8001, "the fast lane: device and live sockets", least=0, most=65535)
    data_dir: str = _setting("var", "where the embedded database and the development secret live")
    database_url: str = _setting("", "postgresql://...; empty: the embedded PostgreSQL in data_dir")
    token_secret: str = _setting(
        "", "signs tokens (HS256), at least 32 bytes; empty: made at first start (development)"
    )
    log_format: Literal["console", "json"] = _setting("console", "json for collectors")
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "least level that is written")
    summary_interval_s: float = _setting(10.0, "one log line of ticks and fixes each", least=0.1, most=3600)

    tick_ms: int = _setting(20, "longest wait before waiting fixes are stepped", least=1, most=1000)
    step_fixes: int = _setting(
        20_000, "most fixes in one step, so that a backlog cannot stall the loop", least=100, most=1_000_000
    )
    inbox_bytes: int = _setting(
        64 * 2**20,
        "frames waiting for a tick; beyond it devices are told to come back",
        least=2**20,
        most=2**32,
    )
    checkpoint_interval_s: float = _setting(
        5.0,
        "where vehicles are is saved for the next start this often; what they entered and left, at once",
        least=0.1,
        most=3600,
    )
    stop_timeout_s: float = _setting(30.0, "graceful stop ends after this at the latest", least=1, most=600)

    frame_bytes: int = _setting(262_144, "largest frame taken from a socket", least=1024, most=16 * 2**20)
    frame_fixes: int = _setting(1_000, "most fixes in one frame", least=1, most=100_000)
    device_rate_per_s: float = _setting(
        100.0, "fixes a second a device may send for long", least=0.1, most=1e6
    )
    device_burst: float = _setting(
        20_000.0, "fixes a device may send at once, as after an hour without network", least=1, most=1e7
    )
    bad_frames: int = _setting(10, "bad frames in a row that close the connection", least=1, most=10_000)
    idle_timeout_s: float = _setting(
        120.0, "silence after which a socket is pinged, and again the wait for its pong", least=1, most=86_400
    )
    handshake_timeout_s: float = _setting(10.0, "slow handshakes are cut off", least=0.1, most=60)
    ack_interval_ms: int = _setting(
        200,
        "acks of one device are at least this far apart, the first comes at once; up to ten times more under load",
        least=0,
        most=10_000,
    )
    read_buffer_bytes: int = _setting(
        1024, "first read buffer of a socket; grows when needed", least=256, most=65_536
    )

    future_ms: int = _setting(60_000, "a fix further ahead of our clock is refused", least=0, most=86_400_000)
    late_ms: int = _setting(
        30 * 86_400_000, "a fix older than this is stale and refused", least=60_000, most=3_153_600_000_000
    )
    speed_limit_mps: float = _setting(
        90.0, "faster between two fixes is an impossible jump", least=1, most=2_000
    )
    jump_slack_m: float = _setting(200.0, "distance always allowed between two fixes", least=0, most=100_000)
    hold_s: float = _setting(
        60.0, "a jump that no further fix bears out is refused after this", least=0.1, most=86_400
    )
    accuracy_limit_m: float = _setting(
        2_000.0, "a fix that admits a larger error is refused", least=1, most=1e6
    )

    late_fixes: int = _setting(
        256,
        "fixes kept of each vehicle in memory (32 bytes each), so that late ones correct its visits; 0: they don't",
        least=0,
        most=65_536,
    )
    late_window_s: float = _setting(
        600.0,
        "how late a fix may be and still correct visits, if its vehicle has sent no more than 3/8 of late_fixes since",
        least=1,
        most=86_400,
    )

    cluster_below_zoom: float = _setting(7.0, "below it a view gets H3 aggregates", least=0, most=24)
    view_rate_hz: float = _setting(50.0, "highest rate a subscriber gets", least=0.1, most=1000)
    cluster_rate_hz: float = _setting(2.0, "highest rate of aggregates", least=0.05, most=50)
    event_log: int = _setting(100_000, "fence events kept per fleet for resume", least=1, most=10_000_000)
    send_buffer_bytes: int = _setting(
        262_144, "a subscriber with more waiting gets nothing until it has read", least=4096, most=2**30
    )
    stalled_s: float = _setting(
        300.0, "a subscriber that reads nothing for so long is closed as slow", least=1, most=86_400
    )


_FIELDS = {f.name: f for f in fields(Settings)}


def read_settings(file: Path | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force.

    Args:
        file: a TOML file with some of the names; absent: defaults and environment only.
        environ: `HAULCAST_<NAME>` win over the file.

    Raises:
        SettingError: names the setting, the value, where it stands and what is allowed.
    """
    values: dict[str, Any] = {}
    if file is not None:
        for name, value in _read_toml(file).items():
            values[name] = _checked(name, value, f"in {file}")
    for key, text in environ.items():
        if key.startswith(PREFIX) and key not in NOT_SETTINGS:
            name = key.removeprefix(PREFIX).lower()
            values[name] = _checked(name, _from_text(name, text, key), f"in the environment as {key}")
    settings = Settings(**values)
    _check_together(settings)
    return settings


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise SettingError(
            "setting_file", f"settings file {file} cannot be read: {error.strerror}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingError("setting_file", f"settings file {file} is not TOML: {error}") from error


def _known(name: str, where: str) -> Any:
    if name not in _FIELDS:
        raise SettingError(
            "unknown_setting",
            f"setting {name!r} {where} is unknown; known are {', '.join(_FIELDS)}",
            field=name,
        )
    return _FIELDS[name]


def _from_text(name: str, text: str, key: str) -> Any:
    kind = _known(name, f"in the environment as {key}").type
    if kind not in (int, float):
        return text
    try:
        return kind(text)
    except ValueError:
        return text  # _checked says what is wrong with it


def _checked(name: str, value: Any, where: str) -> Any:
    known = _known(name, where)
    if get_origin(known.type) is Literal:
        allowed = get_args(known.type)
        if value not in allowed:
            raise SettingError(
                "bad_setting",
                f"setting {name} {where} is {value!r}; allowed are {', '.join(allowed)}",
                field=name,
            )
        return value
    if known.type is float and type(value) is int:
        value = float(value)
    least, most = known.metadata["least"], known.metadata["most"]
    allowed_words = f"a {known.type.__name__}" + (f" from {least:g} to {most:g}" if least is not None else "")
    shown = "(hidden)" if name in {"token_secret", "database_url"} else repr(value)
    # `not (a <= b <= c)` also catches NaN
    if type(value) is not known.type or (least is not None and not least <= value <= most):
        raise SettingError(
            "bad_setting", f"setting {name} {where} is {shown}; allowed is {allowed_words}", field=name
        )
    return value


def _check_together(settings: Settings) -> None:
    secret_bytes = len(settings.token_secret.encode())
    if settings.token_secret and secret_bytes < 32:
        raise SettingError(
            "bad_setting",
            f"setting token_secret has {secret_bytes} bytes; allowed are 32 or more",
            field="token_secret",
        )
    if settings.environment == "production" and not settings.token_secret:
        raise SettingError(
            "bad_setting",
            "setting token_secret is empty; in production it is required: 32 bytes or more, for example from `openssl rand -hex 32`",
            field="token_secret",
        )
