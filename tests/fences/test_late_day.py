"""Hours of a real day of cabs among the San Francisco zones, shuffled by ten minutes of lateness."""

import json

import numpy as np
import pytest
from late_oracle import Listener, cut, fixes, hub, run, stepped

from geo.fence_area import checked_area
from geo.fence_set import Fence, build_fence_set
from geo.track_filter import FilterLimits
from haulcast.recordings.read import read_recording

LATENESS_MS = 600_000
HOURS = 4
DEFAULTS = FilterLimits(
    10**15, 10**15, 90.0, 200.0, 2_000.0, 1e9, 1e9
)  # of the settings, but for age and rate


@pytest.fixture(scope="module")
def day(shared_data):
    """The fences, the fixes of every third cab in order, and two shuffles of them."""
    recording = read_recording(shared_data / "tracks/sf_cabs_2008-05-30.csv.gz")
    time_ms = recording.time_ms
    mine = np.flatnonzero((recording.vehicle % 3 == 0) & (time_ms < time_ms.min() + HOURS * 3_600_000))
    order = mine[np.argsort(time_ms[mine], kind="stable")]
    ordered = fixes(
        recording.vehicle[order], time_ms[order], recording.lat_deg[order], recording.lon_deg[order]
    )
    zones = json.loads((shared_data / "zones/san-francisco.geojson").read_text())["features"]
    areas = [checked_area(zone["geometry"], repair=True) for zone in zones]
    fences = build_fence_set([Fence(i, 0, area) for i, area in enumerate(areas)], 1)
    late_ms = [np.random.default_rng(seed).integers(0, LATENESS_MS, len(ordered)) for seed in (1, 2)]
    return (
        fences,
        ordered,
        [ordered.take(np.argsort(ordered.time_ms + late, kind="stable")) for late in late_ms],
    )


def heard(results) -> Listener:
    listener = Listener()
    for result in results:
        listener.hear(result.events)
    return listener


def test_a_day_shuffled_within_ten_minutes_gives_the_same_visits(day):
    """Replayed twice, in two orders of arrival: the visits are those of the right order, to the millisecond, and nothing is out of reach."""
    fences, ordered, shuffles = day
    rows = int(ordered.row.max()) + 1
    expected = run(hub(rows, 0), [ordered], fences)
    assert len(expected.visits) > 3_000
    for shuffled in shuffles:
        state = hub(rows, 256, 2 * LATENESS_MS)
        results = stepped(state, cut(shuffled, [256]), fences)
        assert sum(int(result.is_late.sum()) for result in results) > len(ordered) / 2
        assert heard(results).same_as(expected, 1.1e-5)
        assert (state.fences.late.unreached, state.fences.late.implausible) == (0, 0)


def test_with_the_filter_as_it_is_set_only_what_it_judged_otherwise_makes_a_difference(day):
    """A jump is judged by what has come, so in another order some fixes are judged otherwise; only their vehicles' visits differ, and few."""
    fences, ordered, (shuffled, _) = day
    rows = int(ordered.row.max()) + 1
    in_order = stepped(hub(rows, 0), [ordered], fences, DEFAULTS)
    late = stepped(hub(rows, 256, 2 * LATENESS_MS), cut(shuffled, [256]), fences, DEFAULTS)
    judged_otherwise = taken(in_order) ^ taken(late)
    assert 0 < len(judged_otherwise) < len(ordered) / 50
    differing = visits(in_order) ^ visits(late)
    assert len(differing) < len(visits(in_order)) / 100
    assert {row for row, *_ in differing} <= {row for row, _ in judged_otherwise}


def visits(results) -> set[tuple]:
    """(vehicle, fence, entered, left) of each visit."""
    return set(heard(results)._columns()[0])


def taken(results) -> set[tuple]:
    """(vehicle, time) of each fix taken."""
    return {
        fix
        for result in results
        for fix in zip(result.accepted.row.tolist(), result.accepted.time_ms.tolist(), strict=True)
    }
