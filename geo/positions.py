"""A batch of fixes as equal-length columns.

| column | dtype | unit | unknown |
|---|---|---|---|
| row | int32 | the vehicle's row in the hub's state | never |
| seq | int64 | the device's own sequence number; -1 where the protocol has none | -1 |
| time_ms | int64 | the fix's own time, ms since 1970 UTC | never |
| received_ms | int64 | when the hub read it, ms since 1970 UTC | never |
| lat_deg, lon_deg | float64 | degrees, WGS 84 | never |
| speed_mps | float64 | metres a second | NaN |
| heading_deg | float64 | 0 = north, clockwise, [0, 360) | NaN |
| accuracy_m | float64 | radius of one standard deviation, metres | NaN |
| altitude_m | float64 | metres above the ellipsoid, as sent | NaN |

`attributes` holds what else a device said, as the JSON object it sent, by index in the batch; most fixes have none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS: Mapping[str, type] = {
    "row": np.int32,
    "seq": np.int64,
    "time_ms": np.int64,
    "received_ms": np.int64,
    "lat_deg": np.float64,
    "lon_deg": np.float64,
    "speed_mps": np.float64,
    "heading_deg": np.float64,
    "accuracy_m": np.float64,
    "altitude_m": np.float64,
}
"""Name and dtype of each column, in the order of `PositionBatch`'s arguments."""


@dataclass(frozen=True, slots=True)
class PositionBatch:
    """Fixes as columns, in the order of arrival; the module's docstring has the table."""

    row: NDArray[np.int32]
    seq: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    heading_deg: NDArray[np.float64]
    accuracy_m: NDArray[np.float64]
    altitude_m: NDArray[np.float64]
    attributes: Mapping[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    def take(self, index: NDArray[np.integer]) -> "PositionBatch":
        """The fixes at `index`, in that order, with their attributes."""
        columns = [getattr(self, name)[index] for name in COLUMNS]
        if not self.attributes:
            return from_columns(columns)
        place = {int(old): new for new, old in enumerate(index)}
        return from_columns(columns, {place[i]: text for i, text in self.attributes.items() if i in place})


def from_columns(
    columns: Iterable[NDArray[Any]], attributes: Mapping[int, bytes] | None = None
) -> PositionBatch:
    """A batch of columns in the order of `COLUMNS`."""
    named: dict[str, Any] = dict(zip(COLUMNS, columns, strict=True))
    return PositionBatch(**named, attributes=attributes or {})


def position_batch(size: int) -> PositionBatch:
    """An empty-valued batch of `size` fixes: unknown where a column may be unknown, zero elsewhere."""
    unknown = {
        "seq": -1,
        "speed_mps": np.nan,
        "heading_deg": np.nan,
        "accuracy_m": np.nan,
        "altitude_m": np.nan,
    }
    return from_columns(np.full(size, unknown.get(name, 0), dtype) for name, dtype in COLUMNS.items())


def concatenate(batches: Sequence[PositionBatch]) -> PositionBatch:
    """One batch of all, in the order given."""
    if len(batches) == 1:
        return batches[0]
    if not batches:
        return position_batch(0)
    attributes: dict[int, bytes] = {}
    start = 0
    for batch in batches:
        attributes.update({start + i: text for i, text in batch.attributes.items()})
        start += len(batch)
    columns = [np.concatenate([getattr(batch, name) for batch in batches]) for name in COLUMNS]
    return from_columns(columns, attributes)
