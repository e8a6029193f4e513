"""What is believed of a vehicle's fixes when they stand in the order of time. The face of `geo.kernels.plausible_fixes`.

The rule is the filter's (`geo.track_filter`): a fix too far from the last one believed is borne out by the next, which agrees with it and not with
that one, or it is not believed; the last fix of all has nobody to bear it out. So for fixes that came in order the answer is the filter's,
and for the same fixes in any other order it is the same one.
"""

import numpy as np
from numpy.typing import NDArray

from geo.kernels import plausible_fixes as kernel
from geo.kernels.track_filter import FilterLimits
from geo.positions import PositionBatch, concatenate, position_batch

__all__ = ["PlausibleFixes", "PlausibleFleet", "warm_up"]


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
        records, is_believed = _records(whole), np.empty(len(whole), np.bool_)
        last, held = kernel.believe(self._last, records, self._limits, is_believed)
        if last >= 0:
            self._last = records[last : last + 1]
        self._held = whole.take(np.arange(held, held + 1)) if held >= 0 else position_batch(0)
        return whole if is_believed.all() else whole.take(np.flatnonzero(is_believed))


class PlausibleFleet:
    """Picks the believed ones of many vehicles' fixes while these come in, in order of time: each by what came before it.

    So what is believed at a moment does not depend on how the fixes are cut into batches. A jump is passed over until the next fix bears
    it out, which is then the newer one.

    Args:
        limits: of the filter.
    """

    def __init__(self, limits: FilterLimits) -> None:
        self._limits = limits
        self._grow(0)

    def _grow(self, rows: int) -> None:
        self._stands = np.zeros(rows, np.uint8)
        self._last, self._held = np.zeros(rows, kernel.FIX), np.zeros(rows, kernel.FIX)

    def forget(self) -> None:
        """Begin anew: the next fix of each vehicle is believed."""
        self._stands[:] = 0

    def forget_jumps(self) -> None:
        """Fixes are left out here, so a jump before this place is not borne out by what comes behind it."""
        self._stands &= kernel.LAST

    def add(self, fixes: PositionBatch) -> PositionBatch:
        """Those that are believed, in order; `row` is the vehicle's."""
        rows = int(fixes.row.max(initial=-1)) + 1
        if rows > len(self._stands):
            before = self._stands, self._last, self._held
            self._grow(max(64, 2 * rows))
            for grown, old in zip((self._stands, self._last, self._held), before, strict=True):
                grown[: len(old)] = old
        is_believed = np.empty(len(fixes), np.bool_)
        kernel.believe_fleet(
            fixes.row, _records(fixes), self._stands, self._last, self._held, self._limits, is_believed
        )
        return fixes if is_believed.all() else fixes.take(np.flatnonzero(is_believed))


def _records(fixes: PositionBatch) -> NDArray[np.void]:
    records = np.empty(len(fixes), kernel.FIX)
    columns = fixes.time_ms, fixes.lat_deg, fixes.lon_deg, fixes.accuracy_m
    for name, column in zip(kernel.FIX.names or (), columns, strict=True):
        records[name] = column
    return records


def warm_up() -> None:
    """Compile, or load from the cache, what `PlausibleFixes` and `PlausibleFleet` call."""
    for plausible in (PlausibleFixes, PlausibleFleet):
        plausible(FilterLimits(0, 0, 1.0, 1.0, 1.0, 1.0, 1.0)).add(position_batch(1))
