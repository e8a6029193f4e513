"""A rule's schedule as JSON, in and out."""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from haulcast.doors.request_fields import checked_object
from haulcast.errors import RequestError
from haulcast.rules.schedule import DAY_MINUTES, OnHolidays, Schedule, WeeklyWindow

MOST_WINDOWS = 50
MOST_HOLIDAYS = 500
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_MEMBERS = frozenset({"time_zone", "weekly", "holidays", "on_holidays"})
_WINDOW = frozenset({"days", "from", "to"})
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OF_THE_MACHINE = frozenset({"localtime", "Factory"})  # what they mean is another thing on another machine


def stated_members(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members without those that are null."""
    return {name: value for name, value in members.items() if value is not None}


def schedule_of_document(document: Any) -> Schedule:
    """What a rule's `schedule` says, checked.

    Raises:
        RequestError: a missing, unknown or wrong member, or hours that never are.
    """
    members = stated_members(checked_object(document, "schedule", _MEMBERS))
    windows = _listed(members.get("weekly", []), "schedule.weekly", MOST_WINDOWS, "windows")
    weekly = tuple(_window(window, f"schedule.weekly[{index}]") for index, window in enumerate(windows))
    days = _listed(members.get("holidays", []), "schedule.holidays", MOST_HOLIDAYS, "dates")
    holidays = frozenset(_date(day) for day in days)
    on_holidays = _on_holidays(members.get("on_holidays"), is_needed=bool(holidays))
    if not weekly and not (holidays and on_holidays is OnHolidays.ON):
        reason = (
            "a schedule without weekly windows is never on, unless it has holidays and on_holidays is 'on'"
        )
        raise RequestError("missing_field", reason, field="schedule.weekly")
    return Schedule(_time_zone(members.get("time_zone")), weekly, holidays, on_holidays)


def document_of_schedule(schedule: Schedule) -> dict[str, Any]:
    """The schedule as JSON."""
    return {
        "time_zone": schedule.time_zone,
        "weekly": [
            {
                "days": [DAYS[day] for day in sorted(window.days)],
                "from": _time_text(window.from_minute),
                "to": _time_text(window.to_minute),
            }
            for window in schedule.weekly
        ],
        "holidays": [day.isoformat() for day in sorted(schedule.holidays)],
        "on_holidays": schedule.on_holidays.value,
    }


def _listed(value: Any, field: str, most: int, what: str) -> list[Any]:
    if isinstance(value, list) and len(value) <= most:
        return value
    raise RequestError("wrong_type", f"{field} has to be a list of at most {most} {what}", field=field)


def _window(value: Any, field: str) -> WeeklyWindow:
    members = checked_object(value, field, _WINDOW)
    days = members.get("days")
    if (
        not isinstance(days, list)
        or not days
        or not all(isinstance(day, str) and day in DAYS for day in days)
    ):
        reason = f"{field}.days is {str(days)[:80]}; it has to be a list of some of {', '.join(DAYS)}"
        raise RequestError("out_of_range", reason, field=f"{field}.days")
    return WeeklyWindow(
        frozenset(map(DAYS.index, days)),
        _minute(members.get("from"), f"{field}.from", "00:00 to 23:59"),
        _minute(members.get("to"), f"{field}.to", "00:00 to 24:00"),
    )


def _minute(value: Any, field: str, allowed: str) -> int:
    """The minute of the day; 24:00 is one where `allowed` says so."""
    if value == "24:00" and allowed.endswith(value):
        return DAY_MINUTES
    time = _TIME.fullmatch(value) if isinstance(value, str) else None
    if time is None:
        raise RequestError(
            "out_of_range", f"{field} is {str(value)[:80]!r}; allowed is {allowed}", field=field
        )
    return 60 * int(time[1]) + int(time[2])


def _time_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _date(value: Any) -> date:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:  # as the 30th of February
        pass
    reason = (
        f"a date of schedule.holidays is {str(value)[:80]!r}; it has to be one of the calendar, as 2026-12-25"
    )
    raise RequestError("out_of_range", reason, field="schedule.holidays")


def _on_holidays(value: Any, *, is_needed: bool) -> OnHolidays:
    field, allowed = "schedule.on_holidays", [choice.value for choice in OnHolidays]
    if value is None and is_needed:
        reason = f"{field} has to say what the holidays change; allowed are {', '.join(allowed)}"
        raise RequestError("missing_field", reason, field=field)
    if value is None:
        return OnHolidays.AS_USUAL
    if not isinstance(value, str) or value not in allowed:
        reason = f"{field} is {str(value)[:80]!r}; allowed are {', '.join(allowed)}"
        raise RequestError("out_of_range", reason, field=field)
    return OnHolidays(value)


@cache
def _time_zones() -> frozenset[str]:
    """All of the system's database and of the package tzdata. Some 30 ms: it looks into each file."""
    return frozenset(available_timezones() - _OF_THE_MACHINE)


def _time_zone(value: Any) -> str:
    if isinstance(value, str) and value in _time_zones():
        return value
    if value is None:
        raise RequestError("missing_field", "the schedule has no time_zone", field="schedule.time_zone")
    reason = f"schedule.time_zone is {str(value)[:80]!r}; it has to be a name of the IANA database, as America/Los_Angeles"
    raise RequestError("out_of_range", reason, field="schedule.time_zone")
