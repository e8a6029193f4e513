"""Times and spans in requests, and times written the way that was asked for."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from haulcast.errors import RequestError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000
LEAST_MS = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
MOST_MS = (datetime(9999, 12, 31, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1) + _DAY_MS

WHOLE = re.compile(r"-?\d{1,19}")
_LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")  # a + that was not written %2B arrives as a space


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin_ms` to before `end_ms`."""

    begin_ms: int
    end_ms: int


def time_of(text: str, name: str) -> int:
    """A time, ms since 1970 UTC; `name` is what it is called, for the error.

    Raises:
        RequestError: it is none.
    """
    try:
        if WHOLE.fullmatch(text):
            time_ms = int(text)
        else:
            time_ms = (datetime.fromisoformat(_LOST_PLUS.sub("+", text)) - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, TypeError, OverflowError):  # TypeError: it has no offset
        time_ms = MOST_MS + 1
    if not LEAST_MS <= time_ms <= MOST_MS:
        allowed = "ISO 8601 with Z or an offset, as 2026-01-31T08:00:00Z, or milliseconds since 1970, of the years 1 to 9999"
        raise RequestError("bad_time", f"{name} is {text[:80]!r}; allowed is {allowed}", field=name)
    return time_ms


def time_asked_for(request: Request, name: str, usual_ms: int) -> int:
    """A time of the query; `usual_ms` when it is absent.

    Raises:
        RequestError: it is none.
    """
    text = request.query_params.get(name)
    return usual_ms if text is None else time_of(text, name)


def span_asked_for(request: Request, now_ms: int, most_days: int | None = None) -> Span:
    """`from` and `to` of the query; the last day when they are absent.

    Raises:
        RequestError: a time that is none, an end before the begin, or more than `most_days`.
    """
    end_ms = time_asked_for(request, "to", now_ms)
    begin_ms = time_asked_for(request, "from", max(LEAST_MS, end_ms - _DAY_MS))
    if begin_ms > end_ms:
        raise RequestError("bad_span", "from is after to; it has to be before or the same", field="from")
    if most_days is not None and end_ms - begin_ms > most_days * _DAY_MS:
        raise RequestError(
            "span_too_long", f"from and to are more than the {most_days} days apart that are allowed here", field="from"
        )  # fmt: skip
    return Span(begin_ms, end_ms)


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


def time_member(name: str, time_ms: int, *, iso: bool) -> dict[str, Any]:
    """`name`_ms: milliseconds, or `name`: ISO 8601."""
    return {name: iso_texts(np.array([time_ms]))[0]} if iso else {f"{name}_ms": time_ms}
