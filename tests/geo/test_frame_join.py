"""Joined frames against the json module and numpy, for random selections."""

import json
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from geo import frame_join
from geo.view_match import Selection

LITERALS = [b'{"delta":1,"a":[', b'{"all":1,"a":[', b'],"b":[', b"]", b',"gone":[', b',"names":{', b"}", b"}"]


@settings(deadline=None)
@given(st.lists(st.floats(), min_size=1, max_size=40), st.integers(0, 9))
def test_number_text_is_the_rounded_number(values, decimals):
    """Each text is JSON for the number rounded to its decimals; what is not exact in the unit is null."""
    numbers = np.array([values])
    sheet = frame_join.text_sheet(numbers, np.array([decimals]), np.ones(len(values), bool))
    texts = sheet.blob.tobytes().decode().split(",")[:-1]
    assert np.diff(sheet.at[0]).tolist() == [len(text) + 1 for text in texts]
    for value, text in zip(values, texts, strict=True):
        if abs(value) * 10**decimals <= 9e15:
            assert abs(json.loads(text) - value) <= 0.5000001 * 10.0**-decimals + abs(value) * 1e-15
            assert text == "0" or not text.startswith("-0") or float(text) < 0
            assert "." not in text or text[-1] not in "0."
        else:
            assert text == "null"


def random_selection(rng, n, views):
    """Every candidate is told, gone or neither, for each view."""
    spans, gone, fresh, at = [], [], [], [[0], [0], [0]]
    for _ in range(views):
        state = rng.integers(0, 3, n)  # 0 not told, 1 sent, 2 gone
        edges = np.flatnonzero(np.diff(np.concatenate([[0], state == 1, [0]])))
        spans += edges.tolist()
        gone += np.flatnonzero(state == 2).tolist()
        fresh += np.flatnonzero((state == 1) & (rng.random(n) < 0.5)).tolist()
        for part, length in zip(at, (len(spans) // 2, len(gone), len(fresh)), strict=True):
            part.append(length)
    columns = [np.array(part, np.int32) for part in (spans, gone, fresh)]
    offsets = [np.array(part, np.int64) for part in at]
    return Selection(columns[0], offsets[0], columns[1], offsets[1], columns[2], offsets[2])


def told(selection, view):
    """Rows sent, gone and named to one view."""
    spans = selection.span.reshape(-1, 2)[selection.span_at[view] : selection.span_at[view + 1]]
    sent = [i for start, stop in spans for i in range(start, stop)]
    gone = selection.gone[selection.gone_at[view] : selection.gone_at[view + 1]].tolist()
    fresh = selection.fresh[selection.fresh_at[view] : selection.fresh_at[view + 1]].tolist()
    return sent, gone, fresh


def all_frames(join, views, size):
    """The frames of all views, buffer by buffer."""
    out, frames, first = np.empty(size, np.uint8), [], 0
    while first < len(views):
        at = join(out, views, first)
        if len(at) == 1:
            out = np.empty(2 * len(out), np.uint8)
            continue
        frames += [out[start:stop].tobytes() for start, stop in pairwise(at)]
        first += len(at) - 1
    return frames


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 30), views=st.integers(1, 6), size=st.integers(16, 4096))
def test_text_frames_hold_what_was_selected(seed, n, views, size):
    """Each JSON frame parses to the rows, gone and names of its view; a delta with nothing to say is empty."""
    rng = np.random.default_rng(seed)
    selection, is_snapshot = random_selection(rng, n, views), rng.random(views) < 0.3
    numbers = np.stack([np.arange(n) * 7.0, rng.integers(-999, 999, n) / 8])
    sheet = frame_join.text_sheet(numbers, np.array([0, 3]), frame_join.used_rows(n, selection))
    index = np.unique(selection.fresh)
    names = frame_join.sparse_pieces([b'"%d":"n%d",' % (7 * i, i) for i in index], index, n)
    order = rng.permutation(views).astype(np.int32)
    frames = all_frames(
        lambda *a: frame_join.join_text(
            *a, is_snapshot, selection, sheet, names, frame_join.pieces(LITERALS)
        ),
        order,
        size,
    )
    for view, frame in zip(order, frames, strict=True):
        sent, gone, fresh = told(selection, view)
        if not (sent or gone or is_snapshot[view]):
            assert not frame
            continue
        expected = {
            "all" if is_snapshot[view] else "delta": 1,
            "a": [7 * i for i in sent],
            "b": [numbers[1, i] for i in sent],
        }
        if gone:
            expected["gone"] = [7 * i for i in gone]
        if fresh:
            expected["names"] = {str(7 * i): f"n{i}" for i in fresh}
        assert json.loads(frame) == expected


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(0, 30), views=st.integers(1, 6), size=st.integers(16, 4096))
def test_binary_frames_hold_what_was_selected(seed, n, views, size):
    """Each binary frame has its counts in the header and its columns at multiples of 8 bytes."""
    rng = np.random.default_rng(seed)
    selection, is_snapshot = random_selection(rng, n, views), rng.random(views) < 0.3
    columns = [rng.random(n), np.arange(n, dtype=np.uint32) * 7]
    index = np.unique(selection.fresh)
    names = frame_join.sparse_pieces([f"ñ{i}".encode() for i in index], index, n)
    headers = np.zeros((2, 32), np.uint8)
    headers[:, 0], headers[1, 1] = 9, 1
    order = np.arange(views, dtype=np.int32)
    sheet = frame_join.binary_sheet(columns)
    frames = all_frames(
        lambda *a: frame_join.join_binary(*a, is_snapshot, selection, sheet, names, headers, 1), order, size
    )
    for view, frame in enumerate(frames):
        sent, gone, fresh = told(selection, view)
        if not (sent or gone or is_snapshot[view]):
            assert not frame
            continue
        text = "".join(f"ñ{i}" for i in fresh).encode()
        counts = np.frombuffer(frame, "<u4", 8)
        assert counts[[1, 2, 3, 6, 7]].tolist() == [len(sent), len(gone), len(fresh), len(text), 0]
        assert frame[:2] == bytes([9, int(is_snapshot[view])])
        at = 32
        wanted = [columns[0][sent], columns[1][sent], columns[1][gone], columns[1][fresh]]
        wanted.append(np.array([len(f"ñ{i}".encode()) for i in fresh], np.uint32))
        for column in wanted:
            assert frame[at : at + column.nbytes] == column.tobytes()
            padding = -column.nbytes % 8
            assert frame[at + column.nbytes : at + column.nbytes + padding] == bytes(padding)
            at += column.nbytes + padding
        assert frame[at:] == text


def test_unused_rows_cost_no_text():
    """Rows that nobody is told of are not encoded."""
    sheet = frame_join.text_sheet(np.ones((2, 3)), np.zeros(2, np.int64), np.array([False, True, False]))
    assert sheet.blob.tobytes() == b"1,1,"
