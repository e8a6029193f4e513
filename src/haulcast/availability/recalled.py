"""When drivers were on duty and busy before anybody wrote it down: out of the fixes of the history, and the stops of past routes.

A span belongs to the time in which it begins, and is read until it ends. So the same time gives the same spans again, and two times beside each other give
each span once. What had not ended when it was read is the live hub's to write down.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geo.plausible_fixes import PlausibleFleet
from geo.track_filter import FilterLimits
from haulcast.availability.span_store import BUSY, DUTY, SpanStore, StoredSpan
from haulcast.history.history_store import FleetFixes, HistoryStore
from haulcast.routes.route import Route, RouteStatus
from haulcast.routes.route_store import Asked, RouteStore

HOUR_MS: Final = 3_600_000
PORTION_FIXES: Final = 200_000
PAGE_ROUTES: Final = 500


class _Fix(NamedTuple):
    time_ms: int
    lat_deg: float
    lon_deg: float

    @property
    def place(self) -> tuple[float, float]:
        return self.lat_deg, self.lon_deg


_NO_FIX: Final = _Fix(-(2**62), np.nan, np.nan)


class DutyRecall:
    """Duty spans of a fleet's fixes, taken in the order of time: one begins with a fix, and ends `gap_ms` after the last one that no other followed in that time.

    Args:
        gap_ms: of silence.
        limits: of the filter, for what is plausible.
    """

    def __init__(self, gap_ms: int, limits: FilterLimits) -> None:
        self._gap_ms = gap_ms
        self._plausible = PlausibleFleet(limits)
        self._rows: dict[str, int] = {}
        self._vehicles: list[str] = []
        self._begun: list[_Fix] = []  # of each row's open span, the first fix and the last
        self._last: list[_Fix] = []
        self._ended: list[StoredSpan] = []

    def add(self, found: FleetFixes) -> None:
        """Take fixes, later ones than before."""
        if not len(found.fixes):
            return
        rows = np.array([self._row_of(vehicle) for vehicle in found.vehicles], np.int32)
        fixes = found.fixes.take(np.arange(len(found.fixes)))
        fixes.row[:] = rows[fixes.row]
        fixes = self._plausible.add(fixes)
        order = np.lexsort((fixes.time_ms, fixes.row))
        row, time_ms = fixes.row[order], fixes.time_ms[order]
        lat_deg, lon_deg = fixes.lat_deg[order], fixes.lon_deg[order]
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        for begin, end in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
            mine = slice(begin, end)
            self._add_track(int(row[begin]), time_ms[mine], lat_deg[mine], lon_deg[mine])

    def _row_of(self, vehicle: str) -> int:
        row = self._rows.setdefault(vehicle, len(self._rows))
        if row == len(self._vehicles):
            self._vehicles.append(vehicle)
            self._begun.append(_NO_FIX)
            self._last.append(_NO_FIX)
        return row

    def _add_track(
        self, row: int, time_ms: NDArray[np.int64], lat_deg: NDArray[np.float64], lon_deg: NDArray[np.float64]
    ) -> None:
        def fix(at: int) -> _Fix:
            return _Fix(int(time_ms[at]), float(lat_deg[at]), float(lon_deg[at]))

        silence_ms = np.diff(time_ms, prepend=self._last[row].time_ms)
        for at in np.flatnonzero(silence_ms > self._gap_ms).tolist():
            self._end(row, fix(at - 1) if at else self._last[row])
            self._begun[row] = fix(at)
        self._last[row] = fix(-1)

    def _end(self, row: int, last: _Fix) -> None:
        if last is not _NO_FIX:
            first, vehicle = self._begun[row], self._vehicles[row]
            end_ms = last.time_ms + self._gap_ms
            self._ended.append(StoredSpan(vehicle, DUTY, first.time_ms, end_ms, *first.place, *last.place))

    def open_vehicles(self, from_ms: int, until_ms: int, read_ms: int) -> list[str]:
        """Whose span that began in [from, until) is not known to have ended, when all fixes up to `read_ms` were taken."""
        return [
            vehicle
            for vehicle, first, last in zip(self._vehicles, self._begun, self._last, strict=True)
            if from_ms <= first.time_ms < until_ms and last.time_ms + self._gap_ms >= read_ms
        ]

    def spans(self, from_ms: int, until_ms: int, read_ms: int) -> list[StoredSpan]:
        """Those that began in [from, until) and had ended by `read_ms`, up to which all fixes were taken."""
        for row, last in enumerate(self._last):
            if last is not _NO_FIX and last.time_ms + self._gap_ms < read_ms:
                self._end(row, last)
                self._begun[row] = self._last[row] = _NO_FIX
        return [span for span in self._ended if from_ms <= span.begin_ms < until_ms]


async def recalled_duty(
    history: HistoryStore, fleet: str, from_ms: int, until_ms: int, now_ms: int, gap_ms: int, limits: FilterLimits
) -> list[StoredSpan]:  # fmt: skip
    """A fleet's duty spans that began in [from, until), out of its history.

    Raises:
        StoreError: the history cannot be reached.
    """
    recall = DutyRecall(gap_ms, limits)
    read_ms, vehicles = from_ms - gap_ms, None  # a fix in the gap before shows that a span had begun already
    while read_ms < now_ms:
        end_ms = min(now_ms, read_ms + HOUR_MS, until_ms if read_ms < until_ms else now_ms)
        found = await history.read_span(fleet, vehicles, read_ms, end_ms, PORTION_FIXES)
        await asyncio.to_thread(recall.add, found)
        read_ms = found.end_ms
        if read_ms >= until_ms:
            vehicles = recall.open_vehicles(from_ms, until_ms, read_ms)
            if not vehicles:
                break
    return recall.spans(from_ms, until_ms, read_ms)


def busy_spans(
    routes: Iterable[Route], duty: Iterable[StoredSpan], from_ms: int, until_ms: int
) -> list[StoredSpan]:
    """What of routes that are over was driven on duty: from the first arrival at a stop until the last one was left, in pieces that began in [from, until).

    Args:
        routes: of a fleet.
        duty: when its drivers were on duty.
        from_ms: UTC epoch.
        until_ms: likewise, excluded.
    """
    shifts: dict[str, list[StoredSpan]] = {}
    for shift in duty:
        shifts.setdefault(shift.vehicle, []).append(shift)
    pieces = (
        _within(work, shift)
        for route in routes
        for work in _driven(route)
        for shift in shifts.get(route.vehicle, ())
    )
    return [piece for piece in pieces if piece and from_ms <= piece.begin_ms < until_ms]


def _driven(route: Route) -> Iterable[StoredSpan]:
    if route.status not in (RouteStatus.DONE, RouteStatus.CANCELLED):
        return
    arrivals = [(stop.arrived_ms, stop.place) for stop in route.stops if stop.arrived_ms is not None]
    leaves = [
        (stop.left_ms or stop.arrived_ms, stop.place) for stop in route.stops if stop.arrived_ms is not None
    ]
    if arrivals:
        begin_ms, first = min(arrivals, key=lambda arrival: arrival[0])
        end_ms, last = max(leaves, key=lambda leave: leave[0])
        places = (first.lat_deg, first.lon_deg, last.lat_deg, last.lon_deg)
        yield StoredSpan(route.vehicle, BUSY, begin_ms, end_ms, *places)


def _within(work: StoredSpan, shift: StoredSpan) -> StoredSpan | None:
    """The part of a busy span that lies within one on duty."""
    first, last = work, work
    if shift.begin_ms > work.begin_ms:
        first = shift
    if shift.end_ms is not None and (work.end_ms is None or shift.end_ms < work.end_ms):
        last = shift
    if last.end_ms is not None and last.end_ms <= first.begin_ms:
        return None
    return StoredSpan(
        work.vehicle, BUSY, first.begin_ms, last.end_ms,
        first.begin_lat_deg, first.begin_lon_deg, last.end_lat_deg, last.end_lon_deg,
    )  # fmt: skip


async def past_routes(store: RouteStore, fleet: str) -> AsyncGenerator[Sequence[Route], None]:
    """A fleet's routes that are over, in portions.

    Raises:
        StoreError: the store cannot be reached.
    """
    for status in (RouteStatus.DONE, RouteStatus.CANCELLED):
        after = ""
        while page := await store.page_of_routes(fleet, Asked(after, PAGE_ROUTES, status.value)):
            yield page
            after = page[-1].route_id


async def keep_recalled(store: SpanStore, fleet: str, spans: Sequence[StoredSpan]) -> int:
    """Store what is not stored yet, and return how much that was. What somebody said of a time stands, and so does every span that is there.

    Raises:
        StoreError: the store cannot be reached.
    """
    if not spans:
        return 0
    ends_ms = [span.end_ms for span in spans if span.end_ms is not None]
    stored = await store.read(fleet, min(span.begin_ms for span in spans), max(ends_ms) + 1)
    there = {span[:3] for span in stored}
    said: dict[tuple[str, int], list[StoredSpan]] = {}
    for span in stored:
        if span.is_said:
            said.setdefault(span[:2], []).append(span)
    new = [
        span
        for span in spans
        if span[:3] not in there and not any(_overlap(span, other) for other in said.get(span[:2], ()))
    ]
    await store.put(fleet, new)
    return len(new)


def _overlap(one: StoredSpan, other: StoredSpan) -> bool:
    return (other.end_ms is None or one.begin_ms < other.end_ms) and (
        one.end_ms is None or other.begin_ms < one.end_ms
    )
