"""Reads plain JSON fixes out of bytes, without an object a fix.

Only the plain form is read: objects of the known keys with plain numbers or null, or {"fixes":[...]} of them. Of
`attributes` only the extent is found, from brace to brace; what stands between is the caller's to check. Whatever else
a frame holds (exponents, escapes, errors), the frame is left to a full JSON parser, which also finds the words for what
is wrong. So this kernel never has to explain itself, it only must never accept what it should not.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

PLAIN = 0
NOT_PLAIN = 1

SEQ, TIME_MS, LAT, LON, SPEED, HEADING, ACCURACY, ALTITUDE, ATTRIBUTES, UNKNOWN_KEY = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
)
REQUIRED = 0b1111
SEQ_MOST = 2**53
TIME_MOST = 10**17

QUOTE, COMMA, COLON, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = 34, 44, 58, 123, 125, 91, 93
BACKSLASH = 92
MINUS, POINT, ZERO, NINE, UPPER_E, LOWER_E, LOWER_N = 45, 46, 48, 57, 69, 101, 110


class FixColumns(NamedTuple):
    """Where fixes are written to, a column each."""

    seq: NDArray[np.int64]
    time_ms: NDArray[np.int64]
    values: NDArray[np.float64]  # [6, room]: lat, lon, speed, heading, accuracy, altitude; NaN: unknown
    attributes: NDArray[np.int64]  # [2, room]: where their JSON object starts (-1: none) and ends in the text


_KEYS = np.zeros((9, 11), np.uint8)
_KEY_BYTES = np.zeros(9, np.int64)
for _i, _key in enumerate(
    (
        b"seq",
        b"time_ms",
        b"lat",
        b"lon",
        b"speed_mps",
        b"heading_deg",
        b"accuracy_m",
        b"altitude_m",
        b"attributes",
    )
):
    _KEYS[_i, : len(_key)] = np.frombuffer(_key, np.uint8)
    _KEY_BYTES[_i] = len(_key)
_FIXES = np.frombuffer(b'"fixes"', np.uint8).copy()
_NULL = np.frombuffer(b"null", np.uint8).copy()
_POWERS = 10.0 ** np.arange(23)  # exact in float64 up to 10^22

SPLIT = 134217729.0  # 2^27 + 1, Dekker's splitting constant


@njit(cache=True, nogil=True)
def _skip_space(text: NDArray[np.uint8], at: int, end: int) -> int:
    while at < end and (text[at] == 32 or text[at] == 10 or text[at] == 13 or text[at] == 9):
        at += 1
    return at


@njit(cache=True, nogil=True)
def _expect(text: NDArray[np.uint8], at: int, end: int, byte: int) -> int:
    """Position after `byte` and any space around it; -1 if something else stands there."""
    at = _skip_space(text, at, end)
    if at >= end or text[at] != byte:
        return -1
    return _skip_space(text, at + 1, end)


@njit(cache=True, nogil=True)
def _matches(text: NDArray[np.uint8], at: int, end: int, word: NDArray[np.uint8]) -> bool:
    if at + word.size > end:
        return False
    for k in range(word.size):  # noqa: SIM110 - numba has no all() of a generator
        if text[at + k] != word[k]:
            return False
    return True


@njit(cache=True, nogil=True)
def _key_at(text: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """Which known key starts at `at`, after its quote, and the position after its closing quote."""
    for key in range(9):
        size = _KEY_BYTES[key]
        if at + size < end and text[at + size] == QUOTE and _matches(text, at, end, _KEYS[key, :size]):
            return key, at + size + 1
    return UNKNOWN_KEY, at


@njit(cache=True, nogil=True)
def _object_end(text: NDArray[np.uint8], at: int, end: int) -> int:
    """The position after the object that starts at `at`, -1 if none does; what stands in it is not checked."""
    if text[at] != OPEN:
        return -1
    depth = 0
    in_string = False
    while at < end:
        byte = text[at]
        if in_string and byte == BACKSLASH:
            at += 1
        elif byte == QUOTE:
            in_string = not in_string
        elif byte == OPEN and not in_string:
            depth += 1
        elif byte == CLOSE and not in_string:
            depth -= 1
            if depth == 0:
                return at + 1
        at += 1
    return -1


@njit(cache=True, nogil=True)
def _quotient(mantissa: np.uint64, decimals: int) -> tuple[float, bool]:
    """The quotient mantissa / 10^decimals correctly rounded, and whether that is certain.

    Below 2^53 both operands are exact and IEEE division rounds once (Clinger 1990, doi 10.1145/93548.93557). Above,
    the quotient is carried in two floats, with Dekker's exact product (1971, doi 10.1007/BF01397083) for the
    remainder; too close to a tie to be sure is left to the full parser.
    """
    power = _POWERS[decimals]
    if mantissa < np.uint64(2**53):
        return np.float64(mantissa) / power, True
    high = np.float64(mantissa)
    low = np.float64(np.int64(mantissa) - np.int64(high))
    first = high / power
    c = SPLIT * first
    first_high = c - (c - first)
    first_low = first - first_high
    c = SPLIT * power
    power_high = c - (c - power)
    power_low = power - power_high
    product = first * power
    error = (
        (first_high * power_high - product) + first_high * power_low + first_low * power_high
    ) + first_low * power_low
    rest = ((high - product) - error + low) / power
    value = first + rest
    missed = rest - (value - first)
    half_ulp = value * 2.0**-53
    return value, abs(missed) < 0.49 * half_ulp


@njit(cache=True, nogil=True)
def _number_at(text: NDArray[np.uint8], at: int, end: int) -> tuple[bool, bool, float, int, int]:
    """A plain JSON number: (is plain, is whole, value as float, value as integer, position after it)."""
    negative = at < end and text[at] == MINUS
    if negative:
        at += 1
    start = at
    mantissa = np.uint64(0)
    while at < end and ZERO <= text[at] <= NINE and at - start < 19:
        mantissa = mantissa * np.uint64(10) + np.uint64(text[at] - ZERO)
        at += 1
    digits = at - start
    if digits == 0 or (digits > 1 and text[start] == ZERO):
        return False, False, 0.0, 0, at
    decimals = 0
    if at < end and text[at] == POINT:
        at += 1
        start = at
        while at < end and ZERO <= text[at] <= NINE and digits + at - start < 19:
            mantissa = mantissa * np.uint64(10) + np.uint64(text[at] - ZERO)
            at += 1
        decimals = at - start
        if decimals == 0:
            return False, False, 0.0, 0, at
    elif digits > 18:
        return False, False, 0.0, 0, at
    if at < end and (ZERO <= text[at] <= NINE or text[at] == LOWER_E or text[at] == UPPER_E):
        return False, False, 0.0, 0, at  # an exponent, or more digits than fit
    if mantissa >= np.uint64(2**63):
        return False, False, 0.0, 0, at
    value, certain = _quotient(mantissa, decimals)
    whole = np.int64(mantissa) if decimals == 0 else 0
    if negative:
        value, whole = -value, -whole
    return certain, decimals == 0, value, int(whole), at


@njit(cache=True, nogil=True)
def _is_allowed(key: int, value: float, whole: int, is_whole: bool) -> bool:
    if key == SEQ:
        return is_whole and 0 <= whole <= SEQ_MOST
    if key == TIME_MS:
        return is_whole and abs(whole) <= TIME_MOST
    if key in (SPEED, ACCURACY):
        return value >= 0.0
    if key == HEADING:
        return 0.0 <= value <= 360.0
    return True


@njit(cache=True, nogil=True)
def _fix_at(text: NDArray[np.uint8], at: int, end: int, i: int, columns: FixColumns) -> int:
    """Read the object after its opening brace into row i; the position after its closing brace, -1 if not plain."""
    for k in range(columns.values.shape[0]):
        columns.values[k, i] = np.nan
    columns.attributes[0, i] = -1
    seen = 0
    while True:
        if at >= end or text[at] != QUOTE:
            return -1
        key, at = _key_at(text, at + 1, end)
        if key == UNKNOWN_KEY:
            return -1
        at = _expect(text, at, end, COLON)
        if at < 0 or at >= end:
            return -1
        if text[at] == LOWER_N:
            if key < SPEED or not _matches(text, at, end, _NULL):
                return -1
            if key < ATTRIBUTES:
                columns.values[key - LAT, i] = np.nan
            at += 4
        elif key == ATTRIBUTES:
            columns.attributes[0, i] = at
            at = _object_end(text, at, end)
            if at < 0:
                return -1
            columns.attributes[1, i] = at
        else:
            plain, is_whole, value, whole, at = _number_at(text, at, end)
            if not plain or not _is_allowed(key, value, whole, is_whole):
                return -1
            if key == SEQ:
                columns.seq[i] = whole
            elif key == TIME_MS:
                columns.time_ms[i] = whole
            elif key == HEADING and value == 360.0:
                columns.values[key - LAT, i] = 0.0
            else:
                columns.values[key - LAT, i] = value
        seen |= 1 << key
        at = _skip_space(text, at, end)
        if at >= end:
            return -1
        if text[at] == CLOSE:
            return at + 1 if seen & REQUIRED == REQUIRED else -1
        if text[at] != COMMA:
            return -1
        at = _skip_space(text, at + 1, end)


@njit(cache=True, nogil=True)
def _frame_at(
    text: NDArray[np.uint8],
    at: int,
    end: int,
    i: int,
    most: int,
    columns: FixColumns,
) -> int:
    """Read one frame from row i on; the row after its last fix, -1 if the frame is not plain."""
    at = _expect(text, at, end, OPEN)
    if at < 0:
        return -1
    if not _matches(text, at, end, _FIXES):
        at = _fix_at(text, at, end, i, columns)
        return i + 1 if at >= 0 and _skip_space(text, at, end) == end else -1
    at = _expect(text, at + _FIXES.size, end, COLON)
    if at >= 0:
        at = _expect(text, at, end, OPEN_LIST)
    first = i
    while at >= 0:
        at = _expect(text, at, end, OPEN)
        if at < 0 or i - first >= most or i >= columns.seq.size:
            return -1
        at = _fix_at(text, at, end, i, columns)
        if at < 0:
            return -1
        i += 1
        at = _skip_space(text, at, end)
        if at >= end:
            return -1
        if text[at] == CLOSE_LIST:
            at = _expect(text, at + 1, end, CLOSE)
            return i if at == end else -1
        if text[at] != COMMA:
            return -1
        at += 1
    return -1


@njit(cache=True, nogil=True)
def read_frames(
    text: NDArray[np.uint8],
    ends: NDArray[np.int64],
    most: int,
    columns: FixColumns,
    fixes: NDArray[np.int32],
) -> int:
    """Read frames that stand one after the other in `text`.

    Args:
        text: uint8[bytes].
        ends: int64[frames], where each frame ends.
        most: fixes allowed in a frame; one with more is not plain.
        columns: to write to; there is room for at least bytes // 36 + frames fixes.
        fixes: int32[frames] to write to: how many fixes each frame held, -1: not plain.

    Returns:
        how many fixes were read.
    """
    count = 0
    start = 0
    for frame in range(ends.size):
        after = _frame_at(text, start, ends[frame], count, most, columns)
        fixes[frame] = after - count if after >= 0 else -1
        count = max(count, after)
        start = ends[frame]
    return count
