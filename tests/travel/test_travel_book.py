"""The travel times in force: taught, with the traffic of now, and a road engine that may be away."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from fleet_drives import NOON_MS, fixes, step_of

from geo import driven_legs, travel_time
from geo.kernels import driven_legs as leg_kernel
from geo.kernels import travel_time as kernel
from geo.travel_time import DrivenLegs, TravelMatrix, learned_travel_times
from haulcast.errors import RequestError, RoadEngineError
from haulcast.positions.vehicle_rows import VehicleRows
from haulcast.travel.current_legs import ASKED_MS, CURRENT_MS, CurrentLegs, LegRing
from haulcast.travel.travel_book import ENGINE_PAUSE_S, TravelBook, fleet_times
from haulcast.travel.travel_tables import read_table, table_bytes

PLACES = np.array([45.0, 45.02, 45.1]), np.array([9.0, 9.01, 9.2])
NOON_HOUR = (NOON_MS // 3_600_000 + 72) % 168


@pytest.fixture
def hub():
    """A book of two fleets with ten vehicles each, acme's in rows 0 to 9."""
    made = SimpleNamespace(rows=VehicleRows(), now_ms=NOON_MS, now_s=0.0)
    for fleet in ("acme", "globex"):
        for i in range(10):
            made.rows.row_of(fleet, f"v{i}")
    made.legs = CurrentLegs(made.rows)
    made.book = TravelBook(made.legs, now_ms=lambda: made.now_ms, monotonic_s=lambda: made.now_s)
    return made


def taught(mps):
    """Everywhere and always this fast."""
    rng = np.random.default_rng(1)
    hours = np.repeat(np.arange(168), 30)
    cells = np.zeros(len(hours), np.int64)
    return fleet_times(
        learned_travel_times(DrivenLegs(cells, hours, mps * rng.uniform(0.99, 1.01, len(hours))))
    )


async def test_live_traffic_counts_for_the_fleet_it_is_of_and_fades(hub):
    """A jam of the last minutes is in the paces of now and less of the hours ahead; of its fleet alone, and gone when it is over."""
    hub.book.teach("acme", taught(20.0))
    hub.book.teach("globex", taught(20.0))
    free = hub.book.paces("acme", NOON_MS).copy()
    hub.book.paces("globex", NOON_MS)
    hub.book.on_step(step_of(fixes(NOON_MS, 10, mps=10.0), NOON_MS + 600_000))
    now_ms = NOON_MS + 600_000
    await hub.book.refresh(now_ms)
    ratio = hub.book.paces("acme", now_ms)[0] / free[0]
    assert ratio[NOON_HOUR] == pytest.approx(2.0, rel=0.05)
    assert 1.1 < ratio[(NOON_HOUR + 1) % 168] < 1.9
    assert ratio[(NOON_HOUR + 12) % 168] == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(hub.book.paces("globex", now_ms), free)
    assert hub.book.paces("acme", now_ms) is hub.book.paces("acme", now_ms)
    fast = await hub.book.matrix("globex", *PLACES, now_ms)
    slow = await hub.book.matrix("acme", *PLACES, now_ms)
    assert slow.time_s[0, 1] == pytest.approx(2 * fast.time_s[0, 1], rel=0.05)
    assert slow.distance_m == pytest.approx(fast.distance_m)
    await hub.book.refresh(now_ms + CURRENT_MS)
    assert np.array_equal(hub.book.paces("acme", now_ms), free)


async def test_who_does_not_ask_costs_nothing(hub):
    """No leg is taken before a fleet is asked for, nor an hour after it was last; late fixes and old backlogs are none of now."""
    batch = fixes(NOON_MS, 10)
    hub.book.on_step(step_of(batch, NOON_MS + 600_000))
    hub.book.paces("globex", NOON_MS)
    hub.book.on_step(step_of(batch, NOON_MS + 600_000))
    assert hub.book.counters["legs"] == 0
    hub.book.paces("acme", NOON_MS)
    hub.book.on_step(step_of(batch, NOON_MS + 600_000, np.ones(len(batch), np.bool_)))
    hub.book.on_step(step_of(batch, NOON_MS + CURRENT_MS * 2))
    assert hub.book.counters["legs"] == 0
    hub.book.on_step(step_of(batch, NOON_MS + 600_000))
    assert hub.book.counters["legs"] > 100
    await hub.book.refresh(NOON_MS + ASKED_MS + 1)
    before = hub.book.counters["legs"]
    hub.book.on_step(step_of(fixes(NOON_MS + ASKED_MS, 10), NOON_MS + ASKED_MS + 600_000))
    assert hub.book.counters["legs"] == before


async def test_an_untaught_fleet_has_the_traffic_of_now(hub):
    """Paces of nobody's history follow what drives; without any they are the untaught ones, for every fleet the same object."""
    first = hub.book.paces("acme", NOON_MS)
    assert hub.book.times("nobody") is hub.book.times("acme")
    hub.book.on_step(step_of(fixes(NOON_MS, 10, mps=7.0), NOON_MS + 600_000))
    await hub.book.refresh(NOON_MS + 600_000)
    assert hub.book.paces("acme", NOON_MS)[0, NOON_HOUR] / first[0, NOON_HOUR] == pytest.approx(2.0, rel=0.05)
    await hub.book.refresh(NOON_MS + 600_000 + CURRENT_MS)
    assert hub.book.paces("acme", NOON_MS) is first


async def test_no_kernel_is_compiled_on_the_way(hub):
    """Paces of every origin are of the one type that the kernels were warmed up with."""
    driven_legs.warm_up()
    travel_time.warm_up()
    compiled = [
        len(each.signatures) for each in (kernel.travel_matrix, kernel.medians, leg_kernel.driven_legs)
    ]
    hub.book.teach("acme", fleet_times(read_table(table_bytes(taught(20.0).times))))
    for fleet in ("acme", "globex"):
        hub.book.paces(fleet, NOON_MS)
    hub.book.on_step(step_of(fixes(NOON_MS, 10), NOON_MS + 600_000))
    for fleet in ("acme", "globex"):
        await hub.book.matrix(fleet, *PLACES, NOON_MS)
        await hub.book.refresh(NOON_MS + 600_000)
        await hub.book.matrix(fleet, PLACES[0][:1], PLACES[1][:1], NOON_MS)
        paces = hub.book.paces(fleet, NOON_MS)
        assert (paces.dtype, paces.flags.c_contiguous, paces.flags.writeable) == (np.float32, True, True)
    assert compiled == [
        len(each.signatures) for each in (kernel.travel_matrix, kernel.medians, leg_kernel.driven_legs)
    ]


async def test_a_fleet_taught_while_its_traffic_is_computed_keeps_what_it_was_taught(hub):
    """Paces always belong to the times in force, whichever comes in between."""
    hub.book.paces("acme", NOON_MS)
    hub.book.on_step(step_of(fixes(NOON_MS, 10), NOON_MS + 600_000))
    refreshing = asyncio.create_task(hub.book.refresh(NOON_MS + 600_000))
    await asyncio.sleep(0)
    newer = taught(20.0)
    hub.book.teach("acme", newer)
    await refreshing
    assert hub.book.times("acme") is newer.times
    assert hub.book.paces("acme", NOON_MS) is newer.current
    await hub.book.refresh(NOON_MS + 600_000)
    assert hub.book.times("acme") is newer.times
    assert hub.book.paces("acme", NOON_MS) is not newer.current


def test_a_ring_holds_the_newest_legs():
    """More than fit at once, or in many parts, leave the newest."""
    for sizes in ([25], [3, 9, 1, 0, 10, 2]):
        ring, begin = LegRing(10), 1
        for size in sizes:
            ends = np.arange(begin, begin + size)
            ring.add(ends, DrivenLegs(ends, ends % 168, ends * 1.0))
            begin += size
        assert sorted(ring.since(0).cell.tolist()) == list(range(16, 26))
        assert sorted(ring.since(24).speed_mps.tolist()) == [24.0, 25.0]


class Engine:
    """Answers, fails or hangs, as told."""

    def __init__(self):
        self.asked, self.failure, self.hangs = 0, None, False

    async def matrix(self, lat_deg, lon_deg, departs_ms):
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure:
            raise self.failure
        return TravelMatrix(np.full((len(lat_deg),) * 2, 7.0), np.full((len(lat_deg),) * 2, 70.0))


async def test_a_fault_of_our_own_in_an_engine_costs_nobody_a_matrix(hub):
    """Whatever it raises, learned times take its place."""
    engine = Engine()
    engine.failure = ZeroDivisionError()
    book = TravelBook(None, engine=engine, now_ms=lambda: NOON_MS, monotonic_s=lambda: 0.0)
    assert np.isfinite((await book.matrix("acme", *PLACES, NOON_MS)).time_s).all()
    assert book.counters["engine_failures"] == 1


async def test_an_engine_that_is_away_is_replaced_by_what_was_learned_and_asked_again_later(hub):
    """No, or no answer in time: learned times at once, a count and a log line; a pause in which nobody waits; then the engine again."""
    engine = Engine()
    book = TravelBook(
        None, engine=engine, engine_timeout_s=0.05, now_ms=lambda: NOON_MS, monotonic_s=lambda: hub.now_s
    )
    learned = await hub.book.matrix("acme", *PLACES, NOON_MS)
    assert (await book.matrix("acme", *PLACES, NOON_MS)).time_s[0, 1] == 7.0
    for failure, hangs in ((RoadEngineError("road_engine_away", "gone"), False), (None, True)):
        engine.failure, engine.hangs, asked = failure, hangs, engine.asked
        for _ in range(3):
            found = await book.matrix("acme", *PLACES, NOON_MS)
            assert np.array_equal(found.time_s, learned.time_s)
        assert engine.asked == asked + 1
        assert book.counters["engine_away"]
        hub.now_s += ENGINE_PAUSE_S
    engine.hangs = False
    assert (await book.matrix("acme", *PLACES, NOON_MS)).time_s[0, 1] == 7.0
    assert book.counters == {
        "fleets": 0, "legs": 0, "matrices": {"learned": 6, "engine": 2}, "engine_failures": 2, "engine_away": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    "places", [([91.0], [0.0]), ([0.0], [180.5]), ([np.nan], [0.0]), ([0.0, 1.0], [0.0]), ([[0.0]], [[0.0]])]
)
async def test_a_place_that_is_none_is_refused(hub, places):
    """Whoever answers; the reason names it."""
    with pytest.raises(RequestError, match=r"lat|lon"):
        await hub.book.matrix("acme", *map(np.array, places), NOON_MS)
