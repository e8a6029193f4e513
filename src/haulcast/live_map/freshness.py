"""How old positions are when they go out: counted for each row of each delta, a flush at a time."""

import numpy as np
from numpy.typing import NDArray

from haulcast.histogram import AGE_BOUNDS_S, DELAY_BOUNDS_S, Histogram
from haulcast.positions.last_positions import LastPositions


class Freshness:
    """Ages of what is told in deltas. A snapshot shows parked vehicles too, whose fixes are old and no delay of ours.

    Attributes:
        ages: send time minus the fix's own time.
        fan_out_delays: send time minus that of the step which took the fix.
    """

    def __init__(self, positions: LastPositions) -> None:
        self.ages = Histogram(AGE_BOUNDS_S)
        self.fan_out_delays = Histogram(DELAY_BOUNDS_S)
        self._positions = positions
        self._rows = np.empty(0, np.int32)
        self._times = np.empty(0, np.int64)

    def told(self, rows: NDArray[np.int32], times: NDArray[np.int64]) -> None:
        """These rows of the hub were told, each to so many views; `sent` says when."""
        self._rows, self._times = rows, times

    def sent(self, now_ms: int) -> None:
        """What was told is out now."""
        rows, times = self._rows, self._times
        if len(rows):
            self._rows, self._times = rows[:0], times[:0]
            self.ages.add((now_ms - self._positions.time_ms[rows]) / 1000.0, times)
            self.fan_out_delays.add((now_ms - self._positions.received_ms[rows]) / 1000.0, times)


def times_sent(span: NDArray[np.int32], rows: int) -> NDArray[np.int64]:
    """How often each of `rows` candidates is sent; `span` as in `geo.view_match.Selection`."""
    begin = np.bincount(span[::2], minlength=rows + 1)
    end = np.bincount(span[1::2], minlength=rows + 1)
    return np.cumsum(begin - end)[:rows]
