"""Which rows of a moving table each map view is told: those with news, those that came in, those that left.

Nothing is remembered per view and row except the names it has been told. What a client holds follows from two facts:
the box it was last told about, and where each row stood then (its place in the change log). So

    was_in = told box holds the told place          is_in = box holds the place now
    sent   = is_in and (changed since then, or not was_in)          gone = was_in and not is_in

and any number of changes in between, by the row or by the box, ends in the same frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geo.kernels import view_match as kernels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Candidates:
    """Rows that may have news for somebody, in map order.

    row: int32 [n]. lat_deg, lon_deg: float64 [n], where they are now; NaN: not on the map. changed: int64 [n], tick of the
    row's last change. place: int32 [rows of the table], a row's index in here (any value for rows that are not).
    """

    row: NDArray[np.int32]
    lat_deg: Floats
    lon_deg: Floats
    changed: Ints
    place: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """Changes in order of time: row int32, where it stood before (float64, NaN: not on the map), tick int64; all [m]."""

    row: NDArray[np.int32]
    lat_deg: Floats
    lon_deg: Floats
    tick: Ints


@dataclass(frozen=True, slots=True)
class Views:
    """Views, those with the newest `since` first; all [views].

    since: int64, the tick each is up to date with. box, told_box: float64 [views, 4] west, south, east, north in
    degrees (west > east crosses the antimeridian), as wanted and as last told. is_snapshot: told nothing yet, names
    included. filter_at: int32, row of `allowed` (uint8 [filters, rows], 1: may be seen); -1: all. named_at: int32, row of
    `named` (uint8 [any, bytes], one bit a row of the table: its name was told), which is updated in place.
    """

    since: Ints
    box: Floats
    told_box: Floats
    is_snapshot: NDArray[np.bool_]
    filter_at: NDArray[np.int32]
    allowed: NDArray[np.uint8]
    named_at: NDArray[np.int32]
    named: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Selection:
    """What each view is told, as indices into the candidates; view v owns `x[x_at[v]:x_at[v + 1]]`.

    span: int32 [2 * spans], start and stop of neighbours that are sent (`span_at` counts pairs). gone, fresh: int32,
    those that left the view, and those whose name has not been told before.
    """

    span: NDArray[np.int32]
    span_at: Ints
    gone: NDArray[np.int32]
    gone_at: Ints
    fresh: NDArray[np.int32]
    fresh_at: Ints


def candidates(
    row: NDArray[np.int32], lat_deg: Floats, lon_deg: Floats, changed: Ints, rows: int
) -> Candidates:
    """The given rows in map order (Morton order of a 256 x 256 grid over their bounding box).

    Args:
        row: int32 [n], unique.
        lat_deg: float64 [n], where they are now; NaN: not on the map.
        lon_deg: float64 [n].
        changed: int64 [n], tick of their last change.
        rows: how many rows the table has.
    """
    # numpy sorts 16-bit keys by radix, in linear time
    order = np.argsort(kernels.map_keys(lat_deg, lon_deg), kind="stable")
    ordered = row[order]
    place = np.empty(rows, np.int32)
    place[ordered] = np.arange(len(row), dtype=np.int32)
    return Candidates(ordered, lat_deg[order], lon_deg[order], changed[order], place)


def match_views(found: Candidates, log: ChangeLog, views: Views) -> Selection:
    """What each view is told about the candidates.

    Every row that changed after the oldest `since` has to be among the candidates and in the log; for a view whose box
    has moved, or that wants a snapshot, all rows of the table have to be among them. `views.named` is updated.
    """
    return Selection(
        *kernels.match_views(
            found.row, found.lat_deg, found.lon_deg, found.changed, found.place,
            log.row, log.lat_deg, log.lon_deg, log.tick,
            views.since, views.box, views.told_box, views.is_snapshot,
            views.filter_at, views.allowed, views.named_at, views.named,
        )
    )  # fmt: skip


def warm_up() -> None:
    """Compile, or load from the cache, every kernel used here with the dtypes used live."""
    found = candidates(np.zeros(1, np.int32), np.zeros(1), np.zeros(1), np.zeros(1, np.int64), 1)
    log = ChangeLog(np.zeros(1, np.int32), np.zeros(1), np.zeros(1), np.zeros(1, np.int64))
    views = Views(
        np.zeros(1, np.int64), np.zeros((1, 4)), np.zeros((1, 4)), np.zeros(1, np.bool_),
        np.zeros(1, np.int32), np.ones((1, 1), np.uint8), np.zeros(1, np.int32), np.zeros((1, 1), np.uint8),
    )  # fmt: skip
    match_views(found, log, views)
