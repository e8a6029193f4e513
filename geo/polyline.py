"""Encoded polylines: a line as routing engines answer it, five bits a character.

Google's Encoded Polyline Algorithm Format: latitude and longitude in units of 10^-precision degrees, each as the difference to the
position before, zigzag signed, in groups of five bits, low ones first, 32 added to all but the last group, and 63 to each character.
Precision 5 is Google's and OSRM's, 6 is Valhalla's and OSRM's `polyline6`.
"""

import numpy as np
from numpy.typing import NDArray

from geo.area_error import AreaError

PRECISIONS = (5, 6)
MOST_GROUPS = 6
"""Characters of one number: 30 bits hold 360 degrees at precision 6, twice over, which is the longest way."""


def decoded_polyline(text: str, precision: int) -> NDArray[np.float64]:
    """The positions of an encoded polyline, float64[n, 2], longitude and latitude in degrees, on the grid of its precision.

    Args:
        text: the polyline; an empty one has no positions.
        precision: 5 or 6 decimals.

    Raises:
        AreaError: another precision, a character that is none of the format's, a text that ends within a position, or a position
            outside +-180, +-90, which most often means the other precision. The place is the character's or the position's.
    """
    if precision not in PRECISIONS:
        raise AreaError(f"precision is {precision!r:.40}; allowed are 5 and 6", "polyline_precision")
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64) - 63
    strange = np.flatnonzero((codes < 0) | (codes > 63))
    if len(strange):
        at = int(strange[0])
        raise AreaError(f"a polyline's characters are ? to ~; this is {text[at]!r}", f"polyline[{at}]")
    numbers = _numbers(codes)
    if len(numbers) % 2:
        raise AreaError(
            "the polyline ends after a latitude; a longitude has to follow", f"polyline[{len(codes)}]"
        )
    lat_lon = np.cumsum(numbers.reshape(-1, 2), axis=0) / 10**precision
    far = np.flatnonzero((np.abs(lat_lon) > [90, 180]).any(axis=1))
    if len(far):
        lat, lon = lat_lon[far[0]]
        raise AreaError(
            f"lon {lon}, lat {lat} is outside +-180, +-90; is the precision {precision}?",
            f"polyline, position {far[0]}",
        )
    return np.ascontiguousarray(lat_lon[:, ::-1])


def _numbers(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The signed numbers that the groups make."""
    last = np.flatnonzero(codes < 32)
    if len(codes) and (not len(last) or last[-1] != len(codes) - 1):
        raise AreaError("the polyline ends within a number", f"polyline[{len(codes)}]")
    first = np.concatenate([[0], last[:-1] + 1]).astype(np.int64)[: len(last)]
    sizes = last - first + 1
    long = np.flatnonzero(sizes > MOST_GROUPS)
    if len(long):
        at = int(first[long[0]])
        raise AreaError(
            f"a number of {sizes[long[0]]} characters is out of range; {MOST_GROUPS} are allowed",
            f"polyline[{at}]",
        )
    shifts = 5 * (np.arange(len(codes)) - np.repeat(first, sizes))
    zigzag = np.add.reduceat((codes & 31) << shifts, first) if len(first) else codes
    return (zigzag >> 1) ^ -(zigzag & 1)
