"""When a rule next fires for a vehicle that stays where it is."""

from haulcast.rules.rule import Rule, RuleKind
from haulcast.rules.schedule import Schedule

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
    if schedule is None:
        return None
    start = max(entered_ms, after_ms)
    # A window that is on at `start` is said to begin there; it was on before.
    return next((begin for begin, _ in schedule.windows(start) if begin > start), None)


def _next_dwell(schedule: Schedule | None, dwell_ms: int, entered_ms: int, after_ms: int) -> int | None:
    # A window that was on for `dwell_ms` before `after_ms` has fired already; where exactly it began does not matter.
    start = max(entered_ms, after_ms - dwell_ms)
    if schedule is None:
        return start + dwell_ms if start + dwell_ms > after_ms else None
    moments = (begin + dwell_ms for begin, end in schedule.windows(start) if end - begin >= dwell_ms)
    return next((moment for moment in moments if moment > after_ms), None)
