"""Overland: batches of GeoJSON features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from haulcast.errors import RequestError
from haulcast.phones.report_fields import (
    as_number,
    heading,
    json_object,
    known,
    measure,
    number,
    part,
    text,
    time_of_iso,
)
from haulcast.phones.reported_fix import ReportedFix

READ = frozenset(
    [
        "timestamp",
        "altitude",
        "speed",
        "course",
        "horizontal_accuracy",
        "vertical_accuracy",
        "battery_level",
        "device_id",
        "unique_id",
    ]
)
"""The names with a meaning; every other one becomes an attribute."""


@dataclass(frozen=True, slots=True)
class OverlandBatch:
    """What a batch says: the devices it names (the setting may be empty), and its fixes."""

    devices: frozenset[str]
    fixes: Sequence[ReportedFix]


def decode_overland(body: bytes, most_fixes: int) -> OverlandBatch:
    """Read one batch. Features that are not fixes (trips, visits, the app's own log) are passed over.

    Raises:
        RequestError: not a batch, too many fixes, or a missing or malformed field.
    """
    locations = json_object(body).get("locations")
    if not isinstance(locations, list):
        raise RequestError("missing_field", "locations must be an array of features", field="locations")
    if len(locations) > most_fixes:
        reason = f"{len(locations)} locations; allowed are {most_fixes}: lower Points per Batch"
        raise RequestError("too_many_fixes", reason, field="locations")
    devices: set[str] = set()
    fixes: list[ReportedFix] = []
    for i, feature in enumerate(locations):
        place = f"locations[{i}]."
        if not isinstance(feature, dict):
            raise RequestError("wrong_type", "a location is a GeoJSON feature", field=place.rstrip("."))
        properties = part(feature, "properties", place)
        if feature.get("geometry") is None or "type" in properties or "action" in properties:
            continue
        devices.add(text(properties, "device_id", f"{place}properties."))
        fixes.append(_read_fix(part(feature, "geometry", place), properties, place))
    return OverlandBatch(frozenset(devices - {""}), fixes)


def _read_fix(geometry: Mapping[str, Any], properties: Mapping[str, Any], place: str) -> ReportedFix:
    lon_deg, lat_deg = _coordinates(geometry, f"{place}geometry.")
    place += "properties."
    if properties.get("timestamp") is None:
        raise RequestError("missing_field", "timestamp must be there", field=f"{place}timestamp")
    return ReportedFix(
        time_ms=time_of_iso(properties["timestamp"], f"{place}timestamp"),
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        speed_mps=measure(properties, "speed", place),
        heading_deg=heading(properties, "course", place),
        accuracy_m=measure(properties, "horizontal_accuracy", place),
        altitude_m=number(properties, "altitude", place),
        attributes=_attributes(properties, place),
    )


def _coordinates(geometry: Mapping[str, Any], place: str) -> tuple[float, float]:
    """Longitude and latitude of a point; a third number, the altitude, stands in the properties too."""
    given = geometry.get("coordinates")
    numbers = [as_number(one) for one in given[:2]] if isinstance(given, list) else []
    if geometry.get("type") != "Point" or len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
        raise RequestError("wrong_type", "a location is a Point of [lon, lat]", field=f"{place}coordinates")
    return numbers[0], numbers[1]


def _attributes(properties: Mapping[str, Any], place: str) -> dict[str, Any]:
    kept = {name: value for name, value in properties.items() if name not in READ and value not in (None, "")}
    return kept | known(
        vertical_accuracy_m=measure(properties, "vertical_accuracy", place),
        battery_percent=measure(properties, "battery_level", place, scale=100.0),
    )
