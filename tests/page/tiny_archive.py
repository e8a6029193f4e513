"""A PMTiles archive of one tile that is the world, made by the specification (version 3): of one colour, or of water."""

import gzip
import json
import struct
import zlib
from typing import Any

PNG, MVT = 2, 1
_NOT_COMPRESSED, _GZIP = 1, 2
_POLYGON, _EXTENT = 3, 4096


def archive(tile: bytes, tile_type: int, **metadata: Any) -> bytes:
    """The tile at zoom 0, and what the archive says of itself."""
    said = gzip.compress(json.dumps(metadata).encode())
    directory = gzip.compress(b"".join(map(_varint, (1, 0, 1, len(tile), 1))))  # one entry: id 0, once
    at_said = 127 + len(directory)
    at_tile = at_said + len(said)
    head = b"PMTiles\x03" + struct.pack(
        "<8Q3Q", 127, len(directory), at_said, len(said), at_tile, 0, at_tile, len(tile), 1, 1, 1
    )
    head += bytes([1, _GZIP, _GZIP if tile_type == MVT else _NOT_COMPRESSED, tile_type, 0, 0])
    head += struct.pack("<4iB2i", -1_800_000_000, -850_000_000, 1_800_000_000, 850_000_000, 0, 0, 0)
    return head + directory + said + tile


def one_colour(red: int, green: int, blue: int, side: int = 256) -> bytes:
    """A PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    rows = (b"\0" + bytes([red, green, blue]) * side) * side
    head = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def one_area(layer: str) -> bytes:
    """A vector tile (specification 2.1, compressed) that a polygon of this layer fills."""
    corners = [
        9,
        0,
        0,
        26,
        2 * _EXTENT,
        0,
        0,
        2 * _EXTENT,
        2 * _EXTENT - 1,
        0,
        15,
    ]  # to a corner, three lines, closed
    shape = _field(3, _POLYGON) + _field(4, b"".join(map(_varint, corners)))
    content = _field(15, 2) + _field(1, layer.encode()) + _field(2, shape) + _field(5, _EXTENT)
    return gzip.compress(_field(3, content))


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])
