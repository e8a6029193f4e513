"""When a rule next fires for a vehicle that stays where it is."""

from functools import lru_cache

from haulcast.rules.rule import Rule, RuleKind
from haulcast.rules.schedule import CACHED_DAYS, DAY_MS, LOOK_AHEAD_DAYS, Schedule

_ON_ENTERING = frozenset({RuleKind.ENTER, RuleKind.UNAUTHORISED})


def next_firing(rule: Rule, entered_ms: int, after_ms: int) -> int | None:
    """The first moment after `after_ms` at which the rule fires for a visit that began at `entered_ms` and lasts.

    For a rule a fence is as if it were empty while its schedule is off: whoever is inside enters when a window begins. So an
    enter or unauthorised rule fires at the entry, if it is on then, and at each later begin of a window. A dwell rule fires
    once a window, when the vehicle has been inside for `dwell_s` of that window without a break.

    Returns:
        Epoch ms; None: never, or not within the next `schedule.LOOK_AHEAD_DAYS` days. Kinds that wait for a fix never fire so.
    """
    if rule.kind in _ON_ENTERING:
        return _next_begin(rule.schedule, entered_ms, after_ms)
    if rule.kind is RuleKind.DWELL:
        return _next_dwell(rule.schedule, round(rule.dwell_s * 1000), entered_ms, after_ms)
    return None


def _next_begin(schedule: Schedule | None, entered_ms: int, after_ms: int) -> int | None:
    if after_ms < entered_ms and (schedule is None or schedule.is_on(entered_ms)):
        return entered_ms
    return None if schedule is None else schedule.next_begin(max(entered_ms, after_ms))


def _next_dwell(schedule: Schedule | None, dwell_ms: int, entered_ms: int, after_ms: int) -> int | None:
    # What was on for `dwell_ms` before `after_ms` has fired already; where exactly it began does not matter.
    start_ms = max(entered_ms, after_ms - dwell_ms)
    if schedule is None:
        return start_ms + dwell_ms if start_ms + dwell_ms > after_ms else None
    begin_ms: int | None = start_ms
    day = start_ms // DAY_MS
    while begin_ms is not None and begin_ms // DAY_MS == day:
        if begin_ms + dwell_ms > after_ms and schedule.is_on_throughout(begin_ms, begin_ms + dwell_ms):
            return begin_ms + dwell_ms
        begin_ms = schedule.next_begin(begin_ms)
    begin_ms = _first_whole(schedule, dwell_ms, day + 1)
    return None if begin_ms is None else begin_ms + dwell_ms


@lru_cache(CACHED_DAYS)
def _first_whole(schedule: Schedule, dwell_ms: int, day: int) -> int | None:
    """The begin of the first window from a day of UTC on that lasts for `dwell_ms`."""
    begin_ms = schedule.next_begin(day * DAY_MS - 1)
    while begin_ms is not None and begin_ms < (day + LOOK_AHEAD_DAYS) * DAY_MS:
        if schedule.is_on_throughout(begin_ms, begin_ms + dwell_ms):
            return begin_ms
        begin_ms = schedule.next_begin(begin_ms)
    return None
