"""The OsmAnd protocol: a report as the parameters of a query or a form, or as flat JSON objects of the same names.

So speak the OsmAnd app, Traccar Client up to 8 and from 10 on, and many trackers. The JSON of Traccar Client 9 is another
one, see `traccar_frames.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any
from urllib.parse import parse_qsl

from haulcast.errors import RequestError
from haulcast.phones.report_fields import (
    KMH_MPS,
    KNOT_MPS,
    MPH_MPS,
    as_number,
    heading,
    json_value,
    known,
    measure,
    number,
    text,
    time_of_osmand,
)
from haulcast.phones.reported_fix import ReportedFix
from haulcast.phones.traccar_frames import read_traccar

SPEED_UNITS: Mapping[str, float] = {"knots": KNOT_MPS, "kmh": KMH_MPS, "mps": 1.0, "mph": MPH_MPS}
MOST_PARAMETERS = 256
EXACT = 2**53

READ = frozenset(
    [
        "id",
        "deviceid",
        "timestamp",
        "lat",
        "lon",
        "location",
        "valid",
        "speed",
        "speed_unit",
        "bearing",
        "heading",
        "altitude",
        "accuracy",
        "hdop",
        "batt",
        "charge",
        "driverUniqueId",
        "cell",
        "wifi",
    ]
)
"""The names with a meaning; every other one becomes an attribute."""


@dataclass(frozen=True, slots=True)
class OsmandReports:
    """What one request says.

    Attributes:
        device: whom it claims to come from.
        fixes: in the order given; none: a heartbeat.
        is_json: whether it is the JSON of Traccar Client 9, whose unknown devices get another answer.
    """

    device: str
    fixes: Sequence[ReportedFix]
    is_json: bool = False


def decode_osmand(
    query: str, content_type: str, body: bytes, most_fixes: int, speed_unit: str
) -> OsmandReports:
    """Read a request in any of its forms.

    Args:
        query: as it stands behind the question mark.
        content_type: of the body; `application/json` wins over a query.
        body: a form where there is no query.
        most_fixes: objects allowed in a JSON array.
        speed_unit: of `speed` where the report does not say, one of `SPEED_UNITS`.

    Raises:
        RequestError: a missing or malformed field, or more than one device.
    """
    if content_type.partition(";")[0].strip().lower() == "application/json":
        return _read_json(json_value(body), most_fixes, speed_unit)
    try:
        pairs = parse_qsl(query or body.decode(), keep_blank_values=False, max_num_fields=MOST_PARAMETERS)
    except UnicodeDecodeError:
        raise RequestError("bad_text", "the form is not UTF-8", field="body") from None
    except ValueError:
        raise RequestError("out_of_range", f"a report has at most {MOST_PARAMETERS} parameters") from None
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    device, fix = _read_flat(values, "", speed_unit)
    return OsmandReports(device, [] if fix is None else [fix])


def _read_json(value: Any, most_fixes: int, speed_unit: str) -> OsmandReports:
    if isinstance(value, dict) and ("device_id" in value or "location" in value):
        device, fix = read_traccar(value)
        return OsmandReports(device, [] if fix is None else [fix], is_json=True)
    reports = [value] if isinstance(value, dict) else value
    if not isinstance(reports, list) or not 1 <= len(reports) <= most_fixes:
        allowed = f"a report, or an array of 1 to {most_fixes} reports"
        raise RequestError("wrong_type", f"the body must be {allowed}", field="body")
    device = ""
    fixes: list[ReportedFix] = []
    for i, report in enumerate(reports):
        place = f"[{i}]." if isinstance(value, list) else ""
        if not isinstance(report, dict):
            raise RequestError("wrong_type", "a report is a JSON object", field=place.rstrip("."))
        found, fix = _read_flat({name: _as_list(one) for name, one in report.items()}, place, speed_unit)
        if device and found != device:
            raise RequestError("other_device", "a request has the reports of one device", field=f"{place}id")
        device = found
        if fix is not None:
            fixes.append(fix)
    return OsmandReports(device, fixes)


def _as_list(value: Any) -> list[Any]:
    given = value if isinstance(value, list) else [value]
    return [one for one in given if one is not None]


def _read_flat(
    repeated: Mapping[str, list[Any]], place: str, speed_unit: str
) -> tuple[str, ReportedFix | None]:
    """One report; of a name that is repeated the last value counts, but for cells and networks."""
    values = {name: given[-1] for name, given in repeated.items() if given}
    device = text(values, "id", place) or text(values, "deviceid", place)
    if not device:
        raise RequestError("missing_field", "id must name the device", field=f"{place}id")
    lat_deg, lon_deg = _coordinates(values, place)
    if isnan(lat_deg):
        return device, None
    unit = text(values, "speed_unit", place) or speed_unit
    if unit not in SPEED_UNITS:
        reason = f"speed_unit must be one of {', '.join(SPEED_UNITS)}"
        raise RequestError("out_of_range", reason, field=f"{place}speed_unit")
    said = values.get("timestamp")
    return device, ReportedFix(
        time_ms=None if said is None else time_of_osmand(said, f"{place}timestamp"),
        lat_deg=lat_deg,
        lon_deg=lon_deg,
        speed_mps=measure(values, "speed", place, scale=SPEED_UNITS[unit]),
        heading_deg=heading(values, "bearing" if "bearing" in values else "heading", place),
        accuracy_m=measure(values, "accuracy", place),
        altitude_m=number(values, "altitude", place),
        attributes=_attributes(repeated, values, place),
    )


def _coordinates(values: Mapping[str, Any], place: str) -> tuple[float, float]:
    """Latitude and longitude in degrees; NaN: there are none."""
    if "lat" in values or "lon" in values:
        for name in ("lat", "lon"):
            if name not in values:
                raise RequestError("missing_field", "lat and lon go together", field=place + name)
        return number(values, "lat", place), number(values, "lon", place)
    if "location" not in values:
        return float("nan"), float("nan")
    given = [as_number(one.strip()) for one in text(values, "location", place).split(",")]
    if len(given) != 2 or given[0] is None or given[1] is None:
        raise RequestError("wrong_type", "location must be lat,lon", field=f"{place}location")
    return given[0], given[1]


def _attributes(repeated: Mapping[str, list[Any]], values: Mapping[str, Any], place: str) -> dict[str, Any]:
    kept = {name: _typed(value) for name, value in values.items() if name not in READ}
    is_valid = _flag(values, "valid", place)
    return kept | known(
        valid=False if is_valid is False else None,  # that a fix is one need not be said
        hdop=number(values, "hdop", place),
        battery_percent=measure(values, "batt", place),
        charge=_flag(values, "charge", place),
        driver=text(values, "driverUniqueId", place),
        cell=[_cell(one, place) for one in repeated.get("cell", ())] or None,
        wifi=[_network(one, place) for one in repeated.get("wifi", ())] or None,
    )


def _flag(values: Mapping[str, Any], name: str, place: str) -> bool | None:
    value = values.get(name)
    if value is None or isinstance(value, bool):
        return value
    word = str(value).lower()
    if word not in {"true", "1", "false", "0"}:
        raise RequestError("wrong_type", f"{name} must be true or false", field=place + name)
    return word in {"true", "1"}


def _typed(value: Any) -> Any:
    """A number or true or false where a text looks like one."""
    if not isinstance(value, str):
        return value
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    parsed = as_number(value)
    if (
        parsed is None or abs(parsed) >= EXACT
    ):  # a long number is a name, and as a number it would be another one
        return value
    return int(parsed) if value.lstrip("+-").isdigit() else parsed


def _cell(value: Any, place: str) -> dict[str, int]:
    """A radio cell: `mcc,mnc,lac,cid[,rssi]`."""
    numbers = [as_number(one.strip()) for one in str(value).split(",")]
    if not 4 <= len(numbers) <= 5 or any(
        one is None or one != int(one) or abs(one) >= EXACT for one in numbers
    ):
        raise RequestError("wrong_type", "cell must be mcc,mnc,lac,cid[,rssi]", field=f"{place}cell")
    names = ("mcc", "mnc", "lac", "cid", "rssi_dbm")
    return {name: int(one) for name, one in zip(names, numbers, strict=False) if one is not None}


def _network(value: Any, place: str) -> dict[str, Any]:
    """A wireless network: `aa-bb-cc-dd-ee-ff,rssi`."""
    address, _, rssi = str(value).partition(",")
    strength = as_number(rssi.strip())
    if not address or strength is None:
        raise RequestError("wrong_type", "wifi must be aa-bb-cc-dd-ee-ff,rssi", field=f"{place}wifi")
    return {"mac": address.strip().replace("-", ":").lower(), "rssi_dbm": strength}
