"""When a rule counts: hours of the week by the clock on a wall somewhere, and holidays.

A schedule is on whenever that clock and its calendar show a time within one of its windows. So the hour that a change of the
clock skips is never on, and the hour that it repeats is on both times.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from zoneinfo import ZoneInfo

LOOK_AHEAD_DAYS = 400  # over a year: what comes back each year is found
DAY_MS = 86_400_000
MINUTE_MS = 60_000
DAY_MINUTES = 1_440
CACHED_DAYS = 16_384

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DATE = date(1970, 1, 1).toordinal()


class OnHolidays(StrEnum):
    """What a schedule does on the days that are named as holidays."""

    OFF = "off"
    ON = "on"
    AS_USUAL = "as_usual"


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """Hours of some days. One that ends no later than it begins goes on to the next day and belongs to the day of its begin."""

    days: frozenset[int]  # 0: Monday
    from_minute: int  # of the day, 0 to 1439
    to_minute: int  # of the day, 0 to 1440; the first minute that is not in it


@dataclass(frozen=True, slots=True)
class Schedule:
    """Weekly windows in a time zone, and holidays: days on which no window begins, or that are on as a whole."""

    time_zone: str  # of the IANA database
    weekly: tuple[WeeklyWindow, ...]
    holidays: frozenset[date] = frozenset()
    on_holidays: OnHolidays = OnHolidays.AS_USUAL

    def is_on(self, time_ms: int) -> bool:
        """Whether the moment is in a window."""
        return any(begin <= time_ms < end for begin, end in _on_in_day(self, time_ms // DAY_MS))

    def is_on_throughout(self, begin_ms: int, end_ms: int) -> bool:
        """Whether every moment of [begin, end) is in a window."""
        while begin_ms < end_ms:
            pieces = _on_in_day(self, begin_ms // DAY_MS)
            until_ms = next((end for begin, end in pieces if begin <= begin_ms < end), None)
            if until_ms is None:
                return False
            begin_ms = until_ms
        return True

    def next_begin(self, after_ms: int) -> int | None:
        """The first moment after `after_ms` at which it comes on, having been off; None: not within `LOOK_AHEAD_DAYS` days."""
        day = after_ms // DAY_MS
        today = next((begin for begin in _begins(self, day) if begin > after_ms), None)
        return _first_begin(self, day + 1) if today is None else today


@lru_cache(CACHED_DAYS)
def _first_begin(schedule: Schedule, day: int) -> int | None:
    """The first moment from a day of UTC on at which the schedule comes on."""
    begins = chain.from_iterable(_begins(schedule, later) for later in range(day, day + LOOK_AHEAD_DAYS))
    return next(begins, None)


def _begins(schedule: Schedule, day: int) -> Iterator[int]:
    """When the schedule comes on in a day of UTC; what goes on from the day before does not begin there."""
    before = _on_in_day(schedule, day - 1)
    on_until_ms = before[-1][1] if before else None
    return (begin for begin, _ in _on_in_day(schedule, day) if begin != on_until_ms)


@lru_cache(CACHED_DAYS)
def _on_in_day(schedule: Schedule, day: int) -> tuple[tuple[int, int], ...]:
    """When the schedule is on in a day of UTC (number since 1970), in epoch ms, ascending and apart from each other."""
    pieces: list[tuple[int, int]] = []
    for begin_ms, end_ms, offset_ms in _constant_offsets(
        schedule.time_zone, day * DAY_MS, (day + 1) * DAY_MS
    ):
        wall_begin, wall_end = begin_ms + offset_ms, end_ms + offset_ms
        for wall_day in range(wall_begin // DAY_MS, (wall_end - 1) // DAY_MS + 1):
            for on_begin, on_end in _on_by_wall(schedule, wall_day):
                piece = max(on_begin, wall_begin) - offset_ms, min(on_end, wall_end) - offset_ms
                if piece[0] < piece[1]:
                    pieces.append(piece)
    return _merged(pieces)


def _constant_offsets(time_zone: str, begin_ms: int, end_ms: int) -> list[tuple[int, int, int]]:
    """A day of UTC cut where the zone's offset from UTC changes, if it does: (begin, end, offset) in ms."""
    zone = ZoneInfo(time_zone)
    first, last = _offset_ms(zone, begin_ms), _offset_ms(zone, end_ms - 1)
    if first == last:  # no zone changes its offset twice within a day
        return [(begin_ms, end_ms, first)]
    before, after = begin_ms, end_ms - 1
    while after - before > 1:
        middle = (before + after) // 2
        if _offset_ms(zone, middle) == first:
            before = middle
        else:
            after = middle
    return [(begin_ms, after, first), (after, end_ms, last)]


def _offset_ms(zone: ZoneInfo, time_ms: int) -> int:
    offset = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)


def _on_by_wall(schedule: Schedule, wall_day: int) -> Iterator[tuple[int, int]]:
    """The parts of one day of the calendar that are on, in ms of the wall's clock; they may overlap."""
    midnight = wall_day * DAY_MS
    for days_ago in (1, 0):
        for begin, end in _minutes_of_day(schedule, wall_day - days_ago):
            shift = days_ago * DAY_MINUTES
            cut_begin, cut_end = max(begin - shift, 0), min(end - shift, DAY_MINUTES)
            if cut_begin < cut_end:
                yield midnight + cut_begin * MINUTE_MS, midnight + cut_end * MINUTE_MS


def _minutes_of_day(schedule: Schedule, wall_day: int) -> Iterator[tuple[int, int]]:
    """The windows that begin on a day of the calendar, in minutes since its begin; the end may be in the next day."""
    day = date.fromordinal(_EPOCH_DATE + wall_day)
    if schedule.on_holidays is not OnHolidays.AS_USUAL and day in schedule.holidays:
        if schedule.on_holidays is OnHolidays.ON:
            yield 0, DAY_MINUTES
        return
    for window in schedule.weekly:
        if day.weekday() in window.days:
            crosses = window.to_minute <= window.from_minute
            yield window.from_minute, window.to_minute + (DAY_MINUTES if crosses else 0)


def _merged(pieces: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The union of stretches, ascending."""
    union: list[tuple[int, int]] = []
    for begin, end in sorted(pieces):
        if union and begin <= union[-1][1]:
            union[-1] = union[-1][0], max(union[-1][1], end)
        else:
            union.append((begin, end))
    return tuple(union)
