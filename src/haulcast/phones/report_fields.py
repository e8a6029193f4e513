"""Reading one field of a report: numbers and times as the apps write them, and errors that name the field."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import nan
from typing import Any

import orjson

from haulcast.errors import RequestError

KNOT_MPS = 1852 / 3600
KMH_MPS = 1 / 3.6
MPH_MPS = 0.44704

LATEST_MS = 10**17
"""Beyond it, to either side, a time is a mistake; as in the device protocol."""
FIRST_MS = 2_147_483_647
"""From here on an OsmAnd timestamp is milliseconds: as seconds it would lie beyond January 2038."""

_NUMBER = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def json_object(body: bytes) -> dict[str, Any]:
    """The body as one JSON object.

    Raises:
        RequestError: it is something else.
    """
    value = json_value(body)
    if not isinstance(value, dict):
        raise RequestError("wrong_type", "the body must be one JSON object", field="body")
    return value


def json_value(body: bytes) -> Any:
    """The body as JSON.

    Raises:
        RequestError: it is not.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError("bad_json", f"the body is not JSON: {error}", field="body") from error


def number(values: Mapping[str, Any], name: str, place: str = "", *, scale: float = 1.0) -> float:
    """A number, times `scale`; NaN where there is none.

    Raises:
        RequestError: something else stands there.
    """
    value = values.get(name)
    if value is None:
        return nan
    parsed = as_number(value)
    if parsed is None:
        raise RequestError("wrong_type", f"{name} must be a number", field=place + name)
    return parsed * scale


def as_number(value: Any) -> float | None:
    """A finite JSON number, or a text that is one in decimal form; None: it is neither."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        parsed = float(value)
    except OverflowError:
        return None
    return parsed if abs(parsed) < float("inf") else None


def required_number(values: Mapping[str, Any], name: str, place: str = "") -> float:
    """A number that must be there.

    Raises:
        RequestError: it is not there, or something else stands there.
    """
    if values.get(name) is None:
        raise RequestError("missing_field", f"{name} must be there", field=place + name)
    return number(values, name, place)


def measure(values: Mapping[str, Any], name: str, place: str = "", *, scale: float = 1.0) -> float:
    """A number that cannot be negative: the apps say -1 where they know nothing, and so NaN comes of it.

    Raises:
        RequestError: not a number.
    """
    value = number(values, name, place, scale=scale)
    return nan if value < 0 else value


def heading(values: Mapping[str, Any], name: str, place: str = "") -> float:
    """Degrees from north, [0, 360); a full turn is north, a negative one unknown.

    Raises:
        RequestError: not a number, or over 360.
    """
    value = measure(values, name, place)
    if value > 360:
        raise RequestError("out_of_range", f"{name} must be from 0 to 360", field=place + name)
    return 0.0 if value == 360 else value


def time_of_seconds(values: Mapping[str, Any], name: str, place: str = "") -> int:
    """Epoch milliseconds of a required time in seconds.

    Raises:
        RequestError: it is missing, not a number, or no time.
    """
    seconds = required_number(values, name, place)
    return _within(round(1000 * min(max(seconds, -1e17), 1e17)), place + name)  # 1e308 would be no number


def time_of_iso(text: Any, field: str) -> int:
    """Epoch milliseconds of an ISO-8601 time with its zone.

    Raises:
        RequestError: anything else.
    """
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus sign that was not percent-encoded
    except (ValueError, AttributeError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RequestError(
            "bad_time",
            f"{field} must be an ISO-8601 time with its zone, as 2026-11-23T12:00:00Z",
            field=field,
        )
    return (moment - _EPOCH) // _MILLISECOND


def time_of_osmand(value: Any, field: str) -> int:
    """Epoch milliseconds of an OsmAnd timestamp: seconds, milliseconds, ISO-8601, or `yyyy-MM-dd HH:mm:ss` in UTC.

    Raises:
        RequestError: none of these.
    """
    if isinstance(value, str) and "T" in value:
        return time_of_iso(value, field)
    text = str(value)
    if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) and not isinstance(value, bool):
        count = int(text)
        return _within(count * 1000 if count < FIRST_MS else count, field)
    try:
        moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        allowed = "epoch seconds or milliseconds, ISO-8601 with its zone, or yyyy-MM-dd HH:mm:ss in UTC"
        raise RequestError("bad_time", f"{field} must be {allowed}", field=field) from None
    return (moment - _EPOCH) // _MILLISECOND


def _within(time_ms: int, field: str) -> int:
    if abs(time_ms) > LATEST_MS:
        raise RequestError(
            "out_of_range", f"{field} is no time: more than {LATEST_MS} ms from 1970", field=field
        )
    return time_ms


def text(values: Mapping[str, Any], name: str, place: str = "") -> str:
    """A text; empty where there is none. Numbers count as the text that they are written as.

    Raises:
        RequestError: something else stands there.
    """
    value = values.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RequestError("wrong_type", f"{name} must be a text", field=place + name)
    return str(value)


def part(values: Mapping[str, Any], name: str, place: str = "") -> Mapping[str, Any]:
    """An object within the report; empty where there is none.

    Raises:
        RequestError: something else stands there.
    """
    value = values.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError("wrong_type", f"{name} must be an object", field=place + name)
    return value


def known(**attributes: Any) -> dict[str, Any]:
    """The attributes that say something: neither None, nor NaN, nor an empty text."""
    return {
        name: value
        for name, value in attributes.items()
        if value is not None and value != "" and value == value  # noqa: PLR0124 - NaN is unknown
    }
