"""Where a fleet's vehicles are, in the order of their ids."""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from geo.positions import COLUMNS, PositionBatch, from_columns
from haulcast.positions.last_positions import LastPositions
from haulcast.positions.vehicle_rows import VehicleRows


class PositionsPage(NamedTuple):
    """The newest fixes of some vehicles, and the id to go on after; None: there are no more."""

    ids: list[str]
    fixes: PositionBatch
    after: str | None


class LatestPositions:
    """Pages of the newest fixes, read on the loop's thread."""

    def __init__(self, rows: VehicleRows, last: LastPositions) -> None:
        self._rows = rows
        self._last = last
        self._sorted: dict[str, list[str]] = {}  # vehicles of a fleet only ever become more

    def page(self, fleet: str, after: str, limit: int) -> PositionsPage:
        """Up to `limit` vehicles that are somewhere, with ids after `after`."""
        ids = self._ids(fleet)
        found: list[str] = []
        for i in range(bisect.bisect_right(ids, after), len(ids)):
            if self._is_known(fleet, ids[i]):
                found.append(ids[i])
                if len(found) > limit:
                    break
        shown = found[:limit]
        return PositionsPage(shown, self._fixes(fleet, shown), shown[-1] if len(found) > limit else None)

    def of(self, fleet: str, ids: Sequence[str]) -> PositionsPage:
        """Those of these vehicles that are somewhere, each once, in the order of their ids."""
        shown = sorted(vehicle for vehicle in set(ids) if self._is_known(fleet, vehicle))
        return PositionsPage(shown, self._fixes(fleet, shown), None)

    def _ids(self, fleet: str) -> list[str]:
        rows = self._rows.rows_of_fleet(self._rows.fleet_number_of(fleet))
        ids = self._sorted.setdefault(fleet, [])
        if len(ids) < len(rows):
            ids += [self._rows.vehicle_of[row] for row in rows[len(ids) :].tolist()]
            ids.sort()  # which is quick where most of it is in order
        return ids

    def _is_known(self, fleet: str, vehicle: str) -> bool:
        row = self._rows.find(fleet, vehicle)
        return row is not None and row < len(self._last.is_known) and bool(self._last.is_known[row])

    def _fixes(self, fleet: str, ids: Sequence[str]) -> PositionBatch:
        rows = np.array([self._rows.find(fleet, vehicle) for vehicle in ids], np.int32)
        columns = [rows if name == "row" else getattr(self._last, name)[rows] for name in COLUMNS]
        given = self._last.attributes
        return from_columns(columns, {i: given[row] for i, row in enumerate(rows.tolist()) if row in given})
