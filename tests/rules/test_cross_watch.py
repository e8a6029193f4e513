"""Cross rules as conversations: fixes in, passes out."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_turns import Conversation, Said

from geo.fence_events import NONE, Cause, Kind
from geo.fence_set import Circle, Fence, FenceSet, build_fence_set
from haulcast.rules.cross_watch import MOST_GAP_MS, CrossWatch
from haulcast.rules.rule import Rule, RuleKind, Selection
from haulcast.rules.schedule import DAY_MS, Schedule, WeeklyWindow

GATE = shapely.box(0.001, -1, 0.002, 1)
EVERY_DAY = frozenset(range(7))


def gates(*areas, fleet: int = 0) -> FenceSet:
    return build_fence_set([Fence(i, fleet, area) for i, area in enumerate(areas or (GATE,))], 1)


def cross(
    rule_id: str = "gate", *, ids: tuple[str, ...] = ("f0",), tags: tuple[str, ...] = (), **more
) -> Rule:
    fences = Selection(frozenset(ids), frozenset(tags))
    return Rule(
        **{"fleet": "acme", "rule_id": rule_id, "name": "", "kind": RuleKind.CROSS, "fences": fences, **more}
    )


def at_gate(*rules: Rule, fence_set: FenceSet | None = None) -> Conversation:
    talk = Conversation(lambda scope: CrossWatch(scope).look, fence_set or gates())
    talk.use(*rules)
    return talk


def test_a_pass_is_told_with_its_times_and_the_place_of_leaving():
    """In and out between two fixes is one event: a visit of its own, both times, the place of leaving and the fix that proved it."""
    talk = at_gate(cross())
    assert not len(talk.step((3, 0, 0, 0)))
    events = talk.step((3, 40_000, 0, 0.004))
    assert (events.kind.tolist(), events.cause.tolist()) == ([Kind.CROSS], [Cause.MOVED])
    assert (events.row.tolist(), events.handle.tolist(), events.rule.tolist()) == ([3], [0], [0])
    assert (events.entered_ms.tolist(), events.left_ms.tolist()) == ([10_000], [20_000])
    assert (events.time_ms.tolist(), events.fix_time_ms.tolist()) == ([20_000], [40_000])
    assert (events.fix.tolist(), events.visit.tolist(), events.other.tolist()) == ([0], [100], [NONE])
    assert events.lon_deg == pytest.approx([0.002])
    assert talk.state.next_visit == 101


def test_all_rules_about_a_pass_share_its_visit():
    """Rules by id and by tag tell the same pass with one visit id; the next pass has another."""
    talk = at_gate(cross("one"), cross("two", ids=(), tags=("toll",)), cross("other", ids=("f9",)))
    talk.rows.tags["f0"] = {"toll"}
    events = talk.step((0, 0, 0, 0), (0, 40_000, 0, 0.004), (0, 80_000, 0, 0))
    assert events.rule.tolist() == [0, 1, 0, 1]
    assert events.visit.tolist() == [100, 100, 101, 101]
    assert events.fix.tolist() == [1, 1, 2, 2]


def test_who_is_inside_at_a_fix_has_a_visit_and_no_pass():
    """A fix inside makes it a visit, whose end the visits' part tells; a first fix comes from nowhere; standing still is no way."""
    talk = at_gate(cross())
    assert not talk.said((0, 0, 0, 0), (0, 20_000, 0, 0.0015), (0, 40_000, 0, 0.004), (0, 41_000, 0, 0.004))


def test_only_whom_the_rule_concerns():
    """Vehicles that a rule does not select, other fleets, other kinds of rules, and no rules at all, tell nothing."""
    drive = (1, 0, 0, 0), (1, 40_000, 0, 0.004), (2, 0, 0, 0), (2, 40_000, 0, 0.004)
    assert not at_gate().said(*drive)
    assert not at_gate(cross(kind=RuleKind.ENTER)).said(*drive)
    assert not at_gate(cross(enabled=False)).said(*drive)
    assert not at_gate(cross(fleet="zeta")).said(*drive)
    assert [said.row for said in at_gate(cross(vehicles=Selection(ids=frozenset({"v2"})))).said(*drive)] == [
        2
    ]
    talk = at_gate(cross(fleet="zeta"), fence_set=gates(fleet=1))
    talk.fleet_number[1] = 1
    talk.rows.fleets[1] = "zeta"
    talk.rows.fence = talk.scope._fence_facts = lambda handle: ("zeta", "f0", ())
    assert [said.row for said in talk.said(*drive)] == [1]


def test_a_way_that_proves_nothing():
    """Fixes too far apart in time, a jump faster than anybody drives, and a way within its own uncertainty, are no passes."""
    talk = at_gate(cross())
    assert not talk.said((0, 0, 0, 0), (0, MOST_GAP_MS + 1, 0, 0.004))
    assert not talk.said((1, 0, 0, 0), (1, 4_000, 0, 0.004))
    assert not talk.said((2, 0, 0, 0), (2, 40_000, 0, 0.004), accuracy_m=150.0)
    assert len(talk.said((3, 0, 0, 0), (3, MOST_GAP_MS, 0, 0.004))) == 1
    assert len(talk.said((4, 0, 0, 0), (4, 40_000, 0, 0.004), accuracy_m=50.0)) == 1


def test_who_is_parked_beside_a_thin_fence_does_not_pass_it():
    """A receiver that wobbles over a fence of a metre's width, 68 % of its fixes within its accuracy, tells no passes."""
    talk = at_gate(cross(), fence_set=gates(shapely.box(0, -1, 0.00001, 1)))
    rng = np.random.default_rng(1)
    for i, (north, east) in enumerate(rng.normal(0, 8e-5, (2000, 2))):
        assert not talk.said((0, 1000 * i, north, east), accuracy_m=13.5)


def test_a_pass_while_a_visit_is_open_is_part_of_it():
    """Out, but in doubt, and over a corner of the fence: the visit lasts until the second fix outside, and its end tells it all."""
    talk = at_gate(cross(), fence_set=gates(Circle(0.0, 0.0, 500.0)))
    assert not talk.said((0, 0, 0, 0), accuracy_m=20.0)
    over = (0, 20_000, 0.0046, 0.0001), (0, 60_000, -0.0046, 0.0001)
    assert not talk.said(*over, accuracy_m=20.0)
    assert not talk.state.inside(0).size
    assert len(talk.said((0, 100_000, 0.0046, 0.0), accuracy_m=20.0)) == 1
    talk = at_gate(cross(), fence_set=gates(Circle(0.0, 0.0, 500.0)))  # step by step it is the same
    for fix in ((0, 0, 0, 0), *over):
        assert not talk.said(fix, accuracy_m=20.0)


def test_a_schedule_is_asked_when_the_vehicle_leaves():
    """A pass that ends while the rule is off is not told, and takes no visit id."""
    noon = Schedule("UTC", (WeeklyWindow(EVERY_DAY, 720, 780),))
    talk = at_gate(cross(schedule=noon))
    half = DAY_MS // 2
    assert not talk.said((0, half - 60_000, 0, 0), (0, half - 20_000, 0, 0.004))
    assert talk.state.next_visit == 100
    assert talk.said((0, half + 20_000, 0, 0)) == [Said("gate", Kind.CROSS, 0, Cause.MOVED, half + 10_000)]


def test_an_edit_of_fences_and_rules_counts_from_the_next_fix():
    """A way is judged by the fences and rules at its end."""
    talk = at_gate()
    assert not talk.said((0, 0, 0, 0), (0, 40_000, 0, 0.004))
    talk.use(cross())
    assert len(talk.said((0, 80_000, 0, 0))) == 1
    talk.fence_set = build_fence_set([Fence(0, 0, shapely.box(5, 5, 6, 6))], 2)
    assert not talk.said((0, 120_000, 0, 0.004))
    talk.use()
    talk.fence_set = build_fence_set([Fence(0, 0, GATE)], 3)
    assert not talk.said((0, 160_000, 0, 0))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50))
def test_any_drive_has_the_passes_of_a_plain_look(seed, batch):
    """Random drives in batches of any size tell what shapely says of each vehicle's ways one by one."""
    rng = np.random.default_rng(seed)
    areas = [
        shapely.box(x, y, x + w, y + h)
        for x, y, w, h in zip(
            *rng.uniform(-0.01, 0.01, (2, 20)), *rng.uniform(0, 0.004, (2, 20)), strict=True
        )
    ]
    fixes = [(int(rng.integers(4)), 60_000 * i, *rng.normal(0, 0.006, 2).tolist()) for i in range(40)]
    talk = at_gate(cross(ids=tuple(f"f{i}" for i in range(0, 20, 2))), fence_set=gates(*areas))
    told = []
    for start in range(0, len(fixes), batch):
        events = talk.step(*fixes[start : start + batch])
        is_told = events.rule != NONE
        told += list(
            zip((events.fix[is_told] + start).tolist(), events.handle[is_told].tolist(), strict=True)
        )
    expected, before = [], {}
    for i, (row, time_ms, lat, lon) in enumerate(fixes):
        time0, lat0, lon0 = before.get(row, (-1_000_000, 0, 0))
        way = shapely.LineString([(lon0, lat0), (lon, lat)])
        for handle in range(0, 20, 2):
            ends = shapely.intersects_xy(areas[handle], [lon0, lon], [lat0, lat])
            if (
                time_ms - time0 <= MOST_GAP_MS
                and not ends.any()
                and way.intersection(areas[handle]).length > 1e-9
            ):
                expected.append((i, handle))
        before[row] = (time_ms, lat, lon)
    assert sorted(told) == expected


def test_without_such_rules_nothing_is_prepared():
    """A hub without cross rules keeps no index of fences."""
    watch = CrossWatch(talk_scope := Conversation(lambda scope: CrossWatch(scope).look).scope)
    assert watch._passes._table is None
    assert not talk_scope.rules.rules
