"""How long a fleet's vehicles need from place to place, learned from its own fixes. The face of `geo.kernels.travel_time`.

Speeds are medians over legs, the way between two consecutive fixes of a vehicle, by H3 cell and hour of the week. A cell with too few legs in an hour
has that hour's speed of the cell around it, scaled by how much faster or slower the cell is in all hours; one with too few legs at all has no row
of its own. Roads wind: a way is `circuity` times as long as the crow flies.

What is learned is frozen. Current speeds go into the pace table that the kernels read, each hour ahead the less (`TravelTimes.paces`); whatever is in it,
who leaves later never arrives earlier.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from geo.cells import cells_of, load_h3
from geo.kernels import travel_time as kernel
from geo.kernels.cells import FINEST

WEEK_HOURS: Final = kernel.WEEK_HOURS
MEAN_RADIUS_M: Final = 6_371_008.8

Floats = NDArray[np.float64]


class TravelMatrix(NamedTuple):
    """From each of n places to each: `time_s` and `distance_m`, float64[n, n], infinite where there is no way."""

    time_s: Floats
    distance_m: Floats


class TravelSource(Protocol):
    """Whatever knows ways: the fleet's own speeds, or a road engine.

    From a place to itself is 0 and 0. Times and distances are of the same way, may differ there and back, and are at least 0. Leaving later, one
    never arrives earlier.
    """

    def matrix(self, lat_deg: Floats, lon_deg: Floats, departs_s: float) -> TravelMatrix:
        """Between all pairs of n places, leaving each at `departs_s`, Unix seconds."""


class DrivenLegs(NamedTuple):
    """What speeds are learned from, equal-length columns; `legs_between` makes them.

    Attributes:
        cell: int64[n], at the learned resolution, where the leg ends.
        hour: int64[n], of the week, 0 to 167, Monday 0 o'clock UTC is 0.
        speed_mps: float64[n].
    """

    cell: NDArray[np.int64]
    hour: NDArray[np.int64]
    speed_mps: Floats


@dataclass(frozen=True, slots=True)
class TravelLimits:
    """Which legs count, and how many make a speed."""

    resolution: int = 6  # cells of about 6 km across
    coarsest: int = 3  # of about 120 km
    least_legs: int = 20
    longest_gap_s: float = 120.0  # a leg that takes longer says little of the speed on the way
    least_mps: float = 1.0  # what is slower stands
    most_mps: float = 60.0
    default_mps: float = 14.0  # for a fleet that has not driven yet
    default_circuity: float = 1.3
    window_legs: int = 10  # so many legs in a row make one sample of how roads wind


@dataclass(frozen=True, slots=True)
class TravelTimes:
    """Learned speeds; `learned_travel_times` makes it.

    Attributes:
        cells: int64[r - 1], sorted; the i-th has row i + 1. Row 0 is of all that is nowhere else.
        parent: int32[r], the row of the next larger cell around; 0 of row 0.
        speed_mps: float32[r, WEEK_HOURS].
        circuity: metres by road over metres as the crow flies.
        limits: by which it was learned.
    """

    cells: NDArray[np.int64]
    parent: NDArray[np.int32]
    speed_mps: NDArray[np.float32]
    circuity: float
    limits: TravelLimits

    def rows_of(self, lat_deg: Floats, lon_deg: Floats) -> NDArray[np.int32]:
        """The row (int32[n]) of the smallest known cell around each position; 0 where none is, or a coordinate is not finite."""
        limits = self.limits
        return _rows_in(self.cells, cells_of(lat_deg, lon_deg, limits.resolution), limits)

    def paces(
        self, current: DrivenLegs | None = None, now_s: float = 0.0, half_life_s: float = 3600.0
    ) -> NDArray[np.float32]:
        """The table that kernels read: half the seconds of a metre as the crow flies, float32[r, WEEK_HOURS].

        Args:
            current: legs of the last minutes. Where there are enough of them, in a cell or in one around it, the current hour has their speed relative to
                what was learned, and the hours ahead the less of it.
            now_s: Unix seconds.
            half_life_s: after so long half of the deviation is left.
        """
        speed = self.speed_mps.astype(np.float64)
        if current is not None and len(current.cell):
            hour = int(now_s // 3600)
            ahead = (np.arange(WEEK_HOURS) - (hour + kernel.MONDAY)) % WEEK_HOURS
            lead_s = np.maximum(0.0, (hour + ahead) * 3600.0 - now_s)
            speed *= self._deviation(current)[:, None] ** (0.5 ** (lead_s / half_life_s))
        return (0.5 * self.circuity / speed).astype(np.float32)

    def matrix(
        self,
        lat_deg: Floats,
        lon_deg: Floats,
        departs_s: float | Floats,
        paces: NDArray[np.float32] | None = None,
    ) -> TravelMatrix:
        """Between all pairs of n places.

        Args:
            lat_deg: float64[n].
            lon_deg: float64[n].
            departs_s: Unix seconds, of all places or float64[n], of each. With the moments at which a plan leaves its stops, the matrix is right for that plan
                and nearly so for those like it; so a search that knows no hours finds plans that do, in a few rounds.
            paces: as of `paces()`; None: the learned speeds alone.
        """
        points, rows = sphere_points(lat_deg, lon_deg), self.rows_of(lat_deg, lon_deg)
        time_s, way_m = np.empty((len(points),) * 2), np.empty((len(points),) * 2)
        leaves_s = np.array(
            np.broadcast_to(np.asarray(departs_s, np.float64), len(points))
        )  # a view would be a new type to the kernel
        table = self.paces() if paces is None else paces
        kernel.travel_matrix(table, points, rows, leaves_s, time_s, way_m)
        return TravelMatrix(time_s, way_m * self.circuity)

    def _deviation(self, current: DrivenLegs) -> Floats:
        """Current over learned speed of each row, from its own legs or those of the nearest row above that has enough; 1 if none has."""
        rows, found = _rows_in(self.cells, current.cell, self.limits), np.ones(len(self.parent))
        known = np.zeros(len(self.parent), np.bool_)
        ratio = current.speed_mps / self.speed_mps[rows, current.hour]
        while True:
            row, median, count = _medians(rows.astype(np.int64), ratio)
            enough = count >= self.limits.least_legs
            found[row[enough]], known[row[enough]] = median[enough], True
            if not rows.any():
                break
            rows = self.parent[rows]
        above = self.parent.copy()
        while not known.all() and above.any():
            take = ~known & known[above]
            found[take], known[take] = found[above[take]], True
            above = self.parent[above]
        found[~known] = found[0]
        return np.clip(found, 0.2, 3.0)


def sphere_points(lat_deg: Floats, lon_deg: Floats) -> Floats:
    """Points of the mean sphere in metres, float64[n, 3]."""
    lat, lon = np.radians(lat_deg), np.radians(lon_deg)
    return MEAN_RADIUS_M * np.stack((np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)), 1)


def legs_between(
    row: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: Floats,
    lon_deg: Floats,
    limits: TravelLimits | None = None,
) -> tuple[DrivenLegs, Floats]:
    """The legs that count, and samples of how roads wind, of n fixes in the order of vehicle and time.

    Args:
        row: the vehicle of each fix.
        time_ms: Unix milliseconds.
        lat_deg: float64[n], finite.
        lon_deg: float64[n], finite.
        limits: `TravelLimits()` unless told.
    """
    limits = limits or TravelLimits()
    points = sphere_points(lat_deg, lon_deg)
    way_m = np.linalg.norm(np.diff(points, axis=0), axis=1)
    lasts_s = np.diff(time_ms) / 1000.0
    is_leg = (row[1:] == row[:-1]) & (lasts_s > 0) & (lasts_s <= limits.longest_gap_s)
    speed = np.divide(way_m, lasts_s, out=np.zeros(len(way_m)), where=is_leg)
    drives = is_leg & (speed >= limits.least_mps) & (speed <= limits.most_mps)
    at = np.flatnonzero(drives)
    end = at + 1
    hour = (time_ms[end] // 3_600_000 + kernel.MONDAY) % WEEK_HOURS
    legs = DrivenLegs(cells_of(lat_deg[end], lon_deg[end], limits.resolution), hour, speed[at])
    return legs, _windings(points, way_m, drives, limits.window_legs)


def learned_travel_times(
    legs: DrivenLegs, windings: Floats | None = None, limits: TravelLimits | None = None
) -> TravelTimes:
    """Speeds from legs, and circuity from samples of it; the defaults of `limits` where there are too few."""
    limits = limits or TravelLimits()
    circuity = limits.default_circuity
    if windings is not None and len(windings) >= limits.least_legs:
        circuity = float(np.clip(np.median(windings), 1.0, 3.0))
    cells = np.unique(np.concatenate([np.empty(0, np.int64), *_known_cells(legs.cell, limits)]))
    parent = np.zeros(len(cells) + 1, np.int32)
    finer = (cells >> 52) & 15
    for resolution in range(limits.coarsest + 1, limits.resolution + 1):
        here = np.flatnonzero(finer == resolution)
        parent[here + 1] = _exact_rows(cells, _ancestors(cells[here], resolution - 1))
    speed = np.empty((len(cells) + 1, WEEK_HOURS))
    overall = float(np.median(legs.speed_mps)) if len(legs.cell) >= limits.least_legs else limits.default_mps
    speed[0] = overall
    _set_hours(speed, np.zeros(len(legs.cell), np.int64), legs, limits.least_legs)
    for resolution in range(limits.coarsest, limits.resolution + 1):
        here = np.flatnonzero(finer == resolution) + 1
        rows = _exact_rows(cells, _ancestors(legs.cell, resolution))
        above = parent[rows]
        which, level, _ = _medians(rows, legs.speed_mps / speed[above, legs.hour])
        scale = np.ones(len(speed))
        scale[which] = level
        speed[here] = speed[parent[here]] * scale[here, None]
        _set_hours(speed, np.where(rows > 0, rows, -1), legs, limits.least_legs)
    return TravelTimes(cells, parent, speed.astype(np.float32), circuity, limits)


def _set_hours(speed: Floats, rows: NDArray[np.int64], legs: DrivenLegs, least: int) -> None:
    """Writes the median of each row and hour that has enough legs; row -1 is of no one."""
    key, median, count = _medians(np.where(rows >= 0, rows * WEEK_HOURS + legs.hour, -1), legs.speed_mps)
    enough = (count >= least) & (key >= 0)
    speed.reshape(-1)[key[enough]] = median[enough]


def _medians(key: NDArray[np.int64], value: Floats) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Each distinct key, the (lower) median of its values, and how many they are."""
    n = len(key)
    keys, median, count = np.empty(n, np.int64), np.empty(n), np.empty(n, np.int64)
    found = kernel.medians(key, value, keys, median, count)
    return keys[:found], median[:found], count[:found]


def _ancestors(cell: NDArray[np.int64], resolution: int) -> NDArray[np.int64]:
    """The cells at a coarser resolution that these descend from; see `geo.kernels.cells` for the bits."""
    below = (1 << 3 * (FINEST - resolution)) - 1
    coarser: NDArray[np.int64] = (cell & ~(15 << 52)) | (resolution << 52) | below
    return coarser


def _known_cells(cell: NDArray[np.int64], limits: TravelLimits) -> list[NDArray[np.int64]]:
    """Per resolution the cells with enough legs. What is around such a cell has at least as many."""
    known = []
    for resolution in range(limits.coarsest, limits.resolution + 1):
        cells, count = np.unique(_ancestors(cell[cell != 0], resolution), return_counts=True)
        known.append(cells[count >= limits.least_legs])
    return known


def _exact_rows(cells: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of some cells, 0 of those that have none."""
    if not len(cells):
        return np.zeros(len(wanted), np.int64)
    at = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
    return np.where(cells[at] == wanted, at + 1, 0)


def _rows_in(cells: NDArray[np.int64], cell: NDArray[np.int64], limits: TravelLimits) -> NDArray[np.int32]:
    """The row of each cell or of its nearest ancestor that has one."""
    rows = np.empty(len(cell), np.int32)
    kernel.rows_in(cells, np.ascontiguousarray(cell), limits.resolution, limits.coarsest, rows)
    return rows


def _windings(points: Floats, way_m: Floats, drives: NDArray[np.bool_], legs: int) -> Floats:
    """Way over straight line of each whole window of consecutive legs."""
    starts = np.arange(0, max(0, len(way_m) - legs + 1), legs)
    if not len(starts):
        return np.empty(0)
    whole = np.add.reduceat(drives.astype(np.int64), starts)[: len(starts)]
    last = np.minimum(starts + legs, len(way_m))
    way = np.array([way_m[a:b].sum() for a, b in zip(starts, last, strict=True)])
    straight = np.linalg.norm(points[last] - points[starts], axis=1)
    good = (whole == legs) & (straight > 0.25 * way)  # who drives around a block says nothing of the roads
    ratios: Floats = way[good] / straight[good]
    return ratios


def untaught_travel_times(limits: TravelLimits | None = None) -> TravelTimes:
    """What holds for a fleet that has not driven yet: one speed everywhere and always."""
    return learned_travel_times(
        DrivenLegs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)), None, limits
    )


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    load_h3()
    untaught_travel_times().matrix(np.zeros(2), np.array([0.0, 1.0]), 0.0)
