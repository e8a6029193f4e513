"""Overspeed rules, as conversations through the real step."""

from dataclasses import replace

import numpy as np
import pytest
from rule_world import DEPOT, IN, OUT, T0_MS, YARD, Fix, Said, World, rule

from geo.geodesy import geodesic_distance_m
from haulcast.rules.rule import RuleKind, Selection
from haulcast.rules.schedule import Schedule, WeeklyWindow

FAST = rule(RuleKind.OVERSPEED, "fast", limit_mps=20.0)


def over(s: float, rule_id: str = "fast", **values) -> Said:
    return Said("overspeed", rule_id, "moved", s, **values)


def test_an_episode_is_told_once_with_its_speed_and_visit():
    """The first fix above the limit tells it; a fix at the limit ends it, and the next one is another."""
    world = World(FAST)
    world.step(Fix(0, IN, speed_mps=10))
    visit = world.state.fences.state.open_visits(np.array([0])).visit[0]
    assert world.told(Fix(1, IN, speed_mps=25)) == [over(1)]
    events = world.events
    assert (events.value[0], events.visit[0], events.entered_ms[0], events.fix[0]) == (25.0, visit, T0_MS, 0)
    assert world.told(Fix(2, IN, speed_mps=30), Fix(3, IN, speed_mps=22)) == []
    told = world.told(Fix(4, IN, speed_mps=20), Fix(5, IN, speed_mps=25), Fix(6, IN, speed_mps=10), Fix(7, IN, speed_mps=21))  # fmt: skip
    assert told == [over(5), over(7)]


def test_only_a_fix_in_the_fence_counts():
    """Outside it, in another fence, or of another vehicle: nothing; leaving ends the episode."""
    mine = replace(FAST, vehicles=Selection(ids=frozenset({"v0"})))
    world = World(mine, fences=(DEPOT, YARD))
    assert world.told(Fix(0, OUT, speed_mps=50), Fix(0, IN, 1, 50)) == []
    assert world.told(Fix(1, IN, speed_mps=50)) == [over(1)]
    assert world.told(Fix(2, OUT, speed_mps=50), Fix(3, IN, speed_mps=50)) == [over(3)]


def test_after_s_is_how_long_it_has_to_last():
    """Told at the first fix by then, if all fixes between were above the limit."""
    world = World(replace(FAST, after_s=60.0))
    assert world.told(*(Fix(s, IN, speed_mps=25) for s in (0, 30, 59))) == []
    assert world.told(Fix(61, IN, speed_mps=25), Fix(90, IN, speed_mps=25)) == [over(61)]
    assert world.told(Fix(100, IN, speed_mps=5), Fix(101, IN, speed_mps=25), Fix(160, IN, speed_mps=25)) == []
    assert world.told(Fix(161, IN, speed_mps=25)) == [over(161)]


@pytest.mark.parametrize("cut", [True, False])
def test_without_a_speed_the_way_since_the_last_fix_counts(cut):
    """500 m in 20 s are 25 m/s, whether the last fix was in this batch; a first fix has no speed."""
    world = World(FAST)
    fixes = [Fix(0, IN), Fix(10, IN + 0.001), Fix(30, IN + 0.0055)]
    told = [one for piece in ([[one] for one in fixes] if cut else [fixes]) for one in world.told(*piece)]
    assert told == [over(30)]
    way_m = geodesic_distance_m(IN + 0.001, 10.0, IN + 0.0055, 10.0)
    speed = world.events.value[~np.isnan(world.events.value)]
    assert speed == pytest.approx(way_m / 20, rel=0.006)


def test_a_schedule_that_is_off_ends_an_episode():
    """What is too fast at six is told at six, not before."""
    hours = Schedule("UTC", (WeeklyWindow(frozenset(range(7)), 6 * 60 + 1, 7 * 60),))
    world = World(replace(FAST, schedule=hours))
    assert world.told(Fix(0, IN, speed_mps=25), Fix(59, IN, speed_mps=25)) == []
    assert world.told(Fix(60, IN, speed_mps=25), Fix(70, IN, speed_mps=25)) == [over(60)]


def test_each_rule_and_fence_has_its_own_episode():
    """Of two nested fences and two limits each says its own."""
    both = Selection(ids=frozenset({"depot", "yard"}))
    world = World(
        replace(FAST, fences=both), rule(RuleKind.OVERSPEED, "slow", limit_mps=10.0), fences=(DEPOT, YARD)
    )
    told = world.told(Fix(0, IN, speed_mps=15))
    assert told == [over(0, "slow")]
    told = world.told(Fix(1, IN, speed_mps=25))
    assert told == [over(1), over(1, fence=YARD)]


def test_an_edit_of_another_rule_does_not_tell_it_again():
    """A rule with another limit begins anew; the vehicle's deletion ends it."""
    world = World(FAST)
    assert world.told(Fix(0, IN, speed_mps=25)) == [over(0)]
    world.rules(FAST, rule(RuleKind.EXIT))
    assert world.told(Fix(1, IN, speed_mps=25)) == []
    world.rules(replace(FAST, limit_mps=15.0))
    assert world.told(Fix(2, IN, speed_mps=25)) == [over(2)]
    world.rules()
    assert world.told(Fix(3, IN, speed_mps=25)) == []
    world.rules(FAST)
    assert world.told(Fix(4, IN, speed_mps=25)) == [over(4)]


def test_a_side_in_doubt_has_no_visit_yet():
    """A fix inside that its accuracy leaves in doubt is told without a visit."""
    world = World(FAST)
    world.step(Fix(0, OUT, speed_mps=25, accuracy_m=5))
    told = world.told(Fix(10, IN, speed_mps=25, accuracy_m=2_000))
    assert told == [over(10)]
    assert world.events.visit.tolist() == [-1]
