"""Small conversations, fixes in and events out: how a vehicle drives its route, and does not."""

from dataclasses import replace

import pytest
from road import NOW_MS, Road, line, metres_between, route_of, stop

STRAIGHT = line((0, 0), (20_000, 0))
TWO = (stop("a", 5_000), stop("b", 10_000))


def kinds(told):
    return [one[0] for one in told]


async def test_a_day_as_planned():
    """On the line all the way: each stop is reached and left once, by the book too, and nothing else is said."""
    road = Road()
    assert await road.put(route_of(*TWO, line=STRAIGHT)) == []
    told = await road.drive(*metres_between((0, 0), (12_000, 0), 100))
    assert told == [("arrived", "a"), ("departed", "a"), ("arrived", "b"), ("departed", "b")]
    assert road.book.route("acme", "r") is None


async def test_an_arrival_says_which_visit_it_is():
    """The event of an arrival has the fence's visit, time and place, and the route and the stop by their ids."""
    road = Road()
    await road.put(route_of(*TWO, line=STRAIGHT))
    await road.drive(*metres_between((4_000, 0), (6_000, 0), 100))
    enter, arrived, exit_, departed = road.heard
    assert (enter["event"], arrived["event"]) == ("enter", "arrived")
    same = ("visit", "fence", "name", "time_ms", "lat", "lon", "fix_time_ms", "vehicle", "cause")
    assert {name: arrived[name] for name in same} == {name: enter[name] for name in same}
    assert (arrived["route"], arrived["stop"], arrived["entered_ms"]) == ("r", "a", enter["time_ms"])
    assert (departed["visit"], departed["time_ms"]) == (enter["visit"], exit_["time_ms"])
    assert departed["entered_ms"] == enter["time_ms"]


async def test_a_detour_is_told_after_its_time_and_the_return_at_once():
    """Off after a minute of fixes beyond the limit, once; on again with the first fix back; what is in between says nothing."""
    road = Road()
    await road.put(route_of(*TWO, line=STRAIGHT))
    assert await road.drive(*metres_between((0, 0), (2_000, 0), 100)) == []
    told = await road.drive(*metres_between((2_000, 300), (2_000, 900), 100))
    assert told == [("off_route",)]
    assert road.heard[-1]["distance_m"] == pytest.approx(900, rel=0.01)
    assert road.progress().is_off_route
    assert await road.drive((2_500, 900), (2_600, 500), (2_700, 80)) == []
    assert await road.drive((2_800, 20), (2_900, 0)) == [("on_route",)]
    assert road.watch.counters["told"]["off_route"] == 1


async def test_a_short_wobble_off_the_line_says_nothing():
    """Less than the time off it is no detour."""
    road = Road()
    await road.put(route_of(*TWO, line=STRAIGHT))
    wobble = [(0, 0), (100, 400), (200, 400), (300, 400), (400, 0), (500, 400), (600, 0)]
    assert await road.drive(*wobble) == []


async def test_a_short_cut_that_leaves_out_a_stop():
    """The stop that was left out stays ahead, and the later one is reached; no word of it but being off the line meanwhile."""
    road = Road()
    loop = line((0, 0), (5_000, 0), (5_000, 5_000), (10_000, 5_000), (10_000, 0), (15_000, 0))
    await road.put(route_of(stop("a", 5_000, 5_000), stop("b", 14_000), line=loop))
    cut = [*metres_between((0, 0), (5_000, 0), 200), *metres_between((5_200, 0), (14_500, 0), 200)]
    assert await road.drive(*cut) == [("off_route",), ("on_route",), ("arrived", "b"), ("departed", "b")]
    left = road.book.route("acme", "r")
    assert left is not None
    assert [(one.stop_id, one.state) for one in left.stops] == [("b", "done"), ("a", "ahead")]


async def test_a_u_turn_is_off_the_route():
    """Who goes back along the line is off it, and found again when it goes on."""
    road = Road()
    await road.put(route_of(*TWO, line=STRAIGHT))
    await road.drive(*metres_between((0, 0), (3_000, 0), 100))
    told = await road.drive(*metres_between((2_900, 0), (1_500, 0), 100))
    assert told[0] == ("off_route",)
    assert set(kinds(told)) <= {"off_route", "on_route"}


async def test_arriving_twice_is_once():
    """Who comes back to a stop that is done says nothing more; a route that leads there twice is told twice."""
    road = Road()
    await road.put(route_of(stop("a", 5_000), stop("b", 10_000), stop("c", 5_000)))
    there_and_back = [
        *metres_between((4_000, 0), (6_000, 0), 100),
        *metres_between((6_000, 0), (4_000, 0), 100),
    ]
    # the second visit is the third stop's, and the one between stays ahead
    assert await road.drive(*there_and_back) == [
        ("arrived", "a"),
        ("departed", "a"),
        ("arrived", "c"),
        ("departed", "c"),
    ]
    assert await road.drive(*there_and_back) == []


async def test_two_stops_at_one_place_are_reached_together():
    """Stops in a row with the same fence share the visit."""
    road = Road()
    await road.put(route_of(stop("a", 5_000), stop("b", 5_000), stop("c", 9_000)))
    told = await road.drive(*metres_between((4_000, 0), (6_000, 0), 100))
    assert told == [("arrived", "a"), ("arrived", "b"), ("departed", "a"), ("departed", "b")]


async def test_a_delivery_before_its_pickup_is_no_arrival():
    """Who passes the delivery first has not arrived there; after the pickup it has."""
    road = Road()
    stops = stop("p", 8_000, kind="pickup", load="l"), stop("d", 4_000, kind="delivery", load="l")
    await road.put(route_of(*stops))
    assert await road.drive(*metres_between((3_000, 0), (9_000, 0), 100)) == [
        ("arrived", "p"),
        ("departed", "p"),
    ]
    assert await road.drive(*metres_between((9_000, 0), (4_000, 0), 100)) == [("arrived", "d")]


async def test_who_is_there_already_has_arrived():
    """A vehicle inside when its route becomes active has arrived, for that reason and not before now."""
    road = Road()
    await road.put(route_of(stop("x", 5_000), route_id="other", vehicle="car"))
    await road.drive((5_000, 0), (5_010, 0))
    road.now_ms += 3_600_000
    assert await road.put(route_of(stop("a", 5_000), stop("b", 9_000))) == [("arrived", "a")]
    said = road.heard[-1]
    assert (said["cause"], said["time_ms"]) == ("route_changed", road.now_ms)
    assert said["entered_ms"] == NOW_MS + 10_000
    assert await road.drive((5_400, 0)) == [("departed", "a")]


async def test_two_routes_one_after_the_other():
    """The second begins where it becomes active; nothing of the first is told of it."""
    road = Road()
    await road.put(route_of(stop("a", 2_000), line=STRAIGHT))
    told = await road.drive(*metres_between((0, 0), (3_000, 0), 100))
    assert told == [("arrived", "a"), ("departed", "a")]
    assert await road.drive(*metres_between((3_000, 600), (3_000, 3_000), 100)) == []  # no route, no line
    north = line((3_000, 3_000), (3_000, 9_000))
    assert await road.put(route_of(stop("a", 3_000, 6_000), route_id="s", line=north)) == []
    told = await road.drive(*metres_between((3_000, 3_000), (3_000, 7_000), 100))
    assert told == [("arrived", "a"), ("departed", "a")]


@pytest.mark.parametrize("together", [False, True])
async def test_after_its_last_stop_nobody_is_off_a_route(together):
    """While the book has not heard of the last departure, the drive home is no detour; nor is it in one backlog with the departure."""
    road = Road(follows=False)
    await road.put(route_of(stop("a", 2_000), line=STRAIGHT))
    told = await road.drive(
        *metres_between((0, 0), (3_000, 0), 100),
        *metres_between((3_000, 500), (3_000, 5_000), 100),
        together=together,
    )
    assert told == [("arrived", "a"), ("departed", "a")]


async def test_what_was_told_is_not_told_again_while_the_book_is_behind():
    """With a store that is away each event is told once; when the book follows at last, nothing more."""
    road = Road(follows=False)
    await road.put(route_of(*TWO, line=STRAIGHT))
    told = await road.drive(*metres_between((4_000, 0), (6_000, 0), 100))
    assert told == [("arrived", "a"), ("departed", "a")]
    assert await road.put(road.edit(plan="p")) == []
    assert await road.drive((6_100, 0), (6_200, 0)) == []


async def test_an_edit_keeps_the_progress_on_the_same_line():
    """Stops come and go without the vehicle being looked for anew; the new stop is reached."""
    road = Road()
    await road.put(route_of(*TWO, line=STRAIGHT))
    await road.drive(*metres_between((0, 0), (3_000, 0), 100))
    before = road.progress().along_m
    others = [route_of(stop("z", 1_000), route_id=f"o{i}", vehicle=f"v{i}", line=line((0, i), (50, i), (99, i))) for i in range(3)]  # fmt: skip
    assert await road.put(*others, road.edit(stops=(stop("n", 4_000), *TWO))) == []
    assert road.progress().along_m == before
    told = await road.drive(*metres_between((3_100, 0), (4_500, 0), 100))
    assert told == [("arrived", "n"), ("departed", "n")]
    for other in others:
        road.book.remove_route("acme", other.route_id)
    assert await road.settle() == []
    assert await road.drive((4_600, 0)) == []
    assert road.progress().along_m == pytest.approx(4_600, abs=15)


async def test_who_is_off_stays_off_on_a_new_line_until_it_is_on_it():
    """A line that is drawn to where the vehicle is brings it back; one that is elsewhere does not tell it off again."""
    road = Road()
    await road.put(route_of(*TWO, line=STRAIGHT))
    await road.drive((0, 0), (100, 0))
    assert await road.drive(*[(200 + 50 * i, 800) for i in range(8)]) == [("off_route",)]
    await road.put(road.edit(line=line((0, -900), (10_000, -900))))
    assert await road.drive(*[(600 + 50 * i, 800) for i in range(9)]) == []
    await road.put(road.edit(line=line((0, 800), (10_000, 800), (10_000, 0))))
    assert await road.drive((1_100, 800)) == [("on_route",)]


async def test_a_deleted_route_says_nothing_more():
    """Neither off the line, nor at the stops; and another vehicle's goes on."""
    road = Road()
    await road.put(
        route_of(*TWO, line=STRAIGHT), route_of(stop("x", 4_000), route_id="q", vehicle="car", line=STRAIGHT)
    )
    await road.drive((0, 0), (100, 0))
    await road.drive((0, 0), (100, 0), vehicle="car")
    road.book.remove_route("acme", "r")
    assert await road.settle() == []
    assert road.progress() is None
    assert await road.drive(*metres_between((100, 0), (6_000, 0), 200), *[(6_000, 900)] * 9) == []
    told = await road.drive(*metres_between((100, 0), (4_500, 0), 100), vehicle="car")
    assert told == [("arrived", "x"), ("departed", "x")]


async def test_a_fence_that_is_edited_away_is_no_departure():
    """A stop is not done because somebody deleted its fence."""
    road = Road()
    await road.put(route_of(*TWO))
    assert await road.drive((5_000, 0)) == [("arrived", "a")]
    road.catalogue.remove("acme", road.heard[-1]["fence"])
    await road.catalogue.settled()
    assert await road.settle() == []
    assert await road.drive((9_000, 0)) == []


@pytest.mark.parametrize("together", [False, True])
async def test_fixes_of_one_batch_and_of_many_tell_the_same(together):
    """A backlog in one step tells what the same fixes tell one by one."""
    road = Road(follows=False)
    await road.put(route_of(*TWO, line=STRAIGHT))
    places = [
        *metres_between((0, 0), (6_000, 0), 100),
        *[(6_000 + 50 * i, 700) for i in range(9)],
        (6_600, 0),
    ]
    told = await road.drive(*places, together=together)
    assert told == [("arrived", "a"), ("departed", "a"), ("off_route",), ("on_route",)]


async def test_etas_are_what_is_left_of_the_line():
    """At 10 m/s along the line, waiting for a window and with service on the way."""
    road = Road()
    opens_ms = NOW_MS + 1_000_000
    bent = line((0, 0), (3_000, 0), (3_000, 3_000))
    stops = stop("a", 3_000, 0, opens_ms=opens_ms, service_s=120.0), stop("b", 3_000, 3_000)
    await road.put(route_of(*stops, line=bent))
    await road.drive(*metres_between((0, 0), (1_000, 0), 100))
    (eta_a, late_a), (eta_b, late_b) = road.progress().stops["a"], road.progress().stops["b"]
    assert eta_a == pytest.approx(road.now_ms + 200_000, abs=2_000)
    assert eta_b == pytest.approx(opens_ms + 120_000 + 300_000, abs=2_000)
    assert (late_a, late_b) == (0.0, 0.0)
    assert road.progress().left_m == pytest.approx(5_000, abs=15)
    await road.wait(60)  # it says nothing, so it stands
    assert road.progress().stops["a"][0] == pytest.approx(eta_a + 60_000, abs=2_000)


async def test_etas_without_a_line_are_straight():
    """From stop to stop as the crow flies, from wherever the vehicle is."""
    road = Road()
    await road.put(route_of(stop("a", 3_000), stop("b", 3_000, 4_000)))
    await road.drive((0, 0))
    etas = [road.progress().stops[name][0] - road.now_ms for name in "ab"]
    assert etas == pytest.approx([300_000, 700_000], abs=2_000)
    assert (road.progress().along_m, road.progress().is_off_route) == (None, False)


async def test_lateness_is_told_once_until_it_was_good_again():
    """Told when the arrival passes the window's close by more than the limit; again only after it has been in time."""
    road = Road()
    closes_ms = NOW_MS + 1_000_000
    await road.put(route_of(stop("a", 9_000, closes_ms=closes_ms), stop("b", 19_000), line=STRAIGHT))
    assert await road.drive((0, 0)) == []  # 900 s of 1000
    assert await road.wait(300) == []  # 300 s late is not more than the limit
    told = await road.wait(200)
    assert told == [("late_risk", "a")]
    said = road.heard[-1]
    assert said["late_s"] == pytest.approx(410, abs=5)
    assert said["cause"] == "timer"
    assert await road.wait(300) == []
    assert await road.drive(*metres_between((0, 0), (8_000, 0), 400), every_s=0.5) == []  # in time, if hardly
    await road.put(road.edit(stops=(stop("a", 9_000, closes_ms=road.now_ms + 200_000), stop("b", 19_000))))
    assert await road.wait(6) == []
    assert await road.wait(600) == [("late_risk", "a")]


async def test_a_stop_that_was_passed_by_is_late_when_its_window_has_closed():
    """Nobody knows when it will be driven to, but not before now; those after it are told by the line."""
    road = Road()
    stops = (
        stop("a", 5_000, 2_000, closes_ms=NOW_MS + 100_000),
        stop("b", 10_000, closes_ms=NOW_MS + 10_000_000),
    )
    await road.put(route_of(*stops, line=STRAIGHT))
    told = await road.drive(*metres_between((4_000, 0), (7_000, 0), 100))
    assert told == []
    assert set(road.progress().stops) == {"b"}
    assert await road.wait(200) == [("late_risk", "a")]


async def test_service_holds_the_vehicle_at_a_stop():
    """Who has arrived drives on when service ends, not before the window opens."""
    road = Road()
    await road.put(route_of(stop("a", 1_000, service_s=600.0), stop("b", 2_000)))
    assert await road.drive((1_000, 0)) == [("arrived", "a")]
    await road.wait(5)
    assert road.progress().stops["b"][0] == pytest.approx(NOW_MS + 10_000 + 600_000 + 100_000, abs=2_000)


async def test_who_has_no_route_costs_nothing():
    """Without an active route there is nothing to be told or remembered, and no step is wanted for time alone."""
    road = Road()
    planned = replace(route_of(*TWO, line=STRAIGHT), status="planned")
    assert await road.put(planned) == []
    assert await road.drive((5_000, 0), (9_000, 900)) == []
    assert not road.watch.is_waiting
    assert road.watch.remembered([0]) == ["null"]
