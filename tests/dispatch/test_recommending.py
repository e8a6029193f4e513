"""Who should take a load: against trying every place of every vehicle, and the words against the numbers."""

import re
from itertools import product

import numpy as np
import pytest
from dispatch_world import NOW_MS, NOW_S, World, load, place, route, stops_of, walk

from haulcast.dispatch.fleets import Selected
from haulcast.dispatch.recommending import recommended
from haulcast.errors import RequestError
from haulcast.routes.load import Load
from haulcast.routes.route import RouteStatus, RouteStop, StopKind, StopState
from haulcast.routes.vehicle_profile import VehicleProfile


async def ask(world: World, one: Load, most: int = 5, selected: Selected | None = None):
    """The answer, and the fleet that was asked."""
    async with world.asked(*one.needs, selected=selected) as asked:
        return recommended(asked, one, most, world.fleets.facts), asked


def random_world(rng: np.random.Generator) -> tuple[World, Load]:
    """Some vehicles with none to three loads each, and a load to give away."""
    world = World()
    for number in range(int(rng.integers(1, 6))):
        name = f"v{number}"
        world.vehicle(
            name,
            *rng.uniform((45, 9), (45.4, 9.5)).tolist(),
            capacity={"kg": float(rng.integers(100, 600))},
            skills=frozenset(rng.choice(["reefer", "lift"], int(rng.integers(0, 3)), replace=False)),
            end=(45.2, 9.2) if rng.random() < 0.3 else None,
            shift_closes_ms=NOW_MS + int(rng.integers(5_000_000, 40_000_000)) if rng.random() < 0.3 else None,
            most_drive_s=float(rng.uniform(4_000, 20_000)) if rng.random() < 0.3 else None,
            fixed_cost=float(rng.choice([0.0, 5.0])),
            cost_per_hour=float(rng.choice([0.0, 20.0])),
        )
        loads = [random_load(rng, f"{name}-{i}") for i in range(int(rng.integers(0, 4)))]
        stops: list[RouteStop] = []
        for one in loads:
            pickup, delivery = stops_of(one)
            at = int(rng.integers(0, len(stops) + 1))
            stops.insert(at, pickup)
            stops.insert(int(rng.integers(at + 1, len(stops) + 1)), delivery)
        if stops:
            if rng.random() < 0.4 and stops[0].kind is StopKind.PICKUP:
                state = StopState.DONE if rng.random() < 0.5 else StopState.ARRIVED
                stops[0] = RouteStop(stops[0].stop_id, stops[0].kind, stops[0].place, stops[0].load, state, arrived_ms=NOW_MS - 60_000)  # fmt: skip
            world.drive(name, *stops, loads=loads)
    return world, random_load(rng, "new", needs=frozenset(rng.choice(["reefer", "lift"], int(rng.integers(0, 2)))))  # fmt: skip


def random_load(rng: np.random.Generator, load_id: str, **members) -> Load:
    ends = []
    for _ in range(2):
        opens = float(rng.uniform(0, 6_000)) if rng.random() < 0.5 else None
        closes = (opens or 0) + float(rng.uniform(2_000, 20_000)) if rng.random() < 0.6 else None
        ends.append(
            place(*rng.uniform((45, 9), (45.4, 9.5)).tolist(), opens, closes, float(rng.integers(0, 600)))
        )
    return load(load_id, *ends, kg=float(rng.integers(50, 300)), **members)


def by_trying(world: World, one: Load) -> dict[str, float]:
    """The least cost of each vehicle that can, by walking the route with the load at every place."""
    world.book.put_load(one)
    found = {}
    for vehicle in world.places:
        profile, made = world.book.profile("acme", vehicle), world.book.active("acme", vehicle)
        stops = list(made.stops) if made else []
        behind = sum(stop.state is not StopState.AHEAD for stop in stops)
        before = walk(world, made, vehicle, stops)
        if not one.needs <= profile.skills:
            continue
        pickup, delivery = stops_of(one)
        for i, j in product(range(behind, len(stops) + 1), repeat=2):
            if j < i:
                continue
            between = [pickup.stop_id, *(stop.stop_id for stop in stops[i:j])]
            after = walk(world, made, vehicle, [*stops[:i], pickup, *stops[i:j], delivery, *stops[j:]])
            refused = {f"{stop} overloads kg" for stop in between} | {"drives too much"}
            refused |= {f"{stop.stop_id} is late" for stop in (pickup, delivery)}
            later = [stop for stop, was in before.begins_s.items() if after.begins_s[stop] > was + 0.05]
            refused |= {f"{stop} is late" for stop in later}
            refused |= {"shift is over"} if after.ends_s > before.ends_s + 0.05 else set()
            if refused & set(after.wrong):
                continue
            cost = profile.cost_per_km * max(0.0, after.way_m - before.way_m) / 1000
            cost += profile.cost_per_hour * max(0.0, after.ends_s - before.ends_s) / 3600
            cost += profile.fixed_cost if len(stops) == behind else 0.0
            found[vehicle] = min(found.get(vehicle, np.inf), cost)
    world.book.remove_load("acme", one.load_id)
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_the_best_drivers_are_those_of_trying_everything(seed):
    """Drivers, their order, costs and times; who has nobody is told how many fail each constraint."""
    rng = np.random.default_rng(seed)
    some, none = 0, 0
    for _ in range(60):
        world, one = random_world(rng)
        expected = by_trying(world, one)
        found, _ = await ask(world, one, 3)
        costs = sorted(expected.values())[:3]
        assert [driver.insertion.cost for driver in found.drivers] == pytest.approx(costs, rel=1e-3, abs=0.02)
        for driver in found.drivers:
            assert driver.insertion.cost == pytest.approx(expected[driver.vehicle], rel=1e-3, abs=0.02)
            made = world.book.active("acme", driver.vehicle)
            stops = list(made.stops) if made else []
            names = [stop.stop_id for stop in stops]
            behind = sum(stop.state is not StopState.AHEAD for stop in stops)
            i, j = (
                names.index(after) + 1 if after else behind
                for after in (driver.pickup_after, driver.delivery_after)
            )
            pickup, delivery = stops_of(one)
            world.book.put_load(one)
            after = walk(world, made, driver.vehicle, [*stops[:i], pickup, *stops[i:j], delivery, *stops[j:]])
            world.book.remove_load("acme", one.load_id)
            assert after.begins_s["new-p"] == pytest.approx(driver.pickup.begins_s, abs=15)
            assert after.begins_s["new-d"] == pytest.approx(driver.delivery.begins_s, abs=15)
            assert driver.pickup.eta_s <= driver.pickup.begins_s + 1e-6
        some, none = some + bool(found.drivers), none + (not found.drivers)
        if not found.drivers:
            assert sum(found.refused.values()) == len(world.places)
            assert len(found.nearest) == len(world.places)
            assert all(one.words.startswith(f"{one.vehicle}: ") for one in found.nearest)
    assert some > 10
    assert none > 3


async def test_the_words_are_the_numbers():
    """What a driver costs in words is what the numbers say, rounded."""
    world = World()
    world.vehicle("truck-7", 45.0, 9.0)
    there = load("a", place(45.1, 9.0), place(45.2, 9.0, closes_s=6_000))
    world.drive("truck-7", *stops_of(there), loads=[there])
    one = load("b", place(45.05, 9.01, opens_s=1_500), place(45.15, 9.0))
    world.availability["truck-7"] = 0.75
    found, _ = await ask(world, one)
    driver = found.drivers[0]
    insertion = driver.insertion
    way_s = driver.pickup.eta_s - NOW_S
    assert world.asked_horizons == [pytest.approx(way_s)]
    assert driver.availability == 0.75
    assert driver.reasons == [
        f"{round(way_s / 60)} min to the pickup",
        f"waits {round((1_500 - way_s) / 60)} min for it to open",
        f"{insertion.extra_m / 1000:.1f} km extra",
        f"uses {round(insertion.slack_eaten_s / 60)} of {round((insertion.slack_s + insertion.slack_eaten_s) / 60)} min slack",
    ]
    assert (driver.pickup_after, driver.route) == ("", "r-truck-7")


CLOSE = load("new", place(45.1, 9.0, closes_s=100), place(45.2, 9.0))
FAR = load("new", place(45.1, 9.0), place(46.5, 9.0, closes_s=3_000))
EASY = load("new", place(45.1, 9.05), place(45.2, 9.05), service := 100.0)


@pytest.mark.parametrize(
    ("profile", "plan", "one", "constraint", "words"),
    [
        ({}, None, load("new", place(45.1, 9), place(45.2, 9), needs=frozenset({"reefer", "lift"})), "skills", r"lacks lift, reefer"),
        ({"capacity": {"kg": 50.0}}, None, EASY, "capacity", r"has room for 50 kg at most, and the load has 100"),
        ({"capacity": {}}, None, EASY, "capacity", r"has no room for kg, and the load has 100"),
        ({}, None, CLOSE, "pickup_late", r"the pickup window closes 22:15, it would be there 22:30"),
        ({}, None, FAR, "delivery_late", r"the delivery window closes (14 Nov|23:03|.*), it would be there .*"),
        ({"most_drive_s": 1_200.0}, None, EASY, "driving", r"may drive 20 min, and would drive \d+ min"),
        ({"shift_closes_ms": NOW_MS + 600_000}, None, EASY, "shift", r"its shift ends 22:23, and it would be done 22:\d\d"),
    ],
)  # fmt: skip
async def test_each_constraint_is_told_with_its_numbers(profile, plan, one, constraint, words):
    """Who cannot is told which constraint fails, and by how much."""
    world = World()
    world.vehicle("truck-7", 45.0, 9.0, **profile)
    found, _ = await ask(world, one)
    assert found.drivers == []
    assert found.refused == {constraint: 1}
    assert re.fullmatch(f"truck-7: {words}", found.nearest[0].words), found.nearest[0].words
    assert found.nearest[0].constraint == constraint


async def test_the_stop_that_would_be_late_is_named():
    """A planned stop whose window a detour would miss, and one that is late already."""
    one = load("new", place(45.05, 9.2, closes_s=2_300, service_s=600), place(45.05, 9.3, closes_s=9_000))
    for closes_s, words in ((1_700, "stop 'a-d' closes 22:41, it would be there"), (60, "stop 'a-d' is late already, at")):  # fmt: skip
        world = World()
        world.vehicle("truck-7", 45.0, 9.0)
        there = load("a", place(45.05, 9.0), place(45.1, 9.0, closes_s=closes_s))
        world.drive("truck-7", *stops_of(there), loads=[there])
        found, _ = await ask(world, one)
        assert found.refused == {"stop_late": 1}
        assert found.nearest[0].stop == "a-d"
        assert words in found.nearest[0].words


async def test_who_is_not_asked_is_counted():
    """Without a position, with an old one, after the shift, and whoever was not selected."""
    world = World()
    one = load("new", place(45.1, 9), place(45.2, 9))
    assert (await ask(world, one))[0].drivers == []
    world.vehicle("fresh", 45.0, 9.0)
    world.vehicle("stale", 45.0, 9.0, ago_s=901)
    world.vehicle("gone home", 45.0, 9.0, shift_closes_ms=NOW_MS - 1)
    world.book.put_profile("acme", "never seen", VehicleProfile(capacity={"kg": 1000.0}))
    world.book.put_profile(
        "acme", "in the depot", VehicleProfile(capacity={"kg": 1000.0}, start=(45.05, 9.0))
    )
    world.book.put_profile("other", "of others", VehicleProfile(capacity={"kg": 1000.0}, start=(45.05, 9.0)))
    found, asked = await ask(world, one)
    assert [driver.vehicle for driver in found.drivers] == ["in the depot", "fresh"]
    assert asked.not_asked == {"no_position": 1, "stale_position": 1, "off_shift": 1}
    world.tags["fresh"] = ("van",)
    for selected in (Selected(tags=frozenset({"van"})), Selected(ids=frozenset({"fresh", "stale"}))):
        found, asked = await ask(world, one, selected=selected)
        assert [driver.vehicle for driver in found.drivers] == ["fresh"]
        assert asked.not_asked["not_selected"] >= 3
    found, asked = await ask(world, one, selected=Selected(ids=frozenset({"stale"})))
    assert (found.drivers, found.refused, found.nearest) == ([], {}, [])
    with pytest.raises(RequestError, match="skills"):
        async with world.asked(*map(str, range(61))):
            pass


async def test_a_vehicle_is_where_it_is_now():
    """What was built is kept while the book is the same, and moves with the vehicles; another book, another plan."""
    world = World()
    world.vehicle("van", 45.0, 9.0)
    one = load("new", place(45.5, 9), place(45.6, 9))
    far, first = await ask(world, one)
    world.places["van"] = (45.4, 9.0, NOW_MS)
    near, second = await ask(world, one)
    assert first.columns is second.columns
    assert near.drivers[0].pickup.eta_s < far.drivers[0].pickup.eta_s - 1_000
    there = load("a", place(45.45, 9.0, service_s=1_000), place(45.6, 9.0))
    world.drive("van", *stops_of(there), loads=[there])
    after, third = await ask(world, one)
    assert third.columns is not first.columns
    assert after.drivers[0].route == "r-van"
    state = StopState.ARRIVED
    arrived = [RouteStop("a-p", StopKind.PICKUP, there.pickup, "a", state, arrived_ms=NOW_MS - 400_000), stops_of(there)[1]]  # fmt: skip
    world.drive("van", *arrived)
    busy, asked = await ask(world, one)
    assert asked.columns.busy_until_s[0] == pytest.approx(NOW_S + 600)
    assert busy.drivers[0].pickup.eta_s > near.drivers[0].pickup.eta_s + 500


async def test_a_planned_route_takes_a_load_where_there_is_no_active_one():
    """The one that begins first."""
    world = World()
    world.vehicle("van", 45.0, 9.0)
    for name, opens_s in (("late", 50_000), ("early", 9_000)):
        stop = RouteStop(name, StopKind.STOP, place(45.5, 9.0, opens_s=opens_s))
        made = route("van", [stop], status=RouteStatus.PLANNED)
        world.book.put_route(
            type(made)(**{**{f: getattr(made, f) for f in made.__slots__}, "route_id": name})
        )
    found, _ = await ask(world, load("new", place(45.1, 9), place(45.2, 9)))
    assert found.drivers[0].route == "early"
