"""Far out a map shows H3 cells with how many vehicles are in each and how fast they go, instead of the vehicles."""

import math
from collections.abc import Sequence

import h3.api.basic_int as h3
import numpy as np
from numpy.typing import NDArray

from geo.cells import cells_of
from haulcast.live_map.map_frames import CLUSTERS
from haulcast.live_map.picture import LAT, LON, Picture
from haulcast.live_map.view import Box

LEAST_EDGE_PX = 32.0
"""On the map a cell's edge is at least so long: smaller ones would not hold their number."""

_KM_PER_PX_AT_ZOOM_0 = 40_075.017 / 512  # the equator, in tiles of 512 pixels as vector maps have them
_FINEST = 15
_EDGE_KM: Sequence[float] = [h3.average_hexagon_edge_length(resolution) for resolution in range(_FINEST + 1)]
_REACH = 1.5
"""No cell's corner is further from its centre than so many average edges (H3's cells differ by up to 1.4)."""

_KM_PER_DEGREE = 111.0


def resolution_at(zoom: float) -> int:
    """The finest H3 resolution whose cells are still large enough on a map at this zoom."""
    km_per_px = _KM_PER_PX_AT_ZOOM_0 / 2.0**zoom
    fitting = [
        resolution for resolution, edge_km in enumerate(_EDGE_KM) if edge_km >= LEAST_EDGE_PX * km_per_px
    ]
    return fitting[-1] if fitting else 0


def grown_box(box: Box, resolution: int) -> Box:
    """The box of the centres of all cells that a view may see a part of; wider than the view by a cell's radius."""
    west, south, east, north = box
    reach_deg = _REACH * _EDGE_KM[resolution] / _KM_PER_DEGREE
    south, north = max(-90.0, south - reach_deg), min(90.0, north + reach_deg)
    # degrees of longitude shrink towards the poles; at a pole every longitude is near
    narrowest = math.cos(math.radians(max(abs(south), abs(north))))
    reach_deg = min(360.0, reach_deg / max(narrowest, 1e-9))
    width_deg = (east - west if west <= east else east - west + 360.0) + 2 * reach_deg
    if width_deg >= 360.0:
        return -180.0, south, 180.0, north
    return _wrapped(west - reach_deg), south, _wrapped(east + reach_deg), north


def _wrapped(lon_deg: float) -> float:
    return (lon_deg + 180.0) % 360.0 - 180.0 if abs(lon_deg) > 180.0 else lon_deg


class ClusterPicture:
    """Aggregates of a fleet's vehicles at one resolution, brought up to date when somebody looks.

    A cell gets its row when the first vehicle enters it and keeps it; empty ones are off the map.
    """

    def __init__(self, vehicles: Picture, resolution: int, interval_ms: float) -> None:
        """Nothing is counted before the first `refresh`; then again after `interval_ms` at the earliest."""
        self.picture = Picture(CLUSTERS, lambda row: h3.int_to_str(self._cells[row]), resolution)
        self._vehicles = vehicles
        self._interval_ms = interval_ms
        self._counted_version = 0
        self._next_ms = -np.inf
        self._cells: list[int] = []
        self._centres: list[tuple[float, float]] = []
        self._row_of_cell: dict[int, int] = {}
        self._row_of_vehicle = np.empty(0, np.int32)  # -1: not on the map

    def refresh(self, now_ms: int) -> float:
        """Count again if vehicles have changed and it is time to; returns when it will be (inf: up to date)."""
        if self._counted_version == self._vehicles.version:
            return np.inf
        if now_ms < self._next_ms:
            return self._next_ms
        self._place(self._vehicles.changed_after(self._counted_version))
        self._count()
        self._counted_version = self._vehicles.version
        self._next_ms = now_ms + self._interval_ms
        return np.inf

    def _place(self, vehicles: NDArray[np.int32]) -> None:
        """Find the cells of vehicles that have changed."""
        missing = self._vehicles.size - len(self._row_of_vehicle)
        self._row_of_vehicle = np.concatenate([self._row_of_vehicle, np.full(missing, -1, np.int32)])
        lat_deg, lon_deg = self._vehicles.values[LAT, vehicles], self._vehicles.values[LON, vehicles]
        is_on_map = np.isfinite(lat_deg)
        self._row_of_vehicle[vehicles[~is_on_map]] = -1
        cells = cells_of(lat_deg[is_on_map], lon_deg[is_on_map], self.picture.resolution)
        unique, inverse = np.unique(cells, return_inverse=True)
        rows = np.array([self._row_of(cell) for cell in unique.tolist()], np.int32)
        if len(rows):
            self._row_of_vehicle[vehicles[is_on_map]] = rows[inverse]

    def _row_of(self, cell: int) -> int:
        row = self._row_of_cell.get(cell)
        if row is None:
            row = self._row_of_cell[cell] = len(self._cells)
            self._cells.append(cell)
            self._centres.append(h3.cell_to_latlng(cell))
        return row

    def _count(self) -> None:
        """Show the cells whose count or mean speed is another than before."""
        total, picture = len(self._cells), self.picture
        where = self._row_of_vehicle
        speed_mps = self._vehicles.values[list(self._vehicles.kind.columns).index("speed_mps"), : len(where)]
        is_moving = (where >= 0) & np.isfinite(speed_mps)
        count = np.bincount(where[where >= 0], minlength=total)
        known = np.bincount(where[is_moving], minlength=total)
        speed_sum = np.bincount(where[is_moving], weights=speed_mps[is_moving], minlength=total)
        with np.errstate(invalid="ignore"):
            # rounded as it is sent, so that what looks the same is not sent again
            mean_mps = np.round(speed_sum / known, 2)
        values = np.vstack([np.array(self._centres).reshape(total, 2).T, count, mean_mps])
        values[:, count == 0] = np.nan
        old = np.full_like(values, np.nan)
        old[:, : picture.size] = picture.values[:, : picture.size]
        is_same = (values == old) | (np.isnan(values) & np.isnan(old))
        changed = np.flatnonzero(~is_same.all(axis=0)).astype(np.int32)
        picture.update(changed, values[:, changed])
