"""A made-up city as OpenStreetMap data: a grid of streets, one of them one-way, and an island with a grid of its own.

The file is a .osm.pbf (https://wiki.openstreetmap.org/wiki/PBF_Format), written here byte by byte, since nothing else writes one in a few lines.
"""

import struct
from collections.abc import Iterable, Iterator

import numpy as np

SIDE, STEP_DEG = 14, 0.002
MAINLAND, ISLAND = (45.0, 9.0), (45.0, 9.5)
SEA = (45.6, 9.25)
ONE_WAY_ROW = 3


def corner(row: int, column: int, origin: tuple[float, float] = MAINLAND) -> tuple[float, float]:
    """Latitude and longitude of a crossing."""
    return origin[0] + row * STEP_DEG, origin[1] + column * STEP_DEG


def places(count: int, seed: int, origin: tuple[float, float] = MAINLAND) -> tuple[np.ndarray, np.ndarray]:
    """Anywhere within the grid."""
    at = np.random.default_rng(seed).uniform(0, (SIDE - 1) * STEP_DEG, (2, count))
    return origin[0] + at[0], origin[1] + at[1]


def city_pbf() -> bytes:
    """The whole file."""
    header = b"".join(_field(4, text.encode()) for text in ("OsmSchema-V0.6", "DenseNodes"))
    return _blob("OSMHeader", header) + _blob("OSMData", _primitive_block())


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _packed(numbers: Iterable[int]) -> bytes:
    return b"".join(map(_varint, numbers))


def _deltas(numbers: list[int]) -> bytes:
    return _packed(_zigzag(b - a) for a, b in zip([0, *numbers], numbers, strict=False))


def _blob(kind: str, data: bytes) -> bytes:
    blob = _field(1, data) + _field(2, len(data))
    header = _field(1, kind.encode()) + _field(3, len(blob))
    return struct.pack(">I", len(header)) + header + blob


def _ways() -> Iterator[tuple[list[int], dict[str, str]]]:
    """Node ids and tags of each street, both cities."""
    for first in (1, 1 + SIDE * SIDE):
        grid = np.arange(first, first + SIDE * SIDE).reshape(SIDE, SIDE).tolist()
        for i, street in enumerate([*grid, *map(list, zip(*grid, strict=True))]):
            tags = {"highway": "primary" if i % 4 == 0 else "residential", "maxspeed": "50"}
            if i == ONE_WAY_ROW:
                tags["oneway"] = "yes"
            yield street, tags


def _primitive_block() -> bytes:
    strings = [""]
    ways = []
    for number, (nodes, tags) in enumerate(_ways(), 1):
        for text in (*tags, *tags.values()):
            if text not in strings:
                strings.append(text)
        keys, values = (_packed(map(strings.index, part)) for part in (tags, tags.values()))
        ways.append(_field(1, number) + _field(2, keys) + _field(3, values) + _field(8, _deltas(nodes)))
    at = [corner(i // SIDE, i % SIDE, origin) for origin in (MAINLAND, ISLAND) for i in range(SIDE * SIDE)]
    lat, lon = (_deltas([round(degrees * 1e7) for degrees in column]) for column in zip(*at, strict=True))
    dense = _field(1, _deltas(list(range(1, len(at) + 1)))) + _field(8, lat) + _field(9, lon)
    table = b"".join(_field(1, text.encode()) for text in strings)
    groups = _field(2, _field(2, dense)) + _field(2, b"".join(_field(3, way) for way in ways))
    return _field(1, table) + groups
