"""The filter against a plain Python oracle, and each reason by a small example."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.positions import PositionBatch, concatenate, position_batch
from geo.track_filter import FilterLimits, Reason, TrackState, filter_track

NOW_MS = 1_790_000_000_000
LIMITS = FilterLimits(
    future_ms=60_000,
    late_ms=86_400_000,
    speed_limit_mps=90.0,
    jump_slack_m=200.0,
    accuracy_limit_m=2_000.0,
    device_rate_per_s=100.0,
    device_burst=1_000.0,
)


def batch_of(*fixes: dict) -> PositionBatch:
    """A batch from dicts; seq counts up and time passes a second a fix unless said otherwise."""
    batch = position_batch(len(fixes))
    for i, fix in enumerate(fixes):
        defaults = {
            "row": 0,
            "seq": i,
            "time_ms": NOW_MS - 60_000 + 1_000 * i,
            "lat_deg": 37.7,
            "lon_deg": -122.4,
        }
        for name, value in {**defaults, **fix}.items():
            getattr(batch, name)[i] = value
    return batch


def fresh_state(rows: int = 4) -> TrackState:
    state = TrackState()
    state.ensure_rows(rows)
    return state


def refusals(
    batch: PositionBatch, state: TrackState | None = None, now_ms: int = NOW_MS
) -> dict[int, Reason]:
    """Sequence -> reasons of what is refused."""
    refused = filter_track(state or fresh_state(), batch, now_ms, LIMITS).refused
    return {int(seq): Reason(int(bits)) for seq, bits in zip(refused.seq, refused.reasons, strict=True)}


@pytest.mark.parametrize(
    ("fix", "reason"),
    [
        ({"lat_deg": 90.1}, Reason.INVALID_COORDINATE),
        ({"lon_deg": -180.5}, Reason.INVALID_COORDINATE),
        ({"lat_deg": math.nan}, Reason.INVALID_COORDINATE),
        ({"lon_deg": math.inf}, Reason.INVALID_COORDINATE),
        ({"lat_deg": 0.0, "lon_deg": 0.0}, Reason.NULL_ISLAND),
        ({"time_ms": NOW_MS + 60_001}, Reason.FUTURE),
        ({"time_ms": NOW_MS - 86_400_001}, Reason.STALE),
        ({"accuracy_m": 2_000.1}, Reason.POOR_ACCURACY),
        ({"lat_deg": 0.0, "lon_deg": 0.0, "time_ms": NOW_MS + 99_999}, Reason.NULL_ISLAND | Reason.FUTURE),
        (
            {"lat_deg": 99.0, "accuracy_m": 1e9, "time_ms": 0},
            Reason.INVALID_COORDINATE | Reason.POOR_ACCURACY | Reason.STALE,
        ),
    ],
)
def test_a_fix_is_refused_with_all_its_own_reasons(fix, reason):
    """Every reason that a fix carries by itself is named, not only the first."""
    assert refusals(batch_of(fix)) == {0: reason}


@pytest.mark.parametrize(
    "fix", [{"lat_deg": 90.0}, {"lon_deg": 180.0}, {"lat_deg": 0.0, "lon_deg": 1e-5}, {"accuracy_m": 2_000.0}]
)
def test_limits_themselves_are_allowed(fix):
    """A value exactly at its limit is taken."""
    assert refusals(batch_of(fix)) == {}


def test_the_same_sequence_and_the_same_time_are_duplicates():
    """A sequence that was taken, or the time of the newest fix, is refused as a duplicate, also batches later."""
    state = fresh_state()
    assert refusals(batch_of({"seq": 5}, {"seq": 5, "time_ms": NOW_MS}, {"seq": 6}), state) == {
        5: Reason.DUPLICATE
    }
    late = batch_of({"seq": 5, "time_ms": NOW_MS - 70_000})
    assert refusals(late, state) == {5: Reason.DUPLICATE | Reason.OUT_OF_ORDER}
    assert refusals(batch_of({"seq": 9, "time_ms": NOW_MS - 60_000 + 2_000}), state) == {9: Reason.DUPLICATE}


def test_a_late_fix_is_taken_but_moves_nothing():
    """Newest-first arrival takes every fix, all but the first as late."""
    batch = batch_of(*({"seq": i, "time_ms": NOW_MS - 1_000 * i} for i in range(50)))
    result = filter_track(fresh_state(), batch, NOW_MS, LIMITS)
    assert len(result.accepted) == 50
    assert not result.is_late[0]
    assert result.is_late[1:].all()


def test_a_single_teleport_is_refused_when_the_track_goes_on_without_it():
    """One wild fix between good ones is held, then refused as an impossible jump."""
    batch = batch_of({}, {"lat_deg": 40.0}, {})
    state = fresh_state()
    result = filter_track(state, batch, NOW_MS, LIMITS)
    assert result.accepted.seq.tolist() == [0, 2]
    assert result.refused.seq.tolist() == [1]
    assert result.refused.reasons.tolist() == [Reason.IMPOSSIBLE_JUMP]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_teleport_that_is_borne_out_is_released_in_order(cut):
    """When the next fix agrees with the held one both are taken, also when they come in different batches and room is made between."""
    whole = batch_of({}, {"lat_deg": 40.0}, {"lat_deg": 40.0001}, {"lat_deg": 40.0002})
    whole = PositionBatch(
        *(getattr(whole, n) for n in whole.__slots__[:-1]), attributes={1: b'{"held":1}', 3: b'{"x":3}'}
    )
    state = fresh_state()
    parts = [filter_track(state, whole.take(np.arange(cut)), NOW_MS, LIMITS).accepted]
    state.ensure_rows(20_000)
    parts.append(filter_track(state, whole.take(np.arange(cut, 4)), NOW_MS, LIMITS).accepted)
    taken = concatenate(parts)
    assert taken.seq.tolist() == [0, 1, 2, 3]
    assert taken.lat_deg.tolist() == [37.7, 40.0, 40.0001, 40.0002]
    assert dict(taken.attributes) == {1: b'{"held":1}', 3: b'{"x":3}'}


def test_a_wild_first_fix_does_not_poison_the_rest():
    """After a bad first fix the true track takes over with its second fix."""
    batch = batch_of({"lat_deg": -10.0}, {}, {}, {})
    result = filter_track(fresh_state(), batch, NOW_MS, LIMITS)
    assert result.accepted.seq.tolist() == [0, 1, 2, 3]


def test_nothing_is_acked_past_a_held_fix():
    """The cumulative sequence stays below a fix that is held, and passes it once it is decided."""
    state = fresh_state()
    row = np.array([0])
    filter_track(state, batch_of({}, {"lat_deg": 40.0}), NOW_MS, LIMITS)
    assert state.handled_seq(row).tolist() == [0]
    assert state.give_up_held(row) == 1
    assert state.handled_seq(row).tolist() == [0]
    gone = filter_track(state, batch_of(), NOW_MS, LIMITS).refused
    assert (gone.seq.tolist(), gone.reasons.tolist()) == ([1], [Reason.IMPOSSIBLE_JUMP])
    assert state.handled_seq(row).tolist() == [1]
    assert state.give_up_held(row) == 0


def test_what_is_held_for_too_long_is_given_up():
    """A held fix that nothing follows is refused once it has waited since before the given time."""
    state = fresh_state()
    filter_track(state, batch_of({}, {"lat_deg": 40.0}), NOW_MS, LIMITS)
    assert state.give_up_held_before(NOW_MS) == 0
    assert state.give_up_held_before(NOW_MS + 1) == state.give_up_held_before(NOW_MS + 1) == 1
    assert (state.has_given_up, state.given_up().seq.tolist()) == (True, [1])
    result = filter_track(state, batch_of({"seq": 2, "time_ms": NOW_MS, "lat_deg": 40.0}), NOW_MS, LIMITS)
    assert (result.refused.seq.tolist(), result.refused.source.tolist()) == ([1], [-1])
    assert (state.has_given_up, len(state.given_up())) == (False, 0)
    assert state.held_seq(np.array([0])).tolist() == [2]


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_what_is_refused_for_a_jump_is_handed_on_and_kept_in_order_of_arrival(cut):
    """Implausible are those alone, with their attributes, wherever batches are cut; other refusals are not kept."""
    whole = batch_of({}, {"lat_deg": 40.0}, {"lat_deg": 0.0, "lon_deg": 0.0}, {"lat_deg": -40.0}, {})
    whole = PositionBatch(
        *(getattr(whole, n) for n in whole.__slots__[:-1]), attributes={1: b'{"held":1}', 4: b'{"x":4}'}
    )
    state = fresh_state()
    parts = [
        filter_track(state, whole.take(np.arange(a, b)), NOW_MS, LIMITS) for a, b in ((0, cut), (cut, 5))
    ]
    implausible = concatenate([part.implausible for part in parts if part.implausible is not None])
    assert implausible.seq.tolist() == [1, 3]
    assert dict(implausible.attributes) == {0: b'{"held":1}'}
    kept = concatenate([part.kept for part in parts])
    assert kept.seq.tolist() == [0, 1, 3, 4]
    assert dict(kept.attributes) == {1: b'{"held":1}', 3: b'{"x":4}'}
    assert concatenate([part.accepted for part in parts]).seq.tolist() == [0, 4]


def test_a_copy_that_comes_while_its_fix_is_given_up_is_a_fix_of_its_own():
    """The given-up one is refused first; the copy is then held as any other, and a row that let its fix go refuses nothing."""
    state = fresh_state()
    jump = batch_of({"seq": 1, "lat_deg": 40.0})
    filter_track(state, batch_of({"time_ms": NOW_MS - 90_000}), NOW_MS, LIMITS)
    filter_track(state, jump, NOW_MS, LIMITS)
    state.give_up_held(state.held())
    result = filter_track(state, jump, NOW_MS, LIMITS)
    assert (result.refused.seq.tolist(), result.implausible.seq.tolist()) == ([1], [1])
    assert state.held().tolist() == [0]
    state.give_up_held(state.held())
    state.let_go_held(np.array([0]))
    assert len(filter_track(state, batch_of(), NOW_MS, LIMITS).refused) == 0


def test_the_token_bucket_refuses_what_is_over_and_fills_again():
    """A burst is taken whole, the next fix is refused, and a second later the rate's worth is taken."""
    state = fresh_state()
    burst = batch_of(*({"time_ms": NOW_MS - 40_000 + 10 * i} for i in range(1_001)))
    assert refusals(burst, state) == {1_000: Reason.RATE_LIMITED}
    more = batch_of(*({"seq": 2_000 + i, "time_ms": NOW_MS - 20_000 + 10 * i} for i in range(101)))
    assert refusals(more, state, NOW_MS + 1_000) == {2_100: Reason.RATE_LIMITED}


def test_the_counts_name_every_reason_once_a_fix():
    """`counts` adds a fix with two reasons under both."""
    batch = batch_of({"lat_deg": 0.0, "lon_deg": 0.0, "time_ms": 0}, {"accuracy_m": 9e9})
    refused = filter_track(fresh_state(), batch, NOW_MS, LIMITS).refused
    counts = {reason.name: int(n) for reason, n in zip(Reason, refused.counts(), strict=True) if n}
    assert counts == {"NULL_ISLAND": 1, "STALE": 1, "POOR_ACCURACY": 1}


# --- the oracle -------------------------------------------------------------------------------------------------


@dataclass
class OracleVehicle:
    """The filter's rules once more, a dict and a list per vehicle."""

    newest: dict | None = None
    held: dict | None = None
    taken_seqs: list[int] = field(default_factory=list)


def plausible(a: dict, b: dict) -> bool:
    lat_a, lat_b = math.radians(a["lat_deg"]), math.radians(b["lat_deg"])
    lon = math.radians(b["lon_deg"] - a["lon_deg"])
    angle = math.acos(
        min(1.0, math.sin(lat_a) * math.sin(lat_b) + math.cos(lat_a) * math.cos(lat_b) * math.cos(lon))
    )
    return 6_371_008.8 * angle <= 200.0 + 90.0 * abs(a["time_ms"] - b["time_ms"]) / 1_000


def oracle(fixes: list[dict]) -> tuple[list[tuple[int, bool]], list[int]]:
    """(row, seq) taken with lateness, in order, and the (row, seq) refused."""
    vehicles: dict[int, OracleVehicle] = {}
    taken, refused = [], []
    for fix in fixes:
        v = vehicles.setdefault(fix["row"], OracleVehicle())
        name = (fix["row"], fix["seq"])
        twice = fix["seq"] in v.taken_seqs
        twice = twice or any(o and (o["time_ms"] == fix["time_ms"]) for o in (v.newest, v.held))
        twice = twice or (v.held is not None and v.held["seq"] == fix["seq"])
        if twice:
            refused.append(name)
            continue
        if v.newest and fix["time_ms"] < v.newest["time_ms"]:
            taken.append((name, True))
            v.taken_seqs.append(fix["seq"])
            continue
        follows = v.newest is None or plausible(v.newest, fix)
        agrees = v.held is not None and plausible(v.held, fix)
        if not follows and not agrees:
            if v.held:
                refused.append((fix["row"], v.held["seq"]))
            v.held = fix
            continue
        track = [fix]
        if v.held and agrees and not follows and v.held["time_ms"] < fix["time_ms"]:
            track = [v.held, fix]
        elif v.held and agrees and v.held["time_ms"] > fix["time_ms"]:
            track = [fix, v.held]
        elif v.held:
            refused.append((fix["row"], v.held["seq"]))
        v.held = None
        taken += [((f["row"], f["seq"]), False) for f in track]
        v.taken_seqs += [f["seq"] for f in track]
        v.newest = track[-1]
    return taken, refused


fix_strategy = st.fixed_dictionaries(
    {
        "row": st.integers(0, 2),
        "seq": st.integers(0, 40),
        "time_ms": st.integers(0, 30).map(lambda s: NOW_MS - 40_000 + 1_000 * s),
        "lat_deg": st.sampled_from([37.0, 37.001, 37.01, 38.0, 38.001]),
        "lon_deg": st.sampled_from([-122.0, -122.001, -121.0]),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(fix_strategy, max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_any_stream_is_decided_as_the_plain_rules_say(fixes, cuts):
    """Whatever arrives, cut into batches anywhere: taken, late, refused and their order equal the oracle's."""
    state = fresh_state()
    taken, refused = [], []
    edges = sorted({0, len(fixes), *(c for c in cuts if c < len(fixes))})
    for start, stop in pairwise(edges):
        result = filter_track(state, batch_of(*fixes[start:stop]), NOW_MS, LIMITS)
        rows_seqs = zip(result.accepted.row.tolist(), result.accepted.seq.tolist(), strict=True)
        taken += list(zip(rows_seqs, result.is_late.tolist(), strict=True))
        refused += list(zip(result.refused.row.tolist(), result.refused.seq.tolist(), strict=True))
    assert (taken, refused) == oracle(fixes)
    assert len(fixes) == len(taken) + len(refused) + len(state.held())


def test_what_was_taken_and_not_kept_comes_again_late():
    """The newest fix and older ones pass a second time, as late ones, and a third time they are what they were."""
    state = fresh_state()
    batch = batch_of(*({"seq": 5 + i} for i in range(4)))
    filter_track(state, batch, NOW_MS, LIMITS)
    track = state.track[0].copy()
    state.untake(batch.take(np.array([2, 3])), np.array([6, 6]))
    assert state.handled_seq(np.array([0])).tolist() == [6]
    assert not state.is_taken(np.zeros(4, int), batch.seq).any()
    again = filter_track(state, batch.take(np.array([2, 3])), NOW_MS, LIMITS)
    assert (again.accepted.seq.tolist(), again.is_late.tolist()) == ([7, 8], [True, True])
    for name in ("newest_ms", "newest_lat", "newest_lon", "top_seq", "handled_seq"):
        assert state.track[0][name] == track[name]
    assert state.is_taken(np.zeros(4, int), batch.seq).tolist() == [False, False, True, True]
    assert set(refusals(batch.take(np.array([2, 3])), state)) == {7, 8}


def test_a_newer_fix_ends_the_second_chance_of_the_one_before():
    """A fix of the newest time is a duplicate again once that is another one."""
    state = fresh_state()
    batch = batch_of({"seq": 1})
    filter_track(state, batch, NOW_MS, LIMITS)
    state.untake(batch, np.array([-1]))
    filter_track(state, batch_of({"seq": 2, "time_ms": NOW_MS}), NOW_MS, LIMITS)
    assert refusals(batch_of({"seq": 9, "time_ms": NOW_MS}), state) == {9: Reason.DUPLICATE}


def test_a_fix_without_a_sequence_has_a_second_chance_too():
    """It is known by its time alone."""
    state = fresh_state()
    batch = batch_of({"seq": -1})
    filter_track(state, batch, NOW_MS, LIMITS)
    state.untake(batch, np.array([-1]))
    assert filter_track(state, batch, NOW_MS, LIMITS).is_late.tolist() == [True]
    assert refusals(batch, state) == {-1: Reason.DUPLICATE}
