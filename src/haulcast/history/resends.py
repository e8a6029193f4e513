"""Vehicles that have to send again, because fixes of theirs were dropped before they were stored.

Acks are cumulative, so once a fix is dropped, no later one of its vehicle may be kept until the device has gone back: an ack of
the later one would cover the dropped one. A device's sequences grow on a connection, and go back when it hears `resend` or connects
anew. So the first fix whose sequence is not above that of the one before it shows that the device has gone back; whatever was still
on its way when it was told has grown on.
"""

import numpy as np
from numpy.typing import NDArray

from geo.positions import PositionBatch

AGAIN_MS = (
    10_000  # a device that has not gone back is told again; its buffer may have lost what it was asked for
)


class Resends:
    """Struct of arrays, index = row.

    Attributes:
        count: vehicles of which something is missing.
        is_missing: bool: something of this row was dropped, and its device has not gone back yet.
    """

    def __init__(self) -> None:
        self.count = 0
        self.is_missing = np.zeros(0, np.bool_)
        self._last_seq = np.zeros(0, np.int64)  # of the newest fix that was dropped
        self._told_ms = np.zeros(0, np.int64)

    def ensure_rows(self, rows: int) -> None:
        """Make room for `rows` vehicles; of new ones nothing is missing."""
        more = rows - len(self.is_missing)
        if more > 0:
            self.is_missing = np.concatenate([self.is_missing, np.zeros(more, np.bool_)])
            self._last_seq = np.concatenate([self._last_seq, np.zeros(more, np.int64)])
            self._told_ms = np.concatenate([self._told_ms, np.zeros(more, np.int64)])

    def keepable(self, fixes: PositionBatch, held_seq: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Which of these, in order of arrival, may be kept; None: all of them.

        Those of vehicles of which nothing is missing, those without a sequence, and those from the one on at which the device
        has gone back. Not these, if the filter holds back (`held_seq`, beside `fixes`, -1: none) what came before the device went
        back: when that is decided it would count as handled, and what leads up to it has not come again yet.
        """
        if not self.count:
            return None
        is_concerned = self.is_missing[fixes.row] & (fixes.seq >= 0)
        if not is_concerned.any():
            return None
        has_gone_back = np.flatnonzero(is_concerned & (fixes.seq <= self._last_seq[fixes.row]))
        first = np.full(len(self.is_missing), len(fixes))
        first[fixes.row[has_gone_back[::-1]]] = has_gone_back[
            ::-1
        ]  # the last assignment, which is the first fix, stays
        is_back = is_concerned & (np.arange(len(fixes)) >= first[fixes.row])
        is_gone = is_concerned & ~is_back
        last, top = self._last_seq.copy(), np.full(len(self.is_missing), -1)
        last[fixes.row[is_gone]] = fixes.seq[is_gone]
        np.maximum.at(top, fixes.row[is_back], fixes.seq[is_back])
        top = top[fixes.row]
        is_ahead = (held_seq > top) & (top < last[fixes.row])
        keepable: NDArray[np.bool_] = ~is_concerned | (is_back & ~is_ahead)
        return keepable

    def kept(self, fixes: PositionBatch) -> NDArray[np.int32]:
        """These are kept: nothing of their vehicles is missing any more; returns the rows of which something was, each once."""
        if not self.count:
            return np.empty(0, np.int32)
        back = np.unique(fixes.row[(fixes.seq >= 0) & self.is_missing[fixes.row]])
        self.is_missing[back] = False
        self.count -= len(back)
        return back

    def dropped(self, fixes: PositionBatch) -> None:
        """These were dropped; their devices are to be told soon. Nobody can be told of a fix without a sequence."""
        has_seq = fixes.seq >= 0
        row, seq = fixes.row[has_seq], fixes.seq[has_seq]
        self._last_seq[row] = seq  # of several of one row the last one stays: numpy assigns in order
        fresh = np.unique(row[~self.is_missing[row]])
        self.is_missing[fresh] = True
        self._told_ms[fresh] = 0
        self.count += len(fresh)

    def due(self, now_ms: int) -> NDArray[np.int64]:
        """The rows to tell now, which count as told from then on."""
        if not self.count:
            return np.empty(0, np.int64)
        rows = np.flatnonzero(self.is_missing & (self._told_ms <= now_ms - AGAIN_MS))
        self._told_ms[rows] = now_ms
        return rows
