"""Jumps in fixes that come in any order: what is believed is decided in the order of time, as the filter would on the same fixes in order."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from late_oracle import FREE, Listener, cut, fixes, hub, run, stepped
from test_late_visits import FENCES, open_visits

from geo.fence_events import Cause
from geo.positions import PositionBatch
from geo.track_filter import FilterLimits, filter_track
from haulcast.tracking.step import step

LIMITS = FREE._replace(speed_limit_mps=90.0, jump_slack_m=200.0)
APART_DEG = 1.1e-5
VEHICLES = 3


@dataclass(frozen=True)
class JumpyDay:
    """Slow walks in and around the zones with jumps in them: `teleports` to a far place for so many fixes, `moves` for good."""

    seed: int
    count: int
    teleports: list[tuple[float, int]]  # where in the day, 0 to 1, and for how many fixes
    moves: list[float]
    accuracies_m: list[float]
    lateness_ms: int
    sizes: list[int] = field(default_factory=lambda: [1])

    def ordered(self) -> PositionBatch:
        """The fixes in order of time."""
        rng = np.random.default_rng(self.seed)
        row = rng.integers(0, VEHICLES, self.count)
        time_ms = 10**9 + np.cumsum(rng.integers(1_000, 30_000, self.count))
        walk = np.empty((self.count, 2))
        for vehicle in range(VEHICLES):
            own = np.flatnonzero(row == vehicle)
            if not len(own):
                continue
            steps = rng.normal(0, 0.004, (len(own), 2))
            steps[0] = rng.uniform(0, 1, 2)
            for share in self.moves:
                steps[int(share * len(own))] += rng.uniform(-0.5, 0.5, 2)
            walk[own] = np.cumsum(steps, axis=0)
            for share, many in self.teleports:
                first = int(share * len(own))
                walk[own[first : first + many]] += rng.uniform(-1, 1, 2)
        return fixes(row, time_ms, *walk.T, rng.choice(self.accuracies_m, self.count))

    def arrivals(self) -> list[PositionBatch]:
        """The same in order of arrival, in batches."""
        ordered = self.ordered()
        late_ms = np.random.default_rng(self.seed + 1).integers(0, self.lateness_ms, self.count)
        return cut(ordered.take(np.argsort(ordered.time_ms + late_ms, kind="stable")), self.sizes)


SHARES = st.sampled_from([0.0, 0.1, 0.3, 0.31, 0.5, 0.7, 0.9, 0.97, 0.999])
DAYS = st.builds(
    JumpyDay, st.integers(0, 2**32), st.integers(1, 120),
    st.lists(st.tuples(SHARES, st.integers(1, 3)), max_size=8), st.lists(SHARES, max_size=3),
    st.sampled_from([[np.nan], [np.nan, 10.0, 30_000.0]]), st.sampled_from([1, 20_000, 120_000, 3_000_000]),
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
)  # fmt: skip


def believed(ordered: PositionBatch, limits: FilterLimits = LIMITS) -> PositionBatch:
    """What a filter takes of fixes in order of time, in plain Python."""
    chosen: list[int] = []
    for vehicle in np.unique(ordered.row):
        last = held = None
        for i in np.flatnonzero(ordered.row == vehicle).tolist():
            follows = last is None or is_near(ordered, last, i, limits)
            if not follows and held is not None and is_near(ordered, held, i, limits):
                chosen.append(held)
                follows = True
            if follows:
                chosen.append(i)
                last, held = i, None
            else:
                held = i
    return ordered.take(np.array(sorted(chosen), np.int64))


def is_near(batch: PositionBatch, one: int, other: int, limits: FilterLimits) -> bool:
    lat, lon = np.radians(batch.lat_deg[[one, other]]), np.radians(batch.lon_deg[[one, other]])
    chord = np.sin(np.diff(lat)[0] / 2) ** 2 + np.prod(np.cos(lat)) * np.sin(np.diff(lon)[0] / 2) ** 2
    allowed_m = (
        limits.jump_slack_m + limits.speed_limit_mps * abs(batch.time_ms[other] - batch.time_ms[one]) / 1000
    )
    allowed_m += np.nansum(batch.accuracy_m[[one, other]])
    return bool(2 * 6371008.8 * np.arcsin(np.sqrt(chord)) <= allowed_m)


def keys(batches: list[PositionBatch]) -> list[tuple]:
    return sorted(
        key
        for batch in batches
        for key in zip(batch.row.tolist(), batch.time_ms.tolist(), batch.lat_deg.tolist(), strict=True)
    )


@settings(max_examples=250, deadline=None)
@given(DAYS, st.booleans())
def test_in_any_order_what_is_believed_is_decided_in_the_order_of_time(day, is_patient):
    """Teleports and real jumps, first, last, several in a row, late or not, given up soon or not: the visits are those of what a plain filter believes in order, and all fixes are kept."""
    ordered, state, results = day.ordered(), hub(4, 4096, 2**40), []
    for batch in day.arrivals():
        results.append(step(state, batch, FENCES, 10**12, LIMITS))
        if not is_patient:
            state.track.give_up_held(state.track.held())
    results += stepped(state, [], FENCES, LIMITS)
    listener = Listener()
    for result in results:
        listener.hear(result.events)
    expected = run(hub(4, 0), [believed(ordered)], FENCES)
    assert listener.same_as(expected, APART_DEG)
    assert open_visits(state) == {
        number: [*visit[:2], visit[2][0]] for number, visit in listener.visits.items() if visit[3] is None
    }
    assert keys([result.kept for result in results]) == keys([ordered])
    assert state.fences.late.unreached == 0


@settings(max_examples=80, deadline=None)
@given(DAYS, st.sampled_from([16, 40]))
def test_in_order_nothing_is_told_anew(day, room):
    """While nothing comes late, the filter's word is that of the order of time: with and without kept fixes the same events, none told as late."""
    batches = cut(day.ordered(), day.sizes)
    with_kept, without = (run(hub(4, kept, 600_000), batches, FENCES, LIMITS) for kept in (room, 0))
    assert without.told == with_kept.told
    assert not any(event[3] == Cause.LATE for event in with_kept.told)


@settings(max_examples=80, deadline=None)
@given(DAYS)
def test_what_is_believed_does_not_depend_on_where_the_kept_fixes_begin(day):
    """With lateness within the window, fix by fix, halves come and go, and the visits stay those of the whole day in order."""
    ordered = day.ordered()
    lateness_ms = min(day.lateness_ms, 120_000)
    late_ms = np.random.default_rng(day.seed + 1).integers(0, lateness_ms, day.count)
    shuffled = ordered.take(np.argsort(ordered.time_ms + late_ms, kind="stable"))
    state = hub(4, 64, 240_000)
    listener = run(state, cut(shuffled, [1]), FENCES, LIMITS)
    assert listener.same_as(run(hub(4, 0), [believed(ordered)], FENCES), APART_DEG)
    assert state.fences.late.unreached == 0


@settings(max_examples=80, deadline=None)
@given(DAYS)
def test_the_oracle_is_the_filter(day):
    """In order of time the filter takes what the plain one believes, and hands the rest on as implausible."""
    ordered, state = day.ordered(), hub(4, 0).track
    parts = [filter_track(state, batch, 10**12, LIMITS) for batch in cut(ordered, day.sizes)]
    state.give_up_held(state.held())
    parts.append(filter_track(state, ordered.take(np.arange(0)), 10**12, LIMITS))
    assert keys([part.accepted for part in parts]) == keys([believed(ordered)])
    refused = [part.implausible for part in parts if part.implausible is not None]
    assert keys([*refused, believed(ordered)]) == keys([ordered])


def test_a_flip_of_the_verdict_is_told_when_it_is_known():
    """Two fixes elsewhere are believed until late ones show the vehicle at home; the visit there is withdrawn, and one goes on at home."""
    state = hub(1, 64)
    minute = 60_000
    home, there = (0.5, 0.5), (-0.9, -0.9)

    def at(*minutes: float, place: tuple[float, float]) -> PositionBatch:
        times = [round(one * minute) for one in minutes]
        return fixes([0] * len(times), times, [place[0]] * len(times), [place[1]] * len(times))

    told = run(state, [at(0, place=home), at(1, 5, place=there)], FENCES, LIMITS)
    assert {visit[1] for visit in told.visits.values() if visit[3] is None} == {2}
    for batch in (at(2, 3, 4, place=home), at(6, 7, place=home)):
        for result in stepped(state, [batch], FENCES, LIMITS):
            told.hear(result.events)
    assert {visit[1] for visit in told.visits.values() if visit[3] is None} == {0, 3, 4}
    assert all(visit[3] is None for visit in told.visits.values())


def test_a_tracker_too_slow_for_the_filters_patience_is_where_it_is():
    """Each of its jumps is given up before the next fix bears it out, so the map stays behind; the visits do not, and nothing is told twice."""
    state, minute = hub(1, 64), 60_000
    told = Listener()
    for number, place in enumerate([(0.5, 0.5), (0.5, 0.5), (-0.9, -0.9), (-0.9, -0.9), (-0.9, -0.9)]):
        batch = fixes([0], [5 * number * minute], [place[0]], [place[1]])
        for result in stepped(state, [batch], FENCES, LIMITS):
            told.hear(result.events)
    assert state.last.of(0)["lat"] == 0.5
    open_now = {visit[1]: visit[2][0] for visit in told.visits.values() if visit[3] is None}
    assert open_now.keys() == {2}
    assert 5 * minute < open_now[2] < 10 * minute
    assert not told.withdrawn
