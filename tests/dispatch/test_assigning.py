"""Many loads at once: what is assigned keeps every limit, nothing that was planned moves, and what is left out fits nowhere."""

from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from dispatch_world import World, load, place, stops_of, walk
from test_recommending import by_trying, random_load, random_world

from haulcast.dispatch.assigning import matched
from haulcast.dispatch.assignment import assignment
from haulcast.routes.route import RouteStatus, StopState


async def assigned(world: World, *loads, **options):
    """The answer for these loads."""
    needs = {skill for one in loads for skill in one.needs}
    ids = (f"new-{number}" for number in range(10_000))
    async with world.asked(*needs) as asked:
        return assignment(asked, loads, ids.__next__, **options)


@pytest.mark.parametrize("seed", range(3))
async def test_an_assignment_keeps_every_limit(seed):
    """Each route, driven by itself, is late at no stop that was not, overloads nobody, and has the old stops in their order; what is left fits nowhere."""
    rng = np.random.default_rng(seed)
    counts: Counter[str] = Counter()
    for _ in range(40):
        world, _ = random_world(rng)
        loads = [random_load(rng, f"new{i}") for i in range(int(rng.integers(1, 9)))]
        before = {vehicle: world.book.active("acme", vehicle) for vehicle in world.places}
        found = await assigned(world, *loads)
        placed, left = {one.load: one for one in found.placed}, {one.load for one in found.left_out}
        assert placed.keys() | left == {one.load_id for one in loads}
        assert len(found.placed) + len(left) == len(loads)
        counts.update(placed=len(placed), left=len(left), rounds=found.rounds)
        for one in loads:
            world.book.put_load(one)
        old = {
            vehicle: walk(world, made, vehicle, made.stops if made else [])
            for vehicle, made in before.items()
        }
        for made in found.routes:
            was = before[made.vehicle]
            known = [stop.stop_id for stop in was.stops] if was else []
            assert [stop.stop_id for stop in made.stops if stop.stop_id in known] == known
            assert found.expected.get(made.route_id) == ("1" if was else None)
            driven = walk(world, made, made.vehicle, made.stops)
            new = set(driven.wrong) - set(old[made.vehicle].wrong)
            assert not new, (new, made)
            for one in loads:
                its = [stop for stop in made.stops if stop.load == one.load_id]
                assert (len(its) == 2) == (
                    one.load_id in placed and placed[one.load_id].vehicle == made.vehicle
                )
            for stop in made.stops:
                if stop.state is StopState.AHEAD:
                    assert stop.planned_ms / 1000 == pytest.approx(driven.begins_s[stop.stop_id], abs=15)
            world.book.put_route(replace(made, edition="1"))
        for one in loads:
            if one.load_id in left:
                assert by_trying(world, one) == {}
    assert counts["placed"] > 100
    assert counts["left"] > 5


async def test_together_they_cost_less_than_one_after_the_other():
    """Two loads that want the same vehicle: the one that has another choice gives way."""
    world = World()
    world.vehicle("near", 45.0, 9.0)
    world.vehicle("far", 45.0, 9.3)
    a = load("a", place(45.0, 9.1), place(45.0, 8.0, closes_s=10_000))
    b = load("b", place(45.0, 9.0), place(45.9, 9.0, closes_s=11_000))
    found = await assigned(world, a, b)
    assert {one.load: one.vehicle for one in found.placed} == {"a": "far", "b": "near"}
    assert {made.status for made in found.routes} == {RouteStatus.ACTIVE}


async def test_why_a_load_is_left_out():
    """What it costs, who cannot, and that nobody could be asked."""
    world = World()
    one = load("a", place(45.1, 9.0), place(45.2, 9.0))
    assert [left.why for left in (await assigned(world, one)).left_out] == ["no vehicle could be asked"]
    world.vehicle("van", 45.0, 9.0)
    cheap = replace(one, left_out_cost=3.0)
    found = await assigned(world, cheap)
    assert [left.why for left in found.left_out] == ["leaving it out costs 3, which is less than carrying it"]
    assert (await assigned(world, replace(one, left_out_cost=100.0))).left_out == []
    heavy = load("h", place(45.1, 9.0), place(45.2, 9.0), kg=5_000)
    found = await assigned(world, heavy, one)
    assert found.left_out[0].refused == {"capacity": 1}
    assert found.left_out[0].why == "no vehicle can take it; the nearest, van: has room for 1000 kg at most, and the load has 5000"  # fmt: skip
    assert (await assigned(world)).placed == []


async def test_a_changed_route_costs_what_the_setting_says():
    """A dear change sends a load to an idle vehicle that is further away."""
    for change_cost, who in ((0.0, "busy"), (50.0, "idle")):
        world = World(change_cost=change_cost)
        world.vehicle("busy", 45.0, 9.0)
        world.vehicle("idle", 45.0, 9.2)
        there = load("a", place(45.1, 9.0), place(45.5, 9.0))
        world.drive("busy", *stops_of(there), loads=[there], line=((9.0, 45.0), (9.0, 45.5)))
        found = await assigned(world, load("new", place(45.2, 9.0), place(45.3, 9.0)))
        assert [one.vehicle for one in found.placed] == [who]
        assert all(made.line == () for made in found.routes)


async def test_a_stop_id_is_of_one_stop():
    """A load that was on the route before, and is open again, gets stops of other ids."""
    world = World()
    world.vehicle("van", 45.0, 9.0)
    one, other = load("a", place(45.1, 9.0), place(45.2, 9.0)), load("b", place(45.1, 9.0), place(45.5, 9.0))
    skipped = [
        replace(stop, state=StopState.SKIPPED, stop_id=f"a-{stop.kind.value}") for stop in stops_of(one)
    ]
    world.drive("van", *skipped, *stops_of(other), loads=[one, other])
    found = await assigned(world, one)
    ids = [stop.stop_id for stop in found.routes[0].stops]
    assert len(ids) == len(set(ids)) == 6
    assert "a-pickup-2" in ids


def test_a_round_is_as_cheap_as_can_be():
    """Against all ways to give loads to vehicles, where a load may wait for a little more than its last choice, and for much more when it has no others."""
    rng = np.random.default_rng(3)
    dtype = np.dtype([("vehicle", np.int32), ("cost", np.float64)])
    for _ in range(200):
        n, k, most = (int(rng.integers(1, 6)) for _ in range(3))
        best, count = np.zeros((n, most), dtype), np.minimum(most, rng.integers(1, k + 1, n)).astype(np.int32)
        for i in range(n):
            best["vehicle"][i, : count[i]] = rng.choice(k, count[i], replace=False)
            best["cost"][i, : count[i]] = np.sort(rng.choice([0.0, 1.0, 2.0, 5.0], count[i]))
        price = [{best["vehicle"][i, c]: best["cost"][i, c] for c in range(count[i])} for i in range(n)]
        dear = (max(max(one.values()) for one in price) + 1) * (n + 1)
        wait = [dear if len(one) < most else max(one.values()) * (1 + 1e-9) + 1e-6 for one in price]
        ways = permutations([*range(k), *[-1] * n], n)
        least = min(sum(wait[i] if who < 0 else price[i].get(who, 1e6) for i, who in enumerate(way)) for way in ways)  # fmt: skip
        which, choice = matched(type("F", (), {"best": best, "counts": count}), np.arange(n, dtype=np.int32))
        vehicles = best["vehicle"][which, choice]
        assert len(set(vehicles.tolist())) == len(vehicles) > 0
        total = best["cost"][which, choice].sum() + sum(wait[i] for i in set(range(n)) - set(which.tolist()))
        assert total == pytest.approx(least, abs=1e-9)
