"""Which candidates each view gains, keeps with news, and loses; see `geo.view_match` for shapes and meaning.

Candidates stand in map order and are looked at in runs of `RUN` neighbours, each with the bounding box of where its
rows are now and where the view knew them. A view skips a run outside its box and takes one inside it whole, so the
cost of a view grows with the runs its border cuts, not with the fleet.
"""

from typing import Any

import numpy as np
from numba import njit

RUN = 16
NO_NEWS, SOME_NEWS, ALL_NEWS = 0, 1, 2
OUTSIDE, CUT, WITHIN = 0, 1, 2
_ABSENT_KEY = 0xFFFF


@njit(cache=True, nogil=True)
def map_keys(lat: Any, lon: Any) -> Any:
    """Morton keys, 8 bits an axis, of points within their own bounding box; absent points (NaN) come last."""
    south, north, west, east = np.inf, -np.inf, np.inf, -np.inf
    for i in range(lat.size):
        if lat[i] == lat[i]:
            south, north = min(south, lat[i]), max(north, lat[i])
            west, east = min(west, lon[i]), max(east, lon[i])
    tall = 254.0 / max(north - south, 1e-9)
    wide = 254.0 / max(east - west, 1e-9)
    key = np.empty(lat.size, np.uint16)
    for i in range(lat.size):
        if lat[i] == lat[i]:
            y, x = int((lat[i] - south) * tall), int((lon[i] - west) * wide)
            code = 0
            for bit in range(8):
                code |= ((x >> bit) & 1) << (2 * bit) | ((y >> bit) & 1) << (2 * bit + 1)
            key[i] = code
        else:
            key[i] = _ABSENT_KEY
    return key


@njit(cache=True, nogil=True)
def _holds(box: Any, lat: float, lon: float) -> bool:
    """Whether west, south, east, north holds a point; west > east crosses the antimeridian; NaN is nowhere."""
    if not (box[1] <= lat <= box[3]):
        return False
    if box[0] <= box[2]:
        return bool(box[0] <= lon <= box[2])
    return bool(lon >= box[0] or lon <= box[2])


@njit(cache=True, nogil=True)
def _relation(box: Any, run: Any) -> int:
    """How a run's bounding box (west, south, east, north; an empty one is inside out) lies to a view's box."""
    if run[1] > box[3] or run[3] < box[1]:
        return OUTSIDE
    tall = run[1] >= box[1] and run[3] <= box[3]
    if box[0] <= box[2]:
        if run[0] > box[2] or run[2] < box[0]:
            return OUTSIDE
        wide = run[0] >= box[0] and run[2] <= box[2]
    else:
        if run[0] > box[2] and run[2] < box[0]:
            return OUTSIDE
        wide = run[0] >= box[0] or run[2] <= box[2]
    return WITHIN if tall and wide else CUT


@njit(cache=True, nogil=True)
def _summarise(
    lat: Any,
    lon: Any,
    told_lat: Any,
    told_lon: Any,
    changed: Any,
    since: int,
    runs: Any,
    news: Any,
    absent: Any,
) -> None:
    """Bounding box of each run over now and told, how much of it is news, and whether any of it is absent."""
    for r in range(news.size):
        start, stop = r * RUN, min(r * RUN + RUN, lat.size)
        west, south, east, north = np.inf, np.inf, -np.inf, -np.inf
        count = 0
        absent[r] = False
        for i in range(start, stop):
            if lat[i] == lat[i]:
                west, south, east, north = (
                    min(west, lon[i]),
                    min(south, lat[i]),
                    max(east, lon[i]),
                    max(north, lat[i]),
                )
            else:
                absent[r] = True
            if told_lat[i] == told_lat[i]:
                west, south = min(west, told_lon[i]), min(south, told_lat[i])
                east, north = max(east, told_lon[i]), max(north, told_lat[i])
            else:
                absent[r] = True
            count += changed[i] > since
        runs[r, 0], runs[r, 1], runs[r, 2], runs[r, 3] = west, south, east, north
        news[r] = ALL_NEWS if count == stop - start else SOME_NEWS if count else NO_NEWS


@njit(cache=True, nogil=True)
def _grown(array: Any, need: int) -> Any:
    if need <= array.size:
        return array
    wider = np.empty(max(2 * array.size, need), array.dtype)
    wider[: array.size] = array
    return wider


@njit(cache=True, nogil=True)
def _add_span(span: Any, n: int, first: int, start: int, stop: int) -> int:
    """Append [start, stop), or lengthen the view's last span (spans from `first` on are its own) when they touch."""
    if n > first and span[2 * n - 1] == start:
        span[2 * n - 1] = stop
        return n
    span[2 * n], span[2 * n + 1] = start, stop
    return n + 1


@njit(cache=True, nogil=True)
def _is_new_name(named: Any, row: int) -> bool:
    """Whether the name has not been told; from now on it has."""
    bit = np.uint8(1 << (row & 7))
    if named[row >> 3] & bit:
        return False
    named[row >> 3] |= bit
    return True


@njit(cache=True, nogil=True)
def match_views(
    row: Any, lat: Any, lon: Any, changed: Any, place: Any,
    log_row: Any, log_lat: Any, log_lon: Any, log_tick: Any,
    since: Any, box: Any, told_box: Any, is_snapshot: Any, filter_at: Any, allowed: Any, named_at: Any, named: Any,
) -> Any:  # fmt: skip
    """Spans, gone and fresh names of each view; arguments and result as `geo.view_match.match_views` has them."""
    n, views = lat.size, since.size
    told_lat, told_lon = lat.copy(), lon.copy()
    n_runs = (n + RUN - 1) // RUN
    runs, news, absent = np.empty((n_runs, 4)), np.empty(n_runs, np.uint8), np.empty(n_runs, np.bool_)
    span, gone, fresh = np.empty(2 * n + 64, np.int32), np.empty(n + 64, np.int32), np.empty(n + 64, np.int32)
    span_at, gone_at, fresh_at = (
        np.zeros(views + 1, np.int64),
        np.zeros(views + 1, np.int64),
        np.zeros(views + 1, np.int64),
    )
    spans = gones = freshes = 0
    cursor = log_row.size - 1
    for v in range(views):
        if v == 0 or since[v] != since[v - 1]:
            # views come newest first, so the log is walked back once for all of them
            while cursor >= 0 and log_tick[cursor] > since[v]:
                p = place[log_row[cursor]]
                told_lat[p], told_lon[p] = log_lat[cursor], log_lon[cursor]
                cursor -= 1
            _summarise(lat, lon, told_lat, told_lon, changed, since[v], runs, news, absent)
        # a view has at most n / 2 + 1 spans; lengthening the last one needs no room
        span, gone, fresh = (
            _grown(span, 2 * spans + n + 2),
            _grown(gone, gones + n),
            _grown(fresh, freshes + n),
        )
        new_box, old_box, own = box[v], told_box[v], named[named_at[v]]
        snapshot, filtered = is_snapshot[v], filter_at[v] >= 0
        if snapshot:
            own[:] = 0
        is_still = not snapshot and (new_box == old_box).all()
        first = spans
        for r in range(n_runs):
            if is_still and news[r] == NO_NEWS:
                continue
            relation = _relation(new_box, runs[r])
            if relation == OUTSIDE and (is_still or snapshot or _relation(old_box, runs[r]) == OUTSIDE):
                continue
            start, stop = r * RUN, min(r * RUN + RUN, n)
            if relation == WITHIN and is_still and news[r] == ALL_NEWS and not absent[r] and not filtered:
                spans = _add_span(span, spans, first, start, stop)
                continue
            for i in range(start, stop):
                is_news = changed[i] > since[v]
                if (is_still and not is_news) or (filtered and not allowed[filter_at[v], row[i]]):
                    continue
                was_in = not snapshot and _holds(old_box, told_lat[i], told_lon[i])
                if _holds(new_box, lat[i], lon[i]):
                    if is_news or not was_in:
                        spans = _add_span(span, spans, first, i, i + 1)
                        if not was_in and _is_new_name(own, row[i]):
                            fresh[freshes] = i
                            freshes += 1
                elif was_in:
                    gone[gones] = i
                    gones += 1
        span_at[v + 1], gone_at[v + 1], fresh_at[v + 1] = spans, gones, freshes
    return span[: 2 * spans], span_at, gone[:gones], gone_at, fresh[:freshes], fresh_at
