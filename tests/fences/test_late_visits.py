"""Fixes that come late: in the end the visits are those of the same fixes in their right order."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from late_oracle import FREE, Listener, cut, fixes, hub, run, stepped

from geo.fence_events import NONE, Cause, Kind
from geo.fence_set import Circle, Fence, FenceSet, build_fence_set, edit_fence_set
from geo.positions import PositionBatch

ZONES = [
    shapely.box(0, 0, 1, 1),
    shapely.box(0.8, 0.2, 2, 1.4),
    shapely.box(-1, -1, 0.1, 0.1),
    Circle(0.5, 0.5, 20_000),
    shapely.box(0.45, -2, 0.55, 2),
]


def set_of(*areas, version: int = 1) -> FenceSet:
    return build_fence_set([Fence(i, 0, area) for i, area in enumerate(areas)], version)


FENCES = set_of(*ZONES)


@dataclass(frozen=True)
class Day:
    """Random walks in and around the zones."""

    seed: int
    vehicles: int
    count: int
    interval_ms: int
    pace_deg: float
    lateness_ms: int
    late_share: float
    sizes: list[int]

    def arrivals(self) -> tuple[PositionBatch, list[PositionBatch]]:
        """The fixes in order, and the same in order of arrival, in batches."""
        rng = np.random.default_rng(self.seed)
        row = rng.integers(0, self.vehicles, self.count)
        time_ms = 10**9 + np.cumsum(rng.integers(1_000, self.interval_ms, self.count))
        place, walk = rng.uniform(-0.5, 1.5, (self.vehicles, 2)), np.empty((self.count, 2))
        for i, vehicle in enumerate(row):
            walk[i] = place[vehicle] = np.clip(place[vehicle] + rng.normal(0, self.pace_deg, 2), -1.5, 2.5)
        ordered = fixes(row, time_ms, *walk.T, rng.choice([np.nan, 10.0, 3_000.0], self.count))
        late_ms = np.where(
            rng.random(self.count) < self.late_share, rng.integers(0, self.lateness_ms, self.count), 0
        )
        return ordered, cut(ordered.take(np.argsort(time_ms + late_ms, kind="stable")), self.sizes)


DAYS = st.builds(
    Day, st.integers(0, 2**32), st.integers(1, 4), st.integers(2, 160), st.sampled_from([2_000, 10_000, 60_000]),
    st.sampled_from([0.02, 0.3]), st.sampled_from([5_000, 60_000, 600_000]), st.sampled_from([0.05, 0.5, 1.0]),
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
)  # fmt: skip
APART_DEG = 1.1e-5  # what is told anew is further apart


@settings(max_examples=150, deadline=None)
@given(DAYS)
def test_any_order_of_arrival_gives_the_visits_of_the_right_order(day):
    """Whatever came late, in whatever batches: folded, the events say the same visits, and so does what the hub knows."""
    ordered, batches = day.arrivals()
    state, expected_state = hub(4, 4096, 2**40), hub(4, 0)
    expected = run(expected_state, [ordered], FENCES)
    listener = run(state, batches, FENCES)
    assert listener.same_as(expected, APART_DEG)
    assert open_visits(state) == {
        number: [*visit[:2], visit[2][0]] for number, visit in listener.visits.items() if visit[3] is None
    }
    assert doubts(state) == doubts(expected_state)
    assert (state.fences.late.unreached, state.fences.late.implausible) == (0, 0)


def open_visits(state) -> dict[int, list]:
    opened = state.fences.state.open_visits(np.arange(4))
    return {
        visit: [row, handle, entered]
        for row, handle, visit, entered in zip(*(c.tolist() for c in opened), strict=True)
    }


def doubts(state) -> list:
    states = state.fences.state.states
    return [
        (states.handle[row, :used].tolist(), states.doubt[row, :used].tolist(), states.time_ms[row])
        for row, used in enumerate(states.used[:4].tolist())
        if states.is_known[row]
    ]


@settings(max_examples=60, deadline=None)
@given(DAYS)
def test_the_last_minutes_are_reached_however_many_halves_have_been_dropped(day):
    """With lateness within the window, fix by fix, nothing is out of reach, and the visits are those of the right order."""
    ordered, batches = replace(day, sizes=[1]).arrivals()
    state = hub(4, 512, 600_000)
    expected = run(hub(4, 0), [ordered], FENCES)
    listener = run(state, batches, FENCES)
    assert listener.same_as(expected, APART_DEG)
    assert state.fences.late.unreached == 0


@settings(max_examples=60, deadline=None)
@given(DAYS, st.integers(16, 40), st.sampled_from([1, 10_000, 600_000]))
def test_with_little_room_what_is_told_is_what_is_known(day, room, window_ms):
    """When late fixes are out of reach, they are counted, and still every event fits those before and what the hub knows."""
    _, batches = day.arrivals()
    state = hub(4, room, window_ms)
    listener, results = Listener(), stepped(state, batches, FENCES)
    for result in results:
        listener.hear(result.events)
    assert open_visits(state) == {
        number: [*visit[:2], visit[2][0]] for number, visit in listener.visits.items() if visit[3] is None
    }
    late = sum(int(result.is_late.sum()) for result in results)
    assert 0 <= state.fences.late.unreached <= late


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_three_eighths_of_the_room_are_always_reached(seed, most):
    """A fix that is late by a few fixes is reached, however fast its vehicle sends, and whatever came late before."""
    rng = np.random.default_rng(seed)
    count = 400
    place = 1 + np.sin(np.cumsum(rng.normal(0, 0.1, (count, 2)), axis=0))
    ordered = fixes(np.zeros(count), 10**9 + 1_000 * np.arange(count), *place.T, 3_000.0)
    shuffled = ordered.take(np.argsort(np.arange(count) + rng.integers(0, most + 1, count), kind="stable"))
    state = hub(1, 64, 2**40)
    expected = run(hub(1, 0), [ordered], FENCES)
    listener = run(state, cut(shuffled, rng.integers(1, 13, 9).tolist()), FENCES)
    assert listener.same_as(expected, APART_DEG)
    assert state.fences.late.unreached == 0


# Conversations with vehicle 0 about the square 0 to 1, at one fix a minute

SQUARE = set_of(shapely.box(0, 0, 1, 1))
MINUTE = 60_000


def at(*minutes_and_lons: tuple[float, float], accuracy_m: float = np.nan) -> PositionBatch:
    """Fixes of vehicle 0 on its way east through the middle of the square."""
    minutes, lons = zip(*minutes_and_lons, strict=True)
    times = [round(minute * MINUTE) for minute in minutes]
    return fixes([0] * len(lons), times, [0.5] * len(lons), lons, accuracy_m)


def told_of(state, *batches: PositionBatch, fence_set: FenceSet = SQUARE, limits=FREE) -> list[tuple]:
    """(kind, cause, visit, time, entered, left) of what a hub says, times in minutes."""
    told = []
    for result in stepped(state, batches, fence_set, limits):
        told += [
            (
                Kind(kind),
                Cause(cause),
                visit,
                *(time_ms if time_ms == NONE else time_ms / MINUTE for time_ms in times),
            )
            for kind, cause, visit, *times in zip(
                *(
                    getattr(result.events, name).tolist()
                    for name in ("kind", "cause", "visit", "time_ms", "entered_ms", "left_ms")
                ),
                strict=True,
            )
        ]
    return told


def test_a_late_fix_that_proves_an_exit_corrects_the_times():
    """In at 0 and seen out at 10: a fix of minute 2 outside says that the exit was sooner."""
    state = hub(1, 64)
    assert told_of(state, at((0, 0.5), (10, 2.5))) == [
        (Kind.ENTER, Cause.MOVED, 1, 0, 0, NONE),
        (Kind.EXIT, Cause.MOVED, 1, 2.5, 0, 2.5),
    ]
    assert told_of(state, at((2, 1.5))) == [(Kind.CORRECTED, Cause.LATE, 1, 1, 0, 1)]
    assert told_of(state, at((0.5, 0.5))) == [(Kind.CORRECTED, Cause.LATE, 1, 1.25, 0, 1.25)]
    assert told_of(state, at((0.5, 0.5))) == []


def test_a_visit_between_two_fixes_is_told_when_its_fix_comes():
    """Seen before and behind the fence, and late within: it is told with an id of its own, entered and left."""
    state = hub(1, 64)
    assert told_of(state, at((0, -1), (10, 2))) == []
    assert told_of(state, at((5, 0.5))) == [
        (Kind.ENTER, Cause.LATE, 1, pytest.approx(10 / 3, abs=1e-4), pytest.approx(10 / 3, abs=1e-4), NONE),
        (
            Kind.EXIT,
            Cause.LATE,
            1,
            pytest.approx(20 / 3, abs=1e-4),
            pytest.approx(10 / 3, abs=1e-4),
            pytest.approx(20 / 3, abs=1e-4),
        ),
    ]


def test_a_visit_that_never_was_is_withdrawn():
    """Two stays with a doubtful trip outside in between turn out to be one when a fix inside comes late: the second is withdrawn."""
    state = hub(1, 64)
    fixed = at((0, 0.5), (1, 1.02), (3, 1.02), (4, 0.5), accuracy_m=3_000.0)
    told = told_of(state, fixed)
    assert [event[0] for event in told] == [Kind.ENTER, Kind.EXIT, Kind.ENTER]
    told = told_of(state, at((2, 0.99), accuracy_m=3_000.0))
    assert [event[:3] for event in told] == [
        (Kind.WITHDRAWN, Cause.LATE, 2),
        (Kind.CORRECTED, Cause.LATE, 1),
    ]
    assert told[1][3:] == (0, 0, NONE)
    assert state.fences.state.open_visits(np.array([0])).visit.tolist() == [1]


def test_a_visit_torn_in_two_keeps_its_id_for_the_first_part():
    """A fix outside that comes late ends the told visit and begins another."""
    state = hub(1, 64)
    told_of(state, at((0, 0.5), (10, 0.5)))
    told = told_of(state, at((5, 1.5)))
    assert [event[:4] for event in told] == [
        (Kind.EXIT, Cause.LATE, 1, 2.5),
        (Kind.ENTER, Cause.LATE, 2, 7.5),
    ]


def test_a_late_fix_where_the_vehicle_cannot_have_been_moves_no_fence():
    """A late teleport agrees with neither neighbour; two in a row that agree with each other are believed, and then what follows has to be borne out, as in their order."""
    limits = FREE._replace(speed_limit_mps=90.0, jump_slack_m=200.0)
    state = hub(1, 64)
    told_of(state, at((0, 3.0), (1, 3.01)), limits=limits)
    assert told_of(state, at((0.5, 0.5)), limits=limits) == []
    assert state.fences.late.implausible == 1
    assert [event[0] for event in told_of(state, at((0.5, 0.5), (0.6, 0.5)), limits=limits)] == [Kind.ENTER]
    assert [event[0] for event in told_of(state, at((1.1, 3.01)), limits=limits)] == [Kind.EXIT]


def test_an_edited_fence_is_left_alone_and_the_others_are_not():
    """What was told of a fence before its edit or deletion stands; late fixes of that time change only other fences' visits."""
    areas = [shapely.box(0, 0, 1, 1), shapely.box(0, 0, 1, 1), shapely.box(0, 0, 1, 1)]
    before = set_of(*areas)
    after = edit_fence_set(before, [Fence(1, 0, shapely.box(0, 0, 5, 1))], [2], 2)
    state, listener = hub(1, 64), Listener()
    for batch, fence_set in (
        (at((0, 0.5), (4, 0.6), (10, 2.5)), before),
        (at((11, 2.5)), after),
        (at((7, 1.5)), after),
        (at((12, 6.5)), after),
        (at((11.5, 4.0)), after),
    ):
        for result in stepped(state, [batch], fence_set):
            listener.hear(result.events)
    corrected = [(event[1], event[4]) for event in listener.told if event[3] == Cause.LATE]
    assert corrected == [(0, 1)]
    ends = {
        number: (visit[1], visit[3] and round(visit[3][0] / MINUTE, 2))
        for number, visit in listener.visits.items()
    }
    assert ends[1] == (0, 5.33)
    assert ends[2][0] == 1
    assert ends[3] == (2, 5.26)
    assert state.fences.state.open_visits(np.array([0])).handle.tolist() == []


def test_a_fence_is_corrected_again_when_its_edit_lies_further_back_than_the_fixes_kept():
    """An edit keeps its fence out of corrections only as long as fixes from before it are kept."""
    after = edit_fence_set(SQUARE, [Fence(0, 0, shapely.box(0, 0, 2, 1))], [], 2)
    state = hub(1, 64, 5 * MINUTE)
    told_of(state, at((0, -3), (1, -3)))
    for minute in range(2, 20):
        told_of(state, at((minute, -3)), fence_set=after)
    told = told_of(state, at((20, 4)), at((19.5, 1)), fence_set=after)
    assert [event[0] for event in told] == [Kind.ENTER, Kind.EXIT]


def test_a_deleted_vehicle_takes_what_waited_with_it():
    """After its deletion a vehicle is new: late fixes of before find nothing, and its old visits are not told again."""
    state = hub(1, 64)
    told_of(state, at((0, 0.5), (10, 2.5)))
    state.fences.late._queue(at((5, 1.5)), np.zeros(1, np.int32))
    state.fences.forget(0)
    assert not state.fences.is_waiting
    assert [event[:4] for event in told_of(state, at((20, 0.5)))] == [(Kind.ENTER, Cause.MOVED, 2, 20)]
    assert [event[:4] for event in told_of(state, at((19, 0.5)))] == [(Kind.CORRECTED, Cause.LATE, 2, 19)]


def test_after_a_restart_late_fixes_of_before_are_counted_and_later_ones_reached():
    """What was kept is gone with the run; the open visit goes on with its id, and is corrected from then on."""
    first, second = hub(1, 64), hub(1, 64)
    told_of(first, at((0, 0.5), (10, 0.5)))
    states, rows = first.fences.state.states, np.array([0], np.int32)
    visits = first.fences.state.open_visits(rows)
    second.fences.state.restore(rows, states.time_ms[:1], states.lat_deg[:1], states.lon_deg[:1], visits)
    second.track.track["newest_ms"][0] = 10 * MINUTE
    assert told_of(second, at((5, 1.5))) == []
    assert second.fences.late.unreached == 1
    assert [event[:4] for event in told_of(second, at((20, 2.5)))] == [(Kind.EXIT, Cause.MOVED, 1, 12.5)]
    assert told_of(second, at((15, 2.5))) == [(Kind.CORRECTED, Cause.LATE, 1, 11.25, 0, 11.25)]


def test_a_flood_of_late_fixes_is_spread_over_steps_and_the_rest_is_counted(monkeypatch):
    """So many are evaluated in one step, in order of arrival; nothing is lost below the bound, and in the end all is told."""
    monkeypatch.setattr("haulcast.fences.late_visits.STEP_FIXES", 30)
    vehicles = 40
    everyone = np.arange(vehicles)
    state, listener = hub(vehicles, 64), Listener()
    for minute, lon in ((0, -1.0), (10, 2.0)):
        stepped(
            state, [fixes(everyone, [minute * MINUTE] * vehicles, [0.5] * vehicles, [lon] * vehicles)], SQUARE
        )
    results = stepped(
        state, [fixes(everyone, [5 * MINUTE] * vehicles, [0.5] * vehicles, [0.5] * vehicles)], SQUARE
    )
    assert [len(np.unique(result.events.row)) for result in results] == [10, 10, 10, 10]
    for result in results:
        listener.hear(result.events)
    assert len(listener.visits) == vehicles
    monkeypatch.setattr("haulcast.fences.late_visits.WAITING_FIXES", 15)
    stepped(state, [fixes(everyone, [6 * MINUTE] * vehicles, [0.5] * vehicles, [0.5] * vehicles)], SQUARE)
    assert state.fences.late.unreached == vehicles - 15


def test_a_fleet_without_fences_keeps_nothing_and_counts_nothing():
    """Late fixes of vehicles that no fence is about are nobody's business here; from its first fence on they are."""
    state = hub(1, 64)
    empty = set_of(version=0)
    told_of(state, at((0, 0.5), (10, 2.5)), at((5, 0.5)), fence_set=empty)
    assert state.fences.late.kept.counts(np.array([0])).tolist() == [0]
    told_of(state, at((20, 3.5)), at((15, 0.5)))
    assert state.fences.late.unreached == 0
    assert state.fences.late.kept.counts(np.array([0])).tolist() == [2]


def test_the_same_arrivals_give_the_same_events():
    """Twice the same is told twice the same, ids included."""
    day = Day(5, 3, 150, 10_000, 0.3, 60_000, 0.5, [7, 30])
    first, second = (run(hub(4, 64), day.arrivals()[1], FENCES) for _ in range(2))
    assert first.told == second.told
    assert any(event[3] == Cause.LATE for event in first.told)
