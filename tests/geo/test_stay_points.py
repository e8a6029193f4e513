"""Stays, trips and ways against their definition, tried word by word, and however the fixes are cut."""

from itertools import pairwise

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.positions import PositionBatch, concatenate, position_batch
from geo.stay_points import DRIVING, IDLING, STILL, UNSEEN, Legs, StayLimits, StayScan
from geo.trips import Part, Parts

LIMITS = StayLimits(radius_m=100.0, least_ms=300_000, gap_ms=600_000)
M_DEG = 1 / 111_320


def track(
    seconds, east_m, *, north_m=0.0, accuracy_m=np.nan, speed_mps=np.nan, lat=0.0, lon=0.0
) -> PositionBatch:
    """Fixes at these times, this many metres east and north of a place."""
    batch = position_batch(len(seconds))
    batch.time_ms[:] = np.asarray(seconds) * 1000
    batch.seq[:] = np.arange(len(seconds))
    batch.lat_deg[:] = lat + np.asarray(north_m) * M_DEG
    batch.lon_deg[:] = (lon + np.asarray(east_m) * M_DEG / np.cos(np.radians(lat)) + 180) % 360 - 180
    batch.accuracy_m[:] = accuracy_m
    batch.speed_mps[:] = speed_mps
    return batch


def wandering(seed: int) -> PositionBatch:
    """Random stops, creeps, gaps, repeated times, rough fixes and drives."""
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 150))
    pace = np.repeat(random.choice([0.0, 0.1, 0.5, 10.0], 150), random.integers(1, 40, 150))[:size]
    every = random.choice([0, 1, 20, 60, 250, 700], size, p=[0.05, 0.1, 0.4, 0.3, 0.1, 0.05])
    east = np.cumsum(pace * every * random.choice([1, -1])) + random.normal(0, 15, size)
    accuracy = random.choice([np.nan, 5.0, 30.0, 500.0], size)
    speed = np.where(random.random(size) < 0.5, np.nan, pace)
    return track(np.cumsum(every), east, north_m=random.normal(0, 15, size), accuracy_m=accuracy, speed_mps=speed,
                 lat=random.choice([0.0, 60.0]), lon=random.choice([5.0, 180.0]))  # fmt: skip


def scanned(pieces: list[PositionBatch], limits: StayLimits = LIMITS) -> tuple[Legs, list[Part]]:
    """All legs and parts of fixes that come in pieces; each leg has to follow on the one before."""
    scan, parts, found, joined = StayScan(limits), Parts(limits.radius_m), [], []
    for legs in (*(scan.add(piece) for piece in pieces), scan.finish()):
        if len(legs.kind):
            if joined:
                assert legs.fixes.time_ms[0] == joined[-1].fixes.time_ms[-1]
            joined.append(legs)
        found += parts.add(legs)
    found += parts.finish()
    fixes = concatenate([legs.fixes.take(np.arange(len(legs.kind))) for legs in joined] + [joined[-1].fixes.take(np.array([-1]))]) if joined else position_batch(0)  # fmt: skip
    kinds = np.concatenate([legs.kind for legs in joined]) if joined else np.empty(0, np.int8)
    lengths = np.concatenate([legs.length_m for legs in joined]) if joined else np.empty(0)
    return Legs(fixes, kinds, lengths), found


def chord_m(fixes: PositionBatch, i: int, j: int) -> float:
    a, f = 6378137.0, 1 / 298.257223563
    e2 = f * (2 - f)

    def point(k: int) -> np.ndarray:
        lat, lon = np.radians(fixes.lat_deg[k]), np.radians(fixes.lon_deg[k])
        n = a / np.sqrt(1 - e2 * np.sin(lat) ** 2)
        return np.array(
            [n * np.cos(lat) * np.cos(lon), n * np.cos(lat) * np.sin(lon), n * (1 - e2) * np.sin(lat)]
        )

    return float(np.linalg.norm(point(i) - point(j)))


def defined_kinds(fixes: PositionBatch, limits: StayLimits) -> list[int]:
    """The definition, read aloud."""
    count = len(fixes)
    still = set()
    for a in range(count):
        b = next(
            (j for j in range(a + 1, count) if fixes.time_ms[j] - fixes.time_ms[a] >= limits.least_ms), None
        )
        if b is not None and all(chord_m(fixes, a, j) <= limits.radius_m for j in range(a, b + 1)):
            still |= set(range(a, b))
    kinds = []
    for i in range(count - 1):
        lasts_s = (fixes.time_ms[i + 1] - fixes.time_ms[i]) / 1000
        speed = fixes.speed_mps[i + 1]
        if np.isnan(speed):
            speed = chord_m(fixes, i, i + 1) / max(lasts_s, 0.001)
        moving = DRIVING if speed >= 0.5 else IDLING
        kinds.append(STILL if i in still else UNSEEN if lasts_s * 1000 > limits.gap_ms else moving)
    return kinds


def usable(fixes: PositionBatch) -> PositionBatch:
    return fixes.take(np.flatnonzero(~(fixes.accuracy_m > LIMITS.radius_m)))


def shown(part: Part) -> tuple:
    sums = (part.length_m, part.speed_mps, part.reach_m, *part.middle)
    return (
        part.kind, part.is_open, int(part.begin.time_ms[0]), int(part.end.seq[0]), part.legs, part.driving_ms,
        part.idling_ms, part.longest_ms, *(None if np.isnan(value) else round(value, 6) for value in sums),
    )  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32))
def test_each_leg_is_what_the_definition_says(seed):
    """Kinds of legs, by trying every window."""
    fixes = wandering(seed)
    legs, _ = scanned([fixes])
    assert legs.kind.tolist() == defined_kinds(usable(fixes), LIMITS)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 150), max_size=6))
def test_the_answer_is_the_same_for_every_cut(seed, cuts):
    """Legs, lengths, stops and trips do not tell in which pieces the fixes came."""
    fixes = wandering(seed)
    bounds = [0, *sorted(min(cut, len(fixes)) for cut in cuts), len(fixes)]
    pieces = [fixes.take(np.arange(a, b)) for a, b in pairwise(bounds)]
    (whole, parts), (cut_legs, cut_parts) = scanned([fixes]), scanned(pieces)
    assert whole.kind.tolist() == cut_legs.kind.tolist()
    assert whole.length_m.tolist() == cut_legs.length_m.tolist()
    assert [shown(part) for part in parts] == [shown(part) for part in cut_parts]


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32))
def test_one_may_go_on_from_the_end_of_any_stop_or_trip(seed):
    """Who begins anew with a part's last fix finds the parts after it, unchanged."""
    fixes = wandering(seed)
    _, parts = scanned([fixes])
    for i, part in enumerate(parts):
        rest = fixes.take(np.flatnonzero(fixes.seq >= part.end.seq[0]))
        assert [shown(other) for other in scanned([rest])[1]] == [shown(other) for other in parts[i + 1 :]]


def test_many_fixes_are_decided_by_boxes_as_one_by_one():
    """Hours at a fix a second, parked with jitter, with a slow creep and a drive."""
    random = np.random.default_rng(7)
    pace = np.repeat([0.0, 0.2, 0.35, 15.0, 0.0], 400)
    fixes = track(np.arange(2000), np.cumsum(pace) + random.normal(0, 4, 2000))
    legs, _ = scanned([fixes.take(np.arange(0, 700)), fixes.take(np.arange(700, 2000))])
    assert legs.kind.tolist() == defined_kinds(fixes, LIMITS)


def test_a_day_of_a_truck_is_stops_and_trips():
    """Parked with jitter, 10 km straight on with a red light, parked, asleep for hours at the same place, away."""
    random = np.random.default_rng(3)
    speed = np.concatenate([np.zeros(600), np.full(250, 20.0), np.zeros(60), np.full(250, 20.0), np.zeros(400), np.zeros(30), np.full(300, 25.0)])  # fmt: skip
    seconds = np.arange(len(speed)) + np.where(np.arange(len(speed)) >= 1560, 8 * 3600, 0)
    fixes = track(seconds, np.cumsum(speed) + random.normal(0, 3, len(speed)), speed_mps=speed, lat=52.0)
    _, parts = scanned([fixes])
    assert [part.kind for part in parts] == [STILL, DRIVING, STILL, DRIVING]
    first, trip, night, last = parts
    assert abs(trip.length_m - 10_000) < 250  # up to the radius belongs to each stop
    assert (first.length_m, night.length_m) == (0.0, 0.0)
    assert (trip.idling_ms, trip.speed_mps) == (60_000, 20.0)
    assert trip.begin.seq[0] == first.end.seq[0]
    assert trip.end.seq[0] == night.begin.seq[0]
    assert night.longest_ms == 8 * 3_600_000 + 1000
    lat, lon = night.middle
    assert Geodesic.WGS84.Inverse(lat, lon, night.end.lat_deg[0], night.end.lon_deg[0])["s12"] < 60
    assert (last.is_open, night.is_open) == (True, False)


def test_jitter_adds_no_way_and_a_clean_way_is_its_geodesic_length():
    """Standing at a light for four minutes adds nothing; a straight drive is as long as it is."""
    random = np.random.default_rng(5)
    standing = track(np.arange(240), random.normal(0, 2, 240), north_m=random.normal(0, 2, 240))
    legs, parts = scanned([standing])
    assert (legs.length_m.sum() < 10, parts) == (True, [])
    driving = track(np.arange(300), np.arange(300) * 20.0, lat=48.0, lon=179.97)
    (trip,) = scanned([driving])[1]
    first, last = trip.begin, trip.end
    way = Geodesic.WGS84.Inverse(first.lat_deg[0], first.lon_deg[0], last.lat_deg[0], last.lon_deg[0])["s12"]
    assert trip.length_m == pytest.approx(way, rel=1e-5)


def test_what_was_not_seen_is_in_no_trip():
    """A gap with the vehicle elsewhere after it ends the trip, and its way is not counted."""
    seconds = np.concatenate([np.arange(0, 200, 10), 2000 + np.arange(0, 200, 10)])
    east = np.concatenate([np.arange(20) * 200.0, 50_000 + np.arange(20) * 200.0])
    legs, parts = scanned([track(seconds, east)])
    assert [part.kind for part in parts] == [DRIVING, DRIVING]
    assert sum(part.length_m for part in parts) == pytest.approx(2 * 3800, rel=0.01)
    assert np.flatnonzero(legs.kind == UNSEEN).tolist() == [19]


def test_rough_fixes_end_no_stop():
    """A fix far away that admits it may be wrong by more than the radius is passed over."""
    east, accuracy = np.zeros(60), np.full(60, 10.0)
    east[30], accuracy[30] = 3_000.0, 1_500.0
    (stop,) = scanned([track(np.arange(60) * 20, east, accuracy_m=accuracy)])[1]
    assert (stop.kind, stop.legs) == (STILL, 58)


@pytest.mark.parametrize("size", [0, 1])
def test_no_legs_no_parts(size):
    """Nothing, or a single fix, is neither stop nor trip."""
    assert scanned([track(np.arange(size), np.zeros(size))])[1] == []
