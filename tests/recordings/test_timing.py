"""When recorded fixes are sent, and how they are moved to the present."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from haulcast.recordings import Recording, send_offsets_ms, shifted

NOW_MS = 1_790_000_000_000
FIXES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**7)), min_size=1, max_size=40)
SPEEDS = st.sampled_from([0.0, 0.25, 1.0, 7.0, 1000.0])


def recording(fixes: list[tuple[int, int]]) -> Recording:
    """Fixes of (vehicle, time)."""
    vehicle, time_ms = (np.array(column) for column in zip(*fixes, strict=True))
    place = np.zeros(len(fixes))
    return Recording(
        [f"v{i}" for i in range(4)], vehicle.astype(np.int32), time_ms.astype(np.int64), place, place
    )


@given(fixes=FIXES, speed=SPEEDS)
@settings(max_examples=200, deadline=None)
def test_no_fix_is_ahead_of_the_clock_when_sent_and_spacing_stays(
    fixes: list[tuple[int, int]], speed: float
) -> None:
    """The shift is one number for all; no fix is in the future at its moment, and at least one is not a ms older than need be."""
    tape = recording(fixes)
    send_ms = send_offsets_ms(tape, speed)
    moved = shifted(tape, NOW_MS, send_ms)
    assert len(set((moved.time_ms - tape.time_ms).tolist())) == 1
    age_ms = NOW_MS + send_ms - moved.time_ms
    assert age_ms.min() >= 0
    assert age_ms.min() < 1


@given(fixes=FIXES, speed=SPEEDS)
@settings(max_examples=200, deadline=None)
def test_each_vehicle_keeps_the_files_order(fixes: list[tuple[int, int]], speed: float) -> None:
    """Sent in order of offset (ties in the file's order), each vehicle's fixes leave as they stand in the file."""
    tape = recording(fixes)
    order = np.argsort(send_offsets_ms(tape, speed), kind="stable")
    for vehicle in range(4):
        rows = order[tape.vehicle[order] == vehicle]
        assert (np.diff(rows) > 0).all()


def test_speed_divides_the_spacing() -> None:
    """A tape of 100 s at speed 10 takes 10 s, forwards or backwards, and 0 takes no time."""
    forwards = recording([(0, 0), (0, 40_000), (0, 100_000)])
    backwards = recording([(0, 100_000), (0, 40_000), (0, 0)])
    assert send_offsets_ms(forwards, 10).tolist() == [0, 4_000, 10_000]
    assert send_offsets_ms(backwards, 10).tolist() == [0, 6_000, 10_000]
    assert send_offsets_ms(forwards, 0).tolist() == [0, 0, 0]
