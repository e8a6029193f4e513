"""A page of a vehicle's plausible fixes, all or without those that its line does not need."""

from functools import partial

import numpy as np

from geo.positions import PositionBatch, concatenate, position_batch
from geo.track_thinning import thinned
from haulcast.doors.time_fields import Span
from haulcast.history.history_store import FixKey, HistoryPage
from haulcast.reports.history_reader import PORTION, HistoryReader

MOST_READ = 100_000
"""Fixes that are read for one page; one with fewer than its limit has a next one all the same."""

EDGES = 3
"""Fixes read besides those of a page: the one before it, the one that shows that there are more, and one that waits to be borne out."""


def key_of(fixes: PositionBatch, index: int) -> FixKey:
    """The key of one of a batch's fixes."""
    return FixKey(int(fixes.time_ms[index]), int(fixes.seq[index]))


async def thinned_page(
    reader: HistoryReader, fleet: str, vehicle: str, span: Span, after: FixKey | None, limit: int, tolerance_m: float | None
) -> HistoryPage:  # fmt: skip
    """Up to `limit` plausible fixes, without those that the line does not need; with a tolerance of None, all of them.

    The fixes of all pages are one line, and what is dropped is within the tolerance of it. The fix `after` was the last page's last, and the
    line goes on from it. The last fix of each portion that is read stays.
    """
    kept: list[PositionBatch] = []
    line_start, count, read, is_more = position_batch(0), 0, 0, False
    size = min(PORTION, limit + EDGES) if tolerance_m is None else PORTION
    async for fixes in reader.portions(fleet, vehicle, span, after, size):
        if not len(fixes):
            continue
        found = fixes
        if tolerance_m is not None:
            found = await reader.computed(partial(_without_needless, line_start, fixes, tolerance_m))
        if not read and after is not None and len(found) and key_of(found, 0) == after:
            found = found.take(np.arange(1, len(found)))
        kept.append(found)
        count, read = count + len(found), read + len(fixes)
        line_start = fixes.take(np.arange(len(fixes))[-1:])
        is_more = count > limit or (read >= MOST_READ and count > 0)
        if is_more:
            break
    whole = concatenate(kept)
    if count > limit:
        whole = whole.take(np.arange(limit))
    return HistoryPage(whole, key_of(whole, -1) if is_more else None)


def _without_needless(start: PositionBatch, fixes: PositionBatch, tolerance_m: float) -> PositionBatch:
    """What is kept of the fixes after a line's start, which is a batch of one, or of none."""
    whole = concatenate([part for part in (start, fixes) if len(part)])
    index = np.flatnonzero(thinned(whole.lat_deg, whole.lon_deg, tolerance_m))
    return whole.take(index[len(start) :])
