"""What a rule has told is not told again after a restart of the hub, and what it waits for goes on."""

import pytest
from rule_world import DEPOT, IN, OUT, T0_MS, Fix, Said, World, rule

from haulcast.checkpoints.checkpoint_loop import CheckpointLoop
from haulcast.checkpoints.restoring import restore_vehicles
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.rules.rule import RuleKind, Selection
from haulcast.rules.schedule import Schedule, WeeklyWindow
from haulcast.tracking.event_documents import EventDocuments

DWELL = rule(RuleKind.DWELL, dwell_s=600)
LONG = rule(RuleKind.DWELL, "long", dwell_s=2_000)
DENY = rule(RuleKind.UNAUTHORISED, deny=Selection(ids=frozenset({"v0"})))


class Memory:
    """A store of checkpoints for as long as a test."""

    def __init__(self) -> None:
        self.kept = []

    async def save(self, checkpoints, events=(), deleted=()):
        self.kept.append(checkpoints)
        return []

    async def read_all(self):
        for checkpoints in self.kept:
            yield checkpoints


async def restarted(world: World, *rules, down_until_s: float) -> World:
    """Another run of the hub, from what this one saves at its end; its first step is at that time."""
    rows, store = VehicleRows(), Memory()
    for vehicle in range(4):
        rows.row_of("acme", f"v{vehicle}")
    loop = CheckpointLoop(
        store, world.state, rows, {DEPOT: "depot"}.get, 3_600, world.state.track.sequences,
        documents=EventDocuments(rows, lambda handle: ("depot", "Depot"), lambda number: ("", ""), 1),
    )  # fmt: skip
    loop._ensure_rows(4)
    loop._need[:4] = 1
    await loop.save_rest()
    after = World(*rules, first_visit=1_000)
    after.seq = world.seq
    await restore_vehicles(store, after.state, rows, lambda fleet, fence_id: DEPOT)
    after.first = after.step(now_s=down_until_s)
    return after


async def test_what_time_alone_made_it_tell_is_not_told_again():
    """The dwell of a silent vehicle, ten minutes after its last fix."""
    world = World(DWELL, rule(RuleKind.ENTER), DENY)
    assert len(world.told(Fix(0, IN), now_s=0)) == 2
    assert len(world.told(now_s=700)) == 1
    after = await restarted(world, DWELL, rule(RuleKind.ENTER), DENY, down_until_s=701)
    assert after.first == []
    assert after.told(now_s=9_000) == []
    assert [one.kind for one in after.step(Fix(9_000, IN), Fix(9_001, OUT))] == ["exit"]


async def test_a_dwell_goes_on_by_the_vehicle_s_clock_which_stands_still_while_the_hub_is_down():
    """Two hours down count for nothing: not told at once, and once when the rest has passed, with its own time."""
    world = World(DWELL)
    world.step(Fix(0, IN), Fix(100, IN), now_s=100)
    entered_ms = world.state.fences.state.states.entered_ms[0, 0]
    after = await restarted(world, DWELL, down_until_s=7_200)
    assert after.first == []
    assert after.state.rules.is_waiting
    assert after.told(now_s=7_200 + 499) == []
    assert after.told(now_s=7_200 + 501) == [Said("dwell", "dwell", "timer", 600)]
    assert after.events.entered_ms[0] == entered_ms == T0_MS
    assert after.told(now_s=20_000) == []


async def test_a_fix_after_the_restart_proves_the_dwell_of_the_time_between():
    """The vehicle was inside all the while, as its fixes say: the dwell is told with the exit, before it."""
    world = World(DWELL, LONG)
    world.step(Fix(0, IN), now_s=0)
    assert len(world.told(now_s=601)) == 1
    after = await restarted(world, DWELL, LONG, down_until_s=7_200)
    said = after.step(Fix(7_000, IN), Fix(7_001, OUT), now_s=7_200)
    assert [(one.kind, one.rule) for one in said] == [("dwell", "long"), ("exit", "")]


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_rule_that_is_new_after_the_start_is_told_how_it_is(is_there):
    """The rules of the first step are taken to have been there; those of a later one are new."""
    world = World()
    world.step(Fix(0, IN), now_s=0)
    after = await restarted(world, *([DENY] if is_there else []), down_until_s=100)
    assert after.first == []
    after.rules(DENY)
    told = after.told(now_s=200)
    assert told == ([] if is_there else [Said("unauthorised", "unauthorised", "rule_changed", 100)])


async def test_hours_that_begin_after_the_start_find_who_is_inside():
    """An enter rule tells of a vehicle that stood inside through the restart, by the vehicle's clock."""
    hours = Schedule("UTC", (WeeklyWindow(frozenset(range(7)), 6 * 60 + 30, 7 * 60),))
    enters = rule(RuleKind.ENTER, schedule=hours)
    world = World(enters)
    world.step(Fix(0, IN), now_s=0)
    after = await restarted(world, enters, down_until_s=600)
    assert after.first == []
    assert after.told(Fix(1_900, IN)) == [Said("enter", "enter", "schedule", 1_800)]
    again = await restarted(after, enters, down_until_s=2_000)
    assert [*again.first, *again.told(Fix(2_100, IN))] == []
