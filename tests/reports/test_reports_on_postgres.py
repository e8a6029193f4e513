"""The reports over a real database: the same answers as over memory, of real drives too, and 503 while it is away."""

import asyncio

import numpy as np
from report_hub import NOW_MS, ReportHub, all_pages, drive

from geo.positions import PositionBatch, position_batch
from haulcast.database.pool import open_database
from haulcast.history.history_store_postgres import PostgresHistoryStore
from haulcast.recordings.read import read_recording
from haulcast.settings import Settings

DAY_MS = 86_400_000
REPORTS = (
    "fixes?limit=700&", "fixes?limit=40&thin=100&", "trips?limit=2&", "stops?limit=3&minimum_s=180&", "trips?gap_s=90&times=iso&",
)  # fmt: skip
FILES = ("geojson", "gpx", "csv", "mf-json")


def real_drives(shared_data, vehicles: int) -> PositionBatch:
    """Fixes of some cabs of a Friday, in no order, some of them twice."""
    recording = read_recording(shared_data / "tracks" / "sf_cabs_2008-05-30.csv.gz")
    index = np.flatnonzero(recording.vehicle < vehicles)
    fixes = position_batch(len(index))
    fixes.row[:], fixes.time_ms[:] = recording.vehicle[index], recording.time_ms[index]
    fixes.lat_deg[:], fixes.lon_deg[:] = recording.lat_deg[index], recording.lon_deg[index]
    fixes.seq[:] = index
    return fixes.take(np.random.default_rng(1).permutation(len(index)))


async def answers(hub: ReportHub, vehicle: str, span: str, days: str) -> list[object]:
    """Whatever there is to ask about a vehicle."""
    path = f"/v1/vehicles/{vehicle}"
    async with hub.client() as viewer:
        found = [
            await all_pages(viewer, f"{path}/{report}{span}", report.partition("?")[0]) for report in REPORTS
        ]
        files = [(await viewer.get(f"{path}/track?{span}&format={name}")).content for name in FILES]
        days_of = (await viewer.get(f"{path}/days?{days}&time_zone=America/Los_Angeles")).json()
    return [*found, *files, days_of]


async def test_a_real_day_reads_the_same_from_memory_and_from_a_database(database, shared_data):
    """Every report and file of real cabs; a cab's day has trips, stops, and as many kilometres as a cab drives."""
    fixes = real_drives(shared_data, 3)
    memory, real = ReportHub(), ReportHub(store=PostgresHistoryStore(database, ReportHub.name_of))
    for hub in (memory, real):
        await hub.store.write(fixes)
        await hub.store.write(fixes.take(np.arange(100)))
    first_ms = int(fixes.time_ms.min()) // DAY_MS * DAY_MS
    span = f"from={first_ms}&to={first_ms + 2 * DAY_MS}"
    for vehicle in ("v0", "v1", "v2"):
        found = await answers(real, vehicle, span, "from=2008-05-30&to=2008-05-30")
        assert found == await answers(memory, vehicle, span, "from=2008-05-30&to=2008-05-30")
        trips = [trip for page in found[2] for trip in page]
        (day,) = found[-1]["days"]
        assert len(trips) > 3
        assert 20 < day["distance_km"] < 800
        assert day["driving_s"] + day["idling_s"] + day["stopped_s"] <= 86_400


async def test_a_database_that_is_away_is_a_503_and_comes_back(system_postgres, wait_until):
    """Killed between two requests: a problem document with Retry-After; after its start the same answers again."""
    async with open_database(Settings(database_url=system_postgres.url)) as database:
        hub = ReportHub(store=PostgresHistoryStore(database, ReportHub.name_of))
        await hub.store.write(drive(np.arange(3000), np.arange(3000) * 10.0))
        paths = [f"/v1/vehicles/v0/{name}?from={NOW_MS - DAY_MS}&to={NOW_MS}" for name in ("fixes", "track", "trips", "stops")]  # fmt: skip
        async with hub.client() as viewer:
            before = [(await viewer.get(path)).content for path in paths]
            await asyncio.to_thread(system_postgres.kill)
            for path in paths:
                answer = await viewer.get(path)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
            await asyncio.to_thread(system_postgres.start)

            async def is_back() -> bool:
                return (await viewer.get(paths[0])).status_code == 200

            await wait_until(is_back, timeout_s=60)
            assert [(await viewer.get(path)).content for path in paths] == before
