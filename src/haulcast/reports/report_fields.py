"""Reading a report's query: dates, places in a list, numbers; times and spans are in `doors.time_fields`."""

import re
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from haulcast.doors.time_fields import LEAST_MS, MOST_MS, WHOLE
from haulcast.errors import RequestError
from haulcast.history.history_store import FixKey

FIRST_DATE, LAST_DATE = date(2, 1, 1), date(9998, 12, 31)  # every zone's days lie within the years 1 to 9999
MOST_SEQ = 2**63 - 1

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,40})?")


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


def key_asked_for(request: Request) -> FixKey | None:
    """`after` of the query, as `next` links have it.

    Raises:
        RequestError: it is not from such a link.
    """
    text = request.query_params.get("after")
    if text is None:
        return None
    time_text, _, seq_text = text.partition(".")
    if WHOLE.fullmatch(time_text) and WHOLE.fullmatch(seq_text):
        key = FixKey(int(time_text), int(seq_text))
        if LEAST_MS <= key.time_ms <= MOST_MS and abs(key.seq) <= MOST_SEQ:
            return key
    raise RequestError("bad_place", f"after is {text[:80]!r}; take it from a page's next link", field="after")


def up_to(key: FixKey) -> FixKey:
    """The key to read on after so that this fix comes first."""
    return FixKey(key.time_ms, max(key.seq - 1, -MOST_SEQ - 1))


def wants_implausible(request: Request) -> bool:
    """Whether fixes are to be shown where the vehicle cannot have been, too (`implausible=true`).

    Raises:
        RequestError: anything but true and false, or true with `thin`.
    """
    text = request.query_params.get("implausible", "false")
    if text not in {"true", "false"}:
        raise RequestError(
            "wrong_type", f"implausible is {text[:80]!r}; allowed are true and false", field="implausible"
        )
    if text == "true" and "thin" in request.query_params:
        raise RequestError("bad_combination", "implausible=true goes without thin", field="implausible")
    return text == "true"


def known_or_none(values: NDArray[np.float64]) -> list[float | None]:
    """Numbers, None where they are unknown."""
    known = np.isfinite(values).tolist()
    return [value if is_known else None for value, is_known in zip(values.tolist(), known, strict=True)]


def next_link(request: Request, vehicle: str, what: str, **members: Any) -> str:
    """The page after this one: the same query with other `members`."""
    query = {**request.query_params, **members}
    return f"/v1/vehicles/{quote(vehicle, safe='')}/{what}?" + urlencode(query)
