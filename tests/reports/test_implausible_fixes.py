"""Fixes where a vehicle cannot have been are kept, and left out of what is read, the same on every page and from every span."""

from dataclasses import replace

import numpy as np
import pytest
from report_hub import LIMITS, NOW_MS, ReportHub, all_pages, drive

from geo.plausible_fixes import PlausibleFixes
from geo.positions import PositionBatch

START_MS = NOW_MS - 3_600_000
SPAN = f"from={START_MS}&to={NOW_MS}"
COUNT = 300


def jumpy(seed: int = 3) -> PositionBatch:
    """A fix every ten seconds on a slow way east; one in five is elsewhere, sometimes two or three in a row, and once the way goes on elsewhere."""
    random = np.random.default_rng(seed)
    east_m = 20.0 * np.arange(COUNT)
    east_m[200:] += 300_000
    stray = np.flatnonzero(random.random(COUNT) < 0.2)
    east_m[stray] += random.choice([-80_000.0, 50_000.0, 90_000.0], len(stray))
    east_m[[0, 1]] = [0, 20]
    return drive(10 * np.arange(COUNT), east_m, speed_mps=2.0)


@pytest.fixture
async def believed(reports) -> list[int]:
    """The sequences of the plausible ones; all are stored."""
    fixes = jumpy()
    await reports.store.write(fixes)
    seqs = PlausibleFixes(LIMITS).add(fixes).seq.tolist()
    assert COUNT / 2 < len(seqs) < COUNT - 20
    return seqs


async def seqs_of(viewer, query: str) -> list[int]:
    pages = await all_pages(viewer, f"/v1/vehicles/v0/fixes?{query}", "fixes")
    return [one["seq"] for page in pages for one in page]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100, 1000])
async def test_pages_of_any_size_leave_the_same_fixes_out(viewer, believed, limit):
    """Each page but the last is full; all that is kept is there on request."""
    pages = await all_pages(viewer, f"/v1/vehicles/v0/fixes?{SPAN}&limit={limit}", "fixes")
    assert [one["seq"] for page in pages for one in page] == believed
    assert all(len(page) == limit for page in pages[:-1])
    assert await seqs_of(viewer, f"{SPAN}&limit={limit}&implausible=true") == list(range(COUNT))


async def test_what_is_left_out_does_not_depend_on_the_span(viewer, believed):
    """Spans that begin or end between, at and within jumps show of each fix what the whole day shows."""
    for begin in range(0, COUNT, 7):
        for count in (1, 2, 5, 40):
            span = f"from={START_MS + 10_000 * begin}&to={START_MS + 10_000 * (begin + count)}&limit=1000"
            assert await seqs_of(viewer, span) == [seq for seq in believed if begin <= seq < begin + count]


async def test_a_span_of_nothing_but_a_jump_is_empty_and_not_unknown(viewer, believed):
    """The vehicle is there, its one fix of that time is not."""
    seq = next(seq for seq in range(COUNT) if seq not in believed)
    answer = await viewer.get(
        f"/v1/vehicles/v0/fixes?from={START_MS + 10_000 * seq}&to={START_MS + 10_000 * seq + 1}"
    )
    assert (answer.status_code, answer.json()) == (200, {"fixes": []})


async def test_every_report_is_that_of_the_plausible_fixes_alone(reports, viewer, believed):
    """Thinned fixes, track, trips, stops and days of all fixes are those of a vehicle that sent the plausible ones only."""
    fixes = jumpy().take(np.array(believed))
    await reports.store.write(replace(fixes, row=np.full(len(fixes), 1, np.int32)))
    for report in ("fixes?thin=5&limit=20&", "track?format=csv&", "trips?", "stops?minimum_s=40&", "days?"):
        span = "from=2026-09-20&to=2026-09-22" if report == "days?" else SPAN
        of_all, of_plausible = [
            (await viewer.get(f"/v1/vehicles/{one}/{report}{span}")).text for one in ("v0", "v1")
        ]
        assert of_all.replace("/v0/", "/v1/") == of_plausible
        assert len(of_all) > 40


async def test_trips_in_pages_are_those_of_one_page(reports, viewer):
    """Stops between drives with jumps in them: a page goes on with a fix that is plausible."""
    random = np.random.default_rng(5)
    pace = np.repeat(np.tile([0.0, 80.0], 6), 60)
    east_m = np.cumsum(pace)
    stray = np.flatnonzero(random.random(len(pace)) < 0.1)
    east_m[stray] += 60_000.0
    await reports.store.write(drive(5 * np.arange(len(pace)), east_m))
    for name in ("trips", "stops"):
        (whole,) = await all_pages(viewer, f"/v1/vehicles/v0/{name}?{SPAN}&minimum_s=60", name)
        assert len(whole) >= 5
        for limit in (1, 2):
            pages = await all_pages(viewer, f"/v1/vehicles/v0/{name}?{SPAN}&minimum_s=60&limit={limit}", name)
            assert [one for page in pages for one in page] == whole


@pytest.mark.parametrize("query", ["implausible=yes", "implausible=true&thin=5"])
async def test_a_wrong_wish_is_named(viewer, query):
    """Only true and false, and true not with `thin`."""
    answer = await viewer.get(f"/v1/vehicles/v0/fixes?{query}")
    assert (answer.status_code, answer.json()["field"]) == (400, "implausible")


async def test_a_page_with_only_jumps_behind_it_is_the_last():
    """Nothing plausible follows: there is no next page, however much there is to read."""
    hub = ReportHub()
    fixes = drive(np.arange(2_500), np.zeros(2_500))
    fixes.lat_deg[5:] = np.random.default_rng(1).uniform(-80, 40, 2_495)
    await hub.store.write(fixes)
    async with hub.client() as viewer:
        pages = await all_pages(viewer, f"/v1/vehicles/v0/fixes?{SPAN}&limit=2", "fixes")
    assert [[one["seq"] for one in page] for page in pages] == [[0, 1], [2, 3], [4]]
