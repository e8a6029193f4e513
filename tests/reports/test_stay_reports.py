"""Trips, stops and days over HTTP."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_hub import M_DEG, NOW_MS, all_pages, drive

from geo.positions import PositionBatch
from geo.stay_points import StayLimits, StayScan
from haulcast.reports.day_totals import DayTotals, day_borders

SPAN = f"from={NOW_MS - 3_600_000}&to={NOW_MS + 20 * 3_600_000}"


def shuttle(rounds: int, start_ms: int = NOW_MS - 3_600_000) -> PositionBatch:
    """Ten minutes parked and ten minutes driving at 20 m/s, again and again, a fix each ten seconds; parked at the end."""
    speed = np.tile(np.repeat([0.0, 20.0], 60), rounds)
    speed = np.concatenate([speed, np.zeros(61)])
    jitter = np.random.default_rng(1).normal(0, 3, len(speed))
    return drive(
        np.arange(len(speed)) * 10, np.cumsum(speed * 10) + jitter, start_ms=start_ms, speed_mps=speed
    )


async def test_trips_and_stops_of_a_shuttle(reports, viewer):
    """Each drive is a trip, each rest a stop; the last one is still open."""
    await reports.store.write(shuttle(3))
    trips = (await viewer.get(f"/v1/vehicles/v0/trips?{SPAN}")).json()["trips"]
    stops = (await viewer.get(f"/v1/vehicles/v0/stops?{SPAN}")).json()["stops"]
    assert (len(trips), len(stops)) == (3, 4)
    assert [stop["is_open"] for stop in stops] == [False, False, False, True]
    for trip, before, after in zip(trips, stops, stops[1:], strict=False):
        assert (trip["begin_ms"], trip["end_ms"]) == (before["end_ms"], after["begin_ms"])
        assert trip["distance_km"] == pytest.approx(12.0, abs=0.25)
        assert trip["maximum_speed_mps"] == 20.0
        assert trip["driving_s"] + trip["idling_s"] == trip["duration_s"]
    assert stops[1]["duration_s"] == pytest.approx(600, abs=30)
    assert stops[1]["lon"] == pytest.approx(11 + 12_000 * M_DEG / np.cos(np.radians(48)), abs=1e-3)


@pytest.mark.parametrize("has_sequence", [True, False])
@pytest.mark.parametrize("name", ["trips", "stops"])
async def test_pages_are_the_whole_list_cut(reports, viewer, name, has_sequence):
    """For every page size the same things, each once, over more fixes than one portion, numbered by their device or not."""
    fixes = shuttle(20)
    fixes.seq[:] = fixes.seq if has_sequence else -1
    await reports.store.write(fixes)
    path = f"/v1/vehicles/v0/{name}?{SPAN}&times=iso"
    (whole,) = await all_pages(viewer, path, name)
    assert len(whole) == 20 + (name == "stops")
    for limit in (1, 7):
        pages = await all_pages(viewer, f"{path}&limit={limit}", name)
        assert [one for page in pages for one in page] == whole
        assert {len(page) for page in pages[:-1]} == {limit}


async def test_requests_at_once_answer_as_one_by_one(reports, viewer):
    """Reports share their turns, not their state."""
    await reports.store.write(shuttle(20))
    paths = [f"/v1/vehicles/v0/{name}{SPAN}" for name in ("trips?", "stops?", "fixes?thin=9&", "track?format=csv&", "days?time_zone=UTC&x=")]  # fmt: skip
    alone = [(await viewer.get(path)).content for path in paths]
    together = await asyncio.gather(*(viewer.get(path) for path in paths * 4))
    assert [answer.content for answer in together] == alone * 4


async def test_the_definition_can_be_chosen(reports, viewer):
    """Longer stays only: what rests for ten minutes is part of the trip then, and counts as idling."""
    await reports.store.write(shuttle(2))
    trips = (await viewer.get(f"/v1/vehicles/v0/trips?{SPAN}&minimum_s=3600")).json()["trips"]
    assert len(trips) == 1
    assert trips[0]["idling_s"] == pytest.approx(1800, abs=30)


async def test_days_share_out_what_lasts_over_midnight(reports, viewer):
    """A drive over midnight is in both days, by time; the sums are those of the whole."""
    midnight_ms = int(datetime(2026, 5, 2, tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)
    await reports.store.write(shuttle(3, midnight_ms - 35 * 60_000))
    answer = await viewer.get("/v1/vehicles/v0/days?from=2026-05-01&to=2026-05-02&time_zone=Europe/Berlin")
    first, second = answer.json()["days"]
    assert (first["date"], second["date"], answer.json()["time_zone"]) == (
        "2026-05-01",
        "2026-05-02",
        "Europe/Berlin",
    )
    total = first["driving_s"] + first["idling_s"] + first["stopped_s"]
    assert total == pytest.approx(35 * 60, abs=0.01)
    assert first["distance_km"] == pytest.approx(18, abs=0.5)
    assert first["distance_km"] + second["distance_km"] == pytest.approx(36, abs=0.7)
    assert (first["fixes"], first["maximum_speed_mps"]) == (210, 20.0)
    assert (first["last_fix"]["time_ms"], second["first_fix"]["time_ms"]) == (
        midnight_ms - 10_000,
        midnight_ms,
    )
    for day, shown in (("2026-05-01", first), ("2026-05-02", second)):
        alone = await viewer.get(f"/v1/vehicles/v0/days?from={day}&to={day}&time_zone=Europe/Berlin")
        assert alone.json()["days"] == [shown]


async def test_days_are_those_of_the_zone_when_clocks_change(reports, viewer):
    """A vehicle parked all along is stopped for 23 and 25 hours; a night without fixes is stopped too."""
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 4, 1), 24)):
        noon_ms = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() * 1000)
        await reports.store.write(drive(np.arange(-48, 49) * 1800, np.zeros(97), start_ms=noon_ms))
        query = f"from={day}&to={day}&time_zone=Europe/Berlin"
        (shown,) = (await viewer.get(f"/v1/vehicles/v0/days?{query}")).json()["days"]
        assert (shown["stopped_s"], shown["fixes"]) == (hours * 3600, 2 * hours)
        assert shown["distance_km"] == 0
        assert "maximum_speed_mps" not in shown


async def test_days_come_in_pages(viewer):
    """Each day once; those without fixes are there too."""
    path = "/v1/vehicles/parked/days?from=2026-01-30&to=2026-02-03&limit=2"
    pages = await all_pages(viewer, path, "days")
    assert [[day["date"][8:] for day in page] for page in pages] == [["30", "31"], ["01", "02"], ["03"]]
    assert pages[0][0]["fixes"] == pages[0][0]["driving_s"] == 0
    assert len((await viewer.get("/v1/vehicles/parked/days")).json()["days"]) == 7


@pytest.mark.parametrize(
    ("zone", "day", "begin", "hours"),
    [
        ("Africa/Cairo", date(2026, 4, 24), datetime(2026, 4, 23, 22, tzinfo=UTC), 23),  # has no midnight
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC), 25),  # has two of them
        ("Pacific/Apia", date(2011, 12, 30), datetime(2011, 12, 30, 10, tzinfo=UTC), 0),  # was left out
        ("Australia/Lord_Howe", date(2026, 4, 5), datetime(2026, 4, 4, 13, tzinfo=UTC), 24.5),
    ],
)
def test_odd_days_begin_where_their_calendar_says(zone, day, begin, hours):
    """No midnight, two midnights, no day at all, half an hour more."""
    start, end = day_borders(day, 1, ZoneInfo(zone)).tolist()
    assert start == begin.timestamp() * 1000
    assert (end - start) / 3_600_000 == hours


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 400), max_size=4))
def test_days_do_not_tell_how_the_fixes_were_cut(seed, cuts):
    """The same totals for every cut, and together those of one long day."""
    random = np.random.default_rng(seed)
    seconds = np.cumsum(random.choice([5, 60, 400, 5000], 400))
    fixes = drive(seconds, np.cumsum(random.choice([0.0, 0.1, 500.0], 400)), start_ms=0, speed_mps=random.uniform(0, 9, 400))  # fmt: skip
    days = int(seconds[-1] // 86_400) + 1
    first = date(1970, 1, 1)

    def documents(bounds: list[int], borders: np.ndarray) -> list[dict]:
        scan, totals = StayScan(StayLimits()), DayTotals(borders)
        for start, stop in pairwise(bounds):
            piece = fixes.take(np.arange(start, stop))
            totals.add_fixes(piece)
            totals.add_legs(scan.add(piece))
        totals.add_legs(scan.finish())
        return totals.documents(first, iso=False)

    borders = day_borders(first, days, ZoneInfo("UTC"))
    whole = documents([0, 400], borders)
    for one, other in zip(documents([0, *sorted(cuts), 400], borders), whole, strict=True):
        for name, value in one.items():
            assert other[name] == (
                value if isinstance(value, (str, dict)) else pytest.approx(value, abs=2e-3)
            )
    (summed,) = documents([0, 400], borders[[0, -1]])
    for name in ("fixes", "distance_km", "driving_s", "idling_s", "stopped_s"):
        assert sum(day[name] for day in whole) == pytest.approx(summed[name], abs=2e-3 * days)
    assert timedelta(seconds=summed["driving_s"]) <= timedelta(days=days)
