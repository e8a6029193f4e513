"""Which fences hold each fix. The face of `geo.kernels.fence_match`; what changed since is `geo.fence_transitions`' question."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.cells import load_h3
from geo.fence_set import Circle, Fence, FenceSet, build_fence_set
from geo.kernels import fence_match as kernel


@dataclass(frozen=True, slots=True)
class FenceHits:
    """For fix i, `fence[offsets[i]:offsets[i + 1]]`: indexes into the set, ascending.

    `offsets` is int64[fixes + 1], `fence` int32[all hits].
    """

    offsets: NDArray[np.int64]
    fence: NDArray[np.int32]


def match_fences(
    fence_set: FenceSet,
    fleet_number: NDArray[np.int32],
    lat_deg: NDArray[np.float64],
    lon_deg: NDArray[np.float64],
) -> FenceHits:
    """The fences of its own fleet that hold each fix; on the boundary is inside.

    For polygons the same as `shapely.covers`, also on edges and vertices. For circles the geodesic distance on WGS 84 is at most the
    radius. A fix outside +-180, +-90 or with NaN is in no fence, a fleet without fences has no hits.

    Args:
        fence_set: from `build_fence_set`.
        fleet_number: int32[n].
        lat_deg: float64[n].
        lon_deg: float64[n].
    """
    load_h3()
    offsets = np.empty(len(lat_deg) + 1, np.int64)
    fleets, lat, lon = as_column(fleet_number, np.int32), as_column(lat_deg, float), as_column(lon_deg, float)
    return FenceHits(offsets, kernel.match(fence_set.table, fleets, lat, lon, offsets))


def as_column(values: NDArray[Any], dtype: type) -> NDArray[Any]:
    """The values in the one form that `warm_up` compiled for; any other would stall the caller for seconds. Mostly no copy."""
    return np.require(values, dtype, ["C", "W"])


def warm_up() -> None:
    """Compile, or load from the cache, all that building a set and matching use."""
    area = shapely.box(0.0, 0.0, 1.0, 1.0)
    fence_set = build_fence_set([Fence(0, 0, area), Fence(1, 0, Circle(0.0, 0.0, 1.0))], 0)
    match_fences(fence_set, np.zeros(1, np.int32), np.zeros(1), np.zeros(1))
