"""How long each driver may go on: its shift, and the driving that its profile allows. Columns by row, changed as profiles are."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from haulcast.routes.vehicle_profile import VehicleProfile

Floats = NDArray[np.float64]

NO_LIMIT: Final = np.inf


class HoursOfService:
    """Of every row; of whom nobody described there is no limit."""

    def __init__(self) -> None:
        self._closes_s = np.empty(0)
        self._most_drive_s = np.empty(0)

    def describe(self, row: int, profile: VehicleProfile) -> None:
        """A row's profile is this one now."""
        self._ensure(row + 1)
        closes_ms, most_s = profile.shift_closes_ms, profile.most_drive_s
        self._closes_s[row] = NO_LIMIT if closes_ms is None else closes_ms / 1000.0
        self._most_drive_s[row] = NO_LIMIT if most_s is None else most_s

    def limits(self, rows: NDArray[np.intp], driven_s: Floats) -> tuple[Floats, Floats]:
        """When each one's shift closes (Unix seconds), and how long it may drive yet after `driven_s` in this shift (s); infinite: no limit."""
        self._ensure(int(rows.max(initial=-1)) + 1)
        return self._closes_s[rows], np.maximum(0.0, self._most_drive_s[rows] - driven_s)

    def _ensure(self, rows: int) -> None:
        more = max(rows, 2 * len(self._closes_s), 64) - len(self._closes_s)
        if rows > len(self._closes_s):
            self._closes_s, self._most_drive_s = (np.append(known, np.full(more, NO_LIMIT)) for known in (self._closes_s, self._most_drive_s))  # fmt: skip
