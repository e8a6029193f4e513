"""Columns of numbers as text, woven into lines; see `geo.line_join` for shapes and meaning."""

from typing import Any

from numba import njit

from geo.kernels.borrowed import borrowed

_COMMA, _CLOSE, _N = 44, 93, 110
_NULL_BYTES = 4


@njit(cache=True, nogil=True)
def _copy(out: Any, at: int, source: Any, begin: int, end: int) -> int:
    for i in range(begin, end):
        out[at] = source[i]
        at += 1
    return at


@njit(cache=True, nogil=True)
def weave_lines(
    out: Any, line_at: Any, heads: Any, head_at: Any, head: Any, firsts: Any, first_at: Any,
    text: Any, text_at: Any, labels: Any, label_at: Any, ends: Any, end_at: Any,
) -> None:  # fmt: skip
    """Fill `out` and `line_at`; `text_at` has the place of each column's first value, and is moved past its last."""
    out, line_at, heads, head_at, head, firsts, first_at = borrowed(
        (out, line_at, heads, head_at, head, firsts, first_at)
    )
    text, text_at, labels, label_at, ends, end_at = borrowed((text, text_at, labels, label_at, ends, end_at))
    at = 0
    for i in range(head.size):
        at = _copy(out, at, heads, head_at[head[i]], head_at[head[i] + 1])
        at = _copy(out, at, firsts, first_at[i], first_at[i + 1])
        for column in range(text_at.size):
            place = text_at[column]
            if text[place] == _N:
                text_at[column] = place + _NULL_BYTES + 1
                continue
            at = _copy(out, at, labels, label_at[column], label_at[column + 1])
            while text[place] != _COMMA and text[place] != _CLOSE:
                out[at] = text[place]
                at += 1
                place += 1
            text_at[column] = place + 1
            at = _copy(out, at, ends, end_at[column], end_at[column + 1])
        line_at[i + 1] = at
