"""How near a load's pickup is to where another load is handed over, so that one vehicle could carry both. The face of `geo.kernels.load_chains`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.kernels import load_chains as kernel
from geo.kernels.route_times import LIVE_STOP


class ChainWays(NamedTuple):
    """Straight metres of m loads.

    Attributes:
        direct_m: float32[m], from pickup to delivery.
        least_m: float32[m], to the pickup from the nearest delivery of another of the loads, from which it is reached before it closes; infinite without any.
    """

    direct_m: NDArray[np.float32]
    least_m: NDArray[np.float32]


def chain_ways(ends: NDArray[np.void], which: NDArray[np.int32], pace: float, now_s: float) -> ChainWays:
    """Among some loads, an estimate: each starts as soon as it may, and every way has the same pace. 1 ns a pair.

    Args:
        ends: LIVE_STOP[2n], the pickup and the delivery of each load.
        which: int32[m], some of them.
        pace: seconds a straight metre takes.
        now_s: Unix seconds; nothing starts earlier.
    """
    direct_m, least_m = np.empty(len(which), np.float32), np.empty(len(which), np.float32)
    kernel.chain_ways(ends, which, pace, now_s, direct_m, least_m)
    return ChainWays(direct_m, least_m)


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    chain_ways(np.zeros(4, LIVE_STOP), np.arange(2, dtype=np.int32), 0.1, 0.0)
