"""Zeros by row that take memory only where something was written; for state with a row per vehicle, of which many never send.

`np.zeros` promises as much for memory that is fresh from the system, but when state grows its allocator hands out what smaller state
has just freed, and clears it: then every row takes memory, and so do the gaps that are left.
"""

import math
import mmap
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_LEAST_BYTES = 65_536  # below, whole pages would cost more than they save


def zero_rows(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array of zeros as from `np.zeros`; a large one is given back to the system when it is dropped."""
    kind = np.dtype(dtype)
    count = math.prod(shape) if isinstance(shape, tuple) else shape
    if count * kind.itemsize < _LEAST_BYTES:
        return np.zeros(shape, kind)
    memory = mmap.mmap(-1, count * kind.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(memory, kind).reshape(shape)
