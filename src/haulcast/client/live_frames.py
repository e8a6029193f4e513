"""Map frames to columns, JSON and binary to the same shape; `docs/protocol.md` has both layouts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from haulcast.doors import wire
from haulcast.errors import FrameError

_NUMBER_COLUMN = {wire.KIND_POSITIONS: "vehicle", wire.KIND_CLUSTERS: "cell"}
_UINT32 = np.dtype("<u4")
_COLUMNS = {
    wire.KIND_POSITIONS: wire.POSITION_COLUMNS,
    wire.KIND_CLUSTERS: wire.CLUSTER_COLUMNS,
}
_WHOLE_NUMBERS = {"fix_time_ms", "vehicle", "cell", "count"}


@dataclass(frozen=True, slots=True)
class MapFrame:
    """A snapshot, positions or clusters message before its numbers became names.

    `columns` has `lat`, `lon`, `speed_mps`, `heading_deg` as float64 degrees and m/s (NaN: unknown), the others as int64.
    """

    kind: int
    is_snapshot: bool
    time_ms: int
    resolution: int
    columns: Mapping[str, NDArray[Any]]
    gone: list[int]
    names: dict[int, str]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The vehicles' or cells' numbers."""
        return self.columns[_NUMBER_COLUMN[self.kind]]


def read_map_text(said: Mapping[str, Any]) -> MapFrame:
    """A decoded JSON message of type snapshot, positions or clusters."""
    is_clusters = said["type"] == "clusters"
    kind = wire.KIND_CLUSTERS if is_clusters else wire.KIND_POSITIONS
    return MapFrame(
        kind=kind,
        is_snapshot=bool(said.get("snapshot")) if is_clusters else said["type"] == "snapshot",
        time_ms=int(said["time_ms"]),
        resolution=int(said.get("resolution", 0)),
        # None becomes NaN in a float column, which is what it means
        columns={name: np.array(said[name], _dtype(name)) for name in _COLUMNS[kind]},
        gone=list(said.get("gone", ())),
        names={int(number): name for number, name in said.get("names", {}).items()},
    )


def read_map_bytes(message: bytes) -> MapFrame:
    """A binary message.

    Raises:
        FrameError: a kind that this version does not know, or fewer bytes than the header says.
    """
    try:
        return _map_frame(message)
    except (ValueError, KeyError, OverflowError) as error:  # the kind; a time without end
        reason = (
            f"a map frame of {len(message)} bytes that is of no known kind or shorter than its header says"
        )
        raise FrameError("bad_binary", reason) from error


def _map_frame(message: bytes) -> MapFrame:
    header = np.frombuffer(message, wire.LIVE_HEADER, count=1)[0]
    kind, rows, names_size = int(header["kind"]), int(header["rows"]), int(header["names"])
    reader = _ColumnReader(message)
    columns = {name: _natural(name, reader.take(dtype, rows)) for name, dtype in _COLUMNS[kind].items()}
    gone = reader.take(_UINT32, int(header["gone"])).tolist()
    name_numbers = reader.take(_UINT32, names_size).tolist()
    ends = np.cumsum(reader.take(_UINT32, names_size)).tolist()
    text = reader.take(np.dtype("u1"), int(header["name_bytes"])).tobytes()
    return MapFrame(
        kind=kind,
        is_snapshot=bool(header["flags"] & wire.FLAG_SNAPSHOT),
        time_ms=int(header["time_ms"]),
        resolution=int(header["resolution"]),
        columns=columns,
        gone=gone,
        names={
            number: text[start:end].decode()
            for number, start, end in zip(name_numbers, [0, *ends], ends, strict=False)
        },
    )


class _ColumnReader:
    """Takes padded columns off a frame, one after the other."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._at = wire.LIVE_HEADER.itemsize

    def take(self, dtype: np.dtype[Any], rows: int) -> NDArray[Any]:
        if rows == 0:
            return np.empty(0, dtype)
        column = np.frombuffer(self._message, dtype, count=rows, offset=self._at)
        self._at += wire.padded_bytes(rows * dtype.itemsize)
        return column


def _dtype(name: str) -> type:
    return np.int64 if name in _WHOLE_NUMBERS else np.float64


def _natural(name: str, column: NDArray[Any]) -> NDArray[Any]:
    if name in {"lat", "lon"}:
        return column / wire.DEGREE_UNITS
    return column.astype(_dtype(name))
