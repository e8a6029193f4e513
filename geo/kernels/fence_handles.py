"""Where the fence of a handle stands in a set."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def index_of(handles: NDArray[np.int32], is_gone: NDArray[np.bool_], handle: int) -> int:
    """Index of a handle in the set, -1 when it is not there; the first `is_gone.size` handles ascend, and the rest do."""
    built = is_gone.size
    index = np.searchsorted(handles[:built], handle)
    if index < built and handles[index] == handle and not is_gone[index]:
        return int(index)
    index = built + np.searchsorted(handles[built:], handle)
    return int(index) if index < handles.size and handles[index] == handle else -1
