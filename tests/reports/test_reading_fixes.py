"""`/v1/positions` and a vehicle's fixes: all that is there, in pages, for those who may."""

import itertools

import numpy as np
import pytest
from report_hub import NOW_MS, ReportHub, all_pages, drive

from geo.kernels.track_thinning import away_m

SPAN = f"from={NOW_MS - 7_200_000}&to={NOW_MS}"


async def test_the_latest_positions_come_in_pages_by_id(reports, viewer):
    """Each vehicle of the fleet that is somewhere, once; those that come later too."""
    reports.place("acme", "d", "b", "ä/1", attributes={0: b'{"load":[1]}'})
    reports.place("globex", "a")
    reports.rows.row_of("acme", "nowhere")
    pages = await all_pages(viewer, "/v1/positions?limit=2", "positions")
    assert [[one["id"] for one in page] for page in pages] == [["b", "d"], ["ä/1"]]
    assert pages[0][1] == {
        "id": "d", "time_ms": NOW_MS - 3_600_000, "received_ms": NOW_MS - 3_599_960, "seq": 0, "lat": 48.0,
        "lon": pages[0][1]["lon"], "attributes": {"load": [1]},
    }  # fmt: skip
    reports.place("acme", "c")
    reports.last.forget(reports.rows.find("acme", "b"))
    (page,) = await all_pages(viewer, "/v1/positions?times=iso", "positions")
    assert [one["id"] for one in page] == ["c", "d", "ä/1"]
    assert page[0]["time"] == "2026-09-21T13:13:20.000Z"


async def test_positions_of_chosen_vehicles(reports, viewer):
    """Only those asked for, each once; unknown ones and other fleets' are not there."""
    reports.place("acme", "a", "b", "c,1")
    reports.place("globex", "g")
    answer = await viewer.get("/v1/positions", params=[("id", one) for one in ("c,1", "a", "a", "g", "no")])
    assert [one["id"] for one in answer.json()["positions"]] == ["a", "c,1"]
    many = await viewer.get("/v1/positions", params=[("id", str(i)) for i in range(1001)])
    assert (many.status_code, many.json()["code"], many.json()["field"]) == (400, "too_many", "id")


async def test_fixes_come_in_pages_in_order_of_time(reports, viewer):
    """All of a span, its end excluded; unknown is absent, attributes are as they were sent."""
    fixes = drive(
        [30, 10, 20, 20, 3_600], np.arange(5), speed_mps=[np.nan, 1, 2, 3, 4], attributes={1: b'{"x":null}'}
    )
    await reports.store.write(fixes)
    pages = await all_pages(viewer, f"/v1/vehicles/v0/fixes?{SPAN}&limit=2", "fixes")
    assert [[one["seq"] for one in page] for page in pages] == [[1, 2], [3, 0]]
    assert pages[0][0]["attributes"] == {"x": None}
    assert "speed_mps" not in pages[1][1]
    usual = (await viewer.get("/v1/vehicles/v0/fixes")).json()
    assert [one["seq"] for one in usual["fixes"]] == [1, 2, 3, 0]
    assert "next" not in usual


async def test_times_may_be_iso_or_milliseconds(reports, viewer):
    """The same span in three ways of writing, an offset's lost plus included; iso out on request, along the links."""
    await reports.store.write(drive([0, 1, 2], np.zeros(3), start_ms=1_767_222_000_000))
    for span in (
        "from=1767222000000&to=1767222002000",
        "from=2025-12-31T23:00:00Z&to=2025-12-31T23:00:02Z",
        "from=2026-01-01T00:00:00+01:00&to=2026-01-01T00:00:02.000%2B01:00",
    ):
        pages = await all_pages(viewer, f"/v1/vehicles/v0/fixes?{span}&limit=1&times=iso", "fixes")
        assert [one["time"] for (one,) in pages] == ["2025-12-31T23:00:00.000Z", "2025-12-31T23:00:01.000Z"]


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_thinned_pages_keep_the_line(reports, viewer, limit):
    """Whatever the pages, each dropped fix is within the tolerance of the line of all pages together."""
    random = np.random.default_rng(2)
    fixes = drive(np.arange(4500), np.cumsum(random.normal(8, 5, 4500)), lat=48 + np.cumsum(random.normal(0, 4e-6, 4500)))  # fmt: skip
    await reports.store.write(fixes)
    span = f"from={NOW_MS - 3_600_000}&to={NOW_MS + 3_600_000}"
    if limit < 1000:
        span = f"from={NOW_MS - 3_600_000}&to={NOW_MS - 3_560_000}"
    pages = await all_pages(viewer, f"/v1/vehicles/v0/fixes?{span}&thin=20&limit={limit}", "fixes")
    assert all(len(page) <= limit for page in pages)
    kept = [one["seq"] for page in pages for one in page]
    total = 4500 if limit == 1000 else 40
    assert (kept[0], kept[-1]) == (0, total - 1)
    assert kept == sorted(set(kept))
    assert len(kept) < total / 2
    for first, last in itertools.pairwise(kept):
        line = [fixes.lat_deg[first], fixes.lon_deg[first], fixes.lat_deg[last], fixes.lon_deg[last]]
        for i in range(first + 1, last):
            assert away_m(fixes.lat_deg[i], fixes.lon_deg[i], *line) <= 20


async def test_who_may_read_and_what_is_not_there(reports, viewer):
    """Devices may not; another fleet's vehicle is as unknown as none; one on record without fixes is empty."""
    await reports.store.write(drive([0], [0], row=100))
    await reports.store.write(drive([0], [0], row=5, start_ms=0))
    for name in ("fixes", "track", "trips", "stops", "days"):
        found = await viewer.get(f"/v1/vehicles/v0/{name}")
        assert (found.status_code, found.json()["code"]) == (404, "no_such_vehicle")
        for known in ("parked", "v5", "a%2Fb%20%C3%A4"):
            assert (await viewer.get(f"/v1/vehicles/{known}/{name}")).status_code == 200
        async with reports.client("acme/device") as device:
            assert (await device.get(f"/v1/vehicles/v0/{name}")).status_code == 403
        async with reports.client("globex/viewer") as other:
            assert (await other.get(f"/v1/vehicles/v0/{name}")).status_code == 200
    assert (await viewer.get("/v1/vehicles/parked/fixes")).json() == {"fixes": []}
    async with reports.client("acme/device") as device:
        assert (await device.get("/v1/positions")).status_code == 403


async def test_a_store_that_is_away_is_a_503(reports, viewer):
    """Every report says so, and when to come back; the latest positions go on."""
    await reports.store.write(drive(np.arange(10), np.arange(10)))
    reports.store.reads = 0
    for name in ("fixes", "fixes?thin=5", "track", "trips", "stops", "days"):
        answer = await viewer.get(f"/v1/vehicles/v0/{name}")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unreachable")
        assert answer.headers["retry-after"]
    reports.place("acme", "v0")
    assert len((await viewer.get("/v1/positions")).json()["positions"]) == 1


async def test_without_a_history_the_answer_says_so():
    """A hub that keeps none has positions only."""
    hub = ReportHub(has_history=False)
    async with hub.client() as viewer:
        answer = await viewer.get("/v1/vehicles/v0/fixes")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_history")
        assert (await viewer.get("/v1/positions")).json() == {"positions": []}


@pytest.mark.parametrize(
    ("path", "code", "field"),
    [
        ("fixes?from=yesterday", "bad_time", "from"),
        ("fixes?from=2026-01-01T00:00:00", "bad_time", "from"),
        ("fixes?to=99999999999999999", "bad_time", "to"),
        ("fixes?to=1²", "bad_time", "to"),
        ("fixes?from=5&to=4", "bad_span", "from"),
        ("fixes?limit=0", "out_of_range", "limit"),
        ("fixes?limit=1001", "out_of_range", "limit"),
        ("fixes?limit=0000010000", "out_of_range", "limit"),
        ("fixes?after=5", "bad_place", "after"),
        ("fixes?after=5.99999999999999999999", "bad_place", "after"),
        ("fixes?thin=-1", "out_of_range", "thin"),
        ("fixes?thin=nan", "out_of_range", "thin"),
        ("fixes?times=utc", "wrong_type", "times"),
        ("track?format=shp", "bad_format", "format"),
        ("track?gap_s=0", "out_of_range", "gap_s"),
        ("trips?from=0&to=2678400001", "span_too_long", "from"),
        ("stops?radius_m=1", "out_of_range", "radius_m"),
        ("stops?minimum_s=1e3", "out_of_range", "minimum_s"),
        ("days?time_zone=Mars/Olympus", "bad_time_zone", "time_zone"),
        ("days?time_zone=../etc", "bad_time_zone", "time_zone"),
        ("days?time_zone=America", "bad_time_zone", "time_zone"),
        ("days?from=2026-02-30", "bad_date", "from"),
        ("days?from=2026-02-02&to=2026-02-01", "bad_span", "from"),
        ("days?to=9999-12-31", "bad_date", "to"),
        ("days?limit=32", "out_of_range", "limit"),
    ],
)
async def test_what_is_wrong_is_named(viewer, path, code, field):
    """A problem document with code, field and what is allowed."""
    answer = await viewer.get(f"/v1/vehicles/v0/{path}")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["field"]) == (400, code, field)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("limit", ["0000010000", "000001000" + 20 * "9", 5_000 * "1", "1²", ""])
async def test_no_page_is_longer_than_allowed(viewer, limit):
    """A limit with zeros in front, or of thousands of digits, is judged whole."""
    answer = await viewer.get("/v1/positions", params={"limit": limit})
    assert (answer.status_code, answer.json()["code"]) == (400, "out_of_range")
