"""The view matcher against brute force, over histories of moving rows and moving views."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.kernels import view_match as kernels
from geo.view_match import ChangeLog, Views, candidates, match_views


def holds(box, lat, lon):
    """Whether a box holds a point."""
    west, south, east, north = box
    wide = west <= lon <= east if west <= east else lon >= west or lon <= east
    return south <= lat <= north and wide


class Table:
    """A table with every version of it kept."""

    def __init__(self, rows, rng):
        self.rng = rng
        self.rows = rows
        self.absent = rng.choice([0.0, 0.2])
        self.version = 0
        self.lat, self.lon = np.full(rows, np.nan), np.full(rows, np.nan)
        self.changed = np.zeros(rows, np.int64)
        self.log = []
        self.history = [(self.lat.copy(), self.lon.copy())]

    def update(self, count):
        rows = self.rng.permutation(self.rows)[:count].astype(np.int32)
        self.version += 1
        for row in rows:
            self.log.append((row, self.lat[row], self.lon[row], self.version))
            is_absent = self.rng.random() < self.absent
            self.lat[row] = np.nan if is_absent else self.rng.integers(-10, 11)
            self.lon[row] = np.nan if is_absent else (self.rng.integers(160, 201) + 180) % 360 - 180
        self.changed[rows] = self.version
        self.history.append((self.lat.copy(), self.lon.copy()))

    def change_log(self):
        row, lat, lon, tick = zip(*self.log, strict=True)
        return ChangeLog(np.array(row, np.int32), np.array(lat), np.array(lon), np.array(tick, np.int64))

    def random_box(self):
        if self.rng.random() < 0.3:
            return -180, -90, 180, 90
        south, north = sorted(self.rng.integers(-10, 11, 2))
        west, east = ((self.rng.integers(160, 201, 2) + 180) % 360 - 180).tolist()
        return west, south, east, north


def brute_force(table, since, box, told_box, is_snapshot, allowed, named):
    """What one view is told, row by row."""
    sent, gone, fresh = set(), set(), set()
    then = table.history[since]
    for row in range(table.rows):
        may = allowed is None or allowed[row]
        was_in = not is_snapshot and may and holds(told_box, then[0][row], then[1][row])
        is_in = may and holds(box, table.lat[row], table.lon[row])
        if is_in and (table.changed[row] > since or not was_in):
            sent.add(row)
            if not was_in and (is_snapshot or row not in named):
                fresh.add(row)
        if was_in and not is_in:
            gone.add(row)
    return sent, gone, fresh


@settings(max_examples=250, deadline=None)
@given(
    seed=st.integers(0, 2**32), rows=st.integers(1, 90), ticks=st.integers(1, 12), views=st.integers(1, 12)
)
def test_any_history_gives_what_brute_force_gives(seed, rows, ticks, views):
    """Sent, gone and fresh rows of every view equal brute force, whatever has happened since each was told last."""
    rng = np.random.default_rng(seed)
    table = Table(rows, rng)
    for _ in range(ticks):
        table.update(rng.choice([rows, rng.integers(1, rows + 1)]))
    since = np.sort(rng.integers(0, ticks + 1, views))[::-1].astype(np.int64)
    told_box = np.array([table.random_box() for _ in range(views)], float)
    has_moved, is_snapshot = rng.random(views) < 0.3, rng.random(views) < 0.2
    since = np.where(is_snapshot, table.version, since)
    order = np.argsort(-since, kind="stable")
    since, is_snapshot = since[order], is_snapshot[order]
    box = np.where(has_moved[:, None], np.array([table.random_box() for _ in range(views)]), told_box)
    filter_at = np.where(rng.random(views) < 0.3, np.arange(views), -1).astype(np.int32)
    allowed = (rng.random((views, rows)) < 0.5).astype(np.uint8)
    named_bits = (rng.random((views, 8 * ((rows + 7) // 8))) < 0.5).astype(np.uint8)
    named = np.packbits(named_bits, axis=1, bitorder="little")
    is_whole = (has_moved | is_snapshot).any()
    seen = np.arange(rows) if is_whole else np.flatnonzero(table.changed > since.min())
    seen = seen.astype(np.int32)
    found = candidates(seen, table.lat[seen], table.lon[seen], table.changed[seen], rows)
    matched = Views(
        since, box, told_box, is_snapshot, filter_at, allowed, np.arange(views, dtype=np.int32), named
    )
    got = match_views(found, table.change_log(), matched)
    for v in range(views):
        own = None if filter_at[v] < 0 else allowed[v]
        known = set(np.flatnonzero(named_bits[v]).tolist())
        sent, gone, fresh = brute_force(table, since[v], box[v], told_box[v], is_snapshot[v], own, known)
        spans = got.span.reshape(-1, 2)[got.span_at[v] : got.span_at[v + 1]]
        assert (spans[1:, 0] > spans[:-1, 1]).all()
        got_sent = [found.row[i] for start, stop in spans for i in range(start, stop)]
        assert len(got_sent) == len(set(got_sent))
        assert set(got_sent) == sent
        assert set(found.row[got.gone[got.gone_at[v] : got.gone_at[v + 1]]]) == gone
        assert set(found.row[got.fresh[got.fresh_at[v] : got.fresh_at[v + 1]]]) == fresh
        told = fresh if is_snapshot[v] else known | fresh
        bits = np.unpackbits(named[v], bitorder="little")
        assert set(np.flatnonzero(bits).tolist()) == told


def test_map_order_keeps_neighbours_together():
    """Two towns' vehicles stand in two blocks, and absent ones at the end, however they are numbered."""
    lat = np.array([10.0, 50.0, np.nan, 10.1, 50.1, 10.0, 50.0])
    found = candidates(np.arange(7, dtype=np.int32), lat, lat, np.ones(7, np.int64), 7)
    assert set(found.row[:3]) == {0, 3, 5}
    assert found.row[-1] == 2
    assert found.place[found.row].tolist() == list(range(7))


def test_candidates_may_be_none():
    """An empty table and a table without a position are both in order."""
    none = np.zeros(0)
    assert not len(candidates(np.zeros(0, np.int32), none, none, np.zeros(0, np.int64), 0).row)
    nowhere = np.full(2, np.nan)
    assert len(candidates(np.arange(2, dtype=np.int32), nowhere, nowhere, np.ones(2, np.int64), 2).row) == 2


@pytest.mark.parametrize("kernel", [kernels.match_views, kernels.map_keys])
def test_kernels_run_as_plain_python(kernel):
    """The kernels mean the same without numba, on a small case."""
    if kernel is kernels.map_keys:
        points = np.array([1.0, 2.0, np.nan])
        assert kernel.py_func(points, points).tolist() == kernel(points, points).tolist()
        return
    one, box = np.zeros(1, np.int64), np.array([[-1.0, -1.0, 1.0, 1.0]])
    row, at = np.zeros(1, np.int32), np.zeros(1)
    arguments = [
        row, at, at, one + 2, row, row, at + 5, at + 5, one + 2, one + 1, box, box,
        np.zeros(1, bool), np.full(1, -1, np.int32), np.zeros((0, 0), np.uint8), row,
    ]  # fmt: skip
    plain = kernel.py_func(*arguments, np.zeros((1, 1), np.uint8))
    compiled = kernel(*arguments, np.zeros((1, 1), np.uint8))
    assert [part.tolist() for part in plain] == [part.tolist() for part in compiled]
    assert plain[0].tolist() == [0, 1]
