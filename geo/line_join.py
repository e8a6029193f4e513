"""Lines of text out of columns of numbers, without an object a line.

orjson writes each column as the text of a JSON array, every number exactly as it is (the shortest text that is read as the same float64); a
kernel weaves the columns into lines. Knows labels and order, not their meaning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from geo.frame_join import Bytes, Offsets, Pieces, pieces
from geo.kernels import line_join as kernels

_AS_ARRAY = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class Column:
    """A number in each line, between two texts. values: int64 or float64 [n]; where they are not finite, nothing stands, neither text."""

    label: bytes
    values: NDArray[Any]
    end: bytes = b""


@dataclass(frozen=True, slots=True)
class Lines:
    """n lines one after the other: line i is `blob[at[i]:at[i + 1]]`. blob: uint8; at: int64 [n + 1]."""

    blob: Bytes
    at: Offsets

    def __len__(self) -> int:
        return len(self.at) - 1


def join_lines(
    heads: Pieces, head: NDArray[np.integer[Any]], firsts: Pieces, columns: Sequence[Column]
) -> Lines:
    """Each line is a head, a text of its own, and its number of each column.

    Args:
        heads: what lines begin with.
        head: which of them each line begins with; int [n].
        firsts: the n texts that follow it.
        columns: in the order of the line.

    Raises:
        ValueError: a column or `firsts` is not of n.
    """
    n = len(head)
    if any(len(column.values) != n for column in columns) or len(firsts.at) != n + 1:
        raise ValueError(f"{n} lines need {n} values of each column and {n} first texts")
    head = np.ascontiguousarray(head, np.int64)
    at = np.zeros(n + 1, np.int64)
    if not n:
        return Lines(np.zeros(0, np.uint8), at)
    texts = pieces(
        [orjson.dumps(np.ascontiguousarray(column.values), option=_AS_ARRAY) for column in columns]
    )
    labels, ends = pieces([column.label for column in columns]), pieces([column.end for column in columns])
    most = np.diff(heads.at)[head].sum() + sum(map(len, (firsts.blob, texts.blob)))
    out = np.empty(most + n * (len(labels.blob) + len(ends.blob)), np.uint8)
    kernels.weave_lines(
        out, at, heads.blob, heads.at, head, firsts.blob, firsts.at, texts.blob, texts.at[:-1] + 1,
        labels.blob, labels.at, ends.blob, ends.at,
    )  # fmt: skip
    return Lines(out[: at[-1]], at)


def warm_up() -> None:
    """Compile the kernel, or load it."""
    one = np.zeros(1, np.int64)
    join_lines(pieces([b""]), one, pieces([b""]), [Column(b"", one)])
