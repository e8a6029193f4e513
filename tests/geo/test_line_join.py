"""Lines out of columns, against the same put together number by number."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.frame_join import pieces
from geo.kernels import line_join as kernels
from geo.line_join import Column, join_lines, warm_up

TEXTS = st.binary(max_size=5)
ROWS = st.lists(
    st.tuples(st.integers(0, 2), TEXTS, st.integers(-(2**63), 2**63 - 1), st.floats(), st.floats()),
    max_size=20,
)


def _line(head: bytes, first: bytes, columns: list[tuple[bytes, float, bytes]]) -> list[object]:
    """What a line says: its texts as they are, its numbers as numbers."""
    shown: list[object] = [head, first]
    for label, value, end in columns:
        if np.isfinite(value):
            shown += [label, value, end]
    return shown


@settings(max_examples=60, deadline=None)
@given(heads=st.lists(TEXTS, min_size=3, max_size=3), rows=ROWS)
def test_each_line_has_its_texts_and_its_numbers_exactly(heads, rows):
    """Read back with Python's own parser, the numbers are the same float64; where one is not finite, there is neither text."""
    head, firsts, *columns = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    labels, ends = (b"a=", b"|b=", b"|c="), (b"i", b"", b"!")
    lines = join_lines(
        pieces(heads),
        np.array(head, np.int32),
        pieces(firsts),
        [
            Column(label, np.array(values, kind), end)
            for label, values, kind, end in zip(
                labels, columns, (np.int64, np.float64, np.float64), ends, strict=True
            )
        ],
    )
    assert len(lines) == len(rows)
    for i, (which, first, *values) in enumerate(rows):
        found = lines.blob[lines.at[i] : lines.at[i + 1]].tobytes()
        wanted = b""
        for part in _line(heads[which], first, list(zip(labels, values, ends, strict=True))):
            if isinstance(part, bytes):
                wanted += part
            else:  # the text that was written, once it is seen to be the number
                size = next(n for n in range(len(found)) if not _is_number(found[len(wanted) + n :][:1]))
                text = found[len(wanted) : len(wanted) + size]
                assert repr(json.loads(text)) == repr(part)
                wanted += text
        assert found == wanted


def _is_number(character: bytes) -> bool:
    return character in {b"-", b"+", b".", b"e", b"E"} or character.isdigit()


def test_columns_of_other_sizes_are_refused():
    """Else a line would have another one's number."""
    one, two = np.zeros(1), np.zeros(2)
    for columns, firsts in (([Column(b"", one)], [b"", b""]), ([Column(b"", two)], [b""])):
        with pytest.raises(ValueError, match="2 lines need 2"):
            join_lines(pieces([b""]), np.zeros(2, np.int64), pieces(firsts), columns)


def test_nothing_is_compiled_after_the_warm_up():
    """One compiled form serves any columns."""
    warm_up()
    compiled = len(kernels.weave_lines.signatures)
    columns = [Column(b"a", np.arange(3)), Column(b"b", np.array([1.5, np.nan, -0.0]), b"c")]
    join_lines(pieces([b"x", b"y"]), np.array([1, 0, 1]), pieces([b"", b"1", b""]), columns)
    assert len(kernels.weave_lines.signatures) == compiled
