"""Fixes as Influx's line protocol, and back.

A fix is a point of the measurement `fixes`. Influx keeps one point for each tags and nanosecond, so a fix's sequence is in its nanosecond: its millisecond,
and in it the place (sequence + 1) modulo `SEQ_PLACES`. The same fix again is the same point, and two of the same millisecond are two, unless their
sequences differ by a multiple of that prime. As a tag the sequence would make a series of each fix.

Line protocol has no NaN and no infinity, a JSON reader may lose the sign of -0, and a point that is written again keeps fields which only the older one
had. So `kinds` says for each of the six numbers in three bits which kind it is, and in a seventh place whether there are attributes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from geo.frame_join import pieces, sparse_pieces
from geo.line_join import Column, Lines, join_lines
from geo.positions import COLUMNS, PositionBatch, from_columns

MEASUREMENT = "fixes"
MS_NS = 1_000_000
SEQ_PLACES = (
    999_983  # the greatest prime below the nanoseconds of a millisecond: no device counts in steps of it
)
LEAST_MS, MOST_MS = -9_223_372_036_854, 9_223_372_036_853
"""Whole milliseconds within Influx's time, which is nanoseconds in an int64: of the years 1677 to 2262."""

NUMBERS: Final = ("lat_deg", "lon_deg", "speed_mps", "heading_deg", "accuracy_m", "altitude_m")
FIELDS: Final = ("seq", "received_ms", "kinds", *NUMBERS, "attributes")
"""What is read back, in this order behind the time."""
FLEET_FIELDS: Final = FIELDS[:-1]

_UNKNOWN, _PLAIN, _INFINITE, _MINUS_INFINITE, _MINUS_ZERO = range(5)
_KIND_BITS, _KIND = 3, 0b111
_ATTRIBUTES_BIT = 1 << _KIND_BITS * len(NUMBERS)

# A backslash cannot end a tag's value, however it is written, and a % has to stay itself.
_TAG_TEXT = str.maketrans({"%": "%25", "\\": "%5C", ",": "\\,", "=": "\\=", " ": "\\ "})
_QUERY_TEXT = str.maketrans({"%": "%25", "\\": "%5C", "'": "\\'"})


def head_of(fleet: str, vehicle: str) -> bytes:
    """What each line of a vehicle begins with. Names are printable and not empty."""
    tags = f"fleet={fleet.translate(_TAG_TEXT)},vehicle={vehicle.translate(_TAG_TEXT)}"
    return f"{MEASUREMENT},{tags} ".encode()


def where_vehicle(fleet: str, vehicle: str) -> str:
    """The same vehicle in a condition of InfluxQL."""
    return where_fleet(fleet, [vehicle])


def where_fleet(fleet: str, vehicles: Iterable[str] | None) -> str:
    """Some vehicles of a fleet, at least one, or all of them (None)."""
    is_fleet = f"\"fleet\" = '{fleet.translate(_QUERY_TEXT)}'"
    if vehicles is None:
        return is_fleet
    named = " OR ".join(f"\"vehicle\" = '{vehicle.translate(_QUERY_TEXT)}'" for vehicle in vehicles)
    return f"{is_fleet} AND ({named})"


def vehicle_of(tag: str) -> str:
    """The vehicle's id out of its tag."""
    return unquote(tag)


def lines_of(heads: Sequence[bytes], head: NDArray[np.integer[Any]], fixes: PositionBatch) -> Lines:
    """A line each; `head` says which of the `heads` a fix has. All times are from LEAST_MS to MOST_MS."""
    time_ns = fixes.time_ms * MS_NS + (fixes.seq + 1) % SEQ_PLACES
    numbers = [Column(f",{name}=".encode(), getattr(fixes, name)) for name in NUMBERS]
    columns = [
        Column(b"seq=", fixes.seq, b"i"),
        Column(b",received_ms=", fixes.received_ms, b"i"),
        Column(b",kinds=", _kinds(fixes), b"i"),
        *numbers,
        Column(b" ", time_ns, b"\n"),
    ]
    return join_lines(pieces(heads), head, _attribute_fields(fixes), columns)


def _attribute_fields(fixes: PositionBatch) -> Any:
    index = sorted(fixes.attributes)
    texts = [
        b'attributes="%b",' % fixes.attributes[i].replace(b"\\", b"\\\\").replace(b'"', b'\\"') for i in index
    ]
    return sparse_pieces(texts, np.array(index, np.int64), len(fixes))


def _kinds(fixes: PositionBatch) -> NDArray[np.int64]:
    kinds = np.zeros(len(fixes), np.int64)
    for place, name in enumerate(NUMBERS):
        values = getattr(fixes, name)
        kind = np.where(np.isfinite(values), _PLAIN, _UNKNOWN)
        kind[values == np.inf] = _INFINITE
        kind[values == -np.inf] = _MINUS_INFINITE
        kind[(values == 0) & np.signbit(values)] = _MINUS_ZERO
        kinds |= kind << _KIND_BITS * place
    kinds[list(fixes.attributes)] |= _ATTRIBUTES_BIT
    return kinds


def fixes_of_points(
    points: Sequence[Sequence[Any]],
    fields: Sequence[str] = FIELDS,
    row: NDArray[np.integer[Any]] | None = None,
) -> PositionBatch:
    """Fixes in the order of their keys; of several vehicles in that of their times.

    Args:
        points: as (time in ns, *fields).
        fields: FIELDS, or FLEET_FIELDS: then they have no attributes.
        row: each point's row; None: 0.

    Raises:
        TypeError, ValueError: a point that is no fix of ours.
    """
    columns = list(zip(*points, strict=True)) or [()] * (1 + len(fields))
    by_name = dict(zip(("time_ns", *fields), columns, strict=True))
    kinds = np.array(by_name["kinds"], np.int64)
    named: dict[str, NDArray[Any]] = {
        "row": np.zeros(len(points), np.int32) if row is None else row.astype(np.int32),
        "time_ms": np.array(by_name["time_ns"], np.int64) // MS_NS,
        "seq": np.array(by_name["seq"], np.int64),
        "received_ms": np.array(by_name["received_ms"], np.int64),
    }
    for place, name in enumerate(NUMBERS):
        named[name] = _restored(by_name[name], kinds >> _KIND_BITS * place & _KIND)
    has_attributes = np.flatnonzero(kinds & _ATTRIBUTES_BIT).tolist() if "attributes" in by_name else []
    attributes: Mapping[int, bytes] = {i: by_name["attributes"][i].encode() for i in has_attributes}
    fixes = from_columns((named[name] for name in COLUMNS), attributes)
    return fixes.take(np.lexsort((fixes.seq, fixes.row, fixes.time_ms)))


def _restored(stored: Sequence[float | None], kind: NDArray[np.int64]) -> NDArray[np.float64]:
    values = np.array(stored, np.float64)
    values[kind == _UNKNOWN] = np.nan  # whatever an older point left there
    for special, value in ((_INFINITE, np.inf), (_MINUS_INFINITE, -np.inf), (_MINUS_ZERO, -0.0)):
        values[kind == special] = value
    return values
