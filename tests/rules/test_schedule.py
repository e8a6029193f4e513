"""Hours at which rules count, and when a rule next fires: against brute force, minute by minute."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rule_world import rule

from haulcast.rules.firing import next_firing
from haulcast.rules.rule import RuleKind
from haulcast.rules.schedule import MINUTE_MS, OnHolidays, Schedule, WeeklyWindow

ZONES = ["UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]
# around both changes of the clock in each hemisphere, and days without one
DAYS = [date(2026, 3, 7), date(2026, 3, 28), date(2026, 4, 4), date(2026, 7, 1), date(2026, 10, 3), date(2026, 10, 24), date(2026, 10, 31)]  # fmt: skip
SPAN_MINUTES = 3 * 1_440


def ms(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


def is_on(schedule: Schedule, time_ms: int) -> bool:
    """What the wall's clock and calendar say, by the words of the docs."""
    wall = datetime.fromtimestamp(time_ms / 1000, ZoneInfo(schedule.time_zone))
    minute = wall.hour * 60 + wall.minute
    for days_ago in (0, 1):
        day = wall.date() - timedelta(days=days_ago)
        at = minute + 1_440 * days_ago
        if day in schedule.holidays and schedule.on_holidays is not OnHolidays.AS_USUAL:
            if schedule.on_holidays is OnHolidays.ON and days_ago == 0:
                return True
            continue
        for window in schedule.weekly:
            end = window.to_minute + (1_440 if window.to_minute <= window.from_minute else 0)
            if day.weekday() in window.days and window.from_minute <= at < end:
                return True
    return False


windows = st.builds(
    WeeklyWindow,
    st.frozensets(st.integers(0, 6), min_size=1),
    st.one_of(st.integers(0, 1_439), st.sampled_from([0, 60, 90, 120, 150, 180])),
    st.one_of(st.integers(0, 1_440), st.sampled_from([0, 60, 120, 150, 180, 1_440])),
)


@st.composite
def schedules(draw):
    """Any; with its holidays in the days looked at."""
    day = draw(st.sampled_from(DAYS))
    holidays = draw(
        st.frozensets(st.sampled_from([day + timedelta(days=i) for i in range(-1, 4)]), max_size=2)
    )
    weekly = tuple(draw(st.lists(windows, max_size=3)))
    schedule = Schedule(
        draw(st.sampled_from(ZONES)), weekly, holidays, draw(st.sampled_from(list(OnHolidays)))
    )
    return schedule, ms(day.year, day.month, day.day, 0)


@settings(max_examples=60, deadline=None)
@given(
    schedules(),
    st.lists(st.tuples(st.integers(0, SPAN_MINUTES - 1), st.integers(0, 2_000)), min_size=5, max_size=5),
)
def test_a_schedule_is_what_the_wall_says_minute_by_minute(drawn, stretches):
    """Every minute of three days: whether it is on, when it comes on next, and whether it is on throughout a stretch."""
    schedule, begin_ms = drawn
    minutes = [begin_ms + i * MINUTE_MS for i in range(SPAN_MINUTES)]
    wanted = [is_on(schedule, minute) for minute in minutes]
    assert [schedule.is_on(minute) for minute in minutes] == wanted
    begins = [minutes[i] for i in range(1, SPAN_MINUTES) if wanted[i] and not wanted[i - 1]]
    for begin, length in stretches:
        end = min(begin + length, SPAN_MINUTES - 1)
        assert schedule.is_on_throughout(minutes[begin], minutes[end]) == all(wanted[begin:end])
        following = next((moment for moment in begins if moment > minutes[begin]), None)
        found = schedule.next_begin(minutes[begin])
        assert found == following or (following is None and (found is None or found > minutes[-1]))


@settings(max_examples=60, deadline=None)
@given(
    schedules(),
    st.sampled_from([RuleKind.ENTER, RuleKind.UNAUTHORISED, RuleKind.DWELL, RuleKind.EXIT]),
    st.integers(0, 2_000),
    st.integers(-1, 3_000),
    st.sampled_from([1, 7, 60, 600, 1_500]),
)
def test_the_next_firing_is_the_one_that_brute_force_finds(drawn, kind, entered, after, dwell):
    """A vehicle that stays: each minute it is in or out for the rule, and the rule fires as its kind says."""
    schedule, begin_ms = drawn
    assume(after >= entered - 1)
    made = rule(kind, schedule=schedule, dwell_s=dwell * 60.0)
    found = next_firing(made, begin_ms + entered * MINUTE_MS, begin_ms + after * MINUTE_MS)
    wanted, stretch = None, 0
    for minute in range(entered, SPAN_MINUTES):
        counts = is_on(schedule, begin_ms + minute * MINUTE_MS)
        began = counts and stretch == 0
        stretch = stretch + 1 if counts else 0
        # after `dwell` whole minutes inside: at the end of the last of them
        fires = began if kind in {RuleKind.ENTER, RuleKind.UNAUTHORISED} else stretch == dwell
        moment = minute if kind is not RuleKind.DWELL else minute + 1
        if kind is not RuleKind.EXIT and fires and moment > after:
            wanted = begin_ms + moment * MINUTE_MS
            break
    if wanted is None:
        assert found is None or found >= begin_ms + SPAN_MINUTES * MINUTE_MS
    else:
        assert found == wanted


def test_the_hour_that_the_clock_skips_is_never_on_and_the_one_it_repeats_is_on_twice():
    """Los Angeles, 02:00 to 03:00 on 8 March and 01:00 to 02:00 on 1 November 2026."""
    every_day = frozenset(range(7))
    skipped = Schedule("America/Los_Angeles", (WeeklyWindow(every_day, 120, 180),))
    assert not any(
        skipped.is_on(ms(2026, 3, 8, hour, minute)) for hour in range(8, 20) for minute in (0, 30, 59)
    )
    repeated = Schedule("America/Los_Angeles", (WeeklyWindow(every_day, 60, 120),))
    begin, end = ms(2026, 11, 1, 8), ms(2026, 11, 1, 10)
    assert repeated.next_begin(ms(2026, 11, 1, 7)) == begin
    assert repeated.is_on_throughout(begin, end)
    assert not repeated.is_on(end)


@pytest.mark.parametrize("dwell_s", [0.001, 0.4, 59.9995])
def test_a_dwell_without_a_schedule_fires_once(dwell_s):
    """To the millisecond, and never again."""
    made = rule(RuleKind.DWELL, dwell_s=dwell_s)
    first = next_firing(made, 1_000, 999)
    assert first == 1_000 + round(dwell_s * 1000)
    assert next_firing(made, 1_000, first) is None


def test_a_schedule_that_is_never_on_never_fires():
    """No window at all; or every window is shorter than the dwell, which is found out and not looked for without an end."""
    never = rule(RuleKind.ENTER, schedule=Schedule("UTC", ()))
    assert next_firing(never, 0, -1) is None
    short = Schedule("Europe/Berlin", (WeeklyWindow(frozenset(range(7)), 480, 540),))
    assert next_firing(rule(RuleKind.DWELL, dwell_s=3_601, schedule=short), 0, -1) is None
    assert next_firing(rule(RuleKind.DWELL, dwell_s=3_600, schedule=short), 0, -1) == ms(1970, 1, 1, 8)
