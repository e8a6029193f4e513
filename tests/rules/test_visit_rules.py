"""Rules on visits, as conversations: fixes in, events out, through the real step."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_world import DEPOT, IN, OUT, T0_MS, YARD, Fix, Said, World, rule

from geo.fence_events import no_events
from haulcast.rules.rule import RuleKind, Selection
from haulcast.rules.rule_set import NO_RULES
from haulcast.rules.schedule import OnHolidays, Schedule, WeeklyWindow

EVERY_DAY = frozenset(range(7))
ENTER, EXIT, DWELL, CROSS = RuleKind.ENTER, RuleKind.EXIT, RuleKind.DWELL, RuleKind.CROSS
DWELL_600 = rule(DWELL, dwell_s=600)


def daily(begin: str, end: str, **values) -> Schedule:
    """Each day at these hours of UTC; T0 is 06:00."""
    hours = [int(text[:2]) * 60 + int(text[3:]) for text in (begin, end)]
    return Schedule("UTC", (WeeklyWindow(EVERY_DAY, *hours),), **values)


def some(kind: str, cause: str, s: float, rule_id: str = "", **values) -> Said:
    return Said(kind, rule_id or kind, cause, s, **values)


def test_enter_and_exit_rules_follow_their_facts():
    """Each fact is followed by what the rules say to it, at its time, place and visit; `cross` comes with the exit."""
    world = World(rule(ENTER), rule(EXIT), rule(CROSS))
    said = world.step(Fix(0, OUT), Fix(100, IN), Fix(200, OUT))
    assert [(one.kind, one.rule) for one in said] == [
        ("enter", ""), ("enter", "enter"), ("exit", ""), ("exit", "exit"), ("cross", "cross"),
    ]  # fmt: skip
    events = world.events
    for fact, told in ((0, 1), (2, 3), (2, 4)):
        for name in ("visit", "time_ms", "lat_deg", "lon_deg", "fix", "fix_time_ms", "entered_ms", "left_ms"):
            assert getattr(events, name)[fact] == getattr(events, name)[told]


def test_without_rules_the_facts_are_handed_on_as_they_are():
    """The very same object, and nobody is asked about any fence."""
    world = World()
    watch, state = world.state.rules, world.state
    facts = no_events()
    world.step(Fix(0, IN))
    assert world.fence_asked == 0
    assert watch.watch(NO_RULES, facts, None, None, None, None, None, state.fences.state, 0) is facts
    assert not watch.is_waiting


def test_a_rule_about_another_fence_or_vehicle_says_nothing():
    """Selections by id and by tag, of fences and vehicles."""
    elsewhere = rule(ENTER, "elsewhere", fences=Selection(ids=frozenset({"yard"})))
    tagged = rule(ENTER, "tagged", fences=Selection(tags=frozenset({"hot"})))
    trucks = rule(ENTER, "trucks", vehicles=Selection(tags=frozenset({"truck"})))
    one = rule(ENTER, "one", vehicles=Selection(ids=frozenset({"v1"})))
    world = World(elsewhere, tagged, trucks, one)
    world.vehicle_tags[2] = ("truck",)
    told = world.told(Fix(0, IN), Fix(0, IN, 1), Fix(0, IN, 2))
    assert [(event.vehicle, event.rule) for event in told] == [(1, "one"), (2, "trucks")]


def test_dwell_fires_without_a_further_fix():
    """Time alone does it, once, at the moment itself, where the vehicle was last seen."""
    world = World(DWELL_600)
    assert world.told(Fix(0, IN), now_s=2) == []
    assert world.state.rules.is_waiting
    assert world.told(now_s=601.9) == []
    assert world.told(now_s=650) == [some("dwell", "timer", 600)]
    assert (world.events.lat_deg[0], world.events.fix_time_ms[0], world.events.entered_ms[0]) == (
        IN,
        T0_MS,
        T0_MS,
    )
    assert not world.state.rules.is_waiting
    assert world.told(now_s=5_000) == []
    assert world.told(Fix(5_000, IN), now_s=5_000) == []


def test_a_backlog_does_not_fire_early():
    """Fixes that are an hour old when they come say that the visit lasted for a minute, not for an hour."""
    world = World(DWELL_600)
    assert world.told(Fix(0, IN), Fix(60, IN), now_s=3_600) == []
    assert world.told(Fix(120, OUT), now_s=3_600) == []
    assert world.told(now_s=9_000) == []


def test_a_dwell_proven_by_an_exit_comes_before_it():
    """The vehicle was silent from entry to exit: the dwell is told with the exit, before it, at its own time."""
    world = World(DWELL_600)
    world.step(Fix(0, OUT), Fix(1, IN), now_s=1)
    inside_s = world.events.entered_ms[0] / 1000 - T0_MS / 1000
    said = world.step(Fix(2_000, IN), Fix(2_001, OUT), now_s=2_001)
    assert [one.kind for one in said] == ["dwell", "exit"]
    assert said[0].s == pytest.approx(inside_s + 600)


def test_a_dwell_in_one_batch_stands_between_enter_and_exit_and_between_its_fixes():
    """Its place is on the straight way between the fixes around it."""
    world = World(DWELL_600)
    said = world.step(Fix(0, IN), Fix(500, IN), Fix(700, IN + 0.002), Fix(800, OUT))
    assert [one.kind for one in said] == ["enter", "dwell", "exit"]
    assert world.events.lat_deg[1] == pytest.approx(IN + 0.001)
    assert world.events.fix_time_ms[1] == T0_MS + 500_000


def test_a_fence_that_is_deleted_ends_the_wait():
    """What was due by the vehicle's clock comes first; a vehicle whose backlog is behind is not said to have stayed longer."""
    world = World(DWELL_600, rule(EXIT), rule(CROSS))
    world.step(Fix(0, IN), now_s=0)
    world.step(Fix(1, IN, 1), now_s=3_000)
    world.fences()
    said = world.step(now_s=3_000)
    assert [(one.vehicle, one.kind, one.rule) for one in said] == [
        (0, "exit", ""), (0, "exit", "exit"), (1, "exit", ""), (1, "exit", "exit"),
    ]  # fmt: skip
    assert not world.state.rules.is_waiting


def test_a_schedule_that_begins_while_a_vehicle_is_inside():
    """For the rule the vehicle enters then, on every day anew; an exit while it is off is not told."""
    at_ten = daily("10:00", "12:00")
    world = World(
        rule(ENTER, schedule=at_ten), rule(EXIT, schedule=at_ten), replace(DWELL_600, schedule=at_ten)
    )
    assert world.told(Fix(0, IN), now_s=0) == []
    four_h, day = 4 * 3_600, 86_400
    assert world.told(now_s=four_h - 1) == []
    assert world.told(now_s=four_h + 5) == [some("enter", "schedule", four_h)]
    assert world.told(now_s=four_h + 700) == [some("dwell", "timer", four_h + 600)]
    assert world.told(Fix(four_h + 3_600, IN), now_s=four_h + 3_600) == []
    assert world.told(now_s=day + four_h + 700) == [
        some("enter", "schedule", day + four_h), some("dwell", "timer", day + four_h + 600),
    ]  # fmt: skip
    later_s = day + 8 * 3_600
    assert world.told(Fix(later_s, IN), Fix(later_s + 1, OUT)) == []


def test_a_window_over_midnight_is_one_window():
    """Inside from 22:00 to 06:00: one entry, at 22:00, and the dwell goes on through midnight."""
    night = daily("22:00", "06:00")
    world = World(rule(ENTER, schedule=night), rule(DWELL, dwell_s=3 * 3_600, schedule=night))
    assert world.told(Fix(0, IN), now_s=0) == []
    assert world.told(now_s=24 * 3_600 - 1) == [
        some("enter", "schedule", 16 * 3_600), some("dwell", "timer", 19 * 3_600),
    ]  # fmt: skip


def test_no_window_begins_on_a_holiday_that_is_off():
    """The rule keeps silent on that day, and speaks on the next."""
    schedule = daily("10:00", "12:00", holidays=frozenset({date(2026, 9, 21)}), on_holidays=OnHolidays.OFF)
    world = World(rule(ENTER, schedule=schedule))
    assert world.told(Fix(0, IN), now_s=86_000) == []
    assert world.told(now_s=86_400 + 5 * 3_600 + 86_000) == [some("enter", "schedule", 86_400 + 4 * 3_600)]


@pytest.mark.parametrize("selection", ["allow", "deny"])
def test_unauthorised_is_told_of_those_who_may_not_be_there(selection):
    """Who is not in `allow`, or is in `deny`; on entering and when the hours begin."""
    who = Selection(tags=frozenset({"guest"}))
    world = World(rule(RuleKind.UNAUTHORISED, **{selection: who}, schedule=daily("05:00", "05:30")), rule(
        RuleKind.UNAUTHORISED, "always", **{selection: who}))  # fmt: skip
    world.vehicle_tags[1] = ("guest",)
    culprit = 0 if selection == "allow" else 1
    told = world.told(Fix(0, IN), Fix(0, IN, 1))
    assert told == [some("unauthorised", "moved", 0, "always", vehicle=culprit)]
    told = world.told(now_s=23 * 3_600)
    assert told == [some("unauthorised", "schedule", 23 * 3_600, vehicle=culprit)]


def test_a_rule_that_is_new_says_how_it_is_and_then_what_happens():
    """Unauthorised and dwell that are the case are told at once, with cause rule_changed; a past entry is not."""
    world = World()
    world.step(Fix(0, IN), now_s=0)
    deny = rule(RuleKind.UNAUTHORISED, deny=Selection(ids=frozenset({"v0"})))
    world.rules(rule(ENTER), deny, DWELL_600, rule(DWELL, "long", dwell_s=2_000))
    assert world.told(now_s=1_000) == [
        some("unauthorised", "rule_changed", 1_000), some("dwell", "rule_changed", 1_000),
    ]  # fmt: skip
    assert world.told(now_s=2_500) == [some("dwell", "timer", 2_000, "long")]


def test_an_edit_of_a_rule_that_has_fired_does_not_make_it_fire_again():
    """Another name, or another rule beside it; a longer dwell fires when that is reached; a rule that is gone is silent."""
    world = World(DWELL_600)
    world.step(Fix(0, IN), now_s=0)
    assert len(world.told(now_s=700)) == 1
    world.rules(replace(DWELL_600, name="Other"), rule(EXIT))
    assert world.told(now_s=800) == []
    world.rules(replace(DWELL_600, dwell_s=1_000))
    assert world.told(now_s=900) == []
    assert world.told(now_s=1_100) == [some("dwell", "timer", 1_000)]
    world.rules(replace(DWELL_600, dwell_s=5_000))
    assert world.told(now_s=1_200) == []
    world.rules()
    assert world.told(now_s=9_000) == []
    assert not world.state.rules.is_waiting


def test_hours_that_an_edit_brings_say_how_it_is_whatever_was_told_in_others():
    """Told at 10 and off at 12; an edit at 14 puts the rule on, and it says so once."""
    closed = rule(RuleKind.UNAUTHORISED, allow=Selection(), schedule=daily("10:00", "12:00"))
    world = World(closed)
    world.step(Fix(0, IN), now_s=0)
    assert world.told(now_s=5 * 3_600) == [some("unauthorised", "schedule", 4 * 3_600)]
    assert world.told(now_s=8 * 3_600 - 1) == []
    world.rules(replace(closed, schedule=None))
    assert world.told(now_s=8 * 3_600) == [some("unauthorised", "rule_changed", 8 * 3_600)]
    world.rules(replace(closed, schedule=None, name="Other"))
    assert world.told(now_s=8 * 3_600 + 1) == []


def test_tags_that_change_while_a_vehicle_is_inside():
    """A fence or a vehicle that becomes one the rule is about is looked at in the next step, and no longer when it is not."""
    hot = Selection(tags=frozenset({"hot"}))
    guest = Selection(tags=frozenset({"guest"}))
    world = World(rule(RuleKind.UNAUTHORISED, fences=hot, deny=guest), rule(DWELL, dwell_s=600, fences=hot))
    world.step(Fix(0, IN), now_s=0)
    world.fence_tags[DEPOT] = ("hot",)
    assert world.told(now_s=100) == []
    world.state.rules.touch_fence(DEPOT)
    assert world.told(now_s=200) == []
    world.vehicle_tags[0] = ("guest",)
    world.state.rules.touch_vehicle(0)
    assert world.told(now_s=300) == [some("unauthorised", "rule_changed", 300)]
    world.fence_tags[DEPOT] = ()
    world.state.rules.touch_fence(DEPOT)
    assert world.told(now_s=9_000) == []


def test_a_forgotten_vehicle_waits_for_nothing():
    """And its next visit is a new one."""
    world = World(DWELL_600)
    world.step(Fix(0, IN), now_s=0)
    for part in (world.state.rules, world.state.fences, world.state.last):
        part.forget(0)
    assert not world.state.rules.is_waiting
    assert world.told(now_s=1_000) == []
    assert world.told(Fix(2_000, IN), now_s=2_000) == []
    assert world.told(now_s=2_600) == [some("dwell", "timer", 2_600)]


@st.composite
def journeys(draw):
    """Fixes of three vehicles in and out of two fences in order of time, and where to cut them into batches."""
    steps = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 900), st.sampled_from(
        [OUT, IN, IN, IN + 0.006]), st.sampled_from([5.0, 25.0, 40.0, float("nan")])), min_size=1, max_size=25))  # fmt: skip
    fixes, s = [], 0
    for vehicle, passed_s, lat, speed in steps:
        s += passed_s
        fixes.append(Fix(s, lat, vehicle, speed))
    cuts = sorted(draw(st.sets(st.integers(1, len(fixes)), max_size=8)) | {0, len(fixes)})
    return [fixes[begin:end] for begin, end in pairwise(cuts)]


RULES = (
    rule(ENTER, schedule=daily("06:20", "06:40")), rule(EXIT), rule(CROSS), DWELL_600,
    rule(DWELL, "short", dwell_s=120, fences=Selection(ids=frozenset({"depot", "yard"})), schedule=daily("06:10", "07:00")),
    rule(RuleKind.UNAUTHORISED, deny=Selection(ids=frozenset({"v1"})), schedule=daily("06:30", "06:31")),
    rule(RuleKind.OVERSPEED, limit_mps=20.0, after_s=300.0), rule(RuleKind.OVERSPEED, "fast", limit_mps=30.0),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(journeys())
def test_many_batches_say_the_same_as_one(batches):
    """However a backlog is cut, each vehicle's events are the same, in the same order, and of its visits in order of time."""
    said = []
    for pieces in (batches, [[fix for piece in batches for fix in piece]]):
        world, now_s, heard = World(*RULES, fences=(DEPOT, YARD)), 100_000, [[], [], []]
        for piece in pieces:
            world.step(*piece, now_s=now_s)
            events = world.events
            for i, row in enumerate(events.row.tolist()):
                heard[row].append(
                    tuple(
                        repr(getattr(events, name)[i].item())
                        for name in ("rule", "kind", "cause", "handle", "time_ms", "lat_deg", "lon_deg",
                                     "fix_time_ms", "entered_ms", "left_ms", "value")
                    )
                )  # fmt: skip
        said.append(heard)
        for events in heard:
            for handle in (DEPOT, YARD):  # facts of one fix are in order of fences
                times = [int(event[4]) for event in events if int(event[3]) == handle]
                assert times == sorted(times)
    assert said[0] == said[1]


def test_visits_of_ten_thousand_vehicles_that_wait_are_looked_at_as_arrays():
    """A step in which nobody's time has come asks about no fence and no vehicle."""
    world = World(DWELL_600)
    world.step(Fix(0, IN), Fix(0, IN, 1), now_s=0)
    asked = world.fence_asked
    assert world.told(Fix(10, IN), now_s=10) == []
    assert world.fence_asked == asked
    assert np.count_nonzero(world.state.rules.told_ms) == 0
