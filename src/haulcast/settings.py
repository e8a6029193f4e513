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
from haulcast.setting_checks import check_influx, check_metrics_token, check_road_engine, check_secrets

PREFIX = "HAULCAST_"
SECRETS = frozenset({"token_secret", "token_secret_old", "metrics_token", "database_url", "influx_token"})
"""Their values stand in no error and no log."""
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
    osmand_port: int = _setting(
        0,
        "the OsmAnd protocol once more, at any path, for trackers that want its customary 5055; 0: no",
        least=0,
        most=65535,
    )
    token_secret: str = _setting(
        "", "signs tokens (HS256), at least 32 bytes; empty: made at first start (development)"
    )
    token_secret_old: str = _setting(
        "", "secrets that signed before it, separated by commas: their tokens stay good until they expire"
    )
    token_keys: str = _setting(
        "", "JWKS of an issuer whose tokens are good too (RS256, ES256, EdDSA): an https URL or a file"
    )
    token_issuer: str = _setting("", "what iss has to be in the issuer's tokens; empty: anything")
    token_audience: str = _setting("", "what aud has to hold in the issuer's tokens; empty: anything")
    token_keys_refresh_s: float = _setting(
        300.0,
        "the issuer's keys are read again this often, and when a token names another",
        least=1,
        most=86_400,
    )
    token_leeway_s: float = _setting(
        5.0, "tokens are good so much longer than they say, because clocks differ", least=0, most=300
    )
    metrics_token: str = _setting(
        "",
        "what a Prometheus sends as bearer token for /metrics, at least 16 characters; empty: an admin's token only",
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
    history: Literal["postgres", "influxdb", "off"] = _setting(
        "postgres",
        "where every fix that was taken is kept; with off nothing is, and an ack means taken, not stored",
    )
    influx_url: str = _setting("", "http(s)://host:port of the InfluxDB, for history = influxdb")
    influx_bucket: str = _setting(
        "", "its bucket; with influx_api v1 the database, or database/retention policy"
    )
    influx_org: str = _setting("", "the bucket's organisation; InfluxDB 2 needs it")
    influx_token: str = _setting("", "may read and write the bucket; with influx_api v1 user:password")
    influx_api: Literal["v2", "v1"] = _setting(
        "v2", "how fixes are written: v2 is /api/v2/write of InfluxDB 1.8 and newer, v1 is /write of 1.x"
    )
    history_days: int = _setting(
        0, "days of history that are kept, by the fixes' own time (UTC); 0: all", least=0, most=36_500
    )
    history_buffer_bytes: int = _setting(
        256 * 2**20,
        "fixes waiting to be stored, also while the database is away; beyond it they are dropped and devices told to resend",
        least=2**20,
        most=2**36,
    )
    history_commit_ms: int = _setting(
        50,
        "writes to the history begin at least this far apart, so that fixes share a commit",
        least=0,
        most=10_000,
    )
    history_timeout_s: float = _setting(
        20.0, "a write to the history that takes longer has failed, and is tried again", least=0.5, most=60
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
    osmand_speed_unit: Literal["knots", "kmh", "mps", "mph"] = _setting(
        "knots", "of the OsmAnd protocol's speed, where a report does not say"
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
        2048, "first read buffer of a socket; grows when needed", least=2048, most=65_536
    )

    allowed_origins: str = _setting(
        "", "pages of these origins may use the sockets and REST too, separated by commas; * for all"
    )
    trusted_proxies: str = _setting(
        "", "networks whose X-Forwarded-For is believed, separated by commas; empty: nobody's"
    )
    hsts_s: int = _setting(
        0,
        "browsers are told to use TLS only for so long; set it when TLS is in front",
        least=0,
        most=63_072_000,
    )
    connections: int = _setting(100_000, "most open connections of each port", least=1, most=10_000_000)
    connections_per_address: int = _setting(
        20_000, "most of them from one address (IPv6: a /64); many phones share one", least=1, most=10_000_000
    )
    address_rate_per_s: float = _setting(
        500.0, "handshakes and requests an address may make for long", least=0.1, most=1e6
    )
    address_burst: int = _setting(
        20_000, "and at once, as when everybody comes back", least=1, most=10_000_000
    )
    device_requests_per_s: float = _setting(
        20.0, "handshakes and requests of one device's token", least=0.01, most=1e6
    )
    device_requests_burst: int = _setting(2_000, "and at once", least=1, most=10_000_000)
    viewer_requests_per_s: float = _setting(
        50.0, "handshakes and requests of one viewer's token", least=0.01, most=1e6
    )
    viewer_requests_burst: int = _setting(2_000, "and at once", least=1, most=10_000_000)
    staff_requests_per_s: float = _setting(
        100.0, "handshakes and requests of one dispatcher's or admin's token", least=0.01, most=1e6
    )
    staff_requests_burst: int = _setting(2_000, "and at once", least=1, most=10_000_000)
    audit_days: int = _setting(365, "how long the audit log is kept", least=1, most=36_500)
    webhook_private_networks: str = _setting(
        "",
        "networks that webhooks may reach though they are not public, also by plain http, separated by commas; empty: none",
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
    off_route_m: float = _setting(100.0, "further from its line a vehicle is off it", least=1, most=1e5)
    off_route_s: float = _setting(60.0, "and off its route after so long, by its fixes", least=0, most=1e5)
    late_risk_s: float = _setting(300.0, "a stop so long after its window is told of", least=0, most=1e5)

    plans_at_once: int = _setting(1, "plans that are searched at the same time", least=1, most=64)
    plan_search_s: float = _setting(120.0, "longest that a plan may be searched", least=1, most=3600)
    replan: Literal["off", "on"] = _setting("off", "plan routes anew when stops turn late or are cancelled")
    replan_saves: float = _setting(10.0, "what that has to save, in the fleet's currency", least=0, most=1e9)

    models_dir: str = _setting("", "where models of who will be free lie; empty: in models of data_dir")
    duty_gap_s: float = _setting(900.0, "who is silent for so long is off duty", least=1, most=86_400)
    availability_every_s: float = _setting(
        5.0, "so often it is said who will be free, where somebody asks", least=0.1, most=3_600
    )

    travel_days: int = _setting(
        28, "days of history that travel times are learned from; 0: none", least=0, most=3660
    )
    road_engine: Literal["off", "valhalla", "osrm"] = _setting(
        "off", "knows the roads for plans; off: learned travel times alone"
    )
    road_engine_url: str = _setting(
        "",
        "http(s)://host:port of the road engine; for valhalla also a file valhalla.json, for pyvalhalla in process",
    )
    road_engine_profile: str = _setting("", "Valhalla's costing or OSRM's profile; empty: truck and driving")
    road_engine_time_zone: str = _setting(
        "",
        "time zone of the roads, like Europe/Rome, in which Valhalla is told departures; empty: it is not told",
    )
    road_engine_timeout_s: float = _setting(
        10.0,
        "a matrix that takes the road engine longer is made of learned travel times",
        least=0.1,
        most=600,
    )

    map_style_url: str = _setting(
        "", "a MapLibre style instead of the page's own basemap, http(s)://...; empty: the own one"
    )
    map_origins: str = _setting(
        "", "where that style's tiles, fonts and images come from besides its own host, separated by commas"
    )
    map_tiles: str = _setting(
        "",
        "on the own basemap: a PMTiles archive, http(s)://... or a file, or images at http(s)://.../{z}/{x}/{y}",
    )

    cluster_below_zoom: float = _setting(7.0, "below it a view gets H3 aggregates", least=0, most=24)
    view_rate_hz: float = _setting(50.0, "highest rate a subscriber gets", least=0.1, most=1000)
    cluster_rate_hz: float = _setting(2.0, "highest rate of aggregates", least=0.05, most=50)
    event_log: int = _setting(100_000, "fence events kept per fleet for resume", least=1, most=10_000_000)
    playbacks: int = _setting(
        16, "histories that are played on live sockets at once; 0: none", least=0, most=10_000
    )
    playbacks_per_token: int = _setting(
        4, "and of one token; all who use a share link have one", least=1, most=10_000
    )
    playback_look_back_s: float = _setting(
        7 * 86_400.0,
        "a vehicle whose last fix before the moment that is played is older is shown nowhere",
        least=60,
        most=366 * 86_400,
    )
    dispatch_stale_s: float = _setting(
        900.0, "a vehicle with no newer fix is not asked to take loads", least=1, most=366 * 86_400
    )
    dispatch_change_cost: float = _setting(
        0.0, "cost of changing a route that a driver has", least=0, most=1e9
    )
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
    shown = "(hidden)" if name in SECRETS else repr(value)
    # `not (a <= b <= c)` also catches NaN
    if type(value) is not known.type or (least is not None and not least <= value <= most):
        raise SettingError(
            "bad_setting", f"setting {name} {where} is {shown}; allowed is {allowed_words}", field=name
        )
    return value


def listed(text: str) -> tuple[str, ...]:
    """The parts of a setting that is a list separated by commas."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def _check_together(settings: Settings) -> None:
    is_production = settings.environment == "production"
    check_secrets(settings.token_secret, listed(settings.token_secret_old), is_production=is_production)
    check_metrics_token(settings.metrics_token)
    if (
        settings.device_burst < settings.frame_fixes
    ):  # nobody could ever send such a frame, however long he waits
        raise SettingError(
            "bad_setting",
            f"setting device_burst is {settings.device_burst:g}; allowed is no less than frame_fixes, which is {settings.frame_fixes}",
            field="device_burst",
        )
    if settings.history == "influxdb":
        check_influx(settings.influx_url, settings.influx_bucket, settings.influx_api, settings.influx_token)
    if settings.road_engine != "off":
        check_road_engine(
            settings.road_engine, settings.road_engine_url,
            settings.road_engine_profile, settings.road_engine_time_zone,
        )  # fmt: skip
