"""H3 inside kernels: the library's own C functions, called by name, and the bit layout of its indexes.

H3 index (https://h3geo.org/docs/core-library/h3Indexing): 4 bits mode, 3 reserved, 4 resolution, 7 base cell, then 15
digits of 3 bits, the coarsest first; unused digits are 7. The top bit is 0, so an index fits int64.
`geo.cells.load_h3` must have run before a kernel of this module is compiled or loaded from the cache.
"""

import math
from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

BASE_CELLS = 122
FINEST = 15

SPACING_RAD = np.array([0.38196601125010500003 / math.sqrt(7.0) ** r for r in range(FINEST + 1)])
"""Distance between neighbouring cell centres in the face plane by resolution (H3's RES0_U_GNOMONIC, aperture 7)."""

_SHRINK = 1.0 / math.sqrt(7.0)
REACH_RAD = SPACING_RAD * 1.01 * (_SHRINK / (1.0 - _SHRINK))
REACH_RAD[FINEST] = SPACING_RAD[FINEST] * 1.01 / math.sqrt(3.0)
"""No point whose finer cell descends from a cell lies further from that cell's centre than this angle.

In the face plane a child's centre is at most one child spacing from its parent's centre, so a descendant's centre is within
the sum of the finer spacings, and a point within spacing / sqrt(3) of its own cell's centre. Both together stay below
the sum of all finer spacings, s / (sqrt(7) - 1) = 0.608 s. The gnomonic projection shortens nothing: an angle on the sphere is at
most the length in the plane. 1 % is added for rounding. At the finest resolution only the cell itself remains.
"""

_RAD = math.pi / 180.0
_DEG = 180.0 / math.pi
_PAD_DEG = 1e-9
_WORLD = 360.0


# numba's types are untyped calls to a type checker
_types: Any = types
_pointer = _types.CPointer(_types.float64)
h3_lat_lng_to_cell: Any = _types.ExternalFunction(
    "latLngToCell", _types.uint32(_pointer, _types.int32, _types.CPointer(_types.int64))
)
h3_cell_to_lat_lng: Any = _types.ExternalFunction("cellToLatLng", _types.uint32(_types.int64, _pointer))


@njit(cache=True, nogil=True)
def cell_of(
    lat_deg: float, lon_deg: float, resolution: int, point: NDArray[np.float64], cell: NDArray[np.int64]
) -> int:
    """H3 index of a finite position, 0 when H3 refuses it; `point` float64[2] and `cell` int64[1] are scratch."""
    point[0] = lat_deg * _RAD
    point[1] = lon_deg * _RAD
    if h3_lat_lng_to_cell(point.ctypes, resolution, cell.ctypes) != 0:
        return 0
    return int(cell[0])


@njit(cache=True, nogil=True)
def cell_centre(cell: int, point: NDArray[np.float64]) -> None:
    """Writes the centre of a valid cell to `point`: latitude, longitude in radians."""
    h3_cell_to_lat_lng(cell, point.ctypes)


@njit(cache=True, nogil=True)
def cells_of(
    lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], resolution: int, cells: NDArray[np.int64]
) -> None:
    """Writes the index of each position to `cells` int64[n]; 0 where a coordinate is not finite."""
    point = np.empty(2)
    cell = np.empty(1, np.int64)
    for i in range(lat_deg.size):
        known = math.isfinite(lat_deg[i]) and math.isfinite(lon_deg[i])
        cells[i] = cell_of(lat_deg[i], lon_deg[i], resolution, point, cell) if known else 0


@njit(cache=True, nogil=True)
def base_cell(cell: int) -> int:
    """0 to 121."""
    return (cell >> 45) & 127


@njit(cache=True, nogil=True)
def digit(cell: int, resolution: int) -> int:
    """Which child of its parent the cell's ancestor at `resolution` (1 to 15) is: 0 to 6, 7 beyond the cell's own."""
    return (cell >> (3 * (FINEST - resolution))) & 7


@njit(cache=True, nogil=True)
def cell_of_base(number: int) -> int:
    """The resolution 0 cell of a base cell number."""
    return (1 << 59) | (number << 45) | ((1 << 45) - 1)


@njit(cache=True, nogil=True)
def child_of(cell: int, resolution: int, child: int) -> int:
    """The child (digit 0 to 6) of a cell, at `resolution`, one finer than the cell.

    Digit 1 of a pentagon names no cell; H3 never gives it to a position, and its centre is still a number.
    """
    shift = 3 * (FINEST - resolution)
    return (cell + (1 << 52)) & ~(7 << shift) | (child << shift)


@njit(cache=True, nogil=True)
def reach_box(
    lat_rad: float, lon_rad: float, reach_rad: float, within: NDArray[np.float64], box: NDArray[np.float64]
) -> bool:
    """Box of all that lies within an angle of a point, cut to the box `within`; False when nothing is left.

    Boxes are float64[4]: west, south, east, north in degrees, west <= east. Of a span over the antimeridian that meets `within` on both
    sides, the hull is kept. Longitude span: asin(sin reach / cos lat), from the right spherical triangle of pole, point and tangent.
    """
    south = (lat_rad - reach_rad) * _DEG - _PAD_DEG
    north = (lat_rad + reach_rad) * _DEG + _PAD_DEG
    span = 180.0
    if south > -90.0 and north < 90.0:
        span = math.asin(min(1.0, math.sin(reach_rad) / math.cos(lat_rad))) * _DEG + _PAD_DEG
    box[0] = math.inf
    box[2] = -math.inf
    for turn in (-_WORLD, 0.0, _WORLD):
        west = max(within[0], lon_rad * _DEG + turn - span)
        east = min(within[2], lon_rad * _DEG + turn + span)
        if west <= east:
            box[0] = min(box[0], west)
            box[2] = max(box[2], east)
    box[1] = max(within[1], south)
    box[3] = min(within[3], north)
    return bool(box[0] <= box[2] and box[1] <= box[3])
