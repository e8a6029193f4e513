"""Where on its planned line each vehicle is, what is left, and whether it has left it. The face of `geo.kernels.route_progress`.

A vehicle is looked for from its last place on, not behind it, and no further than it can have come: so crossings, loops and roads that lead out and back
are followed in the order of the line, and jitter does not lead backwards. Of several places that is taken which has the least of metres off the
line plus a tenth of the metres that it differs from the way that the reported speed makes expected.

A fix is off the line when it is further from all these places than `off_m` and its accuracy. Progress waits then. A vehicle is off its route once its
fixes have been off for `off_after_s` by their own times; it is then looked for on the whole line, and back as soon as it is within `on_m`. One that has not been
on its line yet is looked for on the whole line too. Fixes that are not newer than the last change nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.kernels import route_progress as kernel
from geo.kernels.geodesy import short_way
from geo.kernels.stay_points import to_points

NONE: Final = kernel.NONE
NEVER_MS: Final = kernel.NEVER_MS
STAYS, WENT_OFF, CAME_BACK = kernel.STAYS, kernel.WENT_OFF, kernel.CAME_BACK
LONGEST_EDGE_M: Final = 5_000.0
_M_PER_DEG: Final = 111_700.0  # at most, along a meridian
_NEAR_M: Final = 20.0
_PIECE_M: Final = 50.0
_MOST_PIECES: Final = 5_000

Floats = NDArray[np.float64]


class RouteLineError(ValueError):
    """A line that is none: what, where, and what is allowed."""


@dataclass(frozen=True, slots=True)
class RouteLimits:
    """When a vehicle is off its route, and how far ahead it is looked for."""

    off_m: float = 100.0
    on_m: float = 50.0  # less than `off_m`, so that it does not go to and fro
    off_after_s: float = 60.0
    most_mps: float = 60.0
    reach_m: float = 300.0  # ahead of where it can have come: both fixes may be wrong
    most_accuracy_m: float = 200.0  # a worse one excuses no more than this

    def __post_init__(self) -> None:
        """Check that they fit together."""
        if not 0 < self.on_m <= self.off_m < math.inf:
            raise RouteLineError(f"on_m is {self.on_m}, off_m {self.off_m}; 0 < on_m <= off_m is needed")
        if not (
            self.off_after_s >= 0 and self.most_mps > 0 and self.reach_m > 0 and self.most_accuracy_m >= 0
        ):
            raise RouteLineError(
                "off_after_s and most_accuracy_m must be at least 0, most_mps and reach_m above 0"
            )


@dataclass(frozen=True, slots=True)
class RouteLines:
    """The lines of some routes; `route_lines` makes it. m points in all, b blocks of edges.

    Attributes:
        offsets: int64[lines + 1]; the points of a line are rows offsets[i] to before offsets[i + 1].
        points: float64[m, 3], geocentric metres.
        along_m: float64[m], way from the line's begin.
        block_offsets: int64[lines + 1].
        blocks: float64[b, 4], balls around runs of edges.
    """

    offsets: NDArray[np.int64]
    points: Floats
    along_m: Floats
    block_offsets: NDArray[np.int64]
    blocks: Floats

    def length_m(self, line: int) -> float:
        """The way from begin to end."""
        return float(self.along_m[self.offsets[line + 1] - 1])

    def columns(self) -> kernel.Lines:
        """As the kernels take them."""
        return kernel.Lines(self.offsets, self.points, self.along_m, self.block_offsets, self.blocks)


class Progress(NamedTuple):
    """What n fixes have told.

    Attributes:
        along_m: float64[n], way from the line's begin; NaN: no route, or not on it yet.
        change: int8[n], STAYS, WENT_OFF or CAME_BACK.
    """

    along_m: Floats
    change: NDArray[np.int8]


def route_lines(lines: Sequence[Floats]) -> RouteLines:
    """Lines from their positions, each float64[p, 2]: longitude and latitude in degrees, p at least 2.

    Edges are straight in longitude and latitude, the short way around the globe. Longer ones than 5 km are divided.

    Raises:
        RouteLineError: a line of fewer than two positions, or a position that is none.
    """
    parts = [_divided(np.asarray(line, np.float64), number) for number, line in enumerate(lines)]
    counts = np.array([len(part) for part in parts], np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    blocks = np.concatenate([[0], np.cumsum(-(-(counts - 1) // kernel.BLOCK))]).astype(np.int64)
    positions = np.concatenate([np.empty((0, 2)), *parts])
    points = np.empty((len(positions), 3))
    to_points(np.ascontiguousarray(positions[:, 1]), np.ascontiguousarray(positions[:, 0]), points)
    made = RouteLines(offsets, points, np.zeros(len(points)), blocks, np.zeros((int(blocks[-1]), 4)))
    kernel.set_blocks(made.columns())
    return made


def fresh_progress(rows: int) -> NDArray[np.void]:
    """States of vehicles that have no route, PROGRESS[rows]. To give a row a line: `start_line`."""
    states = np.zeros(rows, kernel.PROGRESS)
    for row in range(min(rows, 1)):
        start_line(states, row, NONE)
    states[:] = states[:1]
    return states


def start_line(states: NDArray[np.void], row: int, line: int) -> None:
    """Give a row a line, or NONE: it is looked for anew."""
    states[row] = (line, NONE, 0, 0, 0.0, math.nan, kernel.NEVER_MS, kernel.NEVER_MS)


def follow_lines(
    lines: RouteLines,
    states: NDArray[np.void],
    row: NDArray[np.int32],
    time_ms: NDArray[np.int64],
    lat_deg: Floats,
    lon_deg: Floats,
    speed_mps: Floats,
    accuracy_m: Floats,
    limits: RouteLimits,
) -> Progress:
    """Moves the states of the rows on by n accepted fixes, in the order of the columns."""
    along_m, change = np.empty(len(row)), np.empty(len(row), np.int8)
    kernel.follow_lines(
        lines.columns(),
        states,
        kernel.ProgressLimits(
            limits.off_m,
            limits.on_m,
            int(limits.off_after_s * 1000),
            limits.most_mps,
            limits.reach_m,
            limits.most_accuracy_m,
        ),
        row,
        time_ms,
        lat_deg,
        lon_deg,
        speed_mps,
        accuracy_m,
        along_m,
        change,
    )
    return Progress(along_m, change)


def join_lines(parts: Sequence[RouteLines]) -> RouteLines:
    """The lines of all parts, part after part."""
    nothing = route_lines([])
    parts = [nothing, *parts]
    points = np.concatenate([part.points for part in parts])
    blocks = np.concatenate([part.blocks for part in parts])
    return RouteLines(
        _joined_offsets([part.offsets for part in parts]),
        points,
        np.concatenate([part.along_m for part in parts]),
        _joined_offsets([part.block_offsets for part in parts]),
        blocks,
    )


def places_along(lines: RouteLines, line: int, lat_deg: Floats, lon_deg: Floats) -> Floats:
    """Where on a line some places are that are visited in this order: float64[n], metres from its begin, never decreasing.

    Of all ways to give each a place on the line that one with the least sum of metres off it; what is nearer than 20 m counts as 20 m, and of equal ones
    the earliest is taken. So a line that comes by a place several times is followed in the order of the stops; two of them may be out of order by 50 m, or by
    a part in 5,000 of the line.
    """
    own = slice(int(lines.offsets[line]), int(lines.offsets[line + 1]))
    whole_m = lines.along_m[own]
    steps_m = np.arange(0.0, whole_m[-1], max(_PIECE_M, float(whole_m[-1]) / _MOST_PIECES))
    along_m = np.union1d(whole_m, steps_m)
    if len(along_m) < 2:  # a line of no length
        return np.zeros(len(lat_deg))
    points = np.stack([np.interp(along_m, whole_m, axis) for axis in lines.points[own].T], 1)
    edges, lengths = np.diff(points, axis=0), np.diff(along_m)
    places = np.empty((len(lat_deg), 3))
    to_points(np.ascontiguousarray(lat_deg), np.ascontiguousarray(lon_deg), places)
    squares = np.maximum(lengths * lengths, 1e-12)
    costs, at_m = np.empty((len(places), len(edges))), np.empty((len(places), len(edges)))
    for i, place in enumerate(places):
        share = np.clip(((place - points[:-1]) * edges).sum(1) / squares, 0.0, 1.0)
        away = np.linalg.norm(points[:-1] + share[:, None] * edges - place, axis=1)
        costs[i], at_m[i] = np.maximum(away, _NEAR_M), along_m[:-1] + share * lengths
    for i in range(1, len(places)):
        costs[i] += np.minimum.accumulate(costs[i - 1])
    found, last = np.empty(len(places)), len(edges)
    for i in range(len(places) - 1, -1, -1):
        edge = int(np.argmin(costs[i, :last]))
        found[i], last = at_m[i, edge], edge + 1
    return np.maximum.accumulate(found)


def _joined_offsets(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    lengths = np.concatenate([np.diff(part) for part in parts])
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _divided(line: Floats, number: int) -> Floats:
    """A line with its long edges cut."""
    if line.ndim != 2 or line.shape[1] != 2 or len(line) < 2:
        raise RouteLineError(
            f"line {number} has shape {line.shape}; at least two positions (lon, lat) are needed"
        )
    wrong = np.flatnonzero(~(np.abs(line) <= [180, 90]).all(axis=1))
    if len(wrong):
        raise RouteLineError(f"line {number}, position {wrong[0]} is outside +-180, +-90 degrees")
    steps = np.diff(line, axis=0)
    steps[:, 0] = [short_way(step) for step in steps[:, 0]]
    pieces = np.maximum(1, np.ceil(np.hypot(*steps.T) * _M_PER_DEG / LONGEST_EDGE_M)).astype(np.int64)
    edge = np.repeat(np.arange(len(steps)), pieces)
    share = (np.arange(len(edge)) - np.repeat(np.cumsum(pieces) - pieces, pieces)) / pieces[edge]
    points = np.concatenate([line[edge] + share[:, None] * steps[edge], line[-1:]])
    points[:, 0] = (points[:, 0] + 180.0) % 360.0 - 180.0
    return points


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    lines, states = route_lines([np.array([[0.0, 0.0], [0.0, 1.0]])]), fresh_progress(1)
    start_line(states, 0, 0)
    row, zero, number = np.zeros(1, np.int32), np.zeros(1, np.int64), np.zeros(1)
    follow_lines(lines, states, row, zero, number, number, number, number, RouteLimits())
