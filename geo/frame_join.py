"""Frames of many views as joins of shared bytes: each row is encoded once, a frame copies the spans that its view sees.

A `Sheet` holds the encoded columns of the candidates in map order; what a view sees of them is a few spans of
neighbours (`geo.view_match.Selection`), so a frame is a few copies a column. Knows brackets and padding, not names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo.kernels import frame_join as kernels
from geo.view_match import Selection

Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]
HEADER_BYTES = kernels.HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Pieces:
    """Byte strings one after the other: piece i is `blob[at[i]:at[i + 1]]`. blob: uint8; at: int64 [pieces + 1]."""

    blob: Bytes
    at: Offsets


@dataclass(frozen=True, slots=True)
class Sheet:
    """Encoded columns of n candidates: row i of column c is `blob[at[c, i]:at[c, i + 1]]`. at: int64 [columns, n + 1]."""

    blob: Bytes
    at: Offsets


def pieces(parts: Sequence[bytes]) -> Pieces:
    """The byte strings, joined."""
    at = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=at[1:])
    # a bytearray, because the kernels are compiled for arrays that can be written to
    return Pieces(np.frombuffer(bytearray(b"".join(parts)), np.uint8), at)


def sparse_pieces(parts: Sequence[bytes], index: NDArray[np.integer], n: int) -> Pieces:
    """As many pieces as n, empty but for those at `index` (growing), which are `parts`."""
    joined = pieces(parts)
    sizes = np.zeros(n + 1, np.int64)
    sizes[index + 1] = np.diff(joined.at)
    return Pieces(joined.blob, np.cumsum(sizes))


def used_rows(n: int, selection: Selection) -> NDArray[np.bool_]:
    """Which of n candidates at least one view sends or takes away; bool [n]."""
    return kernels.used_rows(n, selection.span, selection.gone)  # type: ignore[no-any-return]  # numba's dispatcher is untyped


def text_sheet(
    numbers: NDArray[np.float64], decimals: NDArray[np.int64], is_used: NDArray[np.bool_]
) -> Sheet:
    """JSON numbers with a comma behind each; NaN, and what a float64 does not hold exactly, is null.

    Args:
        numbers: float64 [columns, n].
        decimals: int64 [columns], at most so many (0 to 9); trailing zeros are left out.
        is_used: bool [n]; the others are left empty.
    """
    return Sheet(*kernels.number_text(numbers, decimals, is_used))


def binary_sheet(columns: Sequence[NDArray[Any]]) -> Sheet:
    """The columns' own bytes; each an array [n] of a little-endian dtype."""
    n = len(columns[0])
    starts = np.cumsum([0, *(column.nbytes for column in columns)])
    at = np.stack(
        [start + np.arange(n + 1) * c.itemsize for start, c in zip(starts[:-1], columns, strict=True)]
    )
    return Sheet(np.concatenate([np.ascontiguousarray(column).view(np.uint8) for column in columns]), at)


def join_text(
    out: Bytes, views: NDArray[np.int32], first: int, is_snapshot: NDArray[np.bool_],
    selection: Selection, sheet: Sheet, names: Pieces, literals: Pieces,
) -> Offsets:  # fmt: skip
    """JSON frames of `views[first:]` in `out`, as many as fit; frame i is `out[at[i]:at[i + 1]]`, empty: nothing to say.

    Args:
        out: uint8, overwritten.
        views: int32, indices into the selection's views.
        first: where in `views` to begin.
        is_snapshot: bool, index = the selection's view; such a frame is made even when it holds nothing.
        selection: what each view is told.
        sheet: from `text_sheet`; column 0 is the rows' number, which `gone` repeats.
        names: each candidate's `"number":"name",`, empty where no view asks.
        literals: the head of a delta, the head of a snapshot (both up to the first column's open bracket), what stands
            between two columns (columns - 1 times), then what closes the columns, opens gone, opens names, closes
            names, closes the frame.

    Returns:
        at: int64 [done + 1]; done 0: `out` is too small for the first of them.
    """
    s = selection
    return kernels.join_text(  # type: ignore[no-any-return]  # numba's dispatcher is untyped
        out, views, first, is_snapshot, s.span, s.span_at, s.gone, s.gone_at, s.fresh, s.fresh_at,
        sheet.blob, sheet.at, names.blob, names.at, literals.blob, literals.at,
    )  # fmt: skip


def join_binary(
    out: Bytes, views: NDArray[np.int32], first: int, is_snapshot: NDArray[np.bool_],
    selection: Selection, sheet: Sheet, names: Pieces, headers: Bytes, number_column: int,
) -> Offsets:  # fmt: skip
    """Binary frames of `views[first:]` in `out`, as many as fit; like `join_text`.

    Args:
        out: uint8, overwritten.
        views: int32, indices into the selection's views.
        first: where in `views` to begin.
        is_snapshot: bool, index = the selection's view; such a frame is made even when it holds nothing.
        selection: what each view is told.
        sheet: from `binary_sheet`.
        names: each candidate's name in UTF-8, empty where no view asks.
        headers: uint8 [2, 32], of a delta and of a snapshot, with kind, flags, resolution and time; at 4, 8, 12 and 24
            the counts of rows, gone, names and bytes of names are filled in (uint32).
        number_column: the sheet's column of the rows' numbers (uint32).

    Returns:
        as `join_text`. Each column begins at a multiple of 8 bytes from the frame's start.
    """
    s = selection
    return kernels.join_binary(  # type: ignore[no-any-return]  # numba's dispatcher is untyped
        out, views, first, is_snapshot, s.span, s.span_at, s.gone, s.gone_at, s.fresh, s.fresh_at,
        sheet.blob, sheet.at, names.blob, names.at, headers, number_column,
    )  # fmt: skip


def warm_up() -> None:
    """Compile, or load from the cache, every kernel used here with the dtypes used live."""
    none, at = np.zeros(0, np.int32), np.zeros(2, np.int64)
    selection = Selection(np.array([0, 1], np.int32), np.array([0, 1]), none, at, none, at)
    out, views, is_snapshot = np.empty(256, np.uint8), np.zeros(1, np.int32), np.zeros(1, np.bool_)
    text = text_sheet(np.zeros((1, 1)), np.zeros(1, np.int64), used_rows(1, selection))
    join_text(out, views, 0, is_snapshot, selection, text, pieces([b""]), pieces([b"x"] * 7))
    numbers = binary_sheet([np.zeros(1, np.uint32)])
    headers = np.zeros((2, HEADER_BYTES), np.uint8)
    join_binary(out, views, 0, is_snapshot, selection, numbers, pieces([b""]), headers, 0)
