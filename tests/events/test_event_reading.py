"""What the event store and the visit store promise to who reads, on each PostgreSQL there is."""

import numpy as np
import pytest
from event_rows import NOW_MS, store_event, store_visit

from haulcast.clock import epoch_ms
from haulcast.events.event_store import EVERY_EVENT, EventFilter
from haulcast.events.event_store_postgres import PostgresEventStore
from haulcast.events.forgetting import PORTION, forget_old
from haulcast.events.visit_store import VisitFilter
from haulcast.events.visit_store_postgres import PostgresVisitStore
from haulcast.vehicles.vehicle_store_postgres import PostgresVehicleStore

DAY_MS = 86_400_000


@pytest.fixture
def events(each_database) -> PostgresEventStore:
    """A store without events."""
    return PostgresEventStore(each_database)


@pytest.fixture
def visits(each_database) -> PostgresVisitStore:
    """A store without visits."""
    return PostgresVisitStore(each_database)


async def test_pages_are_in_the_order_of_storing_in_both_directions(events, each_database) -> None:
    """Each of the fleet's events once, whatever the page size, and none of another fleet."""
    ids = []
    for i in range(10):
        ids.append(await store_event(each_database, time_ms=NOW_MS - i))
        await store_event(each_database, fleet="globex")
    for newest_first in (False, True):
        seen, after = [], None
        while found := await events.page("acme", EVERY_EVENT, after, 3, newest_first=newest_first):
            seen += [event.event_id for event in found]
            after = found[-1].number
        assert seen == ids[:: -1 if newest_first else 1]
    assert await events.newest_number() == 20
    assert dict(await events.fleets_after(0)) == {"acme": 19, "globex": 20}
    assert dict(await events.fleets_after(19)) == {"globex": 20}
    assert await events.page("nobody", EVERY_EVENT, None, 3) == []


async def test_filters_are_joined_by_and(events, each_database) -> None:
    """Vehicle (also the second of two), fence, rule, route, kind and time, each alone and together; a document comes back as it was stored."""
    near = await store_event(
        each_database, "near", vehicle="a", other="b", fence=None, rule="convoy", time_ms=5
    )
    enter = await store_event(each_database, "enter", vehicle="b", fence="yard", time_ms=7)
    dwell = await store_event(each_database, "dwell", vehicle="b", fence="yard", rule="long", time_ms=9)

    late = await store_event(
        each_database, "late_risk", vehicle="c", fence=None, route="r1", stop="s", late_s=400.0, time_ms=11
    )

    async def ids(**asked) -> list[str]:
        found = await events.page("acme", EventFilter(**asked), None, 10)
        return [event.event_id for event in found]

    assert await ids(vehicles=("b",)) == [near, enter, dwell]
    assert await ids(vehicles=("a",)) == [near]
    assert await ids(vehicles=("a", "b"), fences=("yard",)) == [enter, dwell]
    assert await ids(rules=("convoy", "long")) == [near, dwell]
    assert await ids(kinds=("enter", "exit")) == [enter]
    assert await ids(begin_ms=5, end_ms=9) == [near, enter]
    assert await ids(vehicles=("b",), begin_ms=8, kinds=("dwell",), rules=("long",)) == [dwell]
    assert await ids(routes=("r1", "r2")) == await ids(kinds=("late_risk",)) == [late]
    assert await ids(kinds=()) == []
    (event,) = await events.page("acme", EventFilter(kinds=("near",)), None, 1)
    assert f'"id":"{near}"' in event.document


async def test_a_span_is_in_order_of_time_and_parts_no_millisecond(events, each_database) -> None:
    """By time, then by storing, of the vehicles that are asked for; more than the limit only within one millisecond."""
    times = [7, 3, 5, 5, 9, 5, 1]
    ids = [
        await store_event(each_database, vehicle=f"v{i % 2}", other="b" if i == 2 else None, time_ms=time_ms)
        for i, time_ms in enumerate(times)
    ]
    await store_event(each_database, fleet="globex", time_ms=5)

    async def found(vehicles, *rest) -> list[str]:
        span = await events.span("acme", vehicles, *rest)
        assert [event.other_id for event in span if ids[2] in event.document] in ([], ["b"])
        return [ids.index(event.document.split('"')[3]) for event in span]

    assert await found(None, 0, 10, 10) == [6, 1, 2, 3, 5, 0, 4]
    assert await found(None, 3, 9, 2) == [1, 2, 3, 5]
    assert await found({"v1", "\0"}, 0, 9, 10) == [1, 3, 5]
    assert await found(set(), 0, 9, 10) == []


async def test_an_id_is_a_place_even_if_its_event_is_not_kept(events, each_database) -> None:
    """Behind an id that is kept, that was forgotten, and that never came to be stored, in both orders."""
    assert await events.place_of("0001") is None
    for i in (2, 4, 6):
        await store_event(each_database, event_id=f"{i:04x}")
    for after, places in {"0001": (None, 1), "0002": (1, 1), "0003": (1, 2), "0006": (3, 3), "0007": (3, None)}.items():  # fmt: skip
        found = await events.place_of(after), await events.place_of(after, newest_first=True)
        assert found == places


async def test_a_span_holds_the_visits_that_have_a_moment_in_it(visits, each_database) -> None:
    """Against a check of every visit, for many spans, of the fleet, a vehicle, a fence, and of those that last; pages in order of entry."""
    random = np.random.default_rng(3)
    stored = []
    for _ in range(60):
        entered = int(random.integers(0, 100))
        left = None if random.random() < 0.2 else entered + int(random.integers(0, 30))
        vehicle, fence = f"v{random.integers(3)}", f"f{random.integers(3)}"
        stored.append(
            (
                entered,
                await store_visit(each_database, entered, left, vehicle=vehicle, fence=fence),
                left,
                vehicle,
                fence,
            )
        )
    await store_visit(each_database, 10, 20, fleet="globex", vehicle="v0", fence="f0")
    for begin, end, vehicle, fence, is_open in (
        (0, 200, None, None, False), (30, 31, None, None, False), (50, 50, None, None, False), (20, 60, "v1", None, False),
        (20, 60, None, "f2", False), (0, 90, "v0", "f1", False), (40, 80, None, None, True),
    ):  # fmt: skip
        expected = sorted(
            (entered, visit)
            for entered, visit, left, of, place in stored
            if entered < end and (left is None or left >= begin) and vehicle in {None, of} and fence in {None, place}
            and not (is_open and left is not None)
        )  # fmt: skip
        asked, after, seen = VisitFilter(begin, end, vehicle, fence, is_open), None, []
        while found := await visits.page("acme", asked, after, 7):
            seen += [tuple(visit.key) for visit in found]
            after = found[-1].key
        assert seen == expected


async def test_visits_of_a_deleted_vehicle_end_with_it(visits, each_database) -> None:
    """Those that last, of this vehicle alone; one that began in the future, by a device's clock, ends when it begins."""
    vehicles = PostgresVehicleStore(each_database)
    await vehicles.add_missing([("acme", "a"), ("acme", "b"), ("globex", "a")])
    for fleet, vehicle in (("acme", "a"), ("acme", "b"), ("globex", "a")):
        await store_visit(each_database, 1, None, fleet=fleet, vehicle=vehicle, fence="open")
        await store_visit(each_database, 2**45, None, fleet=fleet, vehicle=vehicle, fence="ahead")
        await store_visit(each_database, 1, 5, fleet=fleet, vehicle=vehicle, fence="over")
    await vehicles.delete("acme", "a")
    left = {
        fleet: {
            (visit.vehicle_id, visit.fence_id): visit.left_ms
            for visit in await visits.page(fleet, VisitFilter(0, 2**50), None, 20)
        }
        for fleet in ("acme", "globex")
    }
    now_ms = epoch_ms()
    assert now_ms - 60_000 < left["acme"].pop(("a", "open")) <= now_ms + 1_000
    assert left["acme"].pop(("a", "ahead")) == 2**45
    assert left["acme"] == {
        ("a", "over"): 5,
        ("b", "open"): None,
        ("b", "ahead"): None,
        ("b", "over"): 5,
    }
    assert left["globex"] == {("a", "open"): None, ("a", "ahead"): None, ("a", "over"): 5}


async def test_time_inside_is_that_of_the_union(visits, each_database) -> None:
    """Against counting milliseconds one by one: clipped to the span, what lasts until its end, overlaps once."""
    random = np.random.default_rng(4)
    inside: dict[str, np.ndarray] = {}
    for _ in range(40):
        entered, fence = int(random.integers(0, 100)), f"f{random.integers(4)}"
        left = None if random.random() < 0.1 else entered + int(random.integers(0, 25))
        await store_visit(each_database, entered, left, vehicle="a", fence=fence, name=f"{fence} {entered}")
        inside.setdefault(fence, np.zeros(200, bool))[entered : 200 if left is None else left] = True
    await store_visit(each_database, 0, 50, vehicle="b", fence="f0")
    for begin, end in ((0, 200), (20, 60), (37, 38), (120, 150), (50, 50)):
        found = await visits.times_of_vehicle("acme", "a", begin, end, "", 10)
        sums = {time.name_id: time.inside_ms for time in found if time.inside_ms}
        expected = {fence: int(row[begin:end].sum()) for fence, row in inside.items()}
        assert sums == {fence: ms for fence, ms in expected.items() if ms}
        assert [time.name_id for time in found] == sorted(time.name_id for time in found)
        for fence in ("f0", "f1"):
            by_vehicle = await visits.times_of_fence("acme", fence, begin, end, "", 10)
            assert {time.name_id: time.inside_ms for time in by_vehicle}.get("a", 0) == expected[fence]
    first, second = await visits.times_of_fence("acme", "f0", 0, 200, "", 10)
    assert (first.name_id, second.name_id, second.inside_ms, second.visits, second.is_open) == (
        "a",
        "b",
        50,
        1,
        False,
    )
    assert await visits.times_of_fence("acme", "f0", 0, 200, "a", 10) == [second]
    assert await visits.times_of_fence("globex", "f0", 0, 200, "", 10) == []


async def test_what_is_old_is_forgotten_in_portions(events, visits, each_database) -> None:
    """Events of before, visits that ended before; what lasts, what ended since, and late events of then that came last go by their own time."""
    async with each_database.connection() as connection:
        await connection.execute(
            "INSERT INTO events (event_id, fleet, vehicle_id, kind, time_ms, document)"
            " SELECT i, 'acme', 'a', 'enter', i, '{}' FROM generate_series(1, $1) i",
            PORTION + 5,
        )
    kept = await store_event(each_database, time_ms=NOW_MS)
    await store_event(each_database, time_ms=NOW_MS - DAY_MS - 1)
    await store_visit(each_database, NOW_MS - 3 * DAY_MS, NOW_MS - 2 * DAY_MS)
    lasting = await store_visit(each_database, NOW_MS - 3 * DAY_MS, None)
    recent = await store_visit(each_database, NOW_MS - 3 * DAY_MS, NOW_MS)
    assert await forget_old(events, visits, NOW_MS - DAY_MS, pause_s=0) == (PORTION + 6, 1)
    assert [event.event_id for event in await events.page("acme", EVERY_EVENT, None, 9)] == [kept]
    left = await visits.page("acme", VisitFilter(0, NOW_MS + 1), None, 9)
    assert [visit.visit for visit in left] == [lasting, recent]
    assert await forget_old(events, visits, NOW_MS - DAY_MS, pause_s=0) == (0, 0)
