"""A device's frames: fixes to bytes, replies to values. The layout stands in `docs/protocol.md`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
import orjson
from numpy.typing import ArrayLike, NDArray

from haulcast.doors import wire

SEQ_BYTES = 8
_RECORD_BODY = Struct(
    "<qdd4f"
)  # wire.DEVICE_RECORD after its sequence; ten times faster than numpy for a single one
OPTIONAL = ("speed_mps", "heading_deg", "accuracy_m", "altitude_m")


@dataclass(frozen=True, slots=True)
class Welcome:
    """The hub's first frame: `seq` is the highest sequence that it has of this vehicle, -1 for none."""

    vehicle: str
    seq: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class Ack:
    """Every fix up to `seq` is stored or has been rejected."""

    seq: int


@dataclass(frozen=True, slots=True)
class Reject:
    """One fix that the hub refused, with all its reasons."""

    seq: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resend:
    """The hub has lost what it took after `seq` before it was stored: send it again."""

    seq: int


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """The hub could not read a frame and refused it whole."""

    code: str
    reason: str
    field: str | None = None


Reply = Welcome | Ack | Reject | Resend | FrameRefused


def text_body(
    time_ms: int,
    lat_deg: float,
    lon_deg: float,
    optional: Sequence[float | None],
    attributes: Mapping[str, Any] | None = None,
) -> bytes:
    """One fix as JSON without its sequence; `optional` has the values of `OPTIONAL`, unknown as None or NaN.

    Raises:
        ValueError: a position that is not finite, or attributes that are not JSON.
    """
    _check_finite(lat_deg, lon_deg)
    fix: dict[str, Any] = {"time_ms": int(time_ms), "lat": float(lat_deg), "lon": float(lon_deg)}
    for name, value in zip(OPTIONAL, optional, strict=True):
        if value is not None and math.isfinite(value):
            fix[name] = float(value)
    if attributes:
        fix["attributes"] = attributes
    try:
        return orjson.dumps(fix)
    except TypeError as error:
        raise ValueError(f"attributes {attributes!r} are not JSON: {error}") from error


def record_body(time_ms: int, lat_deg: float, lon_deg: float, optional: Sequence[float | None]) -> bytes:
    """One fix as a binary record without its sequence; arguments and errors as for `text_body`."""
    _check_finite(lat_deg, lon_deg)
    rest = (math.nan if value is None else value for value in optional)
    return _RECORD_BODY.pack(int(time_ms), lat_deg, lon_deg, *rest)


def numbered(seq: int, body: bytes, *, is_text: bool) -> bytes:
    """The whole fix: its sequence and what `text_body` or `record_body` made of the rest."""
    if is_text:
        return b'{"seq":%d,' % seq + body[1:]
    return seq.to_bytes(SEQ_BYTES, "little") + body


def record_bodies(
    time_ms: ArrayLike, lat_deg: ArrayLike, lon_deg: ArrayLike, optional: Sequence[ArrayLike | None]
) -> list[bytes]:
    """`record_body` of many fixes, given as columns.

    Raises:
        ValueError: columns of different lengths, or a position that is not finite.
    """
    columns = _checked_columns(time_ms, lat_deg, lon_deg, optional)
    records = np.empty(len(columns[0]), wire.DEVICE_RECORD)
    for name, column in zip(("time_ms", "lat", "lon", *OPTIONAL), columns, strict=True):
        records[name] = column
    joined, width = records.tobytes(), wire.DEVICE_RECORD.itemsize
    return [joined[at + SEQ_BYTES : at + width] for at in range(0, len(joined), width)]


def text_bodies(
    time_ms: ArrayLike, lat_deg: ArrayLike, lon_deg: ArrayLike, optional: Sequence[ArrayLike | None]
) -> list[bytes]:
    """`text_body` of many fixes, given as columns; errors as for `record_bodies`."""
    columns = _checked_columns(time_ms, lat_deg, lon_deg, optional)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [text_body(ms, lat, lon, rest) for ms, lat, lon, *rest in rows]


def _checked_columns(
    time_ms: ArrayLike, lat_deg: ArrayLike, lon_deg: ArrayLike, optional: Sequence[ArrayLike | None]
) -> list[NDArray[Any]]:
    times = np.asarray(time_ms, np.int64)
    unknown = np.full(len(times), np.nan)
    given = (lat_deg, lon_deg, *optional)
    columns = [times, *(unknown if column is None else np.asarray(column, np.float64) for column in given)]
    if len({column.shape for column in columns}) > 1:
        raise ValueError(f"columns of different lengths: {[column.shape for column in columns]}")
    if not (np.isfinite(columns[1]).all() and np.isfinite(columns[2]).all()):
        raise ValueError("lat_deg, lon_deg: all have to be finite numbers")
    return columns


def join_texts(fixes: Sequence[bytes]) -> str:
    """One text frame of one or many JSON fixes."""
    joined = fixes[0] if len(fixes) == 1 else b'{"fixes":[' + b",".join(fixes) + b"]}"
    return joined.decode()


def read_replies(message: str | bytes) -> list[Reply]:
    """What the hub said in one message; kinds that this version does not know are left out."""
    if isinstance(message, bytes):
        return _read_binary(message)
    said = orjson.loads(message)
    match said.get("type"):
        case "welcome":
            return [Welcome(said["vehicle"], said["seq"], said["time_ms"])]
        case "ack":
            return [Ack(said["seq"])]
        case "reject":
            return [Reject(one["seq"], tuple(one["reasons"])) for one in said["rejects"]]
        case "resend":
            return [Resend(said["seq"])]
        case "error":
            return [FrameRefused(said["code"], said.get("reason", ""), said.get("field"))]
    return []


def _check_finite(lat_deg: float, lon_deg: float) -> None:
    if not (math.isfinite(lat_deg) and math.isfinite(lon_deg)):
        raise ValueError(f"lat_deg {lat_deg}, lon_deg {lon_deg}: both have to be finite numbers")


def _read_binary(message: bytes) -> list[Reply]:
    kind, count = np.frombuffer(message, wire.REPLY_HEADER, count=1)[0].tolist()
    if kind == wire.REPLY_ACK:
        return [Ack(int(np.frombuffer(message, wire.ACK_REPLY, count=1)["seq"][0]))]
    if kind == wire.REPLY_RESEND:
        return [Resend(int(np.frombuffer(message, wire.RESEND_REPLY, count=1)["seq"][0]))]
    if kind == wire.REPLY_REJECT:
        rejects = np.frombuffer(message, wire.REJECT_RECORD, count=count, offset=wire.REPLY_HEADER.itemsize)
        return [Reject(seq, tuple(wire.reason_names(bits))) for seq, bits, _ in rejects.tolist()]
    return []
