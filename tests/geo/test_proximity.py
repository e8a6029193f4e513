"""Pairs near and apart against all pairs by geographiclib, and each rule by a small example."""

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.kernels import proximity as kernel
from geo.proximity import OTHER, VEHICLE, Proximity, Turns, warm_up

BOTH = VEHICLE | OTHER
Fix = tuple[int, int, float, float]  # row, time, lat, lon


def apart(lat0, lon0, lat1, lon1) -> float:
    return Geodesic.WGS84.Inverse(lat0, lon0, lat1, lon1)["s12"]


def east(metres: float, lat: float = 0.0, lon: float = 0.0) -> tuple[float, float]:
    """The place so many metres due east."""
    line = Geodesic.WGS84.Direct(lat, lon, 90.0, metres)
    return line["lat2"], line["lon2"]


def group_of(*sides: int, distance_m: float = 500.0) -> Proximity:
    """One group; row i has the sides of place i."""
    proximity = Proximity()
    proximity.set_distance(0, distance_m)
    proximity.add(list(range(len(sides))), [0] * len(sides), list(sides))
    return proximity


def moved(proximity: Proximity, *fixes: Fix, accuracy_m: float = np.nan) -> Turns:
    row, time_ms, lat, lon = (np.array(column) for column in zip(*fixes, strict=True))
    accuracy = np.full(len(row), accuracy_m)
    return proximity.move(row.astype(np.int32), time_ms, lat.astype(float), lon.astype(float), accuracy)


def short(turns: Turns) -> list[tuple]:
    """(row, other, is_near, fix, time) of each turn."""
    columns = (turns.row, turns.other, turns.is_near, turns.fix, turns.time_ms)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_a_drive_past_a_parked_one_is_timed_at_the_distance():
    """The pair turns where the mover is the distance away from the other, at that moment, with one number from near to apart."""
    proximity = group_of(VEHICLE, OTHER)
    turns = moved(
        proximity,
        (1, 0, *east(0)),
        (0, 10_000, *east(-1000)),
        (0, 20_000, *east(0)),
        (0, 30_000, *east(1000)),
    )
    assert short(turns) == [(0, 1, True, 2, 15_000), (0, 1, False, 3, 25_000)]
    assert turns.pair[0] == turns.pair[1]
    assert turns.mover.tolist() == [0, 0]
    assert turns.lon_deg == pytest.approx([east(-500)[1], east(500)[1]], abs=1e-8)
    assert turns.apart_m == pytest.approx([0, 1000], abs=1e-3)


def test_the_vehicle_is_told_of_whoever_moved():
    """The row is the rule's vehicle also when the other one moved; of two that are both, it is the lower one, and the pair is one."""
    turns = moved(group_of(VEHICLE, OTHER), (0, 0, 0, 0), (1, 1000, 0, 1), (1, 2000, 0, 0))
    assert short(turns)[0][:4] == (0, 1, True, 2)
    assert turns.mover.tolist() == [1]
    turns = moved(group_of(BOTH, BOTH), (1, 0, 0, 0), (0, 1000, 0, 0))
    assert short(turns) == [(0, 1, True, 1, 1000)]


def test_only_a_vehicle_and_an_other_make_a_pair():
    """Two vehicles, two others, one alone, and members of different groups are no pairs; a row that is no member is ignored."""
    same = (0.0, 0.0)
    for sides in ((VEHICLE, VEHICLE), (OTHER, OTHER), (BOTH,)):
        assert not len(moved(group_of(*sides), *[(row, 0, *same) for row in range(4)]).row)
    proximity = group_of(VEHICLE)
    proximity.set_distance(1, 500.0)
    proximity.add([1], [1], [OTHER])
    assert not len(moved(proximity, (0, 0, *same), (1, 0, *same)).row)
    assert not len(proximity.move(np.empty(0, np.int32), *[np.empty(0)] * 4).row)


def test_a_row_is_in_several_groups_at_once():
    """Each group has a distance of its own, and a fix is looked at in all of them."""
    proximity = group_of(VEHICLE, OTHER)
    proximity.set_distance(3, 5000.0)
    proximity.add([0, 1], [3, 3], [OTHER, VEHICLE])
    turns = moved(proximity, (0, 0, 0, 0), (1, 0, *east(3000)), (1, 1000, *east(100)))
    assert list(zip(turns.group.tolist(), turns.row.tolist(), strict=True)) == [(3, 1), (0, 0)]


@pytest.mark.parametrize(
    ("place", "other"),
    [
        ((0, 179.999), (0, -179.999)),
        ((89.999, 10), (89.999, -170)),
        ((-90, 0), (-89.998, 120)),
        ((90, 0), (90, 77)),
    ],
)
def test_neither_180_nor_a_pole_is_special(place, other):
    """Pairs over the antimeridian and at a pole are found, from either side."""
    for first, second in ((place, other), (other, place)):
        turns = moved(group_of(BOTH, BOTH), (0, 0, *first), (1, 0, *second))
        assert turns.apart_m == pytest.approx([apart(*first, *second)], abs=1e-3)


def test_a_way_over_180_is_interpolated_the_short_way():
    """Coming near over the antimeridian, the place is on the mover's short way."""
    turns = moved(group_of(VEHICLE, OTHER), (1, 0, 0, 179.999), (0, 0, 0, -179.99), (0, 10_000, 0, 179.995))
    assert apart(turns.lat_deg[0], turns.lon_deg[0], 0, 179.999) == pytest.approx(500, abs=0.01)
    assert -180 <= turns.lon_deg[0] < -179.99


def test_jitter_about_the_distance_turns_once_at_most():
    """Two parked ones whose receivers wobble about the group's distance come near once at most; a real change is told at the second fix."""
    rng = np.random.default_rng(3)
    proximity = group_of(VEHICLE, OTHER)
    assert not len(moved(proximity, (1, 0, 0, 0), (0, 0, *east(2000)), accuracy_m=10.0).row)
    wobble = [(0, 1000 + i, *east(500 + x)) for i, x in enumerate(rng.normal(0, 8, 500))]
    assert len(moved(proximity, *wobble, accuracy_m=10.0).row) == 1
    away = moved(
        proximity, (0, 2000, *east(800)), (0, 3000, *east(495)), (0, 4000, *east(490)), accuracy_m=10.0
    )
    assert short(away)[-1][2:4] == (True, 2)
    near = moved(
        proximity, (0, 5000, *east(100)), (0, 6000, *east(505)), (0, 7000, *east(506)), accuracy_m=10.0
    )
    assert short(near)[0][2:4] == (False, 2)
    assert 5000 < near.time_ms[0] < 6000  # the crossing to the first fix that was apart
    assert not moved(proximity, (0, 8000, *east(499)), accuracy_m=10.0).is_near.size


def test_a_single_wild_fix_in_doubt_turns_nothing():
    """One doubtful fix on the other side, followed by one on the believed side, leaves no trace."""
    proximity = group_of(VEHICLE, OTHER)
    fixes = [
        (1, 0, 0, 0),
        (0, 0, *east(600)),
        (0, 1000, *east(495)),
        (0, 2000, *east(600)),
        (0, 3000, *east(495)),
    ]
    assert not len(moved(proximity, *fixes, accuracy_m=10.0).row)
    assert len(moved(proximity, (0, 4000, *east(494)), accuracy_m=10.0).row) == 1


def test_members_go_with_their_pairs():
    """A removed member takes its pairs along, in silence; its number may come back as another row, which is nowhere at first."""
    proximity = group_of(VEHICLE, OTHER, OTHER)
    assert len(moved(proximity, (0, 0, 0, 0), (1, 0, 0, 0), (2, 0, 0, 0)).row) == 2
    gone = proximity.remove([member.number for member in proximity.members_of(0)])
    assert len(gone) == 2
    assert not proximity.members_of(0)
    assert not len(moved(proximity, (0, 1000, 0, 0), (1, 1000, 0, 0)).row)
    proximity.add([7], [0], [VEHICLE])
    assert [(member.group, member.sides) for member in proximity.members_of(7)] == [(0, VEHICLE)]
    assert not len(moved(proximity, (1, 2000, 0, 0)).row)
    assert short(moved(proximity, (7, 3000, 0, 0))) in (
        [(7, 1, True, 0, 3000), (7, 2, True, 0, 3000)],
        [(7, 2, True, 0, 3000), (7, 1, True, 0, 3000)],
    )
    assert sorted(proximity.members_in(0)) == [0, 1, 2]


def test_new_members_arrive_where_they_were_last_seen():
    """Who is near on arrival is told without a fix; a pair that was opened before goes on, and is apart at a fix that shows it."""
    proximity = group_of(VEHICLE, OTHER, OTHER)
    proximity.open(0, 1)
    columns = (np.array([5, 5, 5]), np.zeros(3), np.zeros(3), np.zeros(3))
    turns = proximity.arrive(np.arange(3, dtype=np.int32), *columns)
    assert short(turns) == [(0, 2, True, -1, 5)]
    turns = moved(proximity, (1, 1005, *east(1000)))
    assert short(turns) == [(0, 1, False, 0, 505)]


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(0.0, 180.0), (89.9, 0.0), (-60.0, 20.0)]),
    st.sampled_from([5.0, 800.0, 30_000.0]),
    st.integers(1, 200),
)
def test_any_drive_has_the_pairs_of_all_against_all(seed, middle, distance_m, batch):
    """After each fix, those near are exactly those whose geodesic is short enough, however the fixes are cut into batches."""
    rng = np.random.default_rng(seed)
    rows, spread = 14, 3.0 * distance_m
    sides = [int(rng.integers(0, 4)) for _ in range(rows)]
    proximity = Proximity()
    proximity.set_distance(2, distance_m)
    members = [row for row in range(rows) if sides[row]]
    proximity.add(members, [2] * len(members), [sides[row] for row in members])
    fixes = []
    for i in range(200):
        turn = Geodesic.WGS84.Direct(*middle, rng.uniform(0, 360), rng.uniform(0, spread))
        fixes.append((int(rng.integers(rows)), 1000 * i, turn["lat2"], turn["lon2"]))
    turns = []
    for start in range(0, len(fixes), batch):
        found = moved(proximity, *fixes[start : start + batch])
        turns += [(row, other, near, start + fix) for row, other, near, fix, _ in short(found)]
    at: dict[int, tuple] = {}
    near: set[tuple] = set()
    wanted: set[tuple] = set()
    for i, (row, _, lat, lon) in enumerate(fixes):
        at[row] = (lat, lon)
        near ^= {turn[:2] for turn in turns if turn[3] == i}
        wanted = {pair for pair in wanted if row not in pair}
        for a, b in (pair for other in at.keys() - {row} for pair in ((row, other), (other, row))):
            is_pair = sides[a] & VEHICLE and sides[b] & OTHER
            is_lower = a < b or not (sides[b] & VEHICLE and sides[a] & OTHER)
            if is_pair and is_lower and apart(*at[a], *at[b]) <= distance_m:
                wanted.add((a, b))
        assert near == wanted


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 15.0, 60.0]))
def test_any_doubt_is_settled_as_the_rule_says(seed, accuracy_m):
    """Drives about the distance, of known and unknown accuracies, turn when a plain reading of the rule says so."""
    rng = np.random.default_rng(seed)
    proximity, at, pairs = group_of(*[BOTH] * 4), {}, {}
    for i in range(250):
        row, spread = int(rng.integers(4)), float(rng.choice([30.0, 150.0, 600.0]))
        place = east(250.0 * (row % 2) + float(rng.normal(0, spread)) + 500.0 * (row // 2))
        accuracy = float(rng.choice([np.nan, accuracy_m, 2 * accuracy_m]))
        told = moved(proximity, (row, 1000 * i, *place), accuracy_m=accuracy)
        is_first, at[row] = row not in at, (*place, np.nan_to_num(accuracy))
        expected = set()
        for other in at.keys() - {row}:
            pair = frozenset((row, other))
            is_near, still, is_pending = pairs.get(pair, (False, {}, False))
            if still:
                still = _still_after(dict(still), row, at[row])
            metres, a = apart(*place, *at[other][:2]), np.hypot(at[row][2], at[other][2])
            d = abs(metres - 500)
            if (metres <= 500) == is_near:
                pairs[pair] = is_near, still, False
            elif is_first or a == 0 or (d > 3 * a if still else d > a or is_pending):
                times = 1.5 if still else 1.0
                places = {one: (*at[one][:2], times * at[one][2]) for one in pair}
                pairs[pair] = not is_near, places if a else {}, False
                expected.add((*sorted(pair), not is_near))
            else:
                pairs[pair] = is_near, still, True
        assert {turn[:3] for turn in short(told)} == expected


def _still_after(still: dict, row: int, fix: tuple) -> dict:
    """Where both may stand after a fix of one of them; empty: it has moved."""
    metres, reach_m = apart(*fix[:2], *still[row][:2]), 3 * still[row][2]
    if metres > reach_m + 3 * fix[2]:
        return {}
    if 0 < 3 * fix[2] < reach_m - metres:
        still[row] = fix
    return still


@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_who_stand_come_near_once_at_most_and_part_once_at_most(correlation):
    """However far apart two stand, and however long, with normal jitter of 68 % within the accuracy."""
    rng, fixes = np.random.default_rng(5), 1_000
    row = rng.integers(0, 2, fixes)
    for _ in range(150):
        proximity, accuracy_m = group_of(VEHICLE, OTHER), float(rng.choice([5.0, 15.0, 40.0]))
        jitter = rng.normal(0, accuracy_m / 1.51, (fixes, 2))
        for i in range(1, fixes):
            jitter[i] = correlation * jitter[i - 1] + np.sqrt(1 - correlation**2) * jitter[i]
        metres_east = np.where(row == 0, 0.0, 500 + rng.uniform(-4, 4) * accuracy_m) + jitter[:, 0]
        turns = proximity.move(
            row.astype(np.int32), 1_000 * np.arange(fixes), jitter[:, 1] / 110_574, metres_east / 111_320,
            np.full(fixes, accuracy_m),
        )  # fmt: skip
        assert np.count_nonzero(turns.is_near) <= 1
        assert np.count_nonzero(~turns.is_near) <= 1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_adding_and_removing_keeps_the_pairs_right(seed):
    """Members may come and go in any order, and groups too; the pairs near are always those of a brute force."""
    rng = np.random.default_rng(seed)
    proximity, at = Proximity(), {}
    distances = [200.0, 900.0]
    for group, distance_m in enumerate(distances):
        proximity.set_distance(group, distance_m)
    sides: dict[tuple, int] = {}
    near: dict[int, tuple] = {}

    def take(turns: Turns):
        for pair, group, row, other, _, is_near, *_ in zip(*(c.tolist() for c in turns), strict=True):
            if is_near:
                assert pair not in near
                near[pair] = (group, row, other)
            else:
                assert near.pop(pair) == (group, row, other)

    for i in range(150):
        row, group = int(rng.integers(40)), int(rng.integers(2))
        if (row, group) in sides and rng.random() < 0.5:
            number = [member.number for member in proximity.members_of(row) if member.group == group]
            for pair in proximity.remove(number):
                del near[pair]
            del sides[row, group]
        elif (row, group) not in sides:
            sides[row, group] = int(rng.integers(1, 4))
            new = proximity.add([row], [group], [sides[row, group]])
            if row in at:
                time_ms, lat, lon = (np.array([value]) for value in at[row])
                take(proximity.arrive(new, time_ms, lat, lon, np.zeros(1)))
        row = int(rng.integers(40))
        at[row] = (1000 * i, *rng.normal(0, 0.006, 2).tolist())
        take(moved(proximity, (row, *at[row])))
    wanted = {
        (group, a, b)
        for (a, group), own in sides.items()
        for (b, its), others in sides.items()
        if its == group and a != b and own & VEHICLE and others & OTHER and a in at and b in at
        if a < b or not (others & VEHICLE and own & OTHER)
        if apart(*at[a][1:], *at[b][1:]) <= distances[group]
    }
    assert set(near.values()) == wanted
    assert len(near) == len(wanted)


def test_no_compilation_after_the_warm_up():
    """Read-only and narrower columns, and growth, are taken without another compilation, which would stall the hub."""
    warm_up()
    kernels = (kernel.move, kernel.add, kernel.remove, kernel.members_of, kernel.make_pair, kernel.relink)
    compiled = [len(function.signatures) for function in kernels]
    proximity = group_of(*[BOTH] * 100)
    place = np.frombuffer(np.ones(200).tobytes())[::2]
    turns = proximity.move(np.arange(100), np.zeros(100, np.int32), place, place, place.astype(np.float32))
    assert len(turns.row) == 4950
    proximity.arrive(
        proximity.add([200], [0], [OTHER]), np.zeros(1, np.int32), place[:1], place[:1], place[:1]
    )
    proximity.open(1, proximity.add([201], [0], [OTHER])[0])
    assert len(proximity.remove([3])) == 100
    assert [len(function.signatures) for function in kernels] == compiled
