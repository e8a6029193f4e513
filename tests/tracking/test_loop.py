"""The tick loop without sockets: when it turns, what it counts, and that one bad listener stops nobody."""

from types import SimpleNamespace

import numpy as np
import orjson
import pytest

from geo.fence_set import build_fence_set
from geo.track_filter import FilterLimits
from haulcast.devices.device_frames import decode_frames
from haulcast.fences.watch import FenceWatch
from haulcast.positions.inbox import Inbox
from haulcast.rules.rule import Rule, RuleKind, Selection
from haulcast.rules.rule_set import NO_RULES, build_rule_set
from haulcast.tracking.loop import TickLoop
from haulcast.tracking.step import HubState

NOW_MS = 1_790_000_000_000
LIMITS = FilterLimits(60_000, 10**9, 90.0, 200.0, 2_000.0, 1e6, 1e6)


@pytest.fixture
def hub():
    """A loop whose clock and timers the test turns."""
    made = SimpleNamespace(now_s=100.0, timers=[], results=[], inbox=Inbox(10**6))
    made.state = HubState(FenceWatch(first_visit=1))
    made.state.ensure_rows(8, np.zeros(8, np.int32))
    fences, made.rule_sets = build_fence_set([], 0), [NO_RULES]
    made.listeners = [made.results.append]
    made.loop = TickLoop(
        made.state, made.inbox, limits=LIMITS, tick_ms=20, step_fixes=100,
        decode=lambda waiting, now_ms: decode_frames(waiting, now_ms, 1_000)[0],
        fence_set=lambda: fences, rule_set=lambda: made.rule_sets[-1], listeners=made.listeners,
        now_ms=lambda: NOW_MS + int(made.now_s * 1000), monotonic_s=lambda: made.now_s,
        call_later=lambda delay_s, call: made.timers.append((delay_s, call)),
    )  # fmt: skip
    return made


def put(hub, row: int, seq: int, **values) -> None:
    fix = {"seq": seq, "time_ms": NOW_MS + 100_000 + 100 * seq, "lat": 37.0, "lon": -122.0, **values}
    assert hub.inbox.put(row, orjson.dumps(fix))


def turn(hub) -> float:
    """Let the planned call happen when it is due; how long it had to wait."""
    ((delay_s, call),) = hub.timers
    hub.timers.clear()
    hub.now_s += delay_s
    call()
    return delay_s


def test_the_first_frame_is_stepped_at_once_and_the_next_after_a_tick(hub):
    """A quiet hub answers without waiting; under load a step takes all that has come within the tick."""
    put(hub, 0, 0)
    assert turn(hub) == 0.0
    for seq in range(1, 5):
        put(hub, 0, seq)
    assert turn(hub) == pytest.approx(0.02)
    assert [len(result.accepted) for result in hub.results] == [1, 4]
    assert hub.timers == []


def test_a_step_that_fails_says_what_it_took_and_the_backlog_goes_on(hub, monkeypatch):
    """Its fixes may count as taken, so whoever keeps them is told; the next step takes what waits."""
    failed = []
    monkeypatch.setattr(hub.loop, "_on_failed", failed.append)
    for seq in range(100):
        put(hub, seq % 8, seq)
    with monkeypatch.context() as patch:
        patch.setattr(hub.state.last, "keep", None)
        with pytest.raises(TypeError):
            turn(hub)
    while hub.timers:
        turn(hub)
    assert 0 < len(failed[0]) < 100
    assert failed[0].seq.tolist() + [
        seq for result in hub.results for seq in result.accepted.seq.tolist()
    ] == list(range(100))


def test_a_step_that_fails_names_the_fix_that_it_gave_up_too(hub, monkeypatch):
    """A fix held from an earlier step is refused in the failing one, and nobody heard of it: it has to come again with the others."""
    failed = []
    monkeypatch.setattr(hub.loop, "_on_failed", failed.append)
    put(hub, 0, 0)
    put(hub, 0, 1, lat=50.0)
    turn(hub)
    hub.state.track.give_up_held(np.array([0]))
    put(hub, 0, 2)
    with monkeypatch.context() as patch:
        patch.setattr(hub.state.last, "keep", None)
        with pytest.raises(TypeError):
            turn(hub)
    assert failed[0].seq.tolist() == [1, 2]


def test_what_is_given_up_is_refused_without_a_further_fix(hub):
    """It is work for a step, which hands it on to be kept."""
    put(hub, 0, 0)
    put(hub, 0, 1, lat=50.0)
    turn(hub)
    hub.state.track.give_up_held(np.array([0]))
    hub.loop.wake()
    turn(hub)
    assert hub.results[-1].refused.seq.tolist() == hub.results[-1].kept.seq.tolist() == [1]
    assert (hub.timers, hub.loop.counters.refused) == ([], 1)


def test_the_longest_wait_is_told_once(hub):
    """Of all frames since it was last asked for."""
    assert hub.loop.take_longest_wait_s() == 0.0
    put(hub, 0, 0)
    hub.now_s += 0.7
    turn(hub)
    put(hub, 0, 1)
    turn(hub)
    assert hub.loop.take_longest_wait_s() == pytest.approx(0.7, abs=0.05)
    assert hub.loop.take_longest_wait_s() == 0.0


def test_a_backlog_is_cut_into_steps_and_none_of_it_is_lost(hub):
    """More than a step's worth goes on at once, after the sockets have had their turn."""
    for seq in range(500):
        put(hub, seq % 8, seq)
    turn(hub)
    while hub.timers:
        assert turn(hub) == 0.0
    assert len(hub.results) > 2
    assert sum(len(result.accepted) for result in hub.results) == hub.loop.counters.accepted == 500


def test_sent_is_accepted_and_refused_and_held(hub):
    """Every fix is counted once, refused ones by reason."""
    put(hub, 0, 0)
    put(hub, 0, 0)
    put(hub, 0, 1, lat=0.0, lon=0.0)
    put(hub, 0, 2, time_ms=NOW_MS + 99_000)
    put(hub, 0, 3, lat=50.0)
    turn(hub)
    counters = hub.loop.counters
    assert (counters.fixes, counters.accepted, counters.late, counters.refused) == (5, 2, 1, 2)
    assert len(hub.state.track.held()) == 1
    assert hub.state.track.give_up_held(np.array([0])) == 1
    hub.loop.finish()
    assert counters.fixes == counters.accepted + counters.refused


def test_a_listener_that_fails_stops_neither_the_others_nor_the_next_tick(hub, capsys):
    """The failure is logged with its trace."""

    def broken(result):
        raise RuntimeError("broken on purpose")

    hub.listeners.insert(0, broken)
    put(hub, 0, 0)
    turn(hub)
    put(hub, 0, 1)
    turn(hub)
    assert len(hub.results) == 2
    assert "broken on purpose" in capsys.readouterr().out


def test_newest_first_arrival_ends_with_the_newest_position(hub):
    """Out-of-order fixes never move a marker back."""
    for seq in range(50):
        put(hub, 0, seq, time_ms=NOW_MS + 100_000 - 1_000 * seq, lat=37.0 + 0.001 * seq)
        turn(hub)
    assert hub.state.last.lat_deg[0] == 37.0
    assert hub.state.last.time_ms[0] == NOW_MS + 100_000
    assert [result.moved_rows.tolist() for result in hub.results] == [[0]] + [[]] * 49


def test_finish_steps_all_that_waits(hub):
    """Nothing that was received is left behind at the end."""
    for seq in range(300):
        put(hub, 0, seq)
    hub.loop.finish()
    assert hub.loop.counters.accepted == 300


def test_a_wake_without_frames_steps_by_the_rules_in_force(hub):
    """So that a new rule set, or a moment at which a rule fires, waits for no fix."""
    rules = build_rule_set([Rule("acme", "r", "Rule", RuleKind.ENTER, fences=Selection(frozenset({"f"})))], 1)
    hub.rule_sets.append(rules)
    hub.loop.wake()
    turn(hub)
    assert (len(hub.results), len(hub.results[0].accepted)) == (1, 0)
    assert hub.state.rules.label(0) == ("r", "Rule")


def test_delays_of_a_backlog_are_counted_fix_by_fix(hub):
    """Device delay ends where the queue begins, and both know each fix once."""
    for seq in range(500):
        put(hub, seq % 8, seq, time_ms=NOW_MS + 100_000 - 40_000 + seq)
    hub.timers.clear()
    hub.now_s += 0.3  # something kept the loop from turning
    hub.loop.finish()
    counters = hub.loop.counters
    queue, device = counters.queue_delays, counters.device_delays
    assert queue.counts.sum() == device.counts.sum() == counters.batch_sizes.total == 500
    assert queue.total == pytest.approx(0.3 * 500)
    assert device.total == pytest.approx(sum(40.0 - seq / 1000 for seq in range(500)), rel=1e-6)
    assert counters.step_durations.counts.sum() == counters.batch_sizes.counts.sum() == counters.ticks


def test_a_turn_that_fails_does_not_stop_the_next(hub):
    """What waited behind it is stepped a tick later."""
    decode, failures = hub.loop._decode, [RuntimeError("a fault of ours")]

    def fail_once(waiting, now_ms):
        if failures:
            raise failures.pop()
        return decode(waiting, now_ms)

    hub.loop._decode = fail_once
    for seq in range(300):
        put(hub, 0, seq)
    with pytest.raises(RuntimeError):
        turn(hub)
    left = len(hub.inbox)
    assert left > 0
    assert turn(hub) == pytest.approx(0.02)
    while hub.timers:
        turn(hub)
    assert sum(len(result.accepted) + len(result.refused) for result in hub.results) == left
