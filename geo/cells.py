"""H3 cells of positions. The face of `geo.kernels.cells`, and the place where H3's C functions become known to numba."""

import ctypes
import importlib.util
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numpy.typing import NDArray

from geo.kernels import cells as kernel


@cache
def load_h3() -> None:
    """Make H3's C functions callable by name from kernels. Call before the first kernel that uses them.

    h3-py has no vectorised `latlng_to_cell`, but its compiled module exports the C library's functions.

    Raises:
        ImportError: this h3 has no such module; the versions that pyproject.toml allows do.
    """
    found = importlib.util.find_spec("h3._cy.latlng")
    if found is None or found.origin is None:
        raise ImportError("h3 has no module _cy.latlng; h3 >= 4.2 is needed", name="h3._cy.latlng")
    llvm.load_library_permanently(found.origin)
    config: Any = numba.config
    if config.DISABLE_JIT:  # then kernels are plain Python, and the same functions are called through ctypes
        library = ctypes.CDLL(found.origin)
        library.latLngToCell.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p]
        library.cellToLatLng.argtypes = [ctypes.c_int64, ctypes.c_void_p]
        kernel.h3_lat_lng_to_cell = library.latLngToCell
        kernel.h3_cell_to_lat_lng = library.cellToLatLng


def cells_of(
    lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64], resolution: int
) -> NDArray[np.int64]:
    """The H3 index (int64[n]) of each position at `resolution` (0 to 15); 0 where a coordinate is not finite."""
    if not 0 <= resolution <= kernel.FINEST:
        raise ValueError(f"resolution is {resolution}; allowed are 0 to {kernel.FINEST}")
    load_h3()
    cells = np.empty(len(lat_deg), np.int64)
    kernel.cells_of(lat_deg, lon_deg, resolution, cells)
    return cells


def warm_up() -> None:
    """Compile, or load from the cache, what this module uses."""
    cells_of(np.zeros(1), np.zeros(1), 9)
