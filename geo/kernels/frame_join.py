"""Numbers to text, and frames of many views as joins of shared bytes; see `geo.frame_join` for shapes and meaning."""

from typing import Any

import numpy as np
from numba import njit

WIDEST = 28  # sign, 16 digits, point, 9 decimals and a comma
_LARGEST = 9.0e15  # beyond it a float64 is no longer exact to the unit
_COMMA, _POINT, _MINUS, _ZERO = 44, 46, 45, 48
HEADER_BYTES = 32


@njit(cache=True, nogil=True)
def used_rows(n: int, span: Any, gone: Any) -> Any:
    """Which of `n` candidates are in a span or gone, for at least one view."""
    depth = np.zeros(n + 1, np.int32)
    for i in range(0, span.size, 2):
        depth[span[i]] += 1
        depth[span[i + 1]] -= 1
    is_used = np.empty(n, np.bool_)
    open_spans = 0
    for i in range(n):
        open_spans += depth[i]
        is_used[i] = open_spans > 0
    for i in gone:
        is_used[i] = True
    return is_used


@njit(cache=True, nogil=True)
def _put_digits(out: Any, at: int, value: Any, digits: int) -> int:
    """Write a uint64 of at most so many digits, with zeros in front."""
    ten = np.uint64(10)  # all unsigned, where a division by a constant is one multiplication
    for i in range(digits - 1, -1, -1):
        tens = value // ten
        out[at + i] = np.uint8(value - tens * ten) + np.uint8(_ZERO)
        value = tens
    return at + digits


@njit(cache=True, nogil=True)
def _put_number(out: Any, at: int, value: float, decimals: int, scale: Any) -> int:
    """Write a JSON number rounded to `decimals`, without trailing zeros; NaN and what is beyond exact is null."""
    if not (abs(value) * scale <= _LARGEST):
        out[at], out[at + 1], out[at + 2], out[at + 3] = 110, 117, 108, 108
        return at + 4
    units = np.uint64(np.int64(np.rint(abs(value) * scale)))
    if value < 0 and units > 0:
        out[at] = _MINUS
        at += 1
    whole, ten = units // scale, np.uint64(10)
    rest, digits, next_size = units - whole * scale, 1, ten
    while whole >= next_size:
        digits, next_size = digits + 1, next_size * ten
    at = _put_digits(out, at, whole, digits)
    if rest == 0:
        return at
    while rest == rest // ten * ten:
        rest //= ten
        decimals -= 1
    out[at] = _POINT
    return _put_digits(out, at + 1, rest, decimals)


@njit(cache=True, nogil=True)
def number_text(numbers: Any, decimals: Any, is_used: Any) -> Any:
    """Text of each used number with a comma behind, column after column, and where each begins."""
    columns, n = numbers.shape
    text = np.empty(columns * np.sum(is_used) * WIDEST, np.uint8)
    text_at = np.empty((columns, n + 1), np.int64)
    at = 0
    for c in range(columns):
        scale = np.uint64(10 ** decimals[c])
        for i in range(n):
            text_at[c, i] = at
            if is_used[i]:
                at = _put_number(text, at, numbers[c, i], decimals[c], scale)
                text[at] = _COMMA
                at += 1
        text_at[c, n] = at
    return text[:at], text_at


@njit(cache=True, nogil=True)
def _put(out: Any, at: int, source: Any, start: int, stop: int) -> int:
    # through views indexed from 0, which the compiler turns into wide copies
    target, piece = out[at : at + stop - start], source[start:stop]
    for i in range(piece.size):
        target[i] = piece[i]
    return at + stop - start


@njit(cache=True, nogil=True)
def _bytes_of(blob_at: Any, span: Any, first: int, last: int) -> int:
    """Bytes of spans `first` to `last` in all columns."""
    total = 0
    for c in range(blob_at.shape[0]):
        for s in range(first, last):
            total += blob_at[c, span[2 * s + 1]] - blob_at[c, span[2 * s]]
    return total


@njit(cache=True, nogil=True)
def _bytes_at(blob_at: Any, index: Any, first: int, last: int) -> int:
    """Bytes of single rows in one column."""
    total = 0
    for i in range(first, last):
        total += blob_at[index[i] + 1] - blob_at[index[i]]
    return total


@njit(cache=True, nogil=True)
def _put_spans(out: Any, at: int, blob: Any, blob_at: Any, span: Any, first: int, last: int) -> int:
    for s in range(first, last):
        at = _put(out, at, blob, blob_at[span[2 * s]], blob_at[span[2 * s + 1]])
    return at


@njit(cache=True, nogil=True)
def _put_rows(out: Any, at: int, blob: Any, blob_at: Any, index: Any, first: int, last: int) -> int:
    for i in range(first, last):
        at = _put(out, at, blob, blob_at[index[i]], blob_at[index[i] + 1])
    return at


@njit(cache=True, nogil=True)
def join_text(
    out: Any, views: Any, first_view: int, is_snapshot: Any,
    span: Any, span_at: Any, gone: Any, gone_at: Any, fresh: Any, fresh_at: Any,
    text: Any, text_at: Any, names: Any, names_at: Any, literal: Any, literal_at: Any,
) -> Any:  # fmt: skip
    """JSON frames one after the other in `out`, as many as fit; arguments as `geo.frame_join.join_frames` has them.

    Literals: head of a delta, head of a snapshot, what stands between columns (columns - 1 of them), then the five
    that end the columns, open gone, open names, close names, close the frame.
    """
    columns = text_at.shape[0]
    end = 2 + columns - 1
    frame_at = np.empty(views.size - first_view + 1, np.int64)
    frame_at[0] = at = 0
    done = 0
    for v in views[first_view:]:
        s0, s1, g0, g1, f0, f1 = (
            span_at[v],
            span_at[v + 1],
            gone_at[v],
            gone_at[v + 1],
            fresh_at[v],
            fresh_at[v + 1],
        )
        if is_snapshot[v] or s1 > s0 or g1 > g0:
            most = literal.size + _bytes_of(text_at, span, s0, s1)
            most += _bytes_at(text_at[0], gone, g0, g1) + _bytes_at(names_at, fresh, f0, f1) + 1
            if at + most > out.size:
                break
            head = 1 if is_snapshot[v] else 0
            at = _put(out, at, literal, literal_at[head], literal_at[head + 1])
            for c in range(columns):
                if c > 0:
                    at = _put(out, at, literal, literal_at[c + 1], literal_at[c + 2])
                at = _put_spans(out, at, text, text_at[c], span, s0, s1)
                at -= s1 > s0  # the comma behind the last one
            at = _put(out, at, literal, literal_at[end], literal_at[end + 1])
            if g1 > g0:
                at = _put(out, at, literal, literal_at[end + 1], literal_at[end + 2])
                at = _put_rows(out, at, text, text_at[0], gone, g0, g1) - 1
                at = _put(out, at, literal, literal_at[end], literal_at[end + 1])
            if f1 > f0:
                at = _put(out, at, literal, literal_at[end + 2], literal_at[end + 3])
                at = _put_rows(out, at, names, names_at, fresh, f0, f1) - 1
                at = _put(out, at, literal, literal_at[end + 3], literal_at[end + 4])
            at = _put(out, at, literal, literal_at[end + 4], literal_at[end + 5])
        done += 1
        frame_at[done] = at
    return frame_at[: done + 1]


@njit(cache=True, nogil=True)
def _put_uint32(out: Any, at: int, value: int) -> int:
    for i in range(4):
        out[at + i] = (value >> (8 * i)) & 0xFF
    return at + 4


@njit(cache=True, nogil=True)
def _pad(out: Any, at: int, start: int) -> int:
    """Zeros up to the next multiple of 8 from the frame's start."""
    while (at - start) & 7:
        out[at] = 0
        at += 1
    return at


@njit(cache=True, nogil=True)
def join_binary(
    out: Any, views: Any, first_view: int, is_snapshot: Any,
    span: Any, span_at: Any, gone: Any, gone_at: Any, fresh: Any, fresh_at: Any,
    cells: Any, cells_at: Any, names: Any, names_at: Any, headers: Any, number_column: int,
) -> Any:  # fmt: skip
    """Binary frames one after the other in `out`, as many as fit; arguments as `geo.frame_join.join_frames` has them.

    `headers` (uint8 [2, 32], delta and snapshot) hold what all frames share; counts are filled in here.
    """
    columns = cells_at.shape[0]
    frame_at = np.empty(views.size - first_view + 1, np.int64)
    frame_at[0] = at = 0
    done = 0
    for v in views[first_view:]:
        s0, s1, g0, g1, f0, f1 = (
            span_at[v],
            span_at[v + 1],
            gone_at[v],
            gone_at[v + 1],
            fresh_at[v],
            fresh_at[v + 1],
        )
        if is_snapshot[v] or s1 > s0 or g1 > g0:
            name_bytes = _bytes_at(names_at, fresh, f0, f1)
            most = (
                HEADER_BYTES + _bytes_of(cells_at, span, s0, s1) + 4 * (g1 - g0) + 8 * (f1 - f0) + name_bytes
            )
            if at + most + 8 * (columns + 4) > out.size:
                break
            start = at
            at = _put(out, at, headers[1 if is_snapshot[v] else 0], 0, HEADER_BYTES)
            rows = 0
            for s in range(s0, s1):
                rows += span[2 * s + 1] - span[2 * s]
            _put_uint32(out, start + 4, rows)
            _put_uint32(out, start + 8, g1 - g0)
            _put_uint32(out, start + 12, f1 - f0)
            _put_uint32(out, start + 24, name_bytes)
            for c in range(columns):
                at = _pad(out, _put_spans(out, at, cells, cells_at[c], span, s0, s1), start)
            at = _pad(out, _put_rows(out, at, cells, cells_at[number_column], gone, g0, g1), start)
            at = _pad(out, _put_rows(out, at, cells, cells_at[number_column], fresh, f0, f1), start)
            for f in fresh[f0:f1]:
                at = _put_uint32(out, at, names_at[f + 1] - names_at[f])
            at = _put_rows(out, _pad(out, at, start), names, names_at, fresh, f0, f1)
        done += 1
        frame_at[done] = at
    return frame_at[: done + 1]
