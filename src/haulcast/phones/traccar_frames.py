"""The JSON of Traccar Client 9, which is that of the background-location library it is built on."""

from collections.abc import Mapping
from typing import Any

from haulcast.errors import RequestError
from haulcast.phones.report_fields import (
    heading,
    known,
    measure,
    number,
    part,
    required_number,
    text,
    time_of_iso,
)
from haulcast.phones.reported_fix import ReportedFix


def read_traccar(report: Mapping[str, Any]) -> tuple[str, ReportedFix | None]:
    """The device of a report and its fix; without coordinates it is a heartbeat.

    Raises:
        RequestError: a missing or malformed field.
    """
    device = text(report, "device_id")
    if not device:
        raise RequestError("missing_field", "device_id must name the device", field="device_id")
    location = part(report, "location")
    coords = part(location, "coords", "location.")
    if not coords:
        return device, None
    place = "location.coords."
    said = location.get("timestamp")
    return device, ReportedFix(
        time_ms=None if said is None else time_of_iso(said, "location.timestamp"),
        lat_deg=required_number(coords, "latitude", place),
        lon_deg=required_number(coords, "longitude", place),
        speed_mps=measure(coords, "speed", place),
        heading_deg=heading(coords, "heading", place),
        accuracy_m=measure(coords, "accuracy", place),
        altitude_m=number(coords, "altitude", place),
        attributes=_attributes(location),
    )


def _attributes(location: Mapping[str, Any]) -> dict[str, Any]:
    """Extras of plain types as they are, then what has a name of its own, which wins."""
    battery = part(location, "battery", "location.")
    activity = part(location, "activity", "location.")
    extras = part(location, "extras", "location.")
    plain = {name: value for name, value in extras.items() if isinstance(value, str | int | float)}
    return plain | known(
        motion=_flag(location, "is_moving", "location."),
        odometer_m=measure(location, "odometer", "location."),
        event=text(location, "event", "location."),
        battery_percent=measure(battery, "level", "location.battery.", scale=100.0),
        charge=_flag(battery, "is_charging", "location.battery.") or None,  # said only while charging
        activity=text(activity, "type", "location.activity."),
        mock=_flag(location, "mock", "location.") or None,
        alarm=text(location, "alarm", "location."),
    )


def _flag(values: Mapping[str, Any], name: str, place: str) -> bool | None:
    value = values.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise RequestError("wrong_type", f"{name} must be true or false", field=place + name)
