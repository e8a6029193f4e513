"""The history in InfluxDB: points of one measurement (`influx_lines.py`), by HTTP (`influx_server.py`)."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geo import line_join
from geo.line_join import Lines
from geo.positions import PositionBatch, concatenate
from haulcast import clock
from haulcast.errors import RefusedFixesError, StoreError
from haulcast.history.history_store import DAY_MS, FixKey, FleetFixes, HistoryPage, NameOf
from haulcast.history.influx_lines import (
    FIELDS,
    FLEET_FIELDS,
    LEAST_MS,
    MEASUREMENT,
    MOST_MS,
    MS_NS,
    fixes_of_points,
    head_of,
    lines_of,
    vehicle_of,
    where_fleet,
    where_vehicle,
)
from haulcast.history.influx_server import BusyError, InfluxPlace, InfluxServer, TooMuchError

REQUEST_BYTES = 4 * 2**20  # of lines, before gzip; servers refuse bodies of 25 MB and more
PAGE_FIXES = 5_000  # fewer than the rows from which on nobody knows whether an answer was cut off

_COLUMNS = ", ".join(f'"{name}"' for name in FIELDS)
_FLEET_COLUMNS = ", ".join(f'"{name}"' for name in FLEET_FIELDS)

Point = Sequence[Any]
"""Of a fleet: time in ns, FLEET_FIELDS, and the tag of its vehicle."""


class InfluxHistoryStore:
    """See `HistoryStore`, and there what Influx cannot do."""

    def __init__(self, server: InfluxServer, name_of: NameOf) -> None:
        self._server = server
        self._name_of = name_of
        self._heads: dict[int, bytes] = {}  # of each row's lines
        self._not_before_s = 0.0  # monotonic; until then the server wants no writes

    async def write(self, fixes: PositionBatch) -> int:
        """See `HistoryStore`."""
        if not len(fixes):
            return 0
        if fixes.time_ms.min() < LEAST_MS or fixes.time_ms.max() > MOST_MS:
            reason = f"times from {fixes.time_ms.min()} to {fixes.time_ms.max()} ms; InfluxDB has {LEAST_MS} to {MOST_MS}"
            raise RefusedFixesError("unstorable", reason, field="time_ms")
        rows, head = np.unique(fixes.row, return_inverse=True)
        heads = [self._heads.get(row) or self._new_head(row) for row in rows.tolist()]
        await asyncio.sleep(max(0.0, self._not_before_s - clock.monotonic_s()))
        try:
            await asyncio.to_thread(self._write, heads, head, fixes)
        except BusyError as error:
            self._not_before_s = clock.monotonic_s() + error.retry_s
            raise
        return len(fixes)

    def _new_head(self, row: int) -> bytes:
        self._heads[row] = head = head_of(*self._name_of(row))
        return head

    def _write(self, heads: list[bytes], head: NDArray[np.integer[Any]], fixes: PositionBatch) -> None:
        lines = lines_of(heads, head, fixes)
        begin = 0
        while begin < len(lines):
            within = int(np.searchsorted(lines.at, lines.at[begin] + REQUEST_BYTES, side="right")) - 1
            end = max(begin + 1, within)
            self._send(lines, begin, end)
            begin = end

    def _send(self, lines: Lines, begin: int, end: int) -> None:
        """Some of the lines, in as many requests as the server wants."""
        try:
            self._server.write(lines.blob[lines.at[begin] : lines.at[end]].tobytes())
        except TooMuchError as error:
            if end - begin == 1:
                raise RefusedFixesError("unstorable", error.reason) from error
            middle = (begin + end) // 2
            self._send(lines, begin, middle)
            self._send(lines, middle, end)

    async def read(
        self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, after: FixKey | None, limit: int
    ) -> HistoryPage:
        """See `HistoryStore`; a page has `PAGE_FIXES` at the most."""
        limit = min(limit, PAGE_FIXES)
        return await asyncio.to_thread(
            self._read, where_vehicle(fleet, vehicle), begin_ms, end_ms, after, limit
        )

    def _read(self, whose: str, begin_ms: int, end_ms: int, after: FixKey | None, limit: int) -> HistoryPage:
        """A page; within a millisecond Influx has an order of its own, so both ends of the page are read by whole milliseconds."""
        if after is None:
            (fixes,) = self._points(_select(whose, begin_ms, end_ms, limit + 1))
        else:
            began, rest = self._points(
                _select(whose, max(begin_ms, after.time_ms), min(end_ms, after.time_ms + 1)),
                _select(whose, max(begin_ms, after.time_ms + 1), end_ms, limit + 1),
            )
            fixes = concatenate([began.take(np.flatnonzero(began.seq > after.seq)), rest])
        if len(fixes) > limit and fixes.time_ms[limit - 1] == fixes.time_ms[limit]:
            cut_ms = int(fixes.time_ms[limit])
            (whole,) = self._points(_select(whose, max(begin_ms, cut_ms), cut_ms + 1))
            if after is not None and after.time_ms == cut_ms:
                whole = whole.take(np.flatnonzero(whole.seq > after.seq))
            fixes = concatenate([fixes.take(np.flatnonzero(fixes.time_ms < cut_ms)), whole])
        page = fixes.take(np.arange(min(limit, len(fixes))))
        is_more = len(fixes) > limit
        return HistoryPage(page, FixKey(int(page.time_ms[-1]), int(page.seq[-1])) if is_more else None)

    def _points(self, *statements: str) -> list[PositionBatch]:
        with _reading():
            return [fixes_of_points(rows) for rows in self._server.query(*statements)]

    async def last(self, fleet: str, vehicle: str, begin_ms: int, end_ms: int, count: int) -> PositionBatch:
        """See `HistoryStore`."""
        return await asyncio.to_thread(self._last, where_vehicle(fleet, vehicle), begin_ms, end_ms, count)

    def _last(self, whose: str, begin_ms: int, end_ms: int, count: int) -> PositionBatch:
        """The newest points, and the whole of the millisecond in which they begin, since Influx has its own order there."""
        (fixes,) = self._points(_select(whose, begin_ms, end_ms, min(count, PAGE_FIXES), newest_first=True))
        if len(fixes):
            cut_ms = int(fixes.time_ms.min())
            (whole,) = self._points(_select(whose, cut_ms, cut_ms + 1))
            fixes = concatenate([whole, fixes.take(np.flatnonzero(fixes.time_ms > cut_ms))])
        return fixes.take(np.lexsort((fixes.seq, fixes.time_ms))[-count:])

    async def read_span(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, limit: int
    ) -> FleetFixes:
        """See `HistoryStore`."""
        whose = _where_named(fleet, vehicles)
        return await asyncio.to_thread(self._read_span, whose, begin_ms, end_ms, limit)

    def _read_span(self, whose: str | None, begin_ms: int, end_ms: int, limit: int) -> FleetFixes:
        """Part by part; each ends with a whole millisecond, the fixes of which are in one answer whatever their number."""
        found: list[Point] = []
        while whose and begin_ms < end_ms and len(found) < limit:
            most = min(limit - len(found), PAGE_FIXES)
            (points,) = self._server.query(_select_fleet(whose, begin_ms, end_ms, f"LIMIT {most}"))
            if len(points) < most:
                found += points
                begin_ms = end_ms
                break
            cut_ms = points[-1][0] // MS_NS
            found += [point for point in points if point[0] // MS_NS < cut_ms]
            found += self._server.query(_select_fleet(whose, cut_ms, cut_ms + 1))[0]
            begin_ms = cut_ms + 1
        return _fleet_fixes(found, begin_ms if found else end_ms)

    async def latest_before(
        self, fleet: str, vehicles: Collection[str] | None, begin_ms: int, end_ms: int, count: int = 1
    ) -> FleetFixes:
        """See `HistoryStore`."""
        whose = _where_named(fleet, vehicles)
        return await asyncio.to_thread(self._latest, fleet, whose, begin_ms, end_ms, count)

    def _latest(self, fleet: str, whose: str | None, begin_ms: int, end_ms: int, count: int) -> FleetFixes:
        """One point more of each vehicle shows which millisecond may be cut; that has an order of Influx's own, and is read whole if needed."""
        newest: dict[str, list[Point]] = {}
        last = f'GROUP BY "vehicle" ORDER BY time DESC LIMIT {count + 1}'
        for point in self._server.query(_select_fleet(whose, begin_ms, end_ms, last))[0] if whose else []:
            newest.setdefault(point[-1], []).append(point)
        for tag, points in newest.items():
            cut_ms = points[-1][0] // MS_NS
            if len(points) > count:
                points[:] = [point for point in points if point[0] // MS_NS > cut_ms]
                if len(points) < count:
                    one = where_fleet(fleet, [vehicle_of(tag)])
                    points.extend(self._server.query(_select_fleet(one, cut_ms, cut_ms + 1))[0])
            with _reading():
                points.sort(key=lambda point: (point[0] // MS_NS, point[1]))  # by time and sequence
            del points[:-count]
        return _fleet_fixes([point for points in newest.values() for point in points], end_ms)

    async def prepare(self, time_ms: int) -> None:
        """See `HistoryStore`; Influx makes its own room."""

    async def drop_before(self, time_ms: int) -> int:
        """See `HistoryStore`; day by day, so that no delete is large."""
        return await asyncio.to_thread(self._drop_before, time_ms // DAY_MS * DAY_MS)

    def _drop_before(self, end_ms: int) -> int:
        dropped, last_ms = 0, MOST_MS
        oldest = f'SELECT first("seq") FROM "{MEASUREMENT}" WHERE {_within(LEAST_MS, end_ms)}'  # noqa: S608
        while found := self._server.query(oldest)[0]:
            begin_ms = found[0][0] // MS_NS // DAY_MS * DAY_MS
            if begin_ms == last_ms:
                raise StoreError(
                    "history_not_dropped", f"fixes are still there after their day was deleted: {found[0]}"
                )
            last_ms = begin_ms
            self._server.query(f'DELETE FROM "{MEASUREMENT}" WHERE {_within(begin_ms, begin_ms + DAY_MS)}')  # noqa: S608
            dropped += 1
        return dropped

    async def purge(self, fleet: str, vehicle: str) -> int:
        """See `HistoryStore`."""
        return await asyncio.to_thread(self._purge, where_vehicle(fleet, vehicle))

    def _purge(self, whose: str) -> int:
        stored = self._server.query(f'SELECT count("seq") FROM "{MEASUREMENT}" WHERE {whose}')[0]  # noqa: S608
        self._server.query(f'DELETE FROM "{MEASUREMENT}" WHERE {whose}')  # noqa: S608
        return int(stored[0][1]) if stored else 0


def _within(begin_ms: int, end_ms: int) -> str:
    """A condition: begin_ms <= time < end_ms."""
    begin_ns = min(max(begin_ms, LEAST_MS), MOST_MS + 1) * MS_NS
    end_ns = min(max(end_ms, LEAST_MS), MOST_MS + 1) * MS_NS
    return f"time >= {begin_ns} AND time < {end_ns}"


def _select(whose: str, begin_ms: int, end_ms: int, limit: int = 0, *, newest_first: bool = False) -> str:
    """All points of one vehicle in a span, or the first ones, or the last ones."""
    order = "time DESC" if newest_first else "time"
    found = f'SELECT {_COLUMNS} FROM "{MEASUREMENT}" WHERE {whose} AND {_within(begin_ms, end_ms)} ORDER BY {order}'  # noqa: S608
    return f"{found} LIMIT {limit}" if limit else found


def _where_named(fleet: str, vehicles: Collection[str] | None) -> str | None:
    """A condition; None: nobody meets it. What is not printable names no vehicle, and a query cannot say it."""
    if vehicles is None:
        return where_fleet(fleet, None)
    printable = [vehicle for vehicle in vehicles if vehicle.isprintable()]
    return where_fleet(fleet, printable) if printable else None


def _select_fleet(whose: str, begin_ms: int, end_ms: int, last: str = "") -> str:
    """Points of a fleet's vehicles in a span, each with its vehicle's tag; `last` has the order and limit."""
    tag = "" if last.startswith("GROUP BY") else ', "vehicle"'
    where = f"{whose} AND {_within(begin_ms, end_ms)}"
    return f'SELECT {_FLEET_COLUMNS}{tag} FROM "{MEASUREMENT}" WHERE {where} {last}'  # noqa: S608


def _fleet_fixes(points: Iterable[Point], end_ms: int) -> FleetFixes:
    points = list(points)
    tags, row = np.unique(np.array([point[-1] for point in points], object), return_inverse=True)
    with _reading():
        fixes = fixes_of_points([point[:-1] for point in points], FLEET_FIELDS, row)
    return FleetFixes([vehicle_of(tag) for tag in tags.tolist()], fixes, end_ms)


@contextmanager
def _reading() -> Iterator[None]:
    """Says in the contract's words that somebody else has written to the measurement."""
    try:
        yield
    except (TypeError, ValueError, AttributeError) as error:
        reason = f"a point of the measurement {MEASUREMENT} is none of ours: {error}"
        raise StoreError("history_unreadable", reason) from error


@asynccontextmanager
async def influx_history(place: InfluxPlace, name_of: NameOf) -> AsyncIterator[InfluxHistoryStore]:
    """The store, for the time of the block.

    Raises:
        SettingError: the library influxdb-client is not installed.
    """
    server = await asyncio.to_thread(InfluxServer, place)
    await asyncio.to_thread(line_join.warm_up)
    try:
        yield InfluxHistoryStore(server, name_of)
    finally:
        await asyncio.to_thread(server.close)
