"""What both ends of the sockets agree on, as numpy dtypes and constants; `docs/protocol.md` explains each.

All integers and floats are little-endian. NaN stands for unknown.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

DEVICE_PATH = "/v1/device"
LIVE_PATH = "/v1/live"

JSON_SUBPROTOCOL = "haulcast.v1.json"
BINARY_SUBPROTOCOL = "haulcast.v1.binary"
SUBPROTOCOLS = (JSON_SUBPROTOCOL, BINARY_SUBPROTOCOL)
TOKEN_SUBPROTOCOL = "haulcast.token."  # noqa: S105  the token comes after it
"""A browser sets no header on a socket but this list, and an address stands in more logs than a header does."""

RENEWED = b'{"type":"renewed","expires_ms":%d}'
"""The answer to a newer token on an open socket."""

MAX_SEQ = 2**53
"""Sequences are exact in JSON readers that have doubles only."""

REASONS = (
    "invalid_coordinate",
    "null_island",
    "future",
    "stale",
    "duplicate",
    "out_of_order",
    "impossible_jump",
    "poor_accuracy",
    "rate_limited",
    "unstorable",
)
"""Why a fix was refused; the place in this list is the place of the bit."""

REASON_BITS = {name: 1 << place for place, name in enumerate(REASONS)}

DEVICE_RECORD = np.dtype(
    [
        ("seq", "<u8"),
        ("time_ms", "<i8"),
        ("lat", "<f8"),
        ("lon", "<f8"),
        ("speed_mps", "<f4"),
        ("heading_deg", "<f4"),
        ("accuracy_m", "<f4"),
        ("altitude_m", "<f4"),
    ]
)
"""One fix on a device's binary connection, 48 bytes."""

REPLY_ACK = 1
REPLY_REJECT = 2
REPLY_RESEND = 3
REPLY_HEADER = np.dtype([("kind", "<u4"), ("count", "<u4")])
ACK_REPLY = np.dtype([("kind", "<u4"), ("count", "<u4"), ("seq", "<u8")])
RESEND_REPLY = np.dtype([("kind", "<u4"), ("count", "<u4"), ("seq", "<i8")])
"""`seq` can be -1: everything."""
REJECT_RECORD = np.dtype([("seq", "<u8"), ("reasons", "<u4"), ("zero", "<u4")])
"""After a REPLY_HEADER of kind REPLY_REJECT, `count` times."""

KIND_POSITIONS = 1
KIND_CLUSTERS = 2
FLAG_SNAPSHOT = 1
LIVE_HEADER = np.dtype(
    [
        ("kind", "u1"),
        ("flags", "u1"),
        ("resolution", "<u2"),
        ("rows", "<u4"),
        ("gone", "<u4"),
        ("names", "<u4"),
        ("time_ms", "<f8"),
        ("name_bytes", "<u4"),
        ("zero", "<u4"),
    ]
)
"""The first 32 bytes of a binary map frame."""

POSITION_COLUMNS: Mapping[str, np.dtype[Any]] = {
    "fix_time_ms": np.dtype("<f8"),
    "vehicle": np.dtype("<u4"),
    "lat": np.dtype("<i4"),
    "lon": np.dtype("<i4"),
    "speed_mps": np.dtype("<f4"),
    "heading_deg": np.dtype("<f4"),
}
"""Columns of a binary positions frame, in their order, each padded to `COLUMN_ALIGNMENT`."""

CLUSTER_COLUMNS: Mapping[str, np.dtype[Any]] = {
    "cell": np.dtype("<u4"),
    "lat": np.dtype("<i4"),
    "lon": np.dtype("<i4"),
    "count": np.dtype("<u4"),
    "speed_mps": np.dtype("<f4"),
}
"""Columns of a binary clusters frame."""

COLUMN_ALIGNMENT = 8
"""A browser's typed array has to start at a multiple of its element's size."""

DEGREE_UNITS = 1e7
"""`lat`, `lon` of map frames are integers of 1e-7 degrees (11 mm at the equator)."""


def reason_names(bits: int) -> list[str]:
    """The names of all reasons that are set, in the order of the table."""
    return [name for place, name in enumerate(REASONS) if bits >> place & 1]


def reason_bits(names: Iterable[str]) -> int:
    """The bits of these reasons; names that are not in the table count as none."""
    bits = 0
    for name in names:
        bits |= REASON_BITS.get(name, 0)
    return bits


def padded_bytes(size_bytes: int) -> int:
    """The size of a column with the zero padding after it."""
    return -(-size_bytes // COLUMN_ALIGNMENT) * COLUMN_ALIGNMENT
