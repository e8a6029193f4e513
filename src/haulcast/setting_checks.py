"""What settings that belong together have to be, where one of them is set."""

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from haulcast.errors import SettingError

SERVER_URL = re.compile("https?://[^/?#@\\\\\\s]+(/[^?#@\\\\\\s]*)?")
INFLUX_TOKEN = re.compile("[!-~]*")
METRICS_TOKEN = re.compile("[!-~]{16,}")
PROFILE = re.compile("[A-Za-z_]*")
LEAST_SECRET_BYTES = 32


def check_secrets(secret: str, old: Sequence[str], *, is_production: bool) -> None:
    """What tokens are signed with.

    Raises:
        SettingError: it is too short, or missing in production.
    """
    for name, has, found in [
        ("token_secret", "has", secret),
        *(("token_secret_old", "has a secret of", o) for o in old),
    ]:
        size = len(found.encode())
        if found and size < LEAST_SECRET_BYTES:
            raise _wrong(name, f"{has} {size} bytes; allowed are {LEAST_SECRET_BYTES} or more")
    if is_production and not secret:
        raise _wrong(
            "token_secret",
            "is empty; in production it is required: 32 bytes or more, for example from `openssl rand -hex 32`",
        )


def check_metrics_token(token: str) -> None:
    """What a Prometheus sends.

    Raises:
        SettingError: it is no token.
    """
    if token and not METRICS_TOKEN.fullmatch(token):
        raise _wrong(
            "metrics_token",
            "is no token; allowed are 16 or more printable ASCII characters without spaces",
        )


def check_influx(url: str, bucket: str, api: str, token: str) -> None:
    """The place of the history, with history = influxdb.

    Raises:
        SettingError: it is none.
    """
    if not SERVER_URL.fullmatch(url):  # it is not shown: it may hold a password
        raise _wrong(
            "influx_url",
            "is no URL; with history = influxdb allowed is http(s)://host:port, without user and password",
        )
    if not bucket.partition("/")[0]:
        raise _wrong("influx_bucket", "is empty; with history = influxdb it names the bucket or the database")
    if api == "v2" and not INFLUX_TOKEN.fullmatch(token):
        raise _wrong("influx_token", "is no token; allowed are printable ASCII characters without spaces")


def check_road_engine(engine: str, url: str, profile: str, time_zone: str) -> None:
    """Where the road engine is, and how it is asked.

    Raises:
        SettingError: it cannot be so.
    """
    is_file = engine == "valhalla" and url.endswith(".json") and "://" not in url
    if not is_file and not SERVER_URL.fullmatch(url):
        or_file = ", or a file valhalla.json" if engine == "valhalla" else ""
        raise _wrong(
            "road_engine_url",
            f"is no URL; with road_engine = {engine} allowed is http(s)://host:port, without user and password{or_file}",
        )
    if not PROFILE.fullmatch(profile):
        raise _wrong("road_engine_profile", f"is {profile!r}; allowed are letters and _")
    try:
        if time_zone:
            ZoneInfo(time_zone)
    except (OSError, ValueError, KeyError) as error:
        allowed = "allowed are names of the time zone database, like Europe/Rome"
        raise _wrong("road_engine_time_zone", f"is {time_zone!r}; {allowed}") from error


def _wrong(name: str, said: str) -> SettingError:
    return SettingError("bad_setting", f"setting {name} {said}", field=name)
