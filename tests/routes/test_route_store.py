"""The contract of a route store, on each PostgreSQL there is."""

import asyncio
from dataclasses import replace

import pytest
from route_world import HOME, active, load, place, route

from haulcast.errors import ConflictError, NotFoundError, PreconditionError
from haulcast.routes.load import LoadStatus
from haulcast.routes.route import RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.route_store import ANY, NEW, Asked, LoadWrite, RouteWrite
from haulcast.routes.route_store_postgres import PORTION, PostgresRouteStore
from haulcast.routes.vehicle_profile import PLAIN, VehicleProfile

FULL_LOAD = load(
    "ü/1", pickup=HOME, delivery=place(5, fence="yard"), size={"kg": 0.1, "m³": 1e-7}, needs=frozenset({"b", "a"}),
    status=LoadStatus.PLANNED, vehicle="van 7", left_out_cost=1234.5,
)  # fmt: skip
FULL_ROUTE = active(
    "r/ü", vehicle="van 7", plan="p1", line=((13.123456789012, 52.0), (-180.0, -90.0)),
    stops=(
        RouteStop("p", StopKind.PICKUP, HOME, "ü/1", StopState.DONE, 1, 2, 3),
        RouteStop("d", StopKind.DELIVERY, place(5, fence="yard"), "ü/1", StopState.ARRIVED, arrived_ms=4),
        RouteStop("e", StopKind.STOP, place(6)),
    ),
)  # fmt: skip
PROFILE = VehicleProfile(
    {"kg": 900.0}, frozenset({"reefer", "adr"}), (52.1, 13.25), (1.0, 2.0), 1, 2, 30_000.0, 16_200.0, 2700.0, 50.0, 0.7, 30.0,
)  # fmt: skip


@pytest.fixture
def store(each_database) -> PostgresRouteStore:
    """A store with nothing in it."""
    return PostgresRouteStore(each_database)


async def _refused(*writes) -> list[type]:
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    return [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)]


async def test_what_goes_in_comes_out(store) -> None:
    """Loads, routes and profiles come back as they were given, numbers to the last bit."""
    (made,), (driven,) = await store.write("acme", [LoadWrite(FULL_LOAD)], [RouteWrite(FULL_ROUTE)])
    assert replace(made, edition="") == FULL_LOAD
    assert replace(driven, edition="") == FULL_ROUTE
    assert await store.find_load("acme", "ü/1") == made
    assert await store.find_route("acme", "r/ü") == driven
    assert await store.find_load("globex", "ü/1") is None
    for profile in (PROFILE, PLAIN):
        edition, _ = await store.put_profile("acme", "van 7", profile)
        assert await store.find_profile("acme", "van 7") == ("acme", "van 7", profile, edition)


async def test_a_write_is_done_whole_or_not(store) -> None:
    """When one of many loads and routes is at another edition, or there already, none is written."""
    (one,), (driven,) = await store.write("acme", [LoadWrite(load("a"), NEW)], [RouteWrite(route("r"), NEW)])
    wrongs = (
        ([LoadWrite(load("b"), NEW), LoadWrite(load("a"), NEW)], []),
        ([LoadWrite(load("b"), NEW), LoadWrite(load("a"), "9-0")], []),
        ([LoadWrite(load("b"), NEW)], [RouteWrite(route("r"), "9-0")]),
        ([LoadWrite(load("b"), NEW)], [RouteWrite(route("none"), ANY)]),
        ([LoadWrite(load("b"), NEW)], [RouteWrite(route("r"), NEW)]),
        ([LoadWrite(load("b"), NEW)], [RouteWrite(active("s")), RouteWrite(active("t"))]),
    )
    for loads, routes in wrongs:
        with pytest.raises(ConflictError):
            await store.write("acme", loads, routes)
    assert await store.page_of_loads("acme", Asked("", 10)) == [one]
    assert await store.page_of_routes("acme", Asked("", 10)) == [driven]


async def test_of_many_at_once_one_wins(store) -> None:
    """Of creations at once, and of changes of one edition at once, exactly one is done."""
    assert (
        await _refused(*(store.write("acme", [LoadWrite(load(), NEW)]) for _ in range(6)))
        == [ConflictError] * 5
    )
    edition = (await store.find_load("acme", "l1")).edition
    changes = (store.write("acme", [LoadWrite(load(number=i), edition)]) for i in range(6))
    assert await _refused(*changes) == [PreconditionError] * 5
    assert (
        await _refused(*(store.write("acme", [], [RouteWrite(active(f"r{i}"))]) for i in range(6)))
        == [ConflictError] * 5
    )


async def test_editions_name_states(store) -> None:
    """Each change makes another edition, and ANY takes whichever there is."""
    editions = set()
    for expected in (NEW, ANY, None):
        (one,), (driven,) = await store.write(
            "acme", [LoadWrite(load(), expected)], [RouteWrite(route(), expected)]
        )
        editions |= {one.edition, driven.edition + "r"}
    assert len(editions) == 6


async def test_vehicles_swap_their_active_routes(store) -> None:
    """Two active routes change places in one write, and one comes when the other ends; two never stand side by side."""
    await store.write(
        "acme", [], [RouteWrite(active("a", vehicle="1")), RouteWrite(active("b", vehicle="2"))]
    )
    await store.write(
        "acme", [], [RouteWrite(active("a", vehicle="2")), RouteWrite(active("b", vehicle="1"))]
    )
    assert (await store.find_route("acme", "a")).vehicle == "2"
    ended = replace(route("b", vehicle="1"), status=RouteStatus.CANCELLED)
    await store.write("acme", [], [RouteWrite(active("a0", vehicle="1")), RouteWrite(ended)])
    with pytest.raises(ConflictError, match="1"):
        await store.write("acme", [], [RouteWrite(active("c", vehicle="1"))])


async def test_a_line_is_kept(store) -> None:
    """A write that keeps the line need not send it; another one replaces it."""
    await store.write("acme", [], [RouteWrite(FULL_ROUTE)])
    await store.write("acme", [], [RouteWrite(replace(FULL_ROUTE, line=()), None, keeps_line=True)])
    assert (await store.find_route("acme", "r/ü")).line == FULL_ROUTE.line
    await store.write("acme", [], [RouteWrite(replace(FULL_ROUTE, line=()))])
    assert (await store.find_route("acme", "r/ü")).line == ()


async def test_pages_follow_the_bytes_of_ids(store) -> None:
    """Pages chained by the last id give each load once, in byte order; filters take their part of them."""
    ids = ["B", "a", "ä", "Z", "10", "9", "_x", "a b", "é", "😀"]
    await store.write("acme", [LoadWrite(load(one)) for one in ids])
    await store.write("globex", [LoadWrite(load("theirs", fleet="globex"))])
    got, after = [], ""
    while page := await store.page_of_loads("acme", Asked(after, 3)):
        got += [one.load_id for one in page]
        after = got[-1]
    assert got == sorted(ids, key=str.encode)
    gone = [load("9", status=LoadStatus.CANCELLED), load("Z", status=LoadStatus.PLANNED, vehicle="van")]
    await store.write("acme", [LoadWrite(one) for one in gone])

    async def ids_of(**asked) -> list[str]:
        return [one.load_id for one in await store.page_of_loads("acme", Asked("", 50, **asked))]

    assert await ids_of(status="cancelled") == ["9"]
    assert await ids_of(vehicle="van") == await ids_of(vehicles=["van", "x"]) == ["Z"]
    assert await ids_of(vehicles=[]) == []
    assert len(await ids_of(status="open")) == 8


async def test_what_is_ahead_is_read_in_portions(store) -> None:
    """All that is not over, of one fleet or of all, each once."""
    ids = [f"l{i:04}" for i in range(PORTION + 7)]
    await store.write("acme", [LoadWrite(load(one)) for one in ids], [RouteWrite(route("r")), RouteWrite(replace(route("s"), status=RouteStatus.DONE))])  # fmt: skip
    await store.write("acme", [LoadWrite(load("over", status=LoadStatus.DELIVERED))])
    await store.write("globex", [LoadWrite(load("theirs", fleet="globex"))])
    portions = [portion async for portion in store.loads("acme")]
    assert sorted(one.load_id for portion in portions for one in portion) == ids
    assert len(portions) > 1
    assert sum([len(portion) async for portion in store.loads()]) == len(ids) + 1
    assert [[one.route_id for one in portion] async for portion in store.routes()] == [["r"]]


async def test_profiles_have_editions(store) -> None:
    """A profile is changed or removed at its edition only, and is new again after it was removed."""
    edition, is_new = await store.put_profile("acme", "van", PROFILE)
    with pytest.raises(PreconditionError):
        await store.put_profile("acme", "van", PLAIN, "9-0")
    with pytest.raises(PreconditionError):
        await store.put_profile("acme", "truck", PLAIN, ANY)
    _, is_still_new = await store.put_profile("acme", "van", PLAIN, edition)
    assert (is_new, is_still_new) == (True, False)
    with pytest.raises(PreconditionError):
        await store.delete_profile("acme", "van", edition)
    await store.delete_profile("acme", "van")
    with pytest.raises(NotFoundError):
        await store.delete_profile("acme", "van")
    assert [portion async for portion in store.profiles()] == []
    _, is_new_again = await store.put_profile("acme", "van", PLAIN)
    assert is_new_again


async def test_what_is_over_is_forgotten_by_age(store) -> None:
    """Old loads and routes go when they are over, and only then."""
    loads = [LoadWrite(load("open")), LoadWrite(load("over", status=LoadStatus.DELIVERED))]
    routes = [RouteWrite(active("r")), RouteWrite(replace(route("s"), status=RouteStatus.DONE))]
    await store.write("acme", loads, routes)
    assert await store.forget(0, 10) == 0
    assert await store.forget(2**42, 10) == 2
    assert [one.load_id for one in await store.page_of_loads("acme", Asked("", 9))] == ["open"]
    assert [one.route_id for one in await store.page_of_routes("acme", Asked("", 9))] == ["r"]


async def test_fences_of_stops_are_on_record(store) -> None:
    """What is added is there once, of its fleet; what is removed is not."""
    await store.add_stop_fences("acme", {"a", "b"})
    await store.add_stop_fences("acme", {"b"})
    await store.add_stop_fences("globex", {"a"})
    await store.remove_stop_fences("acme", {"a", "x"})
    assert list(await store.stop_fences("acme")) == [("acme", "b")]
    assert sorted(await store.stop_fences()) == [("acme", "b"), ("globex", "a")]
