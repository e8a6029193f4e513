"""Fleets that drive at a given speed, as fixes, history and steps."""

from types import SimpleNamespace

import numpy as np

from geo.positions import position_batch
from haulcast.tracking.step import StepResult

NOON_MS = 1_760_000_400_000 // 3_600_000 * 3_600_000


def fixes(begin_ms, minutes, vehicles=10, mps=10.0, every_s=30, at=(45.0, 9.0), first_row=0):
    """All drive east and back, 5 km each way; one fix each `every_s`, in order of time."""
    times = np.arange(begin_ms, begin_ms + minutes * 60_000, every_s * 1000)
    batch = position_batch(len(times) * vehicles)
    batch.time_ms[:] = np.repeat(times, vehicles)
    batch.received_ms[:] = batch.time_ms
    batch.row[:] = np.tile(np.arange(first_row, first_row + vehicles), len(times))
    batch.seq[:] = np.arange(len(batch.seq))
    way_m = mps * (batch.time_ms - begin_ms) / 1000.0 % 10_000
    east_m = np.minimum(way_m, 10_000 - way_m)
    batch.lat_deg[:] = at[0] + batch.row * 1e-4
    batch.lon_deg[:] = at[1] + east_m / (111_195 * np.cos(np.radians(at[0])))
    return batch


def step_of(batch, now_ms, is_late=None):
    """A step that took all of it."""
    late = np.zeros(len(batch), np.bool_) if is_late is None else is_late
    return StepResult(
        1, now_ms, batch, late, np.unique(batch.row), SimpleNamespace(), batch, SimpleNamespace()
    )
