"""Map frames in JSON and binary, made for many views at once from shared bytes; `docs/protocol.md` has both layouts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from geo import frame_join
from geo.frame_join import Pieces, Sheet
from geo.view_match import Candidates, Selection
from haulcast.doors import wire

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FrameKind:
    """One kind of map frame: its columns in a picture, and in both encodings.

    columns: a picture's columns in their order, and how many decimals they have in JSON.
    text: the columns of a JSON frame, the row's number first.
    binary: the columns of a binary frame, with their dtypes.
    """

    code: int
    number: str
    columns: Mapping[str, int]
    text: tuple[str, ...]
    binary: Mapping[str, np.dtype[Any]]
    heads: tuple[str, str]  # of a delta and of a snapshot

    @property
    def number_column(self) -> int:
        """The place of the row's number among the binary columns."""
        return list(self.binary).index(self.number)


# 6 decimals of a degree are 0.11 m; 2 of m/s and 1 of a heading are finer than what receivers measure
VEHICLES = FrameKind(
    code=wire.KIND_POSITIONS,
    number="vehicle",
    columns={"lat": 6, "lon": 6, "fix_time_ms": 0, "speed_mps": 2, "heading_deg": 1},
    text=("vehicle", "fix_time_ms", "lat", "lon", "speed_mps", "heading_deg"),
    binary=wire.POSITION_COLUMNS,
    heads=('{"type":"positions",', '{"type":"snapshot",'),
)
CLUSTERS = FrameKind(
    code=wire.KIND_CLUSTERS,
    number="cell",
    columns={"lat": 6, "lon": 6, "count": 0, "speed_mps": 2},
    text=("cell", "lat", "lon", "count", "speed_mps"),
    binary=wire.CLUSTER_COLUMNS,
    heads=('{"type":"clusters",', '{"type":"clusters","snapshot":true,'),
)


class NameTexts:
    """The names of a picture's rows as frames have them, encoded when the first view hears of them."""

    def __init__(self, name_of: Callable[[int], str]) -> None:
        self._name_of = name_of
        self._json: dict[int, bytes] = {}
        self._utf8: dict[int, bytes] = {}

    def json(self, rows: list[int]) -> list[bytes]:
        """`"number":"name",` of each row."""
        known = self._json
        for row in rows:
            if row not in known:
                known[row] = b'"%d":%b,' % (row, orjson.dumps(self._name_of(row)))
        return [known[row] for row in rows]

    def utf8(self, rows: list[int]) -> list[bytes]:
        """The name of each row."""
        known = self._utf8
        for row in rows:
            if row not in known:
                known[row] = self._name_of(row).encode()
        return [known[row] for row in rows]


@dataclass(frozen=True, slots=True)
class Telling:
    """What a flush has to say: candidates with their values, and what each view is told of them."""

    kind: FrameKind
    resolution: int
    time_ms: int
    found: Candidates
    values: Values  # [kind.columns, candidates]
    selection: Selection
    is_snapshot: NDArray[np.bool_]  # [views]
    names: NameTexts


class FramePress:
    """Makes the frames of a telling, a buffer full at a time, so that any number of views takes bounded memory."""

    def __init__(self, buffer_bytes: int = 1 << 20) -> None:
        self._out = np.empty(buffer_bytes, np.uint8)

    def frames(
        self, telling: Telling, views: NDArray[np.int32], *, is_binary: bool
    ) -> Iterator[tuple[int, memoryview]]:
        """Index of the view and frame of each of `views` that has something to hear.

        A frame is valid until the next one is asked for.
        """
        join = _binary_join(telling) if is_binary else _text_join(telling)
        told, first = views.tolist(), 0
        while first < len(told):
            at = join(self._out, views, first)
            if len(at) == 1:
                self._out = np.empty(2 * len(self._out), np.uint8)
                continue
            out, ends = self._out.data, at.tolist()
            for i in range(len(ends) - 1):
                if ends[i] < ends[i + 1]:
                    yield told[first + i], out[ends[i] : ends[i + 1]]
            first += len(ends) - 1


Join = Callable[[NDArray[np.uint8], NDArray[np.int32], int], NDArray[np.int64]]


def _text_join(telling: Telling) -> Join:
    kind, found = telling.kind, telling.found
    order = list(kind.columns)
    numbers = np.empty((len(kind.text), len(found.row)))
    numbers[0] = found.row
    for i, name in enumerate(kind.text[1:], start=1):
        numbers[i] = telling.values[order.index(name)]
    decimals = np.array([0, *(kind.columns[name] for name in kind.text[1:])])
    is_used = frame_join.used_rows(len(found.row), telling.selection)
    sheet = frame_join.text_sheet(numbers, decimals, is_used)
    names = _fresh_names(telling, telling.names.json)
    return _with(telling, frame_join.join_text, sheet, names, _literals(telling))


def _literals(telling: Telling) -> Pieces:
    kind = telling.kind
    resolution = f'"resolution":{telling.resolution},' if kind is CLUSTERS else ""
    heads = [f'{head}"time_ms":{telling.time_ms},{resolution}"{kind.number}":[' for head in kind.heads]
    between = [f'],"{name}":[' for name in kind.text[1:]]
    return frame_join.pieces(
        [part.encode() for part in (*heads, *between, "]", ',"gone":[', ',"names":{', "}", "}")]
    )


def _binary_join(telling: Telling) -> Join:
    kind, found = telling.kind, telling.found
    values = dict(zip(kind.columns, telling.values, strict=True))
    columns = [
        _as_sent(name, found.row if name == kind.number else values[name], dtype)
        for name, dtype in kind.binary.items()
    ]
    names = _fresh_names(telling, telling.names.utf8)
    headers = np.zeros(2, wire.LIVE_HEADER)
    headers["kind"], headers["resolution"], headers["time_ms"] = (
        kind.code,
        telling.resolution,
        telling.time_ms,
    )
    headers["flags"] = 0, wire.FLAG_SNAPSHOT
    shared = headers.view(np.uint8).reshape(2, frame_join.HEADER_BYTES), kind.number_column
    return _with(telling, frame_join.join_binary, frame_join.binary_sheet(columns), names, *shared)


def _as_sent(name: str, column: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if name in {"lat", "lon"}:
        column = np.rint(column * wire.DEGREE_UNITS)
    if dtype.kind in "iu" and column.dtype.kind == "f":
        column = np.nan_to_num(column)  # rows that left the map are gone, their numbers are not sent
    return column.astype(dtype)


def _fresh_names(telling: Telling, encode: Callable[[list[int]], list[bytes]]) -> Pieces:
    row, fresh = telling.found.row, telling.selection.fresh
    if not len(fresh):  # most often
        return Pieces(np.empty(0, np.uint8), np.zeros(len(row) + 1, np.int64))
    is_fresh = np.zeros(len(row), np.bool_)
    is_fresh[fresh] = True
    index = np.flatnonzero(is_fresh)
    return frame_join.sparse_pieces(encode(row[index].tolist()), index, len(row))


def _with(telling: Telling, join: Callable[..., NDArray[np.int64]], sheet: Sheet, *shared: Any) -> Join:
    def bound(out: NDArray[np.uint8], views: NDArray[np.int32], first: int) -> NDArray[np.int64]:
        return join(out, views, first, telling.is_snapshot, telling.selection, sheet, *shared)

    return bound
