"""What is believed of a vehicle's fixes when they stand in the order of time. The face of `geo.kernels.plausible_fixes`.

The rule is the filter's (`geo.track_filter`): a fix too far from the last one believed is borne out by the next, which agrees with it and not with
that one, or it is not believed; the last fix of all has nobody to bear it out. So for fixes that came in order the answer is the filter's,
and for the same fixes in any other order it is the same one.
"""

import numpy as np

from geo.kernels import plausible_fixes as kernel
from geo.kernels.track_filter import FilterLimits
from geo.positions import PositionBatch, concatenate, position_batch

__all__ = ["PlausibleFixes", "warm_up"]


class PlausibleFixes:
    """Picks the believed ones of a vehicle's fixes while these come in, in order of time. The very first is believed.

    Args:
        limits: of the filter.
    """

    def __init__(self, limits: FilterLimits) -> None:
        self._limits = limits
        self._last = np.empty(0, kernel.FIX)
        self._held = position_batch(0)

    @property
    def is_holding(self) -> bool:
        """Whether the last fix waits for the next one to bear it out."""
        return len(self._held) > 0

    def add(self, fixes: PositionBatch) -> PositionBatch:
        """Those that are believed with these, in order; the one that waited may be the first of them."""
        whole = concatenate([part for part in (self._held, fixes) if len(part)])
        records, is_believed = np.empty(len(whole), kernel.FIX), np.empty(len(whole), np.bool_)
        columns = whole.time_ms, whole.lat_deg, whole.lon_deg, whole.accuracy_m
        for name, column in zip(kernel.FIX.names or (), columns, strict=True):
            records[name] = column
        last, held = kernel.believe(self._last, records, self._limits, is_believed)
        if last >= 0:
            self._last = records[last : last + 1]
        self._held = whole.take(np.arange(held, held + 1)) if held >= 0 else position_batch(0)
        return whole if is_believed.all() else whole.take(np.flatnonzero(is_believed))


def warm_up() -> None:
    """Compile, or load from the cache, what `PlausibleFixes` calls."""
    PlausibleFixes(FilterLimits(0, 0, 1.0, 1.0, 1.0, 1.0, 1.0)).add(position_batch(1))
