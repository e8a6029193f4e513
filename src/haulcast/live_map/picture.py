"""The table behind a map: where each row is, what else is shown of it, and what has changed since when."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from geo.view_match import ChangeLog
from haulcast.live_map.map_frames import FrameKind, NameTexts

LOG_ROUNDS = 8
"""The log reaches back over so many changes a row; who is further behind gets a snapshot, which is then no larger."""

LOG_LEAST = 4096

LAT, LON = 0, 1


class Picture:
    """Rows (index = the number on the wire) with columns, and a log of where they stood before each change.

    Attributes:
        kind: the columns and how they are encoded.
        resolution: of the H3 cells; 0 for vehicles.
        names: the names that the rows' numbers stand for.
        size: how many rows there are.
        version: grows by one with every update; what changed then carries it in `changed`.
        values: float64 [columns, at least size]; NaN: unknown, and in lat: not on the map. Replaced when it grows.
        changed: int64 [at least size], version of each row's last change.
    """

    def __init__(self, kind: FrameKind, name_of: Callable[[int], str], resolution: int = 0) -> None:
        self.kind = kind
        self.resolution = resolution
        self.names = NameTexts(name_of)
        self.size = 0
        self.version = 0
        self.values = np.empty((len(kind.columns), 0))
        self.changed = np.empty(0, np.int64)
        self._log = ChangeLog(np.empty(0, np.int32), np.empty(0), np.empty(0), np.empty(0, np.int64))
        self._log_size = 0
        self._log_floor = 0

    @property
    def log(self) -> ChangeLog:
        """The changes that are kept, oldest first."""
        used, log = slice(self._log_size), self._log
        return ChangeLog(log.row[used], log.lat_deg[used], log.lon_deg[used], log.tick[used])

    def reaches(self, since: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the log still has every change after these versions."""
        return since >= self._log_floor

    def changed_after(self, since: int) -> NDArray[np.int32]:
        """The rows that changed after this version."""
        return np.flatnonzero(self.changed[: self.size] > since).astype(np.int32)

    def update(self, rows: NDArray[np.int32], values: NDArray[np.float64]) -> None:
        """Show new values of some rows.

        Args:
            rows: int32 [k], unique; ones beyond `size` are new.
            values: float64 [columns, k]; a NaN in lat takes the row off the map.
        """
        if not len(rows):
            return
        self._ensure_rows(int(rows.max()) + 1)
        self.version += 1
        self._write_log(rows)
        self.values[:, rows] = values
        self.changed[rows] = self.version

    def forget(self, row: int) -> None:
        """Take a row off the map, if it is on it."""
        if row < self.size and not np.isnan(self.values[LAT, row]):
            self.update(np.array([row], np.int32), np.full((len(self.values), 1), np.nan))

    def _ensure_rows(self, rows: int) -> None:
        capacity = len(self.changed)
        if rows > capacity:
            grown = max(64, 2 * capacity, rows) - capacity
            self.values = np.hstack([self.values, np.full((len(self.values), grown), np.nan)])
            self.changed = np.concatenate([self.changed, np.zeros(grown, np.int64)])
        self.size = max(self.size, rows)

    def _write_log(self, rows: NDArray[np.int32]) -> None:
        stop = self._log_size + len(rows)
        if stop > len(self._log.row):
            self._make_room(len(rows))
            stop = self._log_size + len(rows)
        place, log = slice(self._log_size, stop), self._log
        log.row[place] = rows
        log.lat_deg[place] = self.values[LAT, rows]
        log.lon_deg[place] = self.values[LON, rows]
        log.tick[place] = self.version
        self._log_size = stop

    def _make_room(self, more: int) -> None:
        """Let the log grow with the table; when it is full, drop its older half."""
        log, used = self._log, self._log_size
        capacity = max(LOG_LEAST, LOG_ROUNDS * self.size)
        cut = 0 if used + more <= capacity else max(0, used - capacity // 2)
        if cut:
            self._log_floor = int(log.tick[cut - 1])
        # `more` <= size, so that half the log always has room for it
        wider = ChangeLog(
            *(np.empty(capacity, c.dtype) for c in (log.row, log.lat_deg, log.lon_deg, log.tick))
        )
        for name in ("row", "lat_deg", "lon_deg", "tick"):
            getattr(wider, name)[: used - cut] = getattr(log, name)[cut:used]
        self._log, self._log_size = wider, used - cut
