"""A real day of cabs among the San Francisco zones, shuffled by ten minutes of lateness."""

import json

import numpy as np
import pytest
from late_oracle import Listener, cut, fixes, hub, run, stepped

from geo.fence_area import checked_area
from geo.fence_events import Cause
from geo.fence_set import Fence, build_fence_set
from geo.plausible_fixes import PlausibleFixes
from geo.positions import COLUMNS, PositionBatch
from geo.track_filter import FilterLimits, Reason
from haulcast.history.history_store_memory import MemoryHistoryStore
from haulcast.recordings.read import read_recording

LATENESS_MS = 600_000
FREE_HOURS = 4
DEFAULTS = FilterLimits(
    10**15, 10**15, 90.0, 200.0, 2_000.0, 1e9, 1e9
)  # of the settings, but for age and rate


@pytest.fixture(scope="module")
def day(shared_data):
    """The fences, the fixes of every sixth cab in order, and two shuffles of them."""
    recording = read_recording(shared_data / "tracks/sf_cabs_2008-05-30.csv.gz")
    time_ms = recording.time_ms
    mine = np.flatnonzero(recording.vehicle % 6 == 0)
    order = mine[np.argsort(time_ms[mine], kind="stable")]
    ordered = fixes(
        recording.vehicle[order], time_ms[order], recording.lat_deg[order], recording.lon_deg[order]
    )
    zones = json.loads((shared_data / "zones/san-francisco.geojson").read_text())["features"]
    areas = [checked_area(zone["geometry"], repair=True) for zone in zones]
    fences = build_fence_set([Fence(i, 0, area) for i, area in enumerate(areas)], 1)
    return fences, ordered, [shuffled(ordered, seed) for seed in (1, 2)]


def shuffled(ordered: PositionBatch, seed: int) -> PositionBatch:
    late_ms = np.random.default_rng(seed).integers(0, LATENESS_MS, len(ordered))
    return ordered.take(np.argsort(ordered.time_ms + late_ms, kind="stable"))


def heard(results) -> Listener:
    listener = Listener()
    for result in results:
        listener.hear(result.events)
    return listener


def test_hours_shuffled_within_ten_minutes_give_the_same_visits(day):
    """With no limit to jumps, in two orders of arrival: the visits are those of the right order, to the millisecond, and nothing is out of reach."""
    fences, ordered, _ = day
    ordered = ordered.take(np.flatnonzero(ordered.time_ms < ordered.time_ms.min() + FREE_HOURS * 3_600_000))
    rows = int(ordered.row.max()) + 1
    expected = run(hub(rows, 0), [ordered], fences)
    assert len(expected.visits) > 1_000
    for seed in (1, 2):
        state = hub(rows, 256, 2 * LATENESS_MS)
        results = stepped(state, cut(shuffled(ordered, seed), [256]), fences)
        assert sum(int(result.is_late.sum()) for result in results) > len(ordered) / 2
        assert heard(results).same_as(expected, 1.1e-5)
        assert (state.fences.late.unreached, state.fences.late.implausible) == (0, 0)


def test_with_the_filter_as_it_is_set_the_day_is_the_same_in_any_order(day):
    """All day, jumps and all: in order nothing is told anew; in two other orders the visits, and what is kept, are the same to the last fix."""
    fences, ordered, shuffles = day
    rows = int(ordered.row.max()) + 1
    in_order = stepped(hub(rows, 0), [ordered], fences, DEFAULTS)
    refused = sum(
        int(result.refused.counts()[Reason.IMPOSSIBLE_JUMP.bit_length() - 1]) for result in in_order
    )
    assert refused > 200
    assert len(visits(in_order)) > 10_000
    assert kept(in_order) == fixes_in([ordered])
    with_late = heard(stepped(hub(rows, 256, 2 * LATENESS_MS), cut(ordered, [1_024]), fences, DEFAULTS))
    assert not any(event[3] == Cause.LATE for event in with_late.told)
    assert sorted(nameless(with_late)) == sorted(nameless(heard(in_order)))
    for arrivals in shuffles:
        state = hub(rows, 256, 2 * LATENESS_MS)
        late = stepped(state, cut(arrivals, [1_024]), fences, DEFAULTS)
        assert visits(late) == visits(in_order)
        assert heard(late).same_as(heard(in_order), 1.1e-5)
        assert kept(late) == fixes_in([ordered])
        assert state.fences.late.unreached == 0


async def test_what_is_stored_and_what_is_read_of_it_does_not_depend_on_the_order(day):
    """Some cabs' day in a store: the same fixes whatever the order, and of them plausible are those that the filter takes in order."""
    fences, ordered, shuffles = day
    chosen = np.unique(ordered.row)[:8]
    rows, stores, taken = int(ordered.row.max()) + 1, [], set()
    for batch in (ordered, *shuffles):
        stores.append(MemoryHistoryStore(lambda row: ("acme", str(row))))
        for result in stepped(
            hub(rows, 0), [batch.take(np.flatnonzero(np.isin(batch.row, chosen)))], fences, DEFAULTS
        ):
            await stores[-1].write(result.kept)
            taken |= fixes_in([result.accepted]) if batch is ordered else set()
    found = set()
    for row in chosen.tolist():
        pages = [(await store.read("acme", str(row), 0, 2**62, None, 10**6)).fixes for store in stores]
        columns = [
            [getattr(page, name).tobytes() for name in COLUMNS if name != "received_ms"] for page in pages
        ]
        assert columns[0] == columns[1] == columns[2]
        plausible = PlausibleFixes(DEFAULTS).add(pages[1])
        plausible.row[:] = row
        found |= fixes_in([plausible])
    assert found == taken


def visits(results) -> set[tuple]:
    """(vehicle, fence, entered, left) of each visit."""
    return set(heard(results)._columns()[0])


def nameless(listener: Listener) -> list[tuple]:
    """What was told, but for the numbers of the visits."""
    return [event[:4] + event[5:] for event in listener.told]


def kept(results) -> set[tuple]:
    """Each fix that is kept."""
    return fixes_in([result.kept for result in results])


def fixes_in(batches: list[PositionBatch]) -> set[tuple]:
    """(vehicle, time, latitude, longitude) of each fix."""
    return {
        fix
        for batch in batches
        for fix in zip(
            batch.row.tolist(),
            batch.time_ms.tolist(),
            batch.lat_deg.tolist(),
            batch.lon_deg.tolist(),
            strict=True,
        )
    }
