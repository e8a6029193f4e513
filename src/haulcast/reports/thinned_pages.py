"""A page of a vehicle's fixes without those that its line does not need."""

from functools import partial

import numpy as np

from geo.positions import PositionBatch, concatenate, position_batch
from geo.track_thinning import thinned
from haulcast.doors.time_fields import Span
from haulcast.history.history_store import FixKey, HistoryPage
from haulcast.reports.history_reader import PORTION, HistoryReader
from haulcast.reports.report_fields import up_to

MOST_READ = 100_000
"""Fixes that are read for one page; one with fewer than its limit has a next one all the same."""


def key_of(fixes: PositionBatch, index: int) -> FixKey:
    """The key of one of a batch's fixes."""
    return FixKey(int(fixes.time_ms[index]), int(fixes.seq[index]))


async def thinned_page(
    reader: HistoryReader, fleet: str, vehicle: str, span: Span, after: FixKey | None, limit: int, tolerance_m: float
) -> HistoryPage:  # fmt: skip
    """Up to `limit` kept fixes. Those of all pages are one line, and what is dropped is within the tolerance of it.

    The fix `after` was the last page's last, and the line goes on from it. The last fix of each portion that is read stays.
    """
    kept: list[PositionBatch] = []
    line_start, count, read = position_batch(0), 0, 0
    place = None if after is None else up_to(after)
    while count <= limit and read < MOST_READ:
        page = await reader.page(fleet, vehicle, span, place, PORTION)
        fixes, read, place = page.fixes, read + len(page.fixes), page.last_key
        found = await reader.computed(partial(_without_needless, line_start, fixes, tolerance_m))
        if not kept and after is not None and len(found) and key_of(found, 0) == after:
            found = found.take(np.arange(1, len(found)))
        kept.append(found)
        count += len(found)
        line_start = fixes.take(np.arange(len(fixes))[-1:])
        if place is None:
            break
    whole = concatenate(kept)
    if count > limit:
        whole = whole.take(np.arange(limit))
    is_more = count > limit or place is not None
    return HistoryPage(whole, key_of(whole, -1) if is_more and len(whole) else None)


def _without_needless(start: PositionBatch, fixes: PositionBatch, tolerance_m: float) -> PositionBatch:
    """What is kept of the fixes after a line's start, which is a batch of one, or of none."""
    whole = concatenate([part for part in (start, fixes) if len(part)])
    index = np.flatnonzero(thinned(whole.lat_deg, whole.lon_deg, tolerance_m))
    return whole.take(index[len(start) :])
