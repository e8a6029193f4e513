"""OwnTracks over HTTP: one JSON message a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from haulcast.errors import RequestError
from haulcast.phones.report_fields import (
    KMH_MPS,
    heading,
    json_object,
    known,
    measure,
    number,
    required_number,
    text,
    time_of_seconds,
)
from haulcast.phones.reported_fix import ReportedFix

BATTERY_STATES = {0: None, 1: "unplugged", 2: "charging", 3: "full"}
READ = frozenset(
    ["_type", "topic", "lat", "lon", "tst", "acc", "alt", "vac", "vel", "cog", "batt", "bs", "p", "odometer"]
)
"""The names with a meaning; every other one becomes an attribute."""


@dataclass(frozen=True, slots=True)
class OwntracksReport:
    """What a message says: the names its device goes by (none: it has a tracker id at most), and a fix or none."""

    devices: frozenset[str]
    fix: ReportedFix | None


def decode_owntracks(body: bytes, device: str) -> OwntracksReport:
    """Read one message. An empty one, and one of a type that is not about a position, has no fix.

    Args:
        body: of the request.
        device: what the query (`d`) or the header `X-Limit-D` say; empty: nothing.

    Raises:
        RequestError: not a JSON object, a missing or malformed field, or no word of who sends it.
    """
    if not body.strip():
        return OwntracksReport(frozenset(), None)
    message = json_object(body)
    kind = message.get("_type")
    has_fix = kind == "location" or (kind == "transition" and "lat" in message and "lon" in message)
    if not has_fix:
        return OwntracksReport(frozenset(), None)
    devices = _devices(message, device)
    if not devices and not text(message, "tid"):
        raise RequestError("missing_field", "topic, ?u=&d= or tid must say who sends this", field="tid")
    return OwntracksReport(devices, _read_fix(message))


def _devices(message: Mapping[str, Any], device: str) -> frozenset[str]:
    """The device of the topic `owntracks/user/device`, and of the query or header.

    In HTTP mode some versions of the app have the topic `owntracks/http/<tid>`, which names nobody.
    """
    _, _, rest = text(message, "topic").partition("/")
    user, _, named = rest.partition("/")
    names = {device} if user == "http" else {device, named}
    return frozenset(names - {""})


def _read_fix(message: Mapping[str, Any]) -> ReportedFix:
    return ReportedFix(
        time_ms=time_of_seconds(message, "tst"),
        lat_deg=required_number(message, "lat"),
        lon_deg=required_number(message, "lon"),
        speed_mps=measure(message, "vel", scale=KMH_MPS),
        heading_deg=heading(message, "cog"),
        accuracy_m=measure(message, "acc"),
        altitude_m=number(message, "alt"),
        attributes=_attributes(message),
    )


def _attributes(message: Mapping[str, Any]) -> dict[str, Any]:
    state = number(message, "bs")
    kept = {name: value for name, value in message.items() if name not in READ and value is not None}
    return kept | known(
        vertical_accuracy_m=measure(message, "vac"),
        battery_percent=measure(message, "batt"),
        battery_state=BATTERY_STATES.get(int(state)) if state in BATTERY_STATES else None,
        pressure_pa=measure(message, "p", scale=1000.0),
        odometer_m=measure(message, "odometer", scale=1000.0),
    )
