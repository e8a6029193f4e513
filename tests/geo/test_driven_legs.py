"""Legs as fixes come: the same however the fixes are cut into batches, and those of a plain walk."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.cells import cells_of
from geo.driven_legs import LegTracks, joined_legs
from geo.travel_time import TravelLimits, sphere_points

LIMITS = TravelLimits()


def drive(rng, vehicles, fixes):
    """Fixes of vehicles that stop, jump and fall silent, in order of time."""
    row = rng.integers(0, vehicles, fixes).astype(np.int32)
    time_ms = 1_700_000_000_000 + np.cumsum(rng.choice([0, 300, 2_000, 9_000, 90_000], fixes))
    lat, lon = 45 + np.cumsum(rng.normal(0, 2e-4, fixes)), 9 + np.cumsum(rng.normal(0, 2e-4, fixes))
    lat[rng.random(fixes) < 0.02] += 1.0
    return row, time_ms, lat, lon


def plain_legs(row, time_ms, lat, lon, shortest_s=20.0):
    """(fix, speed) of each leg and the windings, by a walk in Python."""
    points = sphere_points(lat, lon)
    last, window, legs, windings = {}, {}, [], []
    for i, who in enumerate(row.tolist()):
        if who not in last:
            last[who] = i
            continue
        lasts_s = (time_ms[i] - time_ms[last[who]]) / 1000
        if lasts_s < shortest_s:
            continue
        way_m = np.linalg.norm(points[i] - points[last[who]])
        if lasts_s <= LIMITS.longest_gap_s and LIMITS.least_mps <= way_m / lasts_s <= LIMITS.most_mps:
            legs.append((i, way_m / lasts_s))
            begun = window.setdefault(who, [last[who], 0.0, 0])
            begun[1] += way_m
            begun[2] += 1
            if begun[2] == LIMITS.window_legs:
                straight = np.linalg.norm(points[i] - points[begun[0]])
                if straight > 0.25 * begun[1]:
                    windings.append(begun[1] / straight)
                del window[who]
        else:
            window.pop(who, None)
        last[who] = i
    return legs, windings


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.lists(st.integers(0, 400), max_size=6))
def test_legs_are_those_of_a_plain_walk_however_the_fixes_come(seed, vehicles, cuts):
    """Speeds, places, hours and windings; any cuts into batches, empty ones too."""
    fixes = drive(np.random.default_rng(seed), vehicles, 400)
    expected, windings = plain_legs(*fixes)
    tracks, begin, parts, wound, ends = LegTracks(), 0, [], [], []
    tracks.ensure_rows(vehicles)
    for end in [*sorted(cuts), 400]:
        found = tracks.take(*(column[begin:end] for column in fixes))
        parts.append(found.legs)
        wound.append(found.windings)
        ends.append(found.fix + begin)
        begin = end
    legs, at = joined_legs(parts), np.concatenate(ends)
    assert at.tolist() == [i for i, _ in expected]
    assert legs.speed_mps == pytest.approx([speed for _, speed in expected], rel=1e-6)
    assert np.array_equal(legs.cell, cells_of(fixes[2][at], fixes[3][at], LIMITS.resolution))
    assert np.array_equal(legs.hour, (fixes[1][at] // 3_600_000 + 72) % 168)
    assert np.concatenate(wound) == pytest.approx(windings, rel=1e-6)


def test_old_fixes_and_repeats_are_passed_over():
    """What is older than a vehicle's last fix, or the same again, ends no leg and moves nothing."""
    tracks = LegTracks()
    tracks.ensure_rows(1)
    row, lat = np.zeros(5, np.int32), np.full(5, 45.0)
    time_ms = np.array([100_000, 160_000, 90_000, 160_000, 220_000])
    lon = np.array([9.0, 9.01, 20.0, 9.01, 9.02])
    found = tracks.take(row, time_ms, lat, lon)
    assert found.fix.tolist() == [1, 4]
    assert found.legs.speed_mps == pytest.approx([13.1, 13.1], abs=0.1)


def test_rows_keep_their_tracks_when_room_is_made():
    """Growth copies what is known."""
    tracks = LegTracks()
    tracks.ensure_rows(1)
    one = np.zeros(1, np.int32), np.array([1_000_000]), np.array([45.0]), np.array([9.0])
    assert not len(tracks.take(*one).fix)
    tracks.ensure_rows(5_000)
    assert tracks.take(one[0], one[1] + 60_000, one[2], one[3] + 0.01).fix.tolist() == [0]
