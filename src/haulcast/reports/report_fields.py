"""Reading a report's query: times, spans, places in a list, numbers; and writing times the way that was asked for."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from haulcast.doors.request_fields import MOST_PAGE, USUAL_PAGE
from haulcast.errors import RequestError
from haulcast.history.history_store import DAY_MS, FixKey

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LEAST_MS = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
MOST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1) + DAY_MS
FIRST_DATE, LAST_DATE = date(2, 1, 1), date(9998, 12, 31)  # every zone's days lie within the years 1 to 9999
MOST_SEQ = 2**63 - 1

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?")
_WHOLE = re.compile(r"-?\d{1,19}")
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")  # a + that was not written %2B arrives as a space


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin_ms` to before `end_ms`."""

    begin_ms: int
    end_ms: int


def time_asked_for(request: Request, name: str, usual_ms: int) -> int:
    """A time of the query, ms since 1970 UTC, given as that or in ISO 8601 with Z or an offset.

    Raises:
        RequestError: anything else.
    """
    text = request.query_params.get(name)
    if text is None:
        return usual_ms
    try:
        if _WHOLE.fullmatch(text):
            time_ms = int(text)
        else:
            time_ms = (datetime.fromisoformat(_LOST_PLUS.sub("+", text)) - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError, OverflowError):  # TypeError: it has no offset
        time_ms = MOST_MS + 1
    if not LEAST_MS <= time_ms <= MOST_MS:
        allowed = "ISO 8601 with Z or an offset, as 2026-01-31T08:00:00Z, or milliseconds since 1970, of the years 1 to 9999"
        raise RequestError("bad_time", f"{name} is {text[:80]!r}; allowed is {allowed}", field=name)
    return time_ms


def span_asked_for(request: Request, now_ms: int, most_days: int | None = None) -> Span:
    """`from` and `to` of the query; the last day when they are absent.

    Raises:
        RequestError: a time that is none, an end before the begin, or more than `most_days`.
    """
    end_ms = time_asked_for(request, "to", now_ms)
    begin_ms = time_asked_for(request, "from", max(LEAST_MS, end_ms - DAY_MS))
    if begin_ms > end_ms:
        raise RequestError("bad_span", "from is after to; it has to be before or the same", field="from")
    if most_days is not None and end_ms - begin_ms > most_days * DAY_MS:
        raise RequestError(
            "span_too_long", f"from and to are more than the {most_days} days apart that are allowed here", field="from"
        )  # fmt: skip
    return Span(begin_ms, end_ms)


def dates_asked_for(request: Request, today: date) -> tuple[date, date]:
    """`from` and `to` of the query as dates, both included; the last seven days when they are absent.

    Raises:
        RequestError: a date that is none, or an end before the begin.
    """
    last = _date(request, "to", today)
    first = _date(request, "from", max(FIRST_DATE, last - timedelta(days=6)))
    if first > last:
        raise RequestError("bad_span", "from is after to; it has to be before or the same", field="from")
    return first, last


def _date(request: Request, name: str, usual: date) -> date:
    text = request.query_params.get(name)
    if text is None:
        return usual
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.max
    if not FIRST_DATE <= found <= LAST_DATE:
        allowed = f"a date as 2026-01-31, from {FIRST_DATE} to {LAST_DATE}"
        raise RequestError("bad_date", f"{name} is {text[:80]!r}; allowed is {allowed}", field=name)
    return found


def zone_asked_for(request: Request) -> ZoneInfo:
    """`time_zone` of the query, UTC when it is absent.

    Raises:
        RequestError: none of the IANA's.
    """
    text = request.query_params.get("time_zone", "UTC")
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        reason = f"time_zone is {text[:80]!r}; allowed is a name of the IANA's, as Europe/Berlin"
        raise RequestError("bad_time_zone", reason, field="time_zone") from error


def number_asked_for(request: Request, name: str, usual: float | None, least: float, most: float) -> Any:
    """A number of the query, within its bounds; `usual` when it is absent.

    Raises:
        RequestError: anything else.
    """
    text = request.query_params.get(name)
    if text is None:
        return usual
    number = float(text) if _NUMBER.fullmatch(text) else np.nan
    if not least <= number <= most:
        allowed = f"a number from {least:g} to {most:g}"
        raise RequestError("out_of_range", f"{name} is {text[:80]!r}; allowed is {allowed}", field=name)
    return number


def limit_asked_for(request: Request, usual: int = USUAL_PAGE, most: int = MOST_PAGE) -> int:
    """`limit` of the query.

    Raises:
        RequestError: not a whole number from 1 to `most`.
    """
    text = request.query_params.get("limit", str(usual))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        raise RequestError("out_of_range", f"limit is {text[:80]!r}; allowed is 1 to {most}", field="limit")
    return int(text)


def key_asked_for(request: Request) -> FixKey | None:
    """`after` of the query, as `next` links have it.

    Raises:
        RequestError: it is not from such a link.
    """
    text = request.query_params.get("after")
    if text is None:
        return None
    time_text, _, seq_text = text.partition(".")
    if _WHOLE.fullmatch(time_text) and _WHOLE.fullmatch(seq_text):
        key = FixKey(int(time_text), int(seq_text))
        if LEAST_MS <= key.time_ms <= MOST_MS and abs(key.seq) <= MOST_SEQ:
            return key
    raise RequestError("bad_place", f"after is {text[:80]!r}; take it from a page's next link", field="after")


def up_to(key: FixKey) -> FixKey:
    """The key to read on after so that this fix comes first."""
    return FixKey(key.time_ms, max(key.seq - 1, -MOST_SEQ - 1))


def wants_iso(request: Request) -> bool:
    """Whether times go out in ISO 8601 (`times=iso`) instead of milliseconds since 1970 (`times=ms`).

    Raises:
        RequestError: anything else.
    """
    text = request.query_params.get("times", "ms")
    if text not in {"ms", "iso"}:
        raise RequestError("wrong_type", f"times is {text[:80]!r}; allowed are ms and iso", field="times")
    return text == "iso"


def iso_texts(time_ms: NDArray[np.int64]) -> list[str]:
    """Times in ISO 8601, to the millisecond, UTC."""
    return [f"{text}Z" for text in np.datetime_as_string(time_ms.astype("M8[ms]"), unit="ms").tolist()]


def known_or_none(values: NDArray[np.float64]) -> list[float | None]:
    """Numbers, None where they are unknown."""
    known = np.isfinite(values).tolist()
    return [value if is_known else None for value, is_known in zip(values.tolist(), known, strict=True)]


def time_member(name: str, time_ms: int, *, iso: bool) -> dict[str, Any]:
    """`name`_ms: milliseconds, or `name`: ISO 8601."""
    return {name: iso_texts(np.array([time_ms]))[0]} if iso else {f"{name}_ms": time_ms}


def next_link(request: Request, vehicle: str, what: str, **members: Any) -> str:
    """The page after this one: the same query with other `members`."""
    query = {**request.query_params, **members}
    return f"/v1/vehicles/{quote(vehicle, safe='')}/{what}?" + urlencode(query)
