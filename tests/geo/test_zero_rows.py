"""State by row: what was never written takes no memory, and growing keeps what was."""

from pathlib import Path

import numpy as np
import pytest

from geo.fence_transitions import FenceState
from geo.positions import COLUMNS, position_batch
from geo.zero_rows import zero_rows
from haulcast.positions.last_positions import KEPT, LastPositions

PAGE = 4096


def _resident_bytes(array: np.ndarray) -> int:
    """Of these pages, those that are in memory (Linux: one entry a page, its highest bit)."""
    first, end = array.ctypes.data // PAGE, -(-(array.ctypes.data + array.nbytes) // PAGE)
    with Path("/proc/self/pagemap").open("rb") as pages:
        pages.seek(first * 8)
        entries = np.frombuffer(pages.read((end - first) * 8), np.uint64)
    return int(np.count_nonzero(entries >> np.uint64(63))) * PAGE


@pytest.mark.parametrize("shape", [0, 3, (0, 4), (5, 2), 20_000, (20_000, 4)])
@pytest.mark.parametrize("dtype", [np.int8, np.float64, np.dtype([("a", np.int64), ("b", np.int32)])])
def test_zeros_as_any_other(shape, dtype) -> None:
    """Of every size, an array that is zero and its own to write."""
    rows = zero_rows(shape, dtype)
    assert rows.shape == np.zeros(shape).shape
    assert rows.dtype == dtype
    assert rows.flags.writeable
    assert rows.flags.c_contiguous
    assert not rows.view(np.uint8).any() if rows.size else True
    rows[...] = np.ones((), dtype)
    assert (rows == np.ones((), dtype)).all()


def test_silent_rows_take_no_memory() -> None:
    """Also when the allocator has just been given back as much."""
    for _ in range(3):
        used = [np.ones(65_536) for _ in range(8)]
        del used
        state = FenceState(1)
        for rows in (1_000, 3_000, 9_000, 20_000, 40_000):
            state.ensure_rows(rows)
        wide = [column for column in state.states if column.nbytes >= 65_536 * 4]
        assert len(wide) > 5
        assert sum(map(_resident_bytes, wide)) < 0.3 * sum(column.nbytes for column in wide)


def test_growing_keeps_every_slot_in_use() -> None:
    """Slots of some rows survive more rows and more slots; of the others nothing was known."""
    rng = np.random.default_rng(3)
    state = FenceState(1)
    state.ensure_rows(3_000)
    states = state.states
    for row in range(0, 3_000, 7):
        used = int(rng.integers(0, 5))
        states.used[row], states.is_known[row] = used, True
        for column in states:
            if column.ndim == 2:
                column[row, :used] = rng.integers(1, 100, used)
    before = state.slots(np.arange(3_000))
    state.ensure_slots(9)
    state.ensure_rows(50_000)
    assert state.states.handle.shape == (50_000, 9)
    for name, column in before._asdict().items():
        assert (getattr(state.slots(np.arange(50_000)), name) == column).all(), name
    assert (np.flatnonzero(state.states.is_known) == np.arange(0, 3_000, 7)).all()


def test_growing_keeps_last_positions() -> None:
    """The newest fixes of those that sent some survive the growing of all columns."""
    last = LastPositions()
    last.ensure_rows(10)
    batch = position_batch(5)
    batch.row[:] = np.arange(1, 10, 2)
    for place, name in enumerate(KEPT):
        getattr(batch, name)[:] = np.arange(5) + 10 * place
    last.keep(batch)
    last.ensure_rows(100_000)
    assert (np.flatnonzero(last.is_known) == batch.row).all()
    for name in KEPT:
        column = getattr(last, name)
        assert column.dtype == COLUMNS[name]
        assert len(column) == 100_000
        assert (column[batch.row] == getattr(batch, name)).all(), name
