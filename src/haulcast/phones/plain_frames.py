"""`POST /v1/fixes`: the device protocol's JSON over HTTP, for programs that would rather not hold a socket open."""

from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any

from haulcast.doors.wire import MAX_SEQ
from haulcast.errors import RequestError
from haulcast.phones.report_fields import LATEST_MS, json_object
from haulcast.phones.reported_fix import NO_SEQ, ReportedFix

REQUIRED = ("time_ms", "lat", "lon")
MEASURES = {
    "speed_mps": (0.0, inf),
    "heading_deg": (0.0, 360.0),
    "accuracy_m": (0.0, inf),
    "altitude_m": (-inf, inf),
}
KNOWN = (*REQUIRED, "seq", *MEASURES, "attributes")


def decode_plain(body: bytes, most_fixes: int) -> Sequence[ReportedFix]:
    """Read `{"fixes": [...]}`, each fix as on the device socket, but that `seq` may be left out.

    Raises:
        RequestError: not such a body, too many fixes, or a missing, unknown or wrong field.
    """
    frame = json_object(body)
    for name in frame:
        if name != "fixes":
            raise RequestError("unknown_field", "beside fixes nothing else may stand", field=name[:64])
    fixes = frame.get("fixes")
    if not isinstance(fixes, list) or not fixes:
        raise RequestError("wrong_type", f"fixes must be a list of 1 to {most_fixes} fixes", field="fixes")
    if len(fixes) > most_fixes:
        raise RequestError("too_many_fixes", f"{len(fixes)} fixes; allowed are {most_fixes}", field="fixes")
    return [_read_fix(fix, f"fixes[{i}].") for i, fix in enumerate(fixes)]


def _read_fix(fix: Any, place: str) -> ReportedFix:
    if not isinstance(fix, dict):
        raise RequestError("wrong_type", "a fix is a JSON object", field=place.rstrip("."))
    for name in fix:
        if name not in KNOWN:
            raise RequestError(
                "unknown_field", f"known fields are {', '.join(KNOWN)}", field=place + name[:64]
            )
    for name in REQUIRED:
        if fix.get(name) is None:
            raise RequestError("missing_field", f"a fix must have {', '.join(REQUIRED)}", field=place + name)
    attributes = fix.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise RequestError("wrong_type", "attributes must be a JSON object", field=f"{place}attributes")
    values = {name: _number(fix, name, place, *bounds) for name, bounds in MEASURES.items()}
    values["heading_deg"] %= 360  # a full turn is north
    return ReportedFix(
        time_ms=_integer(fix, "time_ms", place, -LATEST_MS, LATEST_MS),
        lat_deg=_number(fix, "lat", place, -inf, inf),
        lon_deg=_number(fix, "lon", place, -inf, inf),
        seq=NO_SEQ if fix.get("seq") is None else _integer(fix, "seq", place, 0, MAX_SEQ),
        attributes=attributes or {},
        **values,
    )


def _integer(fix: Mapping[str, Any], name: str, place: str, least: int, most: int) -> int:
    value = fix[name]
    if type(value) is not int:  # bool is an int to isinstance
        raise RequestError("wrong_type", f"{name} must be an integer", field=place + name)
    if not least <= value <= most:
        raise RequestError("out_of_range", f"{name} must be from {least} to {most}", field=place + name)
    return value


def _number(fix: Mapping[str, Any], name: str, place: str, least: float, most: float) -> float:
    value = fix.get(name)
    if value is None:
        return nan
    if type(value) not in (int, float):
        raise RequestError("wrong_type", f"{name} must be a number", field=place + name)
    if not least <= value <= most:
        raise RequestError("out_of_range", f"{name} must be from {least} to {most}", field=place + name)
    return float(value)
