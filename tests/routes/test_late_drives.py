"""Fixes that come late, and hubs that come back: no event that was not so, none twice, none lost."""

from random import Random

import pytest
from road import NOW_MS, Road, at, line, metres_between, route_of, stop

STRAIGHT = line((0, 0), (20_000, 0))
TWO = (stop("a", 5_000), stop("b", 10_000))
DAY = [
    *metres_between((0, 0), (6_000, 0), 100),
    *metres_between((6_000, 200), (6_000, 1_200), 100),
    *metres_between((6_000, 0), (12_000, 0), 100),
]
TOLD = [
    ("arrived", "a"), ("departed", "a"), ("off_route",), ("on_route",), ("arrived", "b"), ("departed", "b"),
]  # fmt: skip


def fixes_of(places, *, every_s=10.0):
    return [("van", NOW_MS + int((i + 1) * every_s * 1000), *at(*one)) for i, one in enumerate(places)]


@pytest.mark.parametrize("seed", range(6))
async def test_shuffled_late_fixes_make_no_false_events(seed):
    """Of a drive on the line whose fixes come in any order, nothing is told off the route, and each stop once at the most, arrivals first."""
    random, road = Random(seed), Road(late_fixes=512)
    await road.put(route_of(*TWO, line=STRAIGHT))
    fixes = fixes_of(metres_between((0, 0), (12_000, 0), 100))
    order = sorted(range(len(fixes)), key=lambda i: i + random.uniform(0, 20))
    road.now_ms = fixes[-1][1]
    told = await road.send(*[[fixes[i]] for i in order])
    for _ in range(20):
        told += await road.wait(1)
    assert sorted(told) == sorted(set(told))
    assert {kind for kind, *_ in told} <= {"arrived", "departed"}
    assert told == [("arrived", "a"), ("departed", "a"), ("arrived", "b"), ("departed", "b")]


async def test_late_fixes_of_before_the_route_are_no_arrivals():
    """A visit that was over before the route became active counts for nothing, though it is told late."""
    road = Road(late_fixes=512)
    road.now_ms += 3_000_000
    place = {"radius_m": 120.0}
    await road.put(
        route_of(stop("x", 5_000, 100, **place), route_id="q", vehicle="car")
    )  # so the fence is there
    early = fixes_of(metres_between((4_000, 0), (6_000, 0), 100))
    await road.send([early[0]], [early[-1]])
    await road.put(route_of(stop("a", 5_000, 100, **place), stop("b", 9_000)))
    assert await road.send(early[1:-1]) == []
    assert [one["event"] for one in road.heard] == ["enter", "exit"]


async def test_a_late_visit_does_not_end_the_one_that_lasts():
    """A visit of before that comes to light late is no departure from the stop where the vehicle is now."""
    road = Road(late_fixes=512)
    await road.put(route_of(stop("a", 5_000), stop("b", 9_000)))
    early = fixes_of([(4_000, 0), (5_000, 0), (6_000, 0), (5_000, 0)])
    road.now_ms += 1_000_000
    assert await road.send([early[0]], [early[3]]) == [("arrived", "a")]
    assert await road.send([early[1], early[2]]) == []
    assert await road.drive((6_000, 0)) == [("departed", "a")]


@pytest.mark.parametrize("follows", [True, False], ids=["store there", "store away"])
@pytest.mark.parametrize("seed", range(8))
async def test_a_hub_that_comes_back_tells_nothing_twice_and_loses_nothing(seed, follows):
    """Killed and restarted at any fixes of the day, before or after the book has heard of it: the same is told, each once."""
    random, road, told = Random(seed), Road(follows=follows), []
    await road.put(route_of(*TWO, line=STRAIGHT))
    for place in DAY:
        told += await road.drive(place)
        if random.random() < 0.15:
            road = await road.restarted()
            told += await road.wait(0)
    assert told == TOLD
    road = await road.restarted()
    assert len(road.store.visits) == 2  # an arrival is no visit of its own
    assert all(visit.left_ms for visit in road.store.visits.values())
    if not follows:  # in the end the last hub brings all of it to the book
        road = await road.restarted()
        road.follows = True
        assert await road.wait(0) == []
    assert road.book.route("acme", "r") is None


async def test_risks_that_were_told_are_not_told_again_by_the_next_hub():
    """And once they have been good, they are."""
    road = Road()
    await road.put(route_of(stop("a", 9_000, closes_ms=NOW_MS + 300_000), stop("b", 19_000), line=STRAIGHT))
    assert await road.drive((0, 0)) == [("late_risk", "a")]
    road = await road.restarted()
    assert await road.drive((100, 0), (200, 0)) == []
    assert road.progress().along_m == pytest.approx(200, abs=5)


async def test_a_route_that_was_edited_while_the_hub_was_down_is_another():
    """With another line the vehicle is looked for anew, and is not told off a line twice."""
    road = Road()
    await road.put(route_of(*TWO, line=STRAIGHT))
    await road.drive((0, 0), (100, 0))
    assert await road.drive(*[(100, 900)] * 8) == [("off_route",)]
    road.book.put_route(road.edit(line=line((0, 9_000), (9_000, 9_000))))
    road = await road.restarted()
    assert await road.drive(*[(100, 900)] * 9) == []
    assert road.progress().is_off_route
    road.book.remove_route("acme", "r")
    road = await road.restarted()
    assert await road.drive((100, 900)) == []
    assert road.watch.remembered([0]) == ["null"]


async def test_many_routes_come_and_go_and_each_vehicle_stays_on_its_own():
    """While routes of other vehicles are added, edited and removed, and sets are swapped, nobody is told off a line that it drives on."""
    random, road = Random(1), Road()
    lines = {f"v{i}": [(0, 500 * i), (4_000 + 700 * i, 500 * i), (4_000 + 700 * i, 9_000)] for i in range(8)}
    on = {}
    for i in range(160):
        vehicle = f"v{random.randrange(8)}"
        if vehicle not in on:
            on[vehicle] = 0.0
            end = lines[vehicle][1]
            made = route_of(stop("s", *end), stop("t", 99_000), route_id=f"r{vehicle}{i}", vehicle=vehicle, line=line(*lines[vehicle]))  # fmt: skip
            assert await road.put(made) == []
        elif random.random() < 0.15:
            del on[vehicle]
            (found,) = [one for one in road.book.all_active() if one.vehicle == vehicle]
            road.book.remove_route("acme", found.route_id)
            await road.settle()
        else:
            on[vehicle] += 90.0
            begin, end = lines[vehicle][0], lines[vehicle][1]
            assert (
                await road.drive((min(end[0] - 200, begin[0] + on[vehicle]), begin[1]), vehicle=vehicle) == []
            )
    for vehicle, along in on.items():
        if along:
            assert road.progress(vehicle).along_m == pytest.approx(
                min(lines[vehicle][1][0] - 200, along), rel=0.01
            )
