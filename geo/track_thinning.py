"""Fewer fixes for the same line: what a track can do without. The face of `geo.kernels.track_thinning`.

The line between two fixes is straight in longitude and latitude and goes the short way, which is how GeoJSON and maps draw it
(RFC 7946, 3.1.1). No fix that is dropped is further from the line of the kept ones than the tolerance, measured on the ellipsoid, and
from the very piece of that line between the kept fixes before and after it. Times and heights are not looked at.
"""

import numpy as np
from numpy.typing import NDArray

from geo.kernels import track_thinning as kernel

MOST_TOLERANCE_M = 10_000.0


def thinned(
    lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], tolerance_m: float
) -> NDArray[np.bool_]:
    """Which fixes of a track to keep, bool[n]: the first, the last, and those that the line needs (Douglas-Peucker).

    Takes about n log n distances of 0.1 us, and n^2 of a track that is made for it, so give it some thousand fixes at once.

    Args:
        lat_deg: float64[n], in the order of the track.
        lon_deg: float64[n].
        tolerance_m: from 0 to `MOST_TOLERANCE_M`.
    """
    kept = np.zeros(len(lat_deg), np.bool_)
    if len(kept):
        kernel.keep(lat_deg, lon_deg, tolerance_m, kept)
    return kept


def warm_up() -> None:
    """Compile, or load from the cache, what `thinned` calls."""
    thinned(np.zeros(3), np.zeros(3), 1.0)
