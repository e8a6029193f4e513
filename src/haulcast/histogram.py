"""How often a value fell between which bounds: counted a batch at a time, read when somebody asks."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DELAY_BOUNDS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Within the hub: a tick is 20 ms, and half a minute is trouble of any kind."""

AGE_BOUNDS_S = (
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 21_600.0, 86_400.0,
)  # fmt: skip
"""From the fix's own time: a device without network for a day is nothing special."""

BATCH_BOUNDS = (0.0, 1.0, 10.0, 100.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0, 20_000.0, 50_000.0)
"""Fixes of a step."""


class Histogram:
    """Counts of values by upper bound.

    Args:
        bounds: ascending, in the values' unit; what is above the last one is counted too.

    Attributes:
        bounds: float64 [n].
        counts: int64 [n + 1]; `counts[i]` values were above `bounds[i - 1]` and not above `bounds[i]`.
        total: of all values. Values below zero count as zero, so that it never goes back.
    """

    __slots__ = ("_bounds", "bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = np.array(bounds, np.float64)
        self._bounds = list(bounds)
        self.counts = np.zeros(len(bounds) + 1, np.int64)
        self.total = 0.0

    def add(self, values: NDArray[np.float64], times: NDArray[np.int64] | None = None) -> None:
        """Count a batch.

        Args:
            values: float64 [k], finite, may be empty.
            times: int64 [k], how often each counts; None: once.
        """
        if not len(values):
            return
        values = np.maximum(values, 0.0)
        place = np.searchsorted(self.bounds, values)
        found = np.bincount(
            place, times, minlength=len(self.counts)
        )  # exact: float64 below 2**53 where weighted
        self.counts += found.astype(np.int64)
        self.total += float(values.sum() if times is None else values @ times)

    def add_one(self, value: float, times: int = 1) -> None:
        """Count one value, `times` times."""
        value = max(value, 0.0)
        self.counts[bisect_left(self._bounds, value)] += times
        self.total += value * times
