"""A corridor: all within half a width of a line, as the polygon it covers.

The line's edges are straight in longitude and latitude, as a polygon's are. Each piece of it is buffered in metres, in the
equidistant conic projection that touches WGS 84 at the piece's middle latitude (Snyder, Map Projections, 1987, p. 111, with the
ellipsoid's radii of curvature there). Within 1.5 degrees of that latitude its scale is true to 0.1 %.
"""

import math
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.antimeridian import cut_area
from geo.area_error import AreaError
from geo.kernels.geodesy import A_M, F

Line: TypeAlias = tuple[tuple[float, float], ...]
"""Positions, longitude and latitude in degrees."""

MOST_WIDTH_M = 100_000.0
MOST_LAT_DEG = 85.0
MOST_STEPS = 100_000
"""Into how many straight steps all lines may have to be divided: 100,000 are 16,000 km at 1 m of width, at 45 degrees."""
MOST_OUTLINE = 1_000_000
"""How many positions the outlines of all pieces may have: a round end makes 64, a turn by 2.8 degrees one."""

_QUARTER_SEGMENTS = 32  # a round end is flattened by 0.03 % of half the width
_MOST_SAG = 0.0005  # of half the width: how far a step in the projection may be from the line it stands for
_STEP_DEG = (10.0, 1.0)  # the longest step in longitude and latitude
_PIECE_DEG = (30.0, 1.5)  # edges of one piece have their middles in one cell of this size
_PIECE_TURN = 8 * math.pi  # all turns of a piece together: a wide buffer of a tangle takes quadratic time
_OUTLINE_STEP_M = (
    25_000.0  # a longer edge of a 100 km wide outline would bend by more than 0.1 % at 85 degrees
)
_SHRUNK = (
    0.995  # GEOS fills hollows of a line up to 1 % of the distance; half of that is given back beforehand
)


@dataclass(frozen=True, slots=True)
class Corridor:
    """All positions within `width_m` / 2 of a line; corridors of the same lines and width are equal.

    Consecutive positions more than 180 degrees apart are joined the short way, over the antimeridian. The outline is within
    0.7 % of half the width of where the geodesic distance to the line puts it; the ends are round.

    | field | |
    |---|---|
    | lines | one or more, each of at least two distinct positions within +-360, +-85 degrees; they may cross and go back |
    | width_m | in (0, 100 km] |
    | polygon | what it covers, cut at the antimeridian, valid; made once, here |

    Raises:
        AreaError: outside these limits, or so long, narrow or winding that its lines need more than 100,000 steps, or their outlines
            more than 1,000,000 positions.
    """

    lines: tuple[Line, ...]
    width_m: float
    polygon: shapely.Polygon | shapely.MultiPolygon = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.width_m <= MOST_WIDTH_M:
            raise AreaError(
                f"width_m is {self.width_m}; allowed is more than 0, up to {MOST_WIDTH_M:.0f}", "width_m"
            )
        if not self.lines:
            raise AreaError("a corridor has at least one line; this one has none", "coordinates")
        half_width_m = self.width_m / 2
        lines = [_checked_line(line) for line in self.lines]
        counts = [_step_counts(points, half_width_m) for points in lines]
        _check_steps(counts)
        pieces = [
            piece
            for points, steps in zip(lines, counts, strict=True)
            for piece in _pieces(_in_steps(points, steps))
        ]
        covered = shapely.union_all(_outlines(pieces, half_width_m))
        parts = cut_area(covered)
        object.__setattr__(self, "polygon", parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts))


def _checked_line(line: Line) -> NDArray[np.float64]:
    """The line, float64[n, 2] in degrees, without repeated positions and without jumps over the antimeridian."""
    points = np.array(line, float).reshape(-1, 2)
    far = np.flatnonzero(~(np.abs(points) <= [360.0, MOST_LAT_DEG]).all(axis=1))
    if len(far):
        lon, lat = points[far[0]]
        raise AreaError(
            f"a corridor's line lies within +-{MOST_LAT_DEG:.0f} degrees of latitude", f"lon {lon}, lat {lat}"
        )
    points[:, 0] = np.unwrap(points[:, 0], period=360.0)
    moved = np.ones(len(points), np.bool_)
    moved[1:] = (np.abs(np.diff(points, axis=0)) > 1e-12).any(axis=1)  # unwrapping is exact to 1e-13 degrees
    points = points[moved]
    if len(points) < 2:
        place = f"lon {points[0, 0]}, lat {points[0, 1]}" if len(points) else "coordinates"
        raise AreaError("a line has at least two distinct positions; this one has not", place)
    return points


def _step_counts(points: NDArray[np.float64], half_width_m: float) -> NDArray[np.float64]:
    """Into how many steps each edge is divided, so that they are short, and straight in the projection as well.

    An edge that goes `a` metres along parallels and has `l` metres in all bends in the projection by at most
    a * l * tan(lat) / (4 R), where lat is the projection's, not further from the edge's than the piece is high.
    """
    edge = np.abs(np.diff(points, axis=0))
    lat = np.radians(np.maximum(np.abs(points[:-1, 1]), np.abs(points[1:, 1])) + _PIECE_DEG[1])
    least = np.radians(np.minimum(np.abs(points[:-1, 1]), np.abs(points[1:, 1])))
    along = np.radians(edge[:, 0]) * np.cos(least) * A_M
    bend = along * np.hypot(along, np.radians(edge[:, 1]) * A_M) * np.tan(lat) / (4 * A_M)
    steps = np.maximum(np.sqrt(bend / (_MOST_SAG * half_width_m)), (edge / _STEP_DEG).max(axis=1))
    counts: NDArray[np.float64] = np.maximum(np.ceil(steps), 1)
    return counts


def _check_steps(counts: list[NDArray[np.float64]]) -> None:
    edges, steps = sum(map(len, counts)), sum(float(steps.sum()) for steps in counts)
    if edges > MOST_STEPS:
        raise AreaError(f"a corridor's lines have {edges} edges; allowed are {MOST_STEPS}", "coordinates")
    if steps > MOST_STEPS:
        raise AreaError(
            f"the line is too long for its width: it needs {steps:.0f} steps, allowed are {MOST_STEPS}",
            "width_m",
        )


def _in_steps(points: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The line with positions between."""
    ends = np.cumsum(counts)
    vertex = np.concatenate([[0.0], ends])
    return np.column_stack([np.interp(np.arange(ends[-1] + 1), vertex, column) for column in points.T])


def _pieces(points: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The line cut where the middle of an edge comes into another cell, and where it has turned much; neighbours share a position."""
    edge = np.diff(points, axis=0)
    turns = np.abs(np.angle(np.exp(1j * np.diff(np.arctan2(edge[:, 1], edge[:, 0])))))
    turned = np.concatenate([[0.0], np.cumsum(turns)]) / _PIECE_TURN
    cell = np.floor(np.column_stack([(points[1:] + points[:-1]) / 2 / _PIECE_DEG, turned]))
    cuts = np.flatnonzero((np.diff(cell, axis=0) != 0).any(axis=1)) + 1
    starts, ends = np.concatenate([[0], cuts]), np.concatenate([cuts, [len(points) - 1]])
    return [points[start : end + 1] for start, end in zip(starts, ends, strict=True)]


def _outlines(pieces: list[NDArray[np.float64]], half_width_m: float) -> list[shapely.Polygon]:
    """What is within half the width of each piece."""
    outlines, positions = [], 0
    for piece in pieces:
        outlines.append(_buffered(piece, half_width_m))
        positions += shapely.get_num_coordinates(outlines[-1])
        if positions > MOST_OUTLINE:
            raise AreaError(
                f"the line winds too much for its width: its outline needs more than {MOST_OUTLINE} positions",
                "width_m",
            )
    return outlines


def _buffered(piece: NDArray[np.float64], distance_m: float) -> shapely.Polygon:
    """What is within a distance of a piece, in degrees; its longitudes may lie beyond 180."""
    middle_lon, middle_lat = (piece.min(axis=0) + piece.max(axis=0)) / 2
    touching = math.radians(middle_lat)
    if abs(touching) < 1e-4:  # 600 m: the cone's apex must not be infinitely far
        touching = math.copysign(1e-4, touching)
    squared = F * (2 - F)
    curved = 1 - squared * math.sin(touching) ** 2
    across, along = A_M / math.sqrt(curved), A_M * (1 - squared) / curved**1.5
    apex, turn = across / math.tan(touching), math.sin(touching)

    def in_metres(lon_lat: NDArray[np.float64]) -> NDArray[np.float64]:
        angle = np.radians(lon_lat[:, 0] - middle_lon) * turn
        radius = apex - along * (np.radians(lon_lat[:, 1]) - touching)
        return np.column_stack([radius * np.sin(angle), 2 * radius * np.sin(angle / 2) ** 2 + apex - radius])

    def in_degrees(x_y: NDArray[np.float64]) -> NDArray[np.float64]:
        sign = math.copysign(1.0, apex)
        radius = sign * np.hypot(x_y[:, 0], apex - x_y[:, 1])
        angle = np.arctan2(sign * x_y[:, 0], sign * (apex - x_y[:, 1]))
        lat = touching + (apex - radius) / along
        return np.column_stack([middle_lon + np.degrees(angle / turn), np.degrees(lat)])

    line = shapely.linestrings(in_metres(piece))
    outline = shapely.buffer(line, distance_m * _SHRUNK, quad_segs=_QUARTER_SEGMENTS)
    return shapely.transform(shapely.segmentize(outline, _OUTLINE_STEP_M), in_degrees)
