"""The fast way from JSON frames to columns; frames that are not of the plain form are pointed out, not explained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.kernels import fix_text as kernel

SHORTEST_FIX_BYTES = 36  # {"seq":1,"time_ms":1,"lat":1,"lon":1} and the comma before it


@dataclass(frozen=True, slots=True)
class PlainFixes:
    """Fixes read from plain frames, in order.

    Attributes:
        seq, time_ms: int64[n].
        values: float64[6, n]: lat_deg, lon_deg, speed_mps, heading_deg, accuracy_m, altitude_m; NaN: unknown.
        attributes: the text of each fix's `attributes`, by index in the columns, from brace to brace and not checked.
        fixes: int32[frames]: fixes of each frame; -1: not plain, nothing was read from it.
    """

    seq: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    values: NDArray[np.float64]
    attributes: dict[int, bytes]
    fixes: NDArray[np.int32]


def read_plain_fixes(frames: Sequence[bytes], most: int) -> PlainFixes:
    """Read JSON frames of the form `{"seq":..}` or `{"fixes":[{"seq":..}]}` with at most `most` fixes each."""
    joined = b"".join(frames)
    ends = np.cumsum(np.fromiter(map(len, frames), np.int64, len(frames)))
    room = len(joined) // SHORTEST_FIX_BYTES + len(frames)
    columns = kernel.FixColumns(
        np.empty(room, np.int64), np.empty(room, np.int64), np.empty((6, room)), np.empty((2, room), np.int64)
    )
    fixes = np.empty(len(frames), np.int32)
    count = kernel.read_frames(np.frombuffer(joined, np.uint8), ends, most, columns, fixes)
    starts, stops = columns.attributes[:, :count]
    attributes = {i: joined[starts[i] : stops[i]] for i in np.flatnonzero(starts >= 0).tolist()}
    return PlainFixes(
        columns.seq[:count], columns.time_ms[:count], columns.values[:, :count], attributes, fixes
    )


def warm_up() -> None:
    """Compile, or load from the cache, what `read_plain_fixes` calls."""
    read_plain_fixes([b"{}"], 1)
