"""Proximity rules as conversations: fixes in, who came near whom out."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_turns import Conversation, Said, said_in

from geo.fence_events import NONE, Cause, Kind
from haulcast.rules import near_watch
from haulcast.rules.near_watch import NearWatch, OpenPair
from haulcast.rules.rule import Distance, Rule, RuleKind, Selection
from haulcast.rules.schedule import DAY_MS, Schedule, WeeklyWindow

NEAR, APART = Kind.NEAR, Kind.APART
NOON = Schedule("UTC", (WeeklyWindow(frozenset(range(7)), 720, 780),))
HALF_DAY = DAY_MS // 2
KM = 1 / 111.3  # degrees of longitude at the equator, nearly


def open_pairs(watch: NearWatch, rows: int = 1_000) -> list[OpenPair]:
    return [pair for row in range(rows) for pair in watch.pairs_of(row)]


def vehicles(*ids: str, tags: tuple[str, ...] = ()) -> Selection:
    return Selection(frozenset(ids), frozenset(tags))


def near(rule_id: str = "near", **more) -> Rule:
    """v0 against v1 and v2, within 500 m."""
    usual = {
        "fleet": "acme", "rule_id": rule_id, "name": "", "kind": RuleKind.PROXIMITY, "distance_m": 500.0,
        "vehicles": vehicles("v0"), "others": vehicles("v1", "v2"), "when": Distance.NEAR,
    }  # fmt: skip
    return Rule(**{**usual, **more})


APART_RULE = near("apart", when=Distance.APART)


class Yard(Conversation):
    """A conversation with a `NearWatch`."""

    def __init__(self, *rules: Rule) -> None:
        super().__init__(self._watch)
        self.use(*rules)

    def _watch(self, scope):
        self.watch = NearWatch(scope)
        return self.watch.look


def test_near_and_apart_are_one_visit():
    """Coming near and parting are told each by its rule, at the crossing, with one visit id a rule, and the way back."""
    yard = Yard(near(), APART_RULE)
    assert not len(yard.step((1, 0, 0, 0), (0, 0, 0, -2 * KM)))
    events = yard.step((0, 40_000, 0, 2 * KM), (0, 80_000, 0, 0), (0, 120_000, 0, 2 * KM))
    assert events.kind.tolist() == [NEAR, APART]
    assert events.rule.tolist() == [0, 1]
    assert (events.row.tolist(), events.other.tolist(), events.handle.tolist()) == (
        [0, 0],
        [1, 1],
        [NONE] * 2,
    )
    assert events.fix.tolist() == [1, 2]
    assert events.fix_time_ms.tolist() == [80_000, 120_000]
    assert events.time_ms == pytest.approx([70_000, 90_000], abs=30)
    assert events.entered_ms[1] == events.entered_ms[0] == events.time_ms[0]
    assert events.left_ms.tolist() == [NONE, events.time_ms[1]]
    assert events.lon_deg == pytest.approx([0.5 * KM] * 2, rel=0.002)
    assert events.value == pytest.approx([0, 2000], abs=5)
    assert sorted(events.visit.tolist()) == [100, 101]  # one a rule
    assert yard.state.next_visit == 102


def test_the_row_is_the_rules_vehicle_whoever_moves():
    """Another vehicle that drives to the rule's one is its `other`; the place is where the one that moved was."""
    yard = Yard(near())
    yard.step((0, 0, 0, 0), (2, 0, 0, 2 * KM))
    events = yard.step((2, 20_000, 0, 0))
    assert (events.row.tolist(), events.other.tolist()) == ([0], [2])
    assert events.lon_deg == pytest.approx([0.5 * KM], rel=0.002)


def test_all_against_all_is_each_pair_once():
    """Without `vehicles` all of the fleet are meant; a pair that is in both selections is told once; other fleets are never told."""
    yard = Yard(near(vehicles=None, others=vehicles("v0", "v1", "v2", "v3")))
    yard.rows.fleets[3] = "zeta"
    yard.fleet_number[3] = 1
    said = yard.said(*((row, 0, 0, 0) for row in range(4)))
    assert sorted((event.row, event.other) for event in said) == [(0, 1), (0, 2), (1, 2)]


def test_no_rules_and_other_rules_say_nothing():
    """Rules of other kinds, and of other fleets, do not look at anybody."""
    for rules in ((), (replace(near(), kind=RuleKind.ENTER),), (near(fleet="zeta"),), (near(enabled=False),)):
        yard = Yard(*rules)
        assert not yard.said((0, 0, 0, 0), (1, 0, 0, 0))
        assert not yard.said()


def test_a_new_rule_tells_who_is_near_now():
    """At the next step, fixes or not, with cause RULE_CHANGED; not again when other rules change, or its name."""
    yard = Yard()
    yard.step((0, 1000, 0, 0), (1, 1000, 0, 0.1 * KM), (2, 1000, 0, 2 * KM))
    yard.use(near())
    assert yard.said(now_ms=5000) == [Said("near", NEAR, 0, Cause.RULE_CHANGED, 5000, 1)]
    yard.use(near("first", vehicles=vehicles("v9")), near(name="renamed"))
    assert not yard.said()
    assert [pair.rule_id for pair in open_pairs(yard.watch)] == ["near"]
    yard.use(near(distance_m=3000.0))
    assert sorted(event.other for event in yard.said()) == [1, 2]
    yard.use()
    assert not yard.said()
    assert not open_pairs(yard.watch)
    assert not yard.said((0, 9000, 0, 5 * KM))


def test_other_tags_put_a_vehicle_into_rules_and_out_of_them():
    """After its tags have changed it is told near what it now belongs with, once, and what it left is dropped in silence."""
    yard = Yard(
        near(others=vehicles(tags=("trailer",))), replace(APART_RULE, others=vehicles(tags=("trailer",)))
    )
    assert not yard.said((0, 0, 0, 0), (5, 0, 0, 0))

    def tagged(*tags: str) -> None:
        yard.rows.tags["v5"] = set(tags)
        yard.scope.forget_vehicle(5)
        yard.watch.reconsider(5)

    tagged("trailer", "red")
    assert yard.said() == [Said("near", NEAR, 0, Cause.RULE_CHANGED, 0, 5)]
    tagged("trailer")
    assert not yard.said()
    assert len(open_pairs(yard.watch)) == 2
    tagged()
    assert not yard.said((5, 20_000, 0, 5 * KM))
    assert not open_pairs(yard.watch)


def test_a_deleted_vehicle_is_near_nobody():
    """It takes its pairs along in silence; a new one in its row is told at its first fix."""
    yard = Yard(near(), APART_RULE)
    assert len(yard.said((0, 0, 0, 0), (1, 0, 0, 0))) == 1
    yard.last.forget(1)
    yard.watch.forget(1)
    assert not open_pairs(yard.watch)
    assert not yard.said((0, 10_000, 0, 0))
    assert yard.said((1, 20_000, 0, 0)) == [Said("near", NEAR, 0, Cause.MOVED, 20_000, 1)]
    yard.watch.forget(1000)


def test_a_schedule_tells_those_near_when_it_begins():
    """Off, nothing is told; when it begins those near are, once a window; who parted before is not."""
    yard = Yard(near(schedule=NOON), replace(APART_RULE, schedule=NOON))
    morning = HALF_DAY - 60_000
    assert not yard.said((0, morning, 0, 0), (1, morning, 0, 0), (2, morning, 0, 0), now_ms=morning)
    assert yard.watch.is_waiting
    assert not yard.said((2, morning + 30_000, 0, 2 * KM))
    assert yard.said(now_ms=HALF_DAY + 5) == [Said("near", NEAR, 0, Cause.SCHEDULE, HALF_DAY + 5, 1)]
    assert yard.watch.is_waiting  # else nobody might look when its hours end and begin again
    assert not yard.said((0, HALF_DAY + 9000, 0, 0))
    assert not yard.said(now_ms=HALF_DAY + 2 * 3_600_000)  # its end says nothing
    tomorrow = HALF_DAY + DAY_MS
    assert yard.said(now_ms=tomorrow) == [Said("near", NEAR, 0, Cause.SCHEDULE, tomorrow, 1)]
    drive = (1, tomorrow + 9000, 0, 0), (1, tomorrow + 60_000, 0, 3 * KM)
    assert [event.kind for event in yard.said(*drive)] == [APART]


def test_who_came_near_before_the_hours_and_was_heard_of_in_them_is_told():
    """The turn was while it was off; by the time that it is known the hours have begun."""
    yard = Yard(near(schedule=NOON))
    fixes = (1, HALF_DAY - 9000, 0, 0), (0, HALF_DAY - 2000, 0, 0)
    assert yard.said(*fixes, now_ms=HALF_DAY + 500) == [
        Said("near", NEAR, 0, Cause.SCHEDULE, HALF_DAY + 500, 1)
    ]
    assert not yard.said(now_ms=HALF_DAY + 1000)


def test_a_rule_that_loses_its_hours_tells_those_near():
    """They waited for hours that are no more; then nothing waits."""
    yard = Yard(near(schedule=NOON))
    assert not yard.said((0, 0, 0, 0), (1, 0, 0, 0))
    yard.use(near())
    assert yard.said(now_ms=5000) == [Said("near", NEAR, 0, Cause.RULE_CHANGED, 5000, 1)]
    assert not yard.said()
    assert not yard.watch.is_waiting


def test_restored_pairs_are_not_for_rules_that_come_later():
    """A rule of the same id that is made after the start tells who is near, whatever an earlier run knew."""
    yard = Yard()
    yard.watch.restore([OpenPair("acme", "near", 0, 1, 7, 0, is_told=True)])
    yard.step((0, 0, 0, 0), (1, 0, 0, 0))
    yard.use(near())
    assert len(yard.said()) == 1


def test_a_late_backlog_is_judged_by_its_own_hours():
    """A pair that came near in the window and is still near after it was told, and waits for the next window."""
    yard = Yard(near(schedule=NOON))
    fixes = (0, HALF_DAY, 0, 0), (1, HALF_DAY + 1000, 0, 0)
    evening = HALF_DAY + DAY_MS // 4
    assert yard.said(*fixes, now_ms=evening) == [Said("near", NEAR, 0, Cause.MOVED, HALF_DAY + 1000, 1)]
    assert not yard.said(now_ms=evening + 1000)
    assert len(yard.said(now_ms=HALF_DAY + DAY_MS)) == 1


def test_pairs_survive_a_restart():
    """Restored pairs are not told again, and part with the visit that they had; those whose rule is gone are dropped."""
    yard = Yard(near(), APART_RULE)
    yard.step((0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 2 * KM))
    pairs = open_pairs(yard.watch)
    assert sorted(pairs) == [
        OpenPair("acme", "apart", 0, 1, pairs[1].visit if pairs[1].rule_id == "apart" else pairs[0].visit, 0, is_told=True),
        OpenPair("acme", "near", 0, 1, pairs[0].visit if pairs[0].rule_id == "near" else pairs[1].visit, 0, is_told=True),
    ]  # fmt: skip
    after = Yard(near(), APART_RULE)
    after.last = yard.last
    after.watch.restore(
        [*pairs, OpenPair("acme", "gone", 0, 1, 7, 0, is_told=True), pairs[0]._replace(other=9)]
    )
    assert not after.said()
    assert sorted(open_pairs(after.watch)) == sorted(pairs)
    events = after.step((1, 20_000, 0, 3 * KM), (2, 30_000, 0, 0))
    assert [(said.rule, said.kind) for said in said_in(after.scope, events)] == [
        ("apart", APART),
        ("near", NEAR),
    ]
    assert events.visit[0] == next(pair.visit for pair in pairs if pair.rule_id == "apart")
    assert events.visit[1] > max(pair.visit for pair in pairs)


def test_many_rules_take_hold_of_fewer_vehicles_a_step(monkeypatch):
    """What a step asks is bounded, whatever the product of rules and vehicles; in the end every rule has told every pair once."""
    monkeypatch.setattr(near_watch, "ASKED_A_STEP", 20)
    yard = Yard(*(near(f"near-{i}") for i in range(10)))
    said = yard.said(*((row, 0, 0, 0) for row in range(6)))
    assert yard.watch.is_waiting
    assert len(said) == 10
    said += yard.said() + yard.said()
    assert not yard.watch.is_waiting
    assert {(event.rule, event.other) for event in said} == {
        (f"near-{i}", other) for i in range(10) for other in (1, 2)
    }
    assert len(said) == 20


def test_rows_whose_pairs_have_changed_are_named_once():
    """Also when nothing is told: a near rule says nothing of the parting, and the row itself has not moved."""
    yard = Yard(near())
    yard.step((0, 0, 0, 0), (1, 0, 0, 0))
    assert yard.watch.take_changed() == [0]
    assert not yard.said((1, 20_000, 0, 3 * KM))
    assert yard.watch.take_changed() == [0]
    yard.step((1, 30_000, 0, 3 * KM))
    assert yard.watch.take_changed() == []


def test_many_vehicles_in_one_place_are_all_pairs():
    """A full yard has a pair for each two; growing costs no pair."""
    yard = Yard(near(vehicles=None, others=Selection(frozenset(f"v{i}" for i in range(60)))))
    said = yard.said(*((row, 0, 0, 0) for row in range(60)))
    assert {(event.row, event.other) for event in said} == set(itertools.combinations(range(60), 2))
    assert len(said) == 1770


def test_a_new_rule_takes_hold_of_a_large_fleet_step_by_step(monkeypatch):
    """However many vehicles there are, a step takes a few; in the end all are told once, restored pairs never, deleted ones not."""
    monkeypatch.setattr(near_watch, "SETTLED_A_STEP", 7)
    everyone = near(vehicles=None, others=Selection(frozenset(f"v{i}" for i in range(60))))
    yard = Yard(everyone)
    assert not yard.watch.is_waiting
    first = [yard.said(*((row, 0, 0, 0) for row in range(30)))]
    yard.watch.forget(29)
    yard.last.forget(29)
    while yard.watch.is_waiting:
        first.append(yard.said((0, yard.now_ms + 1000, 0, 0)))
    assert {(e.row, e.other) for said in first for e in said} == set(itertools.combinations(range(29), 2))
    assert len(first) == 5
    assert sum(map(len, first)) == 29 * 14
    after = Yard(everyone)
    after.last = yard.last
    after.watch.restore(open_pairs(yard.watch)[3:])
    said = list(itertools.chain.from_iterable(after.said() for _ in range(6)))
    assert len(said) == 3
    assert not after.watch.is_waiting
    assert len(open_pairs(after.watch)) == 29 * 14
    after.use()
    after.said()
    after.watch.reconsider(3)
    assert not after.watch.is_waiting


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80))
def test_any_drive_has_the_pairs_of_all_against_all(seed, batch):
    """Random drives near 180 degrees, in batches of any size, tell what comparing all pairs after each fix says."""
    rng = np.random.default_rng(seed)
    rule = near(vehicles=vehicles("v0", "v1", "v2", "v3"), others=vehicles("v2", "v3", "v4", "v5"))
    yard = Yard(rule, replace(rule, rule_id="apart", when=Distance.APART))
    fixes = []
    for i in range(80):
        lat, lon = rng.normal(0, 0.005, 2)
        fixes.append((int(rng.integers(7)), 10_000 * i, float(lat), float((lon + 360) % 360 - 180)))
    told = []
    for start in range(0, len(fixes), batch):
        events = yard.step(*fixes[start : start + batch])
        columns = (events.fix + start, events.kind, events.row, events.other)
        told += list(zip(*(column.tolist() for column in columns), strict=True))
    at, before, expected = {}, set(), []
    for i, (row, _, lat, lon) in enumerate(fixes):
        at[row] = (lat, lon)
        now = {
            (a, b)
            for a, b in itertools.combinations(sorted(at), 2)
            if a in range(4) and b in range(2, 6)
            if Geodesic.WGS84.Inverse(*at[a], *at[b])["s12"] <= 500
        }
        expected += [(i, NEAR, *pair) for pair in now - before] + [(i, APART, *pair) for pair in before - now]
        before = now
    assert sorted(told) == sorted(expected)
