"""Stops, trips and days out of a vehicle's history."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from itertools import chain
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from geo.positions import PositionBatch
from geo.stay_points import StayLimits, StayScan
from geo.trips import Part, Parts
from haulcast.doors.time_fields import LEAST_MS, MOST_MS, Span
from haulcast.history.history_store import DAY_MS, FixKey
from haulcast.reports.day_totals import DayTotals, day_borders
from haulcast.reports.history_reader import HistoryReader
from haulcast.reports.thinned_pages import key_of


class PartsPage(NamedTuple):
    """Stops or trips, and the key to go on after; None: there are no more."""

    parts: list[Part]
    last_key: FixKey | None


async def parts_page(
    reader: HistoryReader, fleet: str, vehicle: str, span: Span, after: FixKey | None, limit: int, kind: int,
    limits: StayLimits,
) -> PartsPage:  # fmt: skip
    """Up to `limit` stops or trips. Whoever begins anew with the last fix of one finds those after it, unchanged."""
    scan, parts = StayScan(limits), Parts(limits.radius_m)
    found: list[Part] = []

    def take(fixes: PositionBatch) -> list[Part]:
        return of_kind(parts.add(scan.add(fixes)))

    def of_kind(*some: Iterator[Part]) -> list[Part]:
        return [part for part in chain(*some) if part.kind == kind]

    async for fixes in reader.portions(fleet, vehicle, span, after):
        found += await reader.computed(partial(take, fixes))
        if len(found) > limit:
            break
    else:
        found += await reader.computed(lambda: of_kind(parts.add(scan.finish()), parts.finish()))
    last_key = key_of(found[limit - 1].end, 0) if len(found) > limit else None
    return PartsPage(found[:limit], last_key)


async def days_report(
    reader: HistoryReader, fleet: str, vehicle: str, first: date, last: date, zone: ZoneInfo, limits: StayLimits, *,
    iso: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    """The days from the first to the last one. A day's fixes before and after count too, so that a night is no border."""
    days = (last - first) // timedelta(days=1) + 1
    borders = day_borders(first, days, zone)
    span = Span(max(LEAST_MS, int(borders[0]) - DAY_MS), min(MOST_MS, int(borders[-1]) + DAY_MS))
    scan, totals = StayScan(limits), DayTotals(borders)

    def take(fixes: PositionBatch) -> None:
        totals.add_fixes(fixes)
        totals.add_legs(scan.add(fixes))

    async for fixes in reader.portions(fleet, vehicle, span):
        await reader.computed(partial(take, fixes))
    await reader.computed(lambda: totals.add_legs(scan.finish()))
    return totals.documents(first, iso=iso)
