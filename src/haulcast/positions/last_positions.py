"""The newest fix of every vehicle, as columns."""

from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from geo.positions import COLUMNS, PositionBatch
from geo.zero_rows import zero_rows

KEPT = tuple(name for name in COLUMNS if name != "row")
WIRE_NAMES = {"lat_deg": "lat", "lon_deg": "lon"}


class LastPositions:
    """Struct of arrays, index = row; the columns of `geo.positions` and `is_known`.

    The arrays grow by being replaced: read the attribute each time, never keep the array.
    """

    seq: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    received_ms: NDArray[np.int64]
    lat_deg: NDArray[np.float64]
    lon_deg: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    heading_deg: NDArray[np.float64]
    accuracy_m: NDArray[np.float64]
    altitude_m: NDArray[np.float64]

    def __init__(self) -> None:
        for name in KEPT:
            setattr(self, name, np.empty(0, COLUMNS[name]))
        self.is_known = np.empty(0, np.bool_)
        self.attributes: dict[int, bytes] = {}

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles; new ones are not known anywhere yet."""
        old = len(self.is_known)
        if rows <= old:
            return
        size, known = max(rows, 2 * old, 64), np.flatnonzero(self.is_known)
        for name in (*KEPT, "is_known"):
            column = getattr(self, name)
            grown = zero_rows(size, column.dtype)
            grown[known] = column[known]  # who never reported takes no memory
            setattr(self, name, grown)

    def keep(self, batch: PositionBatch) -> NDArray[np.int32]:
        """Take a batch of fixes that are in order for each vehicle; returns the rows that moved, each once."""
        row = batch.row
        for name in KEPT:  # of several fixes of one row the last one stays: numpy assigns in order
            getattr(self, name)[row] = getattr(batch, name)
        self.is_known[row] = True
        for index, attributes in batch.attributes.items():
            self.attributes[int(row[index])] = attributes
        return np.unique(row)

    def forget(self, row: int) -> None:
        """The vehicle is gone: nothing is known of it any more."""
        self.is_known[row] = False
        self.attributes.pop(row, None)

    def of(self, row: int) -> dict[str, Any] | None:
        """The row's newest fix in the wire's words, what is unknown left out; None when there is none."""
        if row >= len(self.is_known) or not self.is_known[row]:
            return None
        values = {WIRE_NAMES.get(name, name): getattr(self, name)[row].item() for name in KEPT}
        if row in self.attributes:
            values["attributes"] = orjson.loads(self.attributes[row])
        if values["seq"] < 0:  # the protocol counts nothing
            del values["seq"]
        return {name: value for name, value in values.items() if value == value}  # noqa: PLR0124 - NaN is unknown
