"""What late fixes change for rules, with facts made by hand around the real stages."""

import numpy as np
from rule_world import DEPOT, IN, LIMITS, OUT, T0_MS, Fix, Said, World, rule, said

from geo.fence_events import Cause, Kind, fence_events
from haulcast.rules.rule import RuleKind, Selection

DWELL = rule(RuleKind.DWELL, dwell_s=600)


class LateWorld(World):
    """A world whose next steps are told facts made by hand."""

    def late(self, *facts: tuple[Kind, int, float, float | None], now_s: float) -> list[Said]:
        """Facts (kind, visit, entered s, left s) about vehicle 0 and the depot; what rules say to them."""
        batch = self._batch(())
        hits = self.state.fences.watch(
            self.fence_set, self.state.fleet_number, self.state.last.is_known, batch, 0, LIMITS
        )[1]
        entered = [T0_MS + int(1000 * s) for _, _, s, _ in facts]
        left = [-1 if s is None else T0_MS + int(1000 * s) for *_, s in facts]
        kinds = [kind for kind, *_ in facts]
        events = fence_events(
            row=np.zeros(len(facts), np.int32), handle=DEPOT, kind=kinds, cause=Cause.LATE,
            visit=[visit for _, visit, _, _ in facts], entered_ms=entered, left_ms=left, lat_deg=IN, lon_deg=10.0,
            time_ms=[end if kind == Kind.EXIT else begin for kind, begin, end in zip(kinds, entered, left, strict=True)],
        )  # fmt: skip
        self.events = self.state.rules.watch(
            self.rule_set, events, hits, batch, self.fence_set, self.state.fleet_number, self.state.last,
            self.state.fences.state, T0_MS + int(1000 * now_s),
        )  # fmt: skip
        return [(one.kind, one.rule, one.cause, one.s) for one in said(self.events, self.rule_set)]


def test_a_late_enter_of_a_visit_that_lasts_begins_it_and_what_is_due_is_told_now():
    """The dwell of the past comes after the enter, the next one in its time."""
    world = LateWorld(rule(RuleKind.ENTER), DWELL, rule(RuleKind.DWELL, "long", dwell_s=2_000))
    world.step(Fix(1_000, IN + 1), now_s=1_000)
    assert world.late((Kind.ENTER, 77, 100.0, None), now_s=1_000) == [
        ("enter", "", "late", 100.0), ("enter", "enter", "late", 100.0), ("dwell", "dwell", "timer", 700.0),
    ]  # fmt: skip
    assert world.late(now_s=2_100) == [("dwell", "long", "timer", 2_100.0)]


def test_a_late_visit_of_the_past_is_told_whole_and_the_present_one_goes_on():
    """Enter, dwell, exit; the later visit of the same fence still waits."""
    world = LateWorld(DWELL, rule(RuleKind.EXIT), rule(RuleKind.CROSS))
    world.step(Fix(2_000, IN), now_s=2_000)
    facts = (Kind.ENTER, 77, 100.0, None), (Kind.EXIT, 77, 100.0, 900.0)
    assert world.late(*facts, now_s=2_000) == [
        ("enter", "", "late", 100.0), ("dwell", "dwell", "timer", 700.0), ("exit", "", "late", 900.0),
        ("exit", "exit", "late", 900.0), ("cross", "cross", "late", 900.0),
    ]  # fmt: skip
    assert world.late(now_s=2_700) == [("dwell", "dwell", "timer", 2_600.0)]


def test_a_corrected_begin_moves_what_has_not_been_told():
    """Earlier: what is due is told now. Later: it is told later. What was told is not told again."""
    world = LateWorld(DWELL, rule(RuleKind.DWELL, "long", dwell_s=2_000))
    world.step(Fix(1_000, IN), now_s=1_000)
    visit = int(world.events.visit[0])
    assert world.late((Kind.CORRECTED, visit, 300.0, None), now_s=1_000) == [
        ("corrected", "", "late", 300.0), ("dwell", "dwell", "timer", 900.0),
    ]  # fmt: skip
    assert len(world.late((Kind.CORRECTED, visit, 800.0, None), now_s=1_000)) == 1
    assert world.late(now_s=2_700) == []
    assert world.late(now_s=2_900) == [("dwell", "long", "timer", 2_800.0)]


def test_a_corrected_end_ends_a_visit_once():
    """Of an open visit the exit rule speaks with the exit, which follows a corrected begin; of one that has ended, no more."""
    world = LateWorld(DWELL, rule(RuleKind.EXIT))
    world.step(Fix(0, IN), now_s=0)
    visit = int(world.events.visit[0])
    fact = Kind.CORRECTED, visit, 0.0, 300.0
    assert world.late(fact, (Kind.EXIT, visit, 0.0, 300.0), now_s=400) == [
        ("corrected", "", "late", 0.0), ("exit", "", "late", 300.0), ("exit", "exit", "late", 300.0),
    ]  # fmt: skip
    assert world.late(fact, now_s=500) == [("corrected", "", "late", 0.0)]
    assert world.late(now_s=9_000) == []


def test_a_visit_that_has_not_ended_after_all_goes_on():
    """What was told before its end stays told; what comes after is told, and its true exit too."""
    rules = RuleKind.ENTER, RuleKind.EXIT, RuleKind.UNAUTHORISED
    long = rule(RuleKind.DWELL, "long", dwell_s=2_000)
    world = LateWorld(*(rule(kind, allow=Selection()) for kind in rules), DWELL, long)
    world.step(Fix(0, IN), now_s=0)
    visit = int(world.events.visit[0])
    assert world.told(now_s=700) == [("dwell", "dwell", "timer", 600.0, 0, DEPOT)]
    world.late((Kind.EXIT, visit, 0.0, 900.0), now_s=900)
    again = Kind.CORRECTED, visit, 0.0, None
    assert world.late(again, now_s=1_000) == [("corrected", "", "late", 0.0)]
    assert world.late(now_s=2_100) == [("dwell", "long", "timer", 2_000.0)]
    assert [one[:2] for one in world.late((Kind.EXIT, visit, 0.0, 2_200.0), now_s=2_200)] == [
        ("exit", ""), ("exit", "exit"),
    ]  # fmt: skip


def test_a_withdrawn_visit_is_forgotten_silently():
    """Nothing fires for it any more."""
    world = LateWorld(DWELL, rule(RuleKind.EXIT))
    world.step(Fix(0, IN), now_s=0)
    visit = int(world.events.visit[0])
    assert world.late((Kind.WITHDRAWN, visit, 0.0, None), now_s=100) == [("withdrawn", "", "late", 0.0)]
    assert world.late(now_s=9_000) == []
    assert not world.state.rules.is_waiting


def test_a_late_fix_through_the_step_begins_and_ends_what_it_shows():
    """A fix inside that comes after the next one outside: the visit is told as late, and so is what rules say to it."""
    world = World(rule(RuleKind.ENTER), rule(RuleKind.EXIT), late_fixes=64)
    assert world.step(Fix(0, OUT), Fix(4_000, OUT)) == []
    told = world.step(Fix(2_000, IN), now_s=4_010)
    assert [(one.kind, one.rule, one.cause) for one in told] == [
        ("enter", "", "late"), ("enter", "enter", "late"), ("exit", "", "late"), ("exit", "exit", "late"),
    ]  # fmt: skip
    assert 1_900 < told[0].s < 2_000 < told[2].s < 2_100
    (corrected,) = world.step(Fix(1_000, OUT), now_s=4_020)  # a shorter way in: facts alone say so
    assert (corrected.kind, corrected.rule) == ("corrected", "")
    assert told[0].s < corrected.s < 2_000


def test_a_late_fix_through_the_step_moves_a_dwell_that_waits():
    """It shows that the vehicle came in later than was told: the dwell runs from then."""
    world = World(rule(RuleKind.DWELL, dwell_s=1_000), late_fixes=64)
    world.step(Fix(0, OUT), Fix(400, IN))
    (corrected,) = world.step(Fix(390, OUT), now_s=410)
    assert (corrected.kind, corrected.cause) == ("corrected", "late")
    assert 390 < corrected.s < 400
    assert world.step(now_s=1_385) == []
    (dwell,) = world.step(now_s=1_420)
    assert dwell.s == corrected.s + 1_000


def test_a_pass_of_which_a_late_fix_makes_a_visit_crosses_once():
    """The pass was told; the fix inside that comes late tells enter and exit, and no second cross, but to a rule that is new."""
    world = World(rule(RuleKind.CROSS), rule(RuleKind.EXIT), late_fixes=64)
    told = world.step(Fix(0, IN - 0.02), Fix(60, IN + 0.02))
    assert [(one.kind, one.rule) for one in told] == [("cross", "cross")]
    world.rules(rule(RuleKind.CROSS), rule(RuleKind.EXIT), rule(RuleKind.CROSS, "new"))
    late = world.step(Fix(30, IN), now_s=61)
    assert [(one.kind, one.rule, one.cause) for one in late] == [
        ("enter", "", "late"), ("exit", "", "late"), ("exit", "exit", "late"), ("cross", "new", "late"),
    ]  # fmt: skip
    back = world.step(Fix(120, IN - 0.02))  # another pass is another one
    assert [(one.kind, one.rule) for one in back] == [("cross", "cross"), ("cross", "new")]


def test_a_late_visit_beside_a_pass_crosses():
    """A pass of another time, or of a vehicle that was forgotten since, says nothing about it."""
    for is_forgotten in (False, True):
        world = World(rule(RuleKind.CROSS), late_fixes=64)
        world.step(Fix(0, IN - 0.02), Fix(60, IN + 0.02), Fix(400, IN + 0.02))
        if is_forgotten:
            world.state.rules.forget(0)
        late = world.step(Fix(30 if is_forgotten else 200, IN), now_s=401)
        assert [(one.kind, one.rule) for one in late] == [("enter", ""), ("exit", ""), ("cross", "cross")]
