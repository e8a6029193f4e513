"""What is believed in the order of time, against a plain Python oracle."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.plausible_fixes import PlausibleFixes, PlausibleFleet
from geo.positions import PositionBatch, concatenate, from_columns, position_batch
from geo.track_filter import FilterLimits

COLUMNS = ("row", "seq", "time_ms", "lat_deg", "accuracy_m")
LIMITS = FilterLimits(0, 0, 90.0, 200.0, 2_000.0, 1.0, 1.0)
PLACES_DEG = [50.0, 50.001, 50.1, 51.0, -30.0]

TRACKS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(PLACES_DEG),
        st.sampled_from([math.nan, 0.0, 20.0, 5_000.0]),
    ),
    max_size=40,
)


def track(fixes: list[tuple[int, float, float]]) -> PositionBatch:
    """Of (minutes since the one before, latitude, accuracy); some have the same time."""
    batch = position_batch(len(fixes))
    batch.time_ms[:] = np.cumsum([60_000 * minutes for minutes, _, _ in fixes])
    batch.seq[:] = np.arange(len(fixes))
    batch.lat_deg[:] = [lat for _, lat, _ in fixes]
    batch.lon_deg[:] = 8.0
    batch.accuracy_m[:] = [accuracy_m for _, _, accuracy_m in fixes]
    return batch


def can_be(a: tuple, b: tuple) -> bool:
    """Whether a vehicle can have been at both of (time, latitude, accuracy), on one meridian."""
    allowed_m = 200 + 90 * (b[0] - a[0]) / 1000 + sum(one[2] for one in (a, b) if one[2] > 0)
    return math.radians(abs(a[1] - b[1])) * 6_371_008.8 <= allowed_m


def oracle(fixes: list[tuple]) -> list[int]:
    """The places of the believed ones."""
    believed: list[int] = []
    last = held = None
    for i, fix in enumerate(fixes):
        if last is not None and not can_be(fixes[last], fix):
            if held is None or not can_be(fixes[held], fix):
                held = i
                continue
            believed.append(held)
        believed.append(i)
        last, held = i, None
    return believed


@settings(max_examples=300, deadline=None)
@given(TRACKS, st.lists(st.integers(0, 9), min_size=1))
def test_what_is_believed_is_the_oracles_however_the_fixes_are_cut(fixes, sizes):
    """Teleports there and back, for good, two in a row, as the first and the last; in portions of any size, empty ones too."""
    batch = track(fixes)
    scan, parts, begin = PlausibleFixes(LIMITS), [], 0
    for size in sizes + [len(batch)] * 2:
        end = min(len(batch), begin + size)
        parts.append(scan.add(batch.take(np.arange(begin, end))))
        begin = end
    columns = zip(batch.time_ms.tolist(), batch.lat_deg.tolist(), batch.accuracy_m.tolist(), strict=True)
    expected = oracle(list(columns))
    assert concatenate(parts).seq.tolist() == expected
    assert scan.is_holding == (len(batch) > 0 and len(batch) - 1 not in expected)


@settings(max_examples=200, deadline=None)
@given(st.lists(TRACKS, max_size=4), st.lists(st.integers(0, 30), min_size=1))
def test_of_a_fleet_each_fix_is_judged_by_those_before_it(tracks, sizes):
    """Of many vehicles, in batches of any size, twice: a fix is passed on if it is the last believed one of what has come of its vehicle."""
    parts = [track(fixes) for fixes in tracks]
    for row, part in enumerate(parts):
        part.row[:] = row
    batch = concatenate(parts)
    batch = batch.take(np.argsort(batch.time_ms, kind="stable"))
    wanted: list[tuple[int, int]] = []
    come: dict[int, list[tuple]] = {}
    for row, seq, *fix in zip(*(getattr(batch, name).tolist() for name in COLUMNS), strict=True):
        of_vehicle = come.setdefault(row, [])
        of_vehicle.append(tuple(fix))
        if oracle(of_vehicle)[-1] == len(of_vehicle) - 1:
            wanted.append((row, seq))
    fleet = PlausibleFleet(LIMITS)
    for _ in range(2):
        fleet.forget()
        found, begin = [], 0
        for size in sizes + [len(batch)] * 2:
            end = min(len(batch), begin + size)
            part = fleet.add(batch.take(np.arange(begin, end)))
            found += zip(part.row.tolist(), part.seq.tolist(), strict=True)
            begin = end
        assert found == wanted


def test_attributes_stay_with_their_fixes():
    """Also with one that waits for the next portion."""
    batch = track([(1, 50.0, 0.0), (1, -30.0, 0.0), (1, 51.0, 0.0), (1, 51.0, 0.0)])
    batch = from_columns((getattr(batch, name) for name in batch.__slots__[:-1]), {1: b"[1]", 2: b"[2]"})
    scan = PlausibleFixes(LIMITS)
    assert scan.add(batch.take(np.arange(3))).seq.tolist() == [0]
    found = scan.add(batch.take(np.array([3])))
    assert (found.seq.tolist(), found.attributes) == ([2, 3], {0: b"[2]"})
