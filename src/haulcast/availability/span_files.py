"""Times on duty and trips of a fleet's past out of CSV files, plain or compressed (`.gz`, `.xz`), one row each.

Sessions have the columns `vehicle,on_ts,off_ts`, trips `vehicle,start_ts,end_ts`, times in Unix seconds; and, where places are known, `on_lat,on_lon,off_lat,off_lon`
and `start_lat,start_lon,end_lat,end_lon` in degrees. Other columns may stand beside them.
"""

import csv
import gzip
import lzma
import math
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from haulcast.availability.span_store import BUSY, DUTY, StoredSpan
from haulcast.errors import RequestError

_OPENERS: Final[Mapping[str, Any]] = {".gz": gzip.open, ".xz": lzma.open}
_LEAST_S, _MOST_S = -62_135_596_800, 253_402_300_800  # the years 1 to 9999


def read_span_files(sessions: Path, trips: Path) -> list[StoredSpan]:
    """Duty spans of the sessions, busy ones of the trips; those of vehicles without a session are left out.

    Raises:
        RequestError: a file cannot be read, lacks a column, or has a value that is none; names the file and the line.
    """
    duty = list(_spans(sessions, DUTY, "on", "off"))
    known = {span.vehicle for span in duty}
    if not known:
        raise RequestError("no_sessions", f"{sessions} has no sessions", field="sessions")
    return duty + [span for span in _spans(trips, BUSY, "start", "end") if span.vehicle in known]


def _spans(path: Path, kind: int, begin: str, end: str) -> Iterator[StoredSpan]:
    try:
        with _OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            needed = ("vehicle", f"{begin}_ts", f"{end}_ts")
            if missing := [name for name in needed if name not in (rows.fieldnames or ())]:
                reason = f"{path} has no column {missing[0]}; needed are {', '.join(needed)}"
                raise RequestError("no_column", reason, field=missing[0])
            for row in rows:
                yield _span(row, kind, begin, end, f"{path}, line {rows.line_num}")
    except (OSError, EOFError, UnicodeDecodeError, lzma.LZMAError, zlib.error, csv.Error) as error:
        reason = f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        raise RequestError("unreadable_file", reason) from error


def _span(row: Mapping[str, str | None], kind: int, begin: str, end: str, where: str) -> StoredSpan:
    begin_ms, end_ms = (_time_ms(row[f"{name}_ts"], f"{where}: {name}_ts") for name in (begin, end))
    if end_ms < begin_ms:
        raise RequestError("bad_span", f"{where}: {end}_ts is before {begin}_ts", field=f"{end}_ts")
    if not row["vehicle"]:
        raise RequestError("no_vehicle", f"{where}: vehicle is empty", field="vehicle")
    return StoredSpan(
        row["vehicle"], kind, begin_ms, end_ms, *_place(row, begin, where), *_place(row, end, where)
    )


def _place(row: Mapping[str, str | None], name: str, where: str) -> tuple[float, float]:
    lat_deg = _degrees(row.get(f"{name}_lat"), 90.0, f"{where}: {name}_lat")
    return lat_deg, _degrees(row.get(f"{name}_lon"), 180.0, f"{where}: {name}_lon")


def _time_ms(text: str | None, what: str) -> int:
    seconds = _number(text)
    if not _LEAST_S <= seconds < _MOST_S:
        allowed = "allowed are Unix seconds of the years 1 to 9999"
        raise RequestError("bad_time", f"{what} is {(text or '')[:40]!r}; {allowed}")
    return round(seconds * 1000)


def _degrees(text: str | None, most: float, what: str) -> float:
    if not text:
        return math.nan
    degrees = _number(text)
    if not -most <= degrees <= most:
        raise RequestError(
            "bad_place", f"{what} is {text[:40]!r}; allowed are {-most:g} to {most:g} degrees, or nothing"
        )
    return degrees


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.nan
